"""Several devices of one machine: each makes sections of the same queue, and what ails one fails no film."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from db import engines, jobs, workers
from db.connect import Database
from db.media import Disk, Media
from db.models import State
from db.room import Room
from db.rows import Job
from gen.bench import films
from gen.card import find_checkpoint
from gen.config import ModelConfig
from gen.dispatch import Dispatch, Siblings
from gen.process import ChildProcess, Told
from tests.at_work import at_work
from tests.ready import ready

TIMEOUT_S = 60
CARDS = ("cuda:0", "cuda:1")


class Seen:
    """What the children of a test were asked, and how many were at it at once."""

    def __init__(self) -> None:
        self.loads: list[dict[str, Any]] = []
        self.loading = self.most_loading = self.making = self.most_making = 0
        self.films: dict[int, set[str]] = {}  # seed: devices that made sections of it


class StandIn(ChildProcess):
    module = "tests.fakes.child"
    seen: Seen
    device = ""

    async def load(self, **settings: Any) -> dict[str, Any]:
        seen, self.device = self.seen, settings["device"]
        seen.loads.append(settings)
        seen.loading += 1
        seen.most_loading = max(seen.most_loading, seen.loading)
        try:
            return await super().load(**settings)
        finally:
            seen.loading -= 1

    async def section(self, on_told: Callable[[Told], Awaitable[None]], **asked: Any) -> dict[str, Any]:
        seen = self.seen
        seen.making += 1
        seen.most_making = max(seen.most_making, seen.making)
        seen.films.setdefault(asked["plan"]["seed"], set()).add(self.device)
        try:
            return await super().section(on_told, **asked)
        finally:
            seen.making -= 1


class Machine:
    """One machine with several cards."""

    def __init__(self, db: Database, folder: Path, cards: dict[str, dict[str, Any]]) -> None:
        """cards: by the device's name, what goes wrong there, as tests/fakes/child.py says"""
        self.db, self.media, self.seen = db, Media(folder / "media"), Seen()
        children = type("Children", (StandIn,), {"seen": self.seen})
        siblings = Siblings()
        self.cards = [
            Dispatch(
                *(db, self.media, ModelConfig(name=json.dumps(script), device=device, threads=1), folder),
                worker=workers.engine_of("home:00000000", n),
                siblings=siblings,
                children=children,
                retry_ms=100,
            )
            for n, (device, script) in enumerate(cards.items())
        ]

    async def submit(self, *sections: int) -> list[Job]:
        return await films.submit(self.db, self.media, find_checkpoint("tiny").card, list(sections))

    def working(self) -> AbstractAsyncContextManager[None]:
        return at_work(*self.cards)

    async def ended(self, films: list[Job]) -> list[Job]:
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                seen = self.db.commits
                now = [await jobs.get(self.db, film.id) for film in films]
                if all(job.state.terminal for job in now):
                    return now
                await self.db.changed(seen, 0.2)

    async def said(self, film: Job, reason: str) -> None:
        """Wait until the film says that it waits for this."""
        async with asyncio.timeout(TIMEOUT_S):
            while (await jobs.get(self.db, film.id)).reason != reason:
                self.db.notify()
                await asyncio.sleep(0.02)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open("", data_dir=ready(tmp_path)) as opened:
        yield opened


async def test_two_cards_make_two_sections_at_once_and_load_one_after_the_other(db: Database, tmp_path: Path) -> None:
    machine = Machine(db, tmp_path, {"cuda:0": {"step_s": 0.05, "load_s": 0.3}, "cuda:1": {"step_s": 0.05}})
    waiting = await machine.submit(4, 4, 4)
    async with machine.working():
        ended = await machine.ended(waiting)
    assert {(job.state, job.crashes, job.done) for job in ended} == {(State.DONE, 0, 4)}
    assert sum(job.fence for job in ended) == 12, "no section was claimed twice"
    assert (machine.seen.most_making, machine.seen.most_loading) == (2, 1)
    beside = [(asked["beside_loaded"], asked["beside_waiting"]) for asked in machine.seen.loads]
    assert beside == [(0, 1), (1, 0)], "the second plans its memory beside the first"
    assert set.union(*machine.seen.films.values()) == set(CARDS)
    assert sorted(each.name for each in await engines.all_of(db)) == ["home cuda:0", "home cuda:1"]


