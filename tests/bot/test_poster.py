"""The poster against a chat room that limits, loses, freezes and forgets, in a world whose clock jumps."""

import asyncio
import os
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import event
from virtual import VirtualLoop

from bot.canvas import look
from bot.chat import ChatMessage, Now, Terms, code, compose, job_of
from bot.poster import LIMITED_MS, Hooks, Poster
from bot.sender import (
    DISCORD,
    TELEGRAM_GROUP,
    TELEGRAM_PRIVATE,
    Blocked,
    Closed,
    Failed,
    Film,
    Gone,
    Moved,
    Pace,
    PutOff,
    Spot,
    TooBig,
    Unknown,
    Unreachable,
)
from db import canvases, chats, jobs, operators, people, removals, requests, sections
from db.connect import Database
from db.errors import MediaAway
from db.models import Platform
from db.requests import Ask, Limits
from db.rows import At, Claim, Job, Notify
from db.sections import Made
from tests.ready import ready

PLENTY = Limits(queued_per_user=1000, queued_per_chat=1000, queued_in_all=1000)
HOP_S = 0.1  # from the look at the clock, over a commit, to the call, on a busy machine
SHA = "0123456789abcdef" * 4


class Plain:
    """Writes so that a test can read it."""

    def time(self, locale: str, at_ms: int, now_ms: int) -> str:
        return f"<{at_ms}>"

    def quote(self, text: str) -> str:
        return f"“{text}”"

    def escape(self, text: str) -> str:
        return text

    def strong(self, text: str) -> str:
        return text

    def person(self, user_id: str) -> str:
        return f"@{user_id}"

    def place(self, chat_id: str) -> str:
        return f"#{chat_id}"


@dataclass
class Message:
    chat_id: str
    job: int
    text: str
    film: str | None
    revision: int
    history: list[str] = field(default_factory=list)


class Room:
    """All chats of a platform, as its server has them. It implements Sender, and holds the poster to its limits."""

    def __init__(
        self,
        loop: VirtualLoop,
        platform: Platform,
        pace: Pace,
        *,
        nonce: bool,
        text_first: bool,
        seed: int,
        trouble: float,
    ) -> None:
        self.loop, self.platform, self.nonce, self.text_first = loop, platform, nonce, text_first
        self._pace, self.random, self.trouble = pace, random.Random(seed), trouble
        self.style = Plain()
        self.messages: dict[str, Message] = {}
        self.deleted: set[str] = set()
        self.pings: list[str] = []
        self.silent: list[bool] = []
        self.filmed: list[float] = []  # when films were put in
        self.calls: dict[str, list[float]] = defaultdict(list)
        self.frozen: dict[str, float] = defaultdict(float)
        self.froze: dict[str, float] = defaultdict(float)  # when that began
        self.nonces: dict[str, str] = {}
        self.limit = 1 << 30
        self.next_error: list[Exception] = []
        self.next_ping: list[Exception] = []  # it happens all the same where one says so
        self.next_alone: list[Exception] = []
        self.archived = False
        self.created: dict[int, int] = defaultdict(int)
        self.unsure: Counter[int] = Counter()  # messages of a job that are there, and nobody may know it
        self.replaced: Counter[int] = Counter()  # a job's messages that were said to be gone or out of reach
        self.happened: Callable[[], None] = lambda: None  # before and after every effect
        self.meanwhile: list[Callable[[], Awaitable[Any]]] = []  # done while the next call is under way
        self.broken: list[str] = []
        self._ids = iter(range(1, 1 << 30))

    def pace(self, chat_id: str) -> Pace:
        return self._pace

    def limit_bytes(self, spot: Spot) -> int:
        return self.limit

    def hold(self, kept: bool, rule: str) -> None:
        """The poster goes on after any error, so a broken rule is written down."""
        if not kept:
            self.broken.append(rule)

    def freeze(self, chat_id: str, wait_s: float) -> None:
        """Nobody may speak there for so long; "all" are all chats."""
        self.froze[chat_id] = self.loop.time()
        self.frozen[chat_id] = self.loop.time() + wait_s

    def dies(self) -> None:
        """The poster is killed now: what it heard a moment ago it may not have written down."""
        for chat_id, at in self.froze.items():
            if at > self.loop.time() - HOP_S:
                self.frozen[chat_id] = 0.0

    async def _call(self, chat_id: str, act: Callable[[], Any], job: int = 0, *, new: bool = False) -> Any:
        """new: the job gets a message by it"""
        now = self.loop.time()
        calls, within_s = self._pace.budget
        recent = [at for at in self.calls[chat_id] if at > now - within_s + HOP_S]
        self.hold(len(recent) < calls, f"{len(recent) + 1} calls within {within_s} s")
        self.hold(now >= self.frozen[chat_id], "spoke while frozen")
        self.hold(not self.froze["all"] + HOP_S < now < self.frozen["all"], "spoke while all were frozen")
        self.calls[chat_id].append(now)
        await asyncio.sleep(self.random.random() * 0.5)
        self.happened()
        await asyncio.sleep(0)  # whoever was killed is gone now
        if self.meanwhile:
            await self.meanwhile.pop()()
        if self.next_error:
            error = self.next_error.pop(0)
            if isinstance(error, PutOff):
                self.freeze(chat_id, error.retry_after_s)
            self.replaced[job] += isinstance(error, Gone | Unreachable | Closed)
            raise error
        match self.random.randrange(6) if self.random.random() < self.trouble else None:
            case 0:
                wait = self.random.choice([0.5, 3.0, 40.0, 240.0])
                self.freeze(chat_id, wait)
                raise PutOff(wait)
            case 1:
                raise Failed("500")
            case 2:
                self._effect(act, job, new=new)
                await asyncio.sleep(10)
                raise Unknown
            case 3:
                await asyncio.sleep(10)
                raise Unknown
            case 4 if self.random.random() < 0.3:
                self.freeze("all", 20.0)
                raise PutOff(20.0, "all")
        done = self._effect(act, job, new=new)
        self.happened()
        await asyncio.sleep(0)
        self.unsure[job] -= new  # its answer arrived
        return done

    def _effect(self, act: Callable[[], Any], job: int, *, new: bool) -> Any:
        """Let it happen; until the answer has arrived nobody knows of it."""
        done = act()
        self.unsure[job] += new
        return done

    async def send(self, spot: Spot, message: ChatMessage, film: Film | None, nonce: str) -> str:
        self.hold(film is None or not self.text_first, "a film came first")

        def act() -> str:
            if self.nonce and nonce in self.nonces:
                return self.nonces[nonce]
            found = f"m{next(self._ids)}"
            self.nonces[nonce] = found
            key = message.film.key if film and message.film else None
            self.messages[found] = Message(spot.chat_id, message.job, message.text, key, message.revision)
            self.created[message.job] += 1
            return found

        return str(await self._call(spot.chat_id, act, message.job, new=True))

    async def edit(self, spot: Spot, message: ChatMessage, film: Film | None) -> None:
        def act() -> None:
            if self.archived:
                raise Closed
            if spot.message_id in self.deleted:
                self.replaced[message.job] += 1
                raise Gone
            shown = self.messages[str(spot.message_id)]
            self.hold(message.revision >= shown.revision, "something older came after something newer")
            if film and message.film:
                shown.film = message.film.key
                self.filmed.append(self.loop.time())
            shown.text, shown.revision = message.text, message.revision
            shown.history.append(message.text)

        await self._call(spot.chat_id, act, message.job)

    async def delete(self, spot: Spot) -> None:
        self.hold(False, "nobody asked for that")

    async def notify(self, spot: Spot, text: str, user_id: str, nonce: str, *, silent: bool) -> None:
        def act() -> None:
            error = self.next_ping.pop(0) if self.next_ping else None
            if error and "happened" not in error.args:
                raise error
            if not (self.nonce and nonce in self.nonces):
                self.nonces[nonce] = "ping"
                self.pings.append(text)
                self.silent.append(silent)
            if error:
                raise error

        await self._call(spot.chat_id, act)

    async def revive(self, spot: Spot, text: str) -> None:
        def act() -> None:
            self.archived = False

        await self._call(spot.chat_id, act)

    async def alone(self, user_id: str) -> str:
        if self.next_alone:
            raise self.next_alone.pop(0)
        return f"{user_id} alone"

    def of(self, job_id: int) -> list[Message]:
        return [m for key, m in self.messages.items() if m.job == job_id and key not in self.deleted]

    def place(self, job_id: int, chat_id: str, text: str = "checking") -> str:
        """The message that answered a command."""
        found = f"m{next(self._ids)}"
        self.messages[found] = Message(chat_id, job_id, text, None, 0)
        return found


