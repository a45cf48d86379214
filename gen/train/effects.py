"""What happens to a still picture, frame by frame: the true films that the tiny checkpoint learns to make.

A film has a state: how far night has fallen, how thick the fog is, and so on. A prompt moves the state towards its end
and leaves it there, so a film of any length is defined, and "fog rolls in, then night falls" is simply two prompts.
What passes (snow, rain, a spotlight, the flicker of old film) fades away when another prompt takes over; light, fog
and colour stay.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

EFFECTS = ("night", "sunrise", "fog", "snow", "rain", "spot_right", "spot_left", "bw", "flicker", "calm")
SLOW = 1 / 80  # of the way per frame: light, fog and colour take 80 frames, 2.7 s
FAST = 1 / 30  # what passes comes and goes in one second
SWEEP = 96  # frames that a spotlight takes from side to side
BREATH = 120  # frames of one breath of light under the calm default


@dataclass(frozen=True)
class State:
    """How far each effect has gone, 0..1; `spot_x` is where the spotlight stands, 0 left .. 1 right edge."""

    night: float = 0.0
    sunrise: float = 0.0
    fog: float = 0.0
    bw: float = 0.0
    snow: float = 0.0
    rain: float = 0.0
    flicker: float = 0.0
    spot: float = 0.0
    spot_x: float = -0.2
    calm: float = 0.0
    breath: float = 0.0  # frames since the calm began
    drift: float = 0.0  # how high the snow lies, of a third of the picture


LASTING = ("night", "sunrise", "fog", "bw")
PASSING = ("snow", "rain", "flicker", "spot", "calm")
OPPOSITE = {"night": "sunrise", "sunrise": "night"}


def step(state: State, effect: str) -> State:
    """The state one frame later, under a prompt for `effect`."""
    wanted = "spot" if effect.startswith("spot") else effect
    values: dict[str, float] = {}
    for name in PASSING:
        now = getattr(state, name)
        values[name] = min(1.0, now + FAST) if name == wanted else max(0.0, now - FAST)
    if wanted in LASTING:
        values[wanted] = min(1.0, getattr(state, wanted) + SLOW)
    if wanted in OPPOSITE:
        values[OPPOSITE[wanted]] = max(0.0, getattr(state, OPPOSITE[wanted]) - SLOW)
    values["drift"] = min(1.0, state.drift + SLOW) if wanted == "snow" else max(0.0, state.drift - FAST)
    values["breath"] = state.breath + 1 if wanted == "calm" else 0.0
    values["spot_x"] = _sweep(state, effect)
    return replace(state, **values)


def _sweep(state: State, effect: str) -> float:
    """Where the spotlight stands next: it enters at one side, leaves at the other, and enters again."""
    move = {"spot_right": 1.4 / SWEEP, "spot_left": -1.4 / SWEEP}.get(effect)
    if move is None:
        return state.spot_x
    if state.spot == 0.0:
        return -0.2 if move > 0 else 1.2
    x = state.spot_x + move
    return x - 1.4 if x > 1.2 else x + 1.4 if x < -0.2 else x


@dataclass(frozen=True)
class Particle:
    """Flakes or drops of one film, as positions at frame 0 in units of the picture's height and width."""

    x: Tensor
    y: Tensor
    speed: Tensor  # of the height, per frame
    size: Tensor  # pixels
    sway: Tensor


def particles(draw: np.random.Generator, count: int, slow: float, fast: float, small: float, large: float) -> Particle:
    """Scatter particles evenly; the larger (nearer) ones fall faster."""
    near = torch.from_numpy(draw.random(count)).float()
    x, y, sway = torch.from_numpy(draw.random((3, count))).float()
    return Particle(x, y, slow + near * (fast - slow), small + near * (large - small), sway * 2 * math.pi)


