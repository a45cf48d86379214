"""Several dispatchers on one database: what is wrong with one machine is no film's trouble, and others go on."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from db import jobs, workers
from db.connect import Database
from db.media import Disk, Media, settle_store
from db.models import State
from db.room import Room
from db.rows import Job
from gen.bench import films
from gen.card import find_checkpoint
from gen.config import ModelConfig
from gen.dispatch import Dispatch
from gen.process import ChildProcess
from tests import postgres
from tests.at_work import at_work
from tests.ready import ready

TIMEOUT_S = 60


class StandIn(ChildProcess):
    module = "tests.fakes.child"


class Together(Database):
    """One that says it is shared: what a dispatcher makes of that needs no server."""

    shared = True


class Team:
    """Films, and workers that were given different machines."""

    def __init__(self, db: Database, folder: Path) -> None:
        self.db, self.folder, self.media = db, folder, Media(folder / "media")
        self.card = find_checkpoint("tiny").card

    def worker(self, name: str, *, media: Media | None = None, db: Database | None = None, **script: Any) -> Dispatch:
        """script: as tests/fakes/child.py says"""
        model = ModelConfig(name=json.dumps(script), device="cpu", threads=1)
        media, name = media or self.media, f"{name}:1"
        return Dispatch(
            db or self.db, media, model, self.folder, worker=name, children=StandIn, retry_ms=100, lease_ms=60_000
        )

    async def submit(self, *sections: int) -> list[Job]:
        return await films.submit(self.db, self.media, self.card, list(sections))

    async def until(self, job: Job, holds: Any) -> Job:
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                seen = self.db.commits
                if holds(job := await jobs.get(self.db, job.id)):
                    return job
                await self.db.changed(seen, 0.2)

    async def ended(self, films: list[Job]) -> list[Job]:
        return [await self.until(film, lambda now: now.state.terminal) for film in films]


@asynccontextmanager
async def working(*those: Dispatch) -> AsyncIterator[None]:
    """While these work; each is in the list of workers."""
    for each in those:
        await workers.here(each.db, each.worker, "any", works=True)
    async with at_work(*those):
        yield


async def rested(worker: Dispatch, times: int) -> None:
    """Wait until it rests so often in a row, waking it as time would."""
    async with asyncio.timeout(TIMEOUT_S):
        while worker.rests < times:
            worker.db.notify()
            await asyncio.sleep(0.02)


@pytest.fixture
async def team(tmp_path: Path) -> AsyncIterator[Team]:
    async with Together.open("", data_dir=ready(tmp_path)) as db:
        yield Team(db, tmp_path)


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.opened() as server:
        yield server


@pytest.mark.parametrize("how", ["no card", "dies"])
async def test_of_two_machines_one_that_is_broken_fails_no_film(
    server: postgres.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr("gen.dispatch.CRASH_RETRY_MS", 0)
    (tmp_path / "gone").touch()
    script: dict[str, Any] = {"dies": 0} if how == "dies" else {"gone": str(tmp_path / "gone")}
    url = server.fresh()
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(Database.open(url, data_dir=ready(tmp_path / n))) for n in ("one", "other")
        ]
        team = Team(one, tmp_path)
        broken = team.worker("bad", db=other, **script)
        waiting = await team.submit(*[2] * 4)
        async with working(broken):
            await rested(broken, 1)
            assert {job.state for job in await jobs.recent(one, 9)} == {State.QUEUED}
            async with working(team.worker("good", step_s=0.02)):
                ended = await team.ended(waiting)
        assert {(job.state, job.reason, job.losses) for job in ended} == {(State.DONE, None, 0)}


@pytest.mark.parametrize("script", [{"unborn": True}, {"room": 9, "loading": True}])
async def test_what_a_model_cannot_be_loaded_for_costs_no_film_and_is_found_over_without_one(
    team: Team, caplog: pytest.LogCaptureFixture, script: dict[str, Any]
) -> None:
    caplog.set_level("INFO")
    worker = team.worker("bad", **script)
    (film,) = await team.submit(2)
    await workers.here(team.db, "another:1", "any", works=True)
    async with working(worker):
        await rested(worker, 3)
        now = await jobs.get(team.db, film.id)
        assert (now.state, now.reason, now.crashes, now.tighter, now.fence) == (State.QUEUED, None, 0, 0, 1)
        said = [record.levelname for record in caplog.records if "worker rests" in record.message]
        assert said[:3] == ["WARNING", "INFO", "INFO"]
        assert (worker.loader.tighter > 0) == ("room" in script), "where memory was short it is tried in less"
        worker.loader.model = ModelConfig(name="{}", device="cpu", threads=1)
        worker.rests_until = 0.0
        team.db.notify()
        (now,) = await team.ended([film])
    assert (now.state, now.fence, worker.rests) == (State.DONE, 3, 0)
    assert "worker is well again" in caplog.text


async def test_one_of_several_removes_no_file_that_another_may_be_about_to_name(team: Team) -> None:
    sha = team.media.put(b"latents")
    await team.worker("a").drop([sha])
    assert team.media.exists(sha)


async def test_a_rest_is_twice_as_long_each_time_and_ten_minutes_at_most(team: Team) -> None:
    worker, rests = team.worker("a"), []
    for _ in range(9):
        worker.rest("device_missing", {}, 30.0)
        rests.append(round(worker.rests_until - time.monotonic()))
    assert rests == [30, 60, 120, 240, 480, *[600] * 4]
    worker.rest("media_away", {}, 30.0, grows=False)
    assert round(worker.rests_until - time.monotonic()) == 30


@pytest.mark.parametrize("others", [False, True])
async def test_what_one_worker_waits_for_is_said_at_a_film_only_where_there_is_no_other(
    team: Team, others: bool
) -> None:
    class Full(Disk):
        def free_bytes(self, folder: Path) -> int:
            return 0

    (film,) = await team.submit(1)
    short, gone = team.worker("short"), team.worker("gone")
    short.room = Room(Media(team.folder / "full", Full()), 1 << 20)
    gone.rest("device_missing", {"device": "cuda"}, 60.0)
    for worker in (short, gone):
        await workers.here(team.db, worker.worker, "any", works=True)
        if others:
            await workers.here(team.db, "another:1", "any", works=True)
        assert await worker.next() is None
        expected = None if others else "disk_full" if worker is short else "device_missing"
        assert (await jobs.get(team.db, film.id)).reason == expected
        await workers.gone(team.db, worker.worker)


@pytest.mark.parametrize("reason", ["worker_crashed", "out_of_memory"])
async def test_what_may_be_the_films_fault_is_counted_once_at_each_worker_while_it_can_do_nothing_else(
    team: Team, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    """So a film that no worker can make ends, and one that cannot make any film ends none quickly."""
    monkeypatch.setattr("gen.dispatch.CRASH_REST_S", 0.0)
    monkeypatch.setattr("gen.dispatch.CRASH_RETRY_MS", 0)
    (film,) = await team.submit(1)
    await workers.here(team.db, "another:1", "any", works=True)
    a, b = (team.worker(name, **({"dies": 0} if reason == "worker_crashed" else {"ill": reason})) for name in "ab")
    crashes = []
    try:
        for worker in (a, a, a, b, b, b, a):
            if reason == "out_of_memory" and not crashes:  # first it is tried with less memory
                await worker.turn(await took(worker))
            await worker.turn(await took(worker))
            crashes.append((await jobs.get(team.db, film.id)).crashes)
    finally:
        for worker in (a, b):
            assert worker.loader.child
            await worker.loader.child.close()
    assert crashes == [1, 1, 1, 2, 2, 2, 3]
    now = await jobs.get(team.db, film.id)
    assert (now.state, now.reason) == (State.FAILED, reason)


async def took(worker: Dispatch) -> Any:
    claim = await jobs.claim(worker.db, worker.worker, 60_000)
    assert claim is not None
    return claim


async def test_a_worker_that_is_alone_fails_a_film_that_kills_its_child(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gen.dispatch.CRASH_REST_S", 0.0)
    monkeypatch.setattr("gen.dispatch.CRASH_RETRY_MS", 0)
    bad, good = await team.submit(2, 1)
    await workers.here(team.db, "front:1", "any", works=False)
    async with working(team.worker("a", dies=1)):
        bad, good = await team.ended([bad, good])
    assert (bad.state, bad.reason, bad.done, bad.facts["crashes"]) == (State.FAILED, "worker_crashed", 1, 3)
    assert bad.fence == 1 + 3, "each crash counted"
    assert good.state == State.DONE


async def test_a_file_that_is_not_in_the_workers_store_is_lost_only_if_the_store_is_the_fronts(
    team: Team, caplog: pytest.LogCaptureFixture
) -> None:
    (film,) = await team.submit(2)
    await settle_store(team.db, team.media)
    worker = team.worker("a", media=Media(team.folder / "own"))
    async with working(worker):
        await rested(worker, 2)
        now = await jobs.get(team.db, film.id)
        assert (now.state, now.fence, now.done) == (State.QUEUED, 1, 0)
        assert now.reason == "media_away", "it is alone, so whoever waits is told"
        assert "nothing of the others' is there): give all the same [media] url" in caplog.text
        worker.media = team.media
        worker.rests_until = 0.0
        team.db.notify()
        await team.ended([film])
        team.media.drop(film.picture)
        again = await films.submit_one(team.db, team.card, film.picture, 1, 7, "")
        (now,) = await team.ended([again])  # the child says what a lost picture means, and this one needs none
    assert (now.fence, worker.rests) == (1, 0)
