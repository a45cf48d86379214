"""What the checkpoint makes of photographs it never saw, to be looked at: contact sheets, and films to show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from gen.film import encode_clip, film_metadata, join

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


def make_examples(checkpoint: Path, picture: Path, output: Path, sections: int) -> None:
    """Write checkpoint/examples/EFFECT.mp4, a film of the picture for each effect that the card lists, and their sheet.

    output: a PNG, the sheet, with one row per effect
    """
    from gen.bench.tiny import ASKED, Bench
    from gen.train.export import SAID

    bench = Bench(checkpoint, picture.parent, threads=1)
    said = {english: name for name, (english, _, _) in SAID.items()}
    listed = [said[row["en"]] for row in bench.card.understands]
    (photo,) = [photo for photo in bench.photos if photo.name == picture.stem]
    folder = checkpoint / "examples"
    folder.mkdir(exist_ok=True)
    films = []
    for effect in listed:
        frames = bench.film(photo, effect, sections).frames
        films.append((ASKED[effect], frames))
        clip = folder / f"{effect}.part.mp4"
        encode_clip(frames, clip, bench.card.fps)
        plan = bench.plan(photo, effect, sections)
        join([clip], folder / f"{effect}.mp4", fps=bench.card.fps, metadata=film_metadata(plan.to_json(), plan.model))
        clip.unlink()
    sheet(films, columns=6).save(output, optimize=True)
