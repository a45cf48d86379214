"""bench vram without a GPU: every part that needs none, at a small size."""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from rich.console import Console

from gen.bench import vram
from gen.bench.vram import markdown_of, tables_of
from gen.bench.vram_beside import compile_lines, stock_call, stock_model
from gen.bench.vram_measured import PUBLISHED, Line, Meter, empty_vae, rehearsal, repeats
from gen.bench.vram_planned import SMALL, count_activations, example, traffic
from gen.card import PRESETS
from gen.driver import asked_of_driver
from gen.memory import tokens
from gen.precision import has_four_bit
from gen.sources import VAE_BYTES

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


@pytest.fixture(scope="module")
def rehearsed() -> list[Line]:
    """The lines of a rehearsal of the whole bench, without compiling, which takes a minute."""
    setup = dataclasses.replace(rehearsal(CPU), compiles=False)
    return [line for lines in vram.measure(setup, Console(quiet=True)) for line in lines]


def test_every_measurement_runs_on_a_cpu_too(rehearsed: list[Line]) -> None:
    found = rehearsed
    assert [line for line in found if line.ok is False] == []
    groups = list(dict.fromkeys(line.group for line in found))
    assert groups == [
        "under 6 GiB, fp8",
        "under 6 GiB, bf16",
        "streamed / resident",
        "precision, 2 + 4 blocks",
        "offloading, 2 + 8 blocks",
        "attention, one layer",
    ]
    by_name = {line.what: line for line in found}
    assert by_name["GB a step over the bus"].ok
    assert by_name["waits in the loop: the allocator at its limit"].ok
    assert by_name["native"].figure.endswith("ms")
    figures = [line.figure for line in found if line.group == "precision, 2 + 4 blocks"]
    assert figures[0].endswith("; 0.0000")
    assert all(0 < float(figure.split("; ")[1]) < 0.2 for figure in figures[1:] if "not here" not in figure)
    offloading = [line for line in found if line.group == "offloading, 2 + 8 blocks"]
    assert len(offloading) == 3
    assert not [line for line in offloading if "does not run" in line.figure]
    assert len(list(tables_of(found))) == len(groups)
    assert markdown_of(found, "2026-11-25, a card").count("\n") == len(found) + 4


def test_what_fails_in_one_group_takes_nothing_from_the_others() -> None:
    def broken(meter: Meter, group: str) -> list[Line]:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")

    (line,) = vram.guarded("a group", Meter(CPU), broken)
    assert line == Line("a group", "failed", "OutOfMemoryError: CUDA out of memory.", ok=False)


def test_a_card_that_is_lost_ends_no_bench() -> None:
    class Lost(Meter):
        dead = False

        def wait(self) -> None:
            if self.dead:
                raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

        def reset(self) -> None:
            self.wait()

    meter = Lost(CPU)

    def breaks(_: Meter, group: str) -> list[Line]:
        meter.dead = True
        meter.wait()
        return []

    (first,) = vram.guarded("first", meter, breaks)
    assert first.figure.startswith("AcceleratorError: CUDA error")
    (second,) = vram.guarded("second", meter, breaks)
    assert (second.what, second.ok) == ("left out", False)
    assert second.figure.startswith("the card is lost")


def test_any_error_is_a_line() -> None:
    def breaks(_: Meter, group: str) -> list[Line]:
        raise ZeroDivisionError("division by zero")

    (line,) = vram.guarded("a group", Meter(CPU), breaks)
    assert line.figure == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize(("retries", "kept"), [(0, True), (2, False)])
