"""`flipbot bench ram`: the RAM that the 13 B model takes, read from files of its full size by the loader itself.

The blocks go where the plan for a card of --vram-gib says. Without a GPU those that would stay on the card are in RAM,
too: they are taken off what was measured, and what CUDA takes is added as planned. The files are 42 GB of random
weights in the published shapes; --keep leaves them, and every command takes their folder as its model.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch
from PIL import Image
from rich.console import Console

from gen import encode, weights
from gen.bench import above_zero
from gen.bench.fullsize import NEEDED, make_fullsize
from gen.bench.vram import tables_of
from gen.bench.vram_measured import NO_FOUR_BIT, RAM_MOST, Line, memory_of
from gen.bench.vram_planned import STEPS, example, rows_for
from gen.card import CARD, Checkpoint, read_checkpoint
from gen.errors import GenError, first_line
from gen.files import weight_files
from gen.memory import (
    GB,
    RUNTIME_CPU,
    RUNTIME_RAM,
    TABLES,
    Machine,
    MemoryPlan,
    Wishes,
    parts_of,
    plan_checkpoint,
    slot_bytes,
    this_machine,
)
from gen.precision import has_four_bit
from gen.process import MALLOC, QUIET, give_back, segments
from gen.tensors import Files
from gen.texts import TextsElsewhere
from gen.transformer import Assembled, Placement, placement_of

LOOK_S = 0.02
BUSY, AT_REST = "busy", "at rest"  # what is not looked at, and what is
Say = Callable[[str], None]  # one of these two
Work = Callable[[Say], dict[str, float]]  # seconds of what it does


@dataclass(frozen=True)
class Seen:
    """What some work took. Bytes at the peak: held: of its own, whole: with the parts of files it looked at."""

    seconds: dict[str, float]
    held: int
    whole: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--keep", type=Path, default=None, metavar="DIR", help="make the files there, or take those")
    parser.add_argument(
        "--precisions", nargs="+", choices=list(RAM_MOST), default=list(RAM_MOST), help="(default: all)"
    )
    parser.add_argument("--vram-gib", type=above_zero, default=6.0, help="what of a card may be taken (default 6)")
    parser.add_argument("--steps", type=int, default=STEPS, help="of a section, on the card of new files (default 25)")


def run(args: argparse.Namespace) -> int:
    """Print the table; 0 where every limit is kept, 1 where not or where something failed, 2 without room for it."""
    console = Console(markup=False, emoji=False)
    os.environ |= {**QUIET, **MALLOC, **segments(sys.platform, os.environ)}  # of the processes that are watched
    with tempfile.TemporaryDirectory(prefix="flipbot-ram-") as made:
        folder = args.keep or Path(made)
        try:
            if not (folder / CARD).is_file():
                place = folder if folder.is_dir() else folder.parent
                if shutil.disk_usage(place).free < NEEDED:
                    console.print(f"{place} has no {NEEDED / GB:.0f} GB free; --keep names another folder.")
                    return 2
                for part in make_fullsize(folder, args.steps):
                    console.print(f"made: {part}", soft_wrap=True)
            return measured(read_checkpoint(folder), args.precisions, args.vram_gib, console)
        except (OSError, GenError) as error:
            console.print(str(error), soft_wrap=True)
            return 1


def measured(checkpoint: Checkpoint, precisions: list[str], vram_gib: float, console: Console) -> int:
    """Every group of lines, as it comes; each work is done in a process of its own."""
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    works = [(kind, partial(loading_lines, checkpoint, kind, device, vram_gib)) for kind in precisions]
    fine = True
    for group, work in [*works, ("a new prompt, in a process that ends", partial(prompt_lines, checkpoint, device))]:
        try:
            lines = work(group)
        except (GenError, ChildProcessError) as error:
            lines = [Line(group, "failed", first_line(error), ok=False)]
        for table in tables_of(lines):
            console.print(table)
        fine &= all(line.ok is not False for line in lines)
    return 0 if fine else 1


def loading_lines(checkpoint: Checkpoint, kind: str, device: str, vram_gib: float, group: str) -> list[Line]:
    """The model in one precision. raises: GenError, ChildProcessError"""
    if kind == "nf4" and not has_four_bit():
        return [Line(group, kind, NO_FOUR_BIT)]
    planned = plan_of(checkpoint, kind, device, vram_gib)
    seen = watched(partial(load, checkpoint, device, placement_of(planned)))
    added = 0 if device != "cpu" else of_a_card(checkpoint, planned, this_machine(device))
    held, most = seen.held + added, RAM_MOST[kind]
    stay = f"{len(planned.resident)} of {len(planned.parts.blocks)} blocks on the card"
    return [
        Line(group, f"RAM at its peak, GB; {stay}", f"{held / GB:.2f}", f"<= {most:g}", held <= most * GB),
        Line(group, "planned, GB", f"{planned.ram / GB:.2f}"),
        *([Line(group, "of the first: measured without a card, GB", f"{seen.held / GB:.2f}")] if added else []),
        *beside(seen, added, group),
    ]


def prompt_lines(checkpoint: Checkpoint, device: str, group: str) -> list[Line]:
    """The encoders of the text. raises: GenError, ChildProcessError"""
    seen = watched(partial(read_prompt, checkpoint, device))
    return [
        Line(group, "RAM at its peak, both processes, GB", f"{seen.held / GB:.2f}"),
        *beside(seen, 0, group),
    ]


def beside(seen: Seen, added: int, group: str) -> list[Line]:
    """What is told of any work. added: bytes that were not measured."""
    mapped = Line(group, "with what is mapped of its files, GB", f"{(seen.whole + added) / GB:.2f}")
    return [mapped, *(Line(group, f"s, {what}", f"{seconds:.1f}") for what, seconds in seen.seconds.items())]


def plan_of(checkpoint: Checkpoint, kind: str, device: str, vram_gib: float) -> MemoryPlan:
    """The plan for so much of the card here; without one, for a card of that size. raises: GenError"""
    machine = this_machine(device)
    if not machine.gpu:
        card = example(vram_gib)
        machine = replace(card, ram_total=machine.ram_total, ram_free=machine.ram_free)
    return plan_checkpoint(checkpoint, machine, Wishes(kind, vram_gib))


def of_a_card(checkpoint: Checkpoint, planned: MemoryPlan, here: Machine) -> int:
    """What a machine with the card has more in RAM than one without it: CUDA and tables; less what the card holds."""
    prompts, steps = made_here(here.device)
    shapes = Files(weight_files(checkpoint.parts["transformer"], "transformer")).shapes
    wide = parts_of(shapes, planned.precision, here, steps)
    made = prompts * wide.table
    on_card = planned.weights - slot_bytes(planned.parts, planned.slots if planned.streams else 0)
    return round(RUNTIME_RAM - RUNTIME_CPU) + TABLES * planned.parts.table - made - on_card


# What is watched


def load(checkpoint: Checkpoint, device: str, placement: Placement, say: Say) -> dict[str, float]:
    """Load as the engine does, encode a picture, make tables of prompts, and read a new one beside all of that."""
    parts = ("transformer", "image_encoder", "feature_extractor", *(("vae",) if device != "cpu" else ()))
    started = time.perf_counter()
    models = weights.load(checkpoint, device, parts=parts, placement=placement)
    loaded = time.perf_counter()
    encode.encode_picture(models, Image.linear_gradient("L").resize((384, 384)).convert("RGB"))
    assert models.modulation is not None
    if device == "cpu":
        say(BUSY)  # what a card would hold while it makes tables is in RAM here
    assembled, tables = Assembled(models.transformer, models.modulation, models.streamer), time.perf_counter()
    prompts, steps = made_here(device)
    for _ in range(prompts):
        rows_for(assembled, steps, models.device)
    tabled = time.perf_counter()
    give_back()
    say(AT_REST)
    read = read_prompt(checkpoint, device, say)["all of it"]
    seconds = {"to load it": loaded - started, f"for a table of {steps} steps": (tabled - tables) / prompts}
    return {**seconds, "for a new prompt, beside it": read}


def made_here(device: str) -> tuple[int, int]:
    """How many tables are made, and of how many steps: a processor is slow at it, and their size is known."""
    return (1, 2) if device == "cpu" else (TABLES, STEPS)


def read_prompt(checkpoint: Checkpoint, device: str, _: Say) -> dict[str, float]:
    """Encode one prompt that nobody asked for before."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        TextsElsewhere(checkpoint, Path(folder), device=device).encode(["a cat looks up at the falling snow"])
        return {"all of it": time.perf_counter() - started}


