"""What several machines do with one PostgreSQL; `pytest tests/db --postgres` runs the others' tests on it, too."""

import asyncio
import gc
import math
import os
import resource
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from makers import LEASE_MS, PLENTY, Clock, ask, made
from sqlalchemy import func, select, text, update

from db import connect, flows, jobs, requests, sections, workers
from db.clocks import passed_s
from db.connect import Database
from db.errors import DatabaseAway, DatabaseBusy, DatabaseUnusable, LeaseLost
from db.models import Base, Job, Section, State, Tick
from db.postgres import Postgres, front_lock
from db.speaker import Speaker
from db.trouble import TROUBLE
from tests.postgres import Server

pytestmark = pytest.mark.parametrize("url", ["postgres"], indirect=True)


@pytest.fixture
async def cores(url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[list[Database]]:
    """Four that share one database, as four machines would."""
    async with AsyncExitStack() as stack:
        opening = (Database.open(url, data_dir=tmp_path / f"{n}", clock=clock) for n in range(4))
        yield [await stack.enter_async_context(each) for each in opening]


async def test_the_steps_lead_to_the_tables_of_the_models_there_too(cores: list[Database]) -> None:
    def differences(connection: Any) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))

    with cores[0].reading() as tx:
        assert differences(tx) == []


async def test_several_cores_never_take_the_same_turn_and_a_zombie_is_refused(
    cores: list[Database], clock: Clock
) -> None:
    db = cores[0]
    for n in range(12):
        await requests.submit(db, ask(f"{n}", sections=2, user_id=f"{n % 5}"), PLENTY)
    frozen = await jobs.claim(db, "frozen", LEASE_MS)
    assert frozen is not None
    clock.forward(LEASE_MS + 1)

    async def work(db: Database, name: str) -> list[tuple[int, int]]:
        mine = []
        while (claim := await jobs.claim(db, name, LEASE_MS)) or await left(db):
            if claim is not None:
                mine.append((claim.job.id, claim.job.done))
                await sections.record(db, claim, made(claim.job.done, f"{claim.job.id}"))
        return mine

    async def left(db: Database) -> bool:
        with db.reading() as tx:
            return bool(tx.scalar(select(func.count()).select_from(Job).where(flows.IS_OPEN)))

    done = await asyncio.gather(*(work(core, f"core {n}") for n, core in enumerate(cores)))
    turns = [turn for mine in done for turn in mine]
    assert sorted(turns) == [(job, n) for job in sorted({job for job, _ in turns}) for n in (0, 1)]
    assert len(turns) == 24
    with pytest.raises(LeaseLost):
        await sections.record(db, frozen, made(0, "frozen"))
    with db.reading() as tx:
        assert tx.scalar(select(func.count()).select_from(Section)) == 24
        assert tx.execute(select(Tick.sections, Tick.open)).one() == (24, 0)
    assert {job.state for job in await jobs.recent(db, 99)} == {State.DONE}


async def test_a_commit_is_heard_by_the_others_at_once(cores: list[Database]) -> None:
    await asyncio.gather(*(core.changed(0, 5.0) for core in cores))  # each has begun to listen
    seen = [core.commits for core in cores]
    await requests.submit(cores[0], ask("a"), PLENTY)
    async with asyncio.timeout(5.0):
        for core, commits in zip(cores, seen, strict=True):
            assert await core.changed(commits, 60.0) > commits
    quiet = [core.commits for core in cores]
    assert await jobs.claim(cores[1], "w", LEASE_MS)
    async with asyncio.timeout(5.0):
        await cores[0].changed(quiet[0], 60.0)


async def test_who_starts_again_sets_down_what_it_held_and_nothing_else(cores: list[Database]) -> None:
    for n in range(3):
        await requests.submit(cores[0], ask(f"{n}", user_id=f"{n}"), PLENTY)
    engines = ["worker 1/1", "worker 1", "worker 10/1"]
    held = [await jobs.claim(core, engine, LEASE_MS) for core, engine in zip(cores, engines, strict=False)]
    assert await jobs.recover(cores[3], "worker 1") == 2, "whichever of its cards held it"
    states = {job.id: job.state for job in await jobs.open_jobs(cores[0])}
    assert [states[claim.job.id] for claim in held if claim] == [State.QUEUED, State.QUEUED, State.RUNNING]
    assert await jobs.recover(cores[3]) == 0


