"""What a machine does to a queue: its clock is set, its disk fills up or fails, another program locks the file."""

import asyncio
import logging
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from makers import LEASE_MS, PLENTY, Clock, ask, due, made

from db import canvases, chats, jobs, removals, requests, sections
from db.clocks import Steady, now_ms
from db.connect import Database
from db.errors import DatabaseBusy, DiskFull, LeaseLost
from db.models import Platform, State
from db.trouble import patiently

HOUR_MS = 3_600_000

HOLD = """
import sqlite3, sys, time
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
other.execute("ROLLBACK")
"""


@asynccontextmanager
async def opened(data_dir: Path, **options: object) -> AsyncIterator[Database]:
    async with Database.open(data_dir=data_dir, **options) as db:  # type: ignore[arg-type]
        yield db


async def locked(path: Path, seconds: float) -> subprocess.Popen[str]:
    """Another process that holds the write lock for so long; returns once it does."""
    process = subprocess.Popen(  # noqa: ASYNC220 - starting one takes no time
        [sys.executable, "-c", HOLD, str(path), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert await asyncio.to_thread(process.stdout.readline) == "locked\n"
    return process


async def test_another_programs_write_lock_is_waited_out_and_nothing_is_lost(tmp_path: Path) -> None:
    async with opened(tmp_path) as db:
        for name in ("first", "second"):
            await requests.submit(db, ask(name), PLENTY)
        claim = await jobs.claim(db, "w", LEASE_MS)
        assert claim
        with await locked(db.path, 3.0) as other:
            verbs = [requests.submit(db, ask(f"{n}"), PLENTY) for n in range(5)]
            answered = await asyncio.gather(sections.record(db, claim, made(0)), jobs.claim(db, "w", LEASE_MS), *verbs)
            assert other.poll() is not None or other.wait(10) == 0
        assert answered[0].job.done == 1
        assert len(await jobs.open_jobs(db)) == 7


async def test_a_lock_longer_than_the_drivers_patience_is_waited_out_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as db:
        with db.transaction() as tx:
            tx.exec_driver_sql("PRAGMA busy_timeout = 50")
        with await locked(db.path, 1.5):
            job = await requests.submit(db, ask(), PLENTY)
        assert (await jobs.get(db, job.id)).state == State.QUEUED


async def test_a_lock_that_is_never_let_go_is_one_sentence_and_writes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path, busy_s=0.5) as db:
        with db.transaction() as tx:
            tx.exec_driver_sql("PRAGMA busy_timeout = 50")
        with await locked(db.path, 600) as other:
            with pytest.raises(DatabaseBusy, match="is locked by another program since"):
                await requests.submit(db, ask(), PLENTY)
            other.kill()
        assert await requests.find(db, "key") is None
        await requests.submit(db, ask(), PLENTY)


@pytest.fixture
def steady() -> Clock:
    clock = Clock()
    clock.forward(100 * HOUR_MS)
    return clock


@pytest.fixture
async def db(tmp_path: Path, clock: Clock, steady: Clock) -> AsyncIterator[Database]:
    """A database whose two clocks go as the test says."""
    async with opened(tmp_path, clock=clock, steady=steady) as db:
        yield db


@pytest.mark.parametrize("jump", [HOUR_MS, -HOUR_MS])
async def test_a_set_clock_steals_no_lease_and_makes_none_immortal(
    db: Database, clock: Clock, steady: Clock, jump: int
) -> None:
    await requests.submit(db, ask(), PLENTY)
    claim = await jobs.claim(db, "a", LEASE_MS)
    assert claim
    clock.forward(jump)
    assert await jobs.claim(db, "b", LEASE_MS) is None, "the lease still holds"
    await jobs.renew(db, claim, LEASE_MS)
    recorded = await sections.record(db, claim, made(0))
    assert recorded.job.done == 1
    claim = await jobs.claim(db, "a", LEASE_MS)
    assert claim
    clock.forward(-jump)
    steady.forward(LEASE_MS + 1)
    taken = await jobs.claim(db, "b", LEASE_MS)
    assert taken and taken.fence == claim.fence + 1, "it ended when its time was over"
    with pytest.raises(LeaseLost):
        await sections.record(db, claim, made(1))


@pytest.mark.parametrize("jump", [HOUR_MS, -HOUR_MS])
async def test_a_set_clock_prolongs_no_wait(db: Database, clock: Clock, steady: Clock, jump: int) -> None:
    job = await requests.submit(db, ask(canvas=True), PLENTY)
    claim = await jobs.claim(db, "a", LEASE_MS)
    assert claim
    await jobs.release(db, claim, reason="disk_full", retry_in_ms=30_000)
    await canvases.put_off(db, job.id, 30_000)
    clock.forward(jump)
    assert await jobs.claim(db, "a", LEASE_MS) is None
    assert await due(db) == []
    steady.forward(30_001)
    assert [canvas.job_id for canvas in await due(db)] == [job.id]
    assert await jobs.claim(db, "a", LEASE_MS) is not None


async def test_a_clock_set_back_while_the_service_was_down_keeps_nobody_waiting(db: Database, steady: Clock) -> None:
    job = await requests.submit(db, ask(canvas=True), PLENTY)
    claim = await jobs.claim(db, "a", LEASE_MS)
    assert claim
    await jobs.release(db, claim, reason="disk_full", retry_in_ms=30_000)
    await canvases.put_off(db, job.id, 30_000)
    steady.forward(-24 * HOUR_MS)
    await jobs.recover(db, "w")
    assert len(await due(db)) == 1
    assert await jobs.claim(db, "a", LEASE_MS) is not None


AHEAD_MS = 40 * 60_000  # less than the longest wait of a chat


async def test_a_clock_that_was_ahead_before_the_start_mutes_no_chat(db: Database, steady: Clock) -> None:
    """A hardware clock in local time, say, until the network has set it."""
    job = await requests.submit(db, ask(canvas=True), PLENTY)
    steady.forward(AHEAD_MS)
    then = steady.ms
    await canvases.change(db, job.id, edited_ms=then - 5000, media_ms=then - 6000, message_ms=then - 7000)
    await canvases.put_off(db, job.id, 30_000)
    waits = {"frozen_until_ms": then + 20_000, "slow_until_ms": then + 620_000}
    await chats.change(db, Platform.PAGE, "ahead", sent_ms=[then - 1000, then], **waits)
    await removals.later(db, Platform.PAGE, "ahead", "message", 10_000)
    steady.forward(-AHEAD_MS)
    await chats.change(db, Platform.PAGE, "right", sent_ms=[steady.ms - 9], frozen_until_ms=steady.ms - 7)
    await jobs.recover(db, "w")
    now = steady.ms
    chat, right = await chats.get(db, Platform.PAGE, "ahead"), await chats.get(db, Platform.PAGE, "right")
    assert (chat.sent_ms, chat.frozen_until_ms, chat.slow_until_ms) == ((now, now), now + 20_000, now + 620_000)
    assert (right.sent_ms, right.frozen_until_ms) == ((now - 9,), now - 7)
    canvas = await canvases.get(db, job.id)
    assert canvas and (canvas.edited_ms, canvas.media_ms, canvas.message_ms) == (now, now, now)
    assert canvas.not_before_ms == now + 30_000
    assert await removals.due(db, Platform.PAGE) == []
    steady.forward(10_001)
    assert len(await removals.due(db, Platform.PAGE)) == 1


async def test_a_wait_that_no_clock_explains_ends_at_the_start(db: Database, steady: Clock) -> None:
    await chats.change(db, Platform.PAGE, "page", frozen_until_ms=steady.ms + 2 * HOUR_MS, slow_until_ms=steady.ms + 5)
    await jobs.recover(db, "w")
    chat = await chats.get(db, Platform.PAGE, "page")
    assert (chat.frozen_until_ms, chat.slow_until_ms) == (steady.ms, steady.ms + 5)


async def test_a_message_that_has_to_go_soon_goes_as_soon_after_the_machine_slept(db: Database, steady: Clock) -> None:
    """The system's clock goes on while it sleeps, and the steady one does not."""
    steady.forward(-108 * HOUR_MS)
    await removals.later(db, Platform.PAGE, "page", "message", 30_000)
    assert await removals.due(db, Platform.PAGE) == []
    steady.forward(30_001)
    assert len(await removals.due(db, Platform.PAGE)) == 1


def test_the_steady_clock_starts_at_the_systems_time_and_goes_on() -> None:
    steady = Steady()
    assert abs(steady() - now_ms()) < 1000
    before = steady()
    time.sleep(0.01)
    assert steady() >= before + 9


async def test_what_a_worker_could_not_give_back_is_queued_again_and_is_no_crash(db: Database, steady: Clock) -> None:
    await requests.submit(db, ask("mine"), PLENTY)
    await requests.submit(db, ask("another's"), PLENTY)
    mine, other = await jobs.claim(db, "a", LEASE_MS), await jobs.claim(db, "b", LEASE_MS)
    assert mine and other
    steady.forward(LEASE_MS + 1)
    assert await jobs.abandon(db, "a") == 1
    job = await jobs.get(db, mine.job.id)
    assert (job.state, job.crashes) == (State.QUEUED, 0)
    assert (await jobs.get(db, other.job.id)).state == State.RUNNING


async def test_a_part_that_runs_for_ever_gets_over_every_trouble(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    troubles = [ValueError("ours"), DatabaseBusy(tmp_path, 120), DiskFull(tmp_path)]

    async def turn() -> str:
        if troubles:
            raise troubles.pop()
        return "done"

    with caplog.at_level(logging.INFO):
        assert await patiently(turn, "the turn") == "done"
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"the turn waits: {DiskFull(tmp_path)}", "the turn failed", "the turn goes on"]


async def test_the_file_is_as_it_was_when_another_program_dies_with_the_lock(tmp_path: Path) -> None:
    async with opened(tmp_path) as db:
        job = await requests.submit(db, ask(), PLENTY)
        with await locked(db.path, 600) as other:
            waiting = asyncio.create_task(requests.wish(db, job.id, "cancel", "ann"))
            await asyncio.sleep(0.1)
            other.kill()
            other.wait()
            assert (await waiting).state == State.CANCELLED
    with sqlite3.connect(tmp_path / "flipbot.db") as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    file.close()
