"""SQLite, and what only it can say: a file that has one owner and one writer.

So there are two engines on the file: one writes, with a pool of one and BEGIN IMMEDIATE (after a deferred BEGIN, one
that has read fails at once with SQLITE_BUSY when it comes to write), the other only reads. synchronous=FULL: what was
answered with "queued" must survive a power cut.
"""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import DBAPIError

from db import migrations
from db.clocks import Clock, Steady, now_ms
from db.errors import DatabaseBusy, DatabaseUnusable, DbError, DiskFailed, DiskFull, MachineShort
from db.said import known, said

BUSY_MS = 10_000
PRAGMAS = (f"busy_timeout={BUSY_MS}", "journal_size_limit=67108864")
WRITING = (*PRAGMAS, "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
READING = (*PRAGMAS, "query_only=ON")
MIGRATING = (*PRAGMAS, "journal_mode=WAL", "synchronous=FULL", "foreign_keys=OFF")  # a step may build a table anew
READERS = 4
FULL = {sqlite3.SQLITE_FULL}
FAILED = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}
SHORT = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM}  # of a file that was opened before: no more may be open


class Sqlite:
    """The engines on one file, whose only owner opens it."""

    shared = False
    readers = READERS

    def __init__(self, path: Path) -> None:
        self.place = str(path)
        self._path = path
        self.writing: Engine | None = None
        self.reading: Engine | None = None

    def open(self) -> None:
        """Bring the file up to date and open it. raises DatabaseNewer, DatabaseUnusable, DiskFull."""
        migrate(self._path)
        self.writing = _engine(self._path, WRITING, "IMMEDIATE", pool_size=1)
        self.reading = _engine(self._path, READING, "DEFERRED", pool_size=READERS)

    def clocks(self, now: Clock | None, steady: Clock | None) -> tuple[Clock, Clock]:
        """What rows are dated by, and what leases and waits are counted by; those that are given go before."""
        return now or now_ms, steady or now or Steady()

    def write(self, stack: ExitStack, *, lightly: bool) -> Connection:
        """A writing transaction, begun; the stack ends it. Only this can meet a lock: then it is ours to the end.

        lightly: is written as durably as all else
        """
        assert self.writing is not None, "not open"
        return stack.enter_context(self.writing.begin())

    def read(self, stack: ExitStack) -> Connection:
        """One consistent view of the committed rows."""
        assert self.reading is not None, "not open"
        return stack.enter_context(self.reading.begin())

    def passes(self, error: DBAPIError) -> bool:
        """Whether a transaction could not be begun for a reason that may pass: another process writes."""
        return _code(error) == sqlite3.SQLITE_BUSY

    def over(self, error: DBAPIError, waited_s: float) -> DbError:
        """What to say once it was waited for long enough."""
        return DatabaseBusy(self.place, round(waited_s))

    def mapped(self, error: DBAPIError) -> Exception:
        """The error as one of ours, where it is one that the service goes on after."""
        code = _code(error)
        if code in FULL:
            return DiskFull(self.place)
        if code in SHORT:
            return MachineShort(known(str(error.orig)))
        return DiskFailed(self.place, known(str(error.orig))) if code in FAILED else error

    def tell(self, tx: Connection, *, lightly: bool) -> None:
        """Nobody else has the file open, who could want to hear of a commit."""

    def listening(self, heard: Callable[[], None], *, steps: bool) -> AbstractContextManager[None]:
        """Nobody else commits."""
        return nullcontext()

    def close(self) -> None:
        """Close the file."""
        for engine in (self.reading, self.writing):
            if engine is not None:
                engine.dispose()


def migrate(path: Path) -> None:
    """Bring the file's schema up to date, in one transaction.

    raises: DatabaseNewer, DatabaseUnusable, DatabaseBusy, DiskFull
    """
    engine = _engine(path, MIGRATING, "IMMEDIATE", poolclass=NullPool)
    try:
        with engine.begin() as tx:
            migrations.upgrade(tx, str(path))
            if tx.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise DatabaseUnusable(str(path), said("a row refers to one that is missing"))
    except DBAPIError as error:
        sqlite = Sqlite(path)
        mapped = sqlite.over(error, BUSY_MS / 1000) if sqlite.passes(error) else sqlite.mapped(error)
        if isinstance(mapped, DiskFull | DiskFailed | DatabaseBusy):
            raise mapped from error
        raise DatabaseUnusable(str(path), known(str(error.orig))) from error
    finally:
        engine.dispose()


def _code(error: DBAPIError) -> int | None:
    """SQLite's primary code of an error."""
    code = getattr(error.orig, "sqlite_errorcode", None)  # with what is extended about it in the higher bytes
    return None if code is None else int(code) & 0xFF


def _engine(path: Path, pragmas: tuple[str, ...], begin: str, **options: Any) -> Engine:
    url = URL.create("sqlite", database=str(path))
    if "poolclass" not in options:
        options["max_overflow"] = 0
    # isolation_level None: the driver begins nothing by itself, the hook below does. A connection serves whichever of
    # its engine's threads has it, one at a time.
    driver = {"isolation_level": None, "check_same_thread": False}
    engine = create_engine(url, connect_args=driver, **options)

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: object) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begun(connection: Any) -> None:
        connection.exec_driver_sql(f"BEGIN {begin}")

    return engine
