"""What operators can do from Telegram: see the queue's state, pause, drain, ban."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from telegram import Message

from bot.canvas import absence
from bot.errors import Refused
from bot.limits import told
from bot.telegram_talk import TELEGRAM, Here, Talk, replied_to, sentence
from bot.telegram_text import TelegramStyle
from bot.words import clean, say
from db import jobs, operators

HOUR_MS: Final = 3_600_000
REASON: Final = 200  # characters
NOW: Final = "now"  # in every language, and in each its own word

Command = Callable[[Talk, Here, Message, str], Awaitable[None]]


async def status(talk: Talk, here: Here, message: Message, text: str) -> None:
    """/status"""
    state = await operators.state(talk.db)
    said = say(here.locale, f"telegram.state.{state.kind}")
    if state.reason:
        said += f" ({clean(state.reason, REASON)})"
    if state.away is not None:
        said += f". {say(here.locale, f'headline.{absence(state.away.reason)}')}"
    films = len(await jobs.open_jobs(talk.db))
    await talk.tell(here, sentence(here.locale, "telegram.status", state=said, films=films))


async def pause(talk: Talk, here: Here, message: Message, text: str) -> None:
    """/pause, and why; /pause now gives up what is under way, too"""
    first, _, rest = text.partition(" ")
    at_once = first.lower() in (NOW, say(here.locale, "discord.name.now"))
    await operators.pause(talk.db, me(here), clean(rest if at_once else text, REASON), at_once=at_once)
    await status(talk, here, message, "")


async def resume(talk: Talk, here: Here, message: Message, text: str) -> None:
    """/resume"""
    await operators.resume(talk.db, me(here))
    await status(talk, here, message, "")


async def drain(talk: Talk, here: Here, message: Message, text: str) -> None:
    """/drain, and why"""
    await operators.drain(talk.db, me(here), clean(text, REASON))
    await status(talk, here, message, "")


async def ban(talk: Talk, here: Here, message: Message, text: str) -> None:
    """/ban, as a reply or with a number, then hours (for ever where there are none) and why"""
    user_id, rest = whom(message, text)
    hours, _, reason = rest.partition(" ")
    until_ms = talk.db.now() + int(hours) * HOUR_MS if hours.isdecimal() and len(hours) < 7 else None
    why = clean(reason if until_ms is not None else rest, REASON)
    await operators.ban(talk.db, me(here), TELEGRAM, user_id, until_ms, why)
    await talk.tell(here, say(here.locale, "telegram.banned", person=TelegramStyle(talk.names).person(user_id)))


async def unban(talk: Talk, here: Here, message: Message, text: str) -> None:
    """/unban, as a reply or with a number"""
    user_id, _ = whom(message, text)
    lifted = await operators.unban(talk.db, me(here), TELEGRAM, user_id)
    key = "telegram.unbanned" if lifted else "telegram.not_banned"
    await talk.tell(here, say(here.locale, key, person=TelegramStyle(talk.names).person(user_id)))


async def limits(talk: Talk, here: Here, message: Message, text: str) -> None:
    """/limits; in a group also its own: /limits 2 10s, jobs of one person and the longest film; /limits off"""
    if text and not here.server_id:
        raise Refused("telegram.limits_where")
    if text:
        await operators.limit_server(talk.db, me(here), here.server_id, limits_in(text))
    rules = talk.intake.rules
    queue = rules.queue
    facts = {"user": queue.queued_per_user, "chat": queue.queued_per_chat, "all": queue.queued_in_all}
    image = rules.max_bytes // (1 << 20)
    html = sentence(here.locale, "telegram.limits", **facts, longest=rules.longest_seconds, image_mib=image)
    own = (await operators.server_limits(talk.db, here.server_id)).server if here.server_id else {}
    if own:
        html += "\n" + sentence(here.locale, "telegram.limits_here", limits=told(here.locale, own))
    await talk.tell(here, html)


def limits_in(text: str) -> dict[str, float]:
    """What `2 10s` sets for a group; nothing of its own after `off`. raises: Refused."""
    found: dict[str, float] = {}
    for part in text.lower().split():
        number = part.removesuffix("s")
        if not (number.isascii() and number.isdecimal() and 0 < int(number[:6]) <= 1000):
            if text.strip().lower() == "off":
                return {}
            raise Refused("telegram.limits_how")
        found["longest_seconds" if part.endswith("s") else "queued_per_user"] = float(number)
    return found


def whom(message: Message, text: str) -> tuple[str, str]:
    """The person that a command is about, and what else it says. raises: Refused."""
    first, _, rest = text.partition(" ")
    if first.isdecimal() and first.isascii() and 4 < len(first) < 20:
        return first, rest.strip()
    replied = replied_to(message)
    if replied is not None and replied.from_user is not None and not replied.from_user.is_bot:
        return str(replied.from_user.id), text
    raise Refused("telegram.ban_whom")


def me(here: Here) -> str:
    """The operator, as the audit names them."""
    return operators.who(TELEGRAM, here.user_id)


ADMIN: Final[Mapping[str, Command]] = {
    "status": status,
    "pause": pause,
    "resume": resume,
    "drain": drain,
    "ban": ban,
    "unban": unban,
    "limits": limits,
}
