"""The dispatcher with a real child, a real database and the golden weights: what happens when things go wrong."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from db import jobs, progress, requests, sections
from db.connect import Database
from db.media import Media, media_keep
from db.models import State
from db.rows import Job
from gen.bench import films
from gen.card import find_checkpoint
from gen.config import ModelConfig
from gen.dispatch import Dispatch
from gen.film import probe, read_frames
from tests.e2e.conftest import CARD, GOLDEN

TIMEOUT_S = 120


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder that reads the golden weights where they lie; both orders."""
    folder = tmp_path_factory.mktemp("model")
    for part in [*(GOLDEN / "weights").iterdir(), *(GOLDEN / "encoders").iterdir()]:
        (folder / part.name).symlink_to(part, target_is_directory=True)
    card = CARD | {"latent_window_size": 3, "samplings": ["f1", "inverted"], "steps": 3}
    (folder / "flipbot.json").write_text(json.dumps(card))
    return folder


class Bench:
    """A database, its files, and a dispatcher that works on them."""

    def __init__(self, db: Database, folder: Path, model: Path) -> None:
        self.db, self.media = db, Media(folder / "media")
        self.card = find_checkpoint(str(model)).card
        config = ModelConfig(name=str(model), device="cpu", threads=1)
        self.dispatch = Dispatch(db, self.media, config, folder / "models", worker="test")

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

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.dispatch.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def child(self) -> psutil.Process:
        assert self.dispatch.child is not None
        return psutil.Process(self.dispatch.child.process.pid)


@pytest.fixture
async def bench(tmp_path: Path, model: Path) -> AsyncIterator[Bench]:
    async with Database.open("", data_dir=tmp_path) as db:
        yield Bench(db, tmp_path, model)


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
    assert len(list(read_frames(bench.media.path(str(job.film))))) == 37


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


async def test_a_killed_child_costs_one_section_at_most(bench: Bench) -> None:
    job = await bench.submit(3)
    async with bench.working():
        await bench.until(job, lambda now: now.done >= 1)
        bench.child().kill()
        job = await bench.ended(job)
    assert (job.state, job.done, job.crashes) == (State.DONE, 3, 0)
    assert job.fence - job.sections <= 1


async def test_a_job_that_kills_its_worker_fails_with_its_reason(bench: Bench) -> None:
    job = await bench.submit(2)
    async with bench.working():
        async with asyncio.timeout(TIMEOUT_S):
            while not (now := await jobs.get(bench.db, job.id)).state.terminal:
                told = await progress.of(bench.db, job.id)
                if now.state == State.RUNNING and told is not None and told.phase == "sampling":
                    child = bench.child()
                    child.kill()
                    await bench.until(job, lambda now: now.state != State.RUNNING)
                await asyncio.sleep(0.005)
    if now.state == State.FAILED:
        assert now.reason == "worker_crashed"
        assert now.facts["crashes"] == 3
    else:
        pytest.fail(f"the job ended as {now.state}")


async def test_loading_longer_than_a_lease_costs_nothing(bench: Bench) -> None:
    bench.dispatch.lease_ms = 2000
    job = await bench.submit(2)
    async with bench.working():
        job = await bench.ended(job)
    assert (job.state, job.crashes, job.fence) == (State.DONE, 0, 2), "each section was claimed once"


async def test_a_cancel_is_heard_while_the_model_is_loaded(bench: Bench) -> None:
    job = await bench.submit(60)
    async with bench.working():
        await bench.until(job, lambda now: now.state == State.RUNNING)
        await requests.wish(bench.db, job.id, "cancel", by="me")
        job = await bench.ended(job)
    assert (job.state, job.done) == (State.CANCELLED, 0)


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


async def test_a_dispatcher_that_stops_gives_its_job_back(bench: Bench) -> None:
    job = await bench.submit(60)
    async with bench.working():
        await bench.until(job, lambda now: now.done >= 1)
        child = bench.child()
    job = await jobs.get(bench.db, job.id)
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
    bench.dispatch.model = ModelConfig(name=str(tmp_path / "nowhere"))
    job = await bench.submit(1)
    async with bench.working():
        job = await bench.ended(job)
    assert (job.state, job.reason) == (State.FAILED, "checkpoint_missing")
    assert "nowhere" in str(job.facts)


async def test_lost_latents_fail_the_job_by_name(bench: Bench) -> None:
    job = await bench.submit(30)
    async with bench.working():
        now = await bench.until(job, lambda now: now.done >= 2)
        for section in await sections.of(bench.db, job.id):
            bench.media.path(section.latents).write_bytes(b"torn")
        now = await bench.ended(job)
    assert now.state == State.FAILED
    assert now.reason == "section_lost"
    assert now.film is not None, "what is finished is kept"
