"""`flipbot bench resume`: kill -9 the service or its child at random moments; every film is bit-identical all the same.

The same jobs are made twice, each in its own data folder: once unbroken, once by workers that are killed again and
again and started again until nothing is left to do. Three kills of four come while a section is being made, at a random
moment of it; the others at any moment, starting included. A job's fence counts its sections that were begun: what it is
above the sections recorded is what the kills cost. After each round the rows are checked: every film finished, each
section there once, the books of GPU time equal to the sections, every file that a row names whole, the database sound.
"""

import argparse
import asyncio
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from db import jobs
from db.connect import Database
from db.media import Media, media_keep
from db.models import State
from gen.bench import films
from gen.card import find_checkpoint

LENGTHS = (1, 2, 3, 4)  # sections of the films, in turn
PATIENCE_S = 300.0  # for a section to be begun, on a machine with other work
MOST = {  # kills at one section of a film: a job that takes more of them with it is given up, rightly
    "child": (
        jobs.CRASHES - 1,
        "SELECT coalesce((SELECT max(crashes) FROM job WHERE state = 'running'), max(crashes))",
    ),
    "service": (jobs.DEATHS - 1, "SELECT max(deaths)"),
}
BOOKS = {  # what must agree, as one number each
    "sections begun twice": "SELECT count(*) - count(DISTINCT job_id || ':' || n) FROM section",
    "sections missing": "SELECT sum(done) - (SELECT count(*) FROM section) FROM job",
    "sections out of order": "SELECT count(*) FROM section s JOIN job j ON j.id = s.job_id WHERE s.n >= j.done",
    "sections not in virtual time": "SELECT (SELECT count(*) FROM section) - sections FROM tick",
    "GPU ms not in the ledger": "SELECT (SELECT sum(gpu_ms) FROM section) - (SELECT sum(gpu_ms) FROM ledger)",
    "GPU ms not in the sum": "SELECT (SELECT sum(gpu_ms) FROM ledger) - gpu_ms FROM tick",
    "films not finished": "SELECT count(*) FROM job WHERE state <> 'done'",
    "films counted as open": "SELECT open FROM tick",
    "claims left over": "SELECT count(*) FROM job WHERE worker IS NOT NULL",
    "progress left over": "SELECT count(*) FROM progress",
}


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
    parser.add_argument("--keep", type=Path, default=None, help="leave data folders and logs in this folder")


def run(args: argparse.Namespace) -> int:
    """Print the table; 0 where every film is bit-identical and no kill cost more than one section, else 1."""
    seed = random.randrange(10**6) if args.seed is None else args.seed
    moments, got, wrong = random.Random(seed), list[Outcome](), list[str]()
    kills = {"service": 0, "child": 0}
    with ExitStack() as stack:
        folder = args.keep or stack.enter_context(tempfile.TemporaryDirectory())
        whole = Path(folder) / "whole"
        asyncio.run(submit(whole, args.model, args.models_dir, args.films))
        if work(whole, args).wait() != 0:
            raise RuntimeError("the unbroken worker failed")
        expected, wrong = asyncio.run(outcomes(whole)), asyncio.run(check(whole))
        while sum(kills.values()) < args.kills:  # all films again, until there were kills enough
            broken = Path(folder) / f"broken-{len(got)}"
            asyncio.run(submit(broken, args.model, args.models_dir, args.films))
            batter(broken, args, moments, section_s(whole), kills)
            got += asyncio.run(outcomes(broken))
            wrong += asyncio.run(check(broken))
    total, rounds = sum(kills.values()), len(got) // len(expected)
    same = sum(a.film == b.film and b.state == State.DONE for a, b in zip(expected * rounds, got, strict=True))
    lost = sum(outcome.begun - outcome.recorded for outcome in got)
    table = Table(title=f"resume: {args.model}, {args.films} films, seed {seed}")
    for column in ("what", "figure", "to reach"):
        table.add_column(column)
    table.add_row("kill -9 of the service / of its child", f"{kills['service']} / {kills['child']}", f"≥ {args.kills}")
    table.add_row("films bit-identical to unbroken ones", f"{same} of {len(got)}", "all")
    recorded = sum(outcome.recorded for outcome in got)
    table.add_row("sections begun and lost", f"{lost} (of {recorded} recorded)", f"≤ {total}, one a kill")
    table.add_row("rows and files that do not agree", ", ".join(wrong) or "none", "none")
    Console().print(table)
    return 0 if same == len(got) and lost <= total and not wrong else 1


