"""Contact sheets: what the checkpoint makes of the held-out photographs, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Frames = NDArray[np.uint8]  # (F, H, W, 3)


def sheet(films: Sequence[tuple[str, Frames]], columns: int = 8) -> Image.Image:
    """One row per film: its label, then `columns` frames spread evenly from the first to the last."""
    height = max(film.shape[1] for _, film in films)
    width = max(film.shape[2] for _, film in films)
    canvas = Image.new("RGB", (columns * (width + 2), len(films) * (height + 14)), "white")
    draw = ImageDraw.Draw(canvas)
    for row, (label, film) in enumerate(films):
        top = row * (height + 14)
        draw.text((2, top + 1), label, fill="black")
        for column in range(columns):
            frame = film[round(column * (len(film) - 1) / max(1, columns - 1))]
            canvas.paste(Image.fromarray(frame), (column * (width + 2), top + 14))
    return canvas


def make_sheet(checkpoint: Path, photos: Path, output: Path, sections: int, names: Sequence[str]) -> None:
    """Run every effect on the named held-out photographs and save the sheet."""
    from gen.bench.tiny import Bench

    bench = Bench(checkpoint, photos, threads=1)
    films = []
    for photo in [photo for photo in bench.photos if not names or photo.name in names]:
        for effect in bench.effects:
            films.append((f"{photo.name}: {effect}", bench.film(photo, effect, sections).frames))
    sheet(films).save(output)
