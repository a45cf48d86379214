"""Machines that make no films for a while: who is told what, and when it goes on."""

from typing import Any

import pytest
from makers import LEASE_MS, PLENTY, Clock, ask, made

from db import absences, jobs, operators, requests, sections, workers
from db.connect import Database
from db.models import State

HOUR_MS = 3_600_000


async def test_who_waits_is_told_when_it_goes_on_and_what_is_under_way_is_finished(db: Database, clock: Clock) -> None:
    first = await requests.submit(db, ask("a", sections=2), PLENTY)
    claim = await jobs.claim(db, "w", LEASE_MS)
    assert claim
    await sections.record(db, claim, made(0))
    second = await requests.submit(db, ask("b", sections=1, user_id="bob"), PLENTY)
    before = [await jobs.forecast(db, job.id) for job in (first, second)]
    assert all(before)
    opens = db.now() + HOUR_MS
    await absences.goes(db, "home:1", "hours", {"opens": "22:00"}, opens)
    away = (await operators.state(db)).away
    assert away is not None
    assert (away.name, away.reason, away.facts, away.opens_ms) == ("home:1", "hours", {"opens": "22:00"}, opens)
    for job, plain in zip((first, second), before, strict=True):
        told = await jobs.forecast(db, job.id)
        assert told and plain
        assert (told.next_ms, told.done_ms) == (plain.next_ms + HOUR_MS, plain.done_ms + HOUR_MS)
        assert told.first_ms == (plain.first_ms + HOUR_MS if job is second else 0)
    claim = await jobs.claim(db, "w", LEASE_MS)
    assert claim, "it is the dispatcher that goes by it"
    running = await jobs.forecast(db, claim.job.id)
    waiting = await jobs.forecast(db, next(job.id for job in (first, second) if job.id != claim.job.id))
    assert running and running.next_ms < HOUR_MS <= (waiting.next_ms if waiting else 0)
    clock.forward(HOUR_MS // 2)
    later = await jobs.forecast(db, claim.job.id)
    assert later and later.done_ms == running.done_ms
    await absences.goes(db, "home:1", "program", {"program": "blender"}, None)
    assert await jobs.forecast(db, first.id) is None, "nobody can tell"
    await absences.back(db, "home:1")
    assert (await operators.state(db)).away is None and await jobs.forecast(db, first.id)


@pytest.mark.parametrize(
    ("working", "away", "first"),
    [
        ({"a:1": True}, {"a:1": None}, "a:1"),
        ({"a:1": True, "b:1": True}, {"a:1": None}, None),
        ({"a:1": True, "b:1": True}, {"a:1": None, "b:1": 5}, "b:1"),
        ({"a:1": True, "b:1": True}, {"a:1": 9, "b:1": 5}, "b:1"),
        ({"a:1": True, "front:1": False}, {"a:1": None}, "a:1"),
        ({"a:1": True}, {"dead:1": None}, None),
        ({}, {"a:1": None}, "a:1"),
    ],
)
async def test_nobody_makes_films_where_every_machine_is_away(
    db: Database, working: dict[str, bool], away: dict[str, Any], first: str | None
) -> None:
    for name, works in working.items():
        await workers.here(db, name, "tiny@1", works=works)
    for name, opens in away.items():
        await absences.goes(db, name, "hours", {}, opens)
    found = await absences.of_all(db)
    assert (found.name if found else None) == first


async def test_a_pause_at_once_gives_turns_back_which_nobody_pays_for(db: Database) -> None:
    await requests.submit(db, ask("a", sections=3, server_id="one"), PLENTY)
    await requests.submit(db, ask("b", sections=3, server_id="two", user_id="bob"), PLENTY)
    claims = [await jobs.claim(db, f"w/{n}", LEASE_MS) for n in range(2)]
    one, two = sorted((claim.job for claim in claims if claim), key=lambda job: job.server_id)
    await requests.wish(db, two.id, "cancel", by="bob")
    await operators.pause(db, "terminal", scope="one", at_once=True)
    assert [(await jobs.get(db, job.id)).state for job in (one, two)] == [State.QUEUED, State.RUNNING]
    await operators.pause(db, "terminal", "a game", at_once=True)
    now = [await jobs.get(db, job.id) for job in (one, two)]
    assert [(job.state, job.worker, job.crashes, job.deaths) for job in now] == [
        (State.QUEUED, None, 0, 0),
        (State.CANCELLED, None, 0, 0),
    ]
    assert await jobs.claim(db, "w", LEASE_MS) is None
    assert [deed.action for deed in await operators.audit(db)][:2] == ["pause_now", "pause_now"]
    await operators.resume(db, "terminal")
    await operators.resume(db, "terminal", "one")
    claim = await jobs.claim(db, "w", LEASE_MS)
    assert claim and claim.job.id == one.id
