"""Who makes films: the processes with an engine, each on a machine of its own perhaps, and which of them are there."""

import asyncio
import re
import secrets
from contextlib import suppress
from pathlib import Path

from sqlalchemy import delete, insert, select, update

from db import rows
from db.connect import Database, reads, writes
from db.models import Worker
from db.trouble import TROUBLE, patiently

EVERY_S = 15.0  # how often each says that it is there
LOOK_S = 2.0  # how often who does not work looks for those who do
GONE_MS = 60_000  # who said nothing for so long is not
KEPT_MS = 24 * 3600 * 1000
FILE = "worker"  # in the data folder: the name stays the same from start to start
_NAME = re.compile("[0-9a-f]{8}")


def name_of(data_dir: Path, host: str) -> str:
    """The name under which the process on this data folder claims turns: no other has it, and it keeps it.

    By it a worker that starts finds what it held when it died. raises: OSError
    """
    file = data_dir / FILE
    known = file.read_text("ascii", "replace").strip() if file.is_file() else ""
    if not _NAME.fullmatch(known):
        known = secrets.token_hex(4)
        file.write_text(known, "ascii")
    return f"{host}:{known}"


@writes
def here(db: Database, name: str, model: str) -> None:
    """A worker is there, with that model; it says so every EVERY_S."""
    with db.transaction(quiet=True, lightly=True) as tx:
        now = db.steady()
        seen = update(Worker).where(Worker.name == name).values(model=model, seen_ms=now)
        if tx.execute(seen.returning(Worker.name)).first() is None:
            tx.execute(insert(Worker).values(name=name, model=model, seen_ms=now))
            db.tell(tx)
        tx.execute(delete(Worker).where(Worker.seen_ms < now - KEPT_MS))


@writes
def gone(db: Database, name: str) -> None:
    """A worker ends."""
    with db.transaction() as tx:
        tx.execute(delete(Worker).where(Worker.name == name))


@reads
def all_of(db: Database) -> list[rows.Worker]:
    """Those that are there, by name."""
    there = select(*Worker.__table__.columns).where(Worker.seen_ms >= db.steady() - GONE_MS)
    with db.reading() as tx:
        return [rows.Worker(**row._mapping) for row in tx.execute(there.order_by(Worker.name))]


class Crew:
    """Whether anybody makes films on a database: this process, or another one that shares it."""

    def __init__(self, db: Database, name: str, model: str, *, works: bool) -> None:
        """name, model: of this process, if it works"""
        self.db, self.name, self.model, self.works = db, name, model, works
        self._others = False

    @property
    def there(self) -> bool:
        """As far as was heard lately."""
        return self.works or self._others

    async def run(self) -> None:
        """Say that this process is there, or look who is, for ever; where the database is shared."""
        try:
            while True:
                await patiently(self._turn, "the workers' list")
                await asyncio.sleep(EVERY_S if self.works else LOOK_S)
        finally:
            if self.works:
                with suppress(*TROUBLE):
                    await gone(self.db, self.name)

    async def _turn(self) -> None:
        if self.works:
            await here(self.db, self.name, self.model)
        else:
            self._others = bool(await all_of(self.db))
