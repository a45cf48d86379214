"""`flipbot bench vram`: the 13 B model's memory and traffic: planned anywhere (--plan), measured on a GPU.

--plan prints the memory plan for cards of 6 to 24 GiB, with the counts that its constants come from, and streams a
small model to compare the traffic with the arithmetic. Without it a GPU is needed: 13 B shapes with random weights,
under a hard cap on the memory that torch may take.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from gen import decode, precision
from gen.bench.live import peak_of
from gen.card import PRESETS, Card
from gen.errors import GenError
from gen.memory import (
    GB,
    GIB,
    Decoder,
    Machine,
    MemoryPlan,
    Tiles,
    Wishes,
    activation_bytes,
    decode_bytes,
    make_memory_plan,
    memory_table,
    parts_of,
    summary,
    this_machine,
    tokens,
    value_bytes,
)
from gen.modulation import Modulation
from gen.modulation import Table as Rows
from gen.schedule import make_sigmas
from gen.tensors import Drawn, Shape, held
from gen.transformer import Assembled, Placement, assemble, empty, placement_of
from gen.types import Text
from gen.velocity import Fixed, velocity_by, walk

# transformer/config.json of lllyasviel/FramePack_F1_I2V_HY_20250503, as far as it is not the class's default
FRAMEPACK: Mapping[str, Any] = {
    "has_clean_x_embedder": True,
    "has_image_proj": True,
    "image_proj_dim": 1152,
    "image_condition_type": None,
}
VAE_BYTES = 492_957_606  # AutoencoderKLHunyuanVideo in float16
CARDS_GIB = (6, 8, 12, 16, 24)
STEPS = 25
FEW = (160, 160)  # rows and columns of a decode that is counted: the VAE joins its tiles row by row, in Python
META = torch.device("meta")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--plan", action="store_true", help="arithmetic only, on any machine")
    parser.add_argument("--vram-gib", type=float, default=6.0, help="hard cap on the GPU's memory (default 6)")
    parser.add_argument("--ram-gib", type=float, default=0.0, help="RAM that may be taken (default: what is free)")
    parser.add_argument("--size", default="608x640", help="rows x columns in pixels (default 608x640)")
    parser.add_argument("--steps", type=int, default=3, help="measured steps of each kind (default 3)")
    parser.add_argument("--markdown", type=Path, default=None, help="write the tables as markdown to this file too")


def run(args: argparse.Namespace) -> int:
    """Print the tables; 0 where what was measured keeps its limits, 1 where not, 2 where there is no GPU."""
    console = Console()
    if args.plan:
        return plan_only(console)
    if not torch.cuda.is_available():
        console.print(
            "flipbot bench vram needs an NVIDIA GPU and a PyTorch built for CUDA; --plan works on any machine.",
            soft_wrap=True,
        )
        return 2
    h, w = (int(side) for side in args.size.lower().split("x"))
    card = replace(PRESETS["framepack-f1"], sizes={"640": ((h, w),)})
    setup = Setup(FRAMEPACK, card, torch.device("cuda"), args.vram_gib, args.ram_gib, args.steps)
    try:
        found = measure(setup, console)
    except GenError as error:
        console.print(str(error), soft_wrap=True)
        return 1
    for table in tables_of(found):
        console.print(table)
    if args.markdown:
        args.markdown.write_text(markdown_of(found), encoding="utf-8")
    return 0 if all(line.ok is not False for line in found) else 1


# Planned


def plan_only(console: Console) -> int:
    """The plans for common cards, the counts behind the constants, and traffic against arithmetic."""
    shapes, card, vae = shapes_of(FRAMEPACK), PRESETS["framepack-f1"], Decoder(VAE_BYTES)
    console.print(plans_table(shapes, card, vae))
    six = make_memory_plan(shapes, vae, card, example(6), Wishes())
    console.print(memory_table(six, "FramePack F1 at 640 on a card of 6 GiB, 32 GiB of RAM free"))
    counts, right = counts_table(card)
    console.print(counts)
    moved, agrees = traffic_table()
    console.print(moved)
    return 0 if right and agrees else 1


def shapes_of(config: Mapping[str, Any]) -> dict[str, Shape]:
    """The tensors of a config's transformer."""
    return {name: tuple(p.shape) for name, p in empty(config).named_parameters()}


