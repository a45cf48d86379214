"""`flipbot bench queue`: enqueue and claim per second, and how long each takes, with few and with very many waiting.

SQLite with synchronous=FULL, through the verbs that the service uses. The rows of those who wait are written directly;
what is measured goes the whole way, each a durable commit of its own. The depths take turns, so that what else the
machine does meets them alike; so does a commit of one row by the driver alone, which is what the disk takes.
"""

import argparse
import asyncio
import random
import sqlite3
import tempfile
import time
from contextlib import AsyncExitStack, closing
from pathlib import Path

from rich.console import Console
from rich.table import Table

from db import jobs, requests
from db.connect import Database
from db.flows import who
from db.models import Platform
from db.requests import Ask, Limits

USERS = 200
MOST_P99_MS = 10.0
MOST_RATIO = 1.5  # of the claim's median with very many waiting to that with ten: two cores are shared with others
PLENTY = Limits(queued_per_user=10**9, queued_per_chat=10**9, queued_in_all=10**9)
PLAN = {"model": "bench", "width": 640, "height": 640, "steps": 25}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--depths", default="10,1000,100000", help="how many wait (default 10,1000,100000)")
    parser.add_argument("--rounds", type=int, default=300, help="measured at each depth (default 300)")


def run(args: argparse.Namespace) -> int:
    """Print the table; 0 where a claim is quick and takes as long at every depth, else 1."""
    depths = [int(depth) for depth in args.depths.split(",")]
    bare: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        took = asyncio.run(measure(Path(folder), depths, args.rounds, bare))
    table = Table(title=f"queue: SQLite FULL, {USERS} people, {args.rounds} each, ms")
    for column in ("waiting", "enqueue p50", "p99", "per s", "claim p50", "p99", "per s", "claim to the first"):
        table.add_column(column, justify="right")
    base = middle(took[depths[0]][1])
    fine = True
    for depth in depths:
        enqueue, claim = took[depth]
        ratio = middle(claim) / base
        fine = fine and percentile(claim, 99) <= MOST_P99_MS and ratio <= MOST_RATIO
        row = [f"{depth}"]
        for times in (enqueue, claim):
            row += [f"{middle(times):.2f}", f"{percentile(times, 99):.2f}", f"{1000 * len(times) / sum(times):.0f}"]
        table.add_row(*row, f"{ratio:.2f}")
    Console(width=110).print(table)
    Console().print(f"A commit of one row by the driver alone: p50 {middle(bare):.2f}, p99 {percentile(bare, 99):.2f}.")
    Console().print(f"To reach: claim p99 ≤ {MOST_P99_MS:.0f} ms, ratio ≤ {MOST_RATIO}: {'ok' if fine else 'MISSED'}.")
    return 0 if fine else 1


async def measure(
    folder: Path, depths: list[int], rounds: int, bare: list[float]
) -> dict[int, tuple[list[float], list[float]]]:
    """Milliseconds of each enqueue and each claim, by depth; bare: gets those of each commit by the driver alone."""
    drawn = random.Random(1)
    async with AsyncExitStack() as stack:
        file = stack.enter_context(closing(sqlite3.connect(folder / "bare.db", isolation_level=None)))
        file.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE row (n INTEGER)")
        opened = {}
        for depth in depths:
            place = folder / str(depth)
            place.mkdir()
            async with Database.open(data_dir=place):
                pass
            fill(place / "flipbot.db", depth)
            opened[depth] = await stack.enter_async_context(Database.open(data_dir=place))
        took: dict[int, tuple[list[float], list[float]]] = {depth: ([], []) for depth in depths}
        for n in range(rounds):
            began = time.perf_counter()
            file.execute("INSERT INTO row VALUES (?)", (n,))
            bare.append((time.perf_counter() - began) * 1000)
            for depth, db in opened.items():
                await once(db, n, f"{drawn.randrange(USERS)}", *took[depth])
    return took


async def once(db: Database, n: int, user: str, enqueue: list[float], claim: list[float]) -> None:
    """One film comes into line, one has its turn, and that is cancelled, so that as many wait as before."""
    ask = Ask(
        key=f"measured {n}", platform=Platform.PAGE, user_id=user, chat_id=user, locale="en", picture="0" * 64,
        prompt="fog", settings={}, plan=PLAN, sections=4,
    )  # fmt: skip
    began = time.perf_counter()
    await requests.submit(db, ask, PLENTY)
    enqueue.append((time.perf_counter() - began) * 1000)
    began = time.perf_counter()
    claimed = await jobs.claim(db, "bench", 60_000)
    claim.append((time.perf_counter() - began) * 1000)
    assert claimed is not None
    await requests.wish(db, claimed.job.id, "cancel", "bench")
    await jobs.release(db, claimed)


def fill(path: Path, depth: int) -> None:
    """Write rows of so many jobs that wait, each person's with a length of its own."""
    with closing(sqlite3.connect(path)) as file, file:
        for n in range(USERS):
            values = (n + 1, who(Platform.PAGE, f"{n}"))
            file.execute(
                "INSERT INTO flow (id, who, weight, served, last, asked_ms) VALUES (?, ?, 1, 0, 1e9, 0)", values
            )
        asked = (
            "INSERT INTO request (id, key, platform, user_id, chat_id, locale, picture, prompt, settings, created_ms)"
        )
        file.executemany(
            f"{asked} VALUES (?, ?, 'page', ?, 'bench', 'en', ?, 'fog', '{{}}', 1)",
            ((n + 1, f"{n}", f"{n % USERS}", "0" * 64) for n in range(depth)),
        )
        queued = (
            "INSERT INTO job (id, request_id, platform, user_id, chat_id, plan, sections, done, state, fence, crashes,"
            " not_before_ms, facts, created_ms, revision, flow_id, rank)"
        )
        file.executemany(
            f"{queued} VALUES (?, ?, 'page', ?, ?, '{{}}', ?, 0, 'queued', 0, 0, 0, '{{}}', 1, 1, ?, ?)",
            (
                (n + 1, n + 1, f"{n % USERS}", f"{n % USERS}", 1 + n % 50, n % USERS + 1, 1 + n % 50)
                for n in range(depth)
            ),
        )
        head = "SELECT id FROM job WHERE flow_id = flow.id AND rank IS NOT NULL ORDER BY rank, id LIMIT 1"
        file.execute(f"UPDATE flow SET head = ({head})")
        file.execute("UPDATE flow SET turn = 1 WHERE head IS NOT NULL")
        file.execute(f"UPDATE tick SET weight = {USERS}, open = {depth}")


def middle(times: list[float]) -> float:
    """The median."""
    return percentile(times, 50)


def percentile(times: list[float], p: float) -> float:
    """The value below which p percent lie."""
    return sorted(times)[min(len(times) - 1, int(len(times) * p / 100))]
