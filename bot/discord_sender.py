"""Discord, to the poster: how it writes, its buttons, its calls and what they fail with.

Every message and every edit carries `allowed_mentions`: an edit without it would be parsed with Discord's own defaults,
whatever the message was sent with. Edits go by the bot's token, for an interaction's token lives 15 minutes.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import aiohttp
import discord
from discord import ui

from bot.chat import Act, Button, ChatMessage, Style, code, job_of
from bot.sender import (
    DISCORD,
    Blocked,
    Closed,
    Failed,
    Film,
    Gone,
    Pace,
    PutOff,
    SendError,
    Spot,
    TooBig,
    Unknown,
    Unreachable,
)
from bot.words import clean
from db.models import Platform

T = TypeVar("T")

NOBODY: Final = discord.AllowedMentions.none()
LIMIT_BYTES: Final = 10 * 2**20  # of a file, in direct messages and servers without boosts (since 2025-01-16)
CONTENT_LIMIT: Final = 2000
CALL_S: Final = 120.0  # a call with a large film over a home's uplink
FLAGS: Final = re.compile(r"[<>@#]")  # begin mentions, times, channels and links in angle brackets
LOOKS: Final = {
    "plain": discord.ButtonStyle.secondary,
    "main": discord.ButtonStyle.primary,
    "danger": discord.ButtonStyle.danger,
}

# https://docs.discord.com/developers/topics/opcodes-and-status-codes, JSON error codes
UNKNOWN_MESSAGE: Final = 10008
GONE_CHANNELS: Final = (10003, 10004)  # channel, guild
NO_ACCESS: Final = (50001, 50007, 50013, 50278)  # missing access, DMs closed, missing permissions, no mutual guilds
NO_TEXT: Final = 50008  # a channel without messages of its own, such as a forum
NO_CHAT: Final = (0, 40333)  # with a 403: what stands before Discord refused the call, whatever chat it was for
ARCHIVED: Final = 50083
LOCKED: Final = 160005
TOO_BIG: Final = (40005, 400001)
OLD_MESSAGE: Final = 30046  # edits to messages older than an hour
FILTERED: Final = (200000, 200001)


class DiscordStyle:
    """How Discord writes."""

    def time(self, locale: str, at_ms: int, now_ms: int) -> str:
        """A mark that every client shows in its own language, and keeps ticking."""
        return f"<t:{at_ms // 1000}:R>"

    def quote(self, text: str) -> str:
        """In a code span nothing formats, mentions or links; only a backtick could end it."""
        said = clean(text).replace("`", "ˋ")
        return f"`{said}`" if said else ""

    def escape(self, text: str) -> str:
        """Without a meaning for markdown, mentions and links."""
        said = discord.utils.escape_markdown(clean(text), ignore_links=False)
        return FLAGS.sub(lambda found: found[0] + "\u2060", said)

    def strong(self, text: str) -> str:
        """Bold."""
        return f"**{text}**"

    def person(self, user_id: str) -> str:
        """Shown as a name; it calls nobody unless `allowed_mentions` says so."""
        return f"<@{user_id}>" if user_id.isdigit() else "?"

    def place(self, chat_id: str) -> str:
        """Shown as the channel's name, to those who see it."""
        return f"<#{chat_id}>" if chat_id.isdigit() else ""


STYLE: Final = DiscordStyle()
Pressed = Callable[[discord.Interaction[Any], Act, int], Awaitable[None]]


