"""What every part of the Telegram bot needs to talk to people: where somebody spoke, sentences, replies, questions."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import aiohttp
from telegram import Bot, CallbackQuery, Chat, ChatMember, ForceReply, Message, ReplyParameters, Update, User
from telegram.constants import ChatAction, ParseMode
from telegram.error import TelegramError

from bot.config import SafetyConfig, TelegramConfig
from bot.errors import Refused
from bot.intake import By, Intake
from bot.poster import FilmOf
from bot.rush import Rush
from bot.sender import Failed, Gone, Moved, PutOff, SendError, Unknown, Unreachable
from bot.telegram_send import NO_PREVIEW, SAME, calling, keyboard
from bot.telegram_text import ANSWER_LIMIT, TEXT_LIMIT, Row, cut, escape, plain, units
from bot.words import pick, say
from db import canvases, chats, doors, inbox, people, removals
from db.connect import Database
from db.doors import Knock
from db.media import Media
from db.models import Platform
from db.rows import Job, Question

log = logging.getLogger("flipbot.telegram")
T = TypeVar("T")

TELEGRAM: Final = Platform.TELEGRAM
TERMS: Final = 1  # the version of the terms that people accept; a new one asks everybody again
FLEETING_MS: Final = 30_000  # a refusal stands so long in a group
PICTURES: Final = 4  # fetched and looked at, at once
TYPED_AT: Final = 16  # first answers at once
TYPE_S: Final = 10.0  # a first answer that takes longer is none
NAMES: Final = 10_000  # people whose name this process remembers


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """Who spoke, and where. message_id is what an answer replies to; operator: one of the configuration's.

    locale: the language they get, which they may have chosen; spoken: the one of their client
    """

    user_id: str
    chat_id: str
    private: bool
    locale: str
    spoken: str
    message_id: str | None
    thread_id: str | None
    operator: bool

    @property
    def server_id(self) -> str:
        """Under which a group's own limits are kept; "" where they are alone with the bot."""
        return "" if self.private else self.chat_id


class Names(OrderedDict[str, str]):
    """What people call themselves, those seen lately."""

    def see(self, user: User) -> None:
        """Remember somebody's name."""
        self[str(user.id)] = user.full_name
        self.move_to_end(str(user.id))
        while len(self) > NAMES:
            self.popitem(last=False)


def sentence(locale: str, key: str, /, **facts: object) -> str:
    """A sentence as HTML: what fills its fields formats nothing."""
    return say(locale, key, **{name: escape(fact) if isinstance(fact, str) else fact for name, fact in facts.items()})


