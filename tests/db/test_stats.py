"""What an owner sees of the past."""

from makers import LEASE_MS, PLENTY, Clock, ask, made

from db import jobs, requests, sections, stats
from db.connect import Database
from db.models import State


async def test_the_newest_sections_and_how_long_they_took(db: Database, clock: Clock) -> None:
    await requests.submit(db, ask(sections=2), PLENTY)
    for n in range(2):
        clock.forward(1000)
        claim = await jobs.claim(db, "worker", LEASE_MS)
        assert claim
        await sections.record(db, claim, made(n, sampling_ms=700 + n))
    took = await stats.took(db, 9)
    assert [(one.sampling_ms, one.decode_ms, one.encode_ms) for one in took] == [(700, 200, 100), (701, 200, 100)]
    assert took[0].at_ms < took[1].at_ms
    assert [one.sampling_ms for one in await stats.took(db, 1)] == [701]
    assert await stats.counts(db) == {State.DONE: 1}


async def test_how_many_were_in_line_when(db: Database, clock: Clock) -> None:
    begin = db.now()
    job = await requests.submit(db, ask(), PLENTY)
    clock.forward(1000)
    await requests.submit(db, ask("another", user_id="bob"), PLENTY)
    clock.forward(1000)
    await requests.wish(db, job.id, "cancel", by="ann")
    assert await stats.in_line(db, begin - 1000, 4) == [
        (begin - 1000, 0),
        (begin, 1),
        (begin + 1000, 2),
        (begin + 2000, 2),  # before the first one was cancelled
    ]
    clock.forward(3000)
    await requests.wish(db, job.id + 1, "cancel", by="bob")
    clock.forward(95_000)
    found = await stats.in_line(db, begin + 2500, 2)
    assert [count for _, count in found] == [2, 1]  # also what came and went between two moments


async def test_what_failed_is_listed_newest_first(db: Database) -> None:
    for n in range(2):
        await requests.submit(db, ask(str(n), user_id=str(n)), PLENTY)
        claim = await jobs.claim(db, "worker", LEASE_MS)
        assert claim
        await jobs.fail(db, claim, "out_of_memory", {})
    assert [job.id for job in await stats.failed(db, 9)] == [2, 1]
    assert len(await stats.failed(db, 1)) == 1
