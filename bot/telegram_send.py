"""Telegram's half of bot/sender.py: messages that are text first, then a moving preview, at last the film, all by edit.

Only errors of bot/sender.py leave this file. Everything sent is HTML with previews of links off. What an edit leaves
out is dropped by Telegram, so every edit says caption and buttons again.
"""

import logging
from collections.abc import Awaitable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from typing import IO, Any, Final, TypeVar

from telegram import (
    Bot,
    CopyTextButton,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputFile,
    InputMediaAnimation,
    InputMediaVideo,
    LinkPreviewOptions,
    ReplyParameters,
)
from telegram.constants import ParseMode
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)

from bot.chat import ChatMessage, Style
from bot.sender import (
    TELEGRAM_GROUP,
    TELEGRAM_PRIVATE,
    Closed,
    Failed,
    Film,
    Gone,
    Moved,
    Pace,
    PutOff,
    SendError,
    Spot,
    TooBig,
    Unknown,
    Unreachable,
)
from bot.telegram_text import CAPTION_LIMIT, TEXT_LIMIT, Row, TelegramStyle, buttons_of, told
from db import people
from db.connect import Database
from db.models import Platform

log = logging.getLogger("flipbot.telegram")
T = TypeVar("T")

MB: Final = 1_000_000
PUBLIC_LIMIT: Final = 50 * MB - 256 * 1024  # of the whole request, so its other parts need some of it
LOCAL_LIMIT: Final = 2000 * MB
NO_PREVIEW: Final = LinkPreviewOptions(is_disabled=True)
LOOKS: Final = {"main": "primary", "danger": "danger"}

# What Telegram says with 400, in parts of its sentences.
GONE: Final = (
    "message to edit not found",
    "message to delete not found",
    "message can't be edited",
    "message_id_invalid",
)
CLOSED: Final = ("topic_closed", "topic_deleted", "message thread not found")
SHUT: Final = (
    "chat not found", "not enough rights", "have no rights", "need administrator rights", "chat_write_forbidden",
    "chat_restricted", "chat_send_", "peer_id_invalid", "user_is_blocked", "group chat was deactivated",
)  # fmt: skip
SAME: Final = "not modified"
TOO_OLD: Final = "can't be deleted"
NO_TEXT: Final = "no text in the message to edit"
NO_CAPTION: Final = "no caption in the message to edit"
USUAL: Final = (SAME, TOO_OLD, NO_TEXT, NO_CAPTION)  # whoever called goes on from them


def keyboard(rows: Sequence[Row]) -> InlineKeyboardMarkup | None:
    """An inline keyboard; None where it has no button."""
    made = [[_button(*button) for button in row] for row in rows if row]
    return InlineKeyboardMarkup(made) if made else None


def _button(label: str, what: str, look: str) -> InlineKeyboardButton:
    kind, _, value = what.partition(":")
    action: dict[str, Any] = {"copy_text": CopyTextButton(value)} if kind == "copy" else {"callback_data": value}
    return InlineKeyboardButton(label, style=LOOKS.get(look), **action)


async def calling(call: Awaitable[T]) -> T:
    """Await a call of the library, and raise what went wrong as the poster knows it. raises: SendError."""
    try:
        return await call
    except TelegramError as error:
        raise mapped(error) from error


def mapped(error: TelegramError) -> SendError:
    """The library's error as one of ours. Its order counts: BadRequest and TimedOut are NetworkErrors, too."""
    said = str(error)
    low = said.lower()
    match error:
        case RetryAfter():
            return PutOff(after_s(error))
        case ChatMigrated():
            return Moved(str(error.new_chat_id))
        case Forbidden():
            return Unreachable(said)
        case BadRequest() if any(part in low for part in GONE):
            return Gone(said)
        case BadRequest() if any(part in low for part in CLOSED):
            return Closed()
        case BadRequest() if any(part in low for part in SHUT):
            return Unreachable(said)
        case BadRequest() if "file is too big" in low or "too large" in low:
            return TooBig()
        case BadRequest() if any(part in low for part in USUAL):
            return Failed(said)
        case BadRequest():
            log.error("refused by Telegram: %s", said)
            return Failed(said)
        case InvalidToken() | Conflict():
            return Failed(said)
        case NetworkError() if _never_sent(error):
            return Failed(said)
        case NetworkError() if "entity too large" in low or "413" in low:
            return TooBig()
        case _:
            return Unknown(said)


