"""Brings what the messages show to what they should show, as fast as each platform lets us, and across every crash.

It looks at rows, never at events: which revision a message should show, and which it does. So it does not matter what
was missed; the newest state is shown, and what was superseded meanwhile is never sent. One task per chat makes its
calls one after the other, so that nothing older arrives after something newer, and a slow or frozen chat delays no
other.

Before a call goes out the row says so (`canvases.begin`): budgets hold across a crash, what an unanswered edit left
behind is never taken for known, and a message that was begun is sent again only where a nonce makes it the same one.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Final

from bot.canvas import look
from bot.chat import ChatMessage, Now, Terms, code, compose, ready_ping
from bot.sender import (
    Blocked,
    Closed,
    Failed,
    Film,
    Gone,
    Moved,
    Pace,
    PutOff,
    Sender,
    SendError,
    Spot,
    TooBig,
    Unknown,
    Unreachable,
)
from bot.words import say
from db import canvases, chats, jobs, removals
from db.connect import Database
from db.errors import NoSuchJob
from db.models import Delivery, Notice, Platform, State
from db.rows import Canvas, Chat, Job, Notify
from db.trouble import TROUBLE, patiently

log = logging.getLogger("flipbot.poster")

NONCE_MS: Final = 120_000  # for so long a platform surely knows a message by its nonce
PING_AFTER_MS: Final = 60_000  # of a job: shorter ones are still being looked at
LATEST_MS: Final = 1_800_000  # between two messages of one job, where nobody knows whether the first arrived
SHOWN_PLACES: Final = 5  # in line; further back it is the queue's command that says it
SLOW_MS: Final = 600_000  # after a 429 everything takes twice its time
LIMITED_MS: Final = 24 * 3600 * 1000  # after a file was too large for a chat, it gets none of that size
SECOND_MS: Final = 1000
BREATH_S: Final = 0.2  # between two looks at rows that change all the time
LOOK_S: Final = 5.0
FILM_S: Final = 2.0  # between two looks for a film that is still being made
QUICK_S: Final = 0.5  # in which a film is here, mostly; longer the chat's other messages do not wait for it
WITHOUT_MS: Final = 10_000  # so long a message waits for its film, then it says what it can without
TROUBLE_S: Final = 30.0  # where a chat lets nothing in, or a film is not to be had
WHOLE: Final = ""  # of chats, the row that holds for all of a platform's
LIVE: Final = (Delivery.LIVE, Delivery.AGAIN)


class Lane(IntEnum):
    """What goes first, where several messages of a chat wait."""

    ANSWER = 0
    TERMINAL = 1
    MEDIA = 2
    TEXT = 3
    POSITION = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The next call for a message, not before at_ms. without: the film that it is to have"""

    at_ms: int
    lane: Lane
    canvas: Canvas
    without: bool = False


@dataclass(slots=True, kw_only=True)
class Awaited:
    """A film that is not here yet: since when a message waits for it, when it is asked for again, and who asks now."""

    since_ms: int
    again_ms: int = 0
    key: tuple[str, int] | None = None
    asking: "asyncio.Future[Film | None] | None" = None

    @property
    def coming(self) -> bool:
        """Nobody knows yet whether it can be had."""
        return self.asking is not None and not self.asking.done()


FilmOf = Callable[[Job, ChatMessage, int], Awaitable[Film | None]]


async def _ping(_: Job) -> Notify:
    return "ping"


async def _usual(_: Job) -> Terms:
    return Terms()


async def _nothing(_: Job) -> None:
    return None


async def _shrug(_: Job, __: Canvas) -> None:
    return None


