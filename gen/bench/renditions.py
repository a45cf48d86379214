"""`flipbot bench renditions`: a film made to fit a limit stays below it, close to it, and looks as well as it can.

A camera goes into a picture with shapes and grain. Left, what the ladder makes of it under ever smaller limits; right,
what the same bits give at the full and at half the size: below some 0.018 bits a pixel the smaller one looks better,
which is where the ladder goes down a rung. PSNR is against the frames as they were before any encoding, at their size.
"""

from __future__ import annotations

import argparse
import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from gen import film, transcode
from gen.bench import films
from gen.errors import LimitTooSmall
from gen.film import Frames

WIDTH, HEIGHT, FPS = 640, 480, 30
SHARES = (0.75, 0.5, 0.25, 0.1, 0.05, 0.02)  # of the film's own size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the bench."""
    parser.add_argument("--seconds", type=float, default=3.0, help="length of the film")


def run(args: argparse.Namespace) -> int:
    """Print the table; 0 where every file is below its limit."""
    frames = scenery(round(args.seconds * FPS))
    table = Table(title=f"renditions: {WIDTH}x{HEIGHT}, {len(frames)} frames", title_justify="left")
    for column in ("limit", "made", "of limit", "size", "PSNR", "full size, same bits", "half size, same bits"):
        table.add_column(column, justify="right")
    fits = True
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source.mp4")
        film.encode_clip(frames, source.with_name("clip.mp4"), FPS)
        info = film.join([source.with_name("clip.mp4")], source, fps=FPS, metadata={"title": "bench"})
        for share in SHARES:
            limit = round(share * info.bytes)
            try:
                made = transcode.final(source, Path(folder), limit)
            except LimitTooSmall:
                table.add_row(f"{limit / 1000:.0f} kB", "none", "", "", "", "", "")
                continue
            fits = fits and made.bytes <= limit
            cells = [f"{limit / 1000:.0f} kB", f"{made.bytes / 1000:.0f} kB", f"{made.bytes / limit:.2f}"]
            cells += [f"{made.width}x{made.height}", f"{psnr(frames, made.path or source):.1f} dB"]
            for size in ((WIDTH, HEIGHT), (WIDTH // 2, HEIGHT // 2)):
                out, bps = Path(folder, "same.mp4"), round(8 * made.bytes / info.seconds)
                transcode.encode(source, out, info, size, transcode.Rate(bps))
                cells.append(f"{psnr(frames, out):.1f} dB, {out.stat().st_size / 1000:.0f} kB")
            table.add_row(*cells)
    Console().print(table)
    return 0 if fits else 1


def scenery(count: int) -> Frames:
    """(count, HEIGHT, WIDTH, 3) uint8: the camera goes in by a fifth in two seconds."""
    picture = Image.open(BytesIO(films.picture(WIDTH, HEIGHT)))
    frames = []
    for n in range(count):
        scale = 1 + n / (10 * FPS)
        box = (0, 0, round(WIDTH / scale), round(HEIGHT / scale))
        frames.append(np.asarray(picture.crop(box).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)))
    return np.stack(frames)


def psnr(frames: Frames, path: Path) -> float:
    """Decibels between the frames and a film of them, enlarged to their size."""
    height, width = frames.shape[1:3]
    errors = [
        np.mean((np.asarray(Image.fromarray(got).resize((width, height), Image.Resampling.BICUBIC), float) - want) ** 2)
        for want, got in zip(frames, film.read_frames(path), strict=True)
    ]
    return float(10 * np.log10(255**2 / np.mean(errors)))