class Talk:
    """What handlers have in common."""

    def __init__(
        self,
        bot: Bot,
        config: TelegramConfig,
        safety: SafetyConfig,
        intake: Intake,
        db: Database,
        media: Media,
        names: Names,
        film_of: FilmOf,
    ) -> None:
        self.film_of = film_of
        self.bot, self.config, self.safety, self.intake = bot, config, safety, intake
        self.db, self.media, self.names = db, media, names
        self.albums: OrderedDict[str, None] = OrderedDict()  # that were dealt with
        self.pressed: OrderedDict[str, tuple[str, float]] = OrderedDict()  # what was pressed: by which query, when
        self.told: set[tuple[int, int]] = set()  # reports that not all have heard of, and the chats that have
        self.rush = Rush()
        self.making = asyncio.Semaphore(PICTURES)
        self._typing: aiohttp.ClientSession | None = None

    # Where

    async def here(self, user: User, chat: Chat, message: Message | None) -> Here:
        """Who spoke where, in which language. Who speaks lets the bot speak there, too."""
        self.names.see(user)
        door = await doors.look(self.db, Knock(platform=TELEGRAM, user_id=str(user.id), chat_id=str(chat.id)))
        if door.unreachable is not None:
            await chats.reachable(self.db, TELEGRAM, str(chat.id))
        if door.person.shut and chat.type == "private":
            await people.let_in(self.db, TELEGRAM, str(user.id))
        spoken = pick([user.language_code or "en"])
        topic = message.message_thread_id if message and message.is_topic_message else None
        return Here(
            user_id=str(user.id),
            chat_id=str(chat.id),
            private=chat.type == "private",
            locale=door.person.language or spoken,
            spoken=spoken,
            message_id=str(message.message_id) if message else None,
            thread_id=str(topic) if topic else None,
            operator=user.id in self.config.operators,
        )

    async def by(self, here: Here, job: Job | None = None) -> By:
        """Who asks for something, to the intake. Whether they moderate is asked only where it matters."""
        mine = job is not None and (job.platform, job.user_id) == (TELEGRAM, here.user_id)
        moderator = not mine and await self.moderates(here)
        return By(
            platform=TELEGRAM, user_id=here.user_id, chat_id=here.chat_id, locale=here.locale,
            server_id=here.server_id, moderator=moderator,
        )  # fmt: skip

    async def moderates(self, here: Here) -> bool:
        """Whether they may do here what only a film's owner may: operators, and administrators of a group."""
        if here.operator or here.private:
            return here.operator
        try:
            member: ChatMember = await self.bot.get_chat_member(int(here.chat_id), int(here.user_id))
        except TelegramError:
            return False
        return member.status in (ChatMember.ADMINISTRATOR, ChatMember.OWNER)

    async def owns(self, here: Here, job: Job) -> bool:
        """Whether the job is theirs, or they moderate the chat that it is in."""
        if (job.platform, job.user_id) == (TELEGRAM, here.user_id) or here.operator:
            return True
        return stands_here(here, job) and await self.moderates(here)

    async def owned(self, here: Here, job: Job) -> None:
        """Raise Refused unless the job is theirs, or they moderate the chat that it is in."""
        if not await self.owns(here, job):
            raise Refused("telegram.not_yours")

    async def seen(self, here: Here, job: Job) -> None:
        """Raise Refused unless the job stands in this chat for everybody, or is theirs.

        What a button sends can be made up, and a job's number guessed.
        """
        if not stands_here(here, job):
            await self.owned(here, job)

    # What the bot says

    async def tell(
        self,
        here: Here,
        html: str,
        *,
        rows: Sequence[Row] = (),
        force: str | None = None,
        fleeting: bool = False,
        silent: bool = True,
    ) -> str | None:
        """Answer with HTML; returns the message's id, None where nobody knows whether it arrived.

        rows:     of buttons; force: the placeholder of a field that opens for an answer
        fleeting: in a group it goes after half a minute
        raises:   PutOff, Failed
        """
        await self.may_speak(here.chat_id)
        if units(plain(html)) > TEXT_LIMIT:
            html = escape(cut(plain(html), TEXT_LIMIT))
        markup: Any = keyboard(rows)
        if force is not None:
            markup = ForceReply(selective=not here.private, input_field_placeholder=cut(force, 64))
        reply = ReplyParameters(int(here.message_id), allow_sending_without_reply=True) if here.message_id else None
        try:
            sent = await calling(
                self.bot.send_message(
                    int(here.chat_id), html, parse_mode=ParseMode.HTML, link_preview_options=NO_PREVIEW,
                    reply_parameters=reply, reply_markup=markup, disable_notification=silent,
                    message_thread_id=int(here.thread_id) if here.thread_id else None,
                )
            )  # fmt: skip
        except Unknown:
            return None
        except PutOff as put_off:
            until = self.db.steady() + round(1000 * (put_off.retry_after_s + 1))
            await chats.change(self.db, TELEGRAM, here.chat_id, frozen_until_ms=until)  # for the poster, too
            raise
        except Moved as moved:  # which need not be the chat that the update came from
            await chats.migrate(self.db, TELEGRAM, here.chat_id, moved.chat_id)
            there = replace(here, chat_id=moved.chat_id, message_id=None)
            return await self.tell(there, html, rows=rows, force=force, fleeting=fleeting, silent=silent)
        except Unreachable:
            if here.private:
                await people.shut_out(self.db, TELEGRAM, here.user_id, here.chat_id)
            return None
        if fleeting and not here.private:
            await removals.later(self.db, TELEGRAM, here.chat_id, str(sent.message_id), FLEETING_MS)
        return str(sent.message_id)

    async def tell_of(self, here: Here, job_ids: Collection[int], html: str, rows: Sequence[Row] = ()) -> None:
        """As tell, of films: what says something of them goes when they are deleted. raises: PutOff, Failed"""
        message_id = await self.tell(here, html, rows=rows)
        if message_id is not None:
            await canvases.beside(self.db, job_ids, TELEGRAM, here.chat_id, message_id)

    async def types(self, chat_id: str, thread_id: str) -> None:
        """ "… is typing": the first answer to a picture, before anything of it is looked at.

        Past the library, whose client takes several times the CPU time: in a burst everybody waits for that.
        """
        if self._typing is None:
            limit = aiohttp.ClientTimeout(total=TYPE_S)
            self._typing = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=TYPED_AT), timeout=limit)
        told = {"chat_id": chat_id, "action": ChatAction.TYPING.value}
        if thread_id:
            told["message_thread_id"] = thread_id
        try:
            async with self._typing.post(f"{self.bot.base_url}/sendChatAction", data=told) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            log.debug("no chat action: %s", type(error).__name__)

    async def end(self) -> None:
        """Nothing will be said any more."""
        if self._typing is not None:
            await self._typing.close()

    async def may_speak(self, chat_id: str) -> None:
        """Raise PutOff while the chat is frozen: to ask again meanwhile makes it last longer."""
        left_ms = (await chats.get(self.db, TELEGRAM, chat_id)).frozen_until_ms - self.db.steady()
        if left_ms > 0:
            raise PutOff(left_ms / 1000)

    async def refuse(self, here: Here, refused: Refused) -> None:
        """Say why not; in a group that goes again soon."""
        await self.tell(here, sentence(here.locale, refused.key, **refused.facts), fleeting=True)

    async def retell(self, here: Here, message_id: str, html: str, rows: Sequence[Row] = ()) -> None:
        """Change one of the bot's own answers; nothing to change, or nothing there any more, is no error."""
        try:
            await calling(
                self.bot.edit_message_text(
                    html, chat_id=int(here.chat_id), message_id=int(message_id), reply_markup=keyboard(rows),
                    parse_mode=ParseMode.HTML, link_preview_options=NO_PREVIEW,
                )
            )  # fmt: skip
        except (Gone, Moved, Unreachable, Unknown):
            return
        except Failed as failed:
            if SAME not in str(failed).lower():
                raise

    async def take_away(self, here: Here, message_id: str) -> None:
        """Delete one of the bot's own answers, where that can still be done."""
        try:
            await calling(self.bot.delete_message(int(here.chat_id), int(message_id)))
        except SendError:
            await removals.later(self.db, TELEGRAM, here.chat_id, message_id, 0)

    async def answer(self, query: CallbackQuery, text: str = "", *, alert: bool = False) -> None:
        """End the button's spinning; too late is normal after a restart."""
        try:
            await self.bot.answer_callback_query(query.id, text=cut(text, ANSWER_LIMIT) or None, show_alert=alert)
        except TelegramError as error:
            log.info("query not answered: %s", type(error).__name__)

    # What the bot asks

    async def ask(
        self, here: Here, key: str, kind: str, about: dict[str, Any], html: str, *, force: str | None = None
    ) -> Question:
        """Ask something whose answer may come after a restart; asked already, it is not asked again."""
        question = await inbox.ask(self.db, key, TELEGRAM, here.user_id, here.chat_id, kind, about)
        if question.message_id is None:
            rows = question_rows(here.locale, question)
            message_id = await self.tell(here, html, rows=rows, force=force, silent=False)
            if message_id is not None:
                await inbox.asked(self.db, question.id, message_id)
                question = replace(question, message_id=message_id)
        return question

    async def close(self, here: Here, question: Question, html: str | None = None) -> None:
        """The question is over: what it says instead, or nothing."""
        await inbox.answered(self.db, question.id)
        if question.message_id is None:
            return
        if html is None:
            await self.take_away(here, question.message_id)
        else:
            await self.retell(here, question.message_id, html)

    def once(self, query: CallbackQuery, what: str, within_s: float) -> bool:
        """Whether no other press did this within that time; a double tap is one. After a restart nobody knows."""
        now = asyncio.get_running_loop().time()
        by, before = self.pressed.pop(what, (query.id, now))
        self.pressed[what] = query.id, now
        while len(self.pressed) > NAMES:
            self.pressed.popitem(last=False)
        return by == query.id or now - before > within_s  # one that is tried again is the same press


