"""Films that were planned for another model than the one that runs: they wait for it, and nobody waits for them."""

from dataclasses import replace

import pytest
from makers import LEASE_MS, PLAN, PLENTY, Clock, ask, due, made
from sqlalchemy import select

from db import doors, flows, jobs, operators, requests, sections
from db.connect import Database
from db.errors import QueueFull
from db.models import Flow, Platform, State, Tick

NOW, THEN = "tiny@1", "large@7"
ELSE = {**PLAN, "model": THEN}


async def turn(db: Database) -> int | None:
    """Whose turn it is now; its section is made."""
    claim = await jobs.claim(db, "w", LEASE_MS)
    if claim is None:
        return None
    await sections.record(db, claim, made(claim.job.done, f"{claim.job.id}"))
    return claim.job.id


async def test_films_of_a_model_that_does_not_run_leave_the_line_and_come_back_with_it(db: Database) -> None:
    begun = await requests.submit(db, ask("begun", plan=ELSE, sections=2, canvas=True), PLENTY)
    assert await turn(db) == begun.id
    waiting = await requests.submit(db, ask("waiting", plan=ELSE, sections=1, user_id="bob"), PLENTY)
    mine = await requests.submit(db, ask("mine", sections=1, user_id="cem"), PLENTY)
    before = (await jobs.get(db, begun.id)).revision
    assert await jobs.run_model(db, NOW) == 2
    for job in (begun, waiting):
        now = await jobs.get(db, job.id)
        assert (now.state, now.reason, now.facts) == (State.QUEUED, "other_model", {"made": THEN, "loaded": NOW})
    said = await jobs.get(db, begun.id)
    assert (said.done, said.film is not None, said.revision) == (1, True, before + 1), "its message says so"
    assert [canvas.wanted for canvas in await due(db)] == [before + 1]
    assert await jobs.forecast(db, waiting.id) is None
    assert [job.id for job in (await jobs.line(db, 9))[0]] == [mine.id, begun.id, waiting.id]
    assert [await turn(db), await turn(db)] == [mine.id, None]

    assert await jobs.run_model(db, NOW) == 2
    assert await jobs.get(db, begun.id) == said, "nobody is told the same again"
    await jobs.recover(db)
    assert await turn(db) is None, "nor does a new start bring them back"
    assert await jobs.run_model(db, THEN) == 0
    assert {(await jobs.get(db, job.id)).reason for job in (begun, waiting)} == {None}
    assert [await turn(db), await turn(db), await turn(db)] == [waiting.id, begun.id, None]
    assert {(await jobs.get(db, job.id)).state for job in (begun, waiting, mine)} == {State.DONE}


async def test_one_that_is_put_off_or_put_first_waits_for_its_model_all_the_same(db: Database, clock: Clock) -> None:
    late, first = [await requests.submit(db, ask(f"{n}", plan=ELSE, user_id=f"{n}"), PLENTY) for n in range(2)]
    claim = await jobs.claim(db, "w", LEASE_MS)
    assert claim and claim.job.id == late.id
    await jobs.release(db, claim, reason="disk_full", retry_in_ms=500)
    await jobs.run_model(db, NOW)
    await operators.prioritise(db, "terminal", first.id)
    clock.forward(501)
    assert await turn(db) is None
    await jobs.run_model(db, THEN)
    assert [await turn(db), await turn(db)] == [first.id, first.id]


async def test_a_film_whose_plan_names_another_model_than_the_one_that_is_loaded_waits(db: Database) -> None:
    job = await requests.submit(db, ask(plan=ELSE), PLENTY)
    claim = await jobs.claim(db, "w", LEASE_MS)
    assert claim is not None
    await jobs.release(db, claim, reason="other_model", facts={"made": THEN, "loaded": NOW})
    assert await turn(db) is None
    assert (await requests.wish(db, job.id, "cancel", "ann")).state == State.CANCELLED


async def test_it_ends_as_its_owner_wishes(db: Database) -> None:
    stopped, cancelled = [
        await requests.submit(db, ask(f"{n}", plan=ELSE, user_id=f"{n}", sections=3), PLENTY) for n in range(2)
    ]
    assert [await turn(db), await turn(db)] == [stopped.id, cancelled.id]
    await jobs.run_model(db, NOW)
    assert (await requests.wish(db, stopped.id, "stop", "ann")).state == State.STOPPED
    await operators.cancel(db, "terminal", cancelled.id)
    assert await jobs.run_model(db, THEN) == 0
    assert await turn(db) is None
    with db.reading() as tx:
        assert tx.execute(select(Tick.open, Tick.weight)).one() == (0, 0.0)


