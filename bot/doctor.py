"""What the doctor says of those who are spoken to: Discord, Telegram, and the page's address."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import aiohttp

from bot.config import DiscordConfig, TelegramConfig, WebConfig
from bot.errors import Refused
from bot.page import check_address
from bot.page_guard import Guard
from bot.words import DEFAULT, say
from db.errors import ConfigError
from db.finding import Finding

ANSWER_S: Final = 15.0


async def examine(discord: DiscordConfig, telegram: TelegramConfig, locale: str = DEFAULT) -> list[Finding]:
    """What is to be said of the chats; nothing of one that has no token."""
    return [
        *await _of_chat(discord.secret, partial(examine_discord, discord, locale=locale)),
        *await _of_chat(telegram.secret, partial(examine_telegram, telegram, locale=locale)),
    ]


async def _of_chat(secret: Callable[[], str], known: Callable[[str], Awaitable[Finding]]) -> list[Finding]:
    try:
        token = secret()
    except ConfigError as error:
        return [Finding(False, error.said())]
    return [await known(token)] if token else []


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
        return Finding(False, say(locale, "doctor.discord_away", url=base, why=type(error).__name__))
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
        return Finding(None, say(locale, "doctor.telegram_away", why=type(error).__name__))


async def examine_page(web: WebConfig, locale: str = DEFAULT) -> Finding:
    """Whether the page can open where it is to."""
    try:
        Guard(web.host, web.secret(), web.public_url, guest_password=web.guest_secret()).check()
        await check_address(web.host, web.port)
    except Refused as refused:
        return Finding(False, say(locale, refused.key, **refused.facts))
    except ConfigError as error:
        return Finding(False, error.said())
    return Finding(True, say(locale, "doctor.page", host=web.host, port=web.port))
