import pytest
from makers import LEASE_MS, PLENTY, Clock, ask, made, sha

from db import canvases, jobs, people, progress, requests, sections
from db.connect import Database
from db.errors import LatentsGone, NoSuchJob, QueueFull
from db.media import media_keep
from db.models import Platform, State
from db.requests import Limits


async def test_a_submitted_film_is_queued_with_everything_that_was_asked(db: Database, clock: Clock) -> None:
    job = await requests.submit(db, ask("a", prompt="夜 🌙", settings={"seed": 7, "deep": {"x": [1, None]}}), PLENTY)
    assert (job.id, job.state, job.done, job.sections, job.fence, job.revision) == (1, State.QUEUED, 0, 3, 0, 1)
    assert (job.prompt, job.settings) == ("夜 🌙", {"seed": 7, "deep": {"x": [1, None]}})
    assert (job.platform, job.user_id, job.chat_id, job.locale) == (Platform.PAGE, "ann", "page", "en")
    assert (job.created_ms, job.started_ms, job.finished_ms) == (clock.ms, None, None)
    assert await jobs.get(db, job.id) == job


async def test_the_same_key_is_the_same_job(db: Database) -> None:
    first = await requests.submit(db, ask("a"), PLENTY)
    again = await requests.submit(db, ask("a", prompt="something else"), PLENTY)
    assert again == first
    assert await requests.find(db, "a") == first
    assert await requests.find(db, "b") is None


async def test_the_same_key_is_the_same_job_even_when_the_queue_is_full(db: Database) -> None:
    limits = Limits(queued_per_user=1, queued_per_chat=1, queued_in_all=1)
    first = await requests.submit(db, ask("a"), limits)
    assert await requests.submit(db, ask("a"), limits) == first


@pytest.mark.parametrize(
    ("of", "limits", "other"),
    [
        ("user", Limits(queued_per_user=2, queued_per_chat=9, queued_in_all=9), {"user_id": "bob"}),
        ("user", Limits(queued_per_user=2, queued_per_chat=9, queued_in_all=9), {"platform": Platform.DISCORD}),
        ("chat", Limits(queued_per_user=9, queued_per_chat=2, queued_in_all=9), {"chat_id": "elsewhere"}),
        ("chat", Limits(queued_per_user=9, queued_per_chat=2, queued_in_all=9), {"platform": Platform.DISCORD}),
    ],
)
async def test_a_limit_refuses_one_more_and_nobody_else(
    db: Database, of: str, limits: Limits, other: dict[str, object]
) -> None:
    for key in ("a", "b"):
        await requests.submit(db, ask(key), limits)
    with pytest.raises(QueueFull) as refused:
        await requests.submit(db, ask("c"), limits)
    assert refused.value.facts == {"got": 2, "limit": 2, "of": of}
    assert await requests.find(db, "c") is None
    await requests.submit(db, ask("d", **other), limits)


async def test_the_limit_in_all_counts_everybody(db: Database) -> None:
    limits = Limits(queued_per_user=1, queued_per_chat=1, queued_in_all=2)
    for user in ("ann", "bob"):
        await requests.submit(db, ask(user, user_id=user, chat_id=user), limits)
    with pytest.raises(QueueFull, match="The queue has 2 jobs waiting or running and the limit is 2"):
        await requests.submit(db, ask("c", user_id="cid", chat_id="cid"), limits)


async def test_a_job_that_has_ended_counts_for_no_limit(db: Database) -> None:
    limits = Limits(queued_per_user=1, queued_per_chat=1, queued_in_all=1)
    job = await requests.submit(db, ask("a"), limits)
    await requests.wish(db, job.id, "cancel", "ann")
    await requests.submit(db, ask("b"), limits)


async def test_a_job_that_was_forgotten_counts_for_no_limit_and_one_put_back_in_line_counts_once(db: Database) -> None:
    limits = Limits(queued_per_user=9, queued_per_chat=9, queued_in_all=2)
    kept, gone = [await requests.submit(db, ask(key), limits) for key in ("a", "b")]
    await people.forget_job(db, gone.id)
    assert await jobs.claim(db, "w", LEASE_MS)
    assert await jobs.recover(db, "w") == 1
    await requests.submit(db, ask("c"), limits)
    with pytest.raises(QueueFull):
        await requests.submit(db, ask("d"), limits)
    await requests.wish(db, kept.id, "cancel", "ann")
    await requests.expire(db, 1 << 60)  # who has ended is forgotten, and was not counted any more
    await requests.submit(db, ask("e"), limits)
    with pytest.raises(QueueFull):
        await requests.submit(db, ask("f"), limits)


