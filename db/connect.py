"""The engines: opening, pragmas, migrations on open, transactions. The one file that knows which database it is.

SQLite has one writer. So there are two engines on the file: one writes, with a pool of one and BEGIN IMMEDIATE (after a
deferred BEGIN, one that has read fails at once with SQLITE_BUSY when it comes to write), the other only reads.
synchronous=FULL: what was answered with "queued" must survive a power cut.

A verb is a plain function that runs in a thread of the database's own from its first statement to its commit: one for
those that write, in the order in which they were called, and a few for those that only read. Whoever awaits it pays for
one way there and back, however many statements it has.
"""

import asyncio
import functools
import logging
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from db import migrations
from db.errors import ConfigError, DatabaseBusy, DatabaseInUse, DatabaseUnusable, DbError, DiskFailed, DiskFull
from db.lock import Lock
from db.together import Together

log = logging.getLogger("flipbot.db")

Clock = Callable[[], int]
P = ParamSpec("P")
T = TypeVar("T")

PRAGMAS = ("busy_timeout=10000", "journal_size_limit=67108864")
WRITING = (*PRAGMAS, "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
READING = (*PRAGMAS, "query_only=ON")
MIGRATING = (*PRAGMAS, "journal_mode=WAL", "synchronous=FULL", "foreign_keys=OFF")  # a step may build a table anew
READERS = 4
AT_ONCE = 500  # values of one query: well below what either database takes
LOCKED_S = 3.0  # how long somebody else may own the file before that is said: `flipbot queue` does for a moment
BUSY_S = 120.0  # how long another process may keep the write lock: a backup, a shell left open in a transaction
BUSY_EVERY_S = 0.25
FULL = {sqlite3.SQLITE_FULL}
FAILED = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}


def now_ms() -> int:
    """Milliseconds since the epoch, of the system's clock."""
    return time.time_ns() // 1_000_000


class Steady:
    """A clock that nobody sets: the system's time when it was made, and what has passed since.

    Leases and waits are counted by it, so that a jump of the system's clock neither ends one nor makes one last for
    ever. It stands still while the machine sleeps: who held a lease then slept as well.
    """

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def __call__(self) -> int:
        """Milliseconds since the epoch, as if the system's clock had never been set since."""
        return (self._offset_ns + time.monotonic_ns()) // 1_000_000


class Database:
    """The open database. `commits` counts the commits that changed something somebody may wait for.

    Use `async with Database.open(url, data_dir=…) as db`. `transaction()` and `reading()` are for this room only.
    """

    def __init__(
        self,
        path: Path,
        writing: Engine,
        reading: Engine,
        clock: Clock,
        steady: Clock,
        busy_s: float,
        *,
        writers: int = 1,
    ) -> None:
        """writers: how many may write at once; SQLite has one."""
        self.path = path
        self.now = clock
        self.steady = steady
        self.busy_s = busy_s
        self.commits = 0
        self.under_way: set[asyncio.Future[Any]] = set()  # verbs, which end even when their caller is cancelled
        self.arriving: Together[Any, int] = Together()  # letters that wait for their commit, see db.inbox
        self.knocking: Together[Any, Any] = Together()  # people who wait to be looked up, see db.doors
        self.writers = ThreadPoolExecutor(writers, "flipbot-writes")
        self.readers = ThreadPoolExecutor(READERS, "flipbot-reads")
        self._writing = writing
        self._reading = reading
        self._loop = asyncio.get_running_loop()
        self._committed = asyncio.Event()
        self._counting = threading.Lock()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str = "",
        *,
        data_dir: Path,
        clock: Clock = now_ms,
        steady: Clock | None = None,
        busy_s: float = BUSY_S,
    ) -> AsyncIterator["Database"]:
        """Open the database, made or brought up to date if need be, as its only owner.

        url:    "sqlite:///…"; a relative path stands in data_dir; "" is flipbot.db there
        clock:  () -> milliseconds since the epoch, what rows say of when something was
        steady: the same for leases and waits, of a clock that nobody sets; None: of `Steady`, or the clock given
        busy_s: how long a writing transaction waits for another process
        raises: DatabaseInUse, DatabaseNewer, DatabaseUnusable, DiskFull, ConfigError (url)
        """
        path = sqlite_path(url, data_dir)
        steady = steady or (Steady() if clock is now_ms else clock)
        lock = await _lock(path)
        try:
            await asyncio.to_thread(migrate, path)
            writing, reading = _engine(path, WRITING, "IMMEDIATE", pool_size=1), _engine(path, READING, "DEFERRED")
            db = cls(path, writing, reading, clock, steady, busy_s)
            try:
                yield db
            finally:
                await asyncio.shield(asyncio.ensure_future(db.close()))
        finally:
            lock.release()

    async def changed(self, since: int, timeout_s: float) -> int:
        """Wait until `commits` is above since, or the time is over; returns it. A courtesy: rows are the truth."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.commits <= since:
                    await self._committed.wait()
        return self.commits

    def notify(self) -> None:
        """Wake those who wait in `changed`: something was committed. From any thread."""
        with self._counting:
            self.commits += 1
        self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._committed.set()
        self._committed = asyncio.Event()

    @contextmanager
    def transaction(self, *, quiet: bool = False) -> Iterator[Connection]:
        """One writing transaction: committed at the end, rolled back by an exception.

        quiet: nobody needs to be woken by it
        raises: DiskFull, DiskFailed, DatabaseBusy (each before anything was written)
        """
        try:
            with ExitStack() as stack:
                yield self._begin(stack)
        except DBAPIError as error:
            raise _mapped(error, self.path) from error
        if not quiet:
            self.notify()

    def _begin(self, stack: ExitStack) -> Connection:
        """A transaction begun on the writing engine; another process's write lock is waited out. raises: DatabaseBusy.

        Only the BEGIN can meet a lock: once it has gone through, the lock is ours to the end.
        """
        since = time.monotonic()
        told = False
        while True:
            try:
                return stack.enter_context(self._writing.begin())
            except DBAPIError as error:
                if _code(error) != sqlite3.SQLITE_BUSY:
                    raise
                waited = time.monotonic() - since
                if waited >= self.busy_s:
                    raise DatabaseBusy(self.path, round(waited)) from error
            if not told:
                log.warning("database locked by another process path=%s; waiting", self.path)
                told = True
            time.sleep(BUSY_EVERY_S)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view of the committed rows. Keep it short: an open one lets the write-ahead log grow."""
        with self._reading.begin() as tx:
            yield tx

    async def close(self) -> None:
        """Wait for the verbs under way, then close the file."""
        while self.under_way:
            await asyncio.wait(self.under_way)
        await asyncio.to_thread(self._dispose)

    def _dispose(self) -> None:
        for threads in (self.readers, self.writers):
            threads.shutdown()
        self._reading.dispose()
        self._writing.dispose()