@pytest.mark.parametrize("script", [{"dies": 0}, {"unborn": True}, {"ill": "internal"}, {"gone": ""}])
async def test_a_broken_card_fails_no_film_while_another_makes_them(
    db: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    script: dict[str, Any],
) -> None:
    monkeypatch.setattr("gen.dispatch.CRASH_RETRY_MS", 0)
    monkeypatch.setattr("gen.dispatch.CRASH_REST_S", 0.1)
    (tmp_path / "no card").touch()
    script = {"gone": str(tmp_path / "no card")} if "gone" in script else script
    machine = Machine(db, tmp_path, {"cuda:0": script, "cuda:1": {"step_s": 0.05}})
    waiting = await machine.submit(*[2] * 5)
    async with machine.working():
        ended = await machine.ended(waiting)
    assert {(job.state, job.reason) for job in ended} == {(State.DONE, None)}
    assert "worker rests worker=home:00000000 " in caplog.text and machine.cards[1].rests == 0


async def test_where_no_card_was_ever_there_films_fail_as_with_one(db: Database, tmp_path: Path) -> None:
    (tmp_path / "no card").touch()
    machine = Machine(db, tmp_path, {card: {"gone": str(tmp_path / "no card")} for card in CARDS})
    waiting = await machine.submit(1, 1)
    async with machine.working():
        ended = await machine.ended(waiting)
    assert {(job.state, job.reason) for job in ended} == {(State.FAILED, "device_missing")}


async def test_where_no_card_is_there_any_more_the_film_waits_and_says_why_until_one_comes_back(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gen.dispatch.CRASH_RETRY_MS", 0)
    monkeypatch.setattr("gen.dispatch.CRASH_REST_S", 0.02)
    gone = tmp_path / "no card"
    machine = Machine(db, tmp_path, {card: {"gone": str(gone)} for card in CARDS})
    async with machine.working():
        await machine.ended(await machine.submit(1))
        gone.touch()
        _, film = await machine.submit(1, 2)
        await machine.said(film, "device_missing")
        gone.unlink()
        for each in machine.cards:
            each.rests_until = 0.0
        db.notify()
        (film,) = await machine.ended([film])
    assert (film.state, film.reason) == (State.DONE, None)


async def test_a_film_that_takes_every_child_with_it_ends_and_others_are_made(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gen.dispatch.CRASH_RETRY_MS", 0)
    monkeypatch.setattr("gen.dispatch.CRASH_REST_S", 0.02)
    machine = Machine(db, tmp_path, {card: {"dies": 2} for card in CARDS})
    waiting = await machine.submit(3, 2, 2)
    async with machine.working():
        bad, *good = await machine.ended(waiting)
    assert (bad.state, bad.reason, bad.done) == (State.FAILED, "worker_crashed", 2)
    assert {job.state for job in good} == {State.DONE}


async def test_a_full_disk_is_everybodys_and_is_said(db: Database, tmp_path: Path) -> None:
    class Full(Disk):
        def free_bytes(self, folder: Path) -> int:
            return 0

    machine = Machine(db, tmp_path, {card: {} for card in CARDS})
    (film,) = await machine.submit(1)
    for each in machine.cards:
        each.room = Room(Media(tmp_path / "full", Full()), 1 << 20)
    async with machine.working():
        await machine.said(film, "disk_full")
    assert not machine.seen.loads


async def test_a_file_of_one_is_left_to_the_sweep_since_the_other_may_be_about_to_name_it(
    db: Database, tmp_path: Path
) -> None:
    machine = Machine(db, tmp_path, {card: {} for card in CARDS})
    sha = machine.media.put(b"latents")
    await machine.cards[0].drop([sha])
    assert machine.media.exists(sha)


def test_two_on_one_processor_have_names_of_their_own(db: Database, tmp_path: Path) -> None:
    siblings = Siblings()
    two = [
        Dispatch(
            *(db, Media(tmp_path / "media"), ModelConfig(device="cpu"), tmp_path),
            worker=workers.engine_of("home:00000000", n),
            siblings=siblings,
        )
        for n in range(2)
    ]
    assert [each.loader.named() for each in two] == ["home cpu", "home cpu 2"]
