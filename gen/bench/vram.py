"""`flipbot bench vram`: the 13 B model's memory and traffic: planned anywhere (--plan), measured on a GPU.

--plan prints the memory plan for cards of 6 to 24 GiB, with the counts that its constants come from, and streams a
small model to compare the traffic with the arithmetic. Without it a GPU is needed: 13 B shapes with random weights,
under a hard cap on the memory that torch may take. --rehearse runs the same lines with narrow layers on any machine.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from gen import attention, decode, precision
from gen.bench.live import peak_of
from gen.cache import StepCache, TeaCache
from gen.card import PRESETS, Card
from gen.errors import GenError, TooLittleMemory, first_line
from gen.memory import (
    CONTEXT,
    GB,
    GIB,
    Decoder,
    Machine,
    MemoryPlan,
    Tiles,
    Wishes,
    activation_bytes,
    decode_bytes,
    largest,
    make_memory_plan,
    memory_table,
    parts_of,
    summary,
    this_machine,
    tokens,
    value_bytes,
)
from gen.modulation import Table as Rows
from gen.process import segments
from gen.schedule import make_sigmas
from gen.sources import FRAMEPACK, VAE_BYTES
from gen.stream import blocks_of, cuda
from gen.tensors import Drawn, Shape, held
from gen.transformer import Assembled, Placement, assemble, empty, place, placement_of, shapes_of
from gen.types import Text
from gen.velocity import Fixed, velocity_by, walk
from gen.weights import set_allocator

CARDS_GIB = (6, 8, 12, 16, 24)
STEPS = 25
CALLS = (("bf16", False), ("fp16", False), ("fp8", False), ("fp8", True))  # precision, and whether fp8 is multiplied
FEW = (160, 160)  # rows and columns of a decode that is counted: the VAE joins its tiles row by row, in Python
META = torch.device("meta")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--plan", action="store_true", help="arithmetic only, on any machine")
    parser.add_argument("--rehearse", action="store_true", help="every measurement, narrow layers, on any machine")
    parser.add_argument(
        "--vram-gib", type=float, default=6.0, help="hard cap on the GPU's memory, or that of --plan (default 6)"
    )
    parser.add_argument(
        "--ram-gib", type=float, default=0.0, help="RAM that may be taken (default: what is free; 32 with --plan)"
    )
    parser.add_argument("--size", default="608x640", help="rows x columns in pixels (default 608x640)")
    parser.add_argument("--steps", type=int, default=3, help="measured steps of each kind (default 3)")
    parser.add_argument("--minutes", type=float, default=8.0, help="no measurement begins after so long (default 8)")
    parser.add_argument("--markdown", type=Path, default=None, help="write the tables as markdown to this file too")


def run(args: argparse.Namespace) -> int:
    """Print the tables; 0 where what was measured keeps its limits, 1 where not, 2 where there is no GPU."""
    console = Console()
    if args.plan:
        return plan_only(console, args.vram_gib, args.ram_gib or 32.0, args.markdown)
    if args.rehearse:
        setup = rehearsal(torch.device("cpu"))
    elif torch.cuda.is_available():
        h, w = (int(side) for side in args.size.lower().split("x"))
        card = replace(PRESETS["framepack-f1"], sizes={"640": ((h, w),)})
        device = torch.device("cuda", 0)  # with its number: some of torch's functions need it
        setup = Setup(FRAMEPACK, card, device, args.vram_gib, args.ram_gib, args.steps)
        as_the_engine()
    else:
        console.print(
            "flipbot bench vram needs an NVIDIA GPU and a PyTorch built for CUDA; --plan and --rehearse work on any "
            "machine.",
            soft_wrap=True,
        )
        return 2
    found: list[Line] = []
    others = taken_before(setup.device)  # first: whatever asks PyTorch of a card starts CUDA
    where = machine_line(setup.device)
    console.print(where, soft_wrap=True)
    try:
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


def as_the_engine() -> None:
    """Set torch's allocator as the engine's own process has it."""
    for settings in segments(sys.platform, os.environ).values():
        set_allocator(settings)


def machine_line(device: torch.device) -> str:
    """What was measured on, with what, and when."""
    date = time.strftime("%Y-%m-%d")
    if device.type != "cuda":
        return f"{date}, no GPU, PyTorch {torch.__version__}"
    driver = asked_of_driver(device, "driver_version") or "of an unknown version"
    total = torch.cuda.get_device_properties(device).total_memory / GIB
    name = f"{torch.cuda.get_device_name(device)}, {total:.1f} GiB, driver {driver}"
    return f"{date}, {name}, PyTorch {torch.__version__}, diffusers {version('diffusers')}"


# Planned


def plan_only(console: Console, vram_gib: float, ram_gib: float, markdown: Path | None = None) -> int:
    """The plans for common cards and for the one asked about, the counts behind the constants, traffic as computed."""
    shapes, card = shapes_of(FRAMEPACK), PRESETS["framepack-f1"]
    tables = [plans_table(shapes)]
    try:
        asked = make_memory_plan(shapes, Decoder(VAE_BYTES), card, example(vram_gib, ram_gib), Wishes())
        title = f"FramePack F1 at 640 on a card of {vram_gib:g} GiB, {ram_gib:g} GiB of RAM free"
        tables.append(memory_table(asked, title))
    except TooLittleMemory as error:
        console.print(f"With {vram_gib:g} GiB of a card and {ram_gib:g} GiB of RAM free: {error}", soft_wrap=True)
    counts, right = counts_table(card)
    moved, agrees = traffic_table()
    tables += [counts, moved]
    for table in tables:
        console.print(table)
    if markdown:
        markdown.write_text("\n".join(map(markdown_table, tables)), encoding="utf-8")
    return 0 if right and agrees else 1


def markdown_table(table: Table) -> str:
    """A table of rich's as markdown, its title above."""
    columns = [list(column.cells) for column in table.columns]
    rows = [[str(column.header) for column in table.columns], ["---"] * len(columns), *zip(*columns, strict=True)]
    return f"{table.title}\n\n" + "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)