async def test_with_the_plan_of_the_model_that_runs_it_is_in_line_again(db: Database) -> None:
    job = await requests.submit(db, ask(plan={**PLAN, "model": "tiny@0"}), PLENTY)
    await jobs.run_model(db, NOW)
    assert await requests.replan(db, await jobs.get(db, job.id), PLAN)
    assert await jobs.run_model(db, NOW) == 0
    assert (await jobs.get(db, job.id)).reason is None
    assert await turn(db) == job.id


@pytest.mark.parametrize("of", ["user", "chat", "all"])
async def test_what_waits_for_its_model_takes_nobodys_place(db: Database, of: str) -> None:
    few = replace(PLENTY, **{{"all": "queued_in_all"}.get(of, f"queued_per_{of}"): 2})
    for n in range(2):
        await requests.submit(db, ask(f"{n}", plan=ELSE), few)
    with pytest.raises(QueueFull):
        await requests.submit(db, ask("full"), few)
    await jobs.run_model(db, NOW)
    knock = doors.Knock(platform=Platform.PAGE, user_id="ann", chat_id="page")
    for n in range(2):
        with db.reading() as tx:
            assert doors._queued(tx, [knock]).get((Platform.PAGE, "ann"), 0) == n
        await requests.submit(db, ask(f"new {n}", sections=2), few)
    with pytest.raises(QueueFull) as full:
        await requests.submit(db, ask("full"), few)
    assert full.value.got == 2
    await turn(db)
    assert await jobs.room_in(db, full.value, Platform.PAGE, "ann", "page") is not None


@pytest.mark.parametrize("asked", ["before", "meanwhile"])
async def test_nobody_saves_up_turns_while_their_model_does_not_run(db: Database, clock: Clock, asked: str) -> None:
    await requests.submit(db, ask("alice", user_id="alice", plan=ELSE, sections=4), PLENTY)
    await requests.submit(db, ask("long", user_id="bob", sections=200), PLENTY)
    await jobs.run_model(db, NOW)
    for _ in range(20):
        await turn(db)
    if asked == "before":
        await requests.submit(db, ask("bob's", user_id="bob", plan=ELSE, sections=40), PLENTY)
        await jobs.run_model(db, THEN)
    else:
        await requests.submit(db, ask("now", user_id="alice", sections=4), PLENTY)
    served, now = served_and_now(db, "alice")
    assert served == now > 0


async def test_who_has_others_in_line_keeps_what_is_due_to_them(db: Database) -> None:
    await requests.submit(db, ask("theirs", user_id="alice", plan=ELSE, sections=9), PLENTY)
    await requests.submit(db, ask("more", user_id="alice", sections=90), PLENTY)
    await jobs.run_model(db, NOW)
    for n in range(30):
        await requests.submit(db, ask(f"{n}", user_id=f"{n}", sections=1), PLENTY)
        await turn(db)
    before, now = served_and_now(db, "alice")
    assert before < now
    await jobs.run_model(db, THEN)
    assert served_and_now(db, "alice") == (before, now)


def served_and_now(db: Database, user: str) -> tuple[float, float]:
    """What somebody was served, and virtual time's now."""
    with db.reading() as tx:
        served = tx.scalar(select(Flow.served).where(Flow.who == flows.who(Platform.PAGE, user)))
        return served or 0.0, tx.scalar(select(Tick.time)) or 0.0


async def test_what_an_older_version_began_ends_and_keeps_what_is_ready(db: Database) -> None:
    begun, fresh = [await requests.submit(db, ask(f"{n}", sections=2, user_id=f"{n}"), PLENTY) for n in range(2)]
    other = await requests.submit(db, ask("other", plan=ELSE, user_id="other"), PLENTY)
    assert await turn(db) == begun.id
    await jobs.run_model(db, "tiny@2", for_good=True)
    for job in (begun, fresh):  # the fresh one, too, which could not be planned anew
        now = await jobs.get(db, job.id)
        assert (now.state, now.reason, now.facts) == (State.FAILED, "other_model", {"made": NOW, "loaded": "tiny@2"})
    assert (await jobs.get(db, begun.id)).film is not None
    assert (await jobs.get(db, other.id)).state == State.QUEUED
    numbers = await jobs.numbers(db)
    assert (numbers.sections_left, numbers.oldest_s) == (0, 0.0)