def example(gib: float, ram_gib: float = 32.0) -> Machine:
    """A card of Ada's generation with so much memory free."""
    free, ram = int(gib * GIB), int(ram_gib * GIB)
    return Machine("cuda", f"a card of {gib} GiB", free, free, ram, ram, (8, 9), True)


def plans_table(shapes: Mapping[str, Shape], card: Card, vae: Decoder) -> Table:
    """One row for each card and precision."""
    table = Table(title="memory plans of the 13 B model, largest 640 bucket; by arithmetic")
    for column in ("card GiB", "precision", "resident", "GB a step over the bus", "VRAM GB", "RAM GB", "decode tile"):
        table.add_column(column, justify="right")
    for gib in CARDS_GIB:
        for kind in ("bf16", "fp8", "nf4"):
            try:
                made = make_memory_plan(shapes, vae, card, example(gib), Wishes(precision=kind))
            except GenError as error:
                table.add_row(str(gib), kind, str(error))
                continue
            figures = (f"{x / GB:.2f}" for x in (made.streamed, made.vram, made.ram))
            table.add_row(str(gib), kind, f"{len(made.resident)} of 60", *figures, str(made.tiles.side or "whole"))
    return table


def counts_table(card: Card) -> tuple[Table, bool]:
    """What counting tensors on the device meta gives, beside what the plan's constants say; whether they agree."""
    table = Table(title="peaks: counted on the device meta, and as planned")
    for column in ("what", "counted GB", "planned GB"):
        table.add_column(column, justify="left" if column == "what" else "right")
    h, w = 256, 320  # peaks grow with the tokens and the tile: a small picture tells as much as a large one
    short, rows = replace(card, window=3), []
    for kind in ("bf16", "fp16", "fp8"):
        value = value_bytes(kind, example(8))
        planned = activation_bytes(tokens(card, h, w), 3072, value, kind)
        rows.append((f"one call, {kind}, {h}x{w}", count_activations(FRAMEPACK, card, h, w, kind), planned))
    for tiles in (Tiles(0), Tiles(128), Tiles(128, 8)):
        planned = decode_bytes(short, Decoder(VAE_BYTES), *FEW, tiles, 2)
        rows.append((f"decode, tiles {tiles}", count_decode(short, *FEW, tiles), planned))
    for what, counted, planned in rows:
        table.add_row(what, f"{counted / GB:.2f}", f"{planned / GB:.2f}")
    return table, all(counted <= planned <= 1.25 * counted for _, counted, planned in rows)


def count_activations(config: Mapping[str, Any], card: Card, h: int, w: int, kind: str) -> int:
    """Bytes at the peak of one call: two blocks of each kind, their widths those of the config."""
    model = empty({**config, "num_layers": 2, "num_single_layers": 2})
    value = {2: torch.bfloat16, 4: torch.float32}[value_bytes(kind, example(8))]
    for parameter in model.parameters():
        parameter.data = parameter.data.to(value)
    for _, block in precision_blocks(model):
        precision.convert(block, kind, value)
    fixed, words, temb, x = inputs(model, card, h, w, value, META)
    return peak_of(lambda: walk(model, fixed, words, temb, x, None))


def precision_blocks(model: Any) -> list[tuple[str, Any]]:
    """The blocks, their modulation left out of what is converted."""
    from gen.modulation import detach
    from gen.stream import blocks_of

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
    """A modulation table of made-up text for so many steps."""
    config = assembled.transformer.config
    text = Text(torch.randn(1, 256, config.text_embed_dim), torch.randn(1, config.pooled_projection_dim))
    guidance = torch.tensor([10_000.0], device=device)
    return assembled.modulation.table(text, list(make_sigmas(steps, 13_680)[:-1]), guidance)


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

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.gpu = device.type == "cuda"

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
            self.wait()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)

    def reserved(self) -> int:
        """The most that torch's allocator held since the reset."""
        return torch.cuda.max_memory_reserved(self.device) if self.gpu else 0

    def by_driver(self) -> int:
        """What the driver counts as taken now, by everybody."""
        if not self.gpu:
            return 0
        free, total = torch.cuda.mem_get_info(self.device)
        return total - free

    def device_allocations(self) -> int:
        """How often the allocator has gone to the driver."""
        return int(torch.cuda.memory_stats(self.device).get("num_device_alloc", 0)) if self.gpu else 0

    def cap(self, gib: float) -> None:
        """Let torch take no more than so much, the driver's own share counted in."""
        if self.gpu:
            total = torch.cuda.get_device_properties(self.device).total_memory
            torch.cuda.set_per_process_memory_fraction(min(1.0, (gib * GIB - 0.5 * GB) / total), self.device)