def example(gib: float, ram_gib: float = 32.0) -> Machine:
    """A card of Ada's generation with so much memory free."""
    free, ram = int(gib * GIB), int(ram_gib * GIB)
    return Machine("cuda", f"a card of {gib} GiB", free, free, ram, ram, (8, 9), True)


def plans(shapes: Mapping[str, Shape]) -> Iterator[tuple[int, str, MemoryPlan]]:
    """(GiB of the card, precision, plan) for each card and precision, where there is one."""
    card, vae = PRESETS["framepack-f1"], Decoder(VAE_BYTES)
    for gib in CARDS_GIB:
        for kind in ("bf16", "fp8", "nf4"):
            with contextlib.suppress(TooLittleMemory):
                yield gib, kind, make_memory_plan(shapes, vae, card, example(gib), Wishes(precision=kind))


def plans_table(shapes: Mapping[str, Shape]) -> Table:
    """One row for each card and precision."""
    table = Table(title="memory plans of the 13 B model, largest 640 bucket; by arithmetic")
    for column in ("card GiB", "precision", "resident", "GB a step over the bus", "VRAM GB", "RAM GB", "decode tile"):
        table.add_column(column, justify="right")
    for gib, kind, made in plans(shapes):
        figures = (f"{x / GB:.2f}" for x in (made.streamed, made.vram, made.ram))
        table.add_row(str(gib), kind, f"{len(made.resident)} of 60", *figures, str(made.tiles.side or "whole"))
    return table


def counts_table(card: Card) -> tuple[Table, bool]:
    """What counting tensors on the device meta gives, beside what the plan's constants say; whether they agree."""
    table = Table(title="peaks: counted on the device meta, and as planned")
    for column in ("what", "counted GB", "planned GB"):
        table.add_column(column, justify="left" if column == "what" else "right")
    h, w = 608, 640
    short, rows = replace(card, window=3), []
    for kind, fast in CALLS:
        value = value_bytes(kind, example(8))
        planned = activation_bytes(tokens(card, h, w), 3072, value, kind)
        counted = count_activations(FRAMEPACK, card, h, w, kind, fast=fast)
        rows.append((f"one call, {kind}{' product' if fast else ''}, {h}x{w}", counted, planned))
    for tiles in (Tiles(0), Tiles(128), Tiles(128, 8)):
        planned = decode_bytes(short, Decoder(VAE_BYTES), *FEW, tiles, 2)
        rows.append((f"decode, tiles {tiles}", count_decode(short, *FEW, tiles), planned))
    for what, counted, planned in rows:
        table.add_row(what, f"{counted / GB:.2f}", f"{planned / GB:.2f}")
    return table, all(counted <= planned <= 1.25 * counted for _, counted, planned in rows)


def count_activations(config: Mapping[str, Any], card: Card, h: int, w: int, kind: str, *, fast: bool = False) -> int:
    """Bytes at the peak of one call: two blocks of each kind, their widths those of the config.

    fast: with fp8 products, as cards from sm89 on have them
    """
    model = empty({**config, "num_layers": 2, "num_single_layers": 2})
    value = {2: torch.bfloat16, 4: torch.float32}[value_bytes(kind, example(8))]
    for parameter in model.parameters():
        parameter.data = parameter.data.to(value)
    for _, block in precision_blocks(model):
        precision.convert(block, kind, value)
        for layer in block.modules():
            if isinstance(layer, precision.Linear8):
                layer.fast = fast
    fixed, words, temb, x = inputs(model, card, h, w, value, META)
    return peak_of(lambda: walk(model, fixed, words, temb, x, None))


