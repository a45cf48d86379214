"""How far each precision is from float32: one section with the golden weights and with the tiny checkpoint."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from rich.table import Table
from torch import Tensor

from gen import decode, precision
from gen.bench import films
from gen.bench.golden import Case, checkpoint_of, conditioning_of, plan_of
from gen.bench.overhead import made_up
from gen.card import Checkpoint, find_checkpoint, read_json
from gen.engine import Engine
from gen.plan import make_plan
from gen.transformer import Placement
from gen.types import Conditioning, Plan
from gen.weights import load

KINDS = ("fp32", "bf16", "fp16", "fp8", "nf4")


def precision_table(golden: Path) -> Table:
    """Relative differences of latents, and PSNR of the frames, against float32 on the CPU."""
    table = Table(title="precision: one section against float32, on the CPU")
    for column in ("weights", "precision", "latents, relative", "frames, PSNR dB"):
        table.add_column(column, justify="right" if "," in column else "left")
    folder = golden / "f1_3s"
    params = read_json(folder / "params.json")
    case = Case(folder, params, *(load_tensors(folder / f"{name}.safetensors") for name in ("inputs", "expected")))
    plan = plan_of(params)
    checkpoint = checkpoint_of((folder / params["weights"]).resolve())
    for row in rows("golden f1_3s", checkpoint, plan, conditioning_of(plan, case.inputs), []):
        table.add_row(*row)
    with tempfile.TemporaryDirectory() as made:
        tiny = find_checkpoint("tiny", films.model_dir(Path(made)))
        engine = Engine(load(tiny, parts=("transformer", "vae")), tiny.card)
        plan = make_plan(tiny.card, picture_size=(640, 480), seconds=5, prompts=[(0, "x")], seed=1)
        torch.manual_seed(1)
        conditioning, history = made_up(plan, engine)
        for row in rows(f"tiny {tiny.card.version}", tiny, plan, conditioning, history):
            table.add_row(*row)
    return table


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file."""
    from safetensors.torch import load_file

    return load_file(path)


def rows(
    name: str, checkpoint: Checkpoint, plan: Plan, conditioning: Conditioning, history: list[Tensor]
) -> list[tuple[str, ...]]:
    """One row for each precision that is here."""
    found: list[tuple[str, ...]] = []
    reference: Tensor | None = None
    for kind in KINDS:
        if kind == "nf4" and not precision.has_four_bit():
            continue
        models = load(checkpoint, parts=("transformer", "vae"), placement=Placement(kind))
        assert models.modulation is not None
        models.modulation.rounds = True  # of float32, too: random weights feel that more than any rounding of weights
        latents = Engine(models, checkpoint.card).sample(plan, conditioning, history, len(history))
        if reference is None:
            reference, frames = latents, decode.decode_latents(models.vae, latents)
        off = float((latents - reference).norm() / reference.norm())
        wrong = (decode.decode_latents(models.vae, latents).clamp(-1, 1) - frames.clamp(-1, 1)).square().mean()
        psnr = "" if off == 0 else f"{float(10 * torch.log10(4 / wrong)):.1f}"
        found.append((name, kind, f"{off:.1e}" if off else "0", psnr))
    return found
