"""What the tiny checkpoint can do, measured on photographs that it never saw.

Every effect that the card lists, on eight held-out photographs: is the film nearest to the true film of what was asked
for, among the true films of all effects? How much is lost between section 1 and section 8? The ablation does the same
with the history switched off, so that it shows what the packed context is for. Tiles and allocator are the service's.
"""

from __future__ import annotations

import argparse
import ctypes
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor

from gen.card import read_checkpoint
from gen.engine import Engine, cropped
from gen.memory import plan_checkpoint, this_machine
from gen.plan import make_plan
from gen.process import MALLOC
from gen.train.effects import EFFECTS, Film
from gen.train.export import SAID
from gen.types import Conditioning, Plan
from gen.weights import load

Frames = NDArray[np.uint8]  # (F, H, W, 3)
ROOT = Path(__file__).parents[2]
SHIPPED = Path(__file__).parents[1] / "checkpoints" / "tiny"
ASKED = {name: english for name, (english, _, _) in SAID.items()}
SECTIONS = 8
# malloc.h
MALLOPT = {"MALLOC_MMAP_MAX_": -4, "MALLOC_TRIM_THRESHOLD_": -1, "MALLOC_TOP_PAD_": -2}
STEP = 4  # frames between those that are compared


@dataclass(frozen=True)
class Photo:
    """A held-out photograph by name."""

    name: str
    image: Image.Image


@dataclass(frozen=True)
class Made:
    """A film the checkpoint made, with the seconds that sampling and decoding took."""

    frames: Frames
    latents: list[Tensor]
    seconds: float


