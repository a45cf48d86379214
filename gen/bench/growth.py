"""`flipbot bench growth`: a long film's last section costs no more than its second, in time and in memory.

The whole way is run: queue, dispatcher, child, film, rows. Measured are the wall time from one recorded section to the
next, and the resident memory of the child and of the service: the least between two sections, which is what they hold,
and the most, which is what a section takes meanwhile.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from db import jobs
from db.connect import Database
from db.media import Media
from gen.bench import films
from gen.card import find_checkpoint
from gen.config import ModelConfig
from gen.dispatch import Dispatch

MOST_RATIO = 1.05
MOST_GROWTH_MB = 10.0
AROUND = 5  # sections whose median stands for the one asked about: two cores are shared with others
LOOK_S = 0.05


@dataclass(frozen=True)
class Point:
    """What was seen of a section, until it was recorded. MB: the least, and of the child the most."""

    seconds: float
    child_mb: float
    child_most_mb: float
    service_mb: float
    film_bytes: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--sections", type=int, default=50, help="sections of the film (default 50)")
    parser.add_argument("--model", default="tiny", help="checkpoint (default tiny)")
    parser.add_argument("--models-dir", type=Path, default=None, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Print the table; 0 where both ratios and the growth are within their limits, else 1."""
    with tempfile.TemporaryDirectory() as folder:
        points = asyncio.run(measure(Path(folder), args.model, args.models_dir, args.sections))
    early, late = points[1 : 1 + AROUND], points[-AROUND:]
    table = Table(title=f"growth: {args.model}, {args.sections} sections, median of {AROUND} around each")
    for column in ("what", "section 2", f"section {args.sections}", "ratio", "to reach", "ok"):
        table.add_column(column, justify="right" if column != "what" else "left")
    fine = True
    for what, unit, held, pick in (
        ("time per section", "s", False, lambda p: p.seconds),
        ("RSS of the child", "MB", True, lambda p: p.child_mb),
        ("RSS of the service", "MB", True, lambda p: p.service_mb),
        ("RSS of the child, at its peak", "MB", False, lambda p: p.child_most_mb),  # seen by looking now and then
    ):
        a, b = (statistics.median(map(pick, some)) for some in (early, late))
        ok = b / a <= MOST_RATIO and (not held or b - a <= MOST_GROWTH_MB)
        reach = f"≤ {MOST_RATIO}" + (f", ≤ +{MOST_GROWTH_MB:.0f} MB" if held else "")
        table.add_row(what, f"{a:.2f} {unit}", f"{b:.2f} {unit}", f"{b / a:.3f}", reach, "yes" if ok else "NO")
        fine &= ok
    table.add_row("film", f"{points[1].film_bytes:,} B", f"{points[-1].film_bytes:,} B", "", "", "")
    Console().print(table)
    return 0 if fine else 1


async def measure(folder: Path, model: str, models_dir: Path | None, sections: int) -> list[Point]:
    """Make one film of so many sections in an empty data folder; a point for each."""
    models_dir = models_dir or films.model_dir(folder)
    card = find_checkpoint(model, models_dir).card
    media = Media(folder / "media")
    async with Database.open("", data_dir=folder) as db:
        job = (await films.submit(db, media, card, [sections]))[0]
        dispatch = Dispatch(db, media, ModelConfig(name=model), models_dir, worker="bench")
        working = asyncio.create_task(dispatch.run())
        points: list[Point] = []
        started = time.perf_counter()
        seen_mb: list[tuple[float, float]] = []
        looking = asyncio.create_task(look(dispatch, seen_mb))
        try:
            while job.done < sections:
                seen, done = db.commits, job.done
                job = await jobs.get(db, job.id)
                if job.state.terminal and job.done < sections:
                    raise RuntimeError(f"the film ended with {job.state}: {job.reason} {dict(job.facts)}")
                if job.done > done:
                    now = time.perf_counter()
                    points.append(point(now - started, seen_mb, media.path(str(job.film))))
                    started = now
                    seen_mb.clear()
                await db.changed(seen, 1.0)
        finally:
            working.cancel()
            looking.cancel()
            await asyncio.gather(working, looking, return_exceptions=True)
    return points


async def look(dispatch: Dispatch, seen_mb: list[tuple[float, float]]) -> None:
    """Look at the memory of both processes (child, service) again and again."""
    service = psutil.Process()
    while True:
        if dispatch.loader.child is not None and dispatch.loader.child.alive:
            with suppress(psutil.Error):
                child = psutil.Process(dispatch.loader.child.process.pid)
                seen_mb.append((child.memory_info().rss / 1e6, service.memory_info().rss / 1e6))
        await asyncio.sleep(LOOK_S)


def point(seconds: float, seen_mb: Sequence[tuple[float, float]], film: Path) -> Point:
    """The memory of both processes while a section was made."""
    child, service = zip(*seen_mb, strict=True)
    return Point(seconds, min(child), max(child), min(service), film.stat().st_size)
