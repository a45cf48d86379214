"""Real processes with a small checkpoint: the golden weights in one folder, with a card of their own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.e2e import forked

GOLDEN = Path(__file__).parents[1] / "golden"
CARD = {
    "format": 1,
    "name": "small",
    "version": "1",
    "trained": False,
    "latent_window_size": 9,
    "samplings": ["f1", "inverted"],
    "fps": 30,
    "size": "48",
    "sizes": {"48": [[48, 48], [32, 48], [48, 32]]},
    "steps": 4,
    "guidance": 10.0,
    "cfg": 1.0,
    "rescale": 0.0,
    "preview": {"factors": [[0.1, 0.0, -0.1]] * 16, "bias": [0.5, 0.5, 0.5]},
}
Run = Callable[..., "subprocess.CompletedProcess[str]"]
ENVIRONMENT = {**os.environ, "LANG": "en_US.UTF-8", "LC_ALL": "en_US.UTF-8", "COLUMNS": "200"}


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the checkpoint."""
    folder = tmp_path_factory.mktemp("models") / "small"
    for part in ("weights", "encoders"):
        shutil.copytree(GOLDEN / part, folder, dirs_exist_ok=True)
    (folder / "flipbot.json").write_text(json.dumps(CARD))
    return folder


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture to animate."""
    rows, columns = np.mgrid[0:90, 0:90]
    path = tmp_path_factory.mktemp("pictures") / "my photo [1].png"
    Image.fromarray(np.stack([rows * 2, columns * 2, rows + columns], axis=-1).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """One thread, since others share the machine."""
    path = tmp_path / "config.toml"
    path.write_text("[model]\nthreads = 1\n[web]\nport = 0\n")
    return path


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "flipbot", *map(str, words)]


def start(*words: object, **how: object) -> "subprocess.Popen[str]":
    """A flipbot process that goes on."""
    pipe = subprocess.PIPE
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        command(*words), text=True, **{"env": ENVIRONMENT, "stdout": pipe, "stderr": pipe, **how}
    )


def run(*words: object, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """A flipbot process, until its end."""
    return subprocess.run(
        command(*words), env=ENVIRONMENT, text=True, capture_output=True, timeout=240, check=False, cwd=cwd
    )


def quick(*words: object, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """The same in a second less, for what makes no film: a copy of a process that has imported flipbot."""
    with tempfile.TemporaryDirectory() as said:
        return forked.ended([str(word) for word in words], ENVIRONMENT, cwd, Path(said))


def one_sentence(errors: str) -> str:
    """What a person reads: exactly one line, no traceback."""
    lines = [line for line in errors.splitlines() if line.strip()]
    assert len(lines) == 1, errors
    assert "Traceback" not in errors
    assert lines[0].startswith("flipbot: ") and lines[0].endswith((".", "?"))
    return lines[0].removeprefix("flipbot: ")


def files(folder: Path) -> Sequence[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
