"""`flipbot bench vram`: the 13 B model's memory and traffic: planned anywhere (--plan), measured on a GPU.

--plan prints the memory plan for cards of 6 to 24 GiB, with the counts that its constants come from, and streams a
small model to compare the traffic with the arithmetic. Without it a GPU is needed: 13 B shapes with random weights,
under a hard cap on the memory that torch may take. --rehearse runs the same lines with narrow layers on any machine.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from gen.bench import above_zero
from gen.bench.vram_beside import (
    COMPILED,
    OFFLOADING,
    PRECISION,
    attention_lines,
    compile_lines,
    library_lines,
    precision_lines,
)
from gen.bench.vram_measured import (
    Line,
    Meter,
    Setup,
    rehearsal,
    resident_lines,
    streamed_lines,
    taken_before,
)
from gen.bench.vram_planned import plan_only
from gen.card import PRESETS
from gen.device import device_of, set_allocator
from gen.driver import asked_of_driver, numbered
from gen.errors import GenError, first_line
from gen.memory import GIB, Decoder, Wishes, make_memory_plan, summary, this_machine
from gen.process import segments
from gen.sources import FRAMEPACK, VAE_BYTES
from gen.transformer import Placement, placement_of, shapes_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--plan", action="store_true", help="arithmetic only, on any machine")
    parser.add_argument("--rehearse", action="store_true", help="every measurement, narrow layers, on any machine")
    parser.add_argument(
        "--vram-gib", type=above_zero, default=6.0, help="hard cap on the GPU's memory, or that of --plan (default 6)"
    )
    parser.add_argument(
        "--ram-gib", type=above_zero, default=0.0, help="RAM that may be taken (default: what is free; 32 with --plan)"
    )
    parser.add_argument("--size", default="608x640", help="rows x columns in pixels (default 608x640)")
    parser.add_argument("--steps", type=int, default=3, help="measured steps of each kind (default 3)")
    parser.add_argument("--minutes", type=float, default=8.0, help="no measurement begins after so long (default 8)")
    parser.add_argument("--markdown", type=Path, default=None, help="write the tables as markdown to this file too")


def run(args: argparse.Namespace) -> int:
    """Print the tables; 0 where what was measured keeps its limits, 1 where not, 2 where there is no GPU."""
    console = Console(markup=False, emoji=False)  # "flipbot[nf4]" is no markup
    if args.plan:
        return plan_only(console, args.vram_gib, args.ram_gib or 32.0, args.markdown)
    if args.rehearse:
        setup = rehearsal(torch.device("cpu"))
    elif torch.cuda.is_available():
        h, w = (int(side) for side in args.size.lower().split("x"))
        card = replace(PRESETS["framepack-f1"], sizes={"640": ((h, w),)})
        device = torch.device("cuda", 0)  # with its number: some of torch's functions need it
        setup = Setup(FRAMEPACK, card, device, args.vram_gib, args.ram_gib, args.steps)
    else:
        console.print(
            "flipbot bench vram needs an NVIDIA GPU and a PyTorch built for CUDA; --plan and --rehearse work on any "
            "machine.",
            soft_wrap=True,
        )
        return 2
    found: list[Line] = []
    others = taken_before(setup.device)  # first: whatever asks PyTorch of a card starts CUDA
    try:
        as_the_engine(setup.device)
        where = machine_line(setup.device)
        console.print(where, soft_wrap=True)
        for lines in measure(setup, console, args.minutes, others):
            found += lines
            for table in tables_of(lines):  # as they come: what ends the bench does not take them away
                console.print(table)
            if args.markdown:
                args.markdown.write_text(markdown_of(found, where), encoding="utf-8")
    except GenError as error:
        console.print(str(error), soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("Stopped; what was measured until now stands above.", soft_wrap=True)
        return 130
    if args.rehearse:
        console.print("A rehearsal: the figures say nothing of any card, only that every line runs.", soft_wrap=True)
    return 0 if all(line.ok is not False for line in found) else 1


def as_the_engine(device: torch.device) -> None:
    """Set torch as the engine's own process has it. raises: DeviceMissing."""
    if device.type != "cuda":
        return
    torch.backends.cudnn.deterministic = True
    for settings in segments(sys.platform, os.environ).values():
        set_allocator(settings)
    device_of(str(device))  # which takes back what a virtual card does not know


