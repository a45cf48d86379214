"""`flipbot bench machines`: turns per second where several machines share one PostgreSQL, whose writers wait in line.

A turn is what a worker commits for one section: the claim, four reports of how far it is, the record. Every machine has
connections of its own, all on this one, and makes nothing in between: the database is as busy as it can be.
"""

import argparse
import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from db import jobs, progress, requests, sections
from db.connect import Database
from db.models import Platform
from db.requests import Ask
from gen.bench.films import NO_LIMITS
from gen.bench.queue import percentile

PLAN = {"model": "bench", "width": 640, "height": 640, "steps": 25}
REPORTS = 4
SECTION_S = 60.0  # of the 13 B model on a quick card; it reports twice a second


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("url", help='of an empty database: "postgresql://…"')
    parser.add_argument("--machines", default="1,2,4,8", help="how many (default 1,2,4,8)")
    parser.add_argument("--turns", type=int, default=400, help="of each number of machines together (default 400)")


def run(args: argparse.Namespace) -> int:
    """Print the table; 0 where many machines make as many turns together as one, else 1."""
    counts = [int(count) for count in args.machines.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        took = {count: asyncio.run(measure(args.url, Path(folder), count, args.turns)) for count in counts}
    table = Table(title=f"PostgreSQL, {args.turns} turns of each, ms")
    for column in ("machines", "turns per s", "claim p50", "p99", "report p50", "p99"):
        table.add_column(column, justify="right")
    for count, (seconds, claims, reports) in took.items():
        times = [f"{percentile(each, p):.1f}" for each in (claims, reports) for p in (50, 99)]
        table.add_row(f"{count}", f"{args.turns / seconds:.0f}", *times)
    Console(width=90).print(table)
    writes = (2 + REPORTS) * args.turns / took[counts[-1]][0]
    enough = round(writes / (2 / SECTION_S + 2.0))
    Console().print(
        f"Commits per second with {counts[-1]}: {writes:.0f}, as {enough} cards with {SECTION_S:.0f} s a section need."
    )
    ratio = took[counts[0]][0] / took[counts[-1]][0]
    fine = ratio >= 0.8
    Console().print(
        f"Turns with {counts[-1]} ÷ with {counts[0]}: {ratio:.2f}; to reach ≥ 0.8: {'ok' if fine else 'MISSED'}."
    )
    return 0 if fine else 1


async def measure(url: str, folder: Path, machines: int, turns: int) -> tuple[float, list[float], list[float]]:
    """Seconds for all turns, and the milliseconds of each claim and each report."""
    claims: list[float] = []
    reports: list[float] = []
    async with AsyncExitStack() as stack:
        opening = (Database.open(url, data_dir=folder / f"{machines}-{n}") for n in range(machines))
        opened = [await stack.enter_async_context(each) for each in opening]
        for n in range(turns // 4):
            ask = Ask(
                key=uuid4().hex, platform=Platform.PAGE, user_id=f"{n % 50}", chat_id="bench", locale="en",
                picture="0" * 64, prompt="fog", settings={}, plan=PLAN, sections=4,
            )  # fmt: skip
            await requests.submit(opened[0], ask, NO_LIMITS)
        began = time.perf_counter()
        await asyncio.gather(*(work(db, f"{n}", claims, reports) for n, db in enumerate(opened)))
        return time.perf_counter() - began, claims, reports


async def work(db: Database, name: str, claims: list[float], reports: list[float]) -> None:
    """Take turns until none is left."""
    while True:
        began = time.perf_counter()
        claim = await jobs.claim(db, name, 60_000)
        if claim is None:
            return
        claims.append((time.perf_counter() - began) * 1000)
        for step in range(REPORTS):
            began = time.perf_counter()
            await progress.report(db, claim, claim.job.done, step, REPORTS, "sampling", b"\0" * 4000)
            reports.append((time.perf_counter() - began) * 1000)
        sha = f"{claim.job.id:032x}{claim.job.done:032x}"
        made = sections.Made(
            n=claim.job.done,
            latents=sha,
            clip=sha,
            tail=sha,
            film=sha,
            frames=36,
            sampling_ms=1,
            decode_ms=1,
            encode_ms=1,
        )
        await sections.record(db, claim, made)
