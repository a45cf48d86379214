"""The same tables, steps and verbs on a real PostgreSQL, where one is installed: pip install "psycopg[binary]".

SQLite is what the service opens. What this holds is that nothing of the queue would have to be written anew for it.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from makers import LEASE_MS, PLENTY, Clock, ask, made
from sqlalchemy import create_engine, func, select

from db import flows, jobs, migrations, requests, sections
from db.connect import Database
from db.errors import LeaseLost
from db.models import Base, Job, Section, State, Tick

pytest.importorskip("psycopg", reason="no psycopg")
if os.name != "posix" or not shutil.which("initdb") or not shutil.which("pg_isready"):
    pytest.skip("no PostgreSQL server", allow_module_level=True)


@pytest.fixture(scope="module")
def server() -> Iterator[Path]:
    """A server of the test's own, on a socket in its folder. It refuses to run as root."""
    other: dict[str, Any] = {"user": "nobody"} if os.getuid() == 0 else {}
    folder = Path(tempfile.mkdtemp())
    try:
        if other:
            shutil.chown(folder, other["user"])
        how: dict[str, Any] = {**other, "cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        made = subprocess.run(["initdb", "-D", str(folder / "data"), "-U", "flipbot", "-A", "trust", "-N"], **how)
        if made.returncode:
            pytest.skip(f"initdb: {made.stderr.decode(errors='replace')[-200:]}")
        options = ["-c", "listen_addresses=", "-c", "fsync=off", "-k", str(folder)]
        running = subprocess.Popen(["postgres", "-D", str(folder / "data"), *options], **how | {"stderr": -3})
        end = time.monotonic() + 60
        while subprocess.run(["pg_isready", "-q", "-h", str(folder)]).returncode:
            assert running.poll() is None and time.monotonic() < end, "the server did not start"
            time.sleep(0.05)
        yield folder
        running.terminate()
        running.wait(60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def opened(server: Path, clock: Clock) -> AsyncIterator[Database]:
    """What `Database.open` does, with another server's engine."""
    url = f"postgresql+psycopg://flipbot@/postgres?host={server}"
    engine = create_engine(url, pool_size=6)
    with engine.begin() as tx:
        migrations.upgrade(tx, server)
    db = Database(server, engine, engine, clock, clock, 10.0, writers=2)
    try:
        yield db
    finally:
        await db.close()


@pytest.fixture
async def cores(server: Path, clock: Clock) -> AsyncIterator[list[Database]]:
    """Four that share one database, as several cores would."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(opened(server, clock)) for _ in range(4)]


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
