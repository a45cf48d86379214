import asyncio
from pathlib import Path

import pytest
from makers import Clock
from sqlalchemy import select

from db import workers
from db.connect import Database
from db.models import Worker


@pytest.mark.parametrize("host", ["a:b", "x" * 200])
def test_a_name_stays_whatever_the_machine_is_called(tmp_path: Path, host: str) -> None:
    assert workers.name_of(tmp_path, host) == workers.name_of(tmp_path, host)


def test_a_name_of_an_older_version_stays(tmp_path: Path) -> None:
    (tmp_path / workers.FILE).write_text("0badcafe")
    assert workers.name_of(tmp_path, "gpu") == "gpu:0badcafe" == workers.name_of(tmp_path, "other")


def test_an_engine_s_name_says_whose_it_is() -> None:
    first, other = (workers.engine_of("gpu:0badcafe", n) for n in range(2))
    assert first == "gpu:0badcafe" != other
    for engine in (first, other):
        assert workers.is_of(engine, "gpu:0badcafe")
        assert not workers.is_of(engine, "gpu:0badcaf") and not workers.is_of(engine, "gpu:0badcafe0")


async def test_who_works_says_so_again_and_needs_to_look_for_nobody(
    db: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "EVERY_S", 0.01)
    crew = workers.Crew(db, "gpu", "tiny@1", works=True)
    await crew.join()
    assert crew.there
    clock.forward(workers.GONE_MS + 1)
    assert await workers.working(db) == []
    running = asyncio.create_task(crew.run())
    async with asyncio.timeout(10):
        while not await workers.working(db):
            await db.changed(db.commits, 0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_who_was_not_heard_of_for_a_day_is_forgotten(db: Database, clock: Clock) -> None:
    for name in ("old", "young", "new"):
        clock.forward(workers.KEPT_MS - 1 if name == "young" else 2)
        await workers.here(db, name, "tiny@1", works=True)
    with db.reading() as tx:
        assert set(tx.scalars(select(Worker.name))) == {"young", "new"}
