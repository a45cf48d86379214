"""A PostgreSQL server of the tests' own, where one is installed, and a fresh database for each test."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest

from db.postgres import Postgres

TEMPLATE = "ready"


class Server:
    """Databases are named by a URL; each is a copy of one that has been migrated."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names = (f"test{n}" for n in count())
        self.running: subprocess.Popen[bytes] | None = None
        self.other: dict[str, Any] = {"user": "nobody"} if os.getuid() == 0 else {}  # it refuses to run as root

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://flipbot@/{name}?host={self.folder}"

    def run(self, *command: str, **how: Any) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(command, cwd=self.folder, capture_output=True, **self.other, **how)

    def sql(self, statement: str, database: str = "postgres") -> None:
        import psycopg

        with psycopg.connect(host=str(self.folder), user="flipbot", dbname=database, autocommit=True) as connection:
            connection.execute(statement.encode())

    def start(self) -> None:
        options = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200", "-k", str(self.folder)]
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": self.folder}
        self.running = subprocess.Popen(["postgres", "-D", str(self.folder / "data"), *options], **quiet, **self.other)
        end = time.monotonic() + 60
        while self.run("pg_isready", "-q", "-h", str(self.folder)).returncode:
            assert self.running.poll() is None and time.monotonic() < end, "the server did not start"
            time.sleep(0.05)

    def stop(self, how: str = "fast") -> None:
        """fast: what is under way is rolled back; immediate: as if it had lost its power."""
        assert self.running is not None
        self.running.send_signal({"fast": 2, "immediate": 3}[how])
        self.running.wait(60)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Every process of the server's stands still: connections stay, nobody answers."""
        assert self.running is not None
        own = psutil.Process(self.running.pid)
        for each in [own, *own.children(recursive=True)]:
            each.suspend()
        try:
            yield
        finally:
            for each in [own, *own.children(recursive=True)]:
                each.resume()

    def fresh(self) -> str:
        """The URL of a new database with today's tables, and nothing in it."""
        name = next(self.names)
        self.sql(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return self.url(name)


@contextmanager
def opened() -> Iterator[Server]:
    """The server, running; skips where there is none."""
    if find_spec("psycopg") is None:
        pytest.skip('no psycopg: pip install "flipbot[postgres]"')
    if os.name != "posix" or not shutil.which("initdb") or not shutil.which("pg_isready"):
        pytest.skip("no PostgreSQL server")
    folder = Path(tempfile.mkdtemp())
    server = Server(folder)
    try:
        if server.other:
            shutil.chown(folder, server.other["user"])
        made = server.run("initdb", "-D", str(folder / "data"), "-U", "flipbot", "-A", "trust", "-N")
        if made.returncode:
            pytest.skip(f"initdb: {made.stderr.decode(errors='replace')[-200:]}")
        server.start()
        server.sql(f"CREATE DATABASE {TEMPLATE}")
        engines = Postgres(server.url(TEMPLATE))
        engines.open()
        engines.close()
        yield server
        server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