@dataclass
class World:
    loop: VirtualLoop
    db: Database
    room: Room
    poster: Poster = field(init=False)
    task: "asyncio.Task[None] | None" = None
    asked: int = 0
    fuse: int = 0  # how many commits and effects the poster has left, where it is mortal
    mortal: bool = False
    away: bool = False  # the store of the films
    slow_s: float = 0.0  # until a film is here
    fetched: int = 0

    async def film_of(self, job: Job, message: ChatMessage, limit_bytes: int) -> Film | None:
        assert message.film
        self.fetched += 1
        if self.slow_s:
            await asyncio.sleep(self.slow_s)
        if self.away:
            raise MediaAway("s3://films", "it does not answer", "see to the network")
        size = 2_000_000
        if size > limit_bytes:
            raise TooBig(limit_bytes)
        return Film(
            path=Path(message.film.sha), kind=message.film.kind, name="film.mp4", width=64, height=64, duration_ms=1
        )

    def start(self, hooks: Hooks | None = None) -> None:
        self.poster = Poster(self.db, [self.room], self.film_of, hooks=hooks, look_s=60.0)
        self.task = self.loop.create_task(self.poster.run())

    async def kill(self) -> None:
        assert self.task
        self.room.dies()
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task

    def burn(self) -> None:
        """Something was committed or has happened: perhaps the last that the poster lives to see."""
        self.fuse -= self.fuse > 0
        if self.fuse == 0 and self.mortal:
            self.mortal = False
            self.room.dies()
            for task in (self.task, *(desk.task for desk in self.poster._desks.values())):
                if task is not None:
                    task.cancel()

    async def ask(self, chat_id: str = "room", n: int = 3, **at: Any) -> Job:
        self.asked += 1
        plan = {"model": "tiny@1", "width": 128, "height": 96, "steps": 8, "fps": 30}
        ask = Ask(
            key=f"key {self.asked}", platform=self.room.platform, user_id=f"ann{self.asked}", chat_id=chat_id,
            locale="en", picture=SHA, prompt=f"fog {self.asked}", plan=plan, sections=n, at=At(**at),
            settings={"seconds": 3.0, "seed": 7, "frames": 36 * n + 1, "fps": 30, "quality": "standard"},
        )  # fmt: skip
        return await requests.submit(self.db, ask, PLENTY)

    async def make(self, took_s: float = 5.0) -> Job | None:
        """One turn of a worker."""
        claim = await jobs.claim(self.db, "worker", 3_600_000)
        if claim is None:
            return None
        await asyncio.sleep(took_s)
        return await self.record(claim, took_s)

    async def record(self, claim: Claim, took_s: float = 5.0) -> Job:
        """The section that was claimed is made."""
        n = claim.job.done
        film = f"{claim.job.id:08x}{n:08x}" + "0" * 48
        latents = f"{claim.job.id:08x}{n:08x}" + "1" * 48
        made = Made(
            n=n, latents=latents, clip=None, tail=None, film=film, frames=36 * (n + 1) + 1,
            sampling_ms=round(took_s * 1000), decode_ms=1, encode_ms=1,
        )  # fmt: skip
        return (await sections.record(self.db, claim, made)).job

    async def says(self, job_id: int) -> ChatMessage:
        """What the message should say now."""
        job, canvas = await jobs.get(self.db, job_id), await canvases.get(self.db, job_id)
        message = compose(job, await look(self.db, job), self.room.style, Terms(), Now(ms=self.db.now()))
        moved = [f"asked for in #{job.chat_id}"] if canvas and canvas.chat_id != job.chat_id else []
        return replace(message, lines=(*message.lines, *moved))

    async def erred(self) -> None:
        """Wait until the room has answered with the error that it was given."""
        for _ in range(3600):
            await asyncio.sleep(1)
            if not self.room.next_error:
                return
        raise AssertionError("nobody called")

    async def settled(self, patience_s: float = 3600.0) -> None:
        """Wait until everything that can be shown is."""
        until = self.loop.time() + patience_s
        while self.loop.time() < until:
            await asyncio.sleep(10)
            late = [
                c
                for c in await canvases.pending(self.db, self.room.platform)
                if c.shown < c.wanted or c.notice in ("due", "begun")
            ]
            if not late:
                return


