"""What is wanted of films is made by a real process: recorded, kept, swept; after all when that is killed."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from test_transcode import pan, write

from db import renditions, requests
from db.connect import Database
from db.errors import DiskFull
from db.media import Media, media_keep
from db.rows import Kind, Rendition
from gen.bench import films
from gen.film import film_settings, probe
from gen.renditions import Renditions
from tests.db.makers import PLENTY, ask
from tests.ready import ready

TIMEOUT_S = 120
MIB = 1 << 20


class Maker:
    """A database with one job and its film, and who makes what is wanted of it."""

    def __init__(self, db: Database, folder: Path) -> None:
        self.db, self.media = db, Media(folder / "media")
        self.making = Renditions(db, self.media)
        self.film = ""
        self.job = 0

    async def prepare(self, film: bytes) -> None:
        self.film = self.media.put(film)
        self.job = (await requests.submit(self.db, ask(picture=self.media.put(films.picture())), PLENTY)).id

    async def want(self, kind: Kind, limit: int = 10 * MIB) -> Rendition:
        return await renditions.want(self.db, self.job, self.film, kind, limit)

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                seen = self.db.commits
                if await holds():
                    return
                await self.db.changed(seen, 0.2)

    async def settled(self, wanted: Rendition) -> Rendition:
        now = wanted

        async def is_settled() -> bool:
            nonlocal now
            got = await renditions.get(self.db, wanted.job_id, wanted.film, wanted.kind, wanted.limit_bytes)
            assert got is not None
            now = got
            return now.state != "wanted"

        await self.until(is_settled)
        return now

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.making.run())
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def process(self) -> psutil.Process:
        async def there() -> bool:
            return self.making.process is not None

        await self.until(there)
        assert self.making.process is not None
        return psutil.Process(self.making.process.process.pid)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("film"), pan(640, 480, 30, grain=9)).read_bytes()


@pytest.fixture
async def maker(tmp_path: Path, film: bytes) -> AsyncIterator[Maker]:
    async with Database.open("", data_dir=ready(tmp_path)) as db:
        made = Maker(db, tmp_path)
        await made.prepare(film)
        yield made


async def test_every_kind_is_made_kept_and_swept_when_it_is_of_no_use(maker: Maker) -> None:
    size = maker.media.path(maker.film).stat().st_size
    wanted = [await maker.want("preview"), await maker.want("poster"), await maker.want("final", size // 3)]
    fits = await maker.want("final", size)
    async with maker.working():
        preview, poster, final, whole = [await maker.settled(each) for each in [*wanted, fits]]
        process = await maker.process()
        if os.name == "posix":
            assert process.nice() >= 10
    assert not process.is_running()
    assert [each.state for each in (preview, poster, final, whole)] == ["ready"] * 4
    assert (whole.sha, whole.bytes) == (maker.film, size)
    assert (max(preview.width, preview.height), poster.duration_ms, final.duration_ms) == (480, 0, 1000)
    for each in (preview, poster, final):
        assert each.sha is not None
        path = maker.media.path(each.sha)
        assert path.stat().st_size == each.bytes <= each.limit_bytes
    assert film_settings(probe(maker.media.path(str(final.sha))).metadata) is not None
    assert {preview.sha, poster.sha, final.sha} <= await media_keep(maker.db)
    assert list((maker.media.root / "tmp").iterdir()) == []
    await requests.wish(maker.db, maker.job, "cancel", "ann")
    await requests.expire(maker.db, maker.db.now() + 1)
    await asyncio.to_thread(maker.media.sweep, await media_keep(maker.db), -1.0)
    assert [path for path in maker.media.root.glob("??/*") if path.is_file()] == []


async def test_an_absurd_limit_is_a_failure_with_its_reason(maker: Maker) -> None:
    wanted = await maker.want("final", 1000)
    async with maker.working():
        now = await maker.settled(wanted)
    assert (now.state, now.reason, now.facts) == ("failed", "limit_too_small", {"limit_mib": 0.0, "seconds": 1.0})


async def test_a_killed_process_is_started_again_and_the_file_is_made(maker: Maker) -> None:
    wanted = await maker.want("final", 200_000)
    async with maker.working():
        process = await maker.process()
        process.kill()
        now = await maker.settled(wanted)
    assert (now.state, now.tries) == ("ready", 1)


async def test_who_stops_in_the_middle_leaves_it_wanted_for_the_next(maker: Maker) -> None:
    wanted = await maker.want("final", 200_000)
    async with maker.working():
        process = await maker.process()
    assert not process.is_running()
    again = await renditions.next_wanted(maker.db)
    if again is not None:  # it may have been made by then on a fast machine
        assert (again.id, again.tries) == (wanted.id, 0)
    async with maker.working():
        assert (await maker.settled(wanted)).state == "ready"


async def test_what_takes_for_ever_is_given_up_after_three_times(maker: Maker) -> None:
    maker.making.longest_s = 0.01
    wanted = await maker.want("final", 200_000)
    async with maker.working():
        now = await maker.settled(wanted)
        assert (now.state, now.reason, now.tries) == ("failed", "encoder_failed", 3)
        maker.making.longest_s = 600
        assert (await maker.settled(await maker.want("poster"))).state == "ready"


async def test_a_film_that_is_damaged_or_gone_is_a_failure(maker: Maker) -> None:
    damaged = await maker.want("preview")
    maker.media.path(maker.film).write_bytes(b"damaged")
    async with maker.working():
        now = await maker.settled(damaged)
        assert (now.state, now.reason) == ("failed", "section_lost")
        maker.media.drop(maker.film)
        now = await maker.settled(await maker.want("poster"))
        assert (now.state, now.reason) == ("failed", "section_lost")


async def test_a_full_disk_is_waited_out(maker: Maker) -> None:
    maker.making.retry_s = 0.1
    wanted = await maker.want("poster")
    root = maker.media.root
    full = [DiskFull(root), DiskFull(root)]

    class Full(Media):
        def workdir(self) -> Path:
            if full:
                raise full.pop()
            return super().workdir()

    maker.making.media = Full(root)
    async with maker.working():
        now = await maker.settled(wanted)
    assert (now.state, now.tries, full) == ("ready", 0, [])


async def test_the_event_loop_answers_while_a_film_is_encoded(maker: Maker) -> None:
    wanted = await maker.want("final", 200_000)
    async with maker.working():
        done = asyncio.create_task(maker.settled(wanted))
        busiest = 0.0
        while not done.done():
            before = time.process_time()
            await asyncio.sleep(0.01)
            busiest = max(busiest, time.process_time() - before)
        assert (await done).state == "ready"
    assert busiest < 0.5, "encoding is not done in this process"
