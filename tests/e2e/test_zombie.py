"""A dispatcher is frozen in the middle of a section, for longer than its lease, and wakes.

Where another one has made the section meanwhile, it changes no row; where nobody has, nothing is lost.
"""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from db.connect import Database
from db.media import Media
from gen.bench import films
from gen.card import find_checkpoint
from gen.process import QUIET
from gen.types import Plan

ROOT = Path(__file__).parents[2]
WAIT_S = 240.0
LEASE_S = 4
STEPS = 200  # seconds of sampling even on a fast machine: progress is told every half of one

WORKER = """
import asyncio, logging, sys
from pathlib import Path
from db.connect import Database
from db.media import Media
from gen.config import ModelConfig
from gen.dispatch import Dispatch

async def main(data_dir, media, model, lease_ms, name):
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    async with Database.open(data_dir=Path(data_dir)) as db:
        config = ModelConfig(name=model, device="cpu", threads=1)
        await Dispatch(db, Media(Path(media)), config, Path(data_dir), worker=name, lease_ms=int(lease_ms)).run()

asyncio.run(main(*sys.argv[1:]))
"""


class Stage:
    """Two names for one database, so that each of two processes believes to be its only owner."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder, self.model = folder, model
        for name in ("a", "b"):
            (folder / name).mkdir()
        self.path = folder / "a" / "flipbot.db"
        (folder / "b" / "flipbot.db").symlink_to(self.path)

    async def submit(self) -> int:
        """A film of two sections that take a while."""
        card = find_checkpoint(str(self.model)).card
        async with Database.open(data_dir=self.folder / "a") as db:
            media = Media(self.folder / "media")
            (job,) = await films.submit(db, media, card, [2])
            plan = Plan.from_json(job.plan).to_json() | {"steps": STEPS}
            with db.transaction() as tx:
                tx.exec_driver_sql("UPDATE job SET plan = json(?)", (json.dumps(plan),))
        return job.id

    @contextmanager
    def worker(self, name: str) -> "Iterator[subprocess.Popen[bytes]]":
        command = [sys.executable, "-c", WORKER, str(self.folder / name), str(self.folder / "media"), str(self.model)]
        command.append(str(1000 * LEASE_S))
        env = {**os.environ, **QUIET, "PYTHONPATH": str(ROOT)}
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen([*command, name], stderr=log, stdout=log, env=env)
            try:
                yield process
            finally:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)) as file:
            return file.execute(query).fetchall()

    def until(self, query: str, *, expected: object = 1) -> None:
        end = time.monotonic() + WAIT_S
        while True:
            with suppress(sqlite3.Error):
                if (found := self.ask(query)[0][0]) == expected:
                    return
            assert time.monotonic() < end, f"{query}: {found}\n" + self.logs()
            time.sleep(0.02)

    def logs(self) -> str:
        return "".join(path.read_text(errors="replace")[-3000:] for path in sorted(self.folder.glob("*.log")))

    def free(self) -> bool:
        """Whether nobody holds the write lock: a process frozen within a commit would."""
        with closing(sqlite3.connect(self.path, timeout=1, isolation_level=None)) as file:
            try:
                file.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            file.execute("ROLLBACK")
            return True

    def freeze(self, process: "subprocess.Popen[bytes]") -> None:
        """Stop a dispatcher between two commits, while its section is being made."""
        for _ in range(50):
            self.until("SELECT count(*) FROM progress WHERE phase = 'sampling' AND step > 0")
            process.send_signal(signal.SIGSTOP)
            if self.free() and self.ask("SELECT count(*) FROM section") == [(0,)]:
                return
            process.send_signal(signal.SIGCONT)
        pytest.fail("it could not be frozen between two commits")


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system freezes no processes")
def test_a_frozen_dispatcher_wakes_up_to_a_section_that_another_made(tmp_path: Path, small: Path) -> None:
    stage = Stage(tmp_path, small)
    asyncio.run(stage.submit())
    with stage.worker("a") as a:
        stage.freeze(a)
        assert stage.ask("SELECT worker, fence FROM job") == [("a", 1)]
        with stage.worker("b"):
            stage.until("SELECT count(*) FROM section WHERE n = 0")
            a.send_signal(signal.SIGCONT)
            stage.until("SELECT state FROM job", expected="done")
            end = time.monotonic() + WAIT_S
            while "lease lost" not in (tmp_path / "a.log").read_text():
                assert time.monotonic() < end, stage.logs()
                time.sleep(0.05)
    assert [n for (n,) in stage.ask("SELECT n FROM section ORDER BY n")] == [0, 1]
    ((fence,),) = stage.ask("SELECT fence FROM section WHERE n = 0")
    assert fence == 2, "it is the one that b made"
    assert "section recorded job=1 n=1/2" not in (tmp_path / "a.log").read_text()


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system freezes no processes")
def test_a_frozen_dispatcher_wakes_up_to_a_section_that_nobody_took(tmp_path: Path, small: Path) -> None:
    stage = Stage(tmp_path, small)
    asyncio.run(stage.submit())
    with stage.worker("a") as a:
        stage.freeze(a)
        ((until,),) = stage.ask("SELECT lease_until_ms FROM job")
        time.sleep(LEASE_S + 0.5)
        assert stage.ask("SELECT state, lease_until_ms FROM job") == [("running", until)]
        a.send_signal(signal.SIGCONT)
        stage.until("SELECT state FROM job", expected="done")
    assert stage.ask("SELECT n, fence FROM section ORDER BY n") == [(0, 1), (1, 2)]
    assert (tmp_path / "a.log").read_text().count("lease revived") == 1
