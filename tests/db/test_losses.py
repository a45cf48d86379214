"""What goes wrong at one job: files that are damaged, services that die, memory that runs out, workers that freeze."""

import pytest
from makers import LEASE_MS, PLENTY, Clock, ask, made

from db import jobs, progress, requests, sections
from db.connect import Database
from db.errors import LeaseLost
from db.media import media_keep
from db.models import Reason, State
from db.rows import Claim


async def claimed(db: Database, worker: str = "w") -> Claim:
    claim = await jobs.claim(db, worker, LEASE_MS)
    assert claim
    return claim


async def with_sections(db: Database, count: int, key: str = "key") -> Claim:
    """A claim on a job of five sections, so many of which are there."""
    await requests.submit(db, ask(key, sections=5, canvas=True), PLENTY)
    for n in range(count):
        await sections.record(db, await claimed(db), made(n, key))
    return await claimed(db)


async def test_lost_sections_are_forgotten_and_made_again(db: Database) -> None:
    claim = await with_sections(db, 3)
    after = await sections.lose(db, claim, 1, {"file": "x"})
    assert (after.job.state, after.job.done, after.job.losses) == (State.QUEUED, 1, 1)
    assert (after.job.reason, after.job.facts) == (Reason.SECTION_LOST, {"file": "x", "section": 1})
    assert (after.job.film, after.job.tail) == (made(2, "key").film, None), "people go on seeing what they saw"
    files = {made(n, "key").latents for n in (1, 2)} | {made(n, "key").clip for n in (1, 2)} | {made(2, "key").tail}
    assert set(after.unreferenced) == files
    assert [part.n for part in await sections.of(db, claim.job.id)] == [0]
    with pytest.raises(LeaseLost):
        await sections.record(db, claim, made(3))
    for n in (1, 2, 3, 4):
        job = (await sections.record(db, await claimed(db), made(n, "again"))).job
    assert (job.state, job.film) == (State.DONE, made(4, "again").film)


async def test_a_film_of_which_nothing_is_left_shows_nothing(db: Database) -> None:
    claim = await with_sections(db, 2)
    job = (await sections.lose(db, claim, 0, {})).job
    assert (job.done, job.film, job.state) == (0, None, State.QUEUED)
    await requests.wish(db, job.id, "stop", "ann")
    assert (await jobs.get(db, job.id)).state == State.CANCELLED


async def test_a_stop_keeps_the_film_whose_sections_were_lost(db: Database) -> None:
    claim = await with_sections(db, 3)
    await requests.wish(db, claim.job.id, "stop", "ann")
    job = (await sections.lose(db, claim, 1, {})).job
    assert (job.state, job.film) == (State.STOPPED, made(2, "key").film)


async def test_files_that_another_job_names_are_kept(db: Database) -> None:
    claim = await with_sections(db, 2)
    await sections.record(db, claim, made(2, "key"))
    child = await requests.submit(db, ask("child", sections=5, parent_id=claim.job.id, kept=3), PLENTY)
    await requests.wish(db, claim.job.id, "stop", "ann")
    claim = await claimed(db)
    assert claim.job.id == child.id
    after = await sections.lose(db, claim, 1, {})
    assert after.unreferenced == ()
    assert len(await sections.of(db, after.job.parent_id or 0)) == 3
    assert {made(n, "key").latents for n in range(3)} <= await media_keep(db)


async def test_only_who_holds_a_job_may_say_that_sections_are_lost(db: Database, clock: Clock) -> None:
    claim = await with_sections(db, 2)
    clock.forward(LEASE_MS + 1)
    with pytest.raises(LeaseLost):
        await sections.lose(db, claim, 0, {})
    new = await claimed(db, "b")
    with pytest.raises(LeaseLost):
        await sections.lose(db, claim, 0, {})
    with pytest.raises(LeaseLost):
        await sections.lose(db, new, 2, {})  # none that is there
    assert len(await sections.of(db, claim.job.id)) == 2


async def test_the_sixth_loss_fails_the_job_and_keeps_what_is_there(db: Database) -> None:
    claim = await with_sections(db, 2)
    for _ in range(sections.LOSSES):
        await sections.lose(db, claim, 1, {})
        await sections.record(db, await claimed(db), made(1))
        claim = await claimed(db)
    job = (await sections.lose(db, claim, 1, {})).job
    assert (job.state, job.reason, job.done, job.film) == (State.FAILED, "section_lost", 2, made(1).film)


async def dies(db: Database, *, at_it: bool) -> State:
    """The service dies while a job runs, its section begun or not; the job's state when it has started again."""
    claim = await claimed(db)
    if at_it:
        await progress.report(db, claim, claim.job.done, 1, 8, "sampling", None)
    await jobs.recover(db, "w")
    return (await jobs.get(db, claim.job.id)).state


