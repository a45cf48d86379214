"""A film out of another one: sections that are taken over, a plan that changes while it is made."""

import pytest
from makers import LEASE_MS, PLAN, PLENTY, Clock, ask, due, made, pace, sha
from sqlalchemy import select

from db import jobs, requests, sections
from db.connect import Database
from db.errors import NoSuchJob, NotFinished
from db.media import media_keep
from db.models import Job as JobRow
from db.models import State
from db.requests import Limits
from db.rows import Claim, Job


async def turn(db: Database) -> Claim:
    claim = await jobs.claim(db, "w", LEASE_MS)
    assert claim is not None
    return claim


async def film(db: Database, key: str = "parent", *, finished: int = 3, **changes: object) -> Job:
    """A film of three sections, so many of which are finished; where not all are, it was stopped."""
    job = await requests.submit(db, ask(key, **changes), PLENTY)
    for n in range(finished):
        claim = await turn(db)
        assert claim.job.id == job.id
        await sections.record(db, claim, made(n, key, conditioning=sha(f"{key} words")))
    return await requests.wish(db, job.id, "stop", "ann")


async def test_a_longer_film_has_the_sections_of_the_first_one_at_birth(db: Database) -> None:
    parent = await film(db)
    child = await requests.submit(db, ask("child", sections=5, parent_id=parent.id, kept=3, canvas=True), PLENTY)
    assert (child.state, child.done, child.sections, child.parent_id) == (State.QUEUED, 3, 5, parent.id)
    assert (child.film, child.tail, child.conditioning) == (parent.film, None, parent.conditioning)
    mine, theirs = await sections.of(db, child.id), await sections.of(db, parent.id)
    for one, other in zip(mine, theirs, strict=True):
        assert (one.n, one.latents, one.clip, one.frames) == (other.n, other.latents, other.clip, other.frames)
        assert one.sampling_ms == one.decode_ms == one.encode_ms == one.gpu_ms == 0  # the parent has paid for it
    assert [canvas.job_id for canvas in await due(db)] == [child.id]
    assert (await jobs.get(db, parent.id)) == parent
    with db.reading() as tx:
        assert tx.scalar(select(JobRow.since).where(JobRow.id == child.id)) == 3  # it waits to go on since now


async def test_its_first_turn_is_the_section_after_those_it_took_over(db: Database) -> None:
    parent = await film(db)
    child = await requests.submit(db, ask("child", sections=4, parent_id=parent.id, kept=3), PLENTY)
    claim = await turn(db)
    assert (claim.job.id, claim.job.done) == (child.id, 3)
    assert [section.latents for section in claim.sections] == [sha(f"parent latents {n}") for n in range(3)]
    ended = (await sections.record(db, claim, made(3, "child"))).job
    assert (ended.state, ended.done, ended.film) == (State.DONE, 4, sha("child film 3"))
    assert len(await sections.of(db, child.id)) == 4


async def test_of_a_part_there_is_no_film_until_the_next_section_and_stopping_is_cancelling(db: Database) -> None:
    parent = await film(db)
    child = await requests.submit(db, ask("child", parent_id=parent.id, kept=2), PLENTY)
    assert (child.done, child.film) == (2, None)
    assert (await requests.wish(db, child.id, "stop", "ann")).state == State.CANCELLED
    other = await requests.submit(db, ask("other", parent_id=parent.id, kept=2), PLENTY)
    claim = await turn(db)
    await requests.wish(db, other.id, "stop", "ann")
    assert (await jobs.release(db, claim)).state == State.CANCELLED
    third = await requests.submit(db, ask("third", parent_id=parent.id, kept=1), PLENTY)
    claim = await turn(db)
    await requests.wish(db, third.id, "stop", "ann")
    assert (await sections.record(db, claim, made(1, "third"))).job.state == State.STOPPED


async def test_what_the_encoders_made_is_taken_over_for_the_same_picture_at_the_same_size_only(db: Database) -> None:
    parent = await film(db, sections=1, finished=1)

    async def child(key: str, **changes: object) -> str | None:
        return (await requests.submit(db, ask(key, parent_id=parent.id, **changes), PLENTY)).conditioning

    assert await child("same") == sha("parent words")
    assert await child("other picture", picture=sha("other")) is None
    assert await child("an end", end_picture=sha("other")) is None
    assert await child("other size", plan={**PLAN, "width": 64}) is None
    assert await child("other model", plan={**PLAN, "model": "tiny@2"}) is None


async def test_more_sections_than_are_finished_cannot_be_kept(db: Database) -> None:
    parent = await film(db, finished=1)
    assert parent.state == State.STOPPED
    with pytest.raises(NotFinished, match="has 1 finished sections, and 2 were to be kept"):
        await requests.submit(db, ask("child", parent_id=parent.id, kept=2), PLENTY)
    with pytest.raises(NoSuchJob):
        await requests.submit(db, ask("orphan", parent_id=77, kept=1), PLENTY)
    assert await requests.find(db, "child") is None
    assert await jobs.open_jobs(db) == []


async def test_limits_and_keys_hold_for_it_as_for_any_film(db: Database) -> None:
    parent = await film(db)
    limits = Limits(queued_per_user=1, queued_per_chat=1, queued_in_all=1)
    first = await requests.submit(db, ask("child", sections=4, parent_id=parent.id, kept=3), limits)
    assert await requests.submit(db, ask("child", sections=4, parent_id=parent.id, kept=3), limits) == first
    with pytest.raises(requests.QueueFull):
        await requests.submit(db, ask("one more", sections=4, parent_id=parent.id, kept=3), limits)
    assert len(await sections.of(db, first.id)) == 3