def after_s(error: RetryAfter) -> float:
    """How long to wait: a timedelta where PTB_TIMEDELTA says so, else seconds."""
    after = error.retry_after
    return after.total_seconds() if isinstance(after, timedelta) else float(after)


def _never_sent(error: TelegramError) -> bool:
    """The connection was not even made."""
    return type(error.__cause__).__name__ in ("ConnectError", "ConnectTimeout", "PoolTimeout")


class TelegramSender:
    """The poster's hand on Telegram. Nothing here keeps state that a restart would miss.

    paces: of a private chat and of a group
    """

    platform = Platform.TELEGRAM
    nonce = False
    text_first = True

    def __init__(
        self,
        bot: Bot,
        style: TelegramStyle,
        *,
        local: bool,
        db: Database,
        paces: tuple[Pace, Pace] = (TELEGRAM_PRIVATE, TELEGRAM_GROUP),
    ) -> None:
        self.bot, self.local, self.db = bot, local, db
        self.style: Style = style
        self._written = style
        self.private, self.group = paces

    def pace(self, chat_id: str) -> Pace:
        """A private chat takes more than a group; groups have negative ids."""
        return self.group if chat_id.startswith("-") else self.private

    def limit_bytes(self, spot: Spot) -> int:
        """50 MB, or 2 GB on a server of one's own."""
        return LOCAL_LIMIT if self.local else PUBLIC_LIMIT

    async def send(self, spot: Spot, message: ChatMessage, film: Film | None, nonce: str) -> str:
        """Send the message as text, without a sound: its film is put in by an edit."""
        sent = await self._try(spot, self.bot.send_message(
            int(spot.chat_id), told(message, TEXT_LIMIT), **self._new(spot), disable_notification=True,
            reply_markup=self._keyboard(message),
        ))  # fmt: skip
        if sent.message_id == 0:
            raise Unknown("the message is scheduled and has no number yet")
        return str(sent.message_id)

    async def edit(self, spot: Spot, message: ChatMessage, film: Film | None) -> None:
        """Change what the message says, and the film in it where there is one; nothing to change is no error."""
        where = {"chat_id": int(spot.chat_id), "message_id": int(spot.message_id or 0)}
        markup = self._keyboard(message)
        try:
            if film is not None:
                await self._put_in(where, message, film, markup, spot)
            else:
                await self._retell(where, message, markup, spot)
        except Failed as failed:
            if SAME not in str(failed).lower():
                raise

    async def _retell(self, where: dict[str, Any], message: ChatMessage, markup: Any, spot: Spot) -> None:
        """Change the words. A message is text or has a caption, which is not known for sure after a lost answer."""
        for as_text in (not spot.filmed, spot.filmed):
            try:
                if as_text:
                    text = told(message, TEXT_LIMIT)
                    say_it: Any = self.bot.edit_message_text(
                        text, **where, reply_markup=markup, parse_mode=ParseMode.HTML, link_preview_options=NO_PREVIEW
                    )
                else:
                    said = told(message, CAPTION_LIMIT)
                    say_it = self.bot.edit_message_caption(
                        **where, caption=said, reply_markup=markup, parse_mode=ParseMode.HTML
                    )
                await self._try(spot, say_it)
                return
            except Failed as failed:
                if as_text == spot.filmed or (NO_TEXT if as_text else NO_CAPTION) not in str(failed).lower():
                    raise

    async def _put_in(self, where: dict[str, Any], message: ChatMessage, film: Film, markup: Any, spot: Spot) -> None:
        with ExitStack() as stack:
            file, poster = _opened(film, stack)
            media = InputMediaAnimation if film.kind == "preview" else InputMediaVideo
            extra: dict[str, Any] = {} if film.kind == "preview" else {"supports_streaming": True}
            shown = media(
                InputFile(file, filename=_mp4(film.name), attach=True, read_file_handle=False),
                caption=told(message, CAPTION_LIMIT), parse_mode=ParseMode.HTML,
                width=film.width or None, height=film.height or None, duration=max(1, round(film.duration_ms / 1000)),
                thumbnail=InputFile(poster, filename="poster.jpg", attach=True) if poster else None,
                has_spoiler=film.spoiler or None,
                **extra,
            )  # fmt: skip
            await self._try(spot, self.bot.edit_message_media(shown, **where, reply_markup=markup))

    async def delete(self, spot: Spot) -> None:
        """Delete the message; one that is older than Telegram lets us loses what it says instead."""
        where: dict[str, Any] = {"chat_id": int(spot.chat_id), "message_id": int(spot.message_id or 0)}
        try:
            await self._try(spot, self.bot.delete_message(**where))
        except Gone:
            return
        except Failed as failed:
            if TOO_OLD not in str(failed).lower():
                raise
            await self._blank(spot, where)

    async def _blank(self, spot: Spot, where: dict[str, Any]) -> None:
        """Take film and words out of a message that cannot be deleted any more: a grey picture is put in instead."""
        try:
            await self._try(spot, self.bot.edit_message_media(_blank_picture(), **where))
        except Gone:
            return

    async def notify(self, spot: Spot, text: str, user_id: str, nonce: str, *, silent: bool) -> None:
        """Reply to the message with a short one; the person's name in it is a mention, which may ring."""
        await self._try(spot, self.bot.send_message(
            int(spot.chat_id), text, parse_mode=ParseMode.HTML, link_preview_options=NO_PREVIEW,
            message_thread_id=_number(spot.thread_id), reply_parameters=_reply(spot.message_id or spot.reply_to),
            disable_notification=silent,
        ))  # fmt: skip

    async def revive(self, spot: Spot, text: str) -> None:
        """A closed topic is opened by people only."""
        raise Closed(spot.chat_id)

    async def alone(self, user_id: str) -> str:
        """A private chat has its person's id."""
        return user_id

    async def _try(self, spot: Spot, call: Awaitable[T]) -> T:
        try:
            return await calling(call)
        except Unreachable:
            if not spot.chat_id.startswith("-"):
                await people.shut_out(self.db, self.platform, spot.chat_id, spot.chat_id)
            raise
        except Failed as failed:
            if "tg-time" in str(failed):  # an own server of before Bot API 9.5: the next try goes without
                self._written.ticks = False
            raise
        except Closed:
            raise Closed(spot.chat_id) from None  # the general topic is above every other

    def _new(self, spot: Spot) -> dict[str, Any]:
        return {
            "parse_mode": ParseMode.HTML, "link_preview_options": NO_PREVIEW,
            "message_thread_id": _number(spot.thread_id), "reply_parameters": _reply(spot.reply_to),
        }  # fmt: skip

    def _keyboard(self, message: ChatMessage) -> InlineKeyboardMarkup | None:
        return keyboard(buttons_of(message))


def _reply(message_id: str | None) -> ReplyParameters | None:
    return ReplyParameters(int(message_id), allow_sending_without_reply=True) if message_id else None


def _number(text: str | None) -> int | None:
    return int(text) if text else None


def _opened(film: Film, stack: ExitStack) -> tuple[IO[bytes], IO[bytes] | None]:
    """The film's files, open as long as the stack is; not in a thread, which nobody would close after if cancelled.

    raises: Failed, where a longer film has taken its place just now
    """
    try:
        poster = stack.enter_context(film.poster.open("rb")) if film.poster else None
        return stack.enter_context(film.path.open("rb")), poster
    except FileNotFoundError as error:
        raise Failed("the film is not here any more") from error


def _mp4(name: str) -> str:
    return name if name.endswith(".mp4") else f"{name}.mp4"  # without the suffix it arrives as media.dat


def _blank_picture() -> Any:
    """One grey picture, without a caption."""
    import io

    from PIL import Image
    from telegram import InputMediaPhoto

    with io.BytesIO() as file:
        Image.new("RGB", (64, 64), (128, 128, 128)).save(file, "PNG")
        return InputMediaPhoto(InputFile(file.getvalue(), filename="gone.png", attach=True))