def measure(setup: Setup, console: Console) -> list[Line]:
    """Everything, one after the other; what a machine cannot do is a line that says so."""
    meter, shapes = Meter(setup.device), shapes_of(setup.config)
    machine = this_machine(str(setup.device))
    wishes = Wishes("bf16", setup.vram_gib if meter.gpu else 0.0, setup.ram_gib)
    found: list[Line] = []
    memory_before = psutil.Process().memory_info().rss
    if meter.gpu and machine.capability < (8, 0):
        wishes = replace(wishes, precision="fp16")
    planned = make_memory_plan(shapes, Decoder(VAE_BYTES), setup.card, machine, wishes)
    console.print(summary(planned), soft_wrap=True)
    meter.cap(setup.vram_gib)
    placement = placement_of(planned)
    if not planned.streams:  # a card that holds everything: stream all the same, or nothing would be measured
        placement = replace(placement, resident=(0,), aside=True)
    found += streamed_lines(setup, planned, placement, meter, memory_before)
    meter.cap(1e6)
    found += resident_lines(setup, placement, meter)
    found += precision_lines(setup, meter)
    found += attention_lines(setup, meter)
    found += library_lines(setup, meter)
    return found


def build(setup: Setup, placement: Placement) -> Assembled:
    """The transformer with random weights, made on the device and kept as the placement says."""
    source = Drawn(shapes_of(setup.config), torch.bfloat16, setup.device)
    return assemble(empty(setup.config), source, placement, setup.device)


@contextlib.contextmanager
def stepper(setup: Setup, assembled: Assembled, steps: int) -> Iterator[Callable[[], object]]:
    """A call that makes the next step, for ever."""
    h, w = max(bucket for rows in setup.card.sizes.values() for bucket in rows)
    dtype = assembled.transformer.x_embedder.proj.weight.dtype
    with torch.no_grad():
        rows = rows_for(assembled, steps, setup.device)
        fixed, _, _, x = inputs(assembled.transformer, setup.card, h, w, dtype, setup.device)
        count = [0]

        def step() -> object:
            count[0] += 1
            return velocity_by(assembled.modulation, rows, count[0] % steps, fixed, x, None)

        yield step
    if assembled.streamer is not None:
        assembled.streamer.close()