async def test_a_forgotten_parent_leaves_the_files_that_its_child_needs(db: Database, clock: Clock) -> None:
    parent = await film(db)
    clock.forward(1000)
    child = await requests.submit(db, ask("child", sections=5, parent_id=parent.id, kept=3), PLENTY)
    assert await requests.expire(db, clock.ms) == 1
    child = await jobs.get(db, child.id)
    assert (child.parent_id, child.done, child.film) == (None, 3, parent.film)
    needed = {sha(f"parent {kind} {n}") for kind in ("latents", "clip") for n in range(3)}
    assert await media_keep(db) == needed | {parent.film, parent.conditioning, sha("picture")}
    recorded = await sections.record(db, await turn(db), made(3, "child"))
    assert recorded.unreferenced == (parent.film,)  # the last to name it was the child


async def test_a_film_that_its_parent_still_names_is_not_dropped_by_the_child(db: Database) -> None:
    parent = await film(db)
    await requests.submit(db, ask("child", sections=5, parent_id=parent.id, kept=3), PLENTY)
    recorded = await sections.record(db, await turn(db), made(3, "child"))
    assert recorded.unreferenced == ()
    assert parent.film in await media_keep(db)


async def test_the_pace_is_measured_by_sections_that_were_made_not_by_those_taken_over(db: Database) -> None:
    parent = await film(db)
    await requests.submit(db, ask("child", sections=5, parent_id=parent.id, kept=3), PLENTY)
    assert pace(db, PLAN) == 1000


async def test_steering_changes_the_plan_and_what_is_said_of_the_film(db: Database) -> None:
    job = await requests.submit(db, ask(canvas=True), PLENTY)
    steered = await requests.steer(db, job, {**PLAN, "prompts": ["a", "b", "b"]}, "a | 1.2s: b")
    assert steered is not None
    assert (steered.plan["prompts"], steered.prompt) == (["a", "b", "b"], "a | 1.2s: b")
    assert steered.revision > job.revision
    assert [canvas.wanted for canvas in await due(db)] == [steered.revision]
    assert (await turn(db)).job.plan == steered.plan


async def test_a_plan_made_from_what_is_no_longer_so_changes_nothing(db: Database) -> None:
    job = await requests.submit(db, ask(), PLENTY)
    claim = await turn(db)  # the section it was to change is under way now
    assert await requests.steer(db, job, {**PLAN, "late": 1}, "late") is None
    running = await jobs.get(db, job.id)
    await sections.record(db, claim, made(0))
    assert await requests.steer(db, running, {**PLAN, "late": 2}, "late") is None
    queued = await jobs.get(db, job.id)
    assert await requests.steer(db, queued, {**PLAN, "first": 1}, "first") is not None
    assert await requests.steer(db, queued, {**PLAN, "second": 1}, "second") is None  # two at the same moment
    assert (await jobs.get(db, job.id)).prompt == "first"


async def test_a_job_of_which_nothing_is_made_gets_another_plan_unless_anything_happened_to_it(db: Database) -> None:
    other = {**PLAN, "model": "tiny@2"}
    job = await requests.submit(db, ask(canvas=True), PLENTY)
    assert await requests.replan(db, job, other)
    assert not await requests.replan(db, job, PLAN), "it was seen before that"
    now = await jobs.get(db, job.id)
    assert (now.plan, now.prompt) == (other, job.prompt)
    claim = await turn(db)
    assert not await requests.replan(db, claim.job, PLAN), "it is being made"
    await sections.record(db, claim, made(0))
    assert not await requests.replan(db, await jobs.get(db, job.id), PLAN), "it is begun"
    assert (await jobs.get(db, job.id)).plan == other


async def test_a_steered_running_section_is_recorded_as_it_was_claimed(db: Database) -> None:
    job = await requests.submit(db, ask(), PLENTY)
    claim = await turn(db)
    assert await requests.steer(db, claim.job, {**PLAN, "steered": 1}, "new") is not None
    assert "steered" not in claim.job.plan
    after = (await sections.record(db, claim, made(0, conditioning=sha("old words")))).job
    assert (after.done, after.plan["steered"], after.conditioning) == (1, 1, sha("old words"))
    assert (await turn(db)).job.plan == after.plan
    assert (await jobs.get(db, job.id)).prompt == "new"


async def test_a_film_that_is_done_is_not_steered(db: Database) -> None:
    await requests.submit(db, ask(sections=1), PLENTY)
    done = (await sections.record(db, await turn(db), made(0))).job
    assert await requests.steer(db, done, {**PLAN, "late": 1}, "late") is None
    assert await jobs.get(db, done.id) == done


@pytest.mark.parametrize("end", ["stop", "cancel"])
async def test_a_job_that_ends_or_has_ended_is_not_steered(db: Database, end: str) -> None:
    job = await requests.submit(db, ask(), PLENTY)
    claim = await turn(db)
    wished = await requests.wish(db, job.id, "stop" if end == "stop" else "cancel", "ann")
    assert await requests.steer(db, wished, PLAN, "late") is None
    ended = await jobs.release(db, claim)
    assert ended.state.terminal
    assert await requests.steer(db, ended, PLAN, "late") is None
    assert (await jobs.get(db, job.id)).prompt == "night falls"