async def _no_link(_: Job) -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What the poster asks of its surroundings.

    notify: what the person wants to hear of this job, once it has ended
    gone:   the message of a job that is being made was deleted
    shut:   the chat of a job's message lets nothing in
    link:   the address where a film can be watched that no chat takes, None where there is none
    """

    notify: Callable[[Job], Awaitable[Notify]] = _ping
    gone: Callable[[Job], Awaitable[None]] = _nothing
    shut: Callable[[Job, Canvas], Awaitable[None]] = _shrug
    link: Callable[[Job], Awaitable[str | None]] = _no_link


class Poster:
    """Runs beside the front-ends, in their event loop."""

    def __init__(
        self,
        db: Database,
        senders: Sequence[Sender],
        film_of: FilmOf,
        *,
        terms: Callable[[Job], Awaitable[Terms]] = _usual,
        hooks: Hooks | None = None,
        look_s: float = LOOK_S,
    ) -> None:
        """film_of: (job, message, limit in bytes) -> the file, None where it is not made yet; raises TooBig, TROUBLE
        look_s:  at the rows, when nobody says that they changed
        """
        self.db, self.film_of, self.terms, self.look_s = db, film_of, terms, look_s
        self.hooks = hooks or Hooks()
        self.senders: Mapping[Platform, Sender] = {sender.platform: sender for sender in senders}
        self.born_ms, self.began_ms = db.now(), db.steady()
        self.running_since: set[int] = set()  # jobs seen running by this process
        self.frozen_until_ms: dict[Platform, int] = defaultdict(int)
        self.whole_sent: dict[Platform, list[int]] = defaultdict(
            lambda: [self.began_ms] * 64
        )  # as if all was just used
        self.called_ms: dict[
            tuple[Platform, str], tuple[int, ...]
        ] = {}  # when the calls really went out, after their rows
        self.limited_ms: dict[tuple[Platform, str], int] = {}  # since when files are smaller than the platform allows
        self._desks: dict[tuple[Platform, str], Desk] = {}

    async def run(self) -> None:
        """Post until cancelled."""
        try:
            await patiently(self._thaw, "poster")
            while True:
                seen = self.db.commits
                await patiently(self._scan, "poster")
                await asyncio.sleep(BREATH_S)
                await self.db.changed(seen, self.look_s)
        finally:
            desks = [desk.task for desk in self._desks.values() if desk.task]
            for task in desks:
                task.cancel()
            await asyncio.gather(*desks, return_exceptions=True)

    async def _thaw(self) -> None:
        for platform in self.senders:
            self.frozen_until_ms[platform] = (await chats.get(self.db, platform, WHOLE)).frozen_until_ms

    async def _scan(self) -> None:
        for sender in self.senders.values():
            wanted: dict[str, dict[int, Canvas]] = defaultdict(dict)
            for canvas in await canvases.pending(self.db, sender.platform):
                wanted[canvas.chat_id][canvas.job_id] = canvas
            for chat_id in wanted.keys() | {chat for platform, chat in self._desks if platform == sender.platform}:
                desk = self._desks.get((sender.platform, chat_id))
                if desk is None:
                    desk = self._desks[sender.platform, chat_id] = Desk(self, sender, chat_id)
                desk.give(wanted.get(chat_id, {}))
                if not desk.todo and not desk.busy:
                    desk.close()
                    del self._desks[sender.platform, chat_id]


class Desk:
    """One chat: its messages, and the one task that speaks there."""

    def __init__(self, poster: Poster, sender: Sender, chat_id: str) -> None:
        self.poster, self.sender, self.chat_id, self.db = poster, sender, chat_id, poster.db
        self.pace: Pace = sender.pace(chat_id)
        self.todo: dict[int, Canvas] = {}
        self.busy = False
        self.task: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._idle = False
        self._old_ms = poster.began_ms  # the last call for an old message
        self._looked: dict[int, tuple[int, int, ChatMessage]] = {}  # job -> (wanted, when, what it says)
        self._no_film: dict[int, int] = {}  # job -> when to look again for its film
        self._awaited: dict[int, Awaited] = {}  # job -> its film
        self._tried_bytes = 0  # of the film sent last

    def give(self, todo: dict[int, Canvas]) -> None:
        """These messages need an eye now."""
        changed = todo != self.todo or self._no_film or self._idle
        self.todo = todo
        for job_id in self._awaited.keys() - todo.keys():
            self._forget(job_id)
        for job_id in self._looked.keys() - todo.keys():
            del self._looked[job_id]
        if todo and (self.task is None or self.task.done()):
            self.task = asyncio.create_task(self._run(), name=f"{self.sender.platform} {self.chat_id}")
        if changed:
            self._no_film.clear()
            self._woken.set()

    def close(self) -> None:
        """Nothing is left to do here."""
        if self.task:
            self.task.cancel()

    async def _run(self) -> None:
        try:
            while True:
                await patiently(self._turn, f"poster platform={self.sender.platform} chat={self.chat_id}")
        finally:
            for job_id in list(self._awaited):
                self._forget(job_id)

    async def _turn(self) -> None:
        """Make one call, or wait until there is one to make."""
        self._woken.clear()
        steps = await self._steps()
        self._idle = not steps
        if self._idle:
            await self._woken.wait()
            return
        now = self.db.steady()
        ready = [step for step in steps if step.at_ms <= now]
        if not ready:
            with suppress(TimeoutError):
                async with asyncio.timeout((min(step.at_ms for step in steps) - now) / 1000):
                    await self._woken.wait()
            return
        first = min(ready, key=lambda step: (step.lane, step.canvas.edited_ms, step.canvas.job_id))
        self.busy = True
        try:
            await self._do(first)
        finally:
            self.busy = False

    # What is to be said, and when

    async def _steps(self) -> list[Step]:
        chat = await chats.get(self.db, self.sender.platform, self.chat_id)
        if chat.unreachable is not None:
            for canvas in list(self.todo.values()):
                await self._move_out(canvas)
            return []
        steps = []
        for canvas in list(self.todo.values()):
            steps += await self._next(canvas, chat)
        return steps

    async def _move_out(self, canvas: Canvas) -> None:
        """The bot may not speak here any more: what came of the job goes to the one who asked for it, if they want it.

        Nobody lets it in there either: it is kept, and shown where it belongs once that is possible again.
        """
        if canvas.shown >= canvas.wanted or canvas.not_before_ms > self.db.steady():
            return
        try:
            job = await jobs.get(self.db, canvas.job_id)
        except NoSuchJob:
            return
        if not (job.state.terminal and (await self._message(job, canvas)).result):
            return
        if await self.poster.hooks.notify(job) == "off":
            return
        try:
            there = await self.sender.alone(job.user_id)
        except SendError as error:
            log.info("not reached alone job=%d why=%r", job.id, error)
            await canvases.put_off(self.db, job.id, round(TROUBLE_S * 1000))
            return
        if there != canvas.chat_id:
            await canvases.move(self.db, job.id, there)
            self.todo.pop(job.id, None)

    async def _next(self, canvas: Canvas, chat: Chat) -> list[Step]:
        """The next call for this message, none where it has nothing to say; two where it may go without its film."""
        now = self.db.steady()
        if canvas.delivery in LIVE and canvas.shown >= canvas.wanted and canvas.notice in (Notice.DUE, Notice.BEGUN):
            at_ms = max(canvas.not_before_ms, self._free_ms(chat, canvas, Lane.TERMINAL))
            return [Step(at_ms=at_ms, lane=Lane.TERMINAL, canvas=canvas)]
        late = canvas.shown < canvas.wanted
        looked = self._looked.get(canvas.job_id)
        if late or looked is None:
            fresh = looked is not None and looked[0] == canvas.wanted and now - looked[1] < SECOND_MS
        else:
            fresh = now < looked[1] + self.pace.text_s * 1000
        if looked is None or not fresh:
            try:
                job = await jobs.get(self.db, canvas.job_id)
            except NoSuchJob:
                return []
            looked = (canvas.wanted, now, await self._message(job, canvas))
            self._looked[canvas.job_id] = looked
        _, looked_ms, message = looked
        awaited = self._awaited.get(canvas.job_id)
        if awaited is None or not _lacks(canvas, message):
            waits_ms = self._no_film.get(canvas.job_id, 0)
            return self._step(canvas, chat, message, looked_ms, waits_ms)
        without_ms = 0 if message.answers else awaited.since_ms + WITHOUT_MS
        steps = self._step(canvas, chat, replace(message, film=None), looked_ms, without_ms, without=True)
        if not awaited.coming:  # then we are woken
            waits_ms = max(awaited.again_ms, self._no_film.get(canvas.job_id, 0))
            steps += self._step(canvas, chat, message, looked_ms, waits_ms)
        return steps

    def _step(
        self, canvas: Canvas, chat: Chat, message: ChatMessage, looked_ms: int, waits_ms: int, *, without: bool = False
    ) -> list[Step]:
        """The call that shows this, if any. looked_ms: when it was found to be what the message should say"""
        late, lane = canvas.shown < canvas.wanted, _lane(canvas, message)
        if lane is None or not (late or self._ticks(canvas, message)) or self._is_quiet(canvas, lane, message):
            return []
        if (without or not late) and message.hash() == canvas.shown_hash:
            at_ms = looked_ms + round(self.pace.text_s * 1000)
            return [Step(at_ms=at_ms, lane=Lane.POSITION, canvas=canvas, without=without)]
        at_ms = max(
            canvas.not_before_ms, waits_ms, self._spaced_ms(chat, canvas, lane), self._free_ms(chat, canvas, lane)
        )
        return [Step(at_ms=at_ms, lane=lane, canvas=canvas, without=without)]

    async def _message(self, job: Job, canvas: Canvas) -> ChatMessage:
        poster = self.poster
        view = await look(self.db, job)
        if job.state == State.RUNNING:
            poster.running_since.add(job.id)
        before = job.started_ms is not None and job.started_ms < poster.born_ms
        restarted = before and job.state == State.QUEUED and job.id not in poster.running_since
        now = Now(ms=self.db.now(), restarted=restarted)
        message = compose(job, view, self.sender.style, await poster.terms(job), now)
        if canvas.chat_id != job.chat_id and (place := self.sender.style.place(job.chat_id)):
            message = replace(message, lines=(*message.lines, say(job.locale, "chat.asked_in", place=place)))
        return replace(message, quoted=None) if canvas.plain else message

    def _ticks(self, canvas: Canvas, message: ChatMessage) -> bool:
        """It may say something else although its job is as it was: a place in line, a time."""
        return canvas.delivery in LIVE and not message.terminal

    def _is_quiet(self, canvas: Canvas, lane: Lane, message: ChatMessage) -> bool:
        """Nothing goes out for this, though it is not what is shown."""
        if canvas.delivery == Delivery.SENDING and not self._known(canvas):
            # A second message only for something new; but where the platform would have known the first by its nonce,
            # the end of a job is worth one that may be a second, and elsewhere what came of it is.
            worth = message.terminal and (self.sender.nonce or message.result)
            return canvas.wanted <= canvas.sent_revision and not worth
        if canvas.delivery not in LIVE or lane < Lane.TEXT:
            return False
        old = self.pace.old is not None and self._is_old(canvas)
        return old or (message.place is not None and message.place > SHOWN_PLACES)

    def _known(self, canvas: Canvas) -> bool:
        """The platform would take the same call for the same message."""
        return self.sender.nonce and self.db.steady() - canvas.edited_ms < NONCE_MS

    def _spaced_ms(self, chat: Chat, canvas: Canvas, lane: Lane) -> int:
        """When the message itself may be changed again."""
        twice = 2 if self.db.steady() < chat.slow_until_ms else 1
        if canvas.delivery == Delivery.SENDING and not self.sender.nonce and canvas.wanted <= canvas.sent_revision:
            # Those before may still arrive; the more there were, the longer it waits for their answers.
            return canvas.edited_ms + min(NONCE_MS << min(max(canvas.sends - 1, 0), 9), LATEST_MS)
        if lane == Lane.MEDIA:
            return canvas.media_ms + round(self.pace.media_s * 1000) * twice
        if lane >= Lane.TEXT:
            return canvas.edited_ms + round(self.pace.text_s * 1000) * twice
        return 0

    def _free_ms(self, chat: Chat, canvas: Canvas, lane: Lane) -> int:
        """When the chat's budget has room. Text leaves the last place of it to what matters more."""
        now, pace, poster = self.db.steady(), self.pace, self.poster
        twice = 2 if now < chat.slow_until_ms else 1
        calls, within_s = pace.budget
        least = calls - 1 if lane >= Lane.TEXT and calls > 1 else calls
        at = [chat.frozen_until_ms, poster.frozen_until_ms[self.sender.platform]]
        at.append(_room_ms(self._called(chat), least, within_s * twice))
        if pace.whole:
            at.append(_room_ms(poster.whole_sent[self.sender.platform], *pace.whole))
        if pace.old and self._is_old(canvas):
            at.append(self._old_ms + round(pace.old[1] * 1000 / pace.old[0]) * twice)
        return max(at)

    def _called(self, chat: Chat) -> tuple[int, ...]:
        """When the chat's calls went out, at the latest. Of a process before this one the rows say only when each was
        about to: it went out before the next one's row, and the last before this process began."""
        known = self.poster.called_ms.get((chat.platform, chat.chat_id))
        if known is None:
            return (*chat.sent_ms[1:], self.poster.began_ms) if chat.sent_ms else ()
        return known

    def _is_old(self, canvas: Canvas) -> bool:
        return canvas.message_ms > 0 and self.db.steady() - canvas.message_ms > self.pace.old_after_s * 1000

    # The call

    async def _do(self, step: Step) -> None:
        """Make the call that is due, from the rows of this moment."""
        canvas = await canvases.get(self.db, step.canvas.job_id)
        try:
            job = await jobs.get(self.db, step.canvas.job_id)
        except NoSuchJob:  # forgotten since the call was chosen
            canvas = None
        if canvas is None:
            self.todo.pop(step.canvas.job_id, None)
            return
        self.todo[canvas.job_id] = canvas
        chat = await chats.get(self.db, self.sender.platform, self.chat_id)
        ping = canvas.notice in (Notice.DUE, Notice.BEGUN) and canvas.shown >= canvas.wanted
        with suppress(NoSuchJob):  # forgotten meanwhile: there is nothing left to show
            try:
                if canvas.delivery in LIVE and ping:
                    await self._ping(job, canvas, chat)
                else:
                    await self._show(job, canvas, chat, without=step.without)
            except SendError as error:
                await self._failed(error, job, canvas)
        fresh = await canvases.get(self.db, canvas.job_id)
        if fresh is not None and fresh.chat_id == self.chat_id:
            self.todo[canvas.job_id] = fresh
        else:
            self.todo.pop(canvas.job_id, None)
        self._looked.pop(canvas.job_id, None)

    async def _show(self, job: Job, canvas: Canvas, chat: Chat, *, without: bool) -> None:
        """Send the message, or change it; nothing where it says already what it should. without: as in Step"""
        message = await self._message(job, canvas)
        without = without and _lacks(canvas, message)
        said = replace(message, film=None) if without else message
        lane = _lane(canvas, said)
        if lane is None or self._is_quiet(canvas, lane, said):
            return
        if canvas.delivery in LIVE and said.hash() == canvas.shown_hash:
            if not without:
                await self._shown(job, canvas, message, None, edited=canvas.message_id)
            return
        if max(self._spaced_ms(chat, canvas, lane), self._free_ms(chat, canvas, lane)) > self.db.steady():
            return  # it became something else since it was chosen: its time will come
        film = None
        if not without:
            message, film = await self._film(job, canvas, chat, message)
            if film is None and _lacks(canvas, message):
                if not message.answers:  # who pressed a button need not wait for a file
                    return
                without = True
        said = replace(message, film=None) if without else message
        if canvas.delivery in LIVE and said.hash() == canvas.shown_hash:  # but for a film that nobody can see
            if not without:
                self._no_film[job.id] = self.db.steady() + round(self.pace.text_s * 1000)
                await self._shown(job, canvas, message, None, edited=canvas.message_id)
            return
        if canvas.delivery in LIVE:
            await self._edit(job, canvas, chat, message, film)
        else:
            await self._send(job, canvas, chat, message, film)

    async def _film(
        self, job: Job, canvas: Canvas, chat: Chat, message: ChatMessage
    ) -> tuple[ChatMessage, Film | None]:
        """The file to put in, where one is lacking and here; of one that is too large, the message says so instead."""
        if not _lacks(canvas, message):
            return message, None
        limit = await self._limit_bytes(canvas, chat)
        try:
            film = await self._ask_for(job, message, limit)
        except TooBig:
            said = [say(job.locale, "chat.too_big", limit_mib=limit / 2**20)]
            if message.terminal and (link := await self.poster.hooks.link(job)):
                said.append(say(job.locale, "chat.watch", link=link))
            return replace(message, film=None, lines=(*message.lines, *said)), None
        if film is not None:
            self._tried_bytes = (await asyncio.to_thread(_bytes_of, film)) or limit
        return message, film

    async def _ask_for(self, job: Job, message: ChatMessage, limit: int) -> Film | None:
        """The film, None where it is not here now; one that takes long is waited for beside all this. raises: TooBig"""
        awaited = self._awaited.setdefault(job.id, Awaited(since_ms=self.db.steady()))
        key = (message.film.key if message.film else "", limit)
        if awaited.asking is None or (awaited.asking.done() and awaited.key != key):
            awaited.key, awaited.asking = key, asyncio.ensure_future(self.poster.film_of(job, message, limit))
            awaited.asking.add_done_callback(self._came)
            await asyncio.wait({awaited.asking}, timeout=QUICK_S)
        if awaited.coming or awaited.key != key:
            return None
        asked, awaited.asking = awaited.asking, None
        try:
            film = asked.result()
        except TooBig:
            self._forget(job.id)
            raise
        except TROUBLE as trouble:
            if not awaited.again_ms:
                log.info("film put off job=%d: %s", job.id, trouble)
            awaited.again_ms = self.db.steady() + round(TROUBLE_S * 1000)
            return None
        if film is None:
            self._no_film[job.id] = self.db.steady() + round(FILM_S * 1000)
        else:
            self._forget(job.id)
        return film

    def _came(self, asked: "asyncio.Future[Film | None]") -> None:
        if not asked.cancelled():
            asked.exception()  # it is looked at in its turn, or nobody wants it any more
        self._woken.set()

    def _forget(self, job_id: int) -> None:
        """Its film is here, or not wanted any more."""
        awaited = self._awaited.pop(job_id, None)
        if awaited and awaited.asking:
            awaited.asking.cancel()

    async def _limit_bytes(self, canvas: Canvas, chat: Chat) -> int:
        """How large a file may be: what was too large for the chat a day ago may not be any more."""
        usual, now = self.sender.limit_bytes(_spot(canvas)), self.db.steady()
        if chat.limit_bytes is None:
            return usual
        if now - self.poster.limited_ms.setdefault((chat.platform, chat.chat_id), now) < LIMITED_MS:
            return min(usual, chat.limit_bytes)
        await self._chat(limit_bytes=None)
        return usual

    async def _edit(self, job: Job, canvas: Canvas, chat: Chat, message: ChatMessage, film: Film | None) -> None:
        unsure: dict[str, Any] = {"shown_hash": None, "edited_ms": self.db.steady()}
        if film:
            unsure |= {"shown_media": None, "media_ms": self.db.steady()}
        if not await self._begin(canvas, chat, **unsure):
            return
        await self.sender.edit(_spot(canvas), message, film)
        await self._shown(job, canvas, message, film, edited=canvas.message_id)

    async def _send(self, job: Job, canvas: Canvas, chat: Chat, message: ChatMessage, film: Film | None) -> None:
        """A new message: the first one, or the result once more where the first was deleted."""
        now = self.db.steady()
        known = canvas.delivery == Delivery.SENDING and self._known(canvas)
        sends = canvas.sends if known else canvas.sends + 1
        film = None if self.sender.text_first else film
        noted = {"delivery": Delivery.SENDING, "sends": sends, "sent_revision": job.revision}
        if not await self._begin(canvas, chat, **noted, **({} if known else {"edited_ms": now})):
            return
        spot = replace(_spot(canvas), message_id=None)
        try:
            message_id = await self.sender.send(spot, message, film, f"{code(job.id)}-{sends}")
        except Unknown:
            raise
        except SendError:  # it is known not to be there
            await canvases.unsent(self.db, canvas)
            raise
        delivery = Delivery.AGAIN if _before(canvas) == Delivery.GONE else Delivery.LIVE
        there: dict[str, Any] = {"message_id": message_id, "delivery": delivery, "message_ms": now}
        if known:  # the platform may have given back the first one, as it was then: an edit says what it is now
            unsure = {"shown_hash": None, "shown_media": None}
            kept = await canvases.shown(self.db, job.id, job.revision - 1, **unsure, **there)
        else:
            kept = await self._shown(job, canvas, message, film, **there)
        if not kept:  # the job was deleted while its message was on the way, or is shown in another one
            await removals.later(self.db, self.sender.platform, canvas.chat_id, message_id, 0)

    async def _shown(self, job: Job, canvas: Canvas, message: ChatMessage, film: Film | None, **values: Any) -> bool:
        """False where the job was deleted meanwhile, or has another message."""
        if message.film is not None and (film or message.film.key == canvas.shown_media):
            values["shown_media"] = message.film.key
        if film is None and message.film is not None and message.film.key != canvas.shown_media:
            # Text came first: the film is still to be put in.
            text = replace(message, film=None).hash()
            return await canvases.shown(self.db, job.id, job.revision - 1, shown_hash=text, **values)
        took_ms = (job.finished_ms or 0) - job.created_ms
        if job.state in (State.DONE, State.FAILED) and canvas.notice == Notice.NONE:
            values["notice"] = Notice.DUE if took_ms > PING_AFTER_MS else Notice.OVER
        log.debug("shown job=%d revision=%d", job.id, job.revision)
        return await canvases.shown(self.db, job.id, job.revision, shown_hash=message.hash(), **values)

    async def _ping(self, job: Job, canvas: Canvas, chat: Chat) -> None:
        lost = canvas.notice == Notice.BEGUN and not self._known(canvas)
        how = await self.poster.hooks.notify(job)
        if lost or how == "off":
            await canvases.change(self.db, job.id, notice=Notice.OVER)
            return
        if self._free_ms(chat, canvas, Lane.TERMINAL) > self.db.steady():
            return
        begun = {} if canvas.notice == Notice.BEGUN else {"edited_ms": self.db.steady()}
        if not await self._begin(canvas, chat, notice=Notice.BEGUN, **begun):
            return
        text = ready_ping(job, await look(self.db, job), self.sender.style)
        try:
            await self.sender.notify(_spot(canvas), text, job.user_id, f"{code(job.id)}-ping", silent=how == "silent")
        except Unknown:  # it stays begun: said again where its nonce makes it the same one, else it counts as said
            raise
        except (PutOff, Failed):
            await canvases.change(self.db, job.id, notice=Notice.DUE)
            raise
        except SendError:  # a ping is not worth a second way
            log.info("no ping job=%d", job.id)
        await canvases.change(self.db, job.id, notice=Notice.OVER)

    async def _begin(self, canvas: Canvas, chat: Chat, **values: Any) -> bool:
        if not await canvases.begin(self.db, canvas, (*self._called(chat), self.db.steady()), **values):
            return False
        now = self.db.steady()
        self.poster.called_ms[chat.platform, chat.chat_id] = (*self._called(chat), now)[-64:]
        whole = self.poster.whole_sent[self.sender.platform]
        whole[:] = [*whole[-63:], now]
        if self._is_old(canvas):
            self._old_ms = now
        return True

    # What went wrong

    async def _failed(self, error: SendError, job: Job, canvas: Canvas) -> None:
        """Note what holds from now on, so that the next look does the right thing."""
        now, platform = self.db.steady(), self.sender.platform
        fresh = await canvases.get(self.db, job.id) or canvas
        backoff_ms = round(min(300.0, 2.0 ** min(canvas.tries, 9)) * 1000)
        log.info("not shown job=%d platform=%s chat=%s why=%r", job.id, platform, self.chat_id, error)
        match error:
            case PutOff(scope="all"):
                until = now + round(error.retry_after_s * 1000) + SECOND_MS
                until = max(until, self.poster.frozen_until_ms[platform])
                self.poster.frozen_until_ms[platform] = until
                await chats.change(self.db, platform, WHOLE, frozen_until_ms=until)
            case PutOff():
                until = now + round(error.retry_after_s * 1000) + SECOND_MS
                await self._chat(frozen_until_ms=until, slow_until_ms=until + SLOW_MS)
            case Gone() | Closed() if fresh.message_id != canvas.message_id:
                pass  # the film is shown in another message by now
            case Gone() if canvas.delivery == Delivery.AGAIN:
                await canvases.change(self.db, job.id, delivery=Delivery.OVER, message_id=None)
            case Gone():
                await canvases.change(self.db, job.id, delivery=Delivery.GONE, message_id=None)
                if not job.state.terminal:
                    await self.poster.hooks.gone(job)
            case Unreachable():
                await self._chat(unreachable=str(error)[:200])
                await self.poster.hooks.shut(job, canvas)
            case Closed(elsewhere=None):
                await self._revive(job, canvas)
            case Closed() if error.elsewhere == canvas.chat_id and canvas.thread_id is None:
                await canvases.put_off(self.db, job.id, backoff_ms)  # it is there already
            case Closed():
                await canvases.move(self.db, job.id, str(error.elsewhere), canvas.server_id)
                if error.elsewhere == canvas.chat_id:  # above a topic: what it answers is the way back
                    await canvases.change(self.db, job.id, reply_to=canvas.reply_to)
            case Blocked() if not canvas.plain:
                await canvases.change(self.db, job.id, plain=True)
            case TooBig():
                smaller = round(self._tried_bytes * 0.9) or self.sender.limit_bytes(_spot(canvas))
                self.poster.limited_ms[platform, self.chat_id] = now
                await self._chat(limit_bytes=min(error.limit_bytes or smaller, smaller))
            case Moved():
                await chats.migrate(self.db, platform, self.chat_id, error.chat_id)
            case _ if isinstance(error, Unknown) and fresh.delivery == Delivery.SENDING and not self.sender.nonce:
                pass  # it may be there: the job's next state is what is worth a second message
            case _:
                await canvases.put_off(self.db, job.id, backoff_ms)

    async def _revive(self, job: Job, canvas: Canvas) -> None:
        """An archived thread opens with a message, as soon as the chat's budget has room for one."""
        chat = await chats.get(self.db, self.sender.platform, self.chat_id)
        if (wait_ms := self._free_ms(chat, canvas, Lane.ANSWER) - self.db.steady()) > 0:
            await asyncio.sleep(wait_ms / 1000)
        if not await self._begin(canvas, chat):
            return
        try:
            await self.sender.revive(_spot(canvas), say(job.locale, "chat.woken"))
        except Closed as closed:
            if closed.elsewhere is not None:
                await self._failed(closed, job, canvas)
                return
            await canvases.put_off(self.db, job.id, round(TROUBLE_S * 1000))
        except SendError as error:
            await self._failed(error, job, canvas)

    async def _chat(self, **values: Any) -> None:
        await chats.change(self.db, self.sender.platform, self.chat_id, **values)


