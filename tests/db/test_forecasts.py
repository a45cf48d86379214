import heapq
import random

import pytest
from makers import LEASE_MS, PLENTY, ask, made

from db import jobs, operators, requests, sections, turns
from db.connect import Database
from db.rows import Claim

PACE_MS = 1000  # what `made` says a section takes


async def turn(db: Database) -> Claim | None:
    return await jobs.claim(db, "w", LEASE_MS)


async def make(db: Database) -> None:
    if claim := await turn(db):
        await sections.record(db, claim, made(claim.job.done, f"{claim.job.id}"))


async def a_line(db: Database) -> list[int]:
    """Films of three people, some begun, some of which have waited long, and of one who was put first: theirs is
    ready, and would not be for a while in virtual time. Returns those that have not ended."""
    drawn = random.Random(5)
    for n, sections_ in enumerate([9, 3, 7, 2, 6, 4]):
        await requests.submit(db, ask(f"{n}", sections=sections_, user_id=f"{n % 3}", weight=1.0 + n % 2), PLENTY)
        for _ in range(drawn.randrange(4)):
            await make(db)
    dan = await requests.submit(db, ask("dan", sections=5, user_id="dan", weight=2.0), PLENTY)
    await operators.prioritise(db, "terminal", dan.id)
    while not (await jobs.get(db, dan.id)).state.terminal:
        await make(db)
    return [job.id for job in await jobs.open_jobs(db)]


@pytest.mark.parametrize("workers", [1, 2])
async def test_what_is_forecast_comes_true_if_nobody_new_comes(
    db: Database, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(turns, "GAP", 4)
    monkeypatch.setattr(turns, "EVERY", 2)
    films = await a_line(db)
    at = 0
    under_way: list[tuple[int, int, Claim]] = []
    while len(under_way) < workers and (claim := await turn(db)):
        under_way.append((PACE_MS, claim.job.id, claim))
    told = {id: await jobs.forecast(db, id) for id in films}
    next_at: dict[int, int] = {}
    done_at: dict[int, int] = {}
    heapq.heapify(under_way)
    while under_way:
        at, id, claim = heapq.heappop(under_way)
        job = (await sections.record(db, claim, made(claim.job.done, f"{id}"))).job
        next_at.setdefault(id, at)
        if job.state.terminal:
            done_at[id] = at
        if claim := await turn(db):
            heapq.heappush(under_way, (at + PACE_MS, claim.job.id, claim))
    assert {id: (said.next_ms, said.done_ms) for id, said in told.items() if said} == {
        id: (next_at[id], done_at[id]) for id in films
    }