@contextmanager
def world(
    folder: Path, pace: Pace = DISCORD, **room: Any
) -> Iterator[Callable[[Callable[[World], Awaitable[None]]], None]]:
    loop = VirtualLoop()
    telegram = pace in (TELEGRAM_PRIVATE, TELEGRAM_GROUP)
    kind = {"nonce": not telegram, "text_first": telegram, "seed": 0, "trouble": 0.0} | room
    platform = Platform.TELEGRAM if telegram else Platform.DISCORD

    def run(play: Callable[[World], Awaitable[None]]) -> None:
        async def main() -> None:
            async with Database.open(data_dir=ready(folder), clock=loop.ms) as db:
                there = Room(loop, platform, pace, **kind)
                made = World(loop, db, there)
                loop.busy = lambda: bool(db.under_way)
                there.happened = made.burn
                event.listen(db.engines.writing, "commit", lambda _: loop.call_soon_threadsafe(made.burn))
                made.start()
                try:
                    await play(made)
                finally:
                    await made.kill()
                    assert there.broken == []
                    loop.busy = lambda: True

        loop.run_until_complete(main())

    try:
        yield run
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def test_a_message_follows_its_job_from_the_line_to_the_film(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        job = await w.ask()
        await w.settled()
        (message,) = w.room.of(job.id)
        assert message.text.startswith("Next in line")
        for n in (1, 2, 3):
            await w.make(took_s=30)
            await w.settled()
            assert message.film is not None
            assert f"{n - 1:08x}" in message.film
        assert message.film.startswith("final:")
        assert message.text.startswith("Your film is ready: 3.6 s")
        assert w.room.pings == ["@ann1, your film of 3.6 s is ready."]
        assert w.room.created == {job.id: 1}

    with world(tmp_path) as run:
        run(play)


@pytest.mark.parametrize("pace", [DISCORD, TELEGRAM_GROUP], ids=["discord", "telegram"])
def test_while_no_film_can_be_had_a_message_says_what_it_can_without(pace: Pace, tmp_path: Path) -> None:
    async def play(w: World) -> None:
        job = await w.ask()
        await w.settled()
        w.away, w.slow_s = True, 15.0
        await w.make(took_s=30)
        await asyncio.sleep(60)
        (message,) = w.room.of(job.id)
        assert message.text.startswith("1.2 of 3.6 s are ready") and message.film is None
        calls, began, w.fetched = len(w.room.calls["room"]), w.loop.time(), 0
        await operators.pause(w.db, "ann")
        await asyncio.sleep(60)
        assert "Paused" in message.text.splitlines()[0]
        await asyncio.sleep(300)
        assert len(w.room.calls["room"]) <= calls + 2, "nothing is said twice"
        assert w.fetched <= (w.loop.time() - began) / 45 + 1, "a trouble is given 30 s"
        await operators.resume(w.db, "ann")
        while await w.make(took_s=30):
            pass
        await asyncio.sleep(60)
        assert message.text.startswith("Your film is ready") and w.room.pings == []
        w.away = False
        await w.settled()
        assert message.film and message.film.startswith("final:") and len(w.room.pings) == 1
        assert w.room.created == {job.id: 1}

    with world(tmp_path, pace) as run:
        run(play)


def test_who_pressed_stop_need_not_wait_for_a_film_that_is_away(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        job = await w.ask()
        await w.settled()
        w.away = True
        claim = await jobs.claim(w.db, "worker", 3_600_000)
        assert claim
        await w.record(claim)
        await jobs.claim(w.db, "worker", 3_600_000)
        await requests.wish(w.db, job.id, "stop", "ann1")
        await asyncio.sleep(5)
        assert w.room.of(job.id)[0].text.startswith("Stopping")

    with world(tmp_path) as run:
        run(play)


def test_a_film_that_takes_long_delays_no_other_message_of_its_chat(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        slow, other = await w.ask(n=1), await w.ask()
        await w.settled()
        w.slow_s = 120.0
        await w.make()
        await asyncio.sleep(5)
        await requests.wish(w.db, other.id, "cancel", "ann2")
        await asyncio.sleep(5)
        assert w.room.of(other.id)[0].text.startswith("Cancelled")
        await asyncio.sleep(20)
        (message,) = w.room.of(slow.id)
        assert message.text.startswith("Your film is ready") and message.film is None
        await w.settled()
        assert message.film and w.fetched == 1

    with world(tmp_path) as run:
        run(play)


def test_a_film_that_takes_a_few_seconds_is_waited_for(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        job = await w.ask(n=1)
        await w.settled()
        w.slow_s = 5.0
        await w.make()
        await w.settled()
        (message,) = w.room.of(job.id)
        assert message.film
        assert len([said for said in message.history if "ready" in said]) == 1, "not first without it"

    with world(tmp_path) as run:
        run(play)


def test_what_was_superseded_is_never_sent(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        job = await w.ask(n=20)
        for _ in range(20):
            await w.make(took_s=0.5)
        await w.settled()
        (message,) = w.room.of(job.id)
        assert message.film and message.film.startswith("final:")
        assert len(message.history) <= 6  # of 41 revisions in ten seconds

    with world(tmp_path) as run:
        run(play)


def test_an_edit_that_changes_nothing_is_not_sent(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        job = await w.ask()
        await w.settled()
        calls = len(w.room.calls["room"])
        claim = await jobs.claim(w.db, "worker", 60_000)
        assert claim
        await jobs.release(w.db, claim)
        await asyncio.sleep(120)
        assert len(w.room.calls["room"]) == calls
        canvas = await canvases.get(w.db, job.id)
        assert canvas and canvas.shown == canvas.wanted

    with world(tmp_path) as run:
        run(play)


def test_the_paces_are_those_that_the_platforms_are_known_to_bear() -> None:
    assert (DISCORD.budget, DISCORD.media_s, DISCORD.text_s, DISCORD.old, DISCORD.old_after_s) == (
        (4, 5.0), 5.0, 15.0, (1, 4.0), 3300.0,
    )  # fmt: skip
    assert (TELEGRAM_PRIVATE.budget, TELEGRAM_PRIVATE.media_s, TELEGRAM_PRIVATE.text_s) == ((1, 1.5), 5.0, 20.0)
    assert (TELEGRAM_GROUP.budget, TELEGRAM_GROUP.media_s, TELEGRAM_GROUP.text_s) == ((10, 60.0), 8.0, 30.0)
    assert TELEGRAM_PRIVATE.whole == TELEGRAM_GROUP.whole == (20, 1.0)


def test_after_a_429_everything_takes_twice_its_time_for_ten_minutes(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        job = await w.ask(n=60)
        await w.settled()
        w.room.next_error.append(PutOff(3.0))
        await w.make()
        await w.erred()
        await asyncio.sleep(10)
        gaps = []
        for _ in range(2):
            w.room.filmed.clear()
            for _ in range(20):
                await w.make(took_s=2)
            gaps.append(min(later - earlier for earlier, later in pairwise(w.room.filmed)))
            await asyncio.sleep(600)
        slow, again = gaps  # 10 and 5 s, but for the time that commits and answers take on a busy machine
        assert slow > 8 > again > 2
        assert len(w.room.of(job.id)) == 1

    with world(tmp_path) as run:
        run(play)


def test_the_ping_is_as_loud_as_the_person_likes(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        how: list[Notify] = ["silent"]

        async def notify(job: Job) -> Notify:
            return how[0]

        await w.kill()
        w.start(Hooks(notify=notify))
        for each in ("silent", "off", "ping"):
            how[0] = each
            await w.ask(n=1)
            await w.make(took_s=61)
            await w.settled()
        assert w.room.silent == [True, False]
        assert len(w.room.pings) == 2

    with world(tmp_path) as run:
        run(play)


@pytest.mark.parametrize("pace", [DISCORD, TELEGRAM_PRIVATE], ids=["discord", "telegram"])
@pytest.mark.parametrize("error", [Unknown("happened"), Unknown(), Failed("500"), PutOff(7.0), Gone()], ids=repr)
def test_a_ping_that_fails_is_tried_again_only_where_nobody_can_hear_two(
    tmp_path: Path, pace: Pace, error: Exception
) -> None:
    async def play(w: World) -> None:
        w.room.next_ping.append(error)
        job = await w.ask(n=1)
        await w.make(took_s=61)
        await w.settled()
        assert not w.room.next_ping, "it was tried"
        again = isinstance(error, Failed | PutOff) or (isinstance(error, Unknown) and w.room.nonce)
        assert len(w.room.pings) == ("happened" in error.args or again)
        canvas = await canvases.get(w.db, job.id)
        assert canvas and (canvas.notice, canvas.delivery) == ("over", "live")

    with world(tmp_path, pace) as run:
        run(play)


def test_a_freeze_of_four_minutes_in_one_chat_delays_no_other(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        slow, fast = await w.ask("frozen"), await w.ask("free")
        await w.settled()
        w.room.next_error.append(PutOff(240.0))
        await requests.wish(w.db, slow.id, "cancel", "ann1")
        await w.erred()
        began = w.loop.time()
        await requests.wish(w.db, fast.id, "cancel", "ann2")
        await asyncio.sleep(5)
        assert w.room.of(fast.id)[0].text.startswith("Cancelled")
        assert not w.room.of(slow.id)[0].text.startswith("Cancelled")
        await w.settled()
        assert w.room.of(slow.id)[0].text.startswith("Cancelled")
        assert 200 < w.loop.time() - began < 300

    with world(tmp_path) as run:
        run(play)


@pytest.mark.parametrize("restart", [False, True])
def test_a_freeze_of_the_whole_platform_holds_in_every_chat_and_after_a_restart(tmp_path: Path, restart: bool) -> None:
    async def play(w: World) -> None:
        one, other = await w.ask("one"), await w.ask("other")
        await w.settled()
        w.room.next_error.append(PutOff(240.0, "all"))
        await requests.wish(w.db, one.id, "cancel", "ann1")
        await w.erred()
        w.room.freeze("all", 235.0)
        await requests.wish(w.db, other.id, "cancel", "ann2")
        if restart:
            await asyncio.sleep(1)
            await w.kill()
            w.start()
        await asyncio.sleep(200)
        assert len(w.room.calls["one"]) + len(w.room.calls["other"]) == 3
        await w.settled()
        assert all(w.room.of(job.id)[0].text.startswith("Cancelled") for job in (one, other))

    with world(tmp_path) as run:
        run(play)


def test_after_a_restart_the_newest_state_is_shown_once(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        job = await w.ask()
        await w.make()
        await w.settled()
        await w.kill()
        while await w.make(took_s=30):
            pass
        edits = len(w.room.of(job.id)[0].history)
        w.start()
        await w.settled()
        (message,) = w.room.of(job.id)
        assert "restarted" not in message.text
        assert len(message.history) == edits + 1
        assert message.text.startswith("Your film is ready")

    with world(tmp_path) as run:
        run(play)


def test_that_the_bot_was_restarted_is_said_until_its_film_goes_on(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        job = await w.ask()
        await w.make()
        await w.settled()
        await w.kill()
        w.start()
        await asyncio.sleep(60)
        (message,) = w.room.of(job.id)
        assert message.text.endswith("The bot was restarted and goes on from here.")
        claim = await jobs.claim(w.db, "worker", 3_600_000)
        assert claim
        await asyncio.sleep(60)
        assert "restarted" not in message.text

    with world(tmp_path) as run:
        run(play)


def test_a_deleted_message_comes_back_once_with_the_result(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        gone: list[int] = []

        async def told(job: Job) -> None:
            gone.append(job.id)

        await w.kill()
        w.start(Hooks(gone=told))
        job = await w.ask()
        await w.make()
        await w.settled()
        w.room.deleted.update(w.room.messages)
        calls = len(w.room.calls["room"])
        await w.make(took_s=30)
        await w.settled(60)
        assert gone == [job.id]
        assert w.room.of(job.id) == []
        assert len(w.room.calls["room"]) == calls + 1
        await w.make(took_s=30)
        await w.settled()
        (message,) = w.room.of(job.id)
        assert message.film and message.film.startswith("final:")

    with world(tmp_path) as run:
        run(play)


def test_a_message_that_is_deleted_twice_stays_away(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        w.room.happened = lambda: w.room.deleted.update(w.room.messages)
        job = await w.ask(n=1)
        await w.settled()
        await w.make(took_s=61)
        await w.settled()
        assert w.room.created == {job.id: 2}, "the result came as text, and its film found it gone"
        canvas, calls = await canvases.get(w.db, job.id), len(w.room.calls["room"])
        assert canvas and (canvas.delivery, canvas.message_id) == ("over", None)
        await asyncio.sleep(600)
        assert (len(w.room.calls["room"]), w.room.pings) == (calls, [])

    with world(tmp_path, TELEGRAM_PRIVATE) as run:
        run(play)


def test_a_chat_out_of_reach_gets_no_more_calls_until_something_changes(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        job = await w.ask()
        await w.settled()
        w.room.next_error.append(Unreachable("50001"))
        await w.make()
        await w.erred()
        await asyncio.sleep(10)
        calls = len(w.room.calls["room"])
        await w.make(took_s=30)
        await asyncio.sleep(600)
        assert len(w.room.calls["room"]) == calls
        assert await chats.reachable(w.db, w.room.platform, "room")
        await w.make(took_s=30)
        await w.settled()
        (message,) = w.room.of(job.id)
        assert (message.chat_id, message.text[:18]) == ("room", "Your film is ready")

    with world(tmp_path) as run:
        run(play)


def test_the_message_of_a_film_that_is_deleted_while_it_is_sent_is_taken_away(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        deleting: list[asyncio.Task[Any]] = []

        def happened() -> None:
            if w.room.messages and not deleting:
                deleting.append(asyncio.create_task(people.forget_job(w.db, 1)))

        w.room.happened = happened
        await w.ask()
        await asyncio.sleep(60)
        assert deleting[0].result().jobs == (1,)
        due = await removals.due(w.db, w.room.platform)
        assert [removal.message_id for removal in due] == list(w.room.messages)

    with world(tmp_path) as run:
        run(play)


@pytest.mark.parametrize("error", [None, Failed("500"), Closed("parent")])
def test_a_film_that_is_shown_elsewhere_while_its_message_is_sent_stays_there(
    tmp_path: Path, error: Exception | None
) -> None:
    async def play(w: World) -> None:
        w.room.messages["new"] = Message("elsewhere", 1, "", None, 0)
        w.room.meanwhile.append(lambda: canvases.create(w.db, 1, w.room.platform, "elsewhere", "new"))
        if error:
            w.room.next_error.append(error)
        await w.ask()
        await asyncio.sleep(60)
        canvas = await canvases.get(w.db, 1)
        assert canvas is not None
        assert (canvas.chat_id, canvas.message_id, canvas.delivery) == ("elsewhere", "new", "live")
        due = await removals.due(w.db, w.room.platform)
        assert {removal.message_id for removal in due} == set(w.room.messages) - {"new"}

    with world(tmp_path) as run:
        run(play)


def test_a_film_that_is_deleted_while_its_message_is_changed_is_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def play(w: World) -> None:
        async def cancels(job: Job) -> None:
            await requests.wish(w.db, job.id, "cancel", "")

        await w.kill()
        w.start(Hooks(gone=cancels))
        await w.ask()
        await w.settled()
        deleting: list[asyncio.Task[Any]] = []
        w.room.happened = lambda: deleting.append(asyncio.create_task(people.forget_job(w.db, 1)))
        w.room.next_error.append(Gone())
        await w.make()
        await w.erred()
        await deleting[0]

    with world(tmp_path) as run:
        run(play)
    assert "failed" not in caplog.text


@pytest.mark.parametrize("wanted", [True, False])
def test_what_comes_of_a_job_in_a_chat_out_of_reach_goes_to_its_owner_alone(tmp_path: Path, wanted: bool) -> None:
    async def play(w: World) -> None:
        async def notify(job: Job) -> Notify:
            return "silent" if wanted else "off"

        await w.kill()
        w.start(Hooks(notify=notify))
        job = await w.ask()
        await w.settled()
        w.room.next_error.append(Unreachable("50001"))
        await w.make()
        await w.erred()
        await w.make(took_s=30)
        calls = len(w.room.calls["room"])
        assert len(w.room.calls) == 1
        await w.make(took_s=30)
        await asyncio.sleep(600)
        assert len(w.room.calls["room"]) == calls
        alone = [m for m in w.room.of(job.id) if m.chat_id == "ann1 alone"]
        assert [bool(m.film and m.film.startswith("final:")) for m in alone] == ([True] if wanted else [])

    with world(tmp_path) as run:
        run(play)


def test_a_person_who_lets_nothing_in_either_is_tried_once_and_the_film_waits_there(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        job = await w.ask()
        await w.settled()
        w.room.next_error += [Unreachable("50001"), Unreachable("50007")]
        while await w.make(took_s=30):
            pass
        await w.erred()
        await asyncio.sleep(600)
        assert len(w.room.calls["ann1 alone"]) == 1
        assert [m for m in w.room.of(job.id) if m.chat_id == "ann1 alone"] == []
        assert await chats.reachable(w.db, w.room.platform, "ann1 alone")
        await w.settled()
        assert [m.text[:18] for m in w.room.of(job.id) if m.chat_id == "ann1 alone"] == ["Your film is ready"]

    with world(tmp_path) as run:
        run(play)


def test_who_cannot_be_reached_alone_now_is_later(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        job = await w.ask(n=1)
        await w.settled()
        w.room.next_error.append(Unreachable("50001"))
        w.room.next_alone.append(Failed("500"))
        await w.make(took_s=1)
        await w.erred()
        for _ in range(10):  # one leap would leave the poster no time in between
            await asyncio.sleep(1)
        assert w.room.next_alone == [] and list(w.room.calls) == ["room"]
        await asyncio.sleep(180)
        assert [m.text[:18] for m in w.room.of(job.id) if m.chat_id == "ann1 alone"] == ["Your film is ready"]

    with world(tmp_path) as run:
        run(play)


def test_a_film_that_no_chat_takes_can_be_watched_elsewhere(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        async def link(job: Job) -> str:
            return f"https://films.example/w/{job.id}"

        await w.kill()
        w.start(Hooks(link=link))
        w.room.limit = 1000
        job = await w.ask()
        while await w.make(took_s=30):
            pass
        await w.settled()
        (message,) = w.room.of(job.id)
        assert message.film is None
        assert message.text.endswith(f"Watch it here for seven days: https://films.example/w/{job.id}")
        assert "films.example" not in "".join(message.history[:-1])  # only once it has ended

    with world(tmp_path) as run:
        run(play)


def test_an_archived_thread_is_opened_again(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        job = await w.ask()
        await w.settled()
        w.room.archived = True
        await w.make()
        await w.settled()
        assert w.room.of(job.id)[0].text.startswith("1.2 of 3.6 s are ready")

    with world(tmp_path) as run:
        run(play)


@pytest.mark.parametrize("error", [Closed(), Closed("above"), Failed("500")], ids=str)
def test_a_thread_that_does_not_open_is_no_reason_to_say_nothing(tmp_path: Path, error: Exception) -> None:
    """Locked since, or Discord is in trouble: the message goes on later, or above."""

    async def play(w: World) -> None:
        job = await w.ask(n=1)
        await w.settled()
        w.room.next_error += [Closed(), error]
        await w.make(took_s=1)
        await w.settled()
        message, at = w.room.of(job.id)[-1], w.room.calls["room"][1:]
        assert message.text.startswith("Your film is ready")
        assert message.chat_id == ("above" if getattr(error, "elsewhere", None) else "room")
        assert len(at) == (2 if message.chat_id == "above" else 3)
        assert at[-1] - at[1] > 29 or str(error) != "closed", "that is given half a minute"

    with world(tmp_path) as run:
        run(play)


def test_a_locked_thread_leads_to_the_chat_above_it(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        job = await w.ask(n=1)
        await w.settled()
        w.room.next_error.append(Closed("above"))
        await w.make()
        await w.settled()
        assert [message.chat_id for message in w.room.of(job.id)] == ["room", "above"]
        assert w.room.of(job.id)[1].text.startswith("Your film is ready")
        assert w.room.of(job.id)[1].text.endswith("asked for in #room")

    with world(tmp_path) as run:
        run(play)


def test_a_closed_chat_with_nothing_above_it_is_tried_less_and_less_often(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        job = await w.ask(n=1)
        await w.settled()
        w.room.next_error += [Closed("room")] * 5
        await w.make()
        await w.settled()
        (message,) = w.room.of(job.id)
        assert message.text.startswith("Your film is ready")
        assert all(b - a > 1.9**n for n, (a, b) in enumerate(pairwise(w.room.calls["room"][1:])))

    with world(tmp_path) as run:
        run(play)


def test_a_group_that_moved_is_followed(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        job = await w.ask()
        await w.settled()
        w.room.next_error.append(Moved("-100room"))
        await w.make()
        await w.settled()
        assert len(w.room.calls["-100room"]) >= 1
        assert (await jobs.get(w.db, job.id)).chat_id == "-100room"

    with world(tmp_path, TELEGRAM_GROUP) as run:
        run(play)


def test_a_filter_costs_only_the_persons_words(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        job = await w.ask()
        w.room.next_error.append(Blocked())
        await w.settled()
        assert "fog" not in w.room.of(job.id)[0].text

    with world(tmp_path) as run:
        run(play)


def test_a_film_that_fits_nowhere_is_said_and_not_tried_for_ever(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        job = await w.ask(n=1)
        w.room.limit = 1_000_000
        await w.make()
        await w.settled()
        (message,) = w.room.of(job.id)
        assert "larger than this chat takes" in message.text
        calls = len(w.room.calls["room"])
        await asyncio.sleep(600)
        assert len(w.room.calls["room"]) == calls

    with world(tmp_path) as run:
        run(play)


def test_what_was_too_large_once_is_not_for_ever(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        async def film() -> str | None:
            job = await w.ask(n=1)
            await w.settled()
            await w.make()
            await w.settled()
            return w.room.of(job.id)[0].film

        assert await film()
        await chats.change(w.db, w.room.platform, "room", limit_bytes=1_000_000)  # in the life before this one
        assert await film() is None
        await asyncio.sleep(LIMITED_MS / 1000)
        assert await film()
        job = await w.ask(n=1)
        await w.settled()
        w.room.next_error.append(TooBig(1_000_000))
        await w.make()
        await w.settled()
        assert "larger than this chat takes" in w.room.of(job.id)[0].text
        assert await film() is None

    with world(tmp_path) as run:
        run(play)


def test_what_is_too_large_by_nobody_knows_how_much_is_made_smaller(tmp_path: Path) -> None:
    """As Discord says it; then the film is asked for once more, with a limit below what it had."""

    async def play(w: World) -> None:
        job = await w.ask(n=1)
        await w.settled()
        w.room.next_error.append(TooBig())
        await w.make(took_s=0.1)
        await w.settled()
        assert w.room.of(job.id)[0].film
        assert (await chats.get(w.db, w.room.platform, "room")).limit_bytes == round(0.9 * w.room.limit)

    with world(tmp_path) as run:
        run(play)


def test_messages_over_an_hour_old_are_slow_and_have_films_only(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        job = await w.ask(n=8)
        await w.settled()
        w.loop.skipped += 3600
        before = len(w.room.calls["room"])
        began = w.loop.time()
        while await w.make(took_s=1):
            pass
        await w.settled()
        at = w.room.calls["room"][before:]
        assert all(later - earlier >= 4 for earlier, later in pairwise(at))
        assert w.loop.time() - began < 60
        assert w.room.of(job.id)[0].text.startswith("Your film is ready")

    with world(tmp_path) as run:
        run(play)


def test_where_old_messages_are_no_slower_they_go_on_as_ever(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        job = await w.ask(n=1)
        await w.settled()
        w.loop.skipped += 3600
        await w.make()
        await w.settled(60)
        assert w.room.of(job.id)[0].text.startswith("Your film is ready")

    with world(tmp_path, TELEGRAM_PRIVATE) as run:
        run(play)


def test_a_lost_answer_to_a_new_message_makes_no_second_one(tmp_path: Path) -> None:
    async def play(w: World) -> None:
        job = await w.ask()
        await asyncio.sleep(0)
        w.room.trouble, w.room.random = 1.0, Twos()  # the effect stands, the answer is lost
        await asyncio.sleep(30)
        w.room.trouble, w.room.random = 0.0, random.Random(1)
        await asyncio.sleep(300)
        if w.room.nonce:
            assert w.room.created[job.id] == 1
        else:
            assert w.room.created[job.id] == 1, "nothing is sent again until there is something new"
            await w.make()
            await w.settled()
            assert w.room.created[job.id] == 2

    for n, pace in enumerate((DISCORD, TELEGRAM_PRIVATE)):
        with world(tmp_path / str(n), pace) as run:
            run(play)


class Twos(random.Random):
    def random(self) -> float:
        return 0.1

    def randrange(self, *_: Any) -> int:
        return 2


async def random_life(w: World, chance: random.Random) -> None:
    """Whatever can happen, in any order; then peace, and the newest state is shown."""
    asked: list[Job] = []
    for _ in range(chance.randrange(10, 40)):
        match chance.randrange(11):
            case 0 | 1 if len(asked) < 8:
                job = await w.ask(chance.choice(["room", "other", "third", "fourth"]), n=chance.randrange(1, 5))
                asked.append(job)
            case 2 | 3 | 4:
                await w.make(took_s=chance.choice([0.2, 3.0, 20.0]))
            case 5 if asked:
                job = chance.choice(asked)
                await requests.wish(w.db, job.id, chance.choice(["stop", "cancel"]), "ann")  # type: ignore[arg-type]
            case 6 if chance.random() < 0.4:
                await w.kill()
                await asyncio.sleep(chance.choice([0.0, 60.0, 400.0]))
                w.start()
            case 7 | 8:
                w.fuse, w.mortal = chance.randrange(1, 12), True  # killed between any two writes
            case 9 if chance.random() < 0.3 and w.room.messages:
                w.room.deleted.add(chance.choice(list(w.room.messages)))
            case 9 if chance.random() < 0.5:
                errors = [TooBig(), Blocked(), Closed(), Gone(), Unreachable("50013"), Failed("400")]
                w.room.next_error.append(chance.choice(errors))
            case 10 if chance.random() < 0.5:
                w.away, w.slow_s = chance.random() < 0.5, chance.choice([0.0, 2.0, 40.0])
            case _:
                await asyncio.sleep(chance.choice([0.1, 4.0, 60.0]))
        if w.task and w.task.done():
            await asyncio.sleep(chance.choice([0.0, 1.0, 60.0, 400.0]))
            w.start()
    w.room.trouble, w.mortal, w.away = 0.0, False, False
    w.room.next_error.clear()
    if w.task and (w.task.done() or w.task.cancelling()):
        await asyncio.wait([w.task])  # who was killed a moment ago may still be dying
        w.start()
    while await w.make(took_s=1.0):
        pass
    await w.settled()
    for chat_id in list(w.room.calls):
        await chats.reachable(w.db, w.room.platform, chat_id)
    await w.settled()
    await asyncio.sleep(60)
    calls = {chat_id: len(at) for chat_id, at in w.room.calls.items()}
    await asyncio.sleep(600)
    assert calls == {chat_id: len(at) for chat_id, at in w.room.calls.items()}, "all is said"
    for job in asked:
        await ended_well(w, job)
    assert len(w.room.pings) == len(set(w.room.pings)) <= len(asked)


async def ended_well(w: World, job: Job) -> None:
    """Its message says what it should, and there is no second one without a reason."""
    canvas, wanted = await canvases.get(w.db, job.id), await w.says(job.id)
    assert canvas
    moved = canvas.chat_id != job.chat_id  # another one's message may have been told that the chat is out of reach
    assert w.room.created[job.id] <= 1 + w.room.unsure[job.id] + w.room.replaced[job.id] + moved
    if canvas.delivery in ("gone", "over"):
        assert w.room.replaced[job.id] >= (1 if canvas.delivery == "gone" and not wanted.result else 2)
        return
    if canvas.delivery == "sending":  # whether it arrived is not known; without a nonce only a result is said again
        assert not w.room.nonce and not wanted.result
        return
    if canvas.message_id not in w.room.deleted:
        shown = w.room.messages[canvas.message_id]
        assert shown.text == replace(wanted, quoted=None if canvas.plain else wanted.quoted).text
        assert shown.film == (wanted.film.key if wanted.film else shown.film)
        assert shown is w.room.of(job.id)[-1]


LIVES: Final = int(os.environ.get("FLIPBOT_LIVES", "2"))  # on each platform


@pytest.mark.parametrize("seed", range(LIVES))
@pytest.mark.parametrize("pace", [DISCORD, TELEGRAM_PRIVATE, TELEGRAM_GROUP], ids=["discord", "private", "group"])
def test_whatever_happens_the_newest_state_is_shown(pace: Pace, seed: int, tmp_path: Path) -> None:
    with world(tmp_path, pace, trouble=0.25, seed=seed) as run:
        run(lambda w: random_life(w, random.Random(seed)))


def test_a_number_in_base_36_and_back() -> None:
    assert [code(n) for n in (0, 7, 36, 123456)] == ["0", "7", "10", "2n9c"]
    assert job_of("2n9c") == 123456
    assert job_of("no-job") is None
    assert job_of("") is None
