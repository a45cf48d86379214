"""How long random tests go on, where their files lie, and what a run says last: which tests could not be run here."""

import gc
import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import settings

# Other work may share the machine: a test is not wrong because it was slow once.
settings.register_profile("shared", deadline=None)
# pytest --hypothesis-profile=long tests/db/test_machine.py
settings.register_profile("long", deadline=None, max_examples=500, stateful_step_count=60)
settings.load_profile("shared")

if TYPE_CHECKING:
    from tests.browsers import Browsers
    from tests.fakes.s3 import S3

MISSING = "no Chromium"
MEMORY = Path("/dev/shm")  # a file system in memory: waiting for the disk at each commit is half of some tests' time
ROOM = 4 << 30  # bytes; a run takes one and a half at most


def pytest_configure() -> None:
    """One thread for each process that a test starts: models this small gain nothing by more, and they wait for one
    another. Temporary folders lie in memory, where there is plenty of it and nobody has said where."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    usable = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM
    if usable and psutil.virtual_memory().available > 2 * ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_collection_finish() -> None:
    """What is imported stays: no collector has to look through it, which takes longer than many a test."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The tests of the memory run on SQLite, and with this on the other database."""
    parser.addoption("--postgres", action="store_true", help="tests/db: on PostgreSQL")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Where the page was not tried in a browser, say so in the last lines, after pytest's own."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = (
        [report for report in reporter.getreports("skipped") if MISSING in str(report.longrepr)] if reporter else []
    )
    if skipped:
        reason = str(skipped[0].longrepr[-1]).removeprefix("Skipped: ")
        reporter.write_sep("=", f"{len(skipped)} tests of the page were left out")
        reporter.write_line(reason)


@pytest.fixture(scope="module")
def browsers(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Browsers"]:
    """Chromium, while this file of tests runs."""
    from tests.browsers import opened

    yield from opened(tmp_path_factory.mktemp("browsers"))


@pytest.fixture
def browser(browsers: "Browsers") -> Iterator["Browsers"]:
    """Opens browsers with a language and a colour scheme; none of them remembers another test."""
    yield browsers
    browsers.renew()


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    """Of a server that speaks S3, started by the first test that wants one."""
    from tests.fakes.s3 import served

    with served() as port:
        yield port


@pytest.fixture
def s3(s3_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator["S3"]:
    """A bucket with nothing in it; one that is away is not waited for long."""
    from db import bucket as how
    from tests.fakes.s3 import S3

    short = timedelta(milliseconds=5)
    monkeypatch.setattr(how, "RESTS_S", 0.0)
    monkeypatch.setattr(how, "BUSY_S", (0.01, 0.01))
    monkeypatch.setitem(how.PATIENCE, "backoff", {"init_backoff": short, "max_backoff": short, "base": 2})
    bucket = S3(s3_port)
    yield bucket
    bucket.wire.close()