async def test_time_is_the_servers(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: system() + 3_600_000_000_000)  # this machine's clock is an hour ahead
    async with Database.open(url, data_dir=tmp_path) as db:
        with db.transaction() as tx:
            server = float(tx.scalar(text("SELECT extract(epoch FROM clock_timestamp()) * 1000")))
        assert abs(db.steady() - server) < 2000
        assert abs(db.now() - server) < 2000


async def test_a_server_that_restarts_is_waited_for(url: str, server: Server, tmp_path: Path) -> None:
    async with Database.open(url, data_dir=tmp_path, busy_s=60.0) as db:
        job = await requests.submit(db, ask("a"), PLENTY)
        await asyncio.to_thread(server.stop)
        writing, reading = asyncio.create_task(jobs.claim(db, "w", LEASE_MS)), asyncio.create_task(jobs.get(db, job.id))
        await asyncio.sleep(0.5)
        assert not writing.done() and not reading.done()
        await asyncio.to_thread(server.start)
        claim = await writing
        assert claim and claim.job.id == job.id and (await reading).id == job.id
        seen = db.commits
        async with Database.open(url, data_dir=tmp_path / "other") as other:  # and is listened to again
            async with asyncio.timeout(20.0):
                while db.commits == seen:
                    await requests.submit(other, ask(f"{time.monotonic()}"), PLENTY)
                    await asyncio.sleep(0.2)


async def test_a_server_that_stays_away_is_a_trouble_of_the_machine(url: str, server: Server, tmp_path: Path) -> None:
    async with Database.open(url, data_dir=tmp_path, busy_s=0.5) as db:
        await requests.submit(db, ask("a"), PLENTY)
        await asyncio.to_thread(server.stop)
        try:
            for verb in (jobs.claim(db, "w", LEASE_MS), jobs.recent(db, 1)):
                with pytest.raises(TROUBLE, match=r"postgresql:///test\d+ cannot be reached .*: look at its server"):
                    await verb
            with pytest.raises(DatabaseAway):
                async with Database.open(url, data_dir=tmp_path / "other"):
                    pass
        finally:
            await asyncio.to_thread(server.start)
        assert await jobs.claim(db, "w", LEASE_MS)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of the connection that it gave up
async def test_the_end_does_not_wait_for_a_server_that_is_frozen(
    url: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "CLOSING_S", 0.3)
    async with asyncio.timeout(20.0), AsyncExitStack() as stack:
        db = await stack.enter_async_context(Database.open(url, data_dir=tmp_path))
        await jobs.recent(db, 1)
        with server.frozen():
            hanging = asyncio.create_task(jobs.claim(db, "w", LEASE_MS))
            await asyncio.sleep(0.1)
            hanging.cancel()
            await stack.aclose()
        while db.under_way:  # it goes on where it was
            await asyncio.wait(db.under_way)
    del db
    gc.collect()


async def test_a_writer_that_was_cut_off_has_written_nothing(cores: list[Database]) -> None:
    frozen, other = cores[:2]

    def freeze() -> None:
        with frozen.transaction() as tx:
            tx.execute(update(Tick).values(sections=7))
            mine = tx.scalar(text("SELECT pg_backend_pid()"))
            with other.reading() as there:  # as the server does after SESSION's idle_in_transaction_session_timeout
                there.execute(text("SELECT pg_terminate_backend(:mine)"), {"mine": mine})

    with pytest.raises(DatabaseAway):
        await asyncio.to_thread(freeze)
    await requests.submit(other, ask("a"), PLENTY)  # the writers' lock is free
    with frozen.reading() as tx:
        assert tx.scalar(select(Tick.sections)) == 0
    with frozen.transaction(), other.reading() as tx:
        assert tx.scalar(text("SHOW idle_in_transaction_session_timeout")) == "20s"


