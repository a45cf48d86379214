import pytest
from makers import LEASE_MS, PLENTY, Clock, ask

from db import canvases, jobs, requests
from db.connect import Database
from db.errors import NoSuchJob
from db.models import Platform


async def test_a_new_message_is_due_until_it_is_shown(db: Database) -> None:
    job = await requests.submit(db, ask(), PLENTY)
    canvas = await canvases.create(db, job.id, Platform.DISCORD, "channel 1")
    assert (canvas.wanted, canvas.shown, canvas.message_id) == (1, 0, None)
    assert await canvases.due(db, Platform.DISCORD) == [canvas]
    assert await canvases.due(db, Platform.TELEGRAM) == []
    await canvases.shown(db, job.id, 1, "message 1")
    assert await canvases.due(db, Platform.DISCORD) == []


async def test_showing_twice_or_an_older_revision_harms_nothing(db: Database) -> None:
    job = await requests.submit(db, ask(canvas=True), PLENTY)
    await jobs.claim(db, "w", LEASE_MS)
    await canvases.shown(db, job.id, 2, "message 1")
    await canvases.shown(db, job.id, 2)
    await canvases.shown(db, job.id, 1)
    assert await canvases.due(db, Platform.PAGE) == []
    await requests.wish(db, job.id, "stop", "ann")
    (canvas,) = await canvases.due(db, Platform.PAGE)
    assert (canvas.message_id, canvas.shown, canvas.wanted) == ("message 1", 2, 3)


async def test_a_change_while_a_message_is_sent_leaves_it_due(db: Database) -> None:
    job = await requests.submit(db, ask(canvas=True), PLENTY)
    (seen,) = await canvases.due(db, Platform.PAGE)
    await jobs.claim(db, "w", LEASE_MS)
    await canvases.shown(db, job.id, seen.wanted)
    (canvas,) = await canvases.due(db, Platform.PAGE)
    assert (canvas.shown, canvas.wanted) == (1, 2)


async def test_a_message_put_off_waits_for_its_time(db: Database, clock: Clock) -> None:
    job = await requests.submit(db, ask(canvas=True), PLENTY)
    for tries in (1, 2):
        await canvases.put_off(db, job.id, 500)
        assert await canvases.due(db, Platform.PAGE) == []
        clock.forward(500)
        (canvas,) = await canvases.due(db, Platform.PAGE)
        assert canvas.tries == tries
    await canvases.shown(db, job.id, 1)
    await jobs.claim(db, "w", LEASE_MS)
    (canvas,) = await canvases.due(db, Platform.PAGE)
    assert canvas.tries == 0


async def test_there_is_no_message_for_no_job(db: Database) -> None:
    with pytest.raises(NoSuchJob):
        await canvases.create(db, 5, Platform.PAGE, "page")
