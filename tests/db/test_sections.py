import pytest
from makers import LEASE_MS, PLENTY, ask, due, made, sha
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from db import canvases, jobs, progress, requests, sections
from db.connect import Database
from db.errors import LeaseLost
from db.models import Section, State
from db.rows import Claim


async def claimed(db: Database) -> Claim:
    claim = await jobs.claim(db, "w", LEASE_MS)
    assert claim
    return claim


async def running(db: Database, key: str = "key", *, sections: int = 3) -> Claim:
    await requests.submit(db, ask(key, sections=sections, canvas=True), PLENTY)
    return await claimed(db)


async def test_a_recorded_section_puts_the_job_in_line_for_its_next_turn(db: Database) -> None:
    claim = await running(db)
    job = (await sections.record(db, claim, made(0))).job
    assert (job.state, job.done, job.worker, job.lease_until_ms) == (State.QUEUED, 1, None, None)
    assert (job.film, job.tail) == (made(0).film, made(0).tail)
    (section,) = await sections.of(db, job.id)
    assert (section.n, section.fence, section.frames, section.latents) == (0, 1, 37, made(0).latents)
    assert (section.sampling_ms, section.decode_ms, section.encode_ms, section.gpu_ms) == (700, 200, 100, 900)


async def test_the_last_section_ends_the_job(db: Database, clock: object) -> None:
    claim = await running(db, sections=2)
    await sections.record(db, claim, made(0))
    job = (await sections.record(db, await claimed(db), made(1))).job
    assert (job.state, job.done, job.film, job.tail) == (State.DONE, 2, made(1).film, None)
    assert job.finished_ms is not None
    assert await jobs.claim(db, "w", LEASE_MS) is None


@pytest.mark.parametrize(("wish", "state"), [("stop", State.STOPPED), ("cancel", State.CANCELLED)])
async def test_a_wish_ends_the_job_with_the_section_under_way(db: Database, wish: str, state: State) -> None:
    claim = await running(db)
    await requests.wish(db, claim.job.id, "stop" if wish == "stop" else "cancel", "ann")
    job = (await sections.record(db, claim, made(0))).job
    assert (job.state, job.film) == (state, made(0).film)


async def test_a_section_out_of_order_is_refused(db: Database) -> None:
    claim = await running(db)
    for n in (1, 2):
        with pytest.raises(LeaseLost):
            await sections.record(db, claim, made(n))
    assert (await jobs.get(db, claim.job.id)).done == 0


async def test_a_section_is_recorded_once(db: Database) -> None:
    claim = await running(db)
    await sections.record(db, claim, made(0))
    with pytest.raises(LeaseLost):
        await sections.record(db, claim, made(0, "again"))
    assert (await sections.of(db, claim.job.id))[0].latents == made(0).latents


async def test_a_record_that_cannot_be_written_leaves_nothing_of_it(db: Database) -> None:
    claim = await running(db)
    with pytest.raises(IntegrityError):
        await sections.record(db, claim, made(0, frames=0))
    assert await jobs.get(db, claim.job.id) == claim.job
    assert await sections.of(db, claim.job.id) == []


async def test_the_earlier_film_and_tail_are_named_by_no_row_any_more(db: Database) -> None:
    claim = await running(db, sections=3)
    assert (await sections.record(db, claim, made(0))).unreferenced == ()
    gone = (await sections.record(db, await claimed(db), made(1))).unreferenced
    assert set(gone) == {made(0).film, made(0).tail}
    gone = (await sections.record(db, await claimed(db), made(2))).unreferenced
    assert set(gone) == {made(1).film, made(1).tail, made(2).tail}  # at its end a job needs no tail


async def test_a_file_that_another_job_names_is_kept(db: Database) -> None:
    for key in ("a", "b"):  # the same film twice: the same files
        await requests.submit(db, ask(key, sections=2), PLENTY)
    a, b = await claimed(db), await claimed(db)
    await sections.record(db, a, made(0))
    await sections.record(db, b, made(0))
    assert set((await sections.record(db, await claimed(db), made(1))).unreferenced) == {made(1).tail}
    gone = (await sections.record(db, await claimed(db), made(1))).unreferenced
    assert set(gone) == {made(0).film, made(0).tail, made(1).tail}


async def test_a_file_under_two_names_of_one_job_is_kept(db: Database) -> None:
    claim = await running(db)
    await sections.record(db, claim, made(0, clip=made(0).film))
    assert (await sections.record(db, await claimed(db), made(1))).unreferenced == (made(0).tail,)


async def test_conditioning_made_in_the_turn_is_recorded_with_its_section_and_stays(db: Database) -> None:
    claim = await running(db)
    await sections.record(db, claim, made(0, conditioning=sha("conditioning")))
    recorded = await sections.record(db, await claimed(db), made(1))
    assert recorded.job.conditioning == sha("conditioning")
    assert sha("conditioning") not in recorded.unreferenced


async def test_a_canvas_wants_what_was_committed(db: Database) -> None:
    claim = await running(db)
    for n in range(2):
        job = (await sections.record(db, claim, made(n))).job
        (canvas,) = await due(db)
        assert canvas.wanted == job.revision
        await canvases.shown(db, job.id, canvas.wanted, "message 1")
        assert await due(db) == []
        claim = await claimed(db)


async def test_progress_is_overwritten_and_over_with_its_section(db: Database, clock: object) -> None:
    claim = await running(db)
    id = claim.job.id
    assert await progress.of(db, id) is None
    await progress.report(db, claim, 0, 1, 8, "sampling", None)
    await progress.report(db, claim, 0, 2, 8, "sampling", b"jpeg")
    told = await progress.of(db, id)
    assert told and (told.n, told.step, told.of, told.phase, told.preview) == (0, 2, 8, "sampling", b"jpeg")
    await sections.record(db, claim, made(0))
    assert await progress.of(db, id) is None


async def test_no_second_row_can_say_that_it_is_section_n_of_a_job(db: Database) -> None:
    """The key itself, whatever the code above it does: under another fence, by whoever."""
    claim = await running(db)
    await sections.record(db, claim, made(0))
    with db.reading() as tx:
        (row,) = tx.execute(select(Section.__table__)).all()
    with pytest.raises(IntegrityError), db.transaction() as tx:
        tx.execute(insert(Section).values(**{**row._mapping, "fence": claim.fence + 1}))
