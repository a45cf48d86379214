"""`flipbot bench publish`: the file after section 50 is ready as soon as the one after section 2; no frame twice.

Simulated is a film that grows forward by 36 final frames a section, with 33 provisional ones behind them, from frames
that look like a photograph under a moving camera. Beside it, in the same run, goes the published way (lllyasviel's
FramePack: all frames are kept, and the whole film is encoded again after each section), with the same encoder settings.
Timed is what gen/film.py does, from frames in memory to a whole file; making the frames is not. For the ratio the
second and the last section are published again, in turn, when the film is complete; these are not counted as frames
encoded twice, everything that made the film is.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import psutil
from PIL import Image, ImageDraw
from rich.console import Console
from rich.table import Table

from gen import film
from gen.film import Frames

FINAL, PROVISIONAL = 36, 33  # frames a section adds, and frames behind them that the next section changes: window 9
FPS = 30
MOST_RATIO = 1.1
REPEATS = 9  # of publishing section 2 and the last in turn: a machine's other work then falls on both alike
EVERY = 25  # the published way is measured after section 2 and each 25th; all of them would take a quarter of an hour
LEAVES = 1500
ORBIT = 2 * FINAL  # frames the camera takes to go round: every section is as hard to encode as every other


@dataclass(frozen=True)
class Point:
    """What publishing after one section cost; rss_mb: the process's memory when the file was ready."""

    section: int
    wall_s: float
    cpu_s: float
    join_s: float
    rss_mb: float


@dataclass
class Result:
    """What one way cost.

    points:  after each section, or some; again: section 2 and the last, measured in turn
    encoded: how often each final frame went through the encoder; changed: packets of clips not found in the last film
    """

    points: list[Point] = field(default_factory=list)
    again: list[tuple[Point, Point]] = field(default_factory=list)
    encoded: Counter[int] = field(default_factory=Counter)
    changed: int = 0
    film_bytes: int = 0

    @property
    def twice(self) -> int:
        """Final frames encoded more than once, or whose packet in the film is not the one first made."""
        return sum(count > 1 for count in self.encoded.values()) + self.changed


