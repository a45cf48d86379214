import asyncio

import pytest
from makers import LEASE_MS, PLAN, PLENTY, Clock, ask, made, pace

from db import jobs, operators, progress, requests, sections
from db.connect import Database
from db.errors import LeaseLost, NoSuchJob
from db.models import Platform, Reason, State
from db.rows import Claim
from db.said import Said, said


async def claimed(db: Database, worker: str = "w") -> Claim:
    claim = await jobs.claim(db, worker, LEASE_MS)
    assert claim
    return claim


async def running(db: Database, *, sections: int = 3) -> Claim:
    await requests.submit(db, ask(sections=sections), PLENTY)
    return await claimed(db)


@pytest.mark.sqlite
async def test_nobody_waits_so_nothing_is_claimed_and_nobody_is_woken(db: Database) -> None:
    commits = db.commits
    assert await jobs.claim(db, "w", LEASE_MS) is None
    assert db.commits == commits


async def test_a_claim_holds_the_job_under_a_fence(db: Database, clock: Clock) -> None:
    claim = await running(db)
    assert (claim.fence, claim.worker, claim.sections) == (1, "w", ())
    assert (claim.job.state, claim.job.worker, claim.job.fence) == (State.RUNNING, "w", 1)
    assert (claim.job.started_ms, claim.job.lease_until_ms) == (clock.ms, clock.ms + LEASE_MS)
    assert await jobs.get(db, claim.job.id) == claim.job
    assert await jobs.claim(db, "v", LEASE_MS) is None


async def test_the_oldest_job_has_its_turn_first(db: Database) -> None:
    ids = [(await requests.submit(db, ask(key), PLENTY)).id for key in "abc"]
    assert [(await claimed(db)).job.id for _ in ids] == ids


async def test_a_job_is_passed_over_until_its_time(db: Database, clock: Clock) -> None:
    first = await running(db)
    second = await requests.submit(db, ask("second"), PLENTY)
    await jobs.release(db, first, reason="disk_full", retry_in_ms=1000)
    assert (await claimed(db)).job.id == second.id
    assert await jobs.claim(db, "w", LEASE_MS) is None
    clock.forward(1000)
    assert (await claimed(db)).job.id == first.job.id


async def test_eight_claimers_at_once_never_get_the_same_section(db: Database) -> None:
    for n in range(5):
        await requests.submit(db, ask(f"{n}", sections=4), PLENTY)
    made_by: list[tuple[int, int]] = []
    at_work: set[int] = set()

    async def worker(name: str) -> None:
        while claim := await jobs.claim(db, name, LEASE_MS):
            assert claim.job.id not in at_work
            at_work.add(claim.job.id)
            await asyncio.sleep(0)
            at_work.discard(claim.job.id)
            await sections.record(db, claim, made(claim.job.done))
            made_by.append((claim.job.id, claim.job.done))

    await asyncio.gather(*(worker(f"w{n}") for n in range(8)))
    assert sorted(made_by) == [(job, n) for job in range(1, 6) for n in range(4)]


async def test_renewing_prolongs_the_lease(db: Database, clock: Clock) -> None:
    claim = await running(db)
    for _ in range(3):
        clock.forward(LEASE_MS)
        await jobs.renew(db, claim, LEASE_MS)
    assert (await jobs.get(db, claim.job.id)).lease_until_ms == clock.ms + LEASE_MS
    assert await jobs.claim(db, "v", LEASE_MS) is None


async def test_a_lost_lease_changes_no_row(db: Database, clock: Clock) -> None:
    claim = await running(db)
    clock.forward(LEASE_MS + 1)
    before = await jobs.get(db, claim.job.id)
    for write in (
        jobs.release(db, claim, crashed=True),
        jobs.fail(db, claim, Reason.OUT_OF_MEMORY, {}),
        jobs.end(db, claim, State.CANCELLED),
        progress.report(db, claim, 0, 1, 8, "sampling", None),
        sections.record(db, claim, made(0)),
    ):
        with pytest.raises(LeaseLost):
            await write
    assert await jobs.get(db, claim.job.id) == before
    assert await sections.of(db, claim.job.id) == [] and await progress.of(db, claim.job.id) is None