def watched(work: Work) -> Seen:
    """Do some work in a process of its own, and look at it and at those that it starts. raises: ChildProcessError."""
    context = multiprocessing.get_context("spawn")
    heard, said = context.Pipe(duplex=False)
    process = context.Process(target=answer, args=(said, work))
    process.start()
    said.close()
    held = whole = 0
    told: Any = AT_REST
    while isinstance(told, str):
        if told == AT_REST:
            now = [taken(each) for each in family(process.pid)]
            held, whole = max(held, sum(own for own, _ in now)), max(whole, sum(all_of_it for _, all_of_it in now))
        if heard.poll(LOOK_S):
            try:
                told = heard.recv()
            except EOFError:
                process.join()
                why = f"its process ended ({process.exitcode}): too little RAM, perhaps"
                raise ChildProcessError(why) from None
    process.join()
    if isinstance(told, ChildProcessError):
        raise told
    return Seen(told, held, whole)


def answer(said: Any, work: Work) -> None:
    """In the new process: what the work took in seconds, or why it failed."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        said.send(work(said.send))
    except (GenError, RuntimeError, MemoryError) as error:
        said.send(ChildProcessError(f"{type(error).__name__}: {first_line(error)}"))


def end_with_parent() -> None:
    """Nobody waits for 20 GB any more where the bench was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def family(pid: int | None) -> list[psutil.Process]:
    """A process and those that it started; not one that has not begun its own program: its memory is its parent's."""
    with suppress(psutil.Error):
        first = psutil.Process(pid)
        mine = first.cmdline()
        return [first, *(each for each in first.children(recursive=True) if each.cmdline() != mine)]
    return []


def taken(process: psutil.Process) -> tuple[int, int]:
    """Bytes of RAM that a process holds: of its own, and with the parts of files that it looks at."""
    with suppress(psutil.Error, OSError, KeyError):
        whole = process.memory_info().rss
        kinds = memory_of(process.pid)
        return (kinds["RssAnon"] + kinds["RssShmem"], whole) if kinds else (whole, whole)
    return 0, 0
