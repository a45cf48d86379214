"""The engine's benches: they pass where the numbers are right, and only there."""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from safetensors.torch import load_file, save_file

from gen.bench import overhead, parity, vram
from gen.card import Card, Checkpoint

GOLDEN = Path(__file__).parents[1] / "golden"


def run(bench: ModuleType, *words: str) -> int:
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    code: int = bench.run(parser.parse_args(words))
    return code


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    """Two quick cases, whose weights lie beside them as in the golden folder."""
    for name in ("forward", "sampler"):
        shutil.copytree(GOLDEN / name, tmp_path / name, copy_function=shutil.copyfile)
    (tmp_path / "weights").symlink_to(GOLDEN / "weights")
    return tmp_path


def test_further_cases_are_run_unchanged(cases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (cases / "sampler").rename(cases / "another_one")
    assert run(parity, "--golden", str(cases)) == 0
    out = capsys.readouterr().out
    assert "another_one" in out
    assert "NO" not in out
    assert run(parity, "--golden", str(cases / "another_one"), "--all") == 0
    assert "run.4.x.3" in capsys.readouterr().out


def test_a_number_that_is_off_is_said(cases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = cases / "forward" / "expected.safetensors"
    tensors = load_file(path)
    tensors["f1.out"][0, 0, 0, 0, 0] += 0.01
    save_file(tensors, path)
    assert run(parity, "--golden", str(cases)) == 1
    assert "off: forward f1.out" in capsys.readouterr().out


@pytest.mark.parametrize("file", ["inputs.safetensors", "expected.safetensors"])
def test_a_case_that_cannot_be_run_has_failed(cases: Path, file: str, capsys: pytest.CaptureFixture[str]) -> None:
    (cases / "sampler" / file).write_bytes(b"no")
    assert run(parity, "--golden", str(cases)) == 1
    assert "off: sampler cannot be run" in capsys.readouterr().out


def test_without_cases_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(parity, "--golden", str(tmp_path)) == 2
    assert "no golden cases" in capsys.readouterr().out


def test_overhead_compares_a_section_with_its_forwards(checkpoint: Checkpoint, card: Card) -> None:
    pairs, plan = overhead.measure(dataclasses.replace(checkpoint, card=card), "cpu", None, 1)
    assert len(pairs) == 1
    assert plan.sections > 3
    assert all(seconds > 0 for seconds in pairs[0])


def test_overhead_of_a_model_that_is_not_there_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(overhead, "--model", "no-such-model") == 2
    assert "There is no model no-such-model" in capsys.readouterr().out


@pytest.mark.parametrize("got", ["-3", "0", "nan", "inf", "six"])
def test_a_card_has_more_than_nothing(got: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(vram, "--plan", "--vram-gib", got)
    assert f"--vram-gib: expected a number above 0, got {got}" in capsys.readouterr().err


WITHOUT = (
    "sqlalchemy",
    "aiosqlite",
    "alembic",
    "aiohttp",
    "discord",
    "telegram",
    "av",
    "prometheus_client",
    "bot",
    *(
        f"db.{path.stem}"
        for path in (Path(__file__).parents[2] / "db").iterdir()
        if path.stem not in ("__init__", "said")
    ),
)


def bare(without: tuple[str, ...], words: list[str]) -> subprocess.CompletedProcess[str]:
    """`python -m gen.bench` where some libraries are not installed."""
    refuse = f"import runpy, sys; sys.modules |= dict.fromkeys({without})"
    code = f"{refuse}; sys.argv[1:] = {words}; runpy.run_module('gen.bench', run_name='__main__')"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("words", [["ram", "--help"], ["vram", "--rehearse", "--minutes", "0"]], ids=["ram", "vram"])
def test_the_engines_benches_need_nothing_else_of_flipbot(words: list[str]) -> None:
    """As on a rented card, from a bare checkout."""
    ran = bare(WITHOUT, words)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ("usage: python -m gen.bench ram" if words[0] == "ram" else "A rehearsal") in ran.stdout


def test_a_bench_that_needs_more_says_what() -> None:
    ran = bare(("sqlalchemy",), ["queue"])
    assert ran.returncode == 2
    assert "queue needs sqlalchemy, which is not installed" in ran.stderr
    assert "Traceback" not in ran.stderr
