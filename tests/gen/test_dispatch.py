"""The dispatcher with a real child, a real database and the golden weights: what happens when things go wrong."""

import asyncio
import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import psutil
import pytest
import pytest_asyncio

from bot import control
from bot.errors import Refused
from bot.intake import Asked, Intake
from db import engines, jobs, people, progress, requests, sections
from db.config import load
from db.connect import Database
from db.errors import LeaseLost, MediaAway
from db.media import Disk, Media, media_keep
from db.models import Platform, State
from db.room import Room
from db.rows import Job
from db.said import packed, said
from db.sqlite import Sqlite
from db.workers import Crew
from flipbot.checkup import paces_of
from flipbot.model import changed_model, give_up
from flipbot.planning import make_planner, model_facts, rules
from flipbot.settings import SECTIONS, Settings
from gen.bench import films
from gen.card import find_checkpoint
from gen.config import ModelConfig
from gen.dispatch import Dispatch, heard
from gen.film import probe, read_frames
from gen.process import ChildFailed, ChildHung, ChildProcess, Told
from tests.at_work import at_work
from tests.e2e.conftest import CARD, GOLDEN
from tests.ready import ready

TIMEOUT_S = 120
pytestmark = pytest.mark.asyncio(loop_scope="module")


class Shared(ChildProcess):
    """One child for all tests of a module, since most of a test's time would go into starting it."""

    kept: ClassVar[list["Shared"]] = []
    loaded: tuple[dict[str, Any], dict[str, Any]] | None = None
    busy = False

    @classmethod
    async def start(cls) -> Self:
        for child in cls.kept:
            if isinstance(child, cls) and child.alive:
                return child
        cls.kept[:] = [child := await super().start()]
        return child

    async def load(self, **settings: Any) -> dict[str, Any]:
        if self.loaded is None or self.loaded[0] != settings:
            self.loaded = None
            self.loaded = (settings, await super().load(**settings))
        return self.loaded[1]

    async def section(self, on_told: Callable[[Told], Awaitable[None]], **asked: Any) -> dict[str, Any]:
        self.busy = True
        try:
            made = await super().section(on_told, **asked)
        except ChildFailed:
            self.busy = False
            raise
        self.busy = False
        return made

    async def close(self, patience_s: float = 5.0, *, last: bool = False) -> None:
        if self.busy or last or self.loaded is None:
            await super().close(patience_s)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[type[Shared]]:
    yield Shared
    for child in Shared.kept:
        await child.close(last=True)
    Shared.kept.clear()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder that reads the golden weights where they lie; both orders."""
    folder = tmp_path_factory.mktemp("model")
    for part in [*(GOLDEN / "weights").iterdir(), *(GOLDEN / "encoders").iterdir()]:
        (folder / part.name).symlink_to(part, target_is_directory=True)
    card = CARD | {"latent_window_size": 3, "samplings": ["f1", "inverted"], "steps": 3}
    (folder / "flipbot.json").write_text(json.dumps(card))
    return folder


class StandIn(ChildProcess):
    module = "tests.fakes.child"


class Impatient(StandIn):
    silent_s = 6.0


class Bench:
    """A database, its files, and a dispatcher that works on them."""

    def __init__(
        self, db: Database, folder: Path, model: Path, children: type[ChildProcess] = ChildProcess, **script: Any
    ) -> None:
        """script: what a stand-in for the child does, see tests/fakes/child.py"""
        self.db, self.media = db, Media(folder / "media")
        self.card = find_checkpoint(str(model)).card
        name = json.dumps(script) if children is StandIn else str(model)
        config = ModelConfig(name=name, device="cpu", threads=1)
        self.dispatch = Dispatch(db, self.media, config, model.parent / "models", worker="test", children=children)

    def script(self, **what: Any) -> None:
        """What the stand-in does from its next start on."""
        self.dispatch.loader.model = ModelConfig(name=json.dumps(what), device="cpu", threads=1)

    async def submit(self, count: int) -> Job:
        return (await films.submit(self.db, self.media, self.card, [count], "a red boat"))[0]

    async def until(self, job: Job, holds: Callable[[Job], bool]) -> Job:
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                seen = self.db.commits
                job = await jobs.get(self.db, job.id)
                if holds(job):
                    return job
                await self.db.changed(seen, 0.2)

    async def tidy(self) -> None:
        """Wait until every file has a row, every row its file, and nothing lies in a work folder."""
        async with asyncio.timeout(TIMEOUT_S):
            while not await self.is_tidy():  # noqa: ASYNC110 - files tell nobody when they go
                await asyncio.sleep(0.05)

    async def is_tidy(self) -> bool:
        root = self.media.root
        named = {path.name for path in root.glob("??/*")} == await media_keep(self.db)
        return named and not list((root / "tmp").iterdir())

    async def ended(self, job: Job) -> Job:
        return await self.until(job, lambda now: now.state.terminal)

    def working(self) -> AbstractAsyncContextManager[None]:
        return at_work(self.dispatch)

    def child(self) -> psutil.Process:
        assert self.dispatch.loader.child is not None
        return psutil.Process(self.dispatch.loader.child.process.pid)


@pytest_asyncio.fixture(loop_scope="module")
async def bench(tmp_path: Path, model: Path, shared: type[Shared]) -> AsyncIterator[Bench]:
    async with Database.open("", data_dir=ready(tmp_path)) as db:
        yield Bench(db, tmp_path, model, shared)


@pytest_asyncio.fixture(loop_scope="module")
async def quick(tmp_path: Path, model: Path) -> AsyncIterator[Bench]:
    """With a stand-in for the child, a real process that does what the test says, at a tenth of the time."""
    async with Database.open("", data_dir=ready(tmp_path)) as db:
        yield Bench(db, tmp_path, model, StandIn, step_s=0.02)


async def test_a_film_grows_section_by_section(bench: Bench) -> None:
    job = await bench.submit(3)
    seen = []
    async with bench.working():
        for done in (1, 2, 3):
            now = await bench.until(job, lambda job, done=done: job.done >= done)  # type: ignore[misc]
            assert now.film is not None
            seen.append(probe(bench.media.path(now.film)).frames)
        await bench.tidy()
    assert seen[-1] == 37
    assert seen == sorted(seen)
    job = await bench.ended(job)
    assert job.state == State.DONE
    made = await sections.of(bench.db, job.id)
    assert [section.frames for section in made] == [13, 25, 37]
    (engine,) = await engines.all_of(bench.db)
    assert (engine.name, engine.model, engine.plan["precision"]) == ("test cpu", "small", "fp32")
    assert engine.ram > engine.plan["parts"]["blocks"] > 0
    assert len(list(read_frames(bench.media.path(str(job.film))))) == 37
    # the doctor judges the speed by these: the steps that were computed stand in the latents' header
    settings = Settings(**load(None, SECTIONS))
    settings = replace(settings, service=replace(settings.service, data_dir=str(bench.media.root.parent)))
    settings = replace(settings, model=replace(settings.model, name=bench.card.name))
    paces = paces_of(await control.recent_sections(bench.db), settings)
    assert [(pace.steps, pace.sampling_ms) for pace in paces] == [(3, section.sampling_ms) for section in made]


async def test_who_is_ended_just_after_a_section_was_recorded_says_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await films.submit(bench.db, bench.media, bench.card, [1, 1], "a red boat")
    claim = await jobs.claim(bench.db, "test", 60_000)
    assert claim
    times = {"sampling_ms": 1, "decode_ms": 1, "encode_ms": 1}
    files: dict[str, Any] = {name: bench.media.put(name.encode()) for name in ("latents", "clip", "film")}
    await sections.record(bench.db, claim, sections.Made(n=0, tail=None, frames=13, **files, **times))
    await bench.dispatch.give_back(claim)
    assert "lease lost" not in caplog.text
    claim = await jobs.claim(bench.db, "test", 60_000)
    assert claim
    await jobs.end(bench.db, claim, State.CANCELLED)
    await bench.dispatch.give_back(claim)
    assert "lease lost" in caplog.text


async def test_progress_shows_steps_and_a_preview(bench: Bench) -> None:
    job = await bench.submit(2)
    previews = set()
    async with bench.working():
        async with asyncio.timeout(TIMEOUT_S):
            while not (await jobs.get(bench.db, job.id)).state.terminal:
                told = await progress.of(bench.db, job.id)
                if told is not None and told.preview:
                    previews.add(told.preview[:3])
                await asyncio.sleep(0.02)
    assert previews == {b"\xff\xd8\xff"}, "JPEGs"


async def test_what_comes_after_the_last_step_keeps_it(tmp_path: Path) -> None:
    told = []

    async def hear(each: Told) -> None:
        told.append((each.phase, each.step, each.of))

    child = await StandIn.start()
    try:
        await child.load(model="{}", tighter=0, device="cpu")
        await child.section(hear, n=0, plan={}, out=str(tmp_path), conditioning=None)
    finally:
        await child.close()
    assert told == [("sampling", 0, 0), ("sampling", 1, 2), ("sampling", 2, 2), ("writing", 2, 2)]


class Ending(ChildProcess):
    """One whose process ends when the test says so."""

    def __init__(self) -> None:
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.process = SimpleNamespace(stdin=None, wait=self.wait)  # type: ignore[assignment]

    async def wait(self) -> int:
        return await self.ended


@pytest.mark.parametrize("turns", range(4))
async def test_who_is_cancelled_just_as_a_child_ends_hears_it(turns: int) -> None:
    child = Ending()
    closing = asyncio.create_task(child.close())
    await asyncio.sleep(0.01)
    child.ended.set_result(0)
    for _ in range(turns):
        await asyncio.sleep(0)
    over = closing.done()
    closing.cancel()
    await asyncio.wait([closing])
    assert closing.cancelled() is not over, "it had ended before, or it is cancelled"


async def test_a_killed_child_costs_one_section_at_most(quick: Bench) -> None:
    quick.script(step_s=0.3)
    job = await quick.submit(3)
    async with quick.working():
        await quick.until(job, lambda now: now.done >= 1)
        quick.child().kill()
        job = await quick.ended(job)
    assert (job.state, job.done, job.crashes) == (State.DONE, 3, 0)
    assert job.fence - job.sections <= 1


async def test_a_job_that_kills_its_worker_fails_with_its_reason_and_frees_the_next(quick: Bench) -> None:
    quick.script(dies=1)
    quick.dispatch.idle_s = 0.2
    job, other = await films.submit(quick.db, quick.media, quick.card, [3, 1])
    async with quick.working():
        job, other = await quick.ended(job), await quick.ended(other)
    assert (job.state, job.reason, job.done) == (State.FAILED, "worker_crashed", 1)
    assert (job.facts["crashes"], job.facts["section"]) == (3, 1)
    assert job.film is not None, "what is finished is kept"
    assert other.state == State.DONE


async def test_a_child_that_hangs_is_killed_and_its_section_tried_again(
    quick: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    quick.script(hangs=str(tmp_path / "mended"))
    quick.dispatch.loader.children = Impatient
    quick.dispatch.idle_s = 0.2
    job = await quick.submit(2)
    async with quick.working():
        now = await quick.until(job, lambda now: now.crashes > 0)
        assert not now.state.terminal and "child hung" in caplog.text
        (tmp_path / "mended").touch()
        now = await quick.ended(job)
    assert (now.state, now.done, now.crashes) == (State.DONE, 2, 0)


async def test_a_film_waits_for_a_card_that_was_there_and_is_gone(quick: Bench, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    quick.script(gone=str(gone), step_s=0.2)
    quick.dispatch.retry_ms = 300
    quick.dispatch.idle_s = 0.2
    job = await quick.submit(3)
    async with quick.working():
        await quick.until(job, lambda now: now.done >= 1)
        gone.touch()
        now = await quick.until(job, lambda now: now.reason == "device_missing")
        assert now.state == State.QUEUED
        assert now.facts == {"device": "cpu"}, "the one it had, not the one that it would take now"
        gone.unlink()
        now = await quick.ended(job)
    assert (now.state, now.done, now.reason) == (State.DONE, 3, None)


async def test_a_film_waits_for_weights_that_were_there_and_are_gone(quick: Bench, tmp_path: Path) -> None:
    card = tmp_path / "card"
    card.write_text(quick.card.identity)
    quick.script(card=str(card), step_s=0.1)
    quick.dispatch.retry_ms = 100
    job = await quick.submit(2)
    async with quick.working():
        await quick.until(job, lambda now: now.done >= 1)
        card.unlink()
        quick.child().kill()
        now = await quick.until(job, lambda now: now.reason == "checkpoint_missing")
        assert now.state == State.QUEUED
        card.write_text(quick.card.identity)
        await asyncio.sleep(0.2)
        quick.db.notify()  # it would look by itself
        now = await quick.ended(job)
    assert (now.state, now.done, now.reason) == (State.DONE, 2, None)


async def test_a_film_fails_where_there_was_never_such_a_card(quick: Bench, tmp_path: Path) -> None:
    (tmp_path / "gone").touch()
    quick.script(gone=str(tmp_path / "gone"))
    job = await quick.submit(1)
    async with quick.working():
        job = await quick.ended(job)
    assert (job.state, job.reason) == (State.FAILED, "device_missing")


@pytest.mark.parametrize("loading", [False, True])
async def test_out_of_memory_is_tried_once_more_with_the_next_smaller_plan(quick: Bench, loading: bool) -> None:
    """The second film needs a smaller one still than what the child has loaded by then."""
    quick.script(room=1 if loading else [1, 2], loading=loading)
    first, second = await films.submit(quick.db, quick.media, quick.card, [2, 2])
    async with quick.working():
        first, second = await quick.ended(first), await quick.ended(second)
        await quick.tidy()
    assert (first.state, first.tighter, first.crashes, first.fence) == (State.DONE, 1, 0, 3)
    assert (second.state, second.tighter, second.fence) == (State.DONE, *((0, 2) if loading else (2, 3)))


@pytest.mark.parametrize("loading", [False, True])
async def test_out_of_memory_twice_fails_the_film_with_its_reason_and_frees_the_next(
    quick: Bench, loading: bool
) -> None:
    quick.script(room=9 if loading else [9, 0], loading=loading)
    first, second = await films.submit(quick.db, quick.media, quick.card, [2, 1])
    async with quick.working():
        first, second = await quick.ended(first), await quick.ended(second)
    assert (first.state, first.reason, first.fence, first.crashes) == (State.FAILED, "out_of_memory", 2, 0)
    assert (second.state, second.reason) == ((State.FAILED, "out_of_memory") if loading else (State.DONE, None))


async def test_loading_longer_than_a_lease_costs_nothing(quick: Bench) -> None:
    quick.dispatch.lease_ms = 4000  # renewed every second: a busy machine may be late by three
    quick.script(load_s=6.0)
    job = await quick.submit(2)
    async with quick.working():
        job = await quick.ended(job)
    assert (job.state, job.crashes, job.fence) == (State.DONE, 0, 2), "each section was claimed once"


@pytest.mark.parametrize("lease_ms", [60_000, 4000])
async def test_a_freeze_that_outlasts_the_lease_costs_nothing_where_nobody_took_the_job(
    quick: Bench, caplog: pytest.LogCaptureFixture, lease_ms: int
) -> None:
    """Whether the section is there before the lease is renewed, or after that."""
    quick.dispatch.lease_ms = lease_ms
    quick.script(step_s=1.2)
    job = await quick.submit(2)
    async with quick.working():
        await quick.until(job, lambda now: now.state == State.RUNNING)
        wake_after(quick.db, lease_ms + 1)
        job = await quick.ended(job)
    assert (job.state, job.crashes, job.fence) == (State.DONE, 0, 2), "each section was claimed once"
    assert caplog.text.count("lease revived") == 1 and "lease lost" not in caplog.text


@pytest.mark.parametrize("how", ["dies", "fails", "wish", "ends"])
async def test_a_turn_ends_as_it_would_have_without_the_freeze(quick: Bench, how: str) -> None:
    script: dict[str, Any] = {"step_s": 1.0}
    match how:
        case "dies":
            script["dies"] = 0
        case "fails":
            script["room"] = [9, 9]
    quick.script(**script)
    job = await quick.submit(3)
    async with quick.working():
        job = await quick.until(job, lambda now: now.state == State.RUNNING)
        wake_after(quick.db, 60_001)
        match how:
            case "dies":
                job = await quick.until(job, lambda now: now.crashes > 0)
                assert (job.reason, job.crashes) == ("worker_crashed", 1)
            case "fails":
                job = await quick.ended(job)
                assert (job.state, job.reason, job.crashes) == (State.FAILED, "out_of_memory", 0)
            case "wish":
                await requests.wish(quick.db, job.id, "cancel", by="me")
                job = await quick.ended(job)
                assert (job.state, job.crashes) == (State.CANCELLED, 0)
    if how == "ends":
        job = await jobs.get(quick.db, job.id)
        assert (job.state, job.crashes, job.fence) == (State.QUEUED, 0, 1)


class Unstarted(StandIn):
    """Of which none can be started, for the reason that the test gives."""

    why: ClassVar[Exception]

    @classmethod
    async def start(cls) -> Self:
        raise cls.why


async def turned(bench: Bench, job: Job) -> Job:
    """After one turn, which ends as it ends."""
    claim = await jobs.claim(bench.db, "test", 60_000)
    assert claim is not None and claim.job.id == job.id
    await bench.dispatch.turn(claim)
    return await jobs.get(bench.db, job.id)


async def test_of_children_that_die_before_they_have_loaded_every_third_counts_against_the_film(
    quick: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash of the engine's at its start is hardly the film's, but it must end somewhere."""
    monkeypatch.setattr("gen.dispatch.CRASH_RETRY_MS", 0)
    Unstarted.why, quick.dispatch.loader.children = ChildHung(-9, 1800.0), Unstarted
    job, crashes = await quick.submit(1), []
    for quick.dispatch.loader.died_loading in range(1, 5):
        job = await turned(quick, job)
        crashes.append(job.crashes)
    assert crashes == [0, 0, 1, 1]
    assert (job.state, job.reason) == (State.QUEUED, "worker_crashed")
    assert job.facts["silent_s"] == 1800.0, "that it stopped answering is said, not only that it died"


