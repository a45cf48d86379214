"""Training the VAE: encoder and decoder together on stills, then the decoder alone on short clips of every effect."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gen.train import architecture, fastvae, linear
from gen.train.effects import EFFECTS, Film, State, random_state
from gen.train.muon import Pair
from gen.train.photos import Stills
from gen.train.whole import say_if_spent

SIDES = ((128, 128), (112, 144), (144, 112), (96, 96))
CLIP_SIDES = ((96, 96), (80, 112), (112, 80))
TILE = 64  # pixels: most of what a code of 8 x 8 blocks can learn from a still is local
CLIP_FRAMES = 17  # what the decoder sees at once: diffusers tiles time by 16 frames after the first
NOISE = 0.06  # on unit-variance latents, so that the decoder forgives the transformer
MUON_RATE, ADAM_RATE = 0.001, 1.5e-4  # small: it begins at a good code (linear.py), which larger ones destroy at once
LINEAR = ("conv_in", "conv_out", "norm", "shortcut", "samplers", "quant_conv")  # what holds the code: Adam's
THREADS = 1  # more only wait for one another where other work shares the cores


@dataclass(frozen=True)
class VaeRun:
    """How long to learn from stills, then from stills and clips. Minutes of wall time, earlier runs included."""

    work: Path  # photos.npz inside; state and log are written here
    still_minutes: float
    clip_minutes: float
    device: str = "cpu"
    many: int = 1  # times the batch: a GPU wants 8 or so
    linear_minutes: float = 10.0  # for the linear code that it begins with
    save_s: float = 120.0


def train_vae(run: VaeRun) -> None:
    """Train, or go on training, until the budget is spent; state in work/vae.pt, one JSON line a log step."""
    torch.set_num_threads(THREADS)
    for clips, minutes in ((False, run.still_minutes), (True, run.clip_minutes)):
        Stretch(run, clips, minutes * 60).go()


class Stretch:
    """One stretch of training: from stills alone without any notion of time, or from stills and clips."""

    def __init__(self, run: VaeRun, clips: bool, seconds: float) -> None:
        self.run, self.clips, self.seconds = run, clips, seconds
        self.file, self.step, self.spent = run.work / "vae.pt", 0, 0.0
        torch.manual_seed(0)
        self.model = architecture.vae()
        held: dict[str, Any] = {"clips": False}
        if self.file.exists():
            held = torch.load(self.file, weights_only=True, map_location="cpu")
        if not held["clips"]:
            fastvae.without_time(self.model)
        if "model" in held:
            self.model.load_state_dict(held["model"])
            self.step = held["step"]
        else:
            stills = Stills(run.work / "photos.npz", seed=3)
            code = linear.learn(stills, architecture.CHANNELS, architecture.WIDTHS, run.linear_minutes)
            linear.write(code, self.model, stills)
        self.over = held["clips"] and not clips
        if clips and not held["clips"]:
            fastvae.with_time(self.model)
        self.model.to(run.device)
        closed = [self.model.encoder, self.model.quant_conv]  # what lies between stills is the decoder's to learn
        if not clips:  # the encoder stays linear: light then moves along straight lines, which are easy to learn
            closed = [part for name, part in self.model.encoder.named_modules() if name.endswith((".conv1", ".conv2"))]
        for part in closed:
            part.requires_grad_(False)
        slower = 0.3 if clips else 1.0
        self.optimiser = Pair(self.model, MUON_RATE * slower, ADAM_RATE * slower, adam=LINEAR)
        if "optimiser" in held and held["clips"] == clips:
            self.optimiser.load_state_dict(held["optimiser"])
            self.spent = held["spent"]

    def go(self) -> None:
        """Train until the stretch's seconds are spent."""
        option = "--clip-minutes" if self.clips else "--still-minutes"
        if self.over:
            print(f"vae: its stills are done ({option} has no more say), it learns clips")  # noqa: T201
            return
        say_if_spent("vae", option, self.spent, self.seconds)
        stills, draw = Stills(self.run.work / "photos.npz", seed=self.step + 1), np.random.default_rng(self.step + 2)
        last = saved = time.monotonic()
        total, error, count = 0.0, 0.0, 0
        while self.spent < self.seconds:
            video = self._batch(stills, draw)
            loss, wrong = losses(self.model, video.to(self.run.device))
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step(fall(self.spent / self.seconds) * min(1.0, (count + 1) / 30))
            now = time.monotonic()
            self.spent, last, self.step = self.spent + now - last, now, self.step + 1
            total, error, count = total + float(loss.detach()), error + wrong, count + 1
            if count % 50 == 0:
                self._log(total / 50, error / 50)
                total, error = 0.0, 0.0
            if now - saved > self.run.save_s:
                self._save()
                saved = now
        self._save()

    def _batch(self, stills: Stills, draw: np.random.Generator) -> Tensor:
        if not self.clips:
            return torch.cat([tile_batch(stills, draw) for _ in range(self.run.many)])
        if draw.random() < 0.6:
            size = CLIP_SIDES[int(draw.integers(len(CLIP_SIDES)))]
            return torch.stack([clip(stills, draw, size) for _ in range(self.run.many)])
        size = SIDES[int(draw.integers(len(SIDES)))]
        made = [_lit(stills.crop(*size), draw) for _ in range(3 * self.run.many)]
        return torch.stack(made).unsqueeze(2) * 2 - 1

    def _log(self, loss: float, error: float) -> None:
        psnr = round(-10 * math.log10(error / 4), 2)
        line = {"step": self.step, "clips": self.clips, "min": round(self.spent / 60, 2), "loss": loss, "psnr": psnr}
        with (self.run.work / "vae.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")

    def _save(self) -> None:
        held: dict[str, Any] = {"clips": self.clips, "step": self.step, "spent": self.spent}
        held |= {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict()}
        part = self.file.with_suffix(".part")
        torch.save(held, part)
        part.replace(self.file)