class Scenery:
    """A camera going round over a picture of dead leaves: shapes of every size that hide one another, with some grain.

    source: Lee, Mumford, Huang 2001, Occlusion Models for Natural Images (edges and scales as photographs have them)
    """

    def __init__(self, width: int, height: int) -> None:
        rng = np.random.default_rng(0)
        self.size = (width, height)
        wide = (width * 5 // 4, height * 5 // 4)
        self.picture = Image.new("RGB", wide, (128, 128, 128))
        pen = ImageDraw.Draw(self.picture)
        smallest, largest = 3 / width, 0.25  # radii over the width, their density falling with the third power
        for _ in range(LEAVES):
            radius = width * (smallest**-2 - rng.uniform() * (smallest**-2 - largest**-2)) ** -0.5
            x, y = rng.uniform(0, wide[0]), rng.uniform(0, wide[1])
            colour = tuple(int(value) for value in rng.normal(120, 50, 3).clip(0, 255))
            flat = radius * rng.uniform(0.4, 1)
            pen.ellipse((x - radius, y - flat, x + radius, y + flat), fill=colour)
        self.grain = rng.normal(0, 1, (7, height, width, 1)).round().astype(np.int16)

    def frame(self, n: int) -> Frames:
        """Frame n, (H, W, 3) uint8."""
        width, height = self.size
        angle = 2 * np.pi * n / ORBIT
        left, top = width / 8 + width / 24 * np.cos(angle), height / 8 + height / 24 * np.sin(angle)
        box = (left, top, left + width, top + height)
        seen = np.asarray(self.picture.resize(self.size, Image.Resampling.BILINEAR, box=box), np.int16)
        noisy: Frames = (seen + self.grain[n % len(self.grain)]).clip(0, 255).astype(np.uint8)
        return noisy

    def frames(self, first: int, count: int) -> Frames:
        """Frames first … first + count - 1, (F, H, W, 3) uint8."""
        return np.stack([self.frame(n) for n in range(first, first + count)])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--sections", type=_sections, default=50, help="sections of the film (default 50)")
    parser.add_argument("--size", type=_size, default=(768, 512), help="pixels of a frame (default 768x512)")


def run(args: argparse.Namespace) -> int:
    """Print the table; 0 where the ratio is within its limit and no final frame was encoded twice, else 1."""
    sections, (width, height) = args.sections, args.size
    needed = frames_so_far(sections) * width * height * 3
    if needed * 1.5 > psutil.virtual_memory().available:
        text = f"The published way keeps all frames: {needed / 1e9:.1f} GB, more than is free. Try a smaller --size."
        Console(stderr=True).print(text)
        return 2
    scenery = Scenery(width, height)
    with tempfile.TemporaryDirectory() as folder:
        ours = appended(scenery, sections, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        theirs = encoded_again(scenery, sections, Path(folder))
    table, fine = report(ours, theirs, f"publish: {sections} sections of {FINAL} frames, {width}×{height}")
    Console().print(table)
    return 0 if fine else 1


def appended(scenery: Scenery, sections: int, folder: Path) -> Result:
    """Our way: each section's final frames become one clip, the film is all clips and a provisional one, joined."""
    result, clips = Result(), list[Path]()
    for section in range(1, sections + 1):
        frames = scenery.frames((section - 1) * FINAL, FINAL + PROVISIONAL)
        clips.append(folder / f"{section}.mp4")
        made, point = publish(section, frames, clips, folder / "film.mp4")
        result.points.append(point)
        first = (section - 1) * FINAL
        result.encoded.update(range(first, first + made))
        del frames  # else the next section's are made beside them, and the memory seen is the bench's own
    result.changed = packets_changed(clips, folder / "film.mp4")
    result.film_bytes = (folder / "film.mp4").stat().st_size
    result.again = in_turn(scenery, clips, folder)
    return result


def publish(section: int, frames: Frames, clips: list[Path], out: Path) -> tuple[int, Point]:
    """Encode a section's frames, the final ones as clips[-1], and join the film; how many final ones, and the cost."""
    provisional = out.with_name("provisional.mp4")
    started, cpu = time.perf_counter(), time.process_time()
    made = film.encode_clip(frames[:FINAL], clips[-1], FPS)
    film.encode_clip(frames[FINAL:], provisional, FPS)
    encoded = time.perf_counter()
    info = film.join([*clips, provisional], out, fps=FPS, metadata={"title": "bench"})
    point = _point(section, started, cpu, encoded)
    assert info.frames == frames_so_far(section)
    return made.frames, point


def in_turn(scenery: Scenery, clips: list[Path], folder: Path) -> list[tuple[Point, Point]]:
    """Section 2 and the last published once more into files of their own, one after the other, several times."""
    asked = [(n, scenery.frames((n - 1) * FINAL, FINAL + PROVISIONAL)) for n in (2, len(clips))]
    spare, out = folder / "spare.mp4", folder / "again.mp4"
    again = []
    for _ in range(REPEATS):
        early, late = (publish(n, frames, [*clips[: n - 1], spare], out)[1] for n, frames in asked)
        again.append((early, late))
    return again


def encoded_again(scenery: Scenery, sections: int, folder: Path) -> Result:
    """The published way: every frame is kept, and after a section all of them are encoded; at some sections only."""
    result = Result()
    held = np.empty((frames_so_far(sections), *reversed(scenery.size), 3), np.uint8)
    filled = 0
    for section in range(1, sections + 1):
        count = frames_so_far(section)
        for n in range(filled, count):
            held[n] = scenery.frame(n)
        filled = count
        if section not in (2, sections) and section % EVERY:
            continue
        started, cpu = time.perf_counter(), time.process_time()
        made = film.encode_clip(held[:count], folder / "film.mp4", FPS)
        result.points.append(_point(section, started, cpu, time.perf_counter()))
        result.encoded.update(range(made.frames - PROVISIONAL))
    result.film_bytes = (folder / "film.mp4").stat().st_size
    return result


def frames_so_far(section: int) -> int:
    """Frames of the film after this many sections, provisional ones included."""
    return section * FINAL + PROVISIONAL


def packets_changed(clips: list[Path], joined: Path) -> int:
    """How many packets of the clips do not stand in the film, byte for byte and in their place."""
    in_film = _packets(joined)
    return sum(packet != next(in_film, None) for clip in clips for packet in _packets(clip))


def report(ours: Result, theirs: Result, title: str) -> tuple[Table, bool]:
    """The table, and whether everything that has a limit keeps it."""
    table = Table(title=title)
    last = ours.points[-1].section
    for column in ("what", "section 2", f"section {last}", "ratio", "to reach", "ok"):
        table.add_column(column, justify="left" if column == "what" else "right")

    def row(what: str, a: float, b: float, unit: str, digits: int = 2, most: float | None = None) -> bool:
        ok = most is None or b / a <= most
        verdict = ("", "") if most is None else (f"≤ {most}", "yes" if ok else "NO")
        table.add_row(what, f"{a:.{digits}f} {unit}", f"{b:.{digits}f} {unit}", f"{b / a:.2f}", *verdict)
        return ok

    fine = row("section → file ready", *_medians(ours, lambda p: p.wall_s), "s", 3, MOST_RATIO)
    row("  CPU of it", *_medians(ours, lambda p: p.cpu_s), "s", 3)
    row("  joining in it", *_medians(ours, lambda p: 1000 * p.join_s), "ms", 1)
    row("  RSS", ours.points[1].rss_mb, ours.points[-1].rss_mb, "MB", 0)
    table.add_row("  frames encoded twice", "", f"{ours.twice} of {len(ours.encoded)}", "", "0", _yes(not ours.twice))
    table.add_section()
    then, now = theirs.points[0], theirs.points[-1]
    row("published, the same", then.wall_s, now.wall_s, "s", 3)
    row("  CPU of it", then.cpu_s, now.cpu_s, "s", 3)
    row("  RSS", then.rss_mb, now.rss_mb, "MB", 0)
    encodings = f"{theirs.twice} of {len(theirs.encoded)}"
    table.add_row("  frames encoded twice", "", encodings, "", "", "")
    table.add_section()
    a, b = sum(p.cpu_s for p in ours.points), _whole(theirs.points, last)
    table.add_row("CPU of the film, ours", "", f"{a:.1f} s", "", "", "")
    table.add_row("  published (estimate)", "", f"{b:.0f} s", f"{b / a:.1f}", "", "")
    size = f"{ours.film_bytes / 1e6:.1f} MB", f"{theirs.film_bytes / 1e6:.1f} MB"
    table.add_row("file at the end, ours", "", size[0], "", "", "")
    table.add_row("  published", "", size[1], f"{theirs.film_bytes / ours.film_bytes:.2f}", "", "")
    table.caption = (
        f"ours: median of {REPEATS} in turn · published: the whole film encoded again, measured after "
        f"{len(theirs.points)} of {last} sections (twice: final frames among those; CPU: straight lines between them)"
    )
    return table, fine and not ours.twice


def _point(section: int, started: float, cpu: float, encoded: float) -> Point:
    now, rss = time.perf_counter(), psutil.Process().memory_info().rss
    return Point(section, now - started, time.process_time() - cpu, now - encoded, rss / 1e6)


def _packets(path: Path) -> Iterator[bytes]:
    with av.open(path, "r") as source:
        yield from (bytes(packet) for packet in source.demux(video=0) if packet.size)


def _medians(result: Result, pick: Callable[[Point], float]) -> tuple[float, float]:
    early, late = zip(*result.again, strict=True)
    return statistics.median(map(pick, early)), statistics.median(map(pick, late))


def _whole(points: list[Point], sections: int) -> float:
    """CPU seconds of all sections, those between two measured ones taken from the straight line through them."""
    cost = np.interp(range(1, sections + 1), [p.section for p in points], [p.cpu_s for p in points])
    return float(cost.sum())


def _yes(ok: bool) -> str:
    return "yes" if ok else "NO"


def _sections(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"a film has at least 2 sections here, not {text}")
    return int(text)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{1,3})[x×]([1-9]\d{1,3})", text)
    if not match:
        raise argparse.ArgumentTypeError(f"a size looks like 768x512, not {text}")
    return int(match[1]), int(match[2])
