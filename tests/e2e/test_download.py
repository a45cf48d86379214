"""`flipbot download` as a person runs it, against a hub on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.hub import Hub, serve
from tests.fakes.hub_golden import F1, hub_of_golden

MODEL = "framepack-f1"
SHARD = "diffusion_pytorch_model-00002-of-00003.safetensors"
LICENCE = "Tencent Hunyuan Community"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve(hub_of_golden()) as served:
        yield served


def environment(hub: Hub, tmp_path: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    return {**kept, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "LANG": "en_US.UTF-8", "COLUMNS": "200"}


def command(tmp_path: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "flipbot", "download", MODEL, "--data-dir", str(tmp_path / "data"), *options]


def run(hub: Hub, tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(tmp_path, *options),
        env=environment(hub, tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_licence_comes_first_and_then_the_files(hub: Hub, tmp_path: Path) -> None:
    refused = run(hub, tmp_path)
    assert refused.returncode == 2
    assert LICENCE in refused.stderr
    assert "European Union, the United Kingdom and South Korea" in refused.stderr
    assert "--accept-licence" in refused.stderr
    assert hub.asked == []
    done = run(hub, tmp_path, "--accept-licence")
    assert done.returncode == 0, done.stderr
    assert f"{MODEL} is complete" in done.stderr
    assert "model-00003-of-00003.safetensors" in done.stderr.split("Left out")[1]
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal is had by a pty here")
@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 2), (b"\n", 2), (b"y\n", 0)])
def test_a_terminal_is_asked(hub: Hub, tmp_path: Path, answer: bytes, code: int) -> None:
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        command(tmp_path), env=environment(hub, tmp_path), stdin=theirs, stderr=subprocess.PIPE, text=True
    )
    os.close(theirs)
    os.write(ours, answer)
    _, said = process.communicate(timeout=120)
    os.close(ours)
    assert process.returncode == code, said
    assert "Do you accept" in said
    assert ("not accepted" in said) == (code == 2)
    assert bool(hub.asked) == (code == 0)


def test_ctrl_c_keeps_what_is_there(hub: Hub, tmp_path: Path) -> None:
    hub.wrong[SHARD] = ["hold"]
    process = subprocess.Popen(
        command(tmp_path, "--accept-licence"),
        env=environment(hub, tmp_path),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # in the background of a shell Ctrl-C is ignored, and what is ignored would be so in the process as well
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert hub.held.wait(60)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "goes on from there" in said
    first = "diffusion_pytorch_model-00001-of-00003.safetensors"
    before = len(hub.downloads(first))
    again = run(hub, tmp_path)  # accepted once is enough
    assert again.returncode == 0
    assert LICENCE not in again.stderr
    assert len(hub.downloads(first)) == before == 1


def test_what_cannot_be_had_is_a_sentence(hub: Hub, tmp_path: Path) -> None:
    del hub.repos[F1].files[SHARD]
    lost = run(hub, tmp_path, "--accept-licence")
    assert lost.returncode == 1
    assert SHARD in lost.stderr
    assert "Traceback" not in lost.stderr
    nowhere = run(hub, tmp_path, "--from", str(tmp_path / "nowhere"))
    assert nowhere.returncode == 2
    assert "nowhere" in nowhere.stderr
