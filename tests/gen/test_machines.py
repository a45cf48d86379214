"""Dispatchers with folders of their own on one bucket, as on several machines: one goes on with what another made."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from db import jobs
from db.bucket import Bucket
from db.connect import Database
from db.media import media_keep
from db.models import State
from db.rows import Job
from gen.bench import films
from gen.card import find_checkpoint
from gen.config import ModelConfig
from gen.dispatch import LEASE_MS, Dispatch
from gen.process import ChildProcess, Told
from tests import postgres
from tests.at_work import at_work
from tests.ready import ready

if TYPE_CHECKING:
    from tests.fakes.s3 import S3

TIMEOUT_S = 60


class StandIn(ChildProcess):
    """A child that is told of files; it reads them, as the real one does."""

    module = "tests.fakes.child"
    before_asking: Callable[[], None] = staticmethod(lambda: None)

    async def section(self, on_told: Callable[[Told], Awaitable[None]], **asked: Any) -> dict[str, Any]:
        named = [asked["picture"], asked["conditioning"], asked["tail"], *asked["latents"], *asked["clips"]]
        self.missing = [path for path in named if path and not Path(path).is_file()]
        assert not self.missing and (asked["n"] == 0 or (asked["conditioning"] and asked["tail"]))
        type(self).before_asking()
        return await super().section(on_told, **asked)


class Machine:
    """A worker with a folder of its own."""

    def __init__(
        self, db: Database, media: Bucket, worker: str, children: type[ChildProcess] = StandIn, lease_ms: int = LEASE_MS
    ) -> None:
        self.db, self.media = db, media
        config = ModelConfig(name=json.dumps({"step_s": 0.05}), device="cpu", threads=1)
        self.dispatch = Dispatch(
            db, media, config, media.root, worker=worker, retry_ms=600, lease_ms=lease_ms, children=children
        )

    def working(self) -> AbstractAsyncContextManager[None]:
        return at_work(self.dispatch)

    async def until(self, job: Job, holds: Callable[[Job], bool]) -> Job:
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                seen = self.db.commits
                job = await jobs.get(self.db, job.id)
                if holds(job):
                    return job
                await self.db.changed(seen, 0.2)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open(data_dir=ready(tmp_path / "db")) as database:
        yield database


async def test_another_machine_goes_on_with_a_film(s3: "S3", db: Database, tmp_path: Path) -> None:
    a, b = (Machine(db, s3.machine(tmp_path / name), name) for name in "ab")
    job = (await films.submit(db, s3.machine(tmp_path / "front"), find_checkpoint("tiny", tmp_path).card, [3]))[0]
    async with a.working():
        await a.until(job, lambda now: now.done >= 1)
    made_by_a = (await jobs.get(db, job.id)).done
    async with b.working():
        job = await b.until(job, lambda now: now.state.terminal)
    assert 1 <= made_by_a < 3
    assert (job.state, job.crashes, job.losses) == (State.DONE, 0, 0)
    viewer = s3.machine(tmp_path / "viewer")
    for sha in await media_keep(db):
        assert viewer.verify(sha)


async def test_a_section_that_is_made_waits_for_a_store_that_is_away(s3: "S3", db: Database, tmp_path: Path) -> None:
    class Cut(StandIn):
        before_asking = staticmethod(s3.wire.cut)

    machine = Machine(db, s3.machine(tmp_path / "a"), "a", Cut, lease_ms=400)
    job = (await films.submit(db, machine.media, find_checkpoint("tiny", tmp_path).card, [2]))[0]
    async with machine.working():
        for done in (1, 2):
            await machine.until(job, lambda now, done=done: not s3.wire.up and now.done == done - 1)  # type: ignore[misc]
            await asyncio.sleep(0.6)
            assert await jobs.claim(db, "another", LEASE_MS) is None, "it is held for longer than a lease"
            s3.wire.mend()
            job = await machine.until(job, lambda now, done=done: now.done == done)  # type: ignore[misc]
    assert (job.state, job.fence, job.crashes) == (State.DONE, 2, 0), "no section was made twice"


BREAKS = """
    CREATE SEQUENCE tries;
    CREATE FUNCTION breaks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('tries') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(1); END IF;
        RETURN new;
    END $$;
    CREATE TRIGGER breaks BEFORE INSERT ON section FOR EACH ROW EXECUTE FUNCTION breaks()
"""


async def test_a_section_that_is_made_waits_for_a_database_that_is_away(s3: "S3", tmp_path: Path) -> None:
    with postgres.opened() as server:
        url = server.fresh()
        server.sql(BREAKS, url.split("@/")[1].split("?")[0])
        async with Database.open(url, data_dir=tmp_path / "db") as db:
            machine = Machine(db, s3.machine(tmp_path / "a"), "a:00000000")
            job = (await films.submit(db, machine.media, find_checkpoint("tiny", tmp_path).card, [1]))[0]
            async with machine.working():
                job = await machine.until(job, lambda now: now.state.terminal)
    assert (job.state, job.fence, job.crashes) == (State.DONE, 1, 0), "the section was made once"


async def test_a_turn_whose_files_cannot_be_had_is_put_off(s3: "S3", db: Database, tmp_path: Path) -> None:
    machine = Machine(db, s3.machine(tmp_path / "a"), "a")
    job = (await films.submit(db, s3.machine(tmp_path / "front"), find_checkpoint("tiny", tmp_path).card, [1]))[0]
    s3.wire.cut()
    async with machine.working():
        job = await machine.until(job, lambda now: now.reason == "media_away")
        assert (job.state, job.crashes) == (State.QUEUED, 0)
        s3.wire.mend()
        await asyncio.sleep(0.7)
        db.notify()
        job = await machine.until(job, lambda now: now.state.terminal)
    assert (job.state, job.crashes, job.reason) == (State.DONE, 0, None)
