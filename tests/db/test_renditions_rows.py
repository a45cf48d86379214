import pytest
from makers import PLENTY, Clock, ask, sha

from db import renditions, requests
from db.connect import Database
from db.errors import NoSuchJob
from db.media import media_keep
from db.renditions import Rendered
from db.rows import Rendition

FILM, MIB = sha("film"), 1 << 20
MADE = Rendered(sha=sha("small"), bytes=900, width=480, height=320, duration_ms=4833)


async def wanted(db: Database, key: str = "a", film: str = FILM, limit: int = MIB) -> Rendition:
    job = await requests.submit(db, ask(key), PLENTY)
    return await renditions.want(db, job.id, film, "final", limit)


async def test_what_is_wanted_twice_is_made_once(db: Database) -> None:
    first = await wanted(db)
    assert (first.state, first.sha, first.film, first.kind, first.limit_bytes) == ("wanted", None, FILM, "final", MIB)
    assert await wanted(db) == first
    assert await renditions.next_wanted(db) == first
    other = await wanted(db, limit=2 * MIB)
    assert other.id != first.id
    assert await renditions.get(db, first.job_id, FILM, "preview", MIB) is None


async def test_when_it_is_ready_who_waits_is_woken(db: Database) -> None:
    first = await wanted(db)
    before = db.commits
    assert await renditions.ready(db, first.id, MADE)
    assert await db.changed(before, 0) > before
    now = await renditions.get(db, first.job_id, FILM, "final", MIB)
    assert now is not None
    assert (now.state, now.sha, now.bytes, now.width, now.duration_ms) == ("ready", MADE.sha, 900, 480, 4833)
    assert await renditions.next_wanted(db) is None
    assert await wanted(db) == now
    assert not await renditions.ready(db, first.id, MADE)  # said twice, it harms nothing
    assert not await renditions.failed(db, first.id, "internal", {})


async def test_its_file_is_kept_as_long_as_its_row_is_there(db: Database, clock: Clock) -> None:
    first = await wanted(db)
    await renditions.ready(db, first.id, MADE)
    assert MADE.sha in await media_keep(db)
    await wanted(db, film=sha("grown"))  # of the same job, whose film has grown
    assert MADE.sha not in await media_keep(db)
    assert await renditions.get(db, first.job_id, FILM, "final", MIB) is None
    await requests.wish(db, first.job_id, "cancel", "ann")
    clock.forward(1)
    assert await requests.expire(db, clock.ms) == 1
    assert await renditions.next_wanted(db) is None


async def test_two_jobs_with_one_film_share_what_was_made_of_it(db: Database) -> None:
    first = await wanted(db)
    await renditions.ready(db, first.id, MADE)
    second = await wanted(db, "b")
    assert (second.state, second.sha, second.bytes, second.width) == ("ready", MADE.sha, 900, 480)
    assert second.job_id != first.job_id


async def test_nothing_above_its_limit_is_ever_ready(db: Database) -> None:
    first = await wanted(db, limit=899)
    with pytest.raises(Exception, match="fits"):
        await renditions.ready(db, first.id, MADE)
    still = await renditions.next_wanted(db)
    assert still is not None and still.id == first.id


async def test_what_kills_its_maker_three_times_has_failed(db: Database) -> None:
    first = await wanted(db)
    assert [await renditions.crashed(db, first.id) for _ in range(3)] == [True, True, False]
    now = await wanted(db)
    assert (now.state, now.reason) == ("failed", "encoder_failed")


async def test_a_failure_has_its_reason_and_is_not_tried_again(db: Database) -> None:
    first = await wanted(db)
    assert await renditions.failed(db, first.id, "limit_too_small", {"limit": 5})
    now = await wanted(db)
    assert (now.state, now.reason, now.facts) == ("failed", "limit_too_small", {"limit": 5})
    assert await renditions.next_wanted(db) is None


async def test_what_grows_is_made_before_what_has_ended(db: Database) -> None:
    old, young = [(await requests.submit(db, ask(key), PLENTY)).id for key in "ab"]
    for job, kind in ((old, "final"), (old, "poster"), (young, "preview")):
        await renditions.want(db, job, FILM, kind, 1000)  # type: ignore[arg-type]
    order = []
    while (wanted := await renditions.next_wanted(db)) is not None:
        order.append((wanted.job_id, wanted.kind))
        await renditions.failed(db, wanted.id, "encoder_failed", {})
    assert order == [(old, "poster"), (young, "preview"), (old, "final")]


async def test_a_film_of_no_job_is_not_made(db: Database) -> None:
    with pytest.raises(NoSuchJob):
        await renditions.want(db, 9, FILM, "poster", MIB)