def precision_blocks(model: Any) -> list[tuple[str, Any]]:
    """The blocks, their modulation left out of what is converted."""
    from gen.modulation import detach

    detach(model, held(model))
    return blocks_of(model)


def inputs(
    model: Any, card: Card, h: int, w: int, dtype: torch.dtype, device: torch.device
) -> tuple[Fixed, Tensor, Tensor, Tensor]:
    """What a call gets, of the right shapes: (fixed, refined words, time embedding, x)."""
    rows, columns, patch = h // card.space_compression, w // card.space_compression, model.config.patch_size
    dim = model.config.num_attention_heads * model.config.attention_head_dim
    noisy = card.window * (rows // patch) * (columns // patch)
    context = tokens(card, h, w) - noisy - 729 - 256

    def some(*shape: int, kind: torch.dtype = dtype) -> Tensor:
        return (
            torch.randn(shape, dtype=torch.float32, device=device).to(kind)
            if device != META
            else torch.empty(shape, dtype=kind, device=device)
        )

    rope = (some(context + noisy, model.config.attention_head_dim, kind=torch.float32),) * 2
    fixed = Fixed(some(1, context, dim), rope, some(1, 729, dim))
    x = some(1, card.latent_channels, card.window, rows, columns, kind=torch.float32)
    return fixed, some(1, 256, dim), some(1, dim), x


def count_decode(card: Card, h: int, w: int, tiles: Tiles) -> int:
    """Bytes at the peak of decoding two sections."""
    from diffusers import AutoencoderKLHunyuanVideo

    kind: Any = AutoencoderKLHunyuanVideo
    with META:
        vae = kind().eval().requires_grad_(False)
    for parameter in vae.parameters():
        parameter.data = parameter.data.to(torch.float16)
    ratio = card.space_compression
    latents = torch.empty(1, 16, 2 * card.window + 1, h // ratio, w // ratio, dtype=torch.float16, device=META)

    def work() -> None:
        with decode.tiled(vae, tiles):
            vae.decode(latents)

    return peak_of(work)


def traffic_table() -> tuple[Table, bool]:
    """A model with the real layout and narrow layers, streamed on this machine: bytes counted and by arithmetic."""
    table = Table(title="bytes over the bus: counted by the streamer, and by arithmetic")
    for column in ("precision", "resident", "steps", "counted", "arithmetic", "equal"):
        table.add_column(column, justify="right")
    agrees = True
    for kind in ("fp32", "bf16", "fp16", "fp8"):
        for resident in ((0,), (0, 3, 5)):
            counted, expected = traffic(kind, resident, 3)
            agrees &= counted == expected
            table.add_row(
                kind, f"{len(resident)} of 7", "3", str(counted), str(expected), "yes" if counted == expected else "NO"
            )
    return table, agrees


SMALL: Mapping[str, Any] = {
    **FRAMEPACK,
    "num_attention_heads": 2,
    "attention_head_dim": 32,
    "num_layers": 2,
    "num_single_layers": 5,
    "rope_axes_dim": (8, 12, 12),
    "text_embed_dim": 64,
    "pooled_projection_dim": 32,
    "image_proj_dim": 48,
    "num_refiner_layers": 1,
}


def traffic(kind: str, resident: tuple[int, ...], steps: int) -> tuple[int, int]:
    """Bytes that a small model's streamer moved in so many steps, and what arithmetic from shapes says."""
    shapes, device = shapes_of(SMALL), torch.device("cpu")
    card = replace(PRESETS["framepack-f1"], window=2)
    assembled = assemble(empty(SMALL), Drawn(shapes, torch.float32), Placement(kind, resident, 2), device)
    dtype = precision.compute_dtype(kind, device)
    with torch.no_grad():
        fixed, words, temb, x = inputs(assembled.transformer, card, 32, 48, dtype, device)
        table = rows_for(assembled, steps, device)
        for n in range(steps):
            known = replace(table, words=words.expand(steps, -1, -1), temb=temb.expand(steps, -1))
            velocity_by(assembled.modulation, known, n, fixed, x, None)
    assert assembled.streamer is not None
    parts = parts_of(shapes, kind, dtype.itemsize, STEPS)
    travels = [size for n, size in enumerate(parts.blocks) if n not in resident]
    # Behind the last block, the first of the next step are on their way already.
    return assembled.streamer.traffic.bytes, steps * sum(travels) + sum(travels[:2])


def rows_for(assembled: Assembled, steps: int, device: torch.device) -> Rows:
    """A modulation table of made-up text for so many steps.

    Its times and guidance are such that bfloat16 has them: random weights feel a time that was rounded more than any
    rounding of weights, and precisions are compared here.
    """
    config = assembled.transformer.config
    text = Text(torch.randn(1, 256, config.text_embed_dim), torch.randn(1, config.pooled_projection_dim))
    guidance = torch.tensor([9984.0], device=device)
    sigmas = (1000 * make_sigmas(steps, 13_680)[:-1]).bfloat16().float() / 1000
    return assembled.modulation.table(text, list(sigmas), guidance)


# Measured


@dataclass(frozen=True)
class Setup:
    """What is measured: shapes, sizes, the device and its cap."""

    config: Mapping[str, Any]
    card: Card
    device: torch.device
    vram_gib: float
    ram_gib: float
    steps: int
    vae: Callable[[torch.device], Any] = field(default=lambda device: random_vae(device))
    compiles: bool = True

    @property
    def wide(self) -> str:
        """The precision of 16 bits that the device computes in: it is what others are compared with."""
        return "bf16" if self.device.type != "cuda" or precision.has_bf16(self.device) else "fp16"


@dataclass(frozen=True)
class Line:
    """One figure. ok: None where nothing is to be reached."""

    group: str
    what: str
    figure: str
    reach: str = ""
    ok: bool | None = None


class Meter:
    """The device's clock and memory; on a CPU the clock alone."""

    def __init__(self, device: torch.device, others: int | None = None) -> None:
        """others: bytes on the card before this process touched it; None: not known."""
        self.device = device
        self.gpu = device.type == "cuda"
        self.others = others

    def wait(self) -> None:
        """Until the device has done what it was given."""
        if self.gpu:
            torch.cuda.synchronize(self.device)

    def seconds(self, work: Callable[[], object]) -> float:
        """Wall seconds of some work."""
        self.wait()
        started = time.perf_counter()
        work()
        self.wait()
        return time.perf_counter() - started

    def reset(self) -> None:
        """Forget the peaks, and give back what is free."""
        if self.gpu:
            gc.collect()  # models are full of cycles: without it the last one would still be there
            self.wait()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        forget_peak_ram()

    def reserved(self) -> int:
        """The most that torch's allocator held since the reset."""
        return torch.cuda.max_memory_reserved(self.device) if self.gpu else 0

    def by_driver(self) -> int:
        """What the driver counts as taken by this process: torch's memory, and CUDA's own where `others` is known."""
        if not self.gpu:
            return 0
        free, total = torch.cuda.mem_get_info(self.device)
        return total - free - (self.others or 0)

    def device_allocations(self) -> int:
        """How often the allocator has gone to the driver."""
        return int(torch.cuda.memory_stats(self.device).get("num_device_alloc", 0)) if self.gpu else 0

    def cap(self, gib: float) -> None:
        """Let torch take no more than so much, the driver's own share counted in."""
        if self.gpu:
            total = torch.cuda.get_device_properties(self.device).total_memory
            torch.cuda.set_per_process_memory_fraction(min(1.0, (gib * GIB - CONTEXT) / total), self.device)

    def allocated(self) -> int:
        """What tensors hold now."""
        return torch.cuda.memory_allocated(self.device) if self.gpu else 0

    def beside(self, held: int) -> int:
        """The most that tensors held since the last `begin`, beside what they held before."""
        return torch.cuda.max_memory_allocated(self.device) - held if self.gpu else 0

    def begin(self) -> int:
        """Forget the peaks of torch's memory, but give nothing back; returns what tensors hold now."""
        if self.gpu:
            torch.cuda.reset_peak_memory_stats(self.device)
        return self.allocated()


def taken_before(device: torch.device) -> int | None:
    """Bytes in use on the card by the driver's own tool, before CUDA is started here; None where it does not say."""
    if device.type != "cuda" or cuda().is_initialized():
        return None
    said = asked_of_driver(device, "memory.used")
    return int(said) << 20 if said.isdigit() else None


def asked_of_driver(device: torch.device, what: str) -> str:
    """What the driver's own tool says of a card; nothing where it does not."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    index = device.index or 0
    which = listed[index] if index < len(listed) and listed[index] else str(index)
    asked = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader,nounits", "-i", which]
    try:
        return subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def forget_peak_ram() -> None:
    """Let the peak of this process's RAM begin anew, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_ram() -> int:
    """The most RAM that this process has held since, in bytes; what it holds now where the system does not say."""
    now: int = psutil.Process().memory_info().rss
    if sys.platform != "linux":
        return now
    lines = Path("/proc/self/status").read_text().splitlines()
    return max([now, *(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))])


def rehearsal(device: torch.device) -> Setup:
    """Every measurement with narrow layers and a small picture."""
    card = replace(PRESETS["framepack-f1"], window=2, sizes={"s": ((32, 48),)})
    return Setup(SMALL, card, device, 6.0, 0.0, steps=1, vae=lambda device: random_vae(device, (8, 8, 16, 16)))


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
    meter.reset()
    try:
        return lines(meter, group)
    except (RuntimeError, MemoryError, ValueError, TypeError, AttributeError, ImportError) as error:  # OOM is the first
        return [Line(group, "failed", f"{type(error).__name__}: {first_line(error)}", ok=False)]


def build(setup: Setup, placement: Placement) -> Assembled:
    """The transformer with random weights, made on the device and kept as the placement says."""
    source = Drawn(shapes_of(setup.config), torch.bfloat16, setup.device)
    return assemble(empty(setup.config), source, placement, setup.device)


@contextlib.contextmanager
def stepper(
    setup: Setup, assembled: Assembled, steps: int, cache: StepCache | None = None
) -> Iterator[Callable[[], object]]:
    """A call that makes the next step, for ever."""
    h, w = largest(setup.card)
    dtype = assembled.transformer.x_embedder.proj.weight.dtype
    with torch.no_grad():
        rows = rows_for(assembled, steps, setup.device)
        fixed, _, _, x = inputs(assembled.transformer, setup.card, h, w, dtype, setup.device)
        count = [0]

        def step() -> object:
            count[0] += 1
            return velocity_by(assembled.modulation, rows, count[0] % steps, fixed, x, cache)

        try:
            yield step
        finally:  # pinned memory is let go of before it is unmapped
            if assembled.streamer is not None:
                assembled.streamer.close()


def streamed_lines(setup: Setup, planned: MemoryPlan, placement: Placement, meter: Meter, group: str) -> list[Line]:
    """Under the cap, with all that a film needs on the card: peaks, bytes over the bus, allocations, decode, RAM."""
    cap, ram_most = setup.vram_gib * GIB, {"bf16": 24.0, "fp8": 14.0}.get(placement.precision, 24.0)
    assembled, vae = build(setup, placement), setup.vae(setup.device)
    assert assembled.streamer is not None
    traffic = assembled.streamer.traffic
    never_skips = TeaCache(-math.inf, 1 << 30)  # it holds what a step cache holds, and computes each step
    with stepper(setup, assembled, max(setup.steps, 2), never_skips) as step:
        held = meter.begin()
        meter.seconds(step)  # warms up: kernels are loaded, the allocator takes what it needs
        steps = repeats(setup, meter.seconds(step))
        before = (traffic.bytes, meter.device_allocations())
        times = [meter.seconds(step) for _ in range(steps)]
        moved, allocated = traffic.bytes - before[0], meter.device_allocations() - before[1]
        sampling_peak, sampling = meter.reserved(), meter.beside(held)
    del step, never_skips
    h, w = largest(setup.card)
    latents = torch.randn(1, setup.card.latent_channels, 2 * setup.card.window, h // 8, w // 8)
    held = meter.begin()
    seconds = meter.seconds(lambda: decode.decode_latents(vae, latents, planned.tiles))
    peak, decoding, driver, ram = (
        max(meter.reserved(), sampling_peak),
        meter.beside(held),
        meter.by_driver(),
        peak_ram(),
    )
    expected = steps * assembled.streamer.bytes_per_step
    own = "with CUDA's own" if meter.others is not None else "others' included"

    def within(what: str, size: float, most: float, unit: int, *, counts: bool = meter.gpu) -> Line:
        return Line(group, what, f"{size / unit:.2f}", f"<= {most / unit:.3g}", size <= most if counts else None)

    return [
        Line(group, "s a step, streamed", f"{statistics.median(times):.3f}"),
        Line(
            group,
            "GB a step over the bus",
            f"{moved / steps / GB:.3f}",
            f"= {expected / steps / GB:.3f}",
            moved == expected,
        ),
        Line(group, "buffers pinned at their exact size", "yes" if assembled.streamer.pinned else "no"),
        Line(group, "allocations in the loop", str(allocated), "0", allocated == 0),
        within("peak while sampling, reserved, GiB", sampling_peak, cap, GIB),
        within("peak with decode, reserved, GiB", peak, cap, GIB),
        within(f"the driver's count, {own}, GiB", driver, cap, GIB),
        within("planned peak, GiB", planned.vram, cap, GIB, counts=False),
        within("a step and its cache alone, GB; as planned", sampling, planned.activations + planned.cached, GB),
        within("a decode alone, GB; as planned", decoding, planned.decode, GB),
        within("CUDA's own, GB; as planned", driver - peak, CONTEXT, GB, counts=meter.gpu and meter.others is not None),
        Line(group, f"s for a decode, tiles {planned.tiles}", f"{seconds:.2f}"),
        within("RAM at its peak, whole process, GB", ram, ram_most * GB, GB, counts=True),
        within("planned RAM, GB", planned.ram, ram_most * GB, GB, counts=False),
    ]


def repeats(setup: Setup, seconds: float) -> int:
    """How often something that takes so long is measured: a slow card less often, or ten minutes would not do."""
    return max(1, min(setup.steps, int(SLOW_S / max(seconds, 1e-6))))


def few_blocks(setup: Setup, double: int, single: int) -> Setup:
    """The same shapes with few blocks: they are all alike, and what fits a card then is the same everywhere."""
    return replace(setup, config={**setup.config, "num_layers": double, "num_single_layers": single})


def resident_lines(setup: Setup, placement: Placement, meter: Meter, group: str) -> list[Line]:
    """Streamed against resident, in turns, without the cap: with all blocks, or with few where a card holds no more."""
    core = sum(parts_of(shapes_of(setup.config), placement.precision, 2, STEPS).blocks)
    whole_fits = not meter.gpu or torch.cuda.mem_get_info(setup.device)[0] > 1.1 * core + 5 * GB
    some = setup if whole_fits else few_blocks(setup, 2, 4)
    kept = placement if whole_fits else replace(placement, resident=(0,))
    whole, travelling = build(some, replace(placement, resident=None)), build(some, kept)
    with stepper(some, whole, 2) as resident, stepper(some, travelling, 2) as streamed:
        resident(), streamed()
        steps = repeats(setup, 2 * meter.seconds(resident))
        pairs = [(meter.seconds(streamed), meter.seconds(resident)) for _ in range(steps)]
    ratio = statistics.median(a / b for a, b in pairs)
    which = "all blocks" if whole_fits else "2 + 4 blocks, as the card cannot hold all"
    return [
        Line(
            group,
            f"s a step, resident, {placement.precision}, {which}",
            f"{statistics.median(b for _, b in pairs):.3f}",
        ),
        Line(group, "s a step, streamed", f"{statistics.median(a for a, _ in pairs):.3f}"),
        Line(group, "ratio", f"{ratio:.3f}", "<= 1.05", ratio <= 1.05 if meter.gpu else None),
    ]


def precision_lines(setup: Setup, meter: Meter, group: str) -> list[Line]:
    """fp8 and 4 bits against bf16: seconds and the difference of one step's output."""
    found: list[Line] = []
    outputs: dict[str, Tensor] = {}
    for kind in dict.fromkeys((setup.wide, "fp16", "fp8", "nf4")):
        if kind == "nf4" and not precision.has_four_bit():
            found.append(Line(group, kind, "not here: bitsandbytes is not installed (pip install 'flipbot[nf4]')"))
            continue
        made = stepped(few_blocks(setup, 2, 4), Placement(kind), meter)
        outputs[kind] = made.out
        off = difference(outputs[kind], outputs[setup.wide])
        fast = f", fp8 product: {'yes' if precision.has_fp8_product(setup.device) else 'no'}" if kind == "fp8" else ""
        what = f"{kind}: s a step; relative to {setup.wide}{fast}"
        found.append(Line(group, what, f"{made.seconds:.3f}; {off:.4f}"))
    return found


@dataclass(frozen=True)
class Stepped:
    """A model's second step, on the CPU; seconds of a later one, and of the first; whether what was compiled ran."""

    out: Tensor
    seconds: float
    first: float
    compiled: bool


def stepped(setup: Setup, placement: Placement, meter: Meter) -> Stepped:
    """Some steps of a model.

    A function of its own: when it returns the model is gone, so that two are never on a small card.
    """
    meter.reset()
    torch.manual_seed(0)
    assembled = build(setup, placement)
    with stepper(setup, assembled, 2) as step:
        first = meter.seconds(step)
        second: list[object] = []
        some = repeats(setup, meter.seconds(lambda: second.append(step())))
        seconds = statistics.median(meter.seconds(step) for _ in range(some))
        out = torch.as_tensor(second[0]).float().cpu()
        return Stepped(out, seconds, first, assembled.compiled is not None and assembled.compiled.works)


def difference(one: Tensor, other: Tensor) -> float:
    """Relative, by norms."""
    return float((one - other).norm() / other.norm())


BACKENDS = ("native", "_native_flash", "_native_efficient", "_native_cudnn", "flash", "sage", "xformers")
PRECISION, OFFLOADING = "precision, 2 + 4 blocks", "offloading, 2 + 8 blocks"
PUBLISHED = (128, 256, 512, 512)  # widths of HunyuanVideo's VAE
Offloaded = tuple[Callable[[], object], Callable[[], object]]  # a step, and what a decode between two sections does
Offload = Callable[[Any, Setup], Offloaded]
COMPILED = "torch.compile, 2 + 4 blocks"
SLOW_S = 20.0  # what is measured several times takes no longer in all


def attention_lines(setup: Setup, meter: Meter, group: str) -> list[Line]:
    """The attention kernels that are here, side by side, on the tokens of a call."""
    from diffusers.models.attention_dispatch import dispatch_attention_fn

    found = []
    h, w = largest(setup.card)
    config = empty(setup.config).config
    shape = (1, tokens(setup.card, h, w), config.num_attention_heads, config.attention_head_dim)
    q, k, v = (torch.randn(shape, device=setup.device, dtype=torch.float32).to(dtype_of(setup)) for _ in range(3))
    attend: Any = dispatch_attention_fn
    capability = attention.capability_of(str(setup.device))
    obstacles = {kernel.name: attention.obstacle(kernel, capability) for kernel in attention.KERNELS}
    for name in BACKENDS:
        if why := obstacles.get(name):
            found.append(Line(group, name, f"not here: {why}"))
            continue
        try:
            with torch.no_grad():
                work = lambda name=name: attend(q, k, v, backend=name)  # noqa: E731
                work()  # type: ignore[no-untyped-call]
                seconds = statistics.median(meter.seconds(work) for _ in range(setup.steps))
            found.append(Line(group, name, f"{1000 * seconds:.2f} ms"))
        except Exception as error:  # noqa: BLE001  each kernel refuses in its own way, and that is the finding
            found.append(Line(group, name, f"not here ({attention.said(error)})"))
    return found


def library_lines(setup: Setup, meter: Meter, group: str) -> list[Line]:
    """Our streamer beside diffusers' own group offloading and model offload, with the same few blocks.

    Theirs call the stock class's forward, as its pipeline does, so its modulation layers travel, too. Model offload
    brings the whole model for the first step after a decode: once a section.
    """
    few = few_blocks(setup, 2, 8)
    ours = stepped(few, Placement(setup.wide, (0,), aside=True), meter)
    found = [line_of(group, "this streamer, 1 resident", f"{ours.seconds:.3f}", meter)]
    for name, offload in (("diffusers group offloading", group_offload), ("diffusers model offload", model_offload)):
        meter.reset()
        try:
            found.append(offload_line(few, group, name, offload, meter))
        except (RuntimeError, ValueError, ImportError, NotImplementedError, TypeError) as error:
            found.append(Line(group, name, f"does not run here ({type(error).__name__}: {error})"))
    return found


def offload_line(few: Setup, group: str, name: str, offload: Offload, meter: Meter) -> Line:
    """One of diffusers' ways; when it returns the model is gone."""
    call, away = offload(stock_model(few), few)
    call()
    away()
    first = meter.seconds(call)
    seconds = statistics.median(meter.seconds(call) for _ in range(repeats(few, first)))
    return line_of(group, name, f"{seconds:.3f}, first of a section {first:.3f}", meter)


def line_of(group: str, name: str, seconds: str, meter: Meter) -> Line:
    """Seconds with both peaks."""
    figure = f"{seconds}; {meter.reserved() / GIB:.2f}; {peak_ram() / GB:.2f}"
    return Line(group, f"{name}: s a step; peak GiB; RAM GB", figure)


def dtype_of(setup: Setup) -> torch.dtype:
    """What the stock class is measured in."""
    return torch.bfloat16 if setup.wide == "bf16" else torch.float16


def stock_model(setup: Setup) -> Any:
    """diffusers' class as it is, with all of its layers, on the CPU in 16 bits."""
    model, source = empty(setup.config), Drawn(shapes_of(setup.config), dtype_of(setup), setup.device)
    for name, _ in list(model.named_parameters()):
        place(model, name, source.read(name).cpu())
    return model


def stock_call(model: Any, setup: Setup) -> Callable[[], object]:
    """A call of the class's own forward, with as many tokens as a section's."""
    card, config, device, dtype = setup.card, model.config, setup.device, dtype_of(setup)
    h, w = (side // card.space_compression for side in largest(card))

    def some(*shape: int) -> Tensor:
        return torch.randn(shape, device=device).to(dtype)

    def at(first: int, count: int) -> Tensor:
        return torch.arange(first, first + count)

    given: dict[str, object] = {
        "hidden_states": some(1, card.latent_channels, card.window, h, w),
        "timestep": torch.tensor([900.0], device=device, dtype=dtype),
        "guidance": torch.tensor([10_000.0], device=device, dtype=dtype),
        "encoder_hidden_states": some(1, 256, config.text_embed_dim),
        "encoder_attention_mask": torch.ones(1, 256, dtype=torch.bool, device=device),
        "pooled_projections": some(1, config.pooled_projection_dim),
        "image_embeds": some(1, 729, config.image_proj_dim),
        "indices_latents": at(20, card.window),
        "latents_clean": some(1, card.latent_channels, 2, h, w),
        "indices_latents_clean": torch.tensor([0, 19]),
        "latents_history_2x": some(1, card.latent_channels, 2, h, w),
        "indices_latents_history_2x": at(17, 2),
        "latents_history_4x": some(1, card.latent_channels, 16, h, w),
        "indices_latents_history_4x": at(1, 16),
        "return_dict": False,
    }

    @torch.no_grad()
    def call() -> object:
        return model(**given)

    return call


def group_offload(model: Any, setup: Setup) -> Offloaded:
    """Block by block with a stream, where there is CUDA."""
    from diffusers.hooks.group_offloading import apply_group_offloading

    apply: Any = apply_group_offloading
    streams = setup.device.type == "cuda"
    apply(model, setup.device, offload_type="block_level", num_blocks_per_group=1, use_stream=streams)
    return stock_call(model, setup), lambda: None


def model_offload(model: Any, setup: Setup) -> Offloaded:
    """A pipeline's own enable_model_cpu_offload: a decode sends the transformer back to RAM."""
    from diffusers import DiffusionPipeline

    kind: Any = DiffusionPipeline

    class Parts(kind):  # type: ignore[misc]
        """The transformer and the VAE of a pipeline."""

        model_cpu_offload_seq = "transformer->vae"

        def __init__(self, transformer: Any, vae: Any) -> None:
            super().__init__()
            self.register_modules(transformer=transformer, vae=vae)

    parts = Parts(model, setup.vae(torch.device("cpu")))
    parts.enable_model_cpu_offload(device=setup.device)
    h, w = largest(setup.card)
    latents = torch.randn(1, setup.card.latent_channels, 1, h // 8, w // 8, device=setup.device)

    @torch.no_grad()
    def decoded() -> object:
        return parts.vae.decode(latents.to(parts.vae.dtype))

    return stock_call(model, setup), decoded


def compile_lines(setup: Setup, meter: Meter, group: str) -> list[Line]:
    """Blocks compiled against as they are: seconds of the first step and of later ones, and the difference."""
    few = few_blocks(setup, 2, 4)
    plain, quick = (stepped(few, Placement(setup.wide, (0,), compiled=compiled), meter) for compiled in (False, True))
    found = [Line(group, "as they are, streamed: s a step; the first", f"{plain.seconds:.3f}; {plain.first:.3f}")]
    if not quick.compiled:  # its figures would be those of the blocks as they are
        return [*found, Line(group, "compiled", "does not work here; the line above says why")]
    off = difference(quick.out, plain.out)
    return [
        *found,
        Line(group, "compiled, streamed: s a step; the first", f"{quick.seconds:.3f}; {quick.first:.3f}"),
        Line(group, "relative difference", f"{off:.1e}", "<= 2e-2", off <= 2e-2),
    ]


def random_vae(device: torch.device, channels: tuple[int, ...] = PUBLISHED) -> Any:
    """HunyuanVideo's VAE with random weights, made where it works: float16 on a GPU."""
    vae = empty_vae(channels).to_empty(device=device)
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    shapes = {name: tuple(parameter.shape) for name, parameter in vae.named_parameters()}
    drawn = Drawn(shapes, dtype, device)
    for name, parameter in vae.named_parameters():
        parameter.data = drawn.read(name)
    return vae


def empty_vae(channels: tuple[int, ...]) -> Any:
    """The class of HunyuanVideo's VAE, without weights."""
    from diffusers import AutoencoderKLHunyuanVideo

    kind: Any = AutoencoderKLHunyuanVideo
    with META:
        made: Any = kind(block_out_channels=channels, norm_num_groups=min(32, *channels))
    return made.eval().requires_grad_(False)


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
