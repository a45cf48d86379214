"""`flipbot bench overhead`: what a section's sampling takes beside its calls of the transformer.

A section is sampled and the stock class's own forward is called as often as the section has steps, in turns; the VAE is
not part of it. The figure is the middle one of the ratios of the pairs. On a CPU the times are those the processor
spent on this process, which other work on the machine changes little.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from gen.bench import films
from gen.card import Checkpoint, find_checkpoint
from gen.context import Context, pack_f1, pack_inverted
from gen.engine import Engine
from gen.errors import GenError
from gen.plan import make_plan
from gen.sample import make_noise
from gen.schedule import make_sigmas
from gen.types import Conditioning, Plan, Text
from gen.velocity import Transformer, dtype_of
from gen.weights import load, load_part

MOST_RATIO = 1.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--model", default="tiny", help="checkpoint (default tiny)")
    parser.add_argument("--models-dir", type=Path, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--device", default="cpu", help="where it computes (default cpu)")
    parser.add_argument("--size", default=None, help="one of the checkpoint's sizes (default: its own)")
    parser.add_argument("--repeats", type=int, default=9, help="pairs that are measured (default 9)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")


def run(args: argparse.Namespace) -> int:
    """Print the table; 0 where the ratio is within its limit, 1 where not, 2 where the checkpoint cannot be had."""
    console = Console()
    torch.set_num_threads(args.threads)
    try:
        with tempfile.TemporaryDirectory() as folder:
            models_dir = args.models_dir or films.model_dir(Path(folder))
            pairs, plan = measure(find_checkpoint(args.model, models_dir), args.device, args.size, args.repeats)
    except GenError as error:
        console.print(str(error), soft_wrap=True)
        return 2
    ratio = statistics.median(section / forwards for section, forwards in pairs)
    title = f"overhead: {args.model}, {plan.width}x{plan.height}, {plan.steps} steps, {args.device}, {len(pairs)} pairs"
    table = Table(title=title)
    for column in ("a section", f"{plan.steps} forwards", "ratio (median)", "spread", "to reach", "ok"):
        table.add_column(column, justify="right")
    ratios = sorted(section / forwards for section, forwards in pairs)
    section, forwards = (f"{1000 * statistics.median(times):.0f} ms" for times in zip(*pairs, strict=True))
    ok = ratio <= MOST_RATIO
    spread = f"{ratios[0]:.3f} to {ratios[-1]:.3f}"
    table.add_row(section, forwards, f"{ratio:.3f}", spread, f"<= {MOST_RATIO}", "yes" if ok else "NO")
    console.print(table)
    return 0 if ok else 1


def measure(
    checkpoint: Checkpoint, device: str, size: str | None, repeats: int
) -> tuple[list[tuple[float, float]], Plan]:
    """Seconds of (a section's sampling, as many forwards as it has steps), in turns."""
    models, card = load(checkpoint, device=device, parts=("transformer", "vae")), checkpoint.card
    dtype = dtype_of(models.transformer)
    stock = load_part(checkpoint.parts["transformer"], "transformer", torch.device(device), dtype)  # the stock one
    engine = Engine(models, card)
    seconds = 20 * card.window * card.time_compression / card.fps  # long enough for a context without blanks
    plan = make_plan(card, picture_size=(640, 480), seconds=seconds, prompts=[(0, "x")], seed=1, size=size)
    conditioning, history = made_up(plan, engine)
    n = len(history)

    def forwards() -> None:
        call = stock_call(stock, plan, conditioning, context_of(plan, conditioning, history), engine)
        for _ in range(plan.steps):
            call()

    clock = clock_of(torch.device(device))
    pairs = []
    for repeat in range(repeats + 1):  # the first pair only warms up
        times = [clock(lambda: engine.sample(plan, conditioning, history, n)), clock(forwards)]
        if repeat:
            pairs.append((times[0], times[1]))
    return pairs, plan


def made_up(plan: Plan, engine: Engine) -> tuple[Conditioning, list[torch.Tensor]]:
    """Conditioning and history of the right shapes: what is in them costs nothing more or less."""
    config, ratio = engine.models.transformer.config, engine.card.space_compression
    h, w = plan.height // ratio, plan.width // ratio
    text = Text(torch.randn(1, 32, config.text_embed_dim), torch.randn(1, config.pooled_projection_dim))
    start = torch.randn(1, engine.card.latent_channels, 1, h, w)
    conditioning = Conditioning({"x": text}, text, torch.randn(1, 9, config.image_proj_dim), start)
    history = [torch.randn(1, engine.card.latent_channels, plan.window, h, w)] * engine.needed_history(plan)
    return conditioning, history


def context_of(plan: Plan, conditioning: Conditioning, history: list[torch.Tensor]) -> Context:
    """The context that the measured section has."""
    if plan.sampling == "f1":
        return pack_f1(conditioning.start, history, plan.window)
    return pack_inverted(conditioning.start, history, plan.window, 2)


@torch.no_grad()
def stock_call(
    transformer: Transformer, plan: Plan, conditioning: Conditioning, context: Context, engine: Engine
) -> Callable[[], object]:
    """A call of the class's own forward with what a section would give it, everything on the device beforehand."""
    device, dtype = engine.models.device, dtype_of(transformer)
    text, at = conditioning.texts["x"], context.at
    noise = make_noise(plan, 0, (1, engine.card.latent_channels, plan.window, *conditioning.start.shape[3:]))
    floats = {
        "hidden_states": noise,
        "encoder_hidden_states": text.prompt_embeds,
        "pooled_projections": text.pooled,
        "image_embeds": conditioning.image_embeds,
        "latents_clean": context.clean,
        "latents_history_2x": context.clean_2x,
        "latents_history_4x": context.clean_4x,
        "timestep": 1000 * make_sigmas(plan.steps, 256)[:1],
        "guidance": torch.tensor([1000 * plan.guidance]),
    }
    indices = {
        "indices_latents": at.noisy,
        "indices_latents_clean": at.clean,
        "indices_latents_history_2x": at.clean_2x,
        "indices_latents_history_4x": at.clean_4x,
    }
    given: dict[str, object] = {name: x.to(device, dtype) for name, x in floats.items()}
    given |= {name: torch.tensor(run) for name, run in indices.items()}
    given["encoder_attention_mask"] = torch.ones(text.prompt_embeds.shape[:2], dtype=torch.bool, device=device)

    @torch.no_grad()
    def call() -> object:
        return transformer(**given, return_dict=False)

    return call


def clock_of(device: torch.device) -> Callable[[Callable[[], object]], float]:
    """Measures seconds: of the processor on a CPU, elsewhere of the wall clock until the device has finished."""
    now = time.process_time if device.type == "cpu" else time.perf_counter

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    def clock(work: Callable[[], object]) -> float:
        wait()
        started = now()
        work()
        wait()
        return now() - started

    return clock
