"""Several machines, one PostgreSQL and one bucket: a film is made though the worker, and then the front, is killed."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from db import workers
from db.connect import Database
from tests import postgres
from tests.e2e.conftest import ENVIRONMENT, one_sentence, quick, start
from tests.fakes.s3 import S3, served
from tests.fakes.telegram import Telegram, a_picture, person
from tests.ready import ready

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="PostgreSQL's own server is needed")]

ANN = person(111)
PATIENT_S = 180.0  # a loaded machine takes its time to load PyTorch
STANDS_BY = "another front speaks to the chats: this one stands by, and takes over"


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.opened() as server:
        yield server


@pytest.fixture
def bucket() -> Iterator[S3]:
    with served() as port:
        yield S3(port)


@pytest.fixture
async def telegram() -> AsyncIterator[Telegram]:
    telegram = Telegram()
    await telegram.start()
    yield telegram
    await telegram.stop()
    assert telegram.problems == []


class Machines:
    """Each has a data folder and a log of its own, and the same configuration."""

    def __init__(self, folder: Path, url: str, config: str, model: Path) -> None:
        self.folder, self.url, self.model = folder, url, model
        self.config = folder / "config.toml"
        self.config.write_text(config)
        self.running: dict[str, subprocess.Popen[str]] = {}
        self.env = {**ENVIRONMENT, **{name: value for name, value in os.environ.items() if name.startswith("AWS_")}}

    def start(self, name: str, command: str) -> None:
        where = ("-c", self.config, "--data-dir", self.folder / name, "--model", self.model)
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = start(command, *where, stdout=log, stderr=log, env=self.env)

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    async def until(self, name: str, words: str, times: int = 1) -> None:
        async with asyncio.timeout(PATIENT_S):
            while self.said(name).count(words) < times:
                assert self.running[name].poll() is None, self.said(name)
                await asyncio.sleep(0.05)

    async def kill(self, name: str) -> None:
        self.running[name].kill()
        await asyncio.to_thread(self.running.pop(name).wait, 60)

    async def end(self) -> None:
        """Ctrl-C for all."""
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        for name, process in self.running.items():
            assert await asyncio.to_thread(process.wait, 60) == 0, self.said(name)


@pytest.fixture
def machines(
    tmp_path: Path, small: Path, server: postgres.Server, bucket: S3, telegram: Telegram
) -> Iterator[Machines]:
    url = server.fresh()
    config = f"""
        [database]
        url = "{url}"
        [media]
        url = "s3://{bucket.name}/studio"
        endpoint = "{bucket.wire.url}"
        [telegram]
        token = "{telegram.token}"
        api_base = "{telegram.url}"
        [safety]
        consent = false
        [model]
        threads = 1
        [web]
        port = 0
    """
    with ExitStack() as stack:
        machines = Machines(tmp_path, url, config, small)
        stack.callback(lambda: [process.kill() for process in machines.running.values()])
        yield machines


async def test_a_film_grows_in_its_message_though_the_worker_and_then_the_front_is_killed(
    machines: Machines, telegram: Telegram, bucket: S3
) -> None:
    chat = telegram.private(ANN)

    async def shown(kind: str, *words: str) -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            for message in telegram.of_bot(chat):
                if kind in message and all(word in message.get("caption", "") for word in words):
                    return message
            return None

        got: dict[str, Any] = await telegram.until(found, PATIENT_S)
        return got

    machines.start("front", "front")
    machines.start("worker", "worker")
    await machines.until("front", "INFO flipbot started")
    forgotten = machines.folder / "other front" / "media-cache" / "ab" / f"ab{'0' * 62}"
    forgotten.parent.mkdir(parents=True)
    forgotten.touch()
    os.utime(forgotten, (0, 0))
    machines.start("other front", "front")
    telegram.sends(ANN, chat, a_picture(), caption="fog rolls in 4.8s seed=7")
    grown = await shown("animation")
    await machines.kill("worker")
    machines.start("worker", "worker")  # it finds what it held: nobody waits until its lease is over
    await machines.until("other front", STANDS_BY)
    assert not forgotten.exists(), "each machine tidies its own"
    await machines.kill("front")
    done = await shown("video", "seed 7")
    assert done["message_id"] == grown["message_id"] and len(telegram.of_bot(chat)) == 1
    assert machines.said("worker").count("section recorded") == 4
    assert len(bucket.keys) >= 10
    line = await asyncio.to_thread(
        quick, "queue", "--once", "-c", machines.config, "--data-dir", machines.folder / "anywhere"
    )
    assert line.stdout + line.stderr == "Nothing is in line.\n"
    await machines.end()
    for name in ("worker", "front", "other front"):
        assert "Traceback" not in machines.said(name) and bucket.wire.url not in machines.said(name)


async def test_who_comes_with_another_model_or_other_files_is_told(machines: Machines) -> None:
    machines.start("worker", "worker")  # before any front
    await machines.until("worker", "INFO flipbot started")
    tiny = await asyncio.to_thread(
        quick, "worker", "-c", machines.config, "--data-dir", machines.folder / "tiny", "--model", "tiny"
    )
    assert tiny.returncode == 2
    said = tiny.stderr.splitlines()[-1]
    assert " is on this database with the model small@1, and here it is tiny@" in said
    for command in ("worker", "front"):  # with files of its own, as where nothing is said of them
        (own := machines.folder / "own.toml").write_text(f'[database]\nurl = "{machines.url}"\n')
        lost = await asyncio.to_thread(
            quick, command, "-c", own, "--data-dir", machines.folder / f"own {command}", "--model", machines.model
        )
        assert lost.returncode == 2
        assert "where the others have none: give all the same [media] url" in one_sentence(lost.stderr)
    async with Database.open(machines.url, data_dir=machines.folder / "looks") as db:
        assert [each.name for each in await workers.all_of(db)] == [(machines.folder / "worker" / "worker").read_text()]
    await machines.end()


def test_an_owner_moves_to_a_server_and_pauses_it_from_anywhere(tmp_path: Path, server: postgres.Server) -> None:
    """What the terminal says of each step, of a place that is no new one, and of a server that is not there."""
    url, here = server.fresh(), tmp_path / "here"
    for name, text in (
        ("new", f'[database]\nurl = "{url}"\n'),
        ("away", '[database]\nurl = "postgresql://127.0.0.1:9/x"'),
    ):
        (tmp_path / f"{name}.toml").write_text(f'[service]\ndata_dir = "{here}"\n{text}')
    new = tmp_path / "new.toml"
    assert "There is no database" in one_sentence(quick("move", new, "--data-dir", here).stderr)
    ready(here)
    assert quick("pause", "moving", "house", "--data-dir", here).returncode == 0
    moved = quick("move", new, "--data-dir", here)
    assert (moved.returncode, moved.stdout) == (0, "")
    assert "rows were copied. From now on start flipbot with -c" in moved.stderr
    again = quick("move", new, "-c", new)
    assert "names the database that is used already" in one_sentence(again.stderr)
    line = quick("queue", "--once", "-c", new, "--data-dir", tmp_path / "anywhere")
    assert "moving house" in line.stdout
    assert quick("resume", "-c", new, "--data-dir", tmp_path / "anywhere").returncode == 0
    assert "moving house" not in quick("queue", "--once", "-c", new).stdout
    said = one_sentence(quick("queue", "--once", "-c", tmp_path / "away.toml").stderr)
    assert said.startswith("The database postgresql://127.0.0.1:9/x cannot be reached (connection failed: ")
    assert said.endswith("look at its server, the network between, and what its address says.")
