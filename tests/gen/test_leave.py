"""A machine that is its owner's first: hours, programs that come first, and memory that is given back."""

import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from db import absences, engines, jobs, operators
from db.config import load
from db.connect import Database
from db.errors import ConfigError
from db.media import Media
from db.models import State
from db.rows import Job
from flipbot.settings import SECTIONS
from gen.bench import films
from gen.card import find_checkpoint
from gen.config import ModelConfig
from gen.dispatch import Dispatch
from gen.driver import is_free
from gen.leave import LINGER_S, Leave, Why, running
from gen.process import ChildProcess
from tests.at_work import at_work
from tests.ready import ready

TIMEOUT_S = 60
NOON, NIGHT = datetime(2026, 12, 1, 12, 0), datetime(2026, 12, 1, 23, 0)


class StandIn(ChildProcess):
    module = "tests.fakes.child"


class Home:
    """A machine with a queue, its dispatcher, and what its owner is at."""

    def __init__(self, db: Database, folder: Path, script: dict[str, Any], **settings: Any) -> None:
        self.db, self.media = db, Media(folder / "media")
        self.at, self.programs = NIGHT, ["systemd"]
        model = ModelConfig(name=json.dumps({"step_s": 0.02, **script}), device="cpu", threads=1, **settings)
        self.leave = Leave(model, now=lambda: self.at, programs=lambda: self.programs)
        self.dispatch = Dispatch(
            *(db, self.media, model, folder),
            worker="home:00000000",
            leave=self.leave,
            children=StandIn,
            retry_ms=100,
            idle_s=0.1,
        )

    async def submit(self, *sections: int) -> list[Job]:
        return await films.submit(self.db, self.media, find_checkpoint("tiny").card, list(sections))

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while not holds():  # noqa: ASYNC110 - processes and memory tell nobody
                await asyncio.sleep(0.02)

    async def film(self, film: Job, holds: Callable[[Job], bool]) -> Job:
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                seen = self.db.commits
                if holds(now := await jobs.get(self.db, film.id)):
                    return now
                await self.db.changed(seen, 0.2)

    @property
    def holds(self) -> bool:
        return self.dispatch.loader.holds

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """As in a service, where somebody looks whether the machine is its owner's."""
        self.leave.why = self.leave.look()
        looking = asyncio.create_task(self.leave.run(self.db, "home:00000000"))
        try:
            async with at_work(self.dispatch):
                yield
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open("", data_dir=ready(tmp_path)) as opened:
        yield opened


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked at is looked at often, and what has ended is believed to have."""
    monkeypatch.setattr("gen.leave.LOOK_S", 0.02)
    monkeypatch.setattr("gen.leave.LINGER_S", 0.2)


async def test_an_engine_with_nothing_to_do_gives_its_memory_back_and_the_next_film_has_it_again(
    db: Database, tmp_path: Path
) -> None:
    home = Home(db, tmp_path, {}, idle_minutes=1.0 / 60)
    async with at_work(home.dispatch):
        for films in (1, 2):
            film = (await home.submit(*[2] * films))[-1]
            await home.film(film, lambda now: now.state == State.DONE)
            (engine,) = await engines.all_of(db)
            assert home.holds and engine.freed_ms is None
            await home.until(lambda: not home.holds)
            assert home.dispatch.loader.child is not None
            assert await home.dispatch.loader.child.process.wait() == 0, "it has really ended"
            await asyncio.sleep(0.05)
            (engine,) = await engines.all_of(db)
            assert engine.freed_ms is not None


async def test_an_engine_that_is_to_stay_stays(db: Database, tmp_path: Path) -> None:
    home = Home(db, tmp_path, {}, idle_minutes=0)
    async with at_work(home.dispatch):
        (film,) = await home.submit(1)
        await home.film(film, lambda now: now.state == State.DONE)
        home.dispatch.used_at -= 1e6
        await asyncio.sleep(0.5)
        assert home.holds
    (engine,) = await engines.all_of(db)
    assert engine.freed_ms is not None, "it ended with the service"


async def test_a_pause_frees_the_card_once_the_section_is_finished(db: Database, tmp_path: Path) -> None:
    home = Home(db, tmp_path, {"step_s": 0.2})
    async with at_work(home.dispatch):
        (film,) = await home.submit(3)
        await home.film(film, lambda now: now.state == State.RUNNING)
        await operators.pause(db, "terminal", "a game")
        await home.until(lambda: home.dispatch.loader.engine and not home.holds)
        now = await jobs.get(db, film.id)
        assert (now.state, now.done, now.fence) == (State.QUEUED, 1, 1)
        await operators.resume(db, "terminal")
        now = await home.film(film, lambda now: now.state == State.DONE)
    assert (now.done, now.fence, now.crashes) == (3, 3, 0), "nothing was made twice"


async def test_a_pause_at_once_gives_up_what_is_under_way(db: Database, tmp_path: Path) -> None:
    home = Home(db, tmp_path, {"step_s": 0.5})
    async with at_work(home.dispatch):
        (film,) = await home.submit(2)
        await home.film(film, lambda now: now.state == State.RUNNING)
        await home.until(lambda: home.holds)
        await operators.pause(db, "terminal", at_once=True)
        now = await jobs.get(db, film.id)
        assert (now.state, now.done, now.worker) == (State.QUEUED, 0, None)
        await home.until(lambda: not home.holds)
        assert (await jobs.get(db, film.id)).done == 0
        await operators.resume(db, "terminal")
        now = await home.film(film, lambda now: now.state == State.DONE)
    assert (now.done, now.fence, now.crashes, now.deaths) == (2, 3, 0, 0)


async def test_films_are_made_in_their_hours_alone_and_those_who_wait_are_told_when(
    db: Database, tmp_path: Path, watched: None
) -> None:
    home = Home(db, tmp_path, {"step_s": 0.1}, hours="22:00-08:00")
    async with home.working():
        (film,) = await home.submit(3)
        await home.until(lambda: home.holds)
        home.at = NOON
        await home.until(lambda: home.leave.why and not home.holds)
        now = await jobs.get(db, film.id)
        assert (now.state, now.done) == (State.QUEUED, now.fence), "the section under way was finished"
        away = await absences.of_all(db)
        assert away is not None
        assert (away.reason, away.facts, away.opens_ms) == (
            "hours",
            {"opens": "22:00"},
            round(datetime(2026, 12, 1, 22).timestamp() * 1000),
        )
        await asyncio.sleep(0.3)
        assert (await jobs.get(db, film.id)).fence == now.fence, "nothing was begun"
        home.at = NIGHT
        now = await home.film(film, lambda now: now.state == State.DONE)
    assert now.fence == 3
    assert await absences.of_all(db) is None


async def test_a_program_that_comes_first_has_the_card_at_once_and_costs_one_section_at_most(
    db: Database, tmp_path: Path, watched: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    home = Home(db, tmp_path, {"step_s": 2.0}, yields_to=("eldenring",))
    async with home.working():
        (film,) = await home.submit(2)
        await home.film(film, lambda now: now.state == State.RUNNING)
        await home.until(lambda: home.holds)
        home.programs = ["systemd", "EldenRing.EXE"]
        began = time.monotonic()
        await home.until(lambda: not home.holds)
        assert time.monotonic() - began < 3.0, "it was not waited for the step"
        now = await home.film(film, lambda now: now.state == State.QUEUED)
        assert (now.done, now.crashes, now.deaths, now.reason) == (0, 0, 0, None)
        away = await absences.of_all(db)
        assert away is not None and (away.reason, away.facts["program"]) == ("program", "EldenRing.EXE")
        home.dispatch.loader.model = replace(home.dispatch.loader.model, name="{}")
        home.programs = ["systemd"]
        now = await home.film(film, lambda now: now.state == State.DONE)
    assert (now.crashes, now.deaths) == (0, 0)
    assert "no films are made now reason=program program=EldenRing.EXE" in caplog.text
    assert "films are made again" in caplog.text
    assert "section given up job=1 n=1" in caplog.text and "child died" not in caplog.text


async def test_while_the_model_loads_a_program_comes_first_too(db: Database, tmp_path: Path, watched: None) -> None:
    home = Home(db, tmp_path, {"load_s": 5.0}, yields_to=("eldenring",))
    async with home.working():
        (film,) = await home.submit(1)
        await home.until(lambda: home.dispatch.loader.alive)
        home.programs = ["eldenring"]
        await home.until(lambda: not home.dispatch.loader.alive)
        now = await home.film(film, lambda now: now.state == State.QUEUED)
        assert (now.crashes, now.deaths, now.reason, home.dispatch.loader.died_loading) == (0, 0, None, 0)


async def test_where_other_programs_hold_the_memory_films_wait_and_say_so(db: Database, tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.write_text("0.1")  # so much is free, and still it is not enough
    home = Home(db, tmp_path, {"held": str(held)})
    async with at_work(home.dispatch):
        first, second = await home.submit(1, 1)
        now = await home.film(first, lambda now: now.reason == "memory_taken")
        assert now.state == State.QUEUED and not home.holds
        held.write_text("99999")  # so much is free nowhere: no child is started to find that out
        await home.until(lambda: home.dispatch.why and home.dispatch.why[1]["need"] == "99999")
        await home.until(lambda: not home.dispatch.loader.alive)
        child = home.dispatch.loader.child
        await asyncio.sleep(0.5)
        assert home.dispatch.loader.child is child
        assert {(await jobs.get(db, film.id)).state for film in (first, second)} == {State.QUEUED}
        held.unlink()
        assert home.dispatch.why is not None
        home.dispatch.why = ("memory_taken", {**home.dispatch.why[1], "need": "0.1"})
        for film in (first, second):
            now = await home.film(film, lambda now: now.state == State.DONE)
            assert (now.crashes, now.tighter) == (0, 0)


def test_what_is_free_is_asked_without_a_child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert is_free("RAM", 0.01, "") and not is_free("RAM", 1e6, "")
    asked = tmp_path / "nvidia-smi"
    asked.write_text('#!/bin/sh\nwhile [ "$1" != -i ]; do shift; done\ntest "$2" = GPU-1 && echo 5000 || echo 100\n')
    asked.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert is_free("VRAM", 4.8, "GPU-1") and not is_free("VRAM", 4.9, "GPU-1")
    assert not is_free("VRAM", 0.1, "GPU-2") and is_free("VRAM", 999.0, ""), "of which card nobody knows"
    asked.unlink()
    assert is_free("VRAM", 999.0, "GPU-1"), "nobody can tell, so it is tried"


def test_a_program_lingers_since_many_start_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = ["reaper"]
    leave = Leave(ModelConfig(yields_to=("REAPER",), hours=""), programs=lambda: programs)
    assert leave.look() == Why("program", {"program": "reaper"})
    programs.clear()
    assert leave.look() is not None
    now = time.monotonic()
    monkeypatch.setattr("time.monotonic", lambda: now + LINGER_S + 1)
    assert leave.look() is None


@pytest.mark.parametrize(
    ("pattern", "name", "comes"),
    [
        ("blender", "blender", True),
        ("Blender.exe", "blender", True),
        ("blender", "BLENDER.EXE", True),
        ("steam_app_*", "steam_app_1245620", True),
        ("blend", "blender", False),
        ("[x", "[x", True),
    ],
)
def test_programs_are_named_as_people_write_them(pattern: str, name: str, comes: bool) -> None:
    leave = Leave(ModelConfig(yields_to=(pattern,)), programs=lambda: ["init", name])
    assert (leave.look() is not None) is comes


@pytest.mark.skipif(sys.platform != "linux", reason="a program is copied under another name")
def test_what_flipbot_starts_is_no_other_program(tmp_path: Path) -> None:
    sleep = tmp_path / "flipbot-sleeps"
    shutil.copy(Path("/bin/sleep").resolve(), sleep)
    ours = subprocess.Popen([str(sleep), "60"])
    try:
        assert psutil.Process(ours.pid).name() == sleep.name
        names = running()
    finally:
        ours.kill()
        ours.wait()
    assert psutil.Process(1).name() in names and sleep.name not in names


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ('hours = "22-8"', 'hours are written as "22:00-08:00"'),
        ('yields_to = ["*"]', "yields_to names programs"),
        ('yields_to = [" "]', "yields_to names programs"),
        ("idle_minutes = -1", "idle_minutes"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(tmp_path: Path, written: str, names: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"[model]\n{written}\n")
    with pytest.raises(ConfigError, match=names):
        load(file, SECTIONS)
