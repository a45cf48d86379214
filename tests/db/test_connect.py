import asyncio
import gc
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from makers import LEASE_MS, PLENTY, Clock, ask
from sqlalchemy import Connection, Integer, Select, bindparam, func, insert, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError

from db import canvases, jobs, progress, requests
from db.connect import Database, engines_of, file_of
from db.errors import ConfigError, DatabaseInUse, DatabaseUnusable, DiskFailed, DiskFull, NoSuchJob
from db.flows import IS_OPEN, long_waiting, next_turn, waking
from db.lock import Lock
from db.models import Canvas, Job, Platform, State
from db.turns import STARTED

ROOT = Path(__file__).parent.parent.parent

HOLD = """
import asyncio, sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from makers import PLENTY, ask
from db import requests
from db.connect import Database

async def main():
    async with Database.open(data_dir=Path(sys.argv[1])) as db:
        job = await requests.submit(db, ask("survivor"), PLENTY)
        print(job.id, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def owner(data_dir: Path) -> subprocess.Popen[str]:
    """A process that opens the database, submits a job, says its number and then holds on."""
    paths = [str(ROOT), str(Path(__file__).parent)]
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(data_dir), *paths], stdout=subprocess.PIPE, text=True, cwd=data_dir
    )


async def opened(data_dir: Path, url: str) -> None:
    async with Database.open(url, data_dir=data_dir):
        pass


async def test_a_second_owner_is_refused_and_a_killed_one_leaves_its_answered_jobs_and_no_lock(tmp_path: Path) -> None:
    with owner(tmp_path) as process:
        assert process.stdout
        answered = int(await asyncio.to_thread(process.stdout.readline))
        urls = ("", "postgresql://nowhere.invalid/flipbot")
        refused = await asyncio.gather(*(opened(tmp_path, url) for url in urls), return_exceptions=True)
        says = (
            f"is in use by another flipbot (process {process.pid}): stop that one first, or use another data directory."
        )
        assert [str(each) for each in refused] == [f"{tmp_path / 'flipbot.db'} {says}", f"{tmp_path} {says}"]
        process.send_signal(signal.SIGKILL)
        process.wait()
    async with Database.open(data_dir=tmp_path) as db:
        job = await jobs.get(db, answered)
        assert (job.state, job.prompt) == (State.QUEUED, "night falls")


async def test_a_second_owner_in_the_same_process_is_refused_too(db: Database, tmp_path: Path) -> None:
    with pytest.raises(DatabaseInUse):
        async with Database.open(data_dir=tmp_path):
            pass


async def test_who_only_looks_something_up_keeps_nobody_from_starting(tmp_path: Path) -> None:
    looking = Lock(tmp_path / "flipbot.db")
    asyncio.get_running_loop().call_later(0.3, looking.release)
    async with Database.open(data_dir=tmp_path) as db:
        assert await jobs.open_jobs(db) == []


async def test_the_file_may_be_opened_again_after_it_was_closed(tmp_path: Path) -> None:
    for _ in range(3):
        async with Database.open(data_dir=tmp_path):
            pass


@pytest.mark.sqlite
async def test_the_pragmas_are_as_durability_needs_them(db: Database) -> None:
    with db.transaction() as tx:
        said = {name: tx.scalar(text(f"PRAGMA {name}")) for name in WRITER}
    assert said == WRITER
    with db.reading() as tx:
        assert tx.scalar(text("PRAGMA query_only")) == 1


DIALECT = sqlite.dialect(paramstyle="named")
WRITER = {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 10_000, "foreign_keys": 1}


@pytest.mark.sqlite
async def test_the_reading_engine_refuses_writes(db: Database) -> None:
    with pytest.raises(DiskFailed, match="readonly"), db.reading() as tx:
        tx.execute(text("DELETE FROM job"))


@pytest.mark.sqlite
async def test_a_row_that_refers_to_none_is_refused(db: Database) -> None:
    with pytest.raises(IntegrityError, match="FOREIGN KEY"), db.transaction() as tx:
        tx.execute(insert(Canvas).values(job_id=99, platform=Platform.PAGE, chat_id="page", wanted=1))
    assert await canvases.pending(db, Platform.PAGE) == []


@pytest.mark.sqlite
async def test_a_transaction_takes_the_write_lock_before_it_reads(db: Database) -> None:
    """Two that read first and write later would otherwise fail with SQLITE_BUSY, or both write."""
    with (
        db.transaction(),
        closing(sqlite3.connect(db.path, timeout=0)) as other,
        pytest.raises(sqlite3.OperationalError, match="database is locked"),
    ):
        other.execute("BEGIN IMMEDIATE")


async def test_a_view_is_of_one_moment(db: Database) -> None:
    with db.reading() as tx:
        assert tx.scalar(select(func.count()).select_from(Job)) == 0
        await requests.submit(db, ask(), PLENTY)
        assert tx.scalar(select(func.count()).select_from(Job)) == 0
    assert len(await jobs.open_jobs(db)) == 1


async def test_an_exception_rolls_back_and_wakes_nobody(db: Database) -> None:
    await requests.submit(db, ask(), PLENTY)
    commits = db.commits
    with pytest.raises(ZeroDivisionError), db.transaction() as tx:
        tx.execute(text("UPDATE job SET wish = 'stop'"))
        raise ZeroDivisionError
    assert (await jobs.get(db, 1)).wish is None and db.commits == commits


async def test_a_cancelled_caller_leaves_no_half_done_verb(db: Database) -> None:
    for n in range(20):
        verb = asyncio.create_task(requests.submit(db, ask(f"{n}"), PLENTY))
        await asyncio.sleep(0.0005 * (n % 5))
        verb.cancel()
        with pytest.raises(asyncio.CancelledError):
            await verb
    await requests.submit(db, ask("last"), PLENTY)  # waits behind those under way, and is not locked out by them
    found = [job.id for job in await jobs.open_jobs(db)]
    assert found == list(range(1, len(found) + 1))
    assert await jobs.claim(db, "w", LEASE_MS) is not None


async def test_closing_waits_for_the_verbs_under_way(tmp_path: Path) -> None:
    async with Database.open(data_dir=tmp_path) as db:
        let = threading.Event()
        db.writers.submit(let.wait, 60)  # another verb that takes its time
        verb = asyncio.create_task(requests.submit(db, ask(), PLENTY))
        await asyncio.sleep(0)
        verb.cancel()
        with pytest.raises(asyncio.CancelledError):
            await verb
        let.set()
    async with Database.open(data_dir=tmp_path) as db:
        assert len(await jobs.open_jobs(db)) == 1


@pytest.mark.sqlite
async def test_whoever_waits_is_woken_by_a_commit(db: Database) -> None:
    seen = db.commits
    waiting = [asyncio.create_task(db.changed(seen, 10)) for _ in range(3)]
    await asyncio.sleep(0)
    started = time.monotonic()
    await requests.submit(db, ask(), PLENTY)
    assert await asyncio.gather(*waiting) == [seen + 1] * 3
    assert time.monotonic() - started < 5
    assert await db.changed(seen, 10) == seen + 1  # at once: it has already happened
    assert await db.changed(seen + 1, 0.01) == seen + 1  # not at all


async def test_progress_wakes_and_a_renewed_lease_does_not(db: Database) -> None:
    await requests.submit(db, ask(), PLENTY)
    claim = await jobs.claim(db, "w", LEASE_MS)
    assert claim
    seen = db.commits
    await jobs.renew(db, claim, LEASE_MS)
    assert db.commits == seen
    await progress.report(db, claim, 0, 1, 8, "sampling", None)
    assert db.commits == seen + 1


@pytest.mark.sqlite
async def test_a_full_disk_is_said_and_leaves_the_rows_as_they_were(db: Database) -> None:
    with db.transaction() as tx:
        pages = tx.scalar(text("PRAGMA page_count"))
        tx.execute(text(f"PRAGMA max_page_count = {pages}"))  # as a full disk: SQLITE_FULL when it wants to grow
    with pytest.raises(DiskFull, match="No room is left on the disk"):
        await requests.submit(db, ask(prompt="long " * 100_000), PLENTY)
    assert await requests.find(db, "key") is None
    with db.transaction() as tx:
        tx.execute(text("PRAGMA max_page_count = 1000000"))
    await requests.submit(db, ask(prompt="long " * 100_000), PLENTY)


def plan(tx: Connection, query: Select[Any]) -> str:
    """How SQLite would find the rows, with parameters as they are bound when it runs."""
    compiled = query.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})
    explained = tx.execute(text(f"EXPLAIN QUERY PLAN {compiled}"), compiled.params)
    return "; ".join(row[-1] for row in explained)


@pytest.mark.sqlite
async def test_neither_the_next_turn_nor_a_limit_is_found_by_looking_at_every_job(db: Database, clock: Clock) -> None:
    of_user = select(func.count()).select_from(Job).where(IS_OPEN, Job.platform == Platform.PAGE, Job.user_id == "ann")
    of_chat = select(func.count()).select_from(Job).where(IS_OPEN, Job.platform == Platform.PAGE, Job.chat_id == "page")
    expired = select(Job.id).where(Job.state == State.RUNNING, Job.lease_until_ms < clock.ms)
    with db.reading() as tx:
        turn = plan(tx, next_turn())
        assert turn == "SEARCH flow USING INDEX ix_flow_turn (turn>?)"  # the first of those that are due
        woken = plan(tx, waking(clock.ms))
        assert woken == "SEARCH job USING INDEX ix_job_wake (not_before_ms>? AND not_before_ms<?)"
        long = plan(tx, long_waiting(bindparam("waited_since", 7, type_=Integer)))
        assert "SEARCH job USING INDEX ix_job_wait (since<?)" in long
        head = select(Job.id).where(Job.flow_id == 1, Job.rank.is_not(None), Job.rank >= STARTED)
        found = plan(tx, head.order_by(Job.rank, Job.id).limit(4))
        assert found == "SEARCH job USING COVERING INDEX ix_job_turn (flow_id=? AND rank>?)"
        assert "INDEX ix_job_user (platform=? AND user_id=? AND state=?)" in plan(tx, of_user)
        assert "INDEX ix_job_chat (platform=? AND chat_id=? AND state=?)" in plan(tx, of_chat)
        assert "INDEX ix_job_state (state=?)" in plan(tx, select(func.count()).select_from(Job).where(IS_OPEN))
        assert "SEARCH job USING" in plan(tx, expired)


async def test_the_data_folder_is_made(tmp_path: Path) -> None:
    async with Database.open(data_dir=tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b" / "flipbot.db").is_file()


async def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for data_dir in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DatabaseUnusable, match="cannot be used as the database: "):
            async with Database.open(data_dir=data_dir):
                pass


def test_a_database_url_names_a_file(tmp_path: Path) -> None:
    assert file_of("", tmp_path) == tmp_path / "flipbot.db"
    assert file_of("sqlite:///queue.db", tmp_path) == tmp_path / "queue.db"
    assert file_of("sqlite:////srv/queue.db", tmp_path) == Path("/srv/queue.db")


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:secret@host/db",
        "sqlite://me:secret@host/db",
        "sqlite://",
        "sqlite:///:memory:",
        "queue.db",
        "x://",
    ],
)
def test_another_database_is_refused_without_telling_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match=r"database\.url: expected") as refused:
        engines_of(url, tmp_path)
    assert "secret" not in str(refused.value)


async def test_a_forgotten_job_is_no_news_once_its_caller_has_gone(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    async with Database.open(data_dir=tmp_path) as db:
        asked = asyncio.create_task(jobs.forecast(db, 404))
        await asyncio.sleep(0)
        (verb,) = db.under_way
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await asyncio.wait((verb,))
        with pytest.raises(NoSuchJob):
            await jobs.forecast(db, 404)
    del asked, verb
    gc.collect()
    await asyncio.sleep(0)
    assert heard == []