async def test_who_waits_long_for_the_writers_lock_is_told(cores: list[Database]) -> None:
    cores[1].busy_s = 0.1
    with cores[0].transaction(), pytest.raises(DatabaseBusy):
        await jobs.claim(cores[1], "w", LEASE_MS)
    assert await jobs.claim(cores[1], "w", LEASE_MS) is None


class Front:
    """Has the word, or not, and when it spoke."""

    def __init__(self, url: str, valid_s: float, clock: Callable[[], float] = passed_s) -> None:
        self.spoke: list[list[float]] = []  # from, to: by the monotonic clock
        self.begun, self.silent = asyncio.Event(), asyncio.Event()
        self.speaker = Speaker(url, every_s=valid_s / 10, valid_s=valid_s, clock=clock)
        self._task = asyncio.create_task(self.speaker.run(self._speak))

    async def _speak(self) -> None:
        self.spoke.append([time.monotonic(), math.inf])
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.spoke[-1][1] = time.monotonic()
            self.silent.set()

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.wait((self._task,))


CUT = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"


async def test_of_two_fronts_one_speaks_and_the_other_takes_over(url: str, server: Server) -> None:
    """Whatever becomes of the first one's connection, they never speak at once."""
    async with asyncio.timeout(60.0):
        first = Front(url, 1.0)
        await first.begun.wait()
        second = Front(url, 1.0)
        await asyncio.sleep(0.15)
        assert not first.silent.is_set() and not second.begun.is_set()
        await asyncio.to_thread(server.sql, CUT)
        cut = time.monotonic()
        await second.begun.wait()
    assert first.spoke[0][1] < cut + 0.5, "it is silent once it hears that another one has the lock"
    assert first.spoke[0][1] < second.spoke[0][0]
    await asyncio.gather(first.end(), second.end())


async def test_who_gets_the_word_has_held_it_without_a_break(url: str, server: Server) -> None:
    """Of two who get it by turns neither begins while what was confirmed to the other is good."""
    async with asyncio.timeout(60.0):
        first = Front(url, 0.8)
        await first.begun.wait()
        second = Front(url, 0.8)
        await asyncio.sleep(0.2)
        for _ in range(3):  # so the second one gets it, the first one, the second one
            await asyncio.to_thread(server.sql, CUT)
            await asyncio.sleep(0.3)
        await asyncio.sleep(0.3)
    await asyncio.gather(first.end(), second.end())
    both = [(one, other) for one in first.spoke for other in second.spoke if one[0] < other[1] and other[0] < one[1]]
    assert both == []


async def test_who_gets_the_word_back_at_once_was_never_silent(url: str, server: Server) -> None:
    async with asyncio.timeout(60.0):
        front = Front(url, 0.5)
        await front.begun.wait()
        for _ in range(8):  # one falls just before what was confirmed ends
            await asyncio.to_thread(server.sql, CUT)
            await asyncio.sleep(0.12)
    assert not front.silent.is_set()
    await front.end()


async def test_what_speaking_ends_with_is_heard_and_the_word_passes_on(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Where it only returns, it is called again; where it fails, nobody holds the word any more."""
    caplog.set_level("INFO", "flipbot.front")
    said: list[str] = []
    more = asyncio.Event()

    async def fails() -> None:
        said.append("first")
        if len(said) == 1:
            more.set()
            await asyncio.sleep(0.1)  # the other one asks in vain, several times
        else:
            raise RuntimeError("the chats are closed")

    async def speaks() -> None:
        said.append("second")
        more.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(30.0):
        first = asyncio.create_task(Speaker(url, every_s=0.02, valid_s=0.1).run(fails))
        await more.wait()
        second = asyncio.create_task(Speaker(url, every_s=0.02, valid_s=0.1).run(speaks))
        with pytest.raises(RuntimeError, match="closed"):
            await first
        more.clear()
        await more.wait()
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert said == ["first", "first", "second"]
    assert caplog.text.count("another front speaks") == 1, "that is no news each time"


async def test_a_front_that_stands_still_loses_the_word(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection lives: the kernel answers for a process that is frozen."""
    monkeypatch.setattr("db.postgres.WORD_MS", 500)
    with front_lock(url) as frozen, front_lock(url) as other:
        assert frozen() and not other()
        assert await asyncio.to_thread(until, other)
        with pytest.raises(DatabaseAway):
            frozen()
        assert not frozen()


@pytest.mark.parametrize("left", [0, 1])  # psycopg connects with one, and waits with another
async def test_where_no_more_files_may_be_open_that_is_a_trouble_that_passes(
    url: str, tmp_path: Path, left: int
) -> None:
    engines = Postgres(url)
    engines.open()
    db = Database(engines, tmp_path, busy_s=0.0)  # without its thread that listens, which has files of its own
    with front_lock(url) as held, no_more_files(left):
        with pytest.raises(DatabaseAway):
            held()
        with pytest.raises(TROUBLE):
            await jobs.open_jobs(db)
    assert await jobs.open_jobs(db) == []
    await db.close()


@contextmanager
def no_more_files(left: int) -> Iterator[None]:
    """The system lets this process open so many more."""
    gc.collect()  # what is left over holds some
    limits, taken = resource.getrlimit(resource.RLIMIT_NOFILE), [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken[0] + 20, limits[1]))
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(left):
            os.close(taken.pop())
        yield
    finally:
        for each in taken:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


