"""bench vram without a GPU: every part that needs none, at a small size."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from gen.bench import vram
from gen.bench.vram import SMALL, Setup, attention_lines, count_activations, markdown_of, tables_of, traffic
from gen.card import PRESETS
from gen.precision import has_four_bit
from gen.weights import load_model

GOLDEN = Path(__file__).parents[1] / "golden" / "weights"
CARD = dataclasses.replace(PRESETS["framepack-f1"], window=2, sizes={"s": ((32, 48),)})
CPU = torch.device("cpu")
KINDS = ["fp32", "bf16", "fp16", "fp8"] + (["nf4"] if has_four_bit() else [])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("resident", [(0,), (0, 2, 4), ()])
def test_the_traffic_is_what_arithmetic_says(kind: str, resident: tuple[int, ...]) -> None:
    counted, expected = traffic(kind, resident, 2)
    assert counted == expected > 0


def test_without_a_gpu_it_says_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    vram.add_arguments(parser)
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert vram.run(parser.parse_args([])) == 2
    assert "needs an NVIDIA GPU" in capsys.readouterr().out


def small_vae(device: torch.device) -> Any:
    return load_model(GOLDEN / "vae", "vae", torch.float32).eval()


def test_every_measurement_runs_on_a_cpu_too() -> None:
    setup = Setup(SMALL, CARD, CPU, 6.0, 0.0, steps=1, vae=small_vae)
    found = vram.measure(setup, Console(quiet=True))
    groups = list(dict.fromkeys(line.group for line in found))
    assert groups[1:] == [
        "streamed / resident",
        "precision, 2 + 4 blocks",
        "attention, one layer",
        "offloading, 2 + 8 blocks",
    ]
    by_name = {line.what: line for line in found}
    assert by_name["GB a step over the bus"].ok
    assert by_name["allocations in the loop"].ok
    assert by_name["native"].figure.endswith("ms")
    assert not [line for line in found if line.ok is False]
    figures = [line.figure for line in found if line.group == "precision, 2 + 4 blocks"]
    assert figures[0].endswith("; 0.0000")
    assert all(0 < float(figure.split("; ")[1]) < 3 for figure in figures[1:])  # times are rounded in bf16 alone
    assert len(list(tables_of(found))) == len(groups)
    assert markdown_of(found).count("\n") == len(found) + 2


def test_a_kernel_that_is_not_here_is_said() -> None:
    setup = Setup(SMALL, CARD, CPU, 6.0, 0.0, steps=1, vae=small_vae)
    figures = {line.what: line.figure for line in attention_lines(setup, vram.Meter(CPU))}
    assert figures["flash"].startswith("not here")


def test_a_narrow_model_counts_less() -> None:
    counted = [count_activations(SMALL, CARD, side, side, "bf16") for side in (32, 64)]
    assert 0 < counted[0] < counted[1]