def writes(verb: Callable[Concatenate[Database, P], T]) -> Callable[Concatenate[Database, P], Coroutine[Any, Any, T]]:
    """A verb that writes: awaited, it runs in the writing thread, after those called before it."""
    return _verb(verb, lambda db: db.writers)


def reads(verb: Callable[Concatenate[Database, P], T]) -> Callable[Concatenate[Database, P], Coroutine[Any, Any, T]]:
    """A verb that only reads: awaited, it runs in a thread beside those that write."""
    return _verb(verb, lambda db: db.readers)


def _verb(
    verb: Callable[Concatenate[Database, P], T], threads: Callable[[Database], Executor]
) -> Callable[Concatenate[Database, P], Coroutine[Any, Any, T]]:
    """Let a verb run to its end in a thread, though its caller is cancelled: it would have written anyway."""

    @functools.wraps(verb)
    async def run(db: Database, /, *args: P.args, **kwargs: P.kwargs) -> T:
        whole = functools.partial(verb, db, *args, **kwargs)
        under_way = asyncio.get_running_loop().run_in_executor(threads(db), whole)
        db.under_way.add(under_way)
        under_way.add_done_callback(db.under_way.discard)
        try:
            await asyncio.wait((under_way,))  # unlike shield(), it reports nothing once nobody waits
        except asyncio.CancelledError:
            under_way.add_done_callback(_seen)
            raise
        return under_way.result()

    return run


def _seen(verb: asyncio.Future[Any]) -> None:
    """A refusal of ours is nobody's news once its caller has gone: the job was forgotten meanwhile, say."""
    if not verb.cancelled() and isinstance(error := verb.exception(), Exception) and not isinstance(error, DbError):
        log.error("a statement failed after its caller had gone", exc_info=error)


async def _lock(path: Path) -> Lock:
    """The file's lock, waited for as long as a command needs that only looks something up. raises: DatabaseInUse."""
    until = time.monotonic() + LOCKED_S
    while True:
        try:
            return Lock(path)
        except DatabaseInUse:
            if time.monotonic() >= until:
                raise
        await asyncio.sleep(LOCKED_S / 50)


def sqlite_path(url: str, data_dir: Path) -> Path:
    """The file that a database URL names. raises ConfigError."""
    if not url:
        return data_dir / "flipbot.db"
    expected = 'expected "sqlite:///" and a path'
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError("configuration", "database.url", f"{expected}, got no URL") from None
    if parsed.get_backend_name() != "sqlite" or parsed.host:
        raise ConfigError("configuration", "database.url", f'{expected}, got "{parsed.drivername}://…"')
    if not parsed.database or parsed.database == ":memory:":
        raise ConfigError(
            "configuration", "database.url", f"{expected}: a queue in memory would not outlive the process"
        )
    return data_dir / parsed.database


def migrate(path: Path) -> None:
    """Bring the file's schema up to date, in one transaction. raises DatabaseNewer, DatabaseUnusable, DiskFull."""
    engine = _engine(path, MIGRATING, "IMMEDIATE", poolclass=NullPool)
    try:
        with engine.begin() as tx:
            migrations.upgrade(tx, path)
            if tx.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise DatabaseUnusable(path, "a row refers to one that is missing")
    except DBAPIError as error:
        mapped = _mapped(error, path)
        raise mapped if mapped is not error else DatabaseUnusable(path, str(error.orig)) from error
    finally:
        engine.dispose()


def _mapped(error: DBAPIError, path: Path) -> Exception:
    """The error as one of ours, where it is one that the service goes on after."""
    code = _code(error)
    if code in FULL:
        return DiskFull(path)
    return DiskFailed(path, str(error.orig)) if code in FAILED else error


def _code(error: DBAPIError) -> int | None:
    """SQLite's primary code of an error."""
    code = getattr(error.orig, "sqlite_errorcode", None)  # with what is extended about it in the higher bytes
    return None if code is None else int(code) & 0xFF


def _engine(path: Path, pragmas: tuple[str, ...], begin: str, **options: Any) -> Engine:
    url = URL.create("sqlite", database=str(path))
    if not options:
        options = {"pool_size": READERS}
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
