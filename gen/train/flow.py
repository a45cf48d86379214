"""Training the transformer: flow matching on packed sections, first on true histories, at the end on its own.

The model is called exactly as the engine calls it: F1 order, start and nearest frame whole, two frames at half and
sixteen at a quarter of the size, x0 = x - sigma v, time 1000 sigma.
"""

from __future__ import annotations

import json
import math
import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from diffusers import HunyuanVideoFramepackTransformer3DModel
from torch import Tensor

from gen.context import AT_2X, AT_4X, RECENT, positions_f1
from gen.train import architecture
from gen.train.architecture import WINDOW
from gen.train.captions import CALM, caption
from gen.train.clips import LATENTS, encode_stills, load_vae
from gen.train.effects import EFFECTS
from gen.train.muon import Pair
from gen.train.text import Text, other_sentences
from gen.train.vae import fall
from gen.train.whole import say_if_spent

GUIDANCE = 10_000.0  # 1000 x the distilled guidance of the card; constant, since there is nothing to distil
THREADS = 1  # more only wait for one another where other work shares the cores
CAPTIONS = 240  # phrasings of each effect that are encoded beforehand
PIXELS = 6 * 96 * 96  # in a batch: more samples where they are small
BEGINS = (0.4, 0.4, 0.2)  # how often a film's first, second and third section; what lasts is half way in the second
# How often each effect is learned from, all others 1: it is hardest to tell how far these have come, or where they are.
OFTEN = {"breathing": 9.0, "sway": 9.0, "ripples": 4.0, "sunrise": 4.0, "bw": 4.0, "calm": 4.0, "spot_right": 4.0}
OFTEN |= {"spot_left": 2.0, "flicker": 2.0, "night_slowly": 2.0, "fog": 1.5, "sunrise_slowly": 2.0}


@dataclass(frozen=True)
class Batch:
    """Sections to learn: everything a call of the transformer holds, and the truth."""

    truth: Tensor  # (B, C, 9, h, w)
    start: Tensor  # (B, C, 1, h, w)
    recent: Tensor  # (B, C, 19, h, w), zeros where there was no film yet
    image: Tensor  # (B, 9, 32)
    effects: list[int]

    def to(self, device: str) -> Batch:
        """The same on a device."""
        truth, start, recent, image = (part.to(device) for part in (self.truth, self.start, self.recent, self.image))
        return Batch(truth, start, recent, image, self.effects)


@dataclass(frozen=True)
class FlowRun:
    """One training of the transformer. Minutes of wall time, earlier runs included."""

    work: Path
    checkpoint: Path  # text encoders are read from it
    minutes: float
    own_from: float = 0.6  # the share of the budget after which its own histories come in
    muon_rate: float = 0.01
    adam_rate: float = 1.5e-3
    device: str = "cpu"
    many: int = 1  # times the batch: a GPU wants 16 or so
    save_s: float = 150.0


