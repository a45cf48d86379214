"""The Telegram bot: updates in, through the inbox, to those who handle them.

An update is committed before it is confirmed, and handled after: what a crash interrupts is handled again, and what was
handled is not (handlers are keyed by message and query). Within a chat one thing is handled after the other; one that
has to be tried again later does not hold the others up.
"""

import asyncio
import hashlib
import json
import logging
import os
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from telegram import Bot, Message, Update
from telegram.constants import UpdateType
from telegram.error import BadRequest, Conflict, Forbidden, InvalidToken, RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from bot.alarm import Alarm, Text, told_each
from bot.config import SafetyConfig, TelegramConfig
from bot.intake import Intake
from bot.poster import FilmOf
from bot.sender import TELEGRAM_GROUP, TELEGRAM_PRIVATE, Failed, Moved, Pace, PutOff, SendError
from bot.telegram_commands import command_plans, description_plans
from bot.telegram_messages import message_came
from bot.telegram_order import picture_of
from bot.telegram_press import pressed
from bot.telegram_send import TelegramSender, after_s
from bot.telegram_talk import TELEGRAM, Here, Names, Talk, here_of, sentence
from bot.telegram_text import TelegramStyle, command_of, escape
from bot.words import DEFAULT, say
from db import chats, inbox, people
from db.connect import Database
from db.media import Media
from db.rows import Letter
from db.trouble import TROUBLE, patiently

log = logging.getLogger("flipbot.telegram")

TOKEN: Final = re.compile(r"\d{1,20}:[A-Za-z0-9_-]{20,100}")
POLL_S: Final = 25  # how long a poll waits for an update
TRIES: Final = 8  # of an update that cannot be handled now
BACKOFF_S: Final = 2.0  # before the second of them, then twice that
LATEST_S: Final = 600.0
AT_ONCE: Final = 200  # updates handled at one time; most of them wait for their pictures' turn
MORE: Final = 500  # that are read from the inbox at one time, beside those that are being handled
LOOK_S: Final = 5.0  # at the inbox, when nobody says that something came
WANTED: Final = (UpdateType.MESSAGE, UpdateType.CALLBACK_QUERY, UpdateType.MY_CHAT_MEMBER)


def make_bot(config: TelegramConfig, token: str) -> Bot:
    """The library's bot, with times that a home's uplink needs for a film. raises: InvalidToken."""
    os.environ.setdefault("PTB_TIMEDELTA", "1")  # else the library warns at every 429 of a type that will change
    base = config.api_base.rstrip("/")
    request = HTTPXRequest(
        connection_pool_size=32, read_timeout=30.0, write_timeout=30.0, connect_timeout=10.0, pool_timeout=10.0,
        media_write_timeout=120.0,
    )  # fmt: skip
    polls = HTTPXRequest(connection_pool_size=2, read_timeout=POLL_S + 10.0, connect_timeout=10.0)
    return Bot(
        token, base_url=f"{base}/bot", base_file_url=f"{base}/file/bot", request=request, get_updates_request=polls,
        local_mode=bool(config.local_server),
    )  # fmt: skip