def _lane(canvas: Canvas, message: ChatMessage) -> Lane | None:
    """What kind of news this is, None where it is not to be sent."""
    if canvas.delivery == Delivery.OVER:
        return None
    if canvas.delivery == Delivery.GONE:
        return Lane.TERMINAL if message.result else None
    if message.terminal:
        return Lane.TERMINAL
    if canvas.shown == 0 or message.answers or canvas.delivery not in LIVE:
        return Lane.ANSWER
    if _lacks(canvas, message):
        return Lane.MEDIA
    return Lane.POSITION if message.place is not None else Lane.TEXT


def _lacks(canvas: Canvas, message: ChatMessage) -> bool:
    """Whether a film is to be put in."""
    return message.film is not None and message.film.key != canvas.shown_media


def _before(canvas: Canvas) -> Delivery:
    """Where a message that is being sent comes from."""
    if canvas.delivery != Delivery.SENDING:
        return Delivery(canvas.delivery)
    return Delivery.GONE if canvas.shown > 0 else Delivery.NEW


def _spot(canvas: Canvas) -> Spot:
    return Spot(
        chat_id=canvas.chat_id,
        message_id=canvas.message_id,
        thread_id=canvas.thread_id,
        reply_to=canvas.reply_to,
        server_id=canvas.server_id,
        filmed=canvas.shown_media is not None,
    )


def _bytes_of(film: Film) -> int:
    return film.path.stat().st_size if film.path.is_file() else 0


def _room_ms(sent_ms: Sequence[int], calls: int, within_s: float) -> int:
    """When one more call leaves no more than so many within any stretch of that length."""
    if len(sent_ms) < calls:
        return 0
    return sorted(sent_ms)[-calls] + round(within_s * 1000) + 1