def test_only_waits_of_the_allocator_are_held_against_a_loop(
    retries: int, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = iter([{"num_device_alloc": 3, "num_alloc_retries": 1}, {"num_device_alloc": 9, "num_ooms": 0}] * 2)

    def allocator(self: Meter) -> dict[str, int]:
        said = next(counts)
        at_limit = said.get("num_alloc_retries", 1 + retries)
        return {"num_device_alloc": said["num_device_alloc"], "num_alloc_retries": at_limit, "num_ooms": 0}

    monkeypatch.setattr(Meter, "allocator", allocator)
    lines = next(vram.measure(dataclasses.replace(rehearsal(CPU), compiles=False), Console(quiet=True)))
    by_name = {line.what: line for line in lines}
    waits = by_name["waits in the loop: the allocator at its limit"]
    assert (waits.figure, waits.ok) == (str(retries), kept)
    assert by_name["times the allocator asked the driver for more in the loop"].figure == "6"


def test_after_the_minutes_nothing_begins_and_what_was_measured_is_written(tmp_path: Path) -> None:
    parser, file = argparse.ArgumentParser(), tmp_path / "vram.md"
    vram.add_arguments(parser)
    assert vram.run(parser.parse_args(["--rehearse", "--minutes", "0", "--markdown", str(file)])) == 0
    written = file.read_text("utf-8")
    assert written.startswith(f"`flipbot bench vram`: {time.strftime('%Y-')}")
    assert "| under 6 GiB, bf16 | s a step, streamed |" in written
    assert written.count("| left out | 0 minutes are over") == 5


def test_what_was_measured_is_written_before_the_next_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def breaks_off(setup: object, console: object, minutes: float, others: int | None) -> Iterator[list[Line]]:
        assert asked == ["taken_before", "machine_line"]  # the second starts CUDA, and the first is of the time before
        assert others == 7
        yield [Line("a group", "s a step", "1.000")]
        raise KeyboardInterrupt

    parser, file = argparse.ArgumentParser(), tmp_path / "vram.md"
    vram.add_arguments(parser)
    monkeypatch.setattr(vram, "measure", breaks_off)
    monkeypatch.setattr(vram, "taken_before", lambda _: asked.append("taken_before") or 7)
    monkeypatch.setattr(vram, "machine_line", lambda _: asked.append("machine_line") or "a card")
    assert vram.run(parser.parse_args(["--rehearse", "--markdown", str(file)])) == 130
    assert "| a group | s a step | 1.000 |" in file.read_text("utf-8")
    assert "stands above" in capsys.readouterr().out


@pytest.mark.parametrize(("seconds", "times"), [(0.001, 3), (6.0, 3), (9.0, 2), (15.0, 1), (90.0, 1)])
def test_a_slow_card_is_measured_less_often(seconds: float, times: int) -> None:
    assert repeats(dataclasses.replace(rehearsal(CPU), steps=3), seconds) == times


def test_blocks_that_could_not_be_compiled_are_not_measured_as_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> object:
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(torch, "compile", fails)
    lines = compile_lines(rehearsal(CPU), Meter(CPU), "a group")
    assert [line.what for line in lines] == ["as they are, streamed: s a step; the first", "compiled"]
    assert lines[1].figure.startswith("does not work here")


def test_the_driver_s_tool_need_not_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert asked_of_driver("0", "memory.used") == ""


def test_the_stock_class_and_our_walk_get_as_many_tokens() -> None:
    setup = rehearsal(CPU)
    seen: list[list[int]] = []
    model = stock_model(setup)
    model.transformer_blocks[0].register_forward_pre_hook(lambda _, given: seen.append([x.shape[1] for x in given[:2]]))
    stock_call(model, setup)()
    h, w = setup.card.sizes["s"][0]
    assert [sum(counts) for counts in seen] == [tokens(setup.card, h, w)]


def test_a_kernel_that_is_not_here_is_said(rehearsed: list[Line]) -> None:
    figures = {line.what: line.figure for line in rehearsed}
    assert figures["flash"].startswith("not here")


def test_the_vae_that_is_measured_weighs_what_the_published_one_does() -> None:
    weights = sum(p.numel() for p in empty_vae(PUBLISHED).parameters())
    assert 2 * weights == pytest.approx(VAE_BYTES, rel=1e-3)


def test_a_narrow_model_counts_less() -> None:
    counted = [count_activations(SMALL, CARD, side, side, "bf16", example(8)) for side in (32, 64)]
    assert 0 < counted[0] < counted[1]