async def test_latents_may_go_before_their_film_and_only_what_no_row_needs(db: Database, clock: Clock) -> None:
    """The other job took over the first section, and has not ended."""
    old = await requests.submit(db, ask("old", sections=2), PLENTY)
    for n in range(2):
        claim = await jobs.claim(db, "w", LEASE_MS)
        assert claim
        await sections.record(db, claim, made(n, "old", conditioning=sha("old conditioning")))
    longer = await requests.submit(db, ask("longer", sections=3, parent_id=old.id, kept=1), PLENTY)
    assert await requests.expire_latents(db, clock.ms) == 0, "not yet: it ended at that very time"
    clock.forward(1)
    before = await media_keep(db)
    assert await requests.expire_latents(db, clock.ms) == 1
    assert await requests.expire_latents(db, clock.ms) == 0, "once"
    assert before - await media_keep(db) == {made(1, "old").latents}
    assert [part.latents for part in await sections.of(db, longer.id)] == [made(0, "old").latents]
    assert (await jobs.get(db, old.id)).film == made(1, "old").film
    with pytest.raises(LatentsGone):
        await requests.submit(db, ask("late", sections=3, parent_id=old.id, kept=1), PLENTY)
    assert (await requests.submit(db, ask("anew", sections=2, parent_id=old.id), PLENTY)).done == 0


async def test_cancelling_a_waiting_job_ends_it_at_once(db: Database, clock: Clock) -> None:
    job = await requests.submit(db, ask(), PLENTY)
    clock.forward(5)
    ended = await requests.wish(db, job.id, "cancel", "ann")
    assert (ended.state, ended.wish, ended.wish_by) == (State.CANCELLED, "cancel", "ann")
    assert ended.finished_ms == clock.ms
    assert ended.revision > job.revision
    assert await jobs.claim(db, "w", LEASE_MS) is None


@pytest.mark.parametrize(("done", "state"), [(0, State.CANCELLED), (1, State.STOPPED)])
async def test_stopping_a_waiting_job_keeps_its_film_if_it_has_one(db: Database, done: int, state: State) -> None:
    job = await requests.submit(db, ask(), PLENTY)
    for n in range(done):
        claim = await jobs.claim(db, "w", LEASE_MS)
        assert claim
        await sections.record(db, claim, made(n))
    ended = await requests.wish(db, job.id, "stop", "ann")
    assert ended.state == state
    assert ended.film == (sha(" film 0") if done else None)


async def test_a_running_job_gets_the_wish_and_its_worker_hears_it(db: Database) -> None:
    job = await requests.submit(db, ask(), PLENTY)
    claim = await jobs.claim(db, "w", LEASE_MS)
    assert claim
    assert await jobs.renew(db, claim, LEASE_MS) is None
    running = await requests.wish(db, job.id, "stop", "ann")
    assert (running.state, running.wish) == (State.RUNNING, "stop")
    assert await jobs.renew(db, claim, LEASE_MS) == "stop"


async def test_cancelling_outranks_stopping(db: Database) -> None:
    job = await requests.submit(db, ask(), PLENTY)
    await jobs.claim(db, "w", LEASE_MS)
    assert (await requests.wish(db, job.id, "stop", "ann")).wish == "stop"
    assert (await requests.wish(db, job.id, "cancel", "mod")).wish_by == "mod"
    assert (await requests.wish(db, job.id, "stop", "ann")).wish == "cancel"


async def test_a_wish_for_a_job_that_has_ended_changes_nothing(db: Database) -> None:
    job = await requests.submit(db, ask(), PLENTY)
    ended = await requests.wish(db, job.id, "cancel", "ann")
    assert await requests.wish(db, job.id, "stop", "bob") == ended


async def test_a_wish_for_no_job_is_refused(db: Database) -> None:
    with pytest.raises(NoSuchJob, match=r"There is no job 77\."):
        await requests.wish(db, 77, "stop", "ann")


async def test_old_jobs_are_forgotten_with_all_that_belongs_to_them(db: Database, clock: Clock) -> None:
    old = await requests.submit(db, ask("old", sections=1, canvas=True, picture=sha("old")), PLENTY)
    claim = await jobs.claim(db, "w", LEASE_MS)
    assert claim
    await sections.record(db, claim, made(0, "old"))
    clock.forward(1000)
    child = await requests.submit(db, ask("child", parent_id=old.id), PLENTY)
    assert await requests.expire(db, clock.ms - 1000) == 0  # not yet: it ended at that very time
    assert await requests.expire(db, clock.ms) == 1
    with pytest.raises(NoSuchJob):
        await jobs.get(db, old.id)
    assert (await jobs.get(db, child.id)).parent_id is None
    assert await sections.of(db, old.id) == [] and await progress.of(db, old.id) is None
    assert await canvases.pending(db, Platform.PAGE) == []
    assert await requests.find(db, "old") is None
    assert await media_keep(db) == {sha("picture")}
    assert (await requests.submit(db, ask("new"), PLENTY)).id > child.id  # numbers are not given twice


async def test_open_jobs_are_never_forgotten(db: Database, clock: Clock) -> None:
    await requests.submit(db, ask("a"), PLENTY)
    await requests.submit(db, ask("b"), PLENTY)
    await jobs.claim(db, "w", LEASE_MS)
    assert await requests.expire(db, clock.ms + 10**12) == 0
    assert len(await jobs.open_jobs(db)) == 2