async def test_a_job_that_takes_the_service_with_it_is_not_tried_for_ever(db: Database, clock: Clock) -> None:
    job = await requests.submit(db, ask(), PLENTY)
    for _ in range(jobs.DEATHS - 1):
        assert await dies(db, at_it=True) == State.QUEUED
        clock.forward(200_000)
    assert await dies(db, at_it=True) == State.FAILED
    job = await jobs.get(db, job.id)
    assert (job.reason, job.facts) == (Reason.SERVICE_DIED, {"deaths": 8, "section": 0})


async def test_switching_off_a_pc_between_and_within_sections_fails_no_film(db: Database) -> None:
    await requests.submit(db, ask(sections=3), PLENTY)
    for _ in range(20):
        assert await dies(db, at_it=False) == State.QUEUED
    for n in range(3):
        for _ in range(2):
            assert await dies(db, at_it=True) == State.QUEUED
        job = (await sections.record(db, await claimed(db), made(n))).job
        assert job.deaths == 0, "a section that is made forgets them"
    assert job.state == State.DONE


async def test_the_death_counts_where_a_section_had_been_begun_and_at_no_other_job(db: Database) -> None:
    for key in "ab":
        await requests.submit(db, ask(key), PLENTY)
    other, begun = await claimed(db), await claimed(db)
    await progress.report(db, begun, 0, 1, 8, "sampling", None)
    await jobs.recover(db, "w")
    assert [(await jobs.get(db, claim.job.id)).deaths for claim in (other, begun)] == [0, 1]


async def test_after_the_third_death_others_have_their_turns_first(db: Database, clock: Clock) -> None:
    poison = await requests.submit(db, ask("poison"), PLENTY)
    for _ in range(3):
        await dies(db, at_it=True)
    other = await requests.submit(db, ask("other", sections=1), PLENTY)
    assert (await claimed(db)).job.id == other.id
    assert await jobs.claim(db, "w", LEASE_MS) is None
    clock.forward(2000)
    assert (await claimed(db)).job.id == poison.id


async def test_a_job_remembers_how_small_its_memory_plan_has_to_be(db: Database) -> None:
    claim = await with_sections(db, 1)
    job = await jobs.release(db, claim, reason="out_of_memory", tighter=1)
    assert (job.state, job.tighter, job.crashes) == (State.QUEUED, 1, 0)
    recorded = await sections.record(db, await claimed(db), made(1))
    assert (recorded.job.tighter, recorded.job.reason) == (1, None)


async def test_a_zombie_is_refused_when_another_made_the_same_section(db: Database, clock: Clock) -> None:
    """A claims and freezes past its lease, B claims and commits the same section, A wakes and commits."""
    await requests.submit(db, ask(sections=2), PLENTY)
    a = await claimed(db, "a")
    clock.forward(LEASE_MS + 1)
    b = await claimed(db, "b")
    assert (b.job.id, b.job.done, b.fence) == (a.job.id, 0, a.fence + 1)
    recorded = await sections.record(db, b, made(0, "b"))
    for late in (made(0, "a"), made(1, "a")):
        with pytest.raises(LeaseLost):
            await sections.record(db, a, late)
    assert await jobs.get(db, a.job.id) == recorded.job
    assert [(part.fence, part.latents) for part in await sections.of(db, a.job.id)] == [(2, made(0, "b").latents)]


async def test_a_zombie_is_refused_while_the_other_still_works(db: Database, clock: Clock) -> None:
    """The same name for both, as after a restart in a container: it is the fence that tells them apart."""
    await requests.submit(db, ask(sections=2), PLENTY)
    a = await claimed(db)
    clock.forward(LEASE_MS + 1)
    b = await claimed(db)
    for verb in (
        sections.record(db, a, made(0, "a")),
        jobs.renew(db, a, LEASE_MS),
        jobs.release(db, a),
        jobs.fail(db, a, "internal", {}),
        jobs.end(db, a, State.CANCELLED),
        progress.report(db, a, 0, 8, 8, "sampling", None),
        sections.lose(db, a, 0, {}),
    ):
        with pytest.raises(LeaseLost):
            await verb
    assert (await sections.record(db, b, made(0, "b"))).job.done == 1


async def test_one_whose_lease_ran_out_is_refused_until_it_is_revived_though_nobody_took_the_job(
    db: Database, clock: Clock
) -> None:
    await requests.submit(db, ask(sections=2), PLENTY)
    a = await claimed(db)
    clock.forward(LEASE_MS + 1)
    with pytest.raises(LeaseLost):
        await sections.record(db, a, made(0, "a"))
    await jobs.renew(db, a, LEASE_MS)
    assert (await sections.record(db, a, made(0, "a"))).job.done == 1