async def test_who_speaks_falls_silent_when_the_server_is_frozen(url: str, server: Server) -> None:
    async with asyncio.timeout(60.0):
        front = Front(url, 1.0)
        await front.begun.wait()
        await asyncio.sleep(0.5)
        assert not front.silent.is_set()
        with server.frozen():
            await front.silent.wait()
    await front.end()


async def test_who_slept_does_not_speak_on(url: str, server: Server) -> None:
    """Another front has had the word meanwhile; no timer of a machine that sleeps counts on."""
    slept_s = 0.0
    async with asyncio.timeout(30.0):
        front = Front(url, 0.2, lambda: passed_s() + slept_s)
        await front.begun.wait()
        with server.frozen():
            front.speaker.until += 3600.0
            await asyncio.sleep(0.3)
            assert not front.silent.is_set()
            slept_s = 7200.0
            await front.silent.wait()
    await front.end()


def until(so: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not so() and time.monotonic() < end:
        time.sleep(0.02)
    return so()


async def test_who_works_is_known_while_it_says_so(cores: list[Database], clock: Clock) -> None:
    front, worker = cores[:2]
    crew = workers.Crew(front, "front", "tiny@1", works=False)
    assert await crew.join() == []
    looking = asyncio.create_task(crew.run())
    assert [each.name for each in await workers.Crew(worker, "gpu:1", "tiny@1", works=True).join()] == ["front"]
    assert await asyncio.to_thread(until, lambda: crew.there)
    assert [(each.name, each.model) for each in await workers.working(front)] == [("gpu:1", "tiny@1")]
    assert [each.name for each in await workers.all_of(front)] == ["front", "gpu:1"]
    clock.forward(workers.GONE_MS + 1)
    assert await workers.working(front) == []
    assert await asyncio.to_thread(until, lambda: not crew.there)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    clock.forward(-workers.GONE_MS - 1)
    assert [each.name for each in await crew.others()] == ["gpu:1"]
    await crew.leave()
    assert [each.name for each in await workers.all_of(worker)] == ["gpu:1"]


def test_a_name_stays_from_start_to_start(tmp_path: Path, url: str) -> None:
    name = workers.name_of(tmp_path, "home")
    assert name.startswith("home:") and workers.name_of(tmp_path, "home") == name
    assert workers.name_of(tmp_path, "c0ffee") == name, "a new container on the same folder finds what it held"
    (tmp_path / "worker").write_text("\x00 damaged")
    assert workers.name_of(tmp_path, "home") != name


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("nowhere", 'database "nowhere" does not exist'),
        ("postgres?user=nobody", 'role "nobody" does not exist'),
    ],
)
async def test_what_no_waiting_mends_is_said_at_once(
    server: Server, tmp_path: Path, wrong: str, says: str, url: str
) -> None:
    name, _, query = wrong.partition("?")
    with pytest.raises(DatabaseUnusable, match=says):
        async with Database.open(server.url(name) + (f"&{query}" if query else ""), data_dir=tmp_path):
            pass