class TelegramBot:
    """Runs beside the poster, in its event loop; `sender` is what the poster posts with."""

    def __init__(
        self,
        config: TelegramConfig,
        safety: SafetyConfig,
        intake: Intake,
        db: Database,
        media: Media,
        token: str,
        *,
        film_of: FilmOf,
        paces: tuple[Pace, Pace] = (TELEGRAM_PRIVATE, TELEGRAM_GROUP),
    ) -> None:
        """raises: InvalidToken, where it does not even look like one"""
        self.config, self.db, self.token = config, db, token
        self.bot = make_bot(config, token)
        self.names = Names()
        self.talk = Talk(self.bot, config, safety, intake, db, media, self.names, film_of)
        self.sender = TelegramSender(
            self.bot, TelegramStyle(self.names), local=bool(config.local_server), db=db, paces=paces
        )
        self.ready = asyncio.Event()  # the platform knows the bot
        self._held_up = ""  # what holds up the handling
        self.wrong = ""  # the sentence of what the owner has to mend
        self._came = asyncio.Event()
        self._handling: dict[int, asyncio.Task[None]] = {}
        self._last: dict[str, asyncio.Task[None]] = {}  # of each chat
        self._places = asyncio.Semaphore(AT_ONCE)
        self._typing: set[asyncio.Task[None]] = set()
        self._fresh: dict[str, Update] = {}  # kept, and not handled yet: by the keys of their letters

    async def run(self) -> None:
        """Serve until cancelled. What is wrong with the token or the network is logged, and nothing else suffers."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._work())
                if await self._greet():
                    group.create_task(self._register())
                    group.create_task(self._poll())
                    if self.config.operators:
                        group.create_task(Alarm(self.db, TELEGRAM, self._tell_operators).run())
                else:
                    await asyncio.Event().wait()
        finally:
            under_way = [*self._handling.values(), *self._typing]
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            await self.talk.end()
            with suppress(TelegramError, RuntimeError):
                await self.bot.shutdown()

    async def _tell_operators(self, text: Text) -> bool:
        """Whether any of them lets the bot in."""

        async def tell(id: int) -> None:
            locale = (await people.get(self.db, TELEGRAM, str(id))).language or DEFAULT
            where: dict[str, Any] = {"private": True, "message_id": None, "thread_id": None, "operator": True}
            there = Here(user_id=str(id), chat_id=str(id), locale=locale, spoken=locale, **where)
            await self.talk.tell(there, escape(text(locale)), silent=False)

        return await told_each(self.config.operators, tell, PutOff, Failed)

    # Beginning

    async def _greet(self) -> bool:
        """Ask who we are, until the network lets us. False where the token is wrong."""
        wait_s, told = 1.0, False
        while True:
            try:
                if not TOKEN.fullmatch(self.token):
                    raise InvalidToken
                await self.bot.initialize()
                await self.bot.delete_webhook(drop_pending_updates=False)  # it would keep updates from a poll
                break
            except InvalidToken:
                self.wrong = say("en", "telegram.wrong_token")
                log.error("%s", self.wrong)
                return False
            except TelegramError as error:
                if not told:
                    log.warning("Telegram cannot be reached (%s); trying again", type(error).__name__)
                told = True
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, 60.0)
        log.info("telegram bot=@%s id=%d", self.bot.username, self.bot.id)
        self.ready.set()
        return True

    async def _register(self) -> None:
        """Set commands and descriptions, for each scope and language, only where they have changed."""
        plans = [*command_plans(self.config.operators), *description_plans()]
        digest = hashlib.sha256(json.dumps([described for described, _ in plans]).encode()).hexdigest()
        name = f"telegram.commands:{self.bot.id}"
        if await patiently(partial(inbox.memo, self.db, name), "telegram commands") == digest:
            return
        for described, apply in plans:
            if not await self._applied(described, apply):
                return
        await patiently(partial(inbox.remember, self.db, name, digest), "telegram commands")
        log.info("telegram commands set")

    async def _applied(self, described: list[Any], apply: Callable[[Bot], Awaitable[Any]]) -> bool:
        for _ in range(TRIES):
            try:
                await apply(self.bot)
                return True
            except RetryAfter as error:
                await asyncio.sleep(after_s(error) + 1.0)
            except (BadRequest, Forbidden) as error:
                if described[0].startswith("operator"):  # who never wrote to the bot gets them with /start
                    log.info("no commands yet for %s: %s", described[0], error)
                    return True
                log.error("commands are refused: %s", error)
                return False
            except TelegramError:
                await asyncio.sleep(BACKOFF_S)
        return False

    # Updates in

    async def _poll(self) -> None:
        """Fetch updates and keep them; the next call confirms what was kept."""
        offset, wait_s, trouble = 0, 1.0, ""
        while True:
            try:
                updates = await self.bot.get_updates(offset=offset, timeout=POLL_S, allowed_updates=list(WANTED))
                await self.keep(updates)
            except RetryAfter as error:
                await asyncio.sleep(after_s(error))
                continue
            except Conflict:
                trouble = self._troubled(trouble, say("en", "telegram.conflict"))
            except InvalidToken:
                self.wrong = say("en", "telegram.wrong_token")
                trouble = self._troubled(trouble, self.wrong)
                wait_s = 60.0
            except TelegramError as error:
                trouble = self._troubled(trouble, f"Telegram cannot be reached ({type(error).__name__}).")
            except TROUBLE as error:  # Telegram keeps them until they are kept here
                trouble = self._troubled(trouble, f"Updates cannot be kept: {error}")
            except Exception:  # ours: it must not take the other chats and the engine with it
                log.exception("telegram's updates were not taken in")
                trouble = self._troubled(trouble, "Updates are not taken in.")
            else:
                if trouble:
                    log.info("telegram's updates come in again")
                trouble, wait_s, self.wrong = "", 1.0, ""
                if updates:
                    offset = updates[-1].update_id + 1
                continue
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, 60.0)

    def _troubled(self, before: str, now: str) -> str:
        if now != before:
            log.error("%s", now)
        return now

    async def keep(self, updates: tuple[Update, ...]) -> None:
        """Commit updates to the inbox; what is there already is passed over, and what is not for the bot never kept."""
        ours = [update for update in updates if self._for_us(update)]
        self._answer(ours)
        letters = []
        for update in ours:
            user, key = update.effective_user, f"{self.bot.id}:{update.update_id}"
            letters.append((key, str(user.id) if user else None, update.to_json()))
            self._fresh[key] = update
            await asyncio.sleep(0)  # that takes a while, and who asks wants an answer
        if letters:
            await inbox.receive(self.db, TELEGRAM, letters)
            self._came.set()

    def _answer(self, updates: Sequence[Update]) -> None:
        """Say at once that a film was asked for, whatever else there is to do."""
        orders = [update.message for update in updates if update.message and self._orders(update.message)]
        if orders:
            task = asyncio.create_task(self._type(orders))
            self._typing.add(task)
            task.add_done_callback(self._typing.discard)

    def _orders(self, message: Message) -> bool:
        command = command_of(message.text or message.caption or "", self.bot.username)
        private = message.chat.type == "private" and command is None and picture_of(message) is not None
        return private or (command is not None and command[0] == "animate")

    async def _type(self, orders: Sequence[Message]) -> None:
        with self.talk.rush.answering(len(orders)):
            frozen = await chats.frozen(self.db, TELEGRAM, {str(message.chat.id) for message in orders})
            topics = {str(m.chat.id): str(m.message_thread_id) if m.is_topic_message else "" for m in orders}
            open_ = {chat_id: topic for chat_id, topic in topics.items() if chat_id not in frozen}
            await asyncio.gather(*(self.talk.types(chat_id, topic) for chat_id, topic in open_.items()))

    def _for_us(self, update: Update) -> bool:
        """False for what people say to each other in a group, which a bot without privacy mode gets to hear."""
        message = update.message
        if message is None or message.chat.type == "private" or message.migrate_to_chat_id:
            return True
        replied = message.reply_to_message
        if replied is not None and replied.from_user is not None and replied.from_user.id == self.bot.id:
            return True
        return command_of(message.text or message.caption or "", self.bot.username) is not None

    # Updates handled

    async def _work(self) -> None:
        await self.ready.wait()
        while True:
            self._came.clear()
            await patiently(self._begin_all, "telegram's inbox")
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._came.wait()

    async def _begin_all(self) -> None:
        under_way = set(self._handling)  # they may be done with by the time the rows are here, which are of before that
        for letter in await inbox.unhandled(self.db, TELEGRAM, most=MORE + len(under_way)):
            if letter.id not in under_way and letter.id not in self._handling:
                self._begin(letter)

    def _begin(self, letter: Letter) -> None:
        """Handle a letter once those before it in its chat were."""
        update = self._fresh.pop(letter.key, None) or Update.de_json(json.loads(letter.content), self.bot)
        chat = str(update.effective_chat.id) if update and update.effective_chat else ""
        task = asyncio.create_task(self._handle(letter, update, self._last.get(chat)))
        self._handling[letter.id] = self._last[chat] = task

        def over(_: asyncio.Task[None]) -> None:
            if self._handling.get(letter.id) is task:  # else it waits to be tried again
                del self._handling[letter.id]
            if self._last.get(chat) is task:
                del self._last[chat]

        task.add_done_callback(over)

    async def _handle(self, letter: Letter, update: Update | None, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        if update is not None and update.message is not None and self._orders(update.message):
            await self.talk.rush.quiet()  # in a burst, answers come before pictures
        wait_s = 0.0
        async with self._places:
            wait_s = await self._once(letter, update)
        if wait_s:
            retry = asyncio.create_task(self._later(letter, update, wait_s))
            self._handling[letter.id] = retry

    async def _later(self, letter: Letter, update: Update | None, wait_s: float) -> None:
        """Try again, without holding up what came after."""
        try:
            while wait_s:
                await asyncio.sleep(wait_s)
                async with self._places:
                    wait_s = await self._once(letter, update)
        finally:
            self._handling.pop(letter.id, None)

    async def _once(self, letter: Letter, update: Update | None) -> float:
        """Handle a letter; returns after how many seconds to try again, 0 where it is done with."""
        try:
            wait_s = await self._attempt(update, before=await inbox.tried(self.db, letter.id))
            if not wait_s:
                await inbox.handled(self.db, letter.id)
        except TROUBLE as trouble:
            self._held_up = self._troubled(self._held_up, f"Updates wait: {trouble}")
            return LOOK_S
        self._held_up = ""
        return wait_s

    async def _attempt(self, update: Update | None, before: int) -> float:
        """As _once. before: how often it was tried. raises: TROUBLE"""
        try:
            if update is not None:
                await self.dispatch(update)
        except Moved as moved:
            assert update is not None and update.effective_chat is not None
            await chats.migrate(self.db, TELEGRAM, str(update.effective_chat.id), moved.chat_id)
        except PutOff as put_off:
            if before < TRIES:
                return min(put_off.retry_after_s + 1.0, LATEST_S)
            log.warning("update given up: the chat stays frozen")
        except (SendError, *TROUBLE) as error:
            if before < TRIES:
                return min(float(BACKOFF_S * 2**before), LATEST_S)
            log.warning("update given up: %s", error)
            if not isinstance(error, SendError):
                await self._apologise(update)
        except Exception:
            log.exception("an update could not be handled")
            if before < 2:
                return BACKOFF_S
            await self._apologise(update)
        return 0.0

    async def _apologise(self, update: Update | None) -> None:
        """Say that something went wrong on this side."""
        spoken = here_of(update) if update else None
        if spoken is None:
            return
        with suppress(SendError, *TROUBLE):
            here = await self.talk.here(*spoken)
            await self.talk.tell(here, sentence(here.locale, "refused.trouble"), fleeting=True)

    async def dispatch(self, update: Update) -> None:
        """Handle one update. raises: SendError, to be tried again."""
        message = update.message
        if message is not None and message.migrate_to_chat_id:
            await chats.migrate(self.db, TELEGRAM, str(message.chat.id), str(message.migrate_to_chat_id))
            return
        if (member := update.my_chat_member) is not None:
            chat_id = str(member.chat.id)
            if member.new_chat_member.status not in ("left", "kicked", "restricted"):
                await chats.reachable(self.db, TELEGRAM, chat_id)
            elif member.chat.type == "private":
                await people.shut_out(self.db, TELEGRAM, chat_id, chat_id)
                # the first sign that they blocked us; a call that is refused is the second
            return
        spoken = here_of(update)
        if spoken is None:
            return
        here = await self.talk.here(*spoken)
        if update.callback_query is not None:
            await pressed(self.talk, here, update.callback_query)
        elif message is not None:
            await message_came(self.talk, here, message)
