"""What makes the system start Flipbot by itself."""

import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flipbot.arguments import main
from flipbot.autostart import agent, kind_of, task, unit

NASTY = "a  b %h $HOME; c"  # what systemd would make something else of
WORSE = NASTY + ' "d" \\ e'


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
@pytest.mark.parametrize("folder", ["plain", NASTY])
def test_systemd_takes_the_unit_whatever_the_folder_is_called(tmp_path: Path, folder: str) -> None:
    python = tmp_path / folder / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    made = unit([str(python), "-P", "-m", "flipbot", "run", "-c", f"{WORSE}.toml"], python.parent, "flipbot")
    file = tmp_path / "flipbot.service"
    file.write_text(made)
    seen = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False)
    assert (seen.returncode, seen.stdout + seen.stderr) == (0, "")
    file.write_text(made.replace("/python", "/nowhere"))
    seen = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False)
    assert seen.returncode, "it looks for the program, by the name that it reads"


def test_launchd_reads_the_same_words() -> None:
    command = ["/opt/py", "-m", "flipbot", "run", "-c", "<a> & b.toml"]
    read = plistlib.loads(agent(command, Path("/srv/<x>"), "flipbot").encode())
    assert (read["ProgramArguments"], read["WorkingDirectory"]) == (command, "/srv/<x>")
    assert read["RunAtLoad"] is read["KeepAlive"] is True


def test_a_batch_file_takes_no_name_for_a_variable() -> None:
    made = task(["C:\\py.exe", "-m", "flipbot", "run", "-c", "100%.toml"], Path("C:\\50%"), "flipbot")
    assert "100%%.toml" in made and 'cd /d "C:\\50%%"' in made and "goto again" in made


def test_each_system_has_one() -> None:
    assert [kind_of(each) for each in ("linux", "win32", "darwin", "freebsd14")] == [
        "linux", "windows", "macos", "linux",
    ]  # fmt: skip


def test_the_file_alone_goes_to_stdout_and_what_to_do_with_it_to_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("LC_ALL", "en_GB.UTF-8")
    monkeypatch.setenv("COLUMNS", "1000")
    file = tmp_path / "config.toml"
    file.write_text('[web]\npassword = "never shown"\n')
    assert main(["autostart", "worker", "-c", str(file), "--data-dir", str(tmp_path / "data")]) == 0
    told = capsys.readouterr()
    words = (sys.executable, "-P", "-m", "flipbot", "worker", "-c", file, "--data-dir", tmp_path / "data")
    assert "ExecStart=" + " ".join(f'"{word}"' for word in words) + "\n" in told.out
    assert told.out.startswith("[Unit]\n") and "never shown" not in told.out
    assert f"{tmp_path / 'data'} worker > ~/.config/systemd/user/flipbot-worker.service" in told.err
    assert main(["autostart", "-c", str(tmp_path / "nowhere.toml")]) == 2
