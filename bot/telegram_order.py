"""A picture from Telegram becomes a film: which picture, agreed to the terms, fetched within limits, put in line."""

import asyncio
import logging
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp
from telegram import Message
from telegram.error import BadRequest, NetworkError, RetryAfter, TelegramError

from bot.errors import Refused
from bot.intake import MIB, Asked
from bot.sender import Failed, PutOff
from bot.telegram_send import after_s
from bot.telegram_talk import TELEGRAM, TERMS, Here, Talk, one_by_one, sentence
from bot.telegram_text import wishes_of
from db import inbox, people, requests
from db.rows import At, Job, Person, Question

log = logging.getLogger("flipbot.telegram")

PUBLIC_MIB: Final = 20  # what Telegram's own server lets a bot download
FETCH_S: Final = 60.0
CHUNK: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A film that somebody wants, before its picture is fetched. `text` is the prompt with its settings.

    key: of the job; file_size in bytes, None where Telegram does not say it; album: it came with others
    covered: a spoiler hides it
    """

    key: str
    file_id: str
    file_size: int | None
    text: str
    message_id: str
    thread_id: str | None
    album: bool = False
    covered: bool = False


def picture_of(message: Message) -> tuple[str, int | None] | None:
    """The file id and size of a message's picture: a photo's largest size, or the file itself; None without one."""
    if message.photo:
        largest = message.photo[-1]
        return largest.file_id, largest.file_size
    document = message.document
    if document is not None and (document.mime_type or "").startswith("image/"):
        return document.file_id, document.file_size
    return None


async def make(talk: Talk, here: Here, order: Order) -> Job | None:
    """Put an order in line. None where the terms are not accepted: it waits for that. raises: Refused, SendError."""
    if (known := await requests.find(talk.db, order.key)) is not None:
        return known
    person = await people.get(talk.db, TELEGRAM, here.user_id)
    if talk.safety.consent and person.consent < TERMS:
        await ask_consent(talk, here, order)
        return None
    async with talk.making:
        job = await submit(talk, here, order, person)
    log.info("submitted job=%d", job.id)
    return job


async def submit(talk: Talk, here: Here, order: Order, person: Person) -> Job:
    """Fetch its picture and put it in line. raises: Refused, SendError."""
    wishes, picture = wishes_of(order.text), await fetch(talk, here, order)
    rules = talk.intake.rules
    quality = wishes.quality or (person.quality if person.quality in rules.qualities else None)
    return await talk.intake.submit(
        Asked(
            platform=TELEGRAM, user_id=here.user_id, chat_id=here.chat_id, locale=here.locale, picture=picture,
            prompt=wishes.prompt, key=order.key, seconds=wishes.seconds,
            usual_seconds=person.seconds, seed=wishes.seed, quality=quality,
            at=At(reply_to=order.message_id, thread_id=order.thread_id), server_id=here.server_id,
            spoiler=bool(wishes.spoiler or person.spoiler or order.covered),
        )
    )  # fmt: skip


async def ask_consent(talk: Talk, here: Here, order: Order) -> None:
    """Show the terms, once; what was ordered waits meanwhile."""
    waiting = await inbox.questions(talk.db, TELEGRAM, here.user_id, "consent")
    shown = any(question.message_id and question.chat_id == here.chat_id for question in waiting)
    if shown:
        await inbox.ask(talk.db, order.key, TELEGRAM, here.user_id, here.chat_id, "consent", asdict(order))
        return
    html = "\n\n".join([sentence(here.locale, "telegram.terms"), sentence(here.locale, "telegram.terms_ask")])
    await talk.ask(replace(here, message_id=order.message_id), order.key, "consent", asdict(order), html)


async def accepted(talk: Talk, here: Here) -> None:
    """They accept the terms: what they ordered meanwhile goes in line, wherever that was.

    raises: SendError, where one of them met trouble; the others are in line
    """
    await people.accept(talk.db, TELEGRAM, here.user_id, TERMS)
    waiting = await inbox.questions(talk.db, TELEGRAM, here.user_id, "consent")
    await one_by_one(waiting, partial(go_on, talk, here))


async def go_on(talk: Talk, here: Here, question: Question) -> None:
    """Put in line what waited for the terms. raises: SendError."""
    order = Order(**question.about)
    there = replace(
        here, chat_id=question.chat_id, private=not question.chat_id.startswith("-"),
        message_id=order.message_id, thread_id=order.thread_id,
    )  # fmt: skip
    try:
        await make(talk, there, order)
    except Refused as refused:
        await talk.refuse(there, refused)
    await talk.close(there, question, sentence(here.locale, "telegram.accepted"))


async def fetch(talk: Talk, here: Here, order: Order) -> bytes:
    """The picture's content, within the limit while it streams in. raises: Refused, PutOff, Failed."""
    limit = talk.intake.rules.max_bytes
    local = bool(talk.config.local_server)
    most = limit if local else min(limit, PUBLIC_MIB * MIB)
    if order.file_size is not None and order.file_size > most:
        raise too_big(order.file_size, most)
    try:
        file = await talk.bot.get_file(order.file_id)
    except RetryAfter as error:
        raise PutOff(after_s(error)) from error
    except BadRequest as error:
        if "too big" in str(error).lower():
            raise too_big(order.file_size or most + 1, most) from error
        raise Refused("telegram.picture_gone") from error
    except NetworkError as error:
        raise Failed("the picture's place could not be asked for") from error
    except TelegramError as error:
        raise Refused("telegram.picture_gone") from error
    if local:
        return await asyncio.to_thread(read_local, Path(talk.config.local_server), str(file.file_path), most)
    return await download(str(file.file_path), most)


async def download(url: str, most: int) -> bytes:
    """What is at the address. It holds the token, so it never reaches a log. raises: Refused, Failed."""
    got = bytearray()
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=FETCH_S)) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status == 404:
                raise Refused("telegram.picture_gone")
            if response.status != 200:
                raise Failed(f"the picture was answered with {response.status}")
            async for chunk in response.content.iter_chunked(CHUNK):
                got += chunk
                if len(got) > most:
                    raise too_big(len(got), most)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Failed(f"the picture did not arrive: {type(error).__name__}") from None
    return bytes(got)


def read_local(folder: Path, path: str, most: int) -> bytes:
    """A file that an own Bot API server keeps, which has to lie in its folder. raises: Refused."""
    try:
        target, root = Path(path).resolve(strict=True), folder.expanduser().resolve(strict=True)
        if not target.is_relative_to(root):
            log.error("the Bot API server named a file outside of [telegram] local_server")
            raise Refused("telegram.picture_gone")
        with target.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        log.error("a file of the Bot API server cannot be read: %s", error.strerror)
        raise Refused("telegram.picture_gone") from None
    if len(content) > most:
        raise too_big(target.stat().st_size, most)
    return content


def too_big(got: int, most: int) -> Refused:
    """The refusal of a picture with so many bytes."""
    return Refused("refused.picture_too_big", got_mib=-(-got // MIB), limit_mib=most // MIB)
