"""bench ram and the checkpoint of the published size that it makes: shapes, shards, and a small one that is watched."""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from rich.console import Console

from gen.bench import ram
from gen.bench.fullsize import fullsize_card, models, write_weights
from gen.card import PRESETS, SHIPPED, card_of, read_checkpoint
from gen.files import weight_paths
from gen.sources import SOURCES
from gen.tensors import Files


def test_the_shapes_are_as_large_as_the_published_files(tmp_path: Path) -> None:
    for part, (model, dtype) in models(tmp_path).items():
        size = sum(math.prod(tensor.shape) for tensor in model.state_dict().values()) * dtype.itemsize / 1e9
        whole = 15.01 if part == "text_encoder" else SOURCES["framepack-f1"][part].gb  # of which 14.90 are fetched
        assert size == pytest.approx(whole, abs=0.01), part


def test_its_card_is_the_published_one_with_a_size_for_a_processor() -> None:
    card, published = card_of(fullsize_card(25), {}), PRESETS["framepack-f1"]
    for name in ("window", "samplings", "fps", "steps", "guidance", "preview_factors", "time_compression"):
        assert getattr(card, name) == getattr(published, name)
    assert card.sizes == {"64": ((64, 64),), **published.sizes}


def test_the_weights_come_in_files_of_a_size_and_in_an_index(tmp_path: Path) -> None:
    shapes = {f"blocks.{n}.{kind}": shape for n in range(3) for kind, shape in (("weight", (8, 4)), ("bias", (8,)))}
    write_weights(tmp_path, "diffusion_pytorch_model", shapes, torch.bfloat16, most=100)
    files = weight_paths(tmp_path, "transformer")
    assert len(files) == 3
    found = Files(files)
    assert found.shapes == shapes
    blocks = [found.read(f"blocks.{n}.weight") for n in range(3)]
    assert torch.equal(blocks[1], blocks[0].roll(1, 0))  # none is like another
    assert not torch.equal(blocks[1], blocks[0])
    index = json.loads((tmp_path / "diffusion_pytorch_model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) == 3


def test_a_small_checkpoint_is_loaded_and_watched(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    ram.add_arguments(parser)
    assert ram.run(parser.parse_args(["--keep", str(SHIPPED), "--precisions", "fp8"])) == 0
    said = capsys.readouterr().out
    assert "7 of 7 blocks on the card" in said
    assert "a new prompt, in a process" in said
    assert "s, for a new prompt, beside it" in said
    assert "failed" not in said


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only a POSIX system starts a program in two steps")
def test_a_process_on_its_way_to_a_program_is_not_counted_twice() -> None:
    # As a process is between fork and exec: it has its parent's memory, and for Linux as much of its own.
    two = "import os, subprocess, sys, time; os.fork() or time.sleep(60); subprocess.Popen(['sleep', '60'])"
    print_it = "; print('now', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", two + print_it], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"now\n"
            children = psutil.Process(process.pid).children()
            found = [each.pid for each in ram.family(process.pid)]
        finally:
            for each in psutil.Process(process.pid).children():
                each.kill()
            process.kill()
    (sleeps,) = (each.pid for each in children if each.pid in found)
    assert len(children) == 2
    assert found == [process.pid, sleeps]


def test_what_fails_in_the_other_process_is_said(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(SHIPPED, broken)
    (file,) = (broken / "text_encoder_2").glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-1])
    console = Console(file=io.StringIO(), width=200)
    assert ram.measured(read_checkpoint(broken), [], 6.0, console) == 1
    assert "The checkpoint is damaged" in console.file.getvalue()  # type: ignore[attr-defined]
