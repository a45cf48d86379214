"""What happens to a still picture, frame by frame: the true films that the tiny checkpoint learns to make.

A film has a state: how far night has fallen, how thick the fog is, and so on. A prompt moves the state towards its end
and leaves it there, so a film of any length is defined, and "fog rolls in, then night falls" is simply two prompts.
What passes (snow, rain, a spotlight, the flicker of old film) fades away when another prompt takes over; light, fog
and colour stay.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

# What comes new goes to the end: clips name an effect by its place.
PLAIN = ("night", "sunrise", "fog", "snow", "rain", "spot_right", "spot_left", "bw", "flicker", "calm")
MOTION = ("ripples", "sway", "breathing")
CAMERA = ("pan_left", "pan_right", "pan_up", "pan_down", "zoom_in", "zoom_out")
# An effect with a degree: the one it is a kind of, and how.
DEGREES = {
    "night_slowly": ("night", "slowly"),
    "sunrise_slowly": ("sunrise", "slowly"),
    "fog_slowly": ("fog", "slowly"),
    "snow_heavy": ("snow", "heavy"),
    "rain_heavy": ("rain", "heavy"),
}
EFFECTS = (*PLAIN, *MOTION, *CAMERA, *DEGREES)
UNLEARNED = CAMERA  # rendered and told apart, but asking for them gets the calm default
SLOW = 1 / 80  # of the way per frame: light, fog and colour take 80 frames, 2.7 s; slowly, twice as many
FAST = 1 / 30  # what passes comes and goes in one second
# What comes back does so after whole sections of 36 frames, so that its phase need not be read off the history.
SWEEP = 72  # frames that a spotlight takes from side to side
BREATH = 72  # frames of one breath of light under the calm default
RIPPLE = 36  # frames that a wave takes to the next one's place, one of water or one of wind
TOKEN = 16  # pixels of a token's side: 8 of a latent, times the transformer's patch
BREATHING = 36  # frames of one breath in and out
CAMERA_TURN = 144  # frames in which the camera leaves and comes back


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
    heavy: float = 0.0  # how far snow or rain is heavy
    ripples: float = 0.0
    sway: float = 0.0
    breathing: float = 0.0
    pan_left: float = 0.0
    pan_right: float = 0.0
    pan_up: float = 0.0
    pan_down: float = 0.0
    zoom_in: float = 0.0
    zoom_out: float = 0.0
    clocks: Mapping[str, int] = field(default_factory=dict)  # frames since each of the MOVING that is seen began
    drift: float = 0.0  # how high the snow lies, of a third of the picture


LASTING = ("night", "sunrise", "fog", "bw")
MOVES = (*MOTION, *CAMERA)
MOVING = ("calm", *MOVES)
PASSING = ("snow", "rain", "flicker", "spot", *MOVING)
OPPOSITE = {"night": "sunrise", "sunrise": "night"}


def step(state: State, effect: str) -> State:
    """The state one frame later, under a prompt for `effect`."""
    effect, degree = DEGREES.get(effect, (effect, ""))
    wanted = "spot" if effect.startswith("spot") else effect
    pace = SLOW / 2 if degree == "slowly" else SLOW
    values: dict[str, float] = {}
    for name in PASSING:
        now = getattr(state, name)
        values[name] = min(1.0, now + FAST) if name == wanted else max(0.0, now - FAST)
    if wanted in LASTING:
        values[wanted] = min(1.0, getattr(state, wanted) + pace)
    if wanted in OPPOSITE:
        values[OPPOSITE[wanted]] = max(0.0, getattr(state, OPPOSITE[wanted]) - pace)
    values["drift"] = min(1.0, state.drift + SLOW) if wanted == "snow" else max(0.0, state.drift - FAST)
    values["heavy"] = min(1.0, state.heavy + FAST) if degree == "heavy" else max(0.0, state.heavy - FAST)
    values["spot_x"] = _sweep(state, effect)
    clocks = {name: state.clocks.get(name, 0) + 1 for name in MOVING if values[name]}
    return replace(state, **values, clocks=clocks)


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
        s, picture = self.state, self._moved(self.still)
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
            picture = picture * (1 + 0.07 * s.calm * math.sin(self._turn("calm", BREATH)))
        return picture

    def _turn(self, name: str, frames: int) -> float:
        """How far a move that repeats after so many frames is, in radians."""
        return 2 * math.pi * self.state.clocks.get(name, 0) / frames

    def _moved(self, picture: Tensor) -> Tensor:
        """The picture where it moves in its place, or the camera does, by a few pixels of 128."""
        s = self.state
        if not any(getattr(s, name) for name in MOVES):
            return picture
        from_x, from_y = 0.5 - self.x, 0.5 - self.y
        # Waves of so many pixels, whatever the size: radians of a token's place, which rotary embeddings tell.
        rows, columns = self.y * (picture.shape[1] - 1) / TOKEN, self.x * (picture.shape[2] - 1) / TOKEN
        water = self._turn("ripples", RIPPLE) - 2 * rows - 0.8 * torch.sin(columns)
        wind = self._turn("sway", RIPPLE) - 2 * columns - 0.8 * torch.sin(rows)
        breath = s.breathing * (1 - math.cos(self._turn("breathing", BREATHING))) / 2
        swell = self._away("zoom_in", "zoom_out", 0.12)
        dx = swell * from_x + 0.004 * s.ripples * torch.sin(water) + 0.008 * s.sway * torch.sin(wind)
        dx = dx + self._away("pan_right", "pan_left", 0.06)
        dy = swell * from_y + self._away("pan_down", "pan_up", 0.06)
        grid = torch.stack([(2 * at - 1).expand(picture.shape[1:]) for at in (self.x + dx, self.y + dy)], -1)
        moved = functional.grid_sample(
            picture[None], grid[None], mode="bilinear", padding_mode="reflection", align_corners=True
        )
        light = 0.24 * s.ripples * torch.cos(water) + 0.24 * s.sway * torch.cos(wind) + 0.22 * breath
        return moved[0] * (1 + light)

    def _away(self, there: str, back: str, far: float) -> float:
        """How far the camera is from where it began, at most `far` one way or the other."""
        s = self.state
        parts = [getattr(s, name) * (1 - math.cos(self._turn(name, CAMERA_TURN))) / 2 for name in (there, back)]
        return far * float(parts[0] - parts[1])

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
        veil = torch.lerp(veil, torch.lerp(grey(veil), veil, 0.5) * 0.55 + 0.40, self.state.heavy * amount)
        flakes = (splat(y, p.size * h / 128, h).T @ splat(x, p.size * h / 128, w)).clamp(0, 1) * amount
        return veil + (1 - veil) * (0.4 + 0.3 * self.state.heavy) * flakes

    def _rain(self, picture: Tensor, amount: float) -> Tensor:
        """Grey light, darkest under the clouds above, and faint streaks."""
        h, w = picture.shape[1:]
        p = self.rain
        y = ((p.y + p.speed * self.n) % 1.2 - 0.1) * h
        x = ((p.x + 0.15 * p.speed * self.n) % 1.0) * w
        clouds = torch.tensor([0.62, 0.68, 0.76]).view(3, 1, 1) * (0.45 + 0.55 * self.y)
        dull = torch.lerp(grey(picture), picture, 0.3) * clouds + 0.05
        picture = torch.lerp(picture, dull * (1 - 0.3 * self.state.heavy), amount)
        streaks = (splat(y, torch.full_like(y, h / 30), h).T @ splat(x, p.size * h / 128, w)).clamp(0, 1) * amount
        return picture + (0.9 - picture) * (0.22 + 0.13 * self.state.heavy) * streaks

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
    state, known = State(), [effect for effect in EFFECTS if effect not in UNLEARNED]
    for _ in range(int(draw.integers(1, 3))):
        effect = known[int(draw.integers(len(known)))]
        for _ in range(int(draw.integers(10, 110))):
            state = step(state, effect)
    return state
