"""`flipbot bench resume`: kill -9 the service or its child at random moments; every film is bit-identical all the same.

The same jobs are made twice, each in its own data folder: once unbroken, once by workers that are killed again and
again and started again until nothing is left to do. A job's fence counts its sections that were begun: what it is above
the sections recorded is what the kills cost.
"""

import argparse
import asyncio
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from db import jobs
from db.connect import Database
from db.media import Media
from db.models import State
from gen.bench import films
from gen.card import find_checkpoint

LENGTHS = (1, 2, 3, 4)  # sections of the films, in turn


@dataclass(frozen=True)
class Outcome:
    """A finished film: the SHA-256 of its file, and how many sections were begun and recorded."""

    state: State
    film: str | None
    begun: int
    recorded: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--films", type=int, default=20, help="films (default 20)")
    parser.add_argument("--kills", type=int, default=20, help="kill -9 at least so often (default 20)")
    parser.add_argument("--model", default="tiny", help="checkpoint (default tiny)")
    parser.add_argument("--models-dir", type=Path, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=None, help="of the random moments (default: another each time)")


def run(args: argparse.Namespace) -> int:
    """Print the table; 0 where every film is bit-identical and no kill cost more than one section, else 1."""
    seed = random.randrange(10**6) if args.seed is None else args.seed
    moments, service, child, got = random.Random(seed), 0, 0, list[Outcome]()
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        asyncio.run(submit(whole, args.model, args.models_dir, args.films))
        started = time.perf_counter()
        if work(whole, args).wait() != 0:
            raise RuntimeError("the unbroken worker failed")
        whole_s, expected = time.perf_counter() - started, asyncio.run(outcomes(whole))
        while service + child < args.kills:  # all films again, until there were kills enough
            broken = Path(folder) / f"broken-{len(got)}"
            asyncio.run(submit(broken, args.model, args.models_dir, args.films))
            service, child = batter(broken, args, moments, whole_s, service, child)
            got += asyncio.run(outcomes(broken))
    kills, rounds = service + child, len(got) // len(expected)
    same = sum(a.film == b.film and b.state == State.DONE for a, b in zip(expected * rounds, got, strict=True))
    lost = sum(outcome.begun - outcome.recorded for outcome in got)
    table = Table(title=f"resume: {args.model}, {args.films} films, seed {seed}")
    for column in ("what", "figure", "to reach"):
        table.add_column(column)
    table.add_row("kill -9 of the service / of its child", f"{service} / {child}", f"≥ {args.kills} in all")
    table.add_row("films bit-identical to unbroken ones", f"{same} of {len(got)}", "all")
    recorded = sum(outcome.recorded for outcome in got)
    table.add_row("sections begun and lost", f"{lost} (of {recorded} recorded)", f"≤ {kills}, one a kill")
    Console().print(table)
    return 0 if same == len(got) and lost <= kills else 1


async def submit(data_dir: Path, model: str, models_dir: Path | None, count: int) -> None:
    """Queue the films in a new data folder."""
    card = find_checkpoint(model, models_dir).card
    async with Database.open("", data_dir=data_dir) as db:
        await films.submit(db, Media(data_dir / "media"), card, [LENGTHS[n % len(LENGTHS)] for n in range(count)])


async def outcomes(data_dir: Path) -> list[Outcome]:
    """How the films of a data folder ended, in the order of their making."""
    async with Database.open("", data_dir=data_dir) as db:
        ended = await jobs.recent(db, 10_000)
    return [Outcome(job.state, job.film, job.fence, job.done) for job in reversed(ended)]


def work(data_dir: Path, args: argparse.Namespace) -> "subprocess.Popen[bytes]":
    """A worker that ends when nothing is left to do."""
    command = [sys.executable, "-m", "flipbot", "worker", "--until-empty"]
    command += ["--data-dir", str(data_dir), "--model", args.model]
    if args.models_dir:
        command += ["--models-dir", str(args.models_dir)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def batter(
    data_dir: Path, args: argparse.Namespace, moments: random.Random, whole_s: float, service: int, child: int
) -> tuple[int, int]:
    """Let workers finish the films while they or their children are killed; returns how often each was so far."""
    spared = False
    worker = work(data_dir, args)
    while True:
        if service + child >= args.kills:
            if worker.wait() == 0:
                return service, child
        else:
            try:
                worker.wait(moments.uniform(0.2, 2.5 * whole_s / max(args.kills, 1) + 6))
            except subprocess.TimeoutExpired:
                children = psutil.Process(worker.pid).children()
                # Never the child twice in a row: a job that takes three children with it is given up, rightly.
                if children and not spared and moments.random() < 0.5:
                    spared = bool(kill(children[0]))
                    child += spared
                    continue
                worker.send_signal(signal.SIGKILL)
                service += 1
                spared = False
            if worker.wait() == 0:
                return service, child
        worker = work(data_dir, args)


def kill(process: psutil.Process) -> int:
    """kill -9; 1 where it was still there."""
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return 0
    return 1
