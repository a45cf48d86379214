"""The open database: who may open it, its transactions, and the threads that its verbs run in.

A verb is a plain function that runs in a thread of the database's own from its first statement to its commit: one for
those that write, in the order in which they were called, and a few for those that only read. Whoever awaits it pays for
one way there and back, however many statements it has. What SQLite and PostgreSQL do not have in common stands in
`db.sqlite` and `db.postgres`.
"""

import asyncio
import functools
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from db.clocks import Clock
from db.errors import CONFIGURATION, ConfigError, DatabaseAway, DatabaseInUse, DbError, MachineShort
from db.lock import Lock, owner
from db.postgres import Postgres
from db.said import of_system, said
from db.sqlite import Sqlite
from db.threads import Threads
from db.together import Together
from db.trouble import is_short

log = logging.getLogger("flipbot.db")

P = ParamSpec("P")
T = TypeVar("T")

AT_ONCE = 500  # values of one query: well below what either database takes
LOCKED_S = 3.0  # how long somebody else may own the data folder before that is said: `flipbot queue` does for a moment
BUSY_S = 120.0  # how long it is waited for a transaction: for a backup's lock, a shell left open, a server that starts
BUSY_EVERY_S = 0.25
CLOSING_S = 10.0  # how long the end waits for what a server does not answer
FILE = "flipbot.db"
EXPECTED = said('"sqlite:///" and a path, or "postgresql://…"')
TOLD = "flipbot_told"


class Engines(Protocol):
    """What the two databases say in different ways. `Sqlite` and `Postgres` say what each does.

    place:   of the database, for sentences: no password is in it
    shared:  whether other processes have it open, too
    readers: how many may read at once
    """

    place: str
    shared: bool
    readers: int

    def open(self) -> None: ...
    def clocks(self, now: Clock | None, steady: Clock | None) -> tuple[Clock, Clock]: ...
    def write(self, stack: ExitStack, *, lightly: bool) -> Connection: ...
    def read(self, stack: ExitStack) -> Connection: ...
    def passes(self, error: DBAPIError) -> bool: ...
    def over(self, error: DBAPIError, waited_s: float) -> DbError: ...
    def mapped(self, error: DBAPIError) -> Exception: ...
    def tell(self, tx: Connection, *, lightly: bool) -> None: ...
    def listening(self, heard: Callable[[], None], *, steps: bool) -> AbstractContextManager[None]: ...
    def close(self) -> None: ...


class Database:
    """The open database. `commits` counts the commits that changed something somebody may wait for.

    Use `async with Database.open(url, data_dir=…) as db`. `transaction()` and `reading()` are for this room only.
    """

    def __init__(
        self,
        engines: Engines,
        path: Path,
        clock: Clock | None = None,
        steady: Clock | None = None,
        busy_s: float = BUSY_S,
    ) -> None:
        """engines: open already; path: the file of SQLite, or where it would be."""
        self.engines = engines
        self.path = path
        self.now, self.steady = engines.clocks(clock, steady)
        self.busy_s = busy_s
        self.commits = 0
        self.under_way: set[asyncio.Future[Any]] = set()  # verbs, which end even when their caller is cancelled
        self.arriving: Together[Any, int] = Together()  # letters that wait for their commit, see db.inbox
        self.knocking: Together[Any, Any] = Together()  # people who wait to be looked up, see db.doors
        threads = Threads if engines.shared else ThreadPoolExecutor  # a server may hang, and the end must not
        self.writers: Executor = threads(1, "flipbot-writes")
        self.readers: Executor = threads(engines.readers, "flipbot-reads")
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
        clock: Clock | None = None,
        steady: Clock | None = None,
        busy_s: float = BUSY_S,
        alone: bool = True,
        steps: bool = True,
    ) -> AsyncIterator["Database"]:
        """Open the database, made or brought up to date if need be, as the only process on its data folder.

        url:    "sqlite:///…", where a relative path stands in data_dir, and "" is flipbot.db there; "postgresql://…"
        clock:  () -> milliseconds since the epoch, what rows say of when something was; None: the system's, or that of
                a server
        steady: the same for leases and waits; None: the clock given, or of `Steady`, or that of a server
        busy_s: how long a transaction waits for another process, or for a server that is away
        alone:  False only where this process has opened another database in that folder, too
        steps:  whether somebody here looks at how far the sections are that other processes make
        raises: DatabaseInUse, DatabaseNewer, DatabaseUnusable, DatabaseAway, DiskFull, ConfigError (url)
        """
        engines, path = engines_of(url, data_dir), file_of(url, data_dir)
        lock = await _lock(path, data_dir if engines.shared else path) if alone else None
        try:
            await asyncio.to_thread(engines.open)
            db = cls(engines, path, clock, steady, busy_s)
            with engines.listening(db.heard, steps=steps):
                try:
                    yield db
                finally:
                    await asyncio.shield(asyncio.ensure_future(db.close()))
        finally:
            if lock is not None:
                lock.release()

    @property
    def shared(self) -> bool:
        """Whether other processes, on other machines perhaps, have it open, too."""
        return self.engines.shared

    async def changed(self, since: int, timeout_s: float) -> int:
        """Wait until `commits` is above since, or the time is over; returns it. A courtesy: rows are the truth."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.commits <= since:
                    await self._committed.wait()
        return self.commits

    def notify(self) -> None:
        """Wake those in this process who wait in `changed`: something was committed. From any thread."""
        with self._counting:
            self.commits += 1
        self._loop.call_soon_threadsafe(self._wake)

    def heard(self) -> None:
        """Another process has committed something. From any thread, until the loop ends."""
        with suppress(RuntimeError):  # it has ended just now
            self.notify()

    def _wake(self) -> None:
        self._committed.set()
        self._committed = asyncio.Event()

    @contextmanager
    def transaction(self, *, quiet: bool = False, lightly: bool = False) -> Iterator[Connection]:
        """One writing transaction: committed at the end, rolled back by an exception.

        quiet:   nobody needs to be woken by it, unless `tell` says so
        lightly: a power cut may take it back: nobody waits for a disk where it is not the one of this machine
        raises: TROUBLE (each before anything was written, but DatabaseAway, where nobody can know)
        """
        try:
            with ExitStack() as stack:
                tx = self._begin(stack, functools.partial(self.engines.write, lightly=lightly))
                yield tx
                loud = not quiet or TOLD in tx.get_execution_options()
                if loud:
                    self.engines.tell(tx, lightly=lightly)
        except DBAPIError as error:
            raise self.engines.mapped(error) from error
        if loud:
            self.notify()

    def tell(self, tx: Connection) -> None:
        """Somebody may wait for what this quiet transaction does."""
        tx.execution_options(**{TOLD: True})

    def _begin(self, stack: ExitStack, begin: Callable[[ExitStack], Connection]) -> Connection:
        """A transaction begun; what may pass is waited out. raises: DatabaseBusy, DatabaseAway."""
        since = time.monotonic()
        told = False
        while True:
            try:
                return begin(stack)
            except DBAPIError as error:
                if not self.engines.passes(error):
                    raise
                waited = time.monotonic() - since
                if waited >= self.busy_s:
                    raise self.engines.over(error, waited) from error
                if not told:
                    log.warning("waiting: %s", self.engines.over(error, waited))
                    told = True
            except OSError as error:  # psycopg's, which takes a file of its own to wait with
                if not is_short(error):
                    raise
                raise MachineShort(of_system(error)) from error
            time.sleep(BUSY_EVERY_S)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view of the committed rows. Keep it short: an open one lets SQLite's write-ahead log grow.

        raises: TROUBLE
        """
        try:
            with ExitStack() as stack:
                yield self._begin(stack, self.engines.read)
        except DBAPIError as error:
            raise self.engines.mapped(error) from error

    async def close(self) -> None:
        """Wait for the verbs under way, then close the database; not for ever for a server that does not answer."""
        until = time.monotonic() + CLOSING_S
        while self.under_way and (not self.shared or time.monotonic() < until):
            await asyncio.wait(self.under_way, timeout=CLOSING_S)
        await asyncio.to_thread(self._dispose)

    def _dispose(self) -> None:
        for threads in (self.readers, self.writers):
            threads.shutdown()
        self.engines.close()


