"""When a machine's owner wants it for something else: outside its hours, and while a program runs that comes first."""

import asyncio
import fnmatch
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import psutil

from db import absences
from db.connect import Database
from db.trouble import TROUBLE, patiently
from gen.config import ModelConfig
from gen.hours import opens

log = logging.getLogger("flipbot.leave")

LOOK_S = 2.0
LINGER_S = 30.0  # a program is gone for so long before its end is believed: many start another one, or themselves anew
SOON_DAYS = 1  # within which an hour needs no day beside it


@dataclass(frozen=True)
class Why:
    """Why no film is made now. opens_ms: when films are made again, where that is known"""

    reason: str
    facts: dict[str, Any] = field(default_factory=dict)
    opens_ms: int | None = None

    @property
    def at_once(self) -> bool:
        """Whether what is under way is given up instead of finished."""
        return self.reason == "program"


class Leave:
    """Looks at the clock and at what runs; `why` is what the dispatchers of this process go by."""

    def __init__(
        self,
        model: ModelConfig,
        *,
        now: Callable[[], datetime] = datetime.now,
        programs: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        """now: the time by the clock of this machine; programs: the names of those that run, but for this one's"""
        self.spans, self.patterns = model.spans, [bare(each) for each in model.yields_to]
        self.now, self.programs = now, programs or running
        self.seen = ("", 0.0)  # a program that comes first, and when it was seen last
        self.why: Why | None = None

    @property
    def asked(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self.spans or self.patterns)

    def look(self) -> Why | None:
        """Why no film is made now, if so."""
        if program := self.first_of(self.programs()) if self.patterns else "":
            self.seen = (program, time.monotonic())
        program, at = self.seen
        if program and time.monotonic() - at < LINGER_S:
            return Why("program", {"program": program})
        now = self.now()
        begins = opens(self.spans, now)
        if begins is None:
            return None
        soon = (begins - now).days < SOON_DAYS
        return Why(
            "hours", {"opens": begins.strftime("%H:%M" if soon else "%Y-%m-%d %H:%M")}, round(begins.timestamp() * 1000)
        )

    def first_of(self, names: Iterable[str]) -> str:
        """The first of these programs that comes first."""
        return next(
            (name for name in names if any(fnmatch.fnmatchcase(bare(name), each) for each in self.patterns)), ""
        )

    async def run(self, db: Database, name: str) -> None:
        """Look, and write what is so, until cancelled. name: of this process (db/workers.py)"""
        written: Why | None = None
        try:
            while True:
                self.why = await patiently(partial(asyncio.to_thread, self.look), "the look at hours and programs")
                if self.why != written:
                    with suppress(*TROUBLE):  # who waits is told later
                        await write(db, name, self.why)
                        told(written, self.why)
                        written = self.why
                    db.notify()  # who waits for a turn, or has one, goes by it now
                await asyncio.sleep(LOOK_S)
        finally:
            with suppress(*TROUBLE):
                await absences.back(db, name)


async def write(db: Database, name: str, why: Why | None) -> None:
    """Let the rows say it. raises: TROUBLE"""
    if why is None:
        await absences.back(db, name)
    else:
        await absences.goes(db, name, why.reason, why.facts, why.opens_ms)


def told(before: Why | None, now: Why | None) -> None:
    """Log the change."""
    if now is None:
        log.info("films are made again")
    elif before is None or before.reason != now.reason:
        log.info("no films are made now reason=%s %s", now.reason, " ".join(f"{k}={v}" for k, v in now.facts.items()))


def bare(name: str) -> str:
    """A program's name, however it is written."""
    return name.strip().casefold().removesuffix(".exe")


def running() -> Sequence[str]:
    """The names of the programs that run, but for this process and what it started."""
    me = psutil.Process()
    ours = {me.pid}
    with suppress(psutil.Error):
        ours |= {each.pid for each in me.children(recursive=True)}
    return [each.info["name"] or "" for each in psutil.process_iter(["name"]) if each.pid not in ours]