async def test_a_lease_that_is_over_is_revived_as_long_as_nobody_took_the_job(
    db: Database, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    claim = await running(db)
    await jobs.renew(db, claim, LEASE_MS)
    assert "revived" not in caplog.text
    await requests.wish(db, claim.job.id, "stop", "ann")
    clock.forward(3 * LEASE_MS)
    assert await jobs.renew(db, claim, LEASE_MS) == "stop"
    assert "lease revived job=1 fence=1 after=120.0s" in caplog.text
    assert await jobs.claim(db, "v", LEASE_MS) is None
    assert (await sections.record(db, claim, made(0))).job.crashes == 0


@pytest.mark.parametrize("taken", ["in line", "claimed", "failed", "made", "restarted"])
async def test_a_lease_is_not_revived_once_its_job_was_taken(db: Database, clock: Clock, taken: str) -> None:
    claim = await running(db)
    if taken == "failed":
        for _ in range(2):
            await jobs.release(db, claim, crashed=True)
            claim = await claimed(db)
    clock.forward(LEASE_MS + 1)
    match taken:
        case "restarted":
            await jobs.recover(db, "w")
        case "in line":
            await operators.pause(db, "terminal")
            assert await jobs.claim(db, "v", LEASE_MS) is None
        case "failed":
            assert await jobs.claim(db, "v", LEASE_MS) is None
        case _:
            other = await claimed(db)  # of the same name, even
            if taken == "made":
                await sections.record(db, other, made(0))
    before = await jobs.get(db, claim.job.id)
    with pytest.raises(LeaseLost):
        await jobs.renew(db, claim, LEASE_MS)
    assert await jobs.get(db, claim.job.id) == before


async def test_a_job_whose_lease_ended_goes_to_the_next_who_asks(db: Database, clock: Clock) -> None:
    lost = await running(db)
    clock.forward(LEASE_MS)
    assert await jobs.claim(db, "v", LEASE_MS) is None  # held up to and including its last millisecond
    clock.forward(1)
    claim = await claimed(db, "v")
    assert (claim.job.id, claim.fence, claim.job.crashes) == (lost.job.id, lost.fence + 1, 1)


async def test_the_zombie_that_wakes_after_its_successor_recorded_is_refused(db: Database, clock: Clock) -> None:
    zombie = await running(db)
    clock.forward(LEASE_MS + 1)
    live = await claimed(db, "live")
    await sections.record(db, live, made(0, "live"))
    with pytest.raises(LeaseLost):
        await sections.record(db, zombie, made(0, "zombie"))
    assert [section.latents for section in await sections.of(db, live.job.id)] == [made(0, "live").latents]


async def test_the_zombie_that_wakes_before_its_successor_records_is_refused_and_the_successor_is_not(
    db: Database, clock: Clock
) -> None:
    zombie = await running(db)
    clock.forward(LEASE_MS + 1)
    live = await claimed(db, "w")  # of the same name, even: only the fence tells them apart
    with pytest.raises(LeaseLost):
        await sections.record(db, zombie, made(0, "zombie"))
    recorded = await sections.record(db, live, made(0, "live"))
    assert (recorded.job.film, recorded.job.done) == (made(0, "live").film, 1)


async def test_a_zombie_ends_no_job_of_its_successor(db: Database, clock: Clock) -> None:
    zombie = await running(db)
    clock.forward(LEASE_MS + 1)
    live = await claimed(db)
    with pytest.raises(LeaseLost):
        await jobs.fail(db, zombie, "nan_latents", {})
    with pytest.raises(LeaseLost):
        await jobs.release(db, zombie, crashed=True)
    assert await jobs.get(db, live.job.id) == live.job


async def test_the_third_crash_at_one_section_fails_the_job(db: Database) -> None:
    claim = await running(db)
    for crashes in (1, 2):
        job = await jobs.release(db, claim, crashed=True)
        assert (job.state, job.crashes, job.reason) == (State.QUEUED, crashes, Reason.WORKER_CRASHED)
        claim = await claimed(db)
    job = await jobs.release(db, claim, crashed=True, reason="worker_crashed", facts={"status": -9})
    assert (job.state, job.reason) == (State.FAILED, "worker_crashed")
    assert job.facts == {"status": -9, "crashes": 3, "section": 0}


async def test_a_finished_section_forgets_the_crashes_before_it(db: Database) -> None:
    claim = await running(db)
    for _ in range(2):
        await jobs.release(db, claim, crashed=True)
        claim = await claimed(db)
    recorded = await sections.record(db, claim, made(0))
    assert (recorded.job.crashes, recorded.job.reason, recorded.job.facts) == (0, None, {})


async def test_three_leases_lost_at_one_section_fail_the_job_and_free_the_rest(db: Database, clock: Clock) -> None:
    poison = await running(db)
    other = await requests.submit(db, ask("other"), PLENTY)
    for _ in range(2):
        clock.forward(LEASE_MS + 1)
        assert (await claimed(db)).job.id == poison.job.id
    clock.forward(LEASE_MS + 1)
    assert (await claimed(db)).job.id == other.id
    job = await jobs.get(db, poison.job.id)
    assert (job.state, job.reason, job.crashes) == (State.FAILED, Reason.WORKER_LOST, 3)


async def test_leases_that_end_at_the_same_moment_are_each_told_of_their_own_worker(db: Database, clock: Clock) -> None:
    for key in "ab":
        await requests.submit(db, ask(key), PLENTY)
    claims = [await claimed(db, worker) for worker in "ab"]
    assert claims[0].fence == claims[1].fence
    clock.forward(LEASE_MS + 1)
    await operators.pause(db, "terminal")
    commits = db.commits
    assert await jobs.claim(db, "c", LEASE_MS) is None
    assert db.commits > commits, "who waits hears of it, though nothing was claimed"
    for claim in claims:
        job = await jobs.get(db, claim.job.id)
        assert (job.state, job.crashes, job.facts["worker"]) == (State.QUEUED, 1, claim.worker)


async def test_giving_a_turn_back_is_no_crash(db: Database) -> None:
    claim = await running(db)
    for _ in range(5):
        job = await jobs.release(db, claim)
        assert (job.state, job.crashes, job.worker) == (State.QUEUED, 0, None)
        claim = await claimed(db)


@pytest.mark.parametrize(
    ("wish", "done", "state"),
    [("stop", 0, State.CANCELLED), ("stop", 1, State.STOPPED), ("cancel", 1, State.CANCELLED)],
)
@pytest.mark.parametrize("how", ["release", "crash", "lose", "recover", "abandon"])
async def test_a_wish_is_kept_however_the_turn_ends(
    db: Database, clock: Clock, how: str, wish: str, done: int, state: State
) -> None:
    claim = await running(db)
    for n in range(done):
        await sections.record(db, claim, made(n))
        claim = await claimed(db)
    await requests.wish(db, claim.job.id, "stop" if wish == "stop" else "cancel", "ann")
    match how:
        case "lose":
            clock.forward(LEASE_MS + 1)
            assert await jobs.claim(db, "v", LEASE_MS) is None
        case "recover":
            await jobs.recover(db, "w")
        case "abandon":
            await jobs.abandon(db, "w")
        case _:
            await jobs.release(db, claim, crashed=how == "crash")
    assert (await jobs.get(db, claim.job.id)).state == state


async def test_a_failed_job_keeps_its_reason_whatever_the_word(db: Database) -> None:
    claim = await running(db)
    job = await jobs.fail(db, claim, "a_reason_of_tomorrow", {"file": "x.safetensors"})
    assert (job.state, job.reason, job.facts) == (State.FAILED, "a_reason_of_tomorrow", {"file": "x.safetensors"})


async def test_a_fact_that_is_a_sentence_is_one_still_when_it_is_read(db: Database) -> None:
    why = said("{package} {version} has no {absent}", package="flash", version="2.6", absent="f")
    job = await jobs.fail(db, await running(db), "attention_missing", {"name": "flash", "why": why})
    found = (await jobs.get(db, job.id)).facts
    assert (found, job.facts) == ({"name": "flash", "why": "flash 2.6 has no f"}, found)
    assert isinstance(found["why"], Said)
    assert (found["why"].template, dict(found["why"].facts)) == (why.template, why.facts)


async def test_a_job_is_ended_as_wished_in_the_middle_of_a_section(db: Database) -> None:
    claim = await running(db)
    await sections.record(db, claim, made(0))
    job = await jobs.end(db, await claimed(db), State.STOPPED)
    assert (job.state, job.film, job.tail) == (State.STOPPED, made(0).film, None)


async def test_after_a_restart_what_ran_is_queued_and_the_old_claim_is_void(db: Database) -> None:
    claim = await running(db)
    assert await jobs.recover(db, "w") == 1
    job = await jobs.get(db, claim.job.id)
    assert (job.state, job.crashes, job.fence) == (State.QUEUED, 0, claim.fence)
    with pytest.raises(LeaseLost):
        await sections.record(db, claim, made(0))
    assert (await claimed(db)).fence == claim.fence + 1
    assert await jobs.recover(db, "w") == 1


async def test_a_claim_brings_the_sections_done_so_far(db: Database) -> None:
    claim = await running(db)
    for n in range(2):
        await sections.record(db, claim, made(n))
        claim = await claimed(db)
    assert [section.n for section in claim.sections] == [0, 1]
    assert (claim.job.done, claim.job.tail, claim.job.film) == (2, made(1).tail, made(1).film)


async def test_recent_jobs_come_newest_first_and_by_person(db: Database) -> None:
    for key, user in (("a", "ann"), ("b", "bob"), ("c", "ann")):
        await requests.submit(db, ask(key, user_id=user), PLENTY)
    await requests.submit(db, ask("d", platform=Platform.TELEGRAM), PLENTY)
    assert [job.id for job in await jobs.recent(db, 9)] == [4, 3, 2, 1]
    assert [job.id for job in await jobs.recent(db, 2)] == [4, 3]
    assert [job.id for job in await jobs.recent(db, 9, "ann")] == [4, 3, 1]
    assert [job.id for job in await jobs.recent(db, 9, "ann", Platform.PAGE)] == [3, 1]
    assert [job.id for job in await jobs.open_jobs(db, Platform.PAGE, "ann")] == [1, 3]


async def test_the_place_in_line_counts_the_jobs_and_sections_before_it(db: Database) -> None:
    claim = await running(db, sections=3)
    await sections.record(db, claim, made(0))
    second = await requests.submit(db, ask("second", sections=5), PLENTY)
    third = await requests.submit(db, ask("third"), PLENTY)
    assert (await claimed(db)).job.id == third.id
    places = [await jobs.place(db, job_id) for job_id in (claim.job.id, second.id, third.id)]
    assert [(place.jobs_ahead, place.sections_ahead, place.running) for place in places] == [
        (2, 2, False),  # it has its first second, the others' come before its next
        (1, 1, False),
        (0, 0, True),  # the shorter of two new films
    ]
    await requests.wish(db, second.id, "cancel", "ann")
    assert (await jobs.place(db, claim.job.id)).jobs_ahead == 1
    assert not (await jobs.place(db, second.id)).running
    with pytest.raises(NoSuchJob):
        await jobs.place(db, 99)


async def test_in_the_queues_numbers_the_oldest_is_one_that_has_no_section_yet(db: Database, clock: Clock) -> None:
    assert (await jobs.numbers(db)).people == 0
    await sections.record(db, await running(db), made(0))
    clock.forward(5000)
    assert (await jobs.numbers(db)).oldest_s == 0.0
    await requests.submit(db, ask("fresh"), PLENTY)
    clock.forward(2000)
    numbers = await jobs.numbers(db)
    assert (numbers.oldest_s, numbers.people, numbers.sections_left) == (2.0, 1, 5)


async def test_the_pace_is_measured_never_guessed(db: Database, clock: Clock) -> None:
    assert pace(db, PLAN) is None
    claim = await running(db, sections=12)
    for n in range(12):
        clock.forward(10)
        slow = {"sampling_ms": 90_000} if n in (0, 1, 2, 5) else {"sampling_ms": 700 + n}
        await sections.record(db, claim, made(n, **slow))
        claim = (await jobs.claim(db, "w", LEASE_MS)) or claim
    assert pace(db, PLAN) == 708 + 200 + 100  # the median of the last nine
    for other in ({"steps": 9}, {"height": 112}, {"step_cache": "teacache:0.15"}):
        assert pace(db, PLAN | other) is None