class FilmButton(ui.DynamicItem[ui.Button[Any]], template=r"fp:(?P<act>[a-z]+):(?P<job>[0-9a-z]{1,12})"):
    """A button of a film's message. What it does stands in its id, so it works after every restart."""

    def __init__(self, act: str, job: int, label: str = "…", look: str = "plain") -> None:
        custom_id = f"fp:{act}:{code(job)}"
        super().__init__(ui.Button(label=label[:80], style=LOOKS[look], custom_id=custom_id))
        self.act, self.job = act, job

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str], /
    ) -> "FilmButton":
        """The button that somebody has pressed."""
        return cls(match["act"], job_of(match["job"]) or 0)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Hand it on; discord.py would only log what goes wrong here."""
        await interaction.client.pressed(interaction, self.act, self.job)


def view_of(rows: tuple[tuple[Button, ...], ...], job: int) -> ui.View:
    """The buttons as discord.py has them; with dynamic items only, nothing of it stays in memory."""
    view = ui.View(timeout=None)
    for number, row in enumerate(rows):
        for button in row:
            item = FilmButton(button.act, job, button.label, button.look)
            item.item.row = number
            view.add_item(item)
    return view


def content_of(message: ChatMessage) -> str:
    """The text, which our own sentences never make too long; somebody's reason might."""
    return short(message.text)


def short(text: str) -> str:
    """As much of it as a message takes."""
    return text if len(text) <= CONTENT_LIMIT else text[: CONTENT_LIMIT - 1] + "…"