def fall(done: float) -> float:
    """The learning rate's factor: a half cosine from 1 to 0.02."""
    return 0.02 + 0.98 * (1 + math.cos(math.pi * min(1.0, done))) / 2


def tile_batch(stills: Stills, draw: np.random.Generator) -> Tensor:
    """Four tiles of two stills: (4, 3, 1, 64, 64) in -1..1."""
    made = []
    for _ in range(2):
        still = _lit(stills.crop(2 * TILE, 2 * TILE), draw)
        for _ in range(2):
            top, left = (int(value) for value in draw.integers(0, TILE + 1, 2))
            made.append(still[:, top : top + TILE, left : left + TILE])
    return torch.stack(made).unsqueeze(2) * 2 - 1


def _lit(still: Tensor, draw: np.random.Generator) -> Tensor:
    """The still under the light and weather of some moment of some film, four times of ten."""
    if draw.random() < 0.6:
        return still
    return Film(still, draw, random_state(draw)).frames([EFFECTS[int(draw.integers(len(EFFECTS)))]])[0]


def clip(stills: Stills, draw: np.random.Generator, size: tuple[int, int]) -> Tensor:
    """A short clip of a random effect, from the start of a film or amid it: (3, 17, H, W) in -1..1."""
    effect = EFFECTS[int(draw.integers(len(EFFECTS)))]
    state = random_state(draw) if draw.random() < 0.5 else State()
    film = Film(stills.crop(*size), draw, state)
    return film.frames([effect] * (CLIP_FRAMES + 30))[-CLIP_FRAMES:].transpose(0, 1) * 2 - 1


def encode_keys(model: Any, video: Tensor) -> Tensor:
    """The first frame's latent, then one still's of every four: (B, 3, 4T - 3, H, W) → (B, C, T, h, w)."""
    keys = torch.cat([video[:, :, :1], video[:, :, 2::4]], 2)
    stills = keys.transpose(1, 2).flatten(0, 1).unsqueeze(2)
    z = fastvae.encode_mean(model, stills)[:, :, 0]
    return z.reshape(len(video), -1, *z.shape[1:]).transpose(1, 2)


def losses(model: Any, video: Tensor) -> tuple[Tensor, float]:
    """The training loss of a batch, and its mean squared error in -1..1 units."""
    z = encode_keys(model, video)
    out = fastvae.decode(model, z + NOISE * torch.randn_like(z))
    wrong = out - video
    flat = wrong.transpose(1, 2).flatten(0, 1)
    # Squared error is what PSNR is made of; the slopes' absolute error keeps edges from going soft.
    loss = wrong.square().mean() + 0.02 * (flat.diff(dim=2).abs().mean() + flat.diff(dim=3).abs().mean())
    # Unit variance and no offset per channel, so that one scaling factor fits all and noise means the same to each.
    mean, variance = z.mean((0, 2, 3, 4)), z.var((0, 2, 3, 4))
    loss = loss + 0.001 * (mean.square() + (variance - 1).square().clamp(max=4)).mean()
    return loss, float(wrong.detach().square().mean())
