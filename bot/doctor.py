"""What the doctor says of those who are spoken to: Discord, Telegram, and the page's address."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import aiohttp

from bot.config import DiscordConfig, TelegramConfig, WebConfig
from bot.errors import Refused
from bot.page import check_address
from bot.page_guard import Guard
from bot.words import clean, say
from db.errors import ConfigError
from db.finding import Finding

ANSWER_S: Final = 15.0


async def examine(discord: DiscordConfig, telegram: TelegramConfig) -> list[Finding]:
    """What is to be said of the chats; nothing of one that has no token."""
    return [
        *await _of_chat(discord.secret, partial(examine_discord, discord)),
        *await _of_chat(telegram.secret, partial(examine_telegram, telegram)),
    ]


async def _of_chat(secret: Callable[[], str], known: Callable[[str], Awaitable[Finding]]) -> list[Finding]:
    try:
        token = secret()
    except ConfigError as error:
        return [Finding(False, str(error))]
    return [await known(token)] if token else []


def invite(application_id: int | str) -> str:
    """The link with which a server's admin adds the bot."""
    from bot.discord_bot import PERMISSIONS  # the chats' libraries take a second: only for those who have a token

    scope = "bot+applications.commands"
    return (
        f"https://discord.com/oauth2/authorize?client_id={application_id}&permissions={PERMISSIONS}"
        f"&integration_type=0&scope={scope}"
    )


async def examine_discord(config: DiscordConfig, token: str) -> Finding:
    """Whether Discord knows the token, and how a server gets the bot."""
    from discord.http import Route

    base = (config.api_base or Route.BASE).rstrip("/")
    headers = {"Authorization": f"Bot {token}", "User-Agent": "DiscordBot (flipbot, 0.1)"}
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S)) as session:
            async with session.get(f"{base}/users/@me", headers=headers) as answer:
                if answer.status == 401:
                    sentence = "Discord does not accept the token: copy it anew from the portal, Bot, Reset Token."
                    return Finding(False, sentence)
                me = await answer.json()
            async with session.get(f"{base}/oauth2/applications/@me", headers=headers) as answer:
                application = (await answer.json()).get("id", me.get("id"))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        why = f"({type(error).__name__}): check the network, then try again."
        return Finding(False, f"Discord cannot be reached at {base} {why}")
    name = clean(str(me.get("username")))
    return Finding(True, f"Discord knows the token ({name}). Invite it: {invite(application)}")


async def examine_telegram(config: TelegramConfig, token: str) -> Finding:
    """Whether the token is right; nobody answers: worth knowing."""
    from telegram.error import InvalidToken, TelegramError

    from bot.telegram_bot import TOKEN, make_bot

    if not TOKEN.fullmatch(token):
        return Finding(False, say("en", "telegram.wrong_token"))
    try:
        async with make_bot(config, token) as bot:
            hears = "" if bot.can_read_all_group_messages else ", with privacy mode on"
            return Finding(True, f"Telegram knows the bot as @{bot.username}{hears}.")
    except InvalidToken:
        return Finding(False, say("en", "telegram.wrong_token"))
    except TelegramError as error:
        why = type(error).__name__
        return Finding(None, f"Telegram cannot be reached from here ({why}), so the token was not tried.")


async def examine_page(web: WebConfig) -> Finding:
    """Whether the page can open where it is to."""
    try:
        Guard(web.host, web.secret(), web.public_url, guest_password=web.guest_secret()).check()
        await check_address(web.host, web.port)
    except Refused as refused:
        return Finding(False, say("en", refused.key, **refused.facts))
    except ConfigError as error:
        return Finding(False, str(error))
    return Finding(True, f"The page can open at {web.host}, port {web.port}.")
