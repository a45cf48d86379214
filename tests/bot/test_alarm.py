"""Operators hear when no films can be made, once, and when they are made again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from discord_stage import stage as discord_stage
from telegram_stage import OPERATOR
from telegram_stage import stage as telegram_stage

from bot import alarm
from bot.alarm import Alarm, Ill, Text, judge
from db import absences, inbox, jobs, operators, people, requests, sections
from db.connect import Database
from db.models import Platform
from db.requests import Ask, Limits
from db.rows import Job, Pulse
from db.sections import Made
from tests.ready import ready

FULL = ("disk_full", {"free_mib": 90, "need_mib": 100})
DONE, GONE, SAME = (True, "", {}), (False, "checkpoint_missing", {}), (False, "picture_unreadable", {})


def a_pulse(**changes: Any) -> Pulse:
    plain: dict[str, Any] = {"made": 5, "films": 2, "running": False, "held_up": None, "ended": (DONE,)}
    return Pulse(**plain | changes)


@pytest.mark.parametrize(
    ("now", "ill"),
    [
        (a_pulse(), None),
        (a_pulse(held_up=FULL), "disk_full"),
        (a_pulse(held_up=FULL, running=True), None),
        (a_pulse(made=6, held_up=FULL), True),
        (a_pulse(ended=(GONE,) * 3), "checkpoint_missing"),
        (a_pulse(ended=(GONE,) * 3, films=0), "checkpoint_missing"),
        (a_pulse(ended=(GONE,) * 2), None),
        (a_pulse(ended=(GONE, DONE, GONE)), None),
        (a_pulse(ended=(GONE, SAME, GONE)), None),
        (a_pulse(ended=(SAME,) * 3), None),
        (a_pulse(ended=(GONE,) * 3, running=True), None),
        (a_pulse(ended=(GONE,) * 3, made=6), True),
    ],
)
def test_what_ails_it_is_told_from_what_ails_a_film(now: Pulse, ill: str | bool | None) -> None:
    found = judge(now, a_pulse())
    assert (found.reason if isinstance(found, Ill) else found) == ill


@pytest.fixture
async def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    monkeypatch.setattr(alarm, "LASTS_S", 0.2)
    monkeypatch.setattr(alarm, "AGAIN_S", 0.3)
    async with Database.open("", data_dir=ready(tmp_path)) as opened:
        yield opened


async def a_film(db: Database, key: str = "a") -> Job:
    plan = {"model": "tiny@1", "width": 64, "height": 48, "steps": 2}
    who: dict[str, Any] = {"platform": Platform.PAGE, "user_id": key, "chat_id": "page", "locale": "en"}
    what: dict[str, Any] = {"picture": "0" * 64, "prompt": "fog", "settings": {}, "plan": plan, "sections": 1}
    return await requests.submit(
        db, Ask(key=key, **who, **what), Limits(queued_per_user=9, queued_per_chat=9, queued_in_all=9)
    )


async def make(db: Database) -> None:
    claim = await jobs.claim(db, "w", 60_000)
    assert claim is not None
    files: dict[str, Any] = {name: name[0] * 64 for name in ("latents", "clip", "tail", "film")}
    await sections.record(db, claim, Made(n=0, frames=37, sampling_ms=1, decode_ms=1, encode_ms=1, **files))


async def test_it_is_said_once_and_so_is_its_end(db: Database) -> None:
    said: list[str] = []

    async def tell(text: Text) -> bool:
        said.append(text("en"))
        return True

    watch = Alarm(db, "test", tell)
    await a_film(db)
    await jobs.hold_up(db, *FULL)
    for _ in range(3):
        await watch.look()
    assert said == [], "it may be over soon"
    await asyncio.sleep(0.25)
    for _ in range(3):
        await watch.look()
    (first,) = said
    assert first.startswith(
        "No films are being made. Waiting: the disk is full. It goes on by itself when there is room."
    )
    assert "Films in line: 1." in first
    watch = Alarm(db, "test", tell)  # after a restart
    await watch.look()
    await asyncio.sleep(0.25)
    await watch.look()
    assert len(said) == 1
    await make(db)
    await watch.look()
    await watch.look()
    assert said[1:] == ["Films are being made again."]


async def test_a_pause_is_no_trouble_and_neither_is_the_owners_hour(db: Database) -> None:
    async def tell(text: Text) -> bool:
        raise AssertionError(text("en"))

    watch = Alarm(db, "test", tell)
    await a_film(db)
    await jobs.hold_up(db, *FULL)
    for closes, opens in (
        (operators.pause(db, "terminal"), operators.resume(db, "terminal")),
        (absences.goes(db, "home:1", "hours", {}, None), absences.back(db, "home:1")),
    ):
        await watch.look()
        await closes
        await asyncio.sleep(0.25)
        await watch.look()
        await opens
        await watch.look()  # it lasts from now on
    await jobs.hold_up(db, "memory_taken", {"kind": "VRAM"})  # they have started that program themselves
    await asyncio.sleep(0.25)
    await watch.look()


async def test_who_cannot_be_told_is_tried_again_later(db: Database) -> None:
    tries: list[str] = []

    async def tell(text: Text) -> bool:
        tries.append(text("zh"))
        return len(tries) > 1

    watch = Alarm(db, "test", tell)
    await a_film(db)
    await jobs.hold_up(db, *FULL)
    await watch.look()
    await asyncio.sleep(0.25)
    await watch.look()
    await watch.look()
    assert len(tries) == 1 and tries[0].startswith("现在没有在制作影片。等待中：磁盘已满")
    await asyncio.sleep(0.35)
    await watch.look()
    await watch.look()
    assert len(tries) == 2 and await inbox.memo(db, "alarm.test") == '"disk_full"'


async def test_three_failures_of_one_kind_are_the_machines(db: Database) -> None:
    said: list[str] = []

    async def tell(text: Text) -> bool:
        said.append(text("en"))
        return True

    watch = Alarm(db, "test", tell)
    for key in "abc":
        await a_film(db, key)
        claim = await jobs.claim(db, "w", 60_000)
        assert claim is not None
        await jobs.fail(db, claim, "checkpoint_missing", {"name": "framepack", "where": "nothing in /models"})
    await watch.look()
    await asyncio.sleep(0.25)
    await watch.look()
    (told,) = said
    assert told.startswith("The last 3 films failed for the same reason. The model is not on this machine.")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarm, "LASTS_S", 0.1)
    monkeypatch.setattr(alarm, "LOOK_S", 0.05)


async def test_a_telegram_operator_hears_it_in_their_language(tmp_path: Path, quick: None) -> None:
    async with telegram_stage(tmp_path) as there:
        desk = there.server.private(OPERATOR)
        there.server.says(OPERATOR, desk, "/status")
        await there.message(desk, "The queue is open")
        await people.prefer(there.db, Platform.TELEGRAM, str(OPERATOR["id"]), language="zh")
        await a_film(there.db)
        await jobs.hold_up(there.db, *FULL)
        await there.message(desk, "现在没有在制作影片。等待中：磁盘已满，有空间后会自动继续")
        await make(there.db)
        await there.message(desk, "影片又开始制作了")


async def test_a_discord_operator_hears_it_in_a_direct_message(tmp_path: Path, quick: None) -> None:
    async with discord_stage(tmp_path, operators=(1,)) as s:
        await a_film(s.db)
        await jobs.hold_up(s.db, *FULL)
        await s.there.until(lambda: [m for m in s.there.messages.values() if "No films are being made" in m.content])
        await make(s.db)
        await s.there.until(lambda: [m for m in s.there.messages.values() if "being made again" in m.content])
