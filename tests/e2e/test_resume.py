"""kill -9 of the service and of its child at random moments: every film ends, bit-identical to an unbroken one."""

from pathlib import Path

from tests.e2e.conftest import run


def test_films_survive_kills_to_the_bit(small: Path) -> None:
    done = run("bench", "resume", "--films", 3, "--kills", 4, "--model", small, "--seed", 11)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "bit-identical" in done.stdout