class Bench:
    """The engine with a checkpoint, and the photographs."""

    def __init__(self, checkpoint: Path, photos: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        allocate_as_the_service()
        held = read_checkpoint(checkpoint)
        tiles = plan_checkpoint(held, this_machine("cpu")).tiles
        self.engine = Engine(load(held, dtype=torch.float32), held.card, tiles=tiles)
        self.card = held.card
        self.photos = [Photo(path.stem, _open(path)) for path in sorted(photos.glob("*.jpg"))]
        listed = {entry["en"] for entry in held.card.understands}
        self.effects: Sequence[str] = [name for name in EFFECTS if ASKED[name] in listed] or EFFECTS

    def plan(self, photo: Photo, effect: str, sections: int, size: str = "128") -> Plan:
        """The plan of one film; the seed is the photograph's place in the list."""
        seed = self.photos.index(photo)
        seconds = (sections * self.card.window * self.card.time_compression + 1) / self.card.fps
        asked = [(0.0, ASKED[effect])]
        return make_plan(self.card, picture_size=photo.image.size, seconds=seconds, prompts=asked, seed=seed, size=size)

    def film(self, photo: Photo, effect: str, sections: int, *, history: bool = True) -> Made:
        """Make a film. Without history each section sees the start picture as the frame before it, and nothing else."""
        plan = self.plan(photo, effect, sections)
        conditioning = self.engine.encode(plan, photo.image)
        latents: list[Tensor] = []
        parts: list[Frames] = []
        tail: Tensor | None = None
        provisional: Frames | None = None
        began = time.perf_counter()
        for n in range(plan.sections):
            latents.append(self._sample(plan, conditioning, latents, n, history))
            final, provisional, tail = self.engine.decode(plan, conditioning, latents, n, tail)
            parts.append(final)
        seconds = time.perf_counter() - began
        if provisional is not None:
            parts.append(provisional)
        return Made(np.concatenate(parts), latents, seconds)

    def _sample(self, plan: Plan, conditioning: Conditioning, latents: list[Tensor], n: int, history: bool) -> Tensor:
        if history:
            return self.engine.sample(plan, conditioning, latents, n)
        alone = replace(plan, sections=1, prompts=plan.prompts[:1], seed=plan.seed + 1000 * n)
        return self.engine.sample(alone, conditioning, [], 0)

    def true_film(self, photo: Photo, effect: str, sections: int) -> Frames:
        """The true film of an effect on this photograph, as many frames as the engine makes."""
        plan = self.plan(photo, effect, sections)
        still = torch.from_numpy(np.array(cropped(photo.image, plan))).permute(2, 0, 1).float() / 255
        film = Film(still, np.random.default_rng(0))
        frames = film.frames([effect] * (sections * self.card.window * self.card.time_compression))
        return _bytes(torch.cat([still[None], frames]))


def _open(path: Path) -> Image.Image:
    with Image.open(path) as opened:
        return opened.convert("RGB")


def _bytes(frames: Tensor) -> Frames:
    out: Frames = (frames.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy()
    return out


def psnr(a: Frames, b: Frames) -> float:
    """Peak signal to noise in dB over all frames given, of 8-bit values."""
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return 99.0 if error == 0 else 10 * float(np.log10(255**2 / error))


def sharpness(frames: Frames) -> float:
    """Mean absolute slope of the luma over its mean level: detail that does not count the light."""
    luma = frames.astype(np.float64).mean(-1)
    slope = np.abs(np.diff(luma, axis=1)).mean() + np.abs(np.diff(luma, axis=2)).mean()
    return float(slope / (luma.std() + 8))


def nearest(film: Frames, truths: dict[str, Frames]) -> str:
    """The effect whose true film is nearest in squared error, at every fourth frame of what both have."""
    frames = min(len(film), *(len(truth) for truth in truths.values()))
    distance = {name: -psnr(film[:frames:STEP], truth[:frames:STEP]) for name, truth in truths.items()}
    return min(distance, key=lambda name: distance[name])


@dataclass(frozen=True)
class Row:
    """One film's result."""

    effect: str
    found: str
    first: float  # PSNR to truth, section 1
    eighth: float  # the same, section 8
    sharp: float  # sharpness of section 8 over section 1, relative to the same of the true film
    seconds: float  # of computing per second of film


def measure(bench: Bench, photo: Photo, effects: Sequence[str], sections: int, *, history: bool = True) -> list[Row]:
    """These effects on one photograph, each told among all that there are."""
    span = bench.card.window * bench.card.time_compression
    truths = {effect: bench.true_film(photo, effect, sections) for effect in EFFECTS}
    rows = []
    for effect in effects:
        made, truth = bench.film(photo, effect, sections, history=history), truths[effect]
        film = made.frames[: len(truth)]
        one, last = slice(1, 1 + span), slice(1 + (sections - 1) * span, 1 + sections * span)
        kept = sharpness(film[last]) / sharpness(film[one])
        true_kept = sharpness(truth[last]) / sharpness(truth[one])
        rows.append(
            Row(
                effect,
                nearest(film, truths),
                psnr(film[one], truth[one]),
                psnr(film[last], truth[last]),
                kept / true_kept,
                made.seconds / (sections * span / bench.card.fps),
            )
        )
    return rows


def vae_psnr(bench: Bench, photo: Photo) -> float:
    """What the VAE alone keeps of a photograph at size 128, dB."""
    plan = bench.plan(photo, "calm", 1)
    still = torch.from_numpy(np.array(cropped(photo.image, plan))).permute(2, 0, 1)[None, :, None].float()
    vae = bench.engine.models.vae
    with torch.inference_mode():
        out = vae.decode(vae.encode(still / 127.5 - 1).latent_dist.mode()).sample
    frame = ((out[0, :, 0].clamp(-1, 1) + 1) * 127.5).permute(1, 2, 0).to(torch.uint8).numpy()
    return psnr(frame, np.array(cropped(photo.image, plan)))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `flipbot bench tiny`."""
    parser.add_argument("--checkpoint", type=Path, default=SHIPPED, help="folder of the checkpoint")
    parser.add_argument("--photos", type=Path, default=ROOT / "tests" / "photos", help="held-out photographs")
    parser.add_argument("--count", type=int, default=8, help="how many of them")
    parser.add_argument("--sections", type=int, default=SECTIONS, help="length of the films, 1.2 s each")
    parser.add_argument("--effects", nargs="*", choices=EFFECTS, help="only these (default: those that the card lists)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ablation", action="store_true", help="measure also with the history switched off")
    parser.add_argument("--only-ablation", action="store_true", help="measure only that; no gate")


def run(args: argparse.Namespace) -> int:
    """Measure and print; 0 when the gate is passed, 1 when not, 2 without photographs or weights."""
    console = Console()
    if not (args.checkpoint / "flipbot.json").is_file() or not any(args.photos.glob("*.jpg")):
        console.print(f"There is no checkpoint in {args.checkpoint}, or no .jpg in {args.photos}.")
        return 2
    bench = Bench(args.checkpoint, args.photos, args.threads)
    effects = args.effects or bench.effects
    photos = bench.photos[: args.count]
    if args.ablation or args.only_ablation:
        alone = rows_of(console, bench, photos, effects, args.sections, history=False)
        console.print(table(alone, f"{bench.card.name} {bench.card.version}, history switched off"))
    if args.only_ablation:
        return 0
    rows = rows_of(console, bench, photos, effects, args.sections)
    console.print(table(rows, f"{bench.card.name} {bench.card.version}, {len(photos)} photographs"))
    kept = float(np.mean([vae_psnr(bench, photo) for photo in photos]))
    passed = gate(console, rows, kept)
    return 0 if passed else 1


def rows_of(
    console: Console,
    bench: Bench,
    photos: Sequence[Photo],
    effects: Sequence[str],
    sections: int,
    *,
    history: bool = True,
) -> list[Row]:
    """All rows; a line a photograph, for it takes minutes."""
    rows: list[Row] = []
    for photo in photos:
        found = measure(bench, photo, effects, sections, history=history)
        missed = "".join(f", {row.effect} taken for {row.found}" for row in found if row.found != row.effect)
        right = sum(row.found == row.effect for row in found)
        console.print(f"{photo.name}{'' if history else ' without history'}: {right} of {len(found)}{missed}")
        rows += found
    return rows


def allocate_as_the_service() -> None:
    """What gen.process.MALLOC does for a child, for this process, where the C library is glibc."""
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        for name, option in MALLOPT.items():
            library.mallopt(option, min(int(MALLOC[name]), 2**31 - 1))


def table(rows: Sequence[Row], title: str) -> Table:
    """One line per effect, and one for all."""
    out = Table(title=title)
    for head in ("effect", "told rightly", "PSNR s. 1", "PSNR last", "sharpness kept", "s per s of film"):
        out.add_column(head, justify="left" if head == "effect" else "right")
    for effect in dict.fromkeys(row.effect for row in rows):
        out.add_row(effect, *_means([row for row in rows if row.effect == effect]))
    out.add_row("all", *_means(rows))
    return out


def _means(rows: Sequence[Row]) -> tuple[str, ...]:
    right = sum(row.found == row.effect for row in rows)
    first, eighth, sharp, seconds = (
        float(np.mean([getattr(row, name) for row in rows])) for name in ("first", "eighth", "sharp", "seconds")
    )
    return f"{right}/{len(rows)}", f"{first:.1f}", f"{eighth:.1f}", f"{sharp:.2f}", f"{seconds:.2f}"


def gate(console: Console, rows: Sequence[Row], kept: float) -> bool:
    """Say which of the five bars are cleared; true when all are."""
    right = sum(row.found == row.effect for row in rows) / len(rows)
    lost = float(np.mean([row.first - row.eighth for row in rows]))
    sharp = float(np.mean([row.sharp for row in rows]))
    seconds = float(np.mean([row.seconds for row in rows]))
    bars = (
        (f"told rightly {right:.0%}, at least 85 %", right >= 0.85),
        (f"lost between section 1 and the last {lost:.1f} dB, at most 2", lost <= 2),
        (f"sharpness kept {sharp:.2f}, at least 0.85", sharp >= 0.85),
        (f"the VAE alone {kept:.1f} dB, at least 28", kept >= 28),
        (f"{seconds:.2f} s of computing per second of film, at most 2", seconds <= 2),
    )
    for text, holds in bars:
        console.print(("passed  " if holds else "missed  ") + text)
    return all(holds for _, holds in bars)