def question_rows(locale: str, question: Question) -> list[Row]:
    """The buttons under a question, by its kind."""
    from bot.telegram_text import data

    def button(act: str, key: str, look: str = "plain") -> tuple[str, str, str]:
        return say(locale, key), "data:" + data(act, question.id), look

    match question.kind:
        case "prompt":
            return [[button("plain", "telegram.button.plain", "main"), button("write", "telegram.button.write")]]
        case "consent":
            return [[button("accept", "telegram.button.accept", "main"), button("refuse", "telegram.button.refuse")]]
        case _:
            return []


async def one_by_one(things: Iterable[T], work: Callable[[T], Awaitable[None]]) -> None:
    """Trouble with one holds up none of the others. raises: SendError, after all of them: the last trouble"""
    trouble: SendError | None = None
    for each in things:
        try:
            await work(each)
        except SendError as error:
            trouble = error
    if trouble is not None:
        raise trouble


def replied_to(message: Message) -> Message | None:
    """The message that this one replies to. In a topic it is the topic's beginning, if somebody meant none."""
    replied = message.reply_to_message
    return None if replied is None or replied.forum_topic_created is not None else replied


def stands_here(here: Here, job: Job) -> bool:
    """Whether the job was asked for in this very chat, where its message shows it to everybody."""
    return (job.platform, job.chat_id) == (TELEGRAM, here.chat_id)


def here_of(update: Update) -> tuple[User, Chat, Message | None] | None:
    """The person, the chat and the message of an update; None where no person spoke.

    Who speaks as a chat is a person, whom nobody knows.
    """
    user, chat = update.effective_user, update.effective_chat
    as_chat = update.message is not None and update.message.sender_chat is not None
    if user is None or chat is None or (user.is_bot and not as_chat) or chat.type == "channel":
        return None
    return user, chat, update.effective_message if isinstance(update.effective_message, Message) else None