def machine_line(device: torch.device) -> str:
    """What was measured on, with what, and when."""
    date = time.strftime("%Y-%m-%d")
    if device.type != "cuda":
        return f"{date}, no GPU, PyTorch {torch.__version__}"
    driver = asked_of_driver(numbered(device.index or 0), "driver_version") or "of an unknown version"
    total = torch.cuda.get_device_properties(device).total_memory / GIB
    name = f"{torch.cuda.get_device_name(device)}, {total:.1f} GiB, driver {driver}"
    return f"{date}, {name}, PyTorch {torch.__version__}, diffusers {version('diffusers')}"


def measure(
    setup: Setup, console: Console, minutes: float = math.inf, others: int | None = None
) -> Iterator[list[Line]]:
    """Everything, one after the other; what a machine cannot do is a line that says so.

    What comes from elsewhere and may take the process with it, compilers and attention kernels, comes last.
    minutes: nothing begins after these    others: bytes on the card before CUDA was started here, None: not known
    """
    until = time.monotonic() + 60 * minutes
    meter, shapes = Meter(setup.device, others), shapes_of(setup.config)
    machine = this_machine(str(setup.device))
    wide = setup.wide
    kinds = ("fp8", "bf16") if wide == "bf16" else (wide,)
    placement = Placement(wide, (0,), aside=True)
    for kind in kinds:  # the smaller first: RAM's peak is then right even where it cannot be forgotten
        group = f"under {setup.vram_gib:g} GiB, {kind}"
        wishes = Wishes(kind, setup.vram_gib if meter.gpu else 0.0, setup.ram_gib)
        try:
            planned = make_memory_plan(shapes, Decoder(VAE_BYTES), setup.card, machine, wishes)
        except GenError as error:  # such as too little RAM: the rest can be measured all the same
            yield [Line(group, "cannot be here", str(error))]
            continue
        console.print(summary(planned), soft_wrap=True)
        placement = placement_of(planned)
        if not planned.streams:  # memory enough for everything: stream all the same, or nothing would be measured
            placement = replace(placement, resident=(0,), aside=True)
        meter.cap(setup.vram_gib)
        yield guarded(group, meter, partial(streamed_lines, setup, planned, placement))
    meter.cap(1e6)
    rest: list[tuple[str, Callable[[Meter, str], list[Line]]]] = [
        ("streamed / resident", partial(resident_lines, setup, placement)),
        (PRECISION, partial(precision_lines, setup)),
        (OFFLOADING, partial(library_lines, setup)),
        ("attention, one layer", partial(attention_lines, setup)),
        *([(COMPILED, partial(compile_lines, setup))] if setup.compiles else []),
    ]
    for group, lines in rest:
        if time.monotonic() > until:
            yield [Line(group, "left out", f"{minutes:g} minutes are over; --minutes gives more")]
        else:
            yield guarded(group, meter, lines)


def guarded(group: str, meter: Meter, lines: Callable[[Meter, str], list[Line]]) -> list[Line]:
    """The lines of a group; what fails in it takes nothing from the others."""
    if meter.lost():
        return [Line(group, "left out", "the card is lost: it answers everything with an error", ok=False)]
    try:
        meter.reset()
        return lines(meter, group)
    except Exception as error:  # noqa: BLE001  running out of memory is the first of many ways
        return [Line(group, "failed", f"{type(error).__name__}: {first_line(error)}", ok=False)]


def tables_of(found: list[Line]) -> Iterator[Table]:
    """One table for each group."""
    for group in dict.fromkeys(line.group for line in found):
        table = Table(title=group)
        for column in ("what", "figure", "to reach", "ok"):
            table.add_column(column, overflow="fold")
        for line in found:
            if line.group == group:
                table.add_row(line.what, line.figure, line.reach, said(line))
        yield table


def markdown_of(found: list[Line], where: str) -> str:
    """The same for docs/benchmarks.md. where: it was measured."""
    head = (
        f"`flipbot bench vram`: {where}\n\n| group | what | figure | to reach | ok |\n| --- | --- | --- | --- | --- |\n"
    )
    rows = (f"| {line.group} | {line.what} | {line.figure} | {line.reach} | {said(line)} |\n" for line in found)
    return head + "".join(rows)


def said(line: Line) -> str:
    """Whether a line keeps its limit."""
    return {True: "yes", False: "NO", None: ""}[line.ok]