class Film:
    """Renders one film from one still: state, random particles and flicker stay with it."""

    def __init__(self, still: Tensor, draw: np.random.Generator, state: State | None = None) -> None:
        """still: (3, H, W) float32 in 0..1."""
        self.still, self.state = still, state or State()
        h, w = still.shape[1:]
        area = h * w / 128**2
        self.snow = particles(draw, int(70 * area), 0.006, 0.014, 0.7, 1.5)
        self.rain = particles(draw, int(60 * area), 0.035, 0.05, 0.45, 0.7)
        self.draw = draw
        self.light = 0.0
        self.n = int(draw.integers(1000)) if state else 0
        self.y = torch.linspace(0, 1, h)[:, None]
        self.x = torch.linspace(0, 1, w)[None, :]

    def frames(self, effects: Sequence[str]) -> Tensor:
        """Render one frame per entry: (F, 3, H, W) float32 in 0..1; the state moves before each frame."""
        made = []
        for effect in effects:
            self.state = step(self.state, effect)
            self.n += 1
            made.append(self._frame())
        return torch.stack(made).clamp(0, 1)

    def skip(self, effects: Sequence[str]) -> None:
        """Let frames pass without rendering them."""
        for effect in effects:
            self.state = step(self.state, effect)
            self.n += 1

    def keys(self, effect: str, latents: int) -> Tensor:
        """One frame for each latent frame, the second of its four: (T, 3, H, W) float32 in 0..1."""
        made = []
        for _ in range(latents):
            self.skip([effect])
            made.append(self.frames([effect]))
            self.skip([effect] * 2)
        return torch.cat(made)

    def _frame(self) -> Tensor:
        s, picture = self.state, self.still
        if s.bw:
            picture = torch.lerp(picture, grey(picture), s.bw)
        if s.flicker:
            picture = self._old_film(picture, s.flicker)
        if s.sunrise:
            warm = picture * torch.tensor([1.25, 1.0, 0.62]).view(3, 1, 1)
            glow = torch.tensor([0.34, 0.17, 0.02]).view(3, 1, 1) * (1 - 0.75 * self.y)
            picture = torch.lerp(picture, warm + glow, s.sunrise)
        if s.night:
            dark = picture.clamp(0, 1) ** 1.25 * torch.tensor([0.20, 0.26, 0.46]).view(3, 1, 1)
            picture = torch.lerp(picture, dark, s.night)
        if s.fog:
            picture = self._fog(picture, s)
        if s.snow:
            picture = self._snow(picture, s.snow)
        if s.rain:
            picture = self._rain(picture, s.rain)
        if s.spot:
            picture = self._spot(picture, s)
        if s.calm:
            picture = picture * (1 + 0.07 * s.calm * math.sin(2 * math.pi * s.breath / BREATH))
        return picture

    def _old_film(self, picture: Tensor, amount: float) -> Tensor:
        sepia = grey(picture) * torch.tensor([1.08, 0.90, 0.66]).view(3, 1, 1)
        if self.n % 4 == 1:  # the lamp jumps every few frames
            self.light = float(self.draw.uniform(-1, 1))
        vignette = 1 - 0.9 * ((self.x - 0.5) ** 2 + (self.y - 0.5) ** 2)
        return torch.lerp(picture, sepia * vignette * (1 + 0.16 * self.light), amount)

    def _fog(self, picture: Tensor, s: State) -> Tensor:
        thick = 0.68 * (1.5 * s.fog - 0.5 * (1 - self.y)).clamp(0, 1)  # it rises from the ground
        shade = 0.80 * (1 - 0.68 * s.night)
        veil = torch.tensor([0.97, 1.0, 1.04]).view(3, 1, 1) * shade
        return picture * (1 - thick) + veil * thick

    def _snow(self, picture: Tensor, amount: float) -> Tensor:
        """Cold white light, faint flakes, and snow that lies ever higher: no film can know where a flake will be."""
        h, w = picture.shape[1:]
        p = self.snow
        y = ((p.y + p.speed * self.n) % 1.1 - 0.05) * h
        x = (p.x + 0.015 * torch.sin(p.sway + self.n / 14)) * w
        cold = torch.lerp(grey(picture), picture, 0.45) * 0.62 + torch.tensor([0.30, 0.32, 0.35]).view(3, 1, 1)
        veil = torch.lerp(picture, cold, amount)
        lies = 0.85 * torch.sigmoid((self.y - 1.06 + 0.4 * self.state.drift) / 0.03)
        veil = torch.lerp(veil, 0.80 + 0.18 * veil, lies)
        flakes = (splat(y, p.size * h / 128, h).T @ splat(x, p.size * h / 128, w)).clamp(0, 1) * amount
        return veil + (1 - veil) * 0.4 * flakes

    def _rain(self, picture: Tensor, amount: float) -> Tensor:
        """Grey light, darkest under the clouds above, and faint streaks."""
        h, w = picture.shape[1:]
        p = self.rain
        y = ((p.y + p.speed * self.n) % 1.2 - 0.1) * h
        x = ((p.x + 0.15 * p.speed * self.n) % 1.0) * w
        clouds = torch.tensor([0.62, 0.68, 0.76]).view(3, 1, 1) * (0.45 + 0.55 * self.y)
        dull = torch.lerp(grey(picture), picture, 0.3) * clouds + 0.05
        picture = torch.lerp(picture, dull, amount)
        streaks = (splat(y, torch.full_like(y, h / 30), h).T @ splat(x, p.size * h / 128, w)).clamp(0, 1) * amount
        return picture + (0.9 - picture) * 0.22 * streaks

    def _spot(self, picture: Tensor, s: State) -> Tensor:
        ratio = picture.shape[2] / picture.shape[1]
        square = ((self.x - s.spot_x) * ratio) ** 2 + (0.6 * (self.y - 0.5)) ** 2
        cone = torch.exp(-square / (2 * (0.24 * max(ratio, 1.0)) ** 2))
        return picture * torch.lerp(torch.ones(()), 0.24 + 0.98 * cone, s.spot)


def grey(picture: Tensor) -> Tensor:
    """The luma of a picture (weights of ITU-R BT.601) in all three channels."""
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    return (picture * weights).sum(0, keepdim=True).expand(3, -1, -1)


def splat(centres: Tensor, widths: Tensor, length: int) -> Tensor:
    """One row per particle: a bell of the given width (pixels) around its centre, (N, length)."""
    at = torch.arange(length)[None, :] + 0.5
    return torch.exp(-(((at - centres[:, None]) / widths[:, None]) ** 2) / 2)


def random_state(draw: np.random.Generator) -> State:
    """A state that a film may be in after some sections: mostly one effect, sometimes two."""
    state = State()
    for _ in range(int(draw.integers(1, 3))):
        effect = EFFECTS[int(draw.integers(len(EFFECTS)))]
        for _ in range(int(draw.integers(10, 110))):
            state = step(state, effect)
    return state