def writes(verb: Callable[Concatenate[Database, P], T]) -> Callable[Concatenate[Database, P], Coroutine[Any, Any, T]]:
    """A verb that writes: awaited, it runs in the writing thread, after those called before it."""
    return _verb(verb, lambda db: db.writers)


def reads(verb: Callable[Concatenate[Database, P], T]) -> Callable[Concatenate[Database, P], Coroutine[Any, Any, T]]:
    """A verb that only reads: awaited, it runs in a thread beside those that write; once more, if its server went."""

    @functools.wraps(verb)
    def read(db: Database, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return verb(db, *args, **kwargs)
        except DatabaseAway:
            return verb(db, *args, **kwargs)

    return _verb(read, lambda db: db.readers)


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


async def _lock(path: Path, named: Path) -> Lock:
    """The file's lock, waited for as long as a command needs that only looks something up.

    named:  what is in use, for people: beside a server's database no file has the data
    raises: DatabaseInUse
    """
    until = time.monotonic() + LOCKED_S
    while True:
        try:
            return Lock(path)
        except DatabaseInUse as in_use:
            if time.monotonic() >= until:
                raise DatabaseInUse(named, in_use.pid) from None
        await asyncio.sleep(LOCKED_S / 50)


def is_shared(url: str) -> bool:
    """Whether it is PostgreSQL's, which several processes, on several machines, may have open. raises ConfigError."""
    if not url:
        return False
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the latter: of a port that is none
        raise ConfigError.of(CONFIGURATION, "database.url", EXPECTED, said("no URL")) from None
    name = parsed.drivername.partition("+")[0]
    if name not in ("sqlite", "postgresql", "postgres"):
        raise ConfigError.of(CONFIGURATION, "database.url", EXPECTED, f'"{parsed.drivername}://…"')
    return name != "sqlite"


def engines_of(url: str, data_dir: Path) -> Engines:
    """The engines for a database URL, not open yet. raises ConfigError."""
    return Postgres(url) if is_shared(url) else Sqlite(file_of(url, data_dir))


def is_there(url: str, data_dir: Path) -> bool:
    """Whether there is a database to look at: a file can be missing, a server says so itself. raises ConfigError."""
    return is_shared(url) or file_of(url, data_dir).exists()


def owner_of(url: str, data_dir: Path) -> int | None:
    """The process that opened the database last in this data folder, where that can be read. raises ConfigError."""
    return owner(file_of(url, data_dir))


def file_of(url: str, data_dir: Path) -> Path:
    """The file that a database URL names, or of a server's the one that would be; beside it lies the lock.

    raises: ConfigError
    """
    if not url or is_shared(url):
        return data_dir / FILE
    parsed = make_url(url)
    if parsed.host:
        raise ConfigError.of(CONFIGURATION, "database.url", EXPECTED, f'"{parsed.drivername}://{parsed.host}…"')
    if not parsed.database or parsed.database == ":memory:":
        problem = said('expected "sqlite:///" and a path: a queue in memory would not outlive the process')
        raise ConfigError(CONFIGURATION, "database.url", problem)
    return data_dir / parsed.database
