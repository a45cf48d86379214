"""Tells operators when no films can be made and only they can mend it, and when films are made again. Each once."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.canvas import WAITS
from bot.words import FOR_GUESTS, say, why
from db import inbox, operators
from db.connect import Database
from db.pulse import NEWEST, pulse
from db.rows import Pulse
from db.trouble import patiently

log = logging.getLogger("flipbot.alarm")

LOOK_S: Final = 30.0
LASTS_S: Final = 180.0  # what is over sooner has mended itself: a child that is started anew, a disk that is emptied
AGAIN_S: Final = 600.0  # after nobody could be told
PASSING: Final = ("smaller", "continuing", "memory_taken", "other_model", "database_away")  # or the owner's own doing
HELD_UP: Final = {reason for reason, headline in WAITS.items() if headline not in PASSING}
FAILURES: Final = {*FOR_GUESTS, "worker_crashed"} - {"out_of_memory"}  # that a film can have of its own

Text = Callable[[str], str]  # what is said, in a language
Tell = Callable[[Text], Awaitable[bool]]


@dataclass(frozen=True)
class Ill:
    """What ails it. waits: films wait for it, else they fail of it"""

    reason: str
    facts: Mapping[str, Any]
    waits: bool
    films: int

    def said(self, locale: str) -> str:
        """For an operator."""
        if not self.waits:
            return say(locale, "alarm.fails", count=NEWEST, why=why(locale, self.reason, self.facts))
        return say(locale, "alarm.waits", what=say(locale, f"headline.{WAITS[self.reason]}"), count=self.films)


def judge(now: Pulse, before: Pulse | None) -> Ill | bool | None:
    """What ails it; True: it is well; None: that cannot be told now."""
    if before is not None and now.made > before.made:
        return True
    if now.running:
        return None
    if now.held_up is not None:
        return Ill(*now.held_up, waits=True, films=now.films)
    failed = {"" if done else reason for done, reason, _ in now.ended}
    if len(now.ended) == NEWEST and len(failed) == 1 and failed <= FAILURES:
        return Ill(now.ended[0][1], now.ended[0][2], waits=False, films=now.films)
    return None


async def told_each(ids: Iterable[int], tell: Callable[[int], Awaitable[object]], *refusals: type[Exception]) -> bool:
    """Tell each operator; whether any of them lets the bot in. refusals: what the platform says no with"""
    told = False
    for id in ids:
        try:
            await tell(id)
        except refusals as error:
            log.warning("operator=%d not told: %s", id, type(error).__name__)
        else:
            told = True
    return told


class Alarm:
    """Looks at the rows, and tells the operators of one platform."""

    def __init__(self, db: Database, name: str, tell: Tell) -> None:
        """name: of the platform    tell: says it to every operator there; whether any of them was reached"""
        self.db, self.memo, self.tell = db, f"alarm.{name}", tell
        self.before: Pulse | None = None
        self.ill: Ill | None = None
        self.since = 0.0
        self.quiet_until = 0.0

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await patiently(self.look, "the alarm")
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Look once. raises: TROUBLE"""
        state = await operators.state(self.db)
        if state.paused or state.away:
            self.ill = None
            return
        now = await pulse(self.db, HELD_UP)
        found, self.before = judge(now, self.before), now
        if isinstance(found, Ill):
            await self.is_ill(found)
        elif found:
            await self.is_well()

    async def is_ill(self, found: Ill) -> None:
        """Say it, once it has lasted for a while."""
        now = asyncio.get_running_loop().time()
        if self.ill is None or self.ill.reason != found.reason:
            self.since = now
        self.ill = found
        if now - self.since < LASTS_S or now < self.quiet_until or await self.told() == found.reason:
            return
        await self.say(found.said, found.reason)

    async def is_well(self) -> None:
        """Say that it is over, where it was said."""
        self.ill = None
        if await self.told() and asyncio.get_running_loop().time() >= self.quiet_until:
            await self.say(lambda locale: say(locale, "alarm.over"), "")

    async def told(self) -> str:
        """What the operators know of: a reason, or nothing."""
        return str(json.loads(await inbox.memo(self.db, self.memo) or '""'))

    async def say(self, text: Text, reason: str) -> None:
        """Say it and remember that; said twice after a crash, it harms nothing."""
        if await self.tell(text):
            log.info("operators told by=%s reason=%s", self.memo, reason or "over")
            await inbox.remember(self.db, self.memo, json.dumps(reason))
        else:
            self.quiet_until = asyncio.get_running_loop().time() + AGAIN_S
