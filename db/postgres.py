"""PostgreSQL, and what only it can say: one database that many machines share.

Writers come one after the other here, too. Each writing transaction begins by taking one lock of the whole database,
and it ends with the transaction, however that ends: so a verb finds on PostgreSQL exactly what it finds on SQLite, and
no two of them can wait for each other. Whoever holds it and says nothing for a while is cut off by the server, be it
frozen or gone.

Time is the server's: a lease that one machine took is judged by another.
"""

import logging
import secrets
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from db import migrations
from db.clocks import Clock, Theirs
from db.errors import (
    CONFIGURATION,
    ConfigError,
    DatabaseAway,
    DatabaseBusy,
    DatabaseUnusable,
    DbError,
    DiskFailed,
    DiskFull,
)
from db.said import said

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger("flipbot.db")

READERS: Final = 3
WRITER: Final = 0x666C6970  # the number of the writers' lock
FRONT: Final = 0x66726F6E  # and of the one that the only front holds which may speak
CHANNEL: Final = "flipbot"
STEPS: Final = "flipbot_steps"  # where it is told how far sections are: many a second, and only for people's eyes
# How to connect. A server that is gone is noticed within ten seconds here, and one of ours within 25 there.
REACHING: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "application_name": "flipbot",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
}
LISTEN_S: Final = 30.0  # how long a listener hears nothing before it looks whether its connection lives
END_S: Final = 2.0  # how long the end waits for who listens
OPEN_S: Final = 5.0  # how long a server may be away, or others write, when the database is opened
LOCK_MS: Final = 2_000  # to wait for the lock, before it is waited for again
WORD_MS: Final = 8_000  # how long a front that stands still, frozen say, keeps the right to speak
SILENT_MS: Final = 20_000  # in the middle of a transaction: who says nothing for so long is cut off
SESSION: Final = {
    "lock_timeout": LOCK_MS,
    "idle_in_transaction_session_timeout": SILENT_MS,
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 3,
}
_BEGIN: Final = f"SELECT pg_advisory_xact_lock({WRITER}), extract(epoch FROM clock_timestamp()) * 1000"
_LIGHTLY: Final = f"{_BEGIN}, set_config('synchronous_commit', 'off', true)"
_FULL: Final = {"53100"}
_FAILED: Final = {"58030", "XX001", "XX002", "25006"}  # the last: it was made read-only
_LOCKED: Final = "55P03"
_WRONG: Final = {"28000", "28P01", "3D000", "42501"}  # who asks, or for what, is wrong: no waiting helps
# The same before there is a session, where libpq tells no code; a server that speaks another language is waited for.
_REFUSALS: Final = ("does not exist", "authentication failed", "no pg_hba.conf entry", "permission denied")