class Captions:
    """Encoded phrasings of every effect, drawn at random."""

    def __init__(self, checkpoint: Path, seed: int, device: str = "cpu") -> None:
        text, self.draw, self.device = Text(checkpoint), random.Random(seed), device
        others = other_sentences()
        self.held: list[list[tuple[Tensor, Tensor]]] = []
        with torch.inference_mode():
            for effect in EFFECTS:
                prompts = [caption(effect, self.draw) for _ in range(CAPTIONS)]
                if effect == CALM:
                    prompts[CAPTIONS // 2 :] = self.draw.sample(others, CAPTIONS // 2)
                states, mask = text.states(prompts)
                pooled = text.pooled(prompts)
                ends = mask.sum(1).tolist()
                self.held.append([(states[n, :end].clone(), pooled[n].clone()) for n, end in enumerate(ends)])

    def batch(self, effects: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        """One phrasing for each: states (B, n, 64), mask (B, n) bool, pooled (B, 64)."""
        drawn = [self.draw.choice(self.held[effect]) for effect in effects]
        states = torch.nn.utils.rnn.pad_sequence([states for states, _ in drawn], batch_first=True)
        ends = torch.tensor([len(states) for states, _ in drawn])
        mask = torch.arange(states.shape[1])[None] < ends[:, None]
        pooled = torch.stack([pooled for _, pooled in drawn])
        return states.to(self.device), mask.to(self.device), pooled.to(self.device)


class Light:
    """The history in a wrong light: what a film's own small errors add up to, section after section.

    The encoder is linear, so a gain and an offset of each colour are the same of the codes.
    """

    def __init__(self, checkpoint: Path, device: str = "cpu") -> None:
        plain = torch.cat([torch.zeros(1, 3), torch.eye(3)])  # black, red, green, blue
        codes = encode_stills(load_vae(checkpoint / "vae"), plain.view(4, 3, 1, 1).expand(-1, -1, 64, 64))
        black, *colours = codes[:, :, 4, 4].T.to(device)
        self.black: Tensor = black  # (C,)
        self.colours: Tensor = torch.stack(colours) - black  # (3, C)

    def __call__(self, recent: Tensor) -> Tensor:
        """(B, C, T, h, w), six in ten of them with a gain around 1 and offsets around 0 that grow towards the end."""
        count, t = len(recent), recent.shape[2]
        wrong = (torch.rand(count, 1) < 0.6).float()
        gain = wrong * 0.07 * torch.randn(count, 1)
        offset = wrong * (0.04 * torch.randn(count, 1) + 0.015 * torch.randn(count, 3))
        begin = torch.rand(count, 1)
        grows = begin + (1 - begin) * torch.linspace(0, 1, t)  # (B, T)
        gain, offset, grows = (part.to(recent.device) for part in (gain, offset, grows))
        return torch.lerp(recent, self.lit(recent, 1 + gain, offset), grows[:, None, :, None, None])

    def lit(self, codes: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
        """The codes (B, C, T, h, w) of the picture times gain (B, 1) plus offset (B, 3), of pixels in 0..1."""
        black = self.black.view(1, -1, 1, 1, 1)
        tint = (offset @ self.colours)[:, :, None, None, None]
        return black + gain[:, :, None, None, None] * (codes - black) + tint


class Sections:
    """Sections drawn from the clips on disk; new shards are noticed while training."""

    def __init__(self, folder: Path, seed: int, pixels: int = PIXELS) -> None:
        self.folder, self.draw, self.pixels = folder, random.Random(seed), pixels
        self.shards: dict[str, list[dict[str, Any]]] = {}
        self.sizes: dict[tuple[int, int], list[dict[str, Any]]] = {}
        self.shares: dict[tuple[int, int], list[float]] = {}  # of each size's clips, in their order
        self.looked = -1e9

    def look(self) -> None:
        """Read shards that are new and forget those that are gone."""
        if time.monotonic() - self.looked < 60:
            return
        self.looked = time.monotonic()
        names = {path.name for path in self.folder.glob("*.pt")}
        for gone in set(self.shards) - names:
            del self.shards[gone]
        for name in sorted(names - set(self.shards)):
            self.shards[name] = torch.load(self.folder / name, weights_only=True)
        self.sizes = {}
        for shard in self.shards.values():
            for clip in shard:
                self.sizes.setdefault(tuple(clip["start"].shape[2:]), []).append(clip)
        self.shares = {size: shares(clips) for size, clips in self.sizes.items()}

    def some(self) -> list[dict[str, Any]]:
        """Clips of one size, as many as fit a batch."""
        self.look()
        weights = [len(clips) for clips in self.sizes.values()]
        size = self.draw.choices(list(self.sizes), weights)[0]
        count = max(2, self.pixels // (64 * size[0] * size[1]))
        return self.draw.choices(self.sizes[size], self.shares[size], k=count)

    def batch(self) -> Batch:
        """Sections of films: of those with their beginning, the second as often as the first."""
        made = []
        for clip in self.some():
            begin = self.draw.choices((0, WINDOW, 2 * WINDOW), BEGINS)[0] if clip["fresh"] else LATENTS - WINDOW
            made.append(section(clip, begin))
        return collate(made)


def shares(clips: Sequence[dict[str, Any]]) -> list[float]:
    """How often each clip is drawn: an effect's share is what OFTEN says, however many clips there are of it."""
    effects = [int(clip["effect"]) for clip in clips]
    there = Counter(effects)
    return [OFTEN.get(EFFECTS[effect], 1.0) / there[effect] for effect in effects]


def section(clip: dict[str, Any], begin: int) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
    """The section of a clip that begins at a latent frame: truth, start, recent, image, effect."""
    start, latents = clip["start"].float(), clip["latents"].float()
    before = [start] if clip["fresh"] else []
    past = torch.cat([start.new_zeros(start.shape[0], RECENT, *start.shape[2:]), *before, latents[:, :begin]], 1)
    truth = latents[:, begin : begin + WINDOW]
    return truth, start, past[:, -RECENT:], clip["image"].float(), int(clip["effect"])


def collate(made: list[tuple[Tensor, Tensor, Tensor, Tensor, int]]) -> Batch:
    """Stack sections of one size."""
    truth, start, recent, image, effects = zip(*made, strict=True)
    return Batch(torch.stack(truth), torch.stack(start), torch.stack(recent), torch.stack(image), list(effects))


def velocity(model: Any, x: Tensor, sigma: Tensor, batch: Batch, words: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """One call of the transformer for a batch: x (B, C, 9, h, w), sigma (B,) → v, shaped like x."""
    at = positions_f1(WINDOW)
    at_4x, at_2x, at_1x = torch.split_with_sizes(batch.recent, [AT_4X, AT_2X, 1], dim=2)
    states, mask, pooled = words
    out: Tensor = model(
        hidden_states=x,
        timestep=sigma * 1000,
        encoder_hidden_states=states,
        encoder_attention_mask=mask,
        pooled_projections=pooled,
        image_embeds=batch.image,
        guidance=torch.full_like(sigma, GUIDANCE),
        indices_latents=torch.tensor(at.noisy, device=x.device),
        latents_clean=torch.cat([batch.start, at_1x], 2),
        indices_latents_clean=torch.tensor(at.clean, device=x.device),
        latents_history_2x=at_2x,
        indices_latents_history_2x=torch.tensor(at.clean_2x, device=x.device),
        latents_history_4x=at_4x,
        indices_latents_history_4x=torch.tensor(at.clean_4x, device=x.device),
        return_dict=False,
    )[0]
    return out


def shifted(t: Tensor, tokens: float) -> Tensor:
    """Sigma at t in 0..1 under the shift by size (FramePack: mu from the count of new tokens, at most ln 7)."""
    mu = min(0.5 + (tokens - 256) * 0.65 / 3840, math.log(7))
    return math.exp(mu) / (math.exp(mu) + 1 / t - 1)


def draw_sigma(count: int, tokens: float) -> Tensor:
    """Noise levels: half bell-shaped, a fifth even, and three tenths pure noise, where it is decided what happens."""
    kind = torch.rand(count)
    t = torch.where(kind < 0.5, torch.sigmoid(torch.randn(count)), torch.rand(count) * 0.98 + 0.01)
    return torch.where(kind > 0.7, torch.ones(()), shifted(t, tokens))


def loss_of(model: Any, batch: Batch, captions: Captions, light: Light) -> tuple[Tensor, Tensor]:
    """Mean squared error of the velocity, as one number and per sample."""
    count = len(batch.truth)
    tokens = batch.truth[0, 0].numel() / 4
    device = batch.truth.device
    sigma = draw_sigma(count, tokens).to(device)
    level = (torch.rand(count) * 0.25 * (torch.rand(count) < 0.7)).to(device)
    made = (batch.recent.abs().sum((1, 3, 4), keepdim=True) > 0).float()
    first = (made.sum(2, keepdim=True) <= 1).float()  # the picture itself is never noisy
    spoilt = torch.lerp(batch.recent, light(batch.recent), made * (1 - first))
    spoilt = spoilt + level.view(-1, 1, 1, 1, 1) * torch.randn_like(batch.recent) * made * (1 - first)
    noise = torch.randn_like(batch.truth)
    wide = sigma.view(-1, 1, 1, 1, 1)
    x = (1 - wide) * batch.truth + wide * noise
    seen = Batch(batch.truth, batch.start, spoilt, batch.image, batch.effects)
    wrong = velocity(model, x, sigma, seen, captions.batch(batch.effects)) - (noise - batch.truth)
    each = wrong.square().mean((1, 2, 3, 4))
    return each.mean(), torch.stack([each.detach(), sigma], 1)


@torch.inference_mode()
def sample(model: Any, batch: Batch, words: tuple[Tensor, Tensor, Tensor], steps: int = 5) -> Tensor:
    """Make the batch's sections from noise in Euler steps; the last prediction of x0 is the result."""
    x = torch.randn_like(batch.truth)
    t = torch.linspace(1, 0, steps + 1)[:-1]
    sigmas = [*shifted(t, batch.truth[0, 0].numel() / 4).tolist(), 0.0]
    clean = x
    for now, then in pairwise(sigmas):
        v = velocity(model, x, torch.full((len(x),), now, device=x.device), batch, words)
        clean = x - now * v
        x = x + (then - now) * v
    return clean


class Own:
    """Histories that the model made itself: what it will meet when it runs, and learns to mend."""

    def __init__(self, draw: random.Random, keep: int = 24) -> None:
        self.draw, self.keep = draw, keep
        self.batches: list[Batch] = []

    def make(self, model: Any, sections: Sections, captions: Captions, device: str) -> None:
        """Run one batch of films from their pictures, and keep what section 2 and 3 should be after what came."""
        clips = [clip for clip in sections.some() if clip["fresh"]]
        if len(clips) < 2:
            return
        effects = [int(clip["effect"]) for clip in clips]
        words = captions.batch(effects)
        batch = collate([section(clip, 0) for clip in clips]).to(device)
        for begin in (WINDOW, 2 * WINDOW):
            came = sample(model, batch, words, steps=self.draw.choice((4, 5, 6)))
            recent = torch.cat([batch.recent, came], 2)[:, :, -RECENT:]
            truth = torch.stack([clip["latents"].float()[:, begin : begin + WINDOW] for clip in clips])
            batch = Batch(truth.to(device), batch.start, recent.clone(), batch.image, effects)
            self.batches = [*self.batches, batch][-self.keep :]

    def batch(self) -> Batch:
        """One of the batches held."""
        return self.draw.choice(self.batches)


class Training:
    """The state of a training: weights, their running average, optimiser, clock."""

    def __init__(self, run: FlowRun) -> None:
        self.run = run
        torch.manual_seed(11)
        self.model = architecture.transformer()
        self.file = run.work / "flow.pt"
        self.model.to(run.device)
        by_adam = ("embed", "norm", "proj_out", "image_projection", "time_text")
        self.optimiser = Pair(self.model, run.muon_rate, run.adam_rate, adam=by_adam)
        self.step, self.spent = 0, 0.0
        if self.file.exists():
            held = torch.load(self.file, weights_only=True, map_location=run.device)
            self.model.load_state_dict(held["model"])
            self.optimiser.load_state_dict(held["optimiser"])
            self.step, self.spent = held["step"], held["spent"]
            self.average = held["average"]
        else:
            self.average = {name: weight.clone() for name, weight in self.model.state_dict().items()}

    def save(self) -> None:
        """Write everything, in one move."""
        held = {"model": self.model.state_dict(), "average": self.average, "optimiser": self.optimiser.state_dict()}
        part = self.file.with_suffix(".part")
        torch.save(held | {"step": self.step, "spent": self.spent}, part)
        part.replace(self.file)

    def follow(self) -> None:
        """Let the running average follow, about 130 steps behind."""
        rate = max(0.03, 1 / (1 + self.step / 40))
        with torch.no_grad():
            for name, weight in self.model.state_dict().items():
                self.average[name].lerp_(weight, rate)


class Together:
    """Processes that train as one (`torchrun --nproc-per-node 2 -m gen.train …`), each with batches of its own.

    Two of them learn from twice as many samples in the same time; two threads of one process gain little here.
    """

    def __init__(self) -> None:
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        if self.count > 1:
            dist.init_process_group("gloo")
        self.rank = dist.get_rank() if self.count > 1 else 0

    def average(self, model: Any) -> None:
        """Let all go the same way: by the mean of their gradients, so that their weights stay the same."""
        if self.count > 1:
            grads = [weight.grad for weight in model.parameters() if weight.grad is not None]
            flat = torch.cat([grad.flatten() for grad in grads])
            dist.all_reduce(flat)
            for grad, total in zip(grads, torch.split(flat, [grad.numel() for grad in grads]), strict=True):
                grad.copy_(total.view_as(grad) / self.count)

    def first(self, value: float) -> float:
        """The first one's number, for all: their clocks differ."""
        held = torch.tensor(value, dtype=torch.float64)
        if self.count > 1:
            dist.broadcast(held, 0)
        return float(held)

    def part(self) -> None:
        """Say good-bye."""
        if self.count > 1:
            dist.destroy_process_group()


def train_flow(run: FlowRun) -> None:
    """Train, or go on training, until the budget is spent; state in work/flow.pt, one JSON line a log step."""
    torch.set_num_threads(THREADS)
    training, together = Training(run), Together()
    model = training.model
    seed = training.step + 1_000_000 * together.rank
    captions = Captions(run.checkpoint, seed, run.device)
    light = Light(run.checkpoint, run.device)
    sections = Sections(run.work / "clips", seed, PIXELS * run.many)
    own = Own(random.Random(seed))
    torch.manual_seed(seed + 1)
    last = saved = time.monotonic()
    seen: list[Tensor] = []
    began = training.step
    if together.rank == 0:
        say_if_spent("transformer", "--minutes", training.spent, run.minutes * 60)
    while training.spent < run.minutes * 60:
        done = training.spent / (run.minutes * 60)
        if done > run.own_from and training.step % 30 == 0:
            own.make(model, sections, captions, run.device)
        batch = own.batch() if own.batches and own.draw.random() < 0.25 else sections.batch()
        loss, each = loss_of(model, batch.to(run.device), captions, light)
        loss.backward()  # type: ignore[no-untyped-call]
        together.average(model)
        training.optimiser.step(fall(done) * min(1.0, (training.step - began + 1) / 50))
        seen.append(each)
        training.step += 1
        if training.step % 4 == 0:
            training.follow()
        now = time.monotonic()
        training.spent, last = together.first(training.spent + now - last), now
        if training.step % 50 == 0:
            if together.rank == 0:
                _log(run.work / "flow.jsonl", training, torch.cat(seen), len(batch.effects))
            seen = []
        if together.rank == 0 and now - saved > run.save_s:
            training.save()
            saved = now
    if together.rank == 0:
        training.save()
    together.part()


def _log(path: Path, training: Training, seen: Tensor, size: int) -> None:
    """One line: the loss, and that at pure noise, where only picture, history and prompt can tell."""
    pure = seen[seen[:, 1] >= 0.999, 0]
    line = {
        "step": training.step,
        "min": round(training.spent / 60, 2),
        "loss": round(float(seen[:, 0].mean()), 4),
        "pure": round(float(pure.mean()), 4) if len(pure) else None,
        "batch": size,
    }
    with path.open("a") as log:
        log.write(json.dumps(line) + "\n")


def averaged(work: Path) -> Any:
    """The transformer with the running average of its weights, in float32."""
    model = architecture.transformer()
    model.load_state_dict(torch.load(work / "flow.pt", weights_only=True, map_location="cpu")["average"])
    return model.eval()


def load_transformer(directory: Path) -> Any:
    """A saved transformer in float32."""
    load: Any = HunyuanVideoFramepackTransformer3DModel
    return load.from_pretrained(directory, torch_dtype=torch.float32).eval()
