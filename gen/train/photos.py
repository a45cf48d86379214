"""The pictures that the tiny checkpoint learns from: free photographs inside packages, and pictures drawn by code.

No picture is downloaded or stored in the repository: `python -m gen.train data` gathers them from packages that are
installed (docs/tiny-data.md names every source with its licence) into one cache file.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps
from torch import Tensor

from gen.train.whole import Unready

Pixels = NDArray[np.uint8]

KEEP = 640  # the long side that a cached picture is scaled down to

# Debian packages: lomiri-wallpapers-16.04 and -20.04, mate-backgrounds, ukui-wallpapers, plasma-workspace-wallpapers.
BACKGROUNDS = Path("/usr/share/backgrounds")
WALLPAPERS = Path("/usr/share/wallpapers")

# Never trained on: the eight photographs of the measure (tests/photos) and the one of the demo (examples/photo.jpg).
HELD_OUT = frozenset(
    {
        "astronaut.png",
        "chelsea.png",
        "coffee.png",
        "flower.jpg",
        "china.jpg",
        "rocket.jpg",
        "picosdeeuropa_by_Aitzol_Berasategi.jpg",
        "Wine_by_Jakkub_Mede.jpg",
        "aitzgorri_by_Aitzol_Berasategi.jpg",
    }
)
SCIKIT_IMAGE = ("camera.png", "brick.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "moon.png")
LOMIRI_16 = (
    "Bridge_by_Sander_Klootwijk.jpg",
    "Dragonfly_by_Bolly.jpg",
    "Picture_0B_by_freespace.jpg",
    "Picture_1A_by_freespace.jpg",
    "free_by_Peter_Nerlich.jpg",
    "friends_by_Aitzol_Berasategi.jpg",
    "greentock_by_Peter_Nerlich.jpg",
    "life_by_Aitzol_Berasategi.jpg",
    "seeding_by_Clements_Engelhardt.jpg",
    "sunset_by_Aitzol_Berasategi.jpg",
)
LOMIRI_20 = ("Infinite-Sea_by_Aury88.jpg", "Kleiber_by_Lukas_Baubkus.jpg", "Painting-Colors_by__herobrine7gamer.jpg")
UKUI = ("2004default.jpg", "calla.png", "city.png", "rollpaper.png", "string.jpg", "goldfish.png")
# How many each package has (docs/tiny-data.md), 66 in all.
EXPECTED = {
    "scikit-image": 6,
    "lomiri-wallpapers-16.04": 10,
    "lomiri-wallpapers-20.04": 3,
    "ukui-wallpapers": 6,
    "mate-backgrounds": 12,
    "plasma-workspace-wallpapers": 29,
}
ENOUGH = 50  # fewer photographs make another, worse checkpoint


def sources() -> dict[str, list[Path]]:
    """By package, every picture file that is installed here and may be learned from, in a fixed order."""
    files = {
        "scikit-image": [folder / "data" / name for folder in _package("skimage") for name in SCIKIT_IMAGE],
        "lomiri-wallpapers-16.04": [BACKGROUNDS / name for name in LOMIRI_16],
        "lomiri-wallpapers-20.04": [BACKGROUNDS / name for name in LOMIRI_20],
        "ukui-wallpapers": [BACKGROUNDS / name for name in UKUI],
        "mate-backgrounds": sorted((BACKGROUNDS / "mate" / "nature").glob("*.jpg")),
        "plasma-workspace-wallpapers": sorted(WALLPAPERS.glob("*/contents/screenshot.*")),
    }
    return {
        package: [path for path in paths if path.name not in HELD_OUT and path.is_file()]
        for package, paths in files.items()
    }


def _package(name: str) -> list[Path]:
    """The folder of a Python package, or none."""
    spec = importlib.util.find_spec(name)
    return [] if spec is None or spec.origin is None else [Path(spec.origin).parent]


def enough(found: Mapping[str, Sequence[Path]], least: int) -> str:
    """Say how many photographs there are and whose are missing; raises Unready where they are fewer than `least`."""
    count, lacking = sum(map(len, found.values())), []
    for package, of in EXPECTED.items():
        if len(found.get(package, ())) < of:
            lacking.append(f"{package} ({len(found.get(package, ()))} of {of})")
    said = f"{count} of {sum(EXPECTED.values())} photographs"
    if lacking:
        said += f"; missing: {', '.join(lacking)} (docs/tiny-data.md says how to install them)"
    if not count:
        raise Unready(f"{said}. There is nothing to train on.")
    if count < least:
        raise Unready(f"{said}. That is too few to train on: --least {count} does it anyhow.")
    return said


def load(path: Path) -> Pixels:
    """Read a picture as (h, w, 3) uint8, at most KEEP pixels on its long side."""
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(path) as opened:
        opened.draft("RGB", (2 * KEEP, 2 * KEEP))
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    picture.thumbnail((KEEP, KEEP), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def gather(cache: Path, found: Mapping[str, Sequence[Path]], least: int = ENOUGH, drawn: int = 60) -> str:
    """Fill the cache with the sources found and `drawn` procedural pictures; returns what is there and what is not."""
    rng = np.random.default_rng(7)
    said = enough(found, least)
    pictures = [load(path) for paths in found.values() for path in paths]
    # Photographs three times each: procedural pictures only round out colours and edges.
    arrays = {f"photo{n:03}": picture for n, picture in enumerate(pictures)}
    arrays |= {f"drawn{n:03}": procedural(rng) for n in range(drawn)}
    cache.parent.mkdir(parents=True, exist_ok=True)
    part = cache.with_suffix(".part")
    with part.open("wb") as written:
        np.savez(written, **arrays)  # type: ignore[arg-type]
    part.replace(cache)
    return f"{said}; {drawn} pictures drawn by code"


class Stills:
    """Random crops of the cached pictures: (3, h, w) float32 in 0..1."""

    def __init__(self, cache: Path, seed: int) -> None:
        with np.load(cache) as held:
            self.photos = [held[name] for name in held.files if name.startswith("photo")]
            self.drawn = [held[name] for name in held.files if name.startswith("drawn")]
        self.rng = np.random.default_rng(seed)

    def crop(self, h: int, w: int) -> Tensor:
        """A random window of a random picture at a random scale, mirrored half of the time, colours jittered."""
        rng = self.rng
        pool = self.drawn if rng.random() < 0.12 else self.photos
        picture = pool[int(rng.integers(len(pool)))]
        fit = min(picture.shape[0] / h, picture.shape[1] / w)
        zoom = fit * float(rng.uniform(0.35, 1.0)) if fit > 1 else fit  # pixels of the picture per pixel of the crop
        high, wide = max(1, int(h * zoom)), max(1, int(w * zoom))
        top = int(rng.integers(picture.shape[0] - high + 1))
        left = int(rng.integers(picture.shape[1] - wide + 1))
        box = (left, top, left + wide, top + high)
        cut = Image.fromarray(picture).resize((w, h), Image.Resampling.LANCZOS, box=box)
        out = torch.from_numpy(np.array(cut)).permute(2, 0, 1).float() / 255
        if rng.random() < 0.5:
            out = out.flip(2)
        if rng.random() < 0.3:  # other colours: the pictures are few
            out = out[torch.from_numpy(rng.permutation(3))]
        gain = torch.from_numpy(rng.uniform(0.8, 1.2, (3, 1, 1))).float() * float(rng.uniform(0.75, 1.1))
        return (out * gain).clamp(0, 1)


def held_out(directory: Path) -> Iterator[tuple[str, Image.Image]]:
    """The eight photographs of the measure by name, from tests/photos."""
    for path in sorted(directory.glob("*.jpg")):
        with Image.open(path) as opened:
            yield path.stem, opened.convert("RGB")


def procedural(rng: np.random.Generator, side: int = 320) -> Pixels:
    """A picture drawn by code: a gradient sky or noise landscape with shapes, stripes or words on it."""
    canvas = _gradient(rng, side) if rng.random() < 0.5 else _noise(rng, side)
    picture = Image.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(2, 14))):
        _shape(draw, rng, side)
    return np.asarray(picture)


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    r, g, b = (int(value) for value in rng.integers(0, 256, 3))
    return r, g, b


def _gradient(rng: np.random.Generator, side: int) -> Pixels:
    angle = float(rng.uniform(0, 2 * math.pi))
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    along = (x * math.cos(angle) + y * math.sin(angle) + 0.7)[..., None] / 1.4
    a, b = (np.array(_colour(rng), float) for _ in range(2))
    return np.asarray((a * along + b * (1 - along)).clip(0, 255), np.uint8)


def _noise(rng: np.random.Generator, side: int) -> Pixels:
    """Clouds: a spectrum falling with frequency, as photographs have (about 1/f amplitude)."""
    fy, fx = np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side), indexing="ij")
    fall = 1 / np.maximum(np.hypot(fy, fx), 1 / side) ** float(rng.uniform(1.0, 1.7))
    planes = [np.real(np.fft.ifft2(np.fft.fft2(rng.standard_normal((side, side))) * fall)) for _ in range(3)]
    stack = np.stack([plane / plane.std() for plane in planes], -1)
    mix = rng.uniform(-0.4, 0.4, (3, 3)) + np.full((3, 3), 0.4)
    return np.asarray((stack @ mix * 45 + rng.uniform(80, 170, 3)).clip(0, 255), np.uint8)


def _shape(draw: ImageDraw.ImageDraw, rng: np.random.Generator, side: int) -> None:
    x, y = (float(value) for value in rng.uniform(0, side, 2))
    size = float(rng.uniform(0.05, 0.35)) * side
    kind = int(rng.integers(5))
    if kind == 0:
        draw.ellipse((x, y, x + size, y + size * float(rng.uniform(0.5, 1.5))), fill=_colour(rng))
    elif kind == 1:
        draw.rectangle((x, y, x + size, y + size * float(rng.uniform(0.3, 2))), fill=_colour(rng))
    elif kind == 2:
        corners: Sequence[tuple[float, float]] = [
            (x + size * dx, y + size * dy) for dx, dy in rng.uniform(-1, 1, (3, 2))
        ]
        draw.polygon(corners, fill=_colour(rng))
    elif kind == 3:
        colour, step = _colour(rng), float(rng.uniform(4, 16))
        for n in range(8):
            draw.line((x, y + n * step, x + size * 2, y + n * step), fill=colour, width=2)
    else:
        words = "".join(chr(int(letter)) for letter in rng.integers(65, 91, 8))
        draw.text((x, y), words, fill=_colour(rng), font_size=float(rng.uniform(10, 36)))
