"""What each step cache skips, and how far the film is then from one without: with the golden weights and with tiny."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from rich.table import Table
from torch import Tensor

from gen import decode
from gen.bench import films
from gen.bench.golden import Case, checkpoint_of, conditioning_of, plan_of
from gen.bench.precisions import load_tensors
from gen.card import find_checkpoint, read_json
from gen.engine import Engine
from gen.plan import make_plan
from gen.sample import make_caches, ran
from gen.types import FIRST_BLOCK, TEACACHE, Conditioning, Plan
from gen.weights import load

CACHES = (*TEACACHE.values(), *FIRST_BLOCK.values())
MANY = 25  # steps, as the 13 B model has them; the other row of each has the checkpoint's own


def cache_table(golden: Path) -> Table:
    """Blocks run, and PSNR of the frames against none skipped."""
    table = Table(title="step caches: one section against none skipped, on the CPU")
    for column in ("weights", "cache", "steps run", "saved", "latents, relative", "frames, PSNR dB"):
        left = column in ("weights", "cache")
        table.add_column(column, justify="left" if left else "right", no_wrap=column == "cache", overflow="fold")
    for name, engine, plan, conditioning, history in cases(golden):
        for steps in (plan.steps, MANY):
            for row in rows(f"{name}, {steps} steps", engine, replace(plan, steps=steps), conditioning, history):
                table.add_row(*row)
    return table


def cases(golden: Path) -> Iterator[tuple[str, Engine, Plan, Conditioning, list[Tensor]]]:
    """The golden weights, which are random, and tiny's second section of a real picture."""
    folder = golden / "f1_3s"
    params = read_json(folder / "params.json")
    case = Case(folder, params, *(load_tensors(folder / f"{name}.safetensors") for name in ("inputs", "expected")))
    checkpoint, plan = checkpoint_of((folder / params["weights"]).resolve()), plan_of(params)
    engine = Engine(load(checkpoint, parts=("transformer", "vae")), checkpoint.card)
    yield "golden f1_3s", engine, plan, conditioning_of(plan, case.inputs), []
    with tempfile.TemporaryDirectory() as made, Image.open(io.BytesIO(films.picture())) as picture:
        tiny = find_checkpoint("tiny", films.model_dir(Path(made)))
        engine = Engine(load(tiny), tiny.card)
        said = next((each["en"] for each in tiny.card.understands), "the sun rises")
        plan = make_plan(tiny.card, picture_size=picture.size, seconds=3, prompts=[(0, said)], seed=1)
        conditioning = engine.encode(plan, picture)
        first = engine.sample(plan, conditioning, [], 0)
        yield f"tiny {tiny.card.version}", engine, plan, conditioning, [first]


def rows(
    name: str, engine: Engine, plan: Plan, conditioning: Conditioning, history: list[Tensor]
) -> list[tuple[str, ...]]:
    """One row for each cache."""
    found: list[tuple[str, ...]] = []
    plain = engine.sample(replace(plan, step_cache=""), conditioning, history, len(history))
    frames = decode.decode_latents(engine.models.vae, plain).clamp(-1, 1)
    for cache in CACHES:
        cached = replace(plan, step_cache=cache)
        caches = make_caches(cached)
        latents = engine.sample(cached, conditioning, history, len(history), caches=caches)
        off = float((latents - plain).norm() / plain.norm())
        wrong = (decode.decode_latents(engine.models.vae, latents).clamp(-1, 1) - frames).square().mean()
        psnr = f"{float(10 * torch.log10(4 / wrong)):.1f}" if off else ""
        count = ran(cached, caches)
        saved = f"{1 - count / plan.steps:.0%}"
        found.append((name, cache, f"{count} of {plan.steps}", saved, f"{off:.1e}" if off else "0", psnr))
    return found
