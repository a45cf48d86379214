from dataclasses import asdict, replace

import pytest
from makers import LEASE_MS, PLENTY, Clock, ask, due

from db import canvases, jobs, removals, requests
from db.connect import Database
from db.errors import NoSuchJob
from db.models import Delivery, Platform
from db.rows import At


async def test_a_new_message_is_due_until_it_is_shown(db: Database) -> None:
    job = await requests.submit(db, ask(), PLENTY)
    canvas = await canvases.create(db, job.id, Platform.DISCORD, "channel 1")
    assert (canvas.wanted, canvas.shown, canvas.message_id) == (1, 0, None)
    assert await due(db, Platform.DISCORD) == [canvas]
    assert await due(db, Platform.TELEGRAM) == []
    await canvases.shown(db, job.id, 1, "message 1")
    assert await due(db, Platform.DISCORD) == []


async def test_showing_twice_or_an_older_revision_harms_nothing(db: Database) -> None:
    job = await requests.submit(db, ask(canvas=True), PLENTY)
    await jobs.claim(db, "w", LEASE_MS)
    await canvases.shown(db, job.id, 2, "message 1")
    await canvases.shown(db, job.id, 2)
    await canvases.shown(db, job.id, 1)
    assert await due(db) == []
    await requests.wish(db, job.id, "stop", "ann")
    (canvas,) = await due(db)
    assert (canvas.message_id, canvas.shown, canvas.wanted) == ("message 1", 2, 3)


async def test_a_change_while_a_message_is_sent_leaves_it_due(db: Database) -> None:
    job = await requests.submit(db, ask(canvas=True), PLENTY)
    (seen,) = await due(db)
    await jobs.claim(db, "w", LEASE_MS)
    await canvases.shown(db, job.id, seen.wanted)
    (canvas,) = await due(db)
    assert (canvas.shown, canvas.wanted) == (1, 2)


async def test_a_message_put_off_waits_for_its_time(db: Database, clock: Clock) -> None:
    job = await requests.submit(db, ask(canvas=True), PLENTY)
    for tries in (1, 2):
        await canvases.put_off(db, job.id, 500)
        assert await due(db) == []
        clock.forward(500)
        (canvas,) = await due(db)
        assert canvas.tries == tries
    await canvases.shown(db, job.id, 1)
    await jobs.claim(db, "w", LEASE_MS)
    (canvas,) = await due(db)
    assert canvas.tries == 0


async def test_the_message_of_a_new_job_is_known_with_all_that_its_chat_says_of_it(db: Database) -> None:
    job = await requests.submit(db, ask(platform=Platform.DISCORD), PLENTY)
    at = At(message_id="7", message_ms=5, reply_to="6", server_id="one", thread_id="8")
    assert await canvases.placed(db, job.id, at)
    canvas = await canvases.get(db, job.id)
    assert canvas and canvas.delivery == Delivery.LIVE
    assert {name: getattr(canvas, name) for name in asdict(at)} == asdict(at)
    assert not await canvases.placed(db, job.id, replace(at, message_id="9"))
    assert await canvases.get(db, job.id) == canvas


async def test_there_is_no_message_for_no_job(db: Database) -> None:
    with pytest.raises(NoSuchJob):
        await canvases.create(db, 5, Platform.PAGE, "page")


@pytest.mark.parametrize("ended", [True, False])
async def test_a_film_that_grows_elsewhere_leaves_no_message_behind(ended: bool, db: Database) -> None:
    job = await requests.submit(db, ask(platform=Platform.DISCORD), PLENTY)
    await canvases.placed(db, job.id, At(message_id="old"))
    if ended:
        await requests.wish(db, job.id, "cancel", "ann")
    await canvases.create(db, job.id, Platform.DISCORD, "another channel", "new")
    assert not await canvases.placed(db, job.id, At(message_id="late"))
    gone = {each.message_id for each in await removals.due(db, Platform.DISCORD)}
    assert gone == (set() if ended else {"old", "late"})


async def test_what_was_shown_in_a_former_message_says_nothing_of_the_one_there_is(db: Database) -> None:
    job = await requests.submit(db, ask(platform=Platform.DISCORD), PLENTY)
    await canvases.create(db, job.id, Platform.DISCORD, "here", "new")
    assert not await canvases.shown(db, job.id, job.revision, edited="old", shown_hash="old")
    assert (canvas := await canvases.get(db, job.id)) and (canvas.shown, canvas.shown_hash) == (0, None)
    assert not await canvases.shown(db, job.id, job.revision, "of another channel", shown_hash="old")
    assert (canvas := await canvases.get(db, job.id)) and (canvas.message_id, canvas.shown_hash) == ("new", None)
    assert await canvases.shown(db, job.id, job.revision, edited="new")
