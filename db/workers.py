"""The processes on one database, where there are several: who is there, who makes films, and with which model."""

import asyncio
import re
import secrets
from contextlib import suppress
from pathlib import Path

from sqlalchemy import delete, select

from db import rows
from db.connect import Database, reads, writes
from db.models import Worker
from db.query import put
from db.trouble import TROUBLE, patiently

EVERY_S = 15.0  # how often each says that it is there
LOOK_S = 2.0  # how often who does not work looks for those who do
GONE_MS = 60_000  # who said nothing for so long is not
KEPT_MS = 24 * 3600 * 1000
FILE = "worker"  # in the data folder: the name stays the same from start to start
LEAVE_S = 5.0  # how long the end waits to say so
_NUMBER = re.compile("[0-9a-f]{8}")
_NAME = re.compile(f"[^:]{{1,80}}:{_NUMBER.pattern}")


def name_of(data_dir: Path, host: str) -> str:
    """The name under which the process on this data folder claims turns: no other has it, and it keeps it.

    By it a worker that starts finds what it held when it died, in a new container with another host's name, too.
    host: where it is first started, for people
    raises: OSError
    """
    file = data_dir / FILE
    known = file.read_text("utf-8", "replace").strip() if file.is_file() else ""
    if not _NAME.fullmatch(known):
        number = known if _NUMBER.fullmatch(known) else secrets.token_hex(4)  # an older version wrote it alone
        known = f"{host[:80].replace(':', '-')}:{number}"
        file.write_text(known, "utf-8")
    return known


def engine_of(name: str, n: int) -> str:
    """The name under which the n-th engine of the process of that name claims turns; most have but one, of n 0."""
    return f"{name}/{n}" if n else name


def is_of(engine: str, name: str) -> bool:
    """Whether an engine is one of the process of that name."""
    return engine == name or engine.startswith(engine_of(name, 1)[:-1])


@writes
def here(db: Database, name: str, model: str, *, works: bool) -> None:
    """A process is there, with that model; it says so every EVERY_S. works: it makes films"""
    with db.transaction(quiet=True, lightly=True) as tx:
        put(tx, Worker, {"name": name}, {"model": model, "works": works, "seen_ms": db.steady()})
        tx.execute(delete(Worker).where(Worker.seen_ms < db.steady() - KEPT_MS))


@writes
def gone(db: Database, name: str) -> None:
    """A process ends."""
    with db.transaction(quiet=True) as tx:
        tx.execute(delete(Worker).where(Worker.name == name))


@reads
def all_of(db: Database) -> list[rows.Worker]:
    """Those that are there, by name."""
    there = select(*Worker.__table__.columns).where(Worker.seen_ms >= db.steady() - GONE_MS)
    with db.reading() as tx:
        return [rows.Worker(**row._mapping) for row in tx.execute(there.order_by(Worker.name))]


async def working(db: Database) -> list[rows.Worker]:
    """Those of them that make films."""
    return [each for each in await all_of(db) if each.works]


class Crew:
    """This process among those on a database, and whether any of them makes films."""

    def __init__(self, db: Database, name: str, model: str, *, works: bool) -> None:
        """name, model: of this process"""
        self.db, self.name, self.model, self.works = db, name, model, works
        self._others = False

    @property
    def there(self) -> bool:
        """Whether somebody works, as far as was heard lately."""
        return self.works or self._others

    async def join(self) -> list[rows.Worker]:
        """Say that this process is there; returns the others."""
        await self._say()
        return await self.others()

    async def others(self) -> list[rows.Worker]:
        """The other processes that are there."""
        return [each for each in await all_of(self.db) if each.name != self.name]

    async def leave(self) -> None:
        """Say that this process ends; a server that hangs does not hear it."""
        with suppress(TimeoutError, *TROUBLE):
            async with asyncio.timeout(LEAVE_S):
                await gone(self.db, self.name)

    async def run(self) -> None:
        """Once joined, say so again and again, and look who works, until cancelled; where the database is shared."""
        now = asyncio.get_running_loop().time
        said = now()
        while True:
            if now() >= said + EVERY_S:
                await patiently(self._say, "the list of processes")
                said = now()
            if not self.works:
                await patiently(self._look, "the list of processes")
            await asyncio.sleep(EVERY_S if self.works else LOOK_S)

    async def _say(self) -> None:
        await here(self.db, self.name, self.model, works=self.works)

    async def _look(self) -> None:
        self._others = bool(await working(self.db))