class DiscordSender:
    """Implements Sender over a running client."""

    platform = Platform.DISCORD
    nonce = True
    text_first = False
    style: Style = STYLE

    def __init__(self, client: discord.Client, pace: Pace = DISCORD) -> None:
        self.client, self._pace = client, pace

    def pace(self, chat_id: str) -> Pace:
        """The same for every channel."""
        return self._pace

    def limit_bytes(self, spot: Spot) -> int:
        """A server's boosts count; the person's own subscription does not, for it is the bot that uploads."""
        guild = self.client.get_guild(int(spot.server_id)) if spot.server_id.isdigit() else None
        return guild.filesize_limit if guild else LIMIT_BYTES

    async def send(self, spot: Spot, message: ChatMessage, film: Film | None, nonce: str) -> str:
        """Send a new message, as a reply where it answers one that is still there."""
        channel = self._channel(spot)

        async def call() -> str:
            with _files(film) as files:
                sent = await channel.send(
                    content_of(message),
                    files=files,
                    view=view_of(message.buttons, message.job),
                    allowed_mentions=NOBODY,
                    nonce=nonce,
                    silent=True,
                    **_reply(spot),
                )
            return str(sent.id)

        return await self._call(spot, call)

    async def edit(self, spot: Spot, message: ChatMessage, film: Film | None) -> None:
        """Change the message; `attachments` lists exactly what it shall have, else a new film would stand beside it."""
        there = self._channel(spot).get_partial_message(int(spot.message_id or 0))

        async def call() -> None:
            with _files(film) as files:
                more: dict[str, Any] = {"attachments": files} if film or message.dropped else {}
                await there.edit(
                    content=content_of(message),
                    view=view_of(message.buttons, message.job),
                    allowed_mentions=NOBODY,
                    **more,
                )

        await self._call(spot, call)

    async def delete(self, spot: Spot) -> None:
        """Delete the message."""
        there = self._channel(spot).get_partial_message(int(spot.message_id or 0))
        try:
            await self._call(spot, there.delete)
        except Gone:
            return

    async def notify(self, spot: Spot, text: str, user_id: str, nonce: str, *, silent: bool) -> None:
        """A reply that pings this one person."""
        only = discord.AllowedMentions(
            everyone=False, roles=False, users=[discord.Object(int(user_id))], replied_user=False
        )
        reply = _reply(Spot(chat_id=spot.chat_id, reply_to=spot.message_id))
        channel = self._channel(spot)
        await self._call(spot, lambda: channel.send(text, allowed_mentions=only, nonce=nonce, silent=silent, **reply))

    async def revive(self, spot: Spot, text: str) -> None:
        """A new message opens an archived thread."""
        channel = self._channel(spot)
        await self._call(spot, lambda: channel.send(text, allowed_mentions=NOBODY, silent=True))

    async def alone(self, user_id: str) -> str:
        """The channel of direct messages with this person; there is one even where they let nothing in."""
        made = await self._call(Spot(chat_id=""), lambda: self.client.create_dm(discord.Object(int(user_id))))
        return str(made.id)

    def _channel(self, spot: Spot) -> discord.PartialMessageable:
        return self.client.get_partial_messageable(int(spot.chat_id))

    async def _call(self, spot: Spot, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call, and say in the poster's words what became of it."""
        try:
            async with asyncio.timeout(CALL_S):
                return await call()
        except discord.HTTPException as error:
            if error.code == LOCKED:
                raise await self._locked(spot) from error
            raise self._mapped(error) from error
        except Exception as error:
            raise self._mapped(error) from error

    def _mapped(self, error: Exception) -> SendError:
        match error:
            case discord.RateLimited():
                return PutOff(error.retry_after)
            case discord.HTTPException(code=code) if code == OLD_MESSAGE:
                return PutOff(retry_after(error, 10.0))
            case discord.HTTPException(status=429):
                return PutOff(retry_after(error, 60.0), "all")
            case discord.HTTPException(code=code) if code == UNKNOWN_MESSAGE:
                return Gone()
            case discord.HTTPException(code=code) if code == ARCHIVED:
                return Closed()
            case discord.HTTPException(code=code) if code in FILTERED:
                return Blocked()
            case discord.HTTPException(status=413):
                return TooBig()
            case discord.HTTPException(code=code) if code in TOO_BIG:
                return TooBig()
            case discord.HTTPException(status=401):  # about the token, not about this chat
                return PutOff(60.0, "all")
            case discord.HTTPException(status=403, code=code) if code not in NO_CHAT:
                return Unreachable(f"{code} {error.text}")
            case discord.HTTPException(code=code) if code in (*GONE_CHANNELS, *NO_ACCESS, NO_TEXT):
                return Unreachable(f"{code} {error.text}")
            case discord.HTTPException(status=status) if status >= 500:
                return Unknown()
            case discord.HTTPException(status=status, code=code):
                return Failed(f"{status} {code}")
            case aiohttp.ClientConnectorError() | FileNotFoundError():  # the latter of a film: there is a longer one
                return Failed(str(error))
            case aiohttp.ClientError() | TimeoutError() | OSError():
                return Unknown()
            case _:
                return Failed(repr(error))

    async def _locked(self, spot: Spot) -> SendError:
        """Of a locked thread: the channel above it. Discord is asked, for discord.py forgets archived threads."""
        try:
            async with asyncio.timeout(CALL_S):
                thread = await self.client.fetch_channel(int(spot.chat_id))
        except (discord.NotFound, discord.Forbidden) as error:
            return Unreachable(f"{error.code} {error.text}")
        except Exception as error:  # noqa: BLE001  (the lock will be met again)
            return Failed(repr(error))
        above = getattr(thread, "parent_id", None)
        return Closed(str(above)) if above else Unreachable(f"{LOCKED} nothing is above it")


def retry_after(error: discord.HTTPException, otherwise: float) -> float:
    """What Discord says in the answer's header."""
    try:
        return float(error.response.headers.get("Retry-After", otherwise))
    except (TypeError, ValueError):
        return otherwise


class _files:
    """The film as discord.py takes it, for one call: a File is used up by it, retries within the call rewind it."""

    def __init__(self, film: Film | None) -> None:
        self.film = film
        self.files: list[discord.File] = []

    def __enter__(self) -> list[discord.File]:
        if self.film:
            alt = self.film.alt[:1024] or None
            self.files = [discord.File(self.film.path, filename=self.film.name, description=alt)]
        return self.files

    def __exit__(self, *_: object) -> None:
        for file in self.files:
            file.close()


def _reply(spot: Spot) -> dict[str, Any]:
    if not spot.reply_to or not spot.reply_to.isdigit():
        return {}
    reference = discord.MessageReference(
        message_id=int(spot.reply_to), channel_id=int(spot.chat_id), fail_if_not_exists=False
    )
    return {"reference": reference, "mention_author": False}
