"""What the doctor says of those who are spoken to: Discord, Telegram, and the page's address."""

import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp

from bot.config import DiscordConfig, TelegramConfig, WebConfig
from bot.errors import Refused
from bot.page import check_address
from bot.page_guard import Guard
from bot.words import DEFAULT, say
from db.config import ServiceConfig
from db.errors import ConfigError
from db.finding import Finding

ANSWER_S: Final = 15.0


async def examine(
    discord: DiscordConfig, telegram: TelegramConfig, locale: str = DEFAULT, file: Path | None = None
) -> list[Finding]:
    """What is to be said of the chats. file: of the configuration, where there is one"""
    of_discord = partial(examine_discord, discord, locale=locale)
    of_telegram = partial(examine_telegram, telegram, locale=locale)
    return [
        await _of_chat(discord.secret, of_discord, Finding(None, say(locale, "doctor.discord_off")), file),
        await _of_chat(telegram.secret, of_telegram, Finding(None, say(locale, "doctor.telegram_off")), file),
    ]


async def _of_chat(
    secret: Callable[[], str], known: Callable[[str], Awaitable[Finding]], off: Finding, file: Path | None
) -> Finding:
    try:
        token = secret()
    except ConfigError as error:
        return Finding(False, error.named(file).said())
    return await known(token) if token else off


def away(locale: str, error: BaseException) -> str:
    """Why somebody cannot be reached, in words: what lies at the bottom of a library's error."""
    cause: BaseException | None = error
    seen: set[int] = set()  # `raise … from` can lead in a circle
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        match cause:
            case socket.gaierror() | aiohttp.ClientConnectorDNSError():
                return say(locale, "doctor.away_name")
            case ConnectionRefusedError():
                return say(locale, "doctor.away_refused")
            case ssl.SSLError() | ssl.CertificateError():
                return say(locale, "doctor.away_certificate")
            case TimeoutError():
                return say(locale, "doctor.away_time")
            case ValueError():
                return say(locale, "doctor.away_answer")
        cause = getattr(cause, "os_error", None) or cause.__cause__ or cause.__context__
    return say(locale, "doctor.away_broken")


def invite(application_id: int | str) -> str:
    """The link with which a server's admin adds the bot."""
    from bot.discord_bot import PERMISSIONS  # the chats' libraries take a second: only for those who have a token

    scope = "bot+applications.commands"
    return (
        f"https://discord.com/oauth2/authorize?client_id={application_id}&permissions={PERMISSIONS}"
        f"&integration_type=0&scope={scope}"
    )


async def examine_discord(config: DiscordConfig, token: str, locale: str = DEFAULT) -> Finding:
    """Whether Discord knows the token, and how a server gets the bot."""
    from discord.http import Route

    base = (config.api_base or Route.BASE).rstrip("/")
    headers = {"Authorization": f"Bot {token}", "User-Agent": "DiscordBot (flipbot, 0.1)"}
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S)) as session:
            async with session.get(f"{base}/users/@me", headers=headers) as answer:
                if answer.status == 401:
                    return Finding(False, say(locale, "doctor.discord_token"))
                me = await answer.json()
            async with session.get(f"{base}/oauth2/applications/@me", headers=headers) as answer:
                application = (await answer.json()).get("id", me.get("id"))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return Finding(False, say(locale, "doctor.discord_away", url=base, why=away(locale, error)))
    return Finding(True, say(locale, "doctor.discord", name=me.get("username"), url=invite(application)))


async def examine_telegram(config: TelegramConfig, token: str, locale: str = DEFAULT) -> Finding:
    """Whether the token is right; nobody answers: worth knowing."""
    from telegram.error import InvalidToken, TelegramError

    from bot.telegram_bot import TOKEN, make_bot

    if not TOKEN.fullmatch(token):
        return Finding(False, say(locale, "telegram.wrong_token"))
    try:
        async with make_bot(config, token) as bot:
            key = "doctor.telegram" if bot.can_read_all_group_messages else "doctor.telegram_private"
            return Finding(True, say(locale, key, name=bot.username))
    except InvalidToken:
        return Finding(False, say(locale, "telegram.wrong_token"))
    except TelegramError as error:
        return Finding(None, say(locale, "doctor.telegram_away", why=away(locale, error)))


async def examine_page(web: WebConfig, locale: str = DEFAULT, file: Path | None = None) -> Finding:
    """Whether the page can open where it is to."""
    try:
        Guard(web.host, web.secret(), web.public_url, guest_password=web.guest_secret()).check()
        await check_address(web.host, web.port)
    except Refused as refused:
        return Finding(False, say(locale, refused.key, **refused.facts))
    except ConfigError as error:
        return Finding(False, error.named(file).said())
    return Finding(True, say(locale, "doctor.page", host=web.host, port=web.port))


async def examine_metrics(
    service: ServiceConfig, web: WebConfig, locale: str = DEFAULT, file: Path | None = None
) -> list[Finding]:
    """Nothing where there are none; else whether they can open where they are to, beside the page."""
    try:
        at = service.metrics_at()
    except ConfigError as error:
        return [Finding(False, error.named(file).said())]
    if at is None:
        return []
    host, port = at
    refused = Finding(False, say(locale, "refused.metrics", host=host, port=port))
    if port and at == (web.host, web.port):
        return [refused]
    try:
        await check_address(host, port)
    except Refused:
        return [refused]
    return [Finding(True, say(locale, "doctor.metrics", host=host, port=port))]
