"""What several machines do with one PostgreSQL; `pytest tests/db --postgres` runs the others' tests on it, too."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from makers import LEASE_MS, PLENTY, Clock, ask, made
from sqlalchemy import func, select

from db import flows, jobs, requests, sections
from db.connect import Database
from db.errors import LeaseLost
from db.models import Base, Job, Section, State, Tick

pytestmark = pytest.mark.parametrize("url", ["postgres"], indirect=True)


@pytest.fixture
async def cores(url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[list[Database]]:
    """Four that share one database, as four machines would."""
    async with AsyncExitStack() as stack:
        opening = (Database.open(url, data_dir=tmp_path / f"{n}", clock=clock) for n in range(4))
        yield [await stack.enter_async_context(each) for each in opening]


async def test_the_steps_lead_to_the_tables_of_the_models_there_too(cores: list[Database]) -> None:
    def differences(connection: Any) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))

    with cores[0].reading() as tx:
        assert differences(tx) == []


async def test_several_cores_never_take_the_same_turn_and_a_zombie_is_refused(
    cores: list[Database], clock: Clock
) -> None:
    db = cores[0]
    for n in range(12):
        await requests.submit(db, ask(f"{n}", sections=2, user_id=f"{n % 5}"), PLENTY)
    frozen = await jobs.claim(db, "frozen", LEASE_MS)
    assert frozen is not None
    clock.forward(LEASE_MS + 1)

    async def work(db: Database, name: str) -> list[tuple[int, int]]:
        mine = []
        while (claim := await jobs.claim(db, name, LEASE_MS)) or await left(db):
            if claim is not None:
                mine.append((claim.job.id, claim.job.done))
                await sections.record(db, claim, made(claim.job.done, f"{claim.job.id}"))
        return mine

    async def left(db: Database) -> bool:
        with db.reading() as tx:
            return bool(tx.scalar(select(func.count()).select_from(Job).where(flows.IS_OPEN)))

    done = await asyncio.gather(*(work(core, f"core {n}") for n, core in enumerate(cores)))
    turns = [turn for mine in done for turn in mine]
    assert sorted(turns) == [(job, n) for job in sorted({job for job, _ in turns}) for n in (0, 1)]
    assert len(turns) == 24
    with pytest.raises(LeaseLost):
        await sections.record(db, frozen, made(0, "frozen"))
    with db.reading() as tx:
        assert tx.scalar(select(func.count()).select_from(Section)) == 24
        assert tx.execute(select(Tick.sections, Tick.open)).one() == (24, 0)
    assert {job.state for job in await jobs.recent(db, 99)} == {State.DONE}