class Postgres:
    """The engines on one database that several processes have open."""

    shared = True
    readers = READERS

    def __init__(self, url: str) -> None:
        """url: "postgresql://…"; what it does not say, libpq's variables and files do. raises: ConfigError"""
        self._url = driver_url(url)
        self.place = shown(self._url)
        self._clock = Theirs()
        self._name = secrets.token_hex(8)
        self.writing: Engine | None = None
        self.reading: Engine | None = None

    def open(self) -> None:
        """Bring the schema up to date and open it.

        raises: DatabaseNewer, DatabaseUnusable, DatabaseAway, DiskFull
        """
        until = time.monotonic() + OPEN_S
        while True:
            try:
                self._migrate()
                break
            except DBAPIError as error:
                if refusal := _refusal(error):
                    raise DatabaseUnusable(self.place, refusal) from error
                if not self.passes(error):
                    mapped = self.mapped(error)
                    raise mapped if mapped is not error else DatabaseUnusable(self.place, _why(error)) from error
                if time.monotonic() >= until:
                    raise self.over(error, OPEN_S) from error
            except TypeError as error:  # an option that is none of the driver's
                raise DatabaseUnusable(self.place, str(error)) from error
            time.sleep(OPEN_S / 20)
        self.writing = _engine(self._url, pool_size=1, max_overflow=0, pool_pre_ping=True)
        self.reading = _engine(
            self._url,
            pool_size=READERS,
            max_overflow=0,
            pool_pre_ping=True,
            isolation_level="REPEATABLE READ",
            execution_options={"postgresql_readonly": True},
        )

    def _migrate(self) -> None:
        with ExitStack() as stack:
            tx = stack.enter_context(_engine(self._url, poolclass=NullPool).begin())
            self._take(tx)
            if (letters := tx.exec_driver_sql("SHOW server_encoding").scalar_one()) != "UTF8":
                raise DatabaseUnusable(
                    self.place, said("it keeps text as {letters}: make one WITH ENCODING 'UTF8'", letters=letters)
                )
            migrations.upgrade(tx, self.place)

    def clocks(self, now: Clock | None, steady: Clock | None) -> tuple[Clock, Clock]:
        """What rows are dated by, and what leases and waits are counted by: the server's time, unless it is given."""
        return now or self._clock, steady or now or self._clock

    def write(self, stack: ExitStack, *, lightly: bool) -> Connection:
        """A writing transaction, begun, with the lock that makes it the only one; the stack ends it."""
        assert self.writing is not None, "not open"
        with ExitStack() as own:
            tx = own.enter_context(self.writing.begin())
            self._take(tx, _LIGHTLY if lightly else _BEGIN)
            stack.push(own.pop_all())
        return tx

    def _take(self, tx: Connection, begin: str = _BEGIN) -> None:
        self._clock.seen(float(tx.exec_driver_sql(begin).one()[1]))

    def read(self, stack: ExitStack) -> Connection:
        """One consistent view of the committed rows."""
        assert self.reading is not None, "not open"
        return stack.enter_context(self.reading.begin())

    def passes(self, error: DBAPIError) -> bool:
        """Whether a transaction could not be begun for a reason that may pass: the server is away, or others write."""
        return isinstance(error, OperationalError | InterfaceError) and _state(error) not in _WRONG | _FULL | _FAILED

    def over(self, error: DBAPIError, waited_s: float) -> DbError:
        """What to say once it was waited for long enough."""
        if _state(error) == _LOCKED:
            return DatabaseBusy(self.place, round(waited_s))
        return DatabaseAway(self.place, _why(error))

    def mapped(self, error: DBAPIError) -> Exception:
        """The error as one of ours, where it is one that the service goes on after."""
        state = _state(error)
        if state in _FULL:
            return DiskFull(self.place)
        if state in _FAILED:
            return DiskFailed(self.place, _why(error))
        if error.connection_invalidated or (isinstance(error, OperationalError) and self.passes(error)):
            return DatabaseAway(self.place, _why(error))
        return error

    def tell(self, tx: Connection, *, lightly: bool) -> None:
        """Let the other processes hear of this transaction once it is committed."""
        tx.exec_driver_sql("SELECT pg_notify(%s, %s)", (STEPS if lightly else CHANNEL, self._name))

    @contextmanager
    def listening(self, heard: Callable[[], None], *, steps: bool) -> Iterator[None]:
        """While this is open, heard is called, from a thread, whenever another process has committed.

        steps: of how far sections are, too
        """
        over, wake = threading.Event(), socket.socketpair()
        thread = threading.Thread(
            target=self._listen, args=(heard, steps, over, wake[1]), name="flipbot-listens", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            over.set()
            wake[0].close()
            thread.join(END_S)  # it may wait for a server that does not answer
            wake[1].close()

    def _listen(self, heard: Callable[[], None], steps: bool, over: threading.Event, wake: socket.socket) -> None:
        """Until it is over. A wake-up is a courtesy: while the server is away nothing is heard, and nothing said."""
        import psycopg

        while not over.is_set():
            try:
                with _connect(self._url) as connection, selectors.DefaultSelector() as ready:
                    for channel in (CHANNEL, STEPS) if steps else (CHANNEL,):
                        connection.execute(f"LISTEN {channel}".encode())
                    for each in (connection, wake):
                        ready.register(each, selectors.EVENT_READ)
                    heard()  # something may have been committed before
                    while not over.is_set():
                        ready.select(LISTEN_S)
                        if any(note.payload != self._name for note in connection.notifies(timeout=0)):
                            heard()
            except (psycopg.Error, OSError) as error:  # of the selector, once it is over
                log.debug("nothing is heard of %s: %s", self.place, type(error).__name__)
                over.wait(1.0)

    def close(self) -> None:
        """Give the connections back."""
        for engine in (self.reading, self.writing):
            if engine is not None:
                engine.dispose()


@contextmanager
def front_lock(url: str) -> Iterator[Callable[[], bool]]:
    """The right to be the front of the database at url, as long as this is open.

    yields: () -> whether it is held (it blocks): taken if it is free, and lost with its connection; raises DatabaseAway
    raises: ConfigError
    """
    import psycopg

    where, connections = driver_url(url), list["psycopg.Connection[Any]"]()

    def drop() -> None:
        while connections:
            connections.pop().close()

    def held() -> bool:
        try:
            if connections:
                connections[0].execute("SELECT 1")
                return True
            connections.append(_connect(where))
            with suppress(psycopg.errors.UndefinedObject):  # before PostgreSQL 14
                connections[0].execute(f"SET idle_session_timeout = {WORD_MS}".encode())
            if connections[0].execute("SELECT pg_try_advisory_lock(%s)", (FRONT,)).fetchone() == (True,):
                return True
        except (psycopg.Error, OSError) as error:  # the latter where no file may be opened to wait with
            drop()
            raise DatabaseAway(shown(where), _first_line(error)) from error
        drop()
        return False

    try:
        yield held
    finally:
        drop()


def driver_url(url: str) -> URL:
    """The URL with the driver that is used. raises: ConfigError, also where there is no such driver here."""
    if find_spec("psycopg") is None:
        problem = said('PostgreSQL needs psycopg: install it with pip install "flipbot[postgres]"')
        raise ConfigError(CONFIGURATION, "database.url", problem)
    parsed = make_url(url)
    if parsed.drivername not in ("postgresql", "postgresql+psycopg", "postgres"):
        got = f'"{parsed.drivername}://…"'
        raise ConfigError.of(CONFIGURATION, "database.url", '"postgresql+psycopg://…"', got)
    return parsed.set(drivername="postgresql+psycopg")


def shown(url: URL) -> str:
    """The URL for people: without user, password and options."""
    return URL.create("postgresql", host=url.host, port=url.port, database=url.database).render_as_string()


def _connect(url: URL) -> "psycopg.Connection[Any]":
    """A connection beside the engines', for what lasts longer than a transaction. raises: psycopg.Error"""
    import psycopg

    words, options = url.get_dialect()().create_connect_args(url)  # as the engines read it: libpq reads URLs otherwise
    connection = psycopg.connect(*words, **{**options, **REACHING, "autocommit": True})
    _set_up(connection)
    return connection


def _set_up(connection: Any) -> None:
    """A session as ours are; `connection` is the driver's."""
    cursor = connection.cursor()
    for name, value in SESSION.items():
        cursor.execute(f"SET {name} = {value}")
    cursor.close()


def _engine(url: URL, **options: Any) -> Engine:
    engine = create_engine(url, connect_args=REACHING, **options)

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: object) -> None:
        before, connection.autocommit = connection.autocommit, True
        _set_up(connection)
        connection.autocommit = before

    return engine


def _state(error: DBAPIError) -> str | None:
    """The five characters by which PostgreSQL names an error; None where it never got so far."""
    return getattr(error.orig, "sqlstate", None)


def _refusal(error: DBAPIError) -> str | None:
    """What a server says that lets nobody in who asks like this; None where waiting may help."""
    for line in str(error.orig).splitlines():  # one for each address that was tried
        if "FATAL" in line and any(words in line for words in _REFUSALS):
            return line.strip().removesuffix(".")
    return None


def _why(error: DBAPIError) -> str:
    return _first_line(error.orig or error)


def _first_line(error: BaseException) -> str:
    """What the server, or the network, says first."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
