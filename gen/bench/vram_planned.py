"""The 13 B model's memory and traffic by arithmetic, and what counting on the device meta says of it; any machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from gen import decode, precision
from gen.bench.live import peak_of
from gen.card import PRESETS, Card
from gen.errors import TooLittleMemory
from gen.memory import (
    GB,
    GIB,
    SCRATCH_GPU,
    Decoder,
    Machine,
    MemoryPlan,
    Tiles,
    Wishes,
    activation_bytes,
    decode_bytes,
    halves,
    make_memory_plan,
    memory_table,
    parts_of,
    tokens,
    value_bytes,
)
from gen.modulation import Table as Rows
from gen.schedule import make_sigmas
from gen.sources import FRAMEPACK, VAE_BYTES
from gen.stream import blocks_of
from gen.tensors import Drawn, Shape, held
from gen.transformer import Assembled, Placement, assemble, empty, shapes_of
from gen.types import Text
from gen.velocity import Fixed, velocity_by, walk

CARDS_GIB = (6, 8, 12, 16, 24)
STEPS = 25
FEW = (160, 160)  # rows and columns of a decode that is counted: the VAE joins its tiles row by row, in Python
META = torch.device("meta")


def plan_only(console: Console, vram_gib: float, ram_gib: float, markdown: Path | None = None) -> int:
    """The plans for common cards and for the one asked about, the counts behind the constants, traffic as computed."""
    shapes, card = shapes_of(FRAMEPACK), PRESETS["framepack-f1"]
    tables = []
    try:
        asked = make_memory_plan(shapes, Decoder(VAE_BYTES), card, example(vram_gib, ram_gib), Wishes())
        title = f"FramePack F1 at 640 on a card of {vram_gib:g} GiB, {ram_gib:g} GiB of RAM free: {asked.precision}"
        tables.append(memory_table(asked, title))
    except TooLittleMemory as error:
        console.print(f"With {vram_gib:g} GiB of a card and {ram_gib:g} GiB of RAM free: {error}", soft_wrap=True)
    counts, right = counts_table(card)
    moved, agrees = traffic_table()
    tables += [plans_table(shapes), counts, moved]
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


def calls() -> Iterator[tuple[str, bool, Machine]]:
    """(precision, whether e4m3 is multiplied, card) of the calls that are counted."""
    for kind, fast in (("bf16", False), ("fp16", False), ("fp8", False), ("fp8", True)):
        yield kind, fast, example(8)
    yield "fp8", False, replace(example(8), capability=(7, 5))


def plans(shapes: Mapping[str, Shape]) -> Iterator[tuple[int, str, MemoryPlan]]:
    """(GiB of the card, precision, plan) for each card and precision, where there is one."""
    card, vae = PRESETS["framepack-f1"], Decoder(VAE_BYTES)
    for gib in CARDS_GIB:
        for kind in ("bf16", "fp8", "nf4"):
            with contextlib.suppress(TooLittleMemory):
                yield gib, kind, make_memory_plan(shapes, vae, card, example(gib), Wishes(precision=kind))


def plans_table(shapes: Mapping[str, Shape]) -> Table:
    """One row for each card and precision."""
    table = Table(title="usual cards: memory plans of the 13 B model, largest 640 bucket; by arithmetic")
    for column in ("card GiB", "precision", "resident", "VRAM GiB", "RAM GiB", "GB a step over the bus", "decode tile"):
        table.add_column(column, justify="right")
    for gib, kind, made in plans(shapes):
        figures = (f"{made.vram / GIB:.2f}", f"{made.ram / GIB:.2f}", f"{made.streamed / GB:.2f}")
        table.add_row(str(gib), kind, f"{len(made.resident)} of 60", *figures, str(made.tiles.side or "whole"))
    return table


def counts_table(card: Card) -> tuple[Table, bool]:
    """What counting tensors on the device meta gives, beside what the plan's constants say; whether they agree."""
    table = Table(title="checked: peaks, counted on the device meta, and as planned")
    for column in ("what", "counted GB", "planned GB"):
        table.add_column(column, justify="left" if column == "what" else "right")
    h, w = 608, 640
    short, rows = replace(card, window=3), []
    for kind, fast, machine in calls():
        planned = activation_bytes(tokens(card, h, w), 3072, kind, machine)
        counted = count_activations(FRAMEPACK, card, h, w, kind, machine, fast=fast)
        how = " product" if fast else " as fp16" if halves(kind, machine) and kind != "fp16" else ""
        rows.append((f"one call, {kind}{how}, {h}x{w}", counted, planned))
    for tiles in (Tiles(0), Tiles(128), Tiles(128, 8)):
        planned = decode_bytes(short, Decoder(VAE_BYTES), *FEW, tiles, 2)
        rows.append((f"decode, tiles {tiles}", count_decode(short, *FEW, tiles), planned))
        copied = count_decode(short, *FEW, tiles, copies=True)
        rows.append((f"decode, tiles {tiles}, with cuDNN's copies", copied, round(SCRATCH_GPU * planned)))
    for what, counted, planned in rows:
        table.add_row(what, f"{counted / GB:.2f}", f"{planned / GB:.2f}")
    return table, all(counted <= planned <= 1.25 * counted for _, counted, planned in rows)


def count_activations(
    config: Mapping[str, Any], card: Card, h: int, w: int, kind: str, machine: Machine, *, fast: bool = False
) -> int:
    """Bytes at the peak of one call: two blocks of each kind, their widths those of the config.

    fast: with fp8 products, as cards from sm89 on have them
    """
    model = empty({**config, "num_layers": 2, "num_single_layers": 2})
    value = {2: torch.bfloat16, 4: torch.float32}[value_bytes(kind, machine)]
    for parameter in model.parameters():
        parameter.data = parameter.data.to(value)
    for _, block in precision_blocks(model):
        precision.convert(block, kind, value, halves(kind, machine))
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


def count_decode(card: Card, h: int, w: int, tiles: Tiles, *, copies: bool = False) -> int:
    """Bytes at the peak of decoding two sections. copies: as gen/bench/live.py has it."""
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

    return peak_of(work, copies=copies)


def traffic_table() -> tuple[Table, bool]:
    """A model with the real layout and narrow layers, streamed on this machine: bytes counted and by arithmetic."""
    table = Table(title="checked: bytes over the bus, counted by the streamer, and by arithmetic")
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
    parts = parts_of(shapes, kind, Machine(), STEPS)
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