async def check(data_dir: Path) -> list[str]:
    """What does not agree in a data folder where all work is done."""
    wrong = []
    with closing(sqlite3.connect(data_dir / "flipbot.db")) as file:
        if file.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            wrong.append("the database is damaged")
        for name, query in BOOKS.items():
            (off,) = file.execute(query).fetchone()
            if off:
                wrong.append(f"{name}: {off}")
        failed = file.execute("SELECT id, state, reason, facts FROM job WHERE state <> 'done'")
        wrong += [f"film {id} {state}: {reason} {facts}" for id, state, reason, facts in failed]
    media = Media(data_dir / "media")
    async with Database.open("", data_dir=data_dir) as db:
        keep = await media_keep(db)
    wrong += [f"file {sha[:8]} is not whole" for sha in keep if not media.verify(sha)]
    return wrong


def section_s(data_dir: Path) -> float:
    """Seconds that a section took."""
    with closing(sqlite3.connect(data_dir / "flipbot.db")) as file:
        took = file.execute("SELECT avg(sampling_ms + decode_ms + encode_ms) FROM section").fetchone()[0]
        return float(took) / 1000


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
    """A worker that ends when nothing is left to do. It says what it does in worker.log there."""
    command = [sys.executable, "-m", "flipbot", "worker", "--until-empty"]
    command += ["--data-dir", str(data_dir), "--model", args.model]
    if args.models_dir:
        command += ["--models-dir", str(args.models_dir)]
    with (data_dir / "worker.log").open("ab") as log:  # of all its lives, one after the other
        return subprocess.Popen(command, stdout=log, stderr=log)


def batter(
    data_dir: Path, args: argparse.Namespace, moments: random.Random, section_s: float, kills: dict[str, int]
) -> None:
    """Let workers finish the films while they or their children are killed, counting."""
    worker, since = work(data_dir, args), time.time()
    while True:
        if sum(kills.values()) < args.kills:
            await_moment(data_dir, worker, since, moments, section_s)
            what = moments.choice(["service", "child"])
            kills[what] += kill_child(data_dir, worker) if what == "child" else kill(data_dir, worker)
        elif worker.wait() == 0:
            return
        if worker.poll() is not None:
            if worker.returncode == 0:
                return
            worker, since = work(data_dir, args), time.time()


def await_moment(
    data_dir: Path, worker: "subprocess.Popen[bytes]", since: float, moments: random.Random, section_s: float
) -> None:
    """Wait for a random moment: of a section that is being made, or of the worker's life; or until it has ended.

    since: when the worker was started, in seconds since the epoch; what an earlier one was at counts for nothing
    """
    if moments.random() < 0.75:
        end = time.monotonic() + PATIENCE_S
        while worker.poll() is None and time.monotonic() < end and not under_way(data_dir, since):
            time.sleep(0.02)
        longest = 1.5 * section_s
    else:
        longest = 6.0
    with suppress(subprocess.TimeoutExpired):
        worker.wait(moments.uniform(0.0, longest))


def under_way(data_dir: Path, since: float) -> bool:
    """Whether a section is being made, as its progress says."""
    return bool(ask(data_dir, f"SELECT count(*) FROM progress WHERE at_ms > {round(1000 * since)}"))


def ask(data_dir: Path, query: str) -> int | None:
    """One number out of a database that others write to; None where it cannot be read now."""
    only_read = f"{(data_dir / 'flipbot.db').absolute().as_uri()}?mode=ro"
    with suppress(sqlite3.Error), closing(sqlite3.connect(only_read, timeout=1, uri=True)) as file:
        return int(file.execute(query).fetchone()[0] or 0)
    return None


def bears(data_dir: Path, what: str) -> bool:
    """Whether the film whose turn it is bears one more of these kills."""
    most, so_far = MOST[what]
    got = ask(data_dir, f"{so_far} FROM job WHERE finished_ms IS NULL")
    return got is not None and got < most


def kill(data_dir: Path, worker: "subprocess.Popen[bytes]") -> bool:
    """kill -9 the service; its child sees its pipe close. True where it was still there."""
    if worker.poll() is not None or not bears(data_dir, "service"):
        return False
    worker.kill()
    return worker.wait() != 0


def kill_child(data_dir: Path, worker: "subprocess.Popen[bytes]") -> bool:
    """kill -9 the child of a service, which is held for that moment, so that no other film's turn begins in between.

    True where there was one.
    """
    try:
        service = psutil.Process(worker.pid)
        service.suspend()
        try:
            children = service.children() if bears(data_dir, "child") else []
            for child in children:
                child.kill()
        finally:
            service.resume()
    except psutil.NoSuchProcess:
        return False
    return bool(children)