async def test_a_fault_of_ours_ends_the_attempt_and_not_the_service(quick: Bench) -> None:
    Unstarted.why, quick.dispatch.loader.children = ValueError("nobody thought of that"), Unstarted
    job = await turned(quick, await quick.submit(1))
    assert (job.state, job.reason, job.crashes) == (State.QUEUED, "internal", 1)
    assert job.facts["what"] == "ValueError"


async def test_what_cannot_be_given_back_now_is_before_the_next_turn(quick: Bench) -> None:
    job = await quick.submit(1)
    claim = await jobs.claim(quick.db, "test", 60_000)
    assert claim is not None
    quick.db.busy_s = 0.0
    with quick.db.transaction() as tx:
        tx.exec_driver_sql("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(quick.db.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        await quick.dispatch.give_back(claim)
        assert quick.dispatch.in_trouble
        await quick.dispatch.loader.note(engines.loaded(quick.db, "test cpu", "small", {}))  # nobody waits for that
        assert (await jobs.get(quick.db, job.id)).state == State.RUNNING
    claim = await quick.dispatch.next()
    assert claim is not None and (claim.job.fence, quick.dispatch.in_trouble) == (2, False)


async def test_that_a_lease_is_not_kept_any_more_is_said(caplog: pytest.LogCaptureFixture) -> None:
    async def keeps(error: Exception) -> None:
        raise error

    task = asyncio.create_task(keeps(ValueError("nobody thought of that")))
    await asyncio.wait([task])
    heard(task)
    assert "a lease was not kept any more" in caplog.text and "nobody thought" in caplog.text


async def test_a_section_is_given_up_where_its_store_stays_away(quick: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gen.dispatch.AWAY_S", 0.3)
    quick.dispatch.retry_ms = 30
    tries = []

    async def adopt() -> sections.Made:
        tries.append(1)
        raise MediaAway("s3://films", "it does not answer", "see to the network")

    await quick.submit(1)
    claim = await jobs.claim(quick.db, "test", 60_000)
    assert claim is not None
    with pytest.raises(MediaAway):
        await quick.dispatch.once_back(claim, adopt)
    assert len(tries) > 1
    monkeypatch.setattr("gen.dispatch.AWAY_S", 5.0)
    await jobs.release(quick.db, claim)
    assert await jobs.claim(quick.db, "another", 60_000)
    with pytest.raises(LeaseLost):  # nor longer than anybody has a use for it
        await quick.dispatch.once_back(claim, adopt)


async def test_a_section_that_is_made_waits_for_a_system_that_has_no_files_left(quick: Bench) -> None:
    quick.dispatch.retry_ms = 60
    await quick.submit(1)
    claim = await jobs.claim(quick.db, "test", 60_000)
    assert claim is not None and isinstance(quick.db.engines, Sqlite) and quick.db.engines.writing
    quick.db.engines.writing.dispose()
    away = quick.db.path.rename(quick.db.path.with_name("away"))  # opened anew, it is not to be had
    quick.db.path.mkdir()
    sha = "0" * 64
    times = {"sampling_ms": 1, "decode_ms": 1, "encode_ms": 1}
    made = sections.Made(n=0, latents=sha, clip=None, tail=None, film=sha, frames=37, **times)
    recording = asyncio.create_task(quick.dispatch.once_back(claim, lambda: sections.record(quick.db, claim, made)))
    await asyncio.wait([recording], timeout=0.1)
    quick.db.path.rmdir()
    away.rename(quick.db.path)
    assert (await recording).job.done == 1


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system freezes no processes")
async def test_a_child_that_was_frozen_together_with_the_service_is_not_taken_for_hung(quick: Bench) -> None:
    quick.script(step_s=0.5)
    quick.dispatch.loader.children = Impatient
    job = await quick.submit(2)
    async with quick.working():
        await quick.until(job, lambda now: now.done == 1 and now.state == State.RUNNING)
        child = quick.child()
        child.suspend()
        time.sleep(Impatient.silent_s + 0.5)  # noqa: ASYNC251 - nothing in this process goes on either
        child.resume()
        job = await quick.ended(job)
    assert (job.state, job.crashes, job.fence) == (State.DONE, 0, 2)


def wake_after(db: Database, frozen_ms: int) -> None:
    """So long this process was frozen, says the clock that leases are counted by."""
    steady = db.steady
    db.steady = lambda: steady() + frozen_ms


async def test_that_the_model_is_loaded_is_told(quick: Bench) -> None:
    quick.script(load_s=1.0, step_s=1.0)
    job, phases = await quick.submit(1), []
    async with quick.working():
        while not job.state.terminal:
            seen = quick.db.commits
            job, now = await jobs.get(quick.db, job.id), await progress.of(quick.db, job.id)
            phases += [] if now is None or now.phase in phases else [now.phase]
            await quick.db.changed(seen, 0.2)
    assert phases[:2] == ["loading", "sampling"]


async def test_a_cancel_is_heard_while_the_model_is_loaded(quick: Bench) -> None:
    quick.script(load_s=1.0, step_s=2.0)
    job = await quick.submit(60)
    async with quick.working():
        await quick.until(job, lambda now: now.state == State.RUNNING)
        await requests.wish(quick.db, job.id, "cancel", by="me")
        job = await quick.ended(job)
    assert (job.state, job.done) == (State.CANCELLED, 0)


async def test_why_a_film_failed_arrives_as_what_can_be_translated(
    quick: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    why = said("{package} is not installed", package="flash-attn")
    quick.script(ill="attention_missing", facts=packed({"name": "flash", "why": why}))
    job = await quick.submit(1)
    async with quick.working():
        job = await quick.ended(job)
    assert (job.state, job.reason, job.facts) == (State.FAILED, "attention_missing", {"name": "flash", "why": why})
    assert job.facts["why"].template == why.template
    assert "'why': 'flash-attn is not installed'" in caplog.text


async def test_stop_keeps_what_is_finished(bench: Bench) -> None:
    job = await bench.submit(40)
    async with bench.working():
        await bench.until(job, lambda now: now.done >= 2)
        await requests.wish(bench.db, job.id, "stop", by="me")
        job = await bench.ended(job)
    assert job.state == State.STOPPED
    assert job.done >= 2
    assert probe(bench.media.path(str(job.film))).frames == 12 * job.done + 1


async def test_cancel_ends_a_running_job_and_frees_the_next(bench: Bench) -> None:
    first, second = await films.submit(bench.db, bench.media, bench.card, [60, 1])
    async with bench.working():
        await bench.until(first, lambda now: now.state == State.RUNNING)
        await requests.wish(bench.db, first.id, "cancel", by="me")
        first, second = await bench.ended(first), await bench.ended(second)
    assert first.state == State.CANCELLED
    assert second.state == State.DONE


async def test_a_dispatcher_that_stops_gives_its_job_back(quick: Bench) -> None:
    job = await quick.submit(60)
    async with quick.working():
        await quick.until(job, lambda now: now.done >= 1)
        child = quick.child()
    job = await jobs.get(quick.db, job.id)
    assert (job.state, job.worker, job.crashes) == (State.QUEUED, None, 0)
    assert not child.is_running()


async def test_a_missing_tail_and_conditioning_change_nothing(bench: Bench) -> None:
    """Both can be made again; the film is the same."""
    whole, broken = await films.submit(bench.db, bench.media, bench.card, [3, 3])
    broken_plan = dict(broken.plan) | {"seed": whole.plan["seed"]}
    ask = requests.Ask(
        key="again", platform=whole.platform, user_id="bench", chat_id="bench", locale="en", picture=whole.picture,
        prompt="", settings={}, plan=broken_plan, sections=3,
    )  # fmt: skip
    await requests.wish(bench.db, broken.id, "cancel", by="me")
    async with bench.working():
        whole = await bench.ended(whole)
        again = await requests.submit(bench.db, ask, films.NO_LIMITS)
        now = await bench.until(again, lambda now: now.done >= 1)
        for sha in (now.tail, now.conditioning):
            if sha is not None and sha not in (whole.tail, whole.conditioning):
                bench.media.drop(sha)
        again = await bench.ended(again)
    assert again.state == State.DONE
    assert again.film == whole.film


async def test_a_checkpoint_that_cannot_be_loaded_fails_the_job_with_the_files_name(
    bench: Bench, tmp_path: Path
) -> None:
    bench.dispatch.loader.model = ModelConfig(name=str(tmp_path / "nowhere"))
    job = await bench.submit(1)
    async with bench.working():
        job = await bench.ended(job)
    assert (job.state, job.reason) == (State.FAILED, "checkpoint_missing")
    assert "nowhere" in str(job.facts)


class Filling(Disk):
    """A disk on which only so much is free."""

    def __init__(self, free: int) -> None:
        self.free = free

    def free_bytes(self, folder: Path) -> int:
        return self.free


class Pause:
    """Holds a dispatcher between two turns, its child alive, by a disk that is full."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.disk = bench, Filling(1 << 40)
        bench.media.disk = self.disk
        bench.dispatch.room = Room(bench.media, 1 << 20)

    async def at(self, job: Job, done: int) -> Job:
        job = await self.bench.until(job, lambda now: now.done >= done)
        self.disk.free = 0
        job = await self.bench.until(job, lambda now: now.state != State.RUNNING and now.reason == "disk_full")
        assert not job.state.terminal and job.done >= 2, "the film is too short for this test"
        return job

    def over(self) -> None:
        self.disk.free = 1 << 40
        self.bench.db.notify()


def again(job: Job, **changes: Any) -> requests.Ask:
    """An order of the very same film."""
    fields: dict[str, Any] = {
        "key": "again", "platform": job.platform, "user_id": "bench", "chat_id": "bench", "locale": "en",
        "picture": job.picture, "prompt": "", "settings": {}, "plan": dict(job.plan), "sections": job.sections,
    }  # fmt: skip
    return requests.Ask(**fields | changes)


def damage(path: Path) -> None:
    """One bit, as a failing disk does it."""
    content = path.read_bytes()
    path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])


async def all_whole(bench: Bench) -> None:
    for sha in await media_keep(bench.db):
        assert bench.media.verify(sha)


async def test_a_damaged_file_is_found_before_it_is_used_and_made_again_to_the_bit(bench: Bench) -> None:
    """Of every kind of file that a section starts from: the film is that of a disk which never failed."""
    whole, pause = await bench.submit(9), Pause(bench)
    async with bench.working():
        whole = await bench.ended(whole)
        job = await requests.submit(bench.db, again(whole), films.NO_LIMITS)
        job = await pause.at(job, 2)
        parts = await sections.of(bench.db, job.id)
        for sha in (job.tail, job.conditioning, parts[-1].clip, parts[0].clip):
            damage(bench.media.path(str(sha)))
        pause.over()
        job = await pause.at(job, job.done + 1)
        assert job.losses == 0, "all of these are made of the latents"
        bench.media.path((await sections.of(bench.db, job.id))[-2].latents).unlink()
        pause.over()
        job = await bench.ended(job)
        await bench.tidy()
    assert (job.state, job.film, job.losses) == (State.DONE, whole.film, 1)
    assert job.fence == 9 + 3, "one turn to find the loss, two sections made again"
    await all_whole(bench)  # and so the other film is mended, which has the same files


async def test_a_childs_loss_leaves_its_parents_rows_and_files(bench: Bench) -> None:
    """The files of sections that were taken over belong to both."""
    whole = await bench.submit(3)
    async with bench.working():
        whole = await bench.ended(whole)
        Pause(bench)
        parts = await sections.of(bench.db, whole.id)
        damage(bench.media.path(parts[1].latents))
        plan = dict(whole.plan) | {"seed": 77, "seeds": [whole.plan["seed"]] * 2}
        child = again(whole, key="child", plan=plan, parent_id=whole.id, kept=2)
        job = await bench.ended(await requests.submit(bench.db, child, films.NO_LIMITS))
        await bench.tidy()
    assert (job.state, job.done, job.losses) == (State.DONE, 3, 1)
    assert await sections.of(bench.db, whole.id) == parts
    assert (await jobs.get(bench.db, whole.id)).film == whole.film
    await all_whole(bench)


async def test_a_disk_that_loses_everything_fails_the_job_in_the_end(bench: Bench) -> None:
    job, pause = await bench.submit(30), Pause(bench)
    async with bench.working():
        for losses in range(6):
            await bench.until(job, lambda now, losses=losses: now.losses == losses and now.done >= 1)  # type: ignore[misc]
            pause.disk.free = 0
            await bench.until(job, lambda now: now.state == State.QUEUED and now.reason == "disk_full")
            for section in await sections.of(bench.db, job.id):
                damage(bench.media.path(section.latents))
            pause.over()
        now = await bench.ended(job)
    assert (now.state, now.reason, now.losses) == (State.FAILED, "section_lost", 6)
    assert now.film is not None, "what is finished is kept"


async def test_a_full_disk_stops_turns_and_they_go_on_by_themselves(quick: Bench) -> None:
    disk = Filling(90 << 20)
    quick.media.disk = disk
    quick.dispatch.room = Room(quick.media, 200 << 20)
    job = await quick.submit(1)
    async with quick.working():
        now = await quick.until(job, lambda now: now.reason is not None)
        assert (now.state, now.reason, now.facts) == (State.QUEUED, "disk_full", {"free_mib": 90, "need_mib": 100})
        disk.free = 105 << 20
        assert await quick.dispatch.room.short() is not None, "a little above the mark it does not begin again"
        disk.free = 300 << 20
        quick.db.notify()
        now = await quick.ended(job)
    assert (now.state, now.fence, now.crashes, now.reason) == (State.DONE, 1, 0, None)


class Unasked(Disk):
    """A disk that does not say how much room it has, for the first so many times."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = list(numbers)

    def free_bytes(self, folder: Path) -> int:
        if self.numbers:
            raise OSError(number := self.numbers.pop(), os.strerror(number))
        return 1 << 40


async def test_a_disk_that_does_not_answer_ends_no_service(quick: Bench) -> None:
    quick.dispatch.retry_ms = 100
    quick.media.disk = Unasked(errno.EIO, errno.EACCES, errno.EIO)
    quick.dispatch.room = Room(quick.media, 200 << 20)
    job = await quick.submit(1)
    async with quick.working():
        assert (await quick.ended(job)).state == State.DONE


async def test_a_film_that_is_forgotten_while_it_is_made_is_taken_back(
    quick: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    quick.script(step_s=1.0)
    (first,) = await films.submit(quick.db, quick.media, quick.card, [3])
    async with quick.working():
        await quick.until(first, lambda now: now.done == 1)
        for sha in (await people.forget_job(quick.db, first.id)).files:
            quick.media.drop(sha)
        second = await quick.submit(1)
        assert (await quick.ended(second)).state == State.DONE
        await quick.tidy()
    assert "unexpected" not in caplog.text


class Failing(Disk):
    """A disk that fails at the first so many files after it was told to."""

    def __init__(self) -> None:
        self.left, self.number = 0, errno.EIO

    def sync(self, path: Path) -> None:
        if self.left:
            self.left -= 1
            raise OSError(self.number, os.strerror(self.number))
        super().sync(path)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
async def test_a_failing_disk_sets_the_job_aside_and_costs_no_film(quick: Bench, number: int) -> None:
    quick.dispatch.retry_ms = 100
    quick.dispatch.idle_s = 0.1
    disk = Failing()
    quick.media.disk = disk
    job = await quick.submit(2)
    disk.left, disk.number = 4, number
    async with quick.working():
        now = await quick.ended(job)
        await quick.tidy()
    assert (now.state, now.crashes, now.fence) == (State.DONE, 0, 2 + 4)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small file system")
async def test_a_file_system_without_room_costs_no_film(tmp_path: Path, model: Path) -> None:
    """A real one, of a few MB: first the files do not fit any more; then there is room, and the film is made."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(small)]
    mounted = await asyncio.to_thread(subprocess.run, mount, capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount")
    try:
        async with Database.open("", data_dir=ready(tmp_path)) as db:
            bench = Bench(db, small, model)
            bench.dispatch.retry_ms = 500
            bench.dispatch.idle_s = 0.5
            job = await bench.submit(2)
            ballast = small / "ballast"
            with suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(b"x" * 4096)
            async with bench.working():
                await bench.until(job, lambda now: now.reason in ("disk_full", "disk_failed"))
                ballast.unlink()
                now = await bench.ended(job)
            assert (now.state, now.crashes) == (State.DONE, 0)
    finally:
        await asyncio.to_thread(subprocess.run, ["umount", "-l", str(small)], check=True)


async def test_a_database_that_cannot_be_written_to_is_waited_for(
    quick: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Claims, renewals, progress and the record all meet a full disk: the section is dropped, the job is not."""
    quick.dispatch.retry_ms = 100
    quick.script(step_s=0.5)
    job = await quick.submit(3)
    async with quick.working():
        await quick.until(job, lambda now: now.state == State.RUNNING and now.done >= 1)
        with quick.db.transaction() as tx:
            tx.exec_driver_sql("PRAGMA max_page_count = 1")  # SQLite takes what there is: it may not grow
        await asyncio.sleep(0.5)
        with quick.db.transaction() as tx:
            tx.exec_driver_sql("PRAGMA max_page_count = 1000000")
        now = await quick.ended(job)
    assert (now.state, now.crashes) == (State.DONE, 0)


class Crowded(StandIn):
    """Of which the first cannot be started: this process may open no more files."""

    refused = False

    @classmethod
    async def start(cls) -> Self:
        if not cls.refused:
            cls.refused = True
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return await super().start()


async def test_a_machine_without_open_files_is_waited_for(quick: Bench) -> None:
    quick.dispatch.loader.children, quick.dispatch.retry_ms = Crowded, 100
    job = await quick.submit(1)
    async with quick.working():
        held_up = await quick.until(job, lambda now: now.reason is not None)
        assert (held_up.reason, held_up.crashes) == ("machine_short", 0)
        await asyncio.sleep(0.2)
        quick.db.notify()  # it would look by itself later
        now = await quick.ended(job)
    assert (now.state, now.crashes) == (State.DONE, 0)


async def test_a_film_of_another_model_waits_for_it_and_holds_up_nobody(quick: Bench, tmp_path: Path) -> None:
    card = tmp_path / "card"
    quick.script(card=str(card))
    begun, fresh, other = await films.submit(quick.db, quick.media, quick.card, [2, 1, 1])
    card.write_text(quick.card.identity)
    first = await jobs.claim(quick.db, "test", 60_000)
    assert first is not None
    card.write_text("small@2")
    await jobs.release(quick.db, first)
    assert await requests.replan(quick.db, await jobs.get(quick.db, other.id), {**other.plan, "model": "small@2"})
    async with quick.working():
        assert (await quick.ended(other)).state == State.DONE
        for job in (begun, fresh):
            now = await quick.until(job, lambda now: now.reason == "other_model")
            assert (now.state, now.facts) == (State.QUEUED, {"made": "small@1", "loaded": "small@2"})
        fences = [(await jobs.get(quick.db, job.id)).fence for job in (begun, fresh)]
        assert max(fences) <= 2, "they are not tried again and again"
    card.write_text(quick.card.identity)
    assert await jobs.run_model(quick.db, quick.card.identity) == 0
    async with quick.working():
        assert {(await quick.ended(job)).state for job in (begun, fresh)} == {State.DONE}


@pytest.mark.parametrize("seen", ["when it loads", "while another one is loaded", "not at all"])
async def test_a_checkpoint_that_is_changed_under_the_service_makes_films_from_then_on(
    quick: Bench, tmp_path: Path, seen: str
) -> None:
    """A film that it was promised is planned anew; one that is begun waits for the one that began it."""
    card = tmp_path / "card"
    card.write_text("small@1")
    quick.script(card=str(card), step_s=0.05)
    asked = []

    async def changed(_: str = "") -> str:
        asked.append(now := "" if seen == "not at all" else card.read_text())
        for job in await jobs.open_jobs(quick.db):
            if now and job.plan["model"] != now and job.state == State.QUEUED and not job.done:
                assert await requests.replan(quick.db, job, {**job.plan, "model": now})
        if now:
            await jobs.run_model(quick.db, now)
        return now

    quick.dispatch.on_other_model = changed
    begun, fresh = await films.submit(quick.db, quick.media, quick.card, [3, 1])
    await requests.wish(quick.db, fresh.id, "cancel", "me")
    async with quick.working():
        await quick.until(begun, lambda now: now.done >= 1)
        card.write_text("small@2")
        plan = {**fresh.plan, "model": "small@1" if seen != "while another one is loaded" else "small@2"}
        if seen != "while another one is loaded":
            quick.child().kill()
        ask = requests.Ask(
            key="new", platform=fresh.platform, user_id="else", chat_id="", locale="en", picture=fresh.picture,
            prompt="", settings={}, plan=plan, sections=1,
        )  # fmt: skip
        fresh = await requests.submit(quick.db, ask, films.NO_LIMITS)
        now = await quick.until(begun, lambda now: now.reason == "other_model" or now.state.terminal)
        if seen == "not at all":
            fresh = await quick.until(fresh, lambda now: now.reason == "other_model")
        else:
            fresh = await quick.ended(fresh)
    assert (now.state, now.done > 0) == (State.QUEUED, True), "the one that it is promised by is not loaded"
    state = State.QUEUED if seen == "not at all" else State.DONE
    assert (fresh.state, fresh.plan["model"]) == (state, "small@1" if seen == "not at all" else "small@2")
    assert 1 <= len(asked) <= 3


async def test_a_model_that_is_never_the_one_that_is_said_to_be_there_is_not_loaded_again_and_again(
    quick: Bench, tmp_path: Path
) -> None:
    (tmp_path / "card").write_text("small@2")
    quick.script(card=str(tmp_path / "card"))
    job = await quick.submit(1)

    async def changed(_: str = "") -> str:
        await jobs.run_model(quick.db, "small@1")
        return "small@1"

    quick.dispatch.on_other_model = changed
    async with quick.working():
        await quick.until(job, lambda now: now.reason == "other_model")
        await asyncio.sleep(0.1)
    assert (await jobs.get(quick.db, job.id)).fence == 1


async def test_an_update_of_the_checkpoint_under_a_service_fails_no_film(
    bench: Bench, model: Path, tmp_path: Path
) -> None:
    """As `git pull` and `flipbot download` do it, before anything was loaded; with the engine's own process."""
    folder = tmp_path / "model"
    folder.mkdir()
    for part in model.iterdir():
        (folder / part.name).symlink_to(part.resolve(), target_is_directory=part.is_dir())
    settings = Settings(**load(None, SECTIONS))
    settings = replace(settings, model=replace(settings.model, name=str(folder), device="cpu", threads=1))
    card, hello = find_checkpoint(str(folder)).card, dict[str, Any]()
    planner, facts = make_planner(card, settings.model, settings.video), model_facts(card, folder)
    intake = Intake(bench.db, bench.media, planner, rules(settings), facts)
    await intake.serve_model(card.identity)
    bench.dispatch.loader.model = settings.model
    crew = Crew(bench.db, "here", card.identity, works=True)

    async def changed(_: str) -> str:
        return await changed_model(settings, intake, crew, hello)

    bench.dispatch.on_other_model = changed
    asked = Asked(
        platform=Platform.PAGE, user_id="ann", chat_id="", locale="en", picture=films.picture(), prompt="", key="1",
        seconds=0.4,
    )  # fmt: skip
    job = await intake.submit(asked)
    written = json.loads((folder / "flipbot.json").read_text()) | {"version": "2"}
    (folder / "flipbot.json").unlink()
    (folder / "flipbot.json").write_text(json.dumps(written))
    async with bench.working():
        job = await bench.ended(job)
        later = await bench.ended(await intake.submit(replace(asked, key="2", user_id="bob")))
    assert (job.state, later.state) == (State.DONE, State.DONE), (job.reason, later.reason)
    assert job.plan["model"] == later.plan["model"] == "small@2"
    assert (job.fence, later.fence, hello["model"]) == (1 + job.sections, later.sections, "small")
    assert crew.model == "small@2", "who joins is compared with what runs"


@pytest.mark.parametrize("loaded", ["small@1", "small@2"])
async def test_one_of_several_goes_on_past_a_film_of_a_former_model_and_ends_where_its_own_was_changed(
    quick: Bench, tmp_path: Path, loaded: str
) -> None:
    (tmp_path / "card").write_text(loaded)
    quick.script(card=str(tmp_path / "card"))
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    quick.dispatch.on_other_model = partial(give_up, ended, Crew(quick.db, "here", quick.card.identity, works=True))
    first = await quick.submit(1)
    old = await requests.submit(quick.db, replace_plan(first, "former@1"), films.NO_LIMITS)
    async with quick.working():
        if loaded == "small@1":
            assert (await quick.until(old, lambda now: now.reason == "other_model")).fence == 1
            assert (await quick.ended(first)).state == State.DONE
            assert not ended.done()
        else:
            with pytest.raises(Refused, match=r"refused\.model_changed"):
                await ended
            for job in (first, old):
                assert (now := await jobs.get(quick.db, job.id)).state == State.QUEUED and now.reason is None


def replace_plan(job: Job, model: str) -> requests.Ask:
    """The same film of somebody else, planned for another model."""
    return requests.Ask(
        key=f"of {model}", platform=job.platform, user_id="else", chat_id="", locale="en", picture=job.picture,
        prompt="", settings={}, plan={**job.plan, "model": model}, sections=job.sections,
    )  # fmt: skip