def streamed_lines(
    setup: Setup, planned: MemoryPlan, placement: Placement, meter: Meter, memory_before: int
) -> list[Line]:
    """Under the cap: peak, bytes over the bus, allocations in the loop, decode, RAM."""
    group, cap = f"under {setup.vram_gib:g} GiB, {placement.precision}", setup.vram_gib * GIB
    meter.reset()
    taken = meter.by_driver()
    assembled = build(setup, placement)
    assert assembled.streamer is not None
    vae = setup.vae(setup.device)
    traffic = assembled.streamer.traffic
    with stepper(setup, assembled, max(setup.steps, 2)) as step:
        step()  # the first one warms up: kernels are loaded, the allocator takes what it needs
        meter.wait()
        before = (traffic.bytes, meter.device_allocations())
        times = [meter.seconds(step) for _ in range(setup.steps)]
        moved, allocated = traffic.bytes - before[0], meter.device_allocations() - before[1]
        sampling_peak = meter.reserved()
        h, w = max(bucket for rows in setup.card.sizes.values() for bucket in rows)
        latents = torch.randn(1, setup.card.latent_channels, 2 * setup.card.window, h // 8, w // 8)
        decoding = meter.seconds(lambda: decode.decode_latents(vae, latents, planned.tiles))
        peak, driver = meter.reserved(), meter.by_driver() - taken
    expected = setup.steps * assembled.streamer.bytes_per_step
    ram = psutil.Process().memory_info().rss - memory_before
    return [
        Line(group, "s a step, streamed", f"{statistics.median(times):.3f}"),
        Line(
            group,
            "GB a step over the bus",
            f"{moved / setup.steps / GB:.3f}",
            f"= {expected / setup.steps / GB:.3f}",
            moved == expected,
        ),
        Line(group, "buffers pinned at their exact size", "yes" if assembled.streamer.pinned else "no"),
        Line(group, "allocations in the loop", str(allocated), "0", allocated == 0),
        Line(
            group,
            "peak while sampling, reserved, GiB",
            f"{sampling_peak / GIB:.2f}",
            f"<= {setup.vram_gib:g}",
            sampling_peak <= cap,
        ),
        Line(group, "peak with decode, reserved, GiB", f"{peak / GIB:.2f}", f"<= {setup.vram_gib:g}", peak <= cap),
        Line(group, "taken by the driver's count, GiB", f"{driver / GIB:.2f}", f"<= {setup.vram_gib:g}", driver <= cap),
        Line(group, f"s for a decode, tiles {planned.tiles}", f"{decoding:.2f}"),
        Line(group, "RAM taken, GB", f"{ram / GB:.2f}", f"<= {planned.ram / GB:.1f}", ram <= planned.ram),
    ]


def resident_lines(setup: Setup, placement: Placement, meter: Meter) -> list[Line]:
    """Streamed against resident, in turns, without the cap; where the card cannot hold it all, a line that says so."""
    group = "streamed / resident"
    core = sum(parts_of(shapes_of(setup.config), placement.precision, 2, STEPS).blocks)
    if meter.gpu and torch.cuda.mem_get_info(setup.device)[0] < 1.25 * core + 4 * GB:
        return [Line(group, "s a step", "the card cannot hold the whole model beside the streamed one")]
    whole, travelling = build(setup, replace(placement, resident=None)), build(setup, placement)
    with stepper(setup, whole, 2) as resident, stepper(setup, travelling, 2) as streamed:
        resident(), streamed()
        pairs = [(meter.seconds(streamed), meter.seconds(resident)) for _ in range(setup.steps)]
    ratio = statistics.median(a / b for a, b in pairs)
    return [
        Line(group, "s a step, resident", f"{statistics.median(b for _, b in pairs):.3f}"),
        Line(group, "ratio", f"{ratio:.3f}", "<= 1.05", ratio <= 1.05 if meter.gpu else None),
    ]


def precision_lines(setup: Setup, meter: Meter) -> list[Line]:
    """fp8 and 4 bits against bf16: seconds and the difference of one step's output. Few blocks: they are all alike."""
    group, found = "precision, 2 + 4 blocks", []
    few = replace(setup, config={**setup.config, "num_layers": 2, "num_single_layers": 4})
    kinds = ["bf16", "fp16", "fp8"] + (["nf4"] if precision.has_four_bit() else [])
    outputs: dict[str, Tensor] = {}
    for kind in kinds:
        meter.reset()
        torch.manual_seed(0)
        with stepper(few, build(few, Placement(kind)), 2) as step:
            outputs[kind] = torch.as_tensor(step()).float().cpu()
            seconds = statistics.median(meter.seconds(step) for _ in range(setup.steps))
        off = float((outputs[kind] - outputs["bf16"]).norm() / outputs["bf16"].norm())
        fast = f", fp8 product: {'yes' if precision.has_fp8_product(setup.device) else 'no'}" if kind == "fp8" else ""
        found.append(Line(group, f"{kind}: s a step; relative to bf16{fast}", f"{seconds:.3f}; {off:.4f}"))
    return found


BACKENDS = ("native", "_native_flash", "_native_efficient", "_native_cudnn", "flash", "sage", "xformers")


def attention_lines(setup: Setup, meter: Meter) -> list[Line]:
    """The attention kernels that are here, side by side, on the tokens of a call."""
    from diffusers.models.attention_dispatch import dispatch_attention_fn

    group, found = "attention, one layer", []
    h, w = max(bucket for rows in setup.card.sizes.values() for bucket in rows)
    config = empty(setup.config).config
    shape = (1, tokens(setup.card, h, w), config.num_attention_heads, config.attention_head_dim)
    dtype = torch.bfloat16 if not meter.gpu or precision.has_bf16(setup.device) else torch.float16
    q, k, v = (torch.randn(shape, device=setup.device, dtype=torch.float32).to(dtype) for _ in range(3))
    attend: Any = dispatch_attention_fn
    for name in BACKENDS:
        try:
            with torch.no_grad():
                work = lambda name=name: attend(q, k, v, backend=name)  # noqa: E731
                work()  # type: ignore[no-untyped-call]
                seconds = statistics.median(meter.seconds(work) for _ in range(setup.steps))
            found.append(Line(group, name, f"{1000 * seconds:.2f} ms"))
        except Exception as error:  # noqa: BLE001  each kernel refuses in its own way, and that is the finding
            found.append(Line(group, name, f"not here ({type(error).__name__})"))
    return found


def library_lines(setup: Setup, meter: Meter) -> list[Line]:
    """diffusers' own group offloading and accelerate's model offload, with the same few blocks, beside our streamer."""
    group = "offloading, 2 + 8 blocks"
    few = replace(setup, config={**setup.config, "num_layers": 2, "num_single_layers": 8})
    found = []
    for name, prepare in (
        ("this streamer, 1 resident", None),
        ("diffusers group offloading, stream", group_offload),
        ("accelerate model offload", model_offload),
    ):
        meter.reset()
        try:
            home = replace(few, device=torch.device("cpu")) if prepare else few
            assembled = build(home, Placement("bf16", None if prepare else (0,)))
            if prepare is not None:
                assembled.modulation.looked  # noqa: B018
                prepare(assembled.transformer, setup.device)
                assembled = replace(assembled, modulation=Modulation(assembled.transformer, setup.device))
            with stepper(few, assembled, 2) as step:
                step()
                seconds = statistics.median(meter.seconds(step) for _ in range(setup.steps))
            found.append(Line(group, f"{name}: s a step; peak GiB", f"{seconds:.3f}; {meter.reserved() / GIB:.2f}"))
        except (RuntimeError, ValueError, ImportError, NotImplementedError) as error:
            found.append(Line(group, name, f"does not run here ({type(error).__name__}: {error})"))
    return found


def group_offload(transformer: Any, device: torch.device) -> None:
    """diffusers' own way: block by block with a stream, where there is CUDA."""
    from diffusers.hooks.group_offloading import apply_group_offloading

    apply: Any = apply_group_offloading
    apply(
        transformer,
        onload_device=device,
        offload_type="block_level",
        num_blocks_per_group=1,
        use_stream=device.type == "cuda",
    )


def model_offload(transformer: Any, device: torch.device) -> None:
    """accelerate's: the whole model comes for a call and goes after it."""
    from accelerate import cpu_offload_with_hook

    offload: Any = cpu_offload_with_hook
    offload(transformer, execution_device=device)
    transformer.to(device)  # our walk calls the parts, not the model, so that its hook would not fire


def random_vae(device: torch.device) -> Any:
    """HunyuanVideo's VAE with random weights, float16 on a GPU."""
    from diffusers import AutoencoderKLHunyuanVideo

    kind: Any = AutoencoderKLHunyuanVideo
    with device:
        made: Any = kind()
        vae = made.eval().requires_grad_(False)
    for parameter in vae.parameters() if device.type == "cuda" else ():
        parameter.data = parameter.data.half()
    return vae


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


def markdown_of(found: list[Line]) -> str:
    """The same for docs/benchmarks.md."""
    head = "| group | what | figure | to reach | ok |\n| --- | --- | --- | --- | --- |\n"
    rows = (f"| {line.group} | {line.what} | {line.figure} | {line.reach} | {said(line)} |\n" for line in found)
    return head + "".join(rows)


def said(line: Line) -> str:
    """Whether a line keeps its limit."""
    return {True: "yes", False: "NO", None: ""}[line.ok]
