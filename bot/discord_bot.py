"""Discord: the gateway, slash commands, context menus, buttons and modals. Speaks intake's language inward.

A command is written down before it is answered (`db.inbox`), answered before anything slow begins, and its picture is
copied before it is a job: whatever dies in between, the next start goes on from there. The answer is an ordinary
message, the job's canvas; from then on the poster speaks, by the bot's token. What is turned down is said to the one
who asked, and to nobody else.
"""

import asyncio
import hashlib
import io
import json
import logging
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import discord
import yarl
from discord import app_commands, ui
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.alarm import Alarm, Text, told_each
from bot.canvas import look
from bot.chat import Now, Terms, checking, code, compose, job_of, left_alone, need_room, settings_of
from bot.config import DiscordConfig, SafetyConfig
from bot.discord_commands import Translator, add_commands
from bot.discord_forms import ForgetButton, HistorySelect, SureButton, TermsButton, fields_of, modal
from bot.discord_sender import NOBODY, STYLE, DiscordSender, FilmButton, content_of, short, view_of
from bot.discord_server import memo_of, of_server, settings_in, terms_of
from bot.discord_words import Ix
from bot.errors import Refused
from bot.held_up import held_up
from bot.intake import Asked, By, Intake, Wish
from bot.rush import Rush
from bot.sender import DISCORD, Pace
from bot.words import DEFAULT, clean, duration, listed, pick, say
from db import canvases, chats, doors, inbox, jobs, people, reports, requests
from db.connect import Database
from db.doors import Door, Knock
from db.errors import NoSuchJob
from db.media import Media
from db.models import Notice, Platform
from db.rows import At, Job, Person, Report
from db.trouble import TROUBLE, patiently

log = logging.getLogger("flipbot.discord")

HERE: Final = Platform.DISCORD
TERMS_VERSION: Final = 1
CDN: Final = ("cdn.discordapp.com", "media.discordapp.net")
FETCH_S: Final = 60.0  # for a picture of 20 MB over a slow line
LOOKED_AT: Final = 2  # pictures at once
ANSWERED_AT: Final = 32  # first answers at once: a new connection for each of a burst costs more than waiting for one
CHUNK: Final = 1 << 16
SYNCED: Final = "discord.commands"  # the memo of the hash of what was registered last; with the application's id: where
EVERYWHERE: Final = ""  # among the ids of the servers where commands are registered
SLOW_START_S: Final = 60.0
LOGIN_S: Final = (1.0, 60.0)  # between two tries to log in: the first time, and at most
TOLD_AFTER_S: Final = (0.0, 5.0, 30.0, 300.0, 1800.0)  # the moderators, of a report: before each try
FULL_PROMPT: Final = 1500  # characters in Details; a longer one comes as a file beside it
PERMISSIONS: Final = 274878024704  # view, send (in threads too), attach, embed, read history
NEEDED: Final = ("view_channel", "send_messages", "attach_files", "read_message_history")
NEEDED_IN_THREADS: Final = ("view_channel", "send_messages_in_threads", "attach_files", "read_message_history")
# How a call ends that does not reach Discord; a client that is being stopped says RuntimeError, "Session is closed".
NOT_SAID: Final = (discord.HTTPException, discord.RateLimited, aiohttp.ClientError, OSError, RuntimeError)


class Tree(app_commands.CommandTree[Any]):
    """Answers what goes wrong with one sentence, whatever it is."""

    async def on_error(self, interaction: Ix, error: app_commands.AppCommandError, /) -> None:
        """Discord.py's own checks, and everything that a command raised."""
        cause = error.__cause__ or error
        await self.client.sorry(interaction, cause)


class DiscordBot(discord.Client):
    """The bot's account. `run_for_ever` returns where Discord does not let it in; the service goes on without it."""

    def __init__(
        self,
        config: DiscordConfig,
        safety: SafetyConfig,
        intake: Intake,
        db: Database,
        media: Media,
        token: str,
        pace: Pace = DISCORD,
    ) -> None:
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # it never speaks
        super().__init__(
            intents=discord.Intents(guilds=True),
            allowed_mentions=NOBODY,
            max_messages=None,
            max_ratelimit_timeout=30.0,
            chunk_guilds_at_startup=False,
        )
        self.config, self.safety, self.intake, self.db, self.media, self._token = (
            config,
            safety,
            intake,
            db,
            media,
            token,
        )
        self.sender = DiscordSender(self, pace)
        self.tree = Tree(
            self,
            allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=False),
        )
        add_commands(self.tree, self)
        self._session: aiohttp.ClientSession | None = None
        self._working: set[asyncio.Task[None]] = set()
        self._looking = asyncio.Semaphore(LOOKED_AT)
        self._speaking = asyncio.Semaphore(ANSWERED_AT)
        self._rush = Rush()
        self.languages: dict[str, str] = {}  # of those who have chosen another one than their client's

    async def run(self) -> None:  # type: ignore[override]
        """Speak until cancelled. Where Discord refuses the token or the bot's rights, say so once and rest."""
        try:
            if self.config.api_base:
                Route.BASE = self.config.api_base.rstrip("/")
            await self._point_to_gateway(self.config.gateway)
            async with self:
                await self._log_in()
                if self.config.api_base and not self.config.gateway:
                    _, url, _ = await self.http.get_bot_gateway()
                    await self._point_to_gateway(url)
                await self.connect(reconnect=True)
        except discord.LoginFailure:
            log.error("Discord does not accept the token: copy it anew from the portal, Bot, Reset Token.")
        except discord.PrivilegedIntentsRequired:
            log.error(
                "Discord wants an intent switched on in the portal, which this bot does not ask for: check its id."
            )
        except discord.ConnectionClosed as error:
            log.error("Discord closed the connection for good (code %s): check the token in the portal.", error.code)
        except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
            log.error("Discord cannot be reached (%s): the service goes on without it.", type(error).__name__)
        except Exception:  # the library's own: a chat must not take the others and the engine with it
            log.exception("Discord's library stopped: the service goes on without it.")
        finally:
            for task in self._working:
                task.cancel()
            if self._session:
                await self._session.close()
        await asyncio.Event().wait()  # the other front-ends go on

    async def _log_in(self) -> None:
        """As soon as Discord can be reached: after a power cut a computer is up before its router.

        Once it has, discord.py reconnects by itself. raises: discord.LoginFailure
        """
        wait_s = LOGIN_S[0]
        while True:
            try:
                await self.login(self._token)
            except discord.LoginFailure:
                raise
            except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
                if wait_s == LOGIN_S[0]:
                    log.warning("Discord cannot be reached (%s), trying again.", type(error).__name__)
                await self.http.close()
                self.http.connector = discord.utils.MISSING  # the next login makes a new one
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, LOGIN_S[1])
            else:
                return

    async def _point_to_gateway(self, url: str) -> None:
        if url:
            DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(url)

    # Starting

    async def setup_hook(self) -> None:
        """Once, after the login and before the gateway."""
        self.add_dynamic_items(FilmButton, TermsButton, SureButton, ForgetButton, HistorySelect)
        await self.tree.set_translator(Translator())
        try:
            await self._learn_languages()
            await self.sync()
        except TROUBLE as trouble:  # the bot can speak without either; the next start sees to the commands
            log.warning("commands not compared, or not noted: %s", trouble)
            self._spawn(patiently(self._learn_languages, "discord's languages"))
        self._spawn(patiently(self._recover, "discord's inbox"))
        if self.config.operators:
            self._spawn(Alarm(self.db, HERE, self._tell_operators).run())

    async def _tell_operators(self, text: Text) -> bool:
        """In direct messages; whether any of them lets the bot in."""

        async def tell(id: int) -> None:
            channel = await self.create_dm(discord.Object(id))
            await channel.send(text(self.languages.get(str(id), DEFAULT)), allowed_mentions=NOBODY)

        return await told_each(self.config.operators, tell, *NOT_SAID)

    async def _learn_languages(self) -> None:
        self.languages = await people.languages(self.db, HERE) | self.languages

    async def sync(self) -> None:
        """Register the commands, if they are not what was registered last, and take them away where they were else."""
        translator = self.tree.translator
        assert translator is not None
        payload = [
            await command.get_translated_payload(self.tree, translator)
            for command in self.tree._get_all_commands(guild=None)
        ]
        told = json.dumps([self.application_id, list(self.config.guilds), payload], sort_keys=True)
        digest = hashlib.sha256(told.encode()).hexdigest()
        wanted = {str(guild_id) for guild_id in self.config.guilds} or {EVERYWHERE}
        scopes = f"{SYNCED}.{self.application_id}"
        before = set(json.loads(await inbox.memo(self.db, scopes) or json.dumps([EVERYWHERE])))
        if await inbox.memo(self.db, SYNCED) == digest and before == wanted:
            return
        await inbox.remember(self.db, scopes, json.dumps(sorted(before | wanted)))
        try:
            if self.config.guilds:
                for guild_id in self.config.guilds:
                    guild = discord.Object(guild_id)
                    self.tree.copy_global_to(guild=guild)
                    await self.tree.sync(guild=guild)
            else:
                await self.tree.sync()
            for scope in before - wanted:
                await self._unregister(scope)
        except discord.HTTPException as error:
            log.error("Discord did not take the commands (%s %s): they stay as they were.", error.status, error.code)
            return
        await inbox.remember(self.db, scopes, json.dumps(sorted(wanted)))
        await inbox.remember(self.db, SYNCED, digest)
        log.info("commands registered application=%s", self.application_id)

    async def _unregister(self, scope: str) -> None:
        """Take the commands away from a server, or from everywhere: else people see them twice."""
        application = self.application_id or 0
        if scope == EVERYWHERE:
            await self.http.bulk_upsert_global_commands(application, [])
            return
        with suppress(discord.Forbidden, discord.NotFound):  # the bot is not there any more, and so they are not
            await self.http.bulk_upsert_guild_commands(application, scope, [])

    async def on_ready(self) -> None:
        """The gateway is there."""
        log.info("ready user=%s guilds=%d", self.user, len(self.guilds))

    async def on_guild_channel_update(self, _: object, after: discord.abc.GuildChannel) -> None:
        """Its permissions may have changed: what could not be said there is tried again."""
        await self._reachable(chats.reachable, after.id)

    async def on_raw_thread_update(self, payload: discord.RawThreadUpdateEvent) -> None:
        """As for channels; discord.py knows no threads that were archived, which may be open again now."""
        await self._reachable(chats.reachable, payload.thread_id)

    async def on_guild_update(self, _: object, after: discord.Guild) -> None:
        """As for channels, in all of them."""
        await self._reachable(chats.server_reachable, after.id)

    async def on_guild_role_update(self, _: object, after: discord.Role) -> None:
        """Most permissions come by a role."""
        await self._reachable(chats.server_reachable, after.guild.id)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        """The bot was let in, perhaps once more."""
        await self._reachable(chats.server_reachable, guild.id)

    async def on_member_update(self, _: object, after: discord.Member) -> None:
        """Discord tells this of the bot itself without any intent: it may have got another role."""
        if self.user is not None and after.id == self.user.id:
            await self._reachable(chats.server_reachable, after.guild.id)

    async def _reachable(self, verb: Any, id: int) -> None:
        """Discord tells it once: it is written down as soon as that can be."""
        await patiently(lambda: verb(self.db, HERE, str(id)), "what Discord tells of its places")

    async def on_interaction(self, interaction: Ix) -> None:
        """Modals, whether this process opened them or the one before it."""
        if interaction.type != discord.InteractionType.modal_submit:
            return
        match str(interaction.custom_id).split(":"):
            case ["fp", act, what]:
                await self.guard(interaction, self.submitted(interaction, act, what, fields_of(interaction.data)))
            case _:
                return

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    # Answering

    async def guard(self, interaction: Ix, work: Any) -> None:
        """Answer whatever goes wrong in something that discord.py would only log."""
        try:
            await work
        except Exception as error:  # noqa: BLE001  (the person is told, the log has the rest)
            await self.sorry(interaction, error)

    async def sorry(self, interaction: Ix, error: BaseException) -> None:
        """One sentence about what went wrong."""
        locale = self.locale(interaction)
        if isinstance(error, Refused):
            text = say(locale, error.key, **error.facts)
        elif isinstance(error, NoSuchJob):
            text = say(locale, "refused.no_such_job")
        elif isinstance(error, discord.NotFound) and error.code == 10062:
            return  # too late for this interaction; the rows know what was asked
        elif isinstance(error, TROUBLE):
            log.warning("interaction held up: %s", error)
            refused = await asyncio.to_thread(held_up, self.media, error, self.intake.rules.min_free)
            text = say(locale, refused.key, **refused.facts)
        elif isinstance(error, aiohttp.ClientError) or (self.is_closed() and isinstance(error, NOT_SAID)):
            log.warning("interaction not answered: Discord is not reached any more (%s)", type(error).__name__)
            return  # or this front stands by now, and another one speaks
        else:
            log.error("interaction failed", exc_info=error)
            text = say(locale, "refused.trouble")
        await self.whisper(interaction, text)

    async def whisper(self, interaction: Ix, text: str, view: ui.View | None = None, rest: str = "") -> None:
        """Say something to this person alone. rest: what is too long for a message, as a file beside it."""
        more: dict[str, Any] = {"view": view} if view else {}
        if rest:
            more["file"] = discord.File(io.BytesIO(rest.encode()), filename="prompt.txt")
        text = short(text)
        try:
            if interaction.response.is_done():
                await interaction.followup.send(text, ephemeral=True, allowed_mentions=NOBODY, **more)
            else:
                await interaction.response.send_message(text, ephemeral=True, allowed_mentions=NOBODY, **more)
        except (discord.InteractionResponded, *NOT_SAID) as error:
            log.info("not said: %s", type(error).__name__)

    def locale(self, interaction: Ix) -> str:
        """What the person has chosen, or what their client speaks."""
        return self.languages.get(str(interaction.user.id)) or pick([str(interaction.locale)])

    # A command becomes a job

    def letter(self, interaction: Ix, **more: Any) -> dict[str, Any]:
        """What is asked, as it outlives a crash. The token is good for 15 minutes, and goes when it is handled."""
        return {
            "application": str(interaction.application_id),
            "token": interaction.token,
            "user": str(interaction.user.id),
            "chat": str(interaction.channel_id),
            "server": str(interaction.guild_id or ""),
            "locale": self.locale(interaction),
            "adult": adult(interaction),
            "roles": roles_of(interaction),
            **more,
        }

    async def admit(self, interaction: Ix) -> Door:
        """What can be said against a request before anything of it is looked at; what is known of who asks.

        raises: Refused
        """
        locale = self.locale(interaction)
        if interaction.guild_id is not None:
            threaded = isinstance(interaction.channel, discord.Thread)
            missing = [
                name
                for name in (NEEDED_IN_THREADS if threaded else NEEDED)
                if not getattr(interaction.app_permissions, name)
            ]
            if missing:
                names = listed(locale, [say(locale, f"discord.permission.{name}") for name in missing])
                raise Refused("refused.permissions", missing=names, channel=STYLE.place(str(interaction.channel_id)))
        server = str(interaction.guild_id or "")
        channels = f"discord.channels.{server}"
        door = await doors.look(
            self.db,
            Knock(
                platform=HERE, user_id=str(interaction.user.id), chat_id=str(interaction.channel_id),
                server_id=server, roles=roles_of(interaction), memos=(channels, memo_of(server)) if server else (),
            ),
        )  # fmt: skip
        allowed = json.loads(door.memos.get(channels, "[]"))
        if allowed and not {str(interaction.channel_id), above(interaction)} & set(allowed):
            raise Refused("refused.channel", channels=" ".join(f"<#{each}>" for each in allowed))
        if (ban := door.ban) is not None:
            reason = STYLE.escape(ban.reason) or say(locale, "ban.no_reason")
            if ban.until_ms is None:
                raise Refused("refused.banned", reason=reason)
            wait = duration(locale, (ban.until_ms - self.db.now()) / 1000)
            raise Refused("refused.banned_until", reason=reason, until=f"<t:{ban.until_ms // 1000}:f>", wait=wait)
        if door.unreachable is not None:
            await chats.reachable(self.db, HERE, str(interaction.channel_id))
        if door.person.shut and not server:
            await people.let_in(self.db, HERE, door.person.user_id)
        return door

    async def order(self, interaction: Ix, letter: dict[str, Any], door: Door, *, agreed: bool = False) -> None:
        """Take a request in: write it down, answer, then look at its picture. raises: Refused."""
        who = By(
            platform=HERE, user_id=letter["user"], chat_id=letter["chat"], locale=letter["locale"],
            server_id=letter["server"], roles=tuple(letter["roles"]),
        )  # fmt: skip
        await self.intake.foresee(who, self._wish_of(letter, door.person), door.limits, door.closed, door.queued)
        if self.safety.consent and not agreed and door.person.consent < TERMS_VERSION:
            await self._ask_consent(interaction, letter)
            return
        if not (letter.get("prompt") or "").strip():
            letter = {**letter, "prompt": settings_in(door.memos.get(memo_of(letter["server"]))).prompt}
        key = f"discord:{interaction.id}"
        with self._rush.answering():
            if not await inbox.receive(self.db, HERE, [(key, letter["user"], json.dumps(letter))]):
                return  # the gateway delivered it twice
            message_id = await self._answer(interaction, letter)
        await self._rush.quiet()  # in a burst, answers come before all else
        if message_id:  # the token, by which it could be found, lives 15 minutes
            with suppress(*TROUBLE):
                await inbox.note(self.db, key, json.dumps({**letter, "message": message_id}))
        async with self._looking:
            await self._rush.quiet()
            await self._work(key, letter, message_id, interaction)

    async def _answer(self, interaction: Ix, letter: Mapping[str, Any]) -> str | None:
        """The status message; None where it did not arrive or nobody knows, then the poster sends one."""
        private = letter.get("deliver") == "dm"
        text = say(letter["locale"], "discord.to_dm") if private else checking(letter["locale"])
        try:
            async with self._speaking:
                sent = await interaction.response.send_message(text, ephemeral=private, allowed_mentions=NOBODY)
            return None if private else str(sent.message_id)
        except NOT_SAID as error:
            log.info("not answered in time: %s", type(error).__name__)
            return None if private else await self._original(letter)

    async def _original(self, letter: Mapping[str, Any]) -> str | None:
        """The answer that a lost call left, where it did."""
        hook = discord.Webhook.partial(int(letter["application"]), letter["token"], client=self)
        try:
            return str((await hook.fetch_message("@original")).id)  # type: ignore[arg-type]
        except NOT_SAID:
            return None

    async def _work(self, key: str, letter: Mapping[str, Any], message_id: str | None, interaction: Ix | None) -> None:
        """Copy the picture and put the job in line; refused, the status message goes and the reason is whispered."""
        no: Refused | None = None
        try:
            job = await self._submit(key, letter, message_id)
            log.info("submitted job=%d", job.id)
        except Refused as refused:
            no = refused
        except Exception:
            if self.is_closed():  # its session, too; the next process goes on with it
                return
            log.exception("request failed")
            no = Refused("refused.trouble")
        if no is not None:
            await self._take_back(letter, message_id, no, interaction)
            if self.is_closed():  # it was said to nobody: the next process does
                return
        await inbox.handled_key(self.db, key)

    async def _submit(self, key: str, letter: Mapping[str, Any], message_id: str | None) -> Job:
        picture = await self.fetch(letter["url"])
        end = await self.fetch(letter["end_url"]) if letter.get("end_url") else None
        person = await people.get(self.db, HERE, letter["user"])
        wish = self._wish_of(letter, person)
        chat = letter["chat"]
        if letter.get("deliver") == "dm":
            chat = str((await self.create_dm(discord.Object(int(letter["user"])))).id)
            await chats.reachable(self.db, HERE, chat)  # whoever asks for it there may have opened it again
        at = At(
            message_id=message_id,
            message_ms=self.db.steady(),
            server_id="" if chat != letter["chat"] else letter["server"],
        )
        return await self.intake.submit(
            Asked(
                platform=HERE, user_id=letter["user"], chat_id=chat, locale=person.language or letter["locale"],
                picture=picture, end_picture=end, prompt=wish.prompt, key=key, seconds=wish.seconds,
                usual_seconds=wish.usual_seconds, quality=wish.quality, seed=wish.seed, server_id=letter["server"],
                roles=tuple(letter["roles"]), at=at, spoiler=bool(letter.get("spoiler") or person.spoiler),
                adult=bool(letter.get("adult")),
            )
        )  # fmt: skip

    def _wish_of(self, letter: Mapping[str, Any], person: Person) -> Wish:
        """What the letter says, and where it says nothing, what the person has chosen."""
        usual = person.quality if person.quality in self.intake.rules.qualities else None
        return Wish(
            prompt=letter.get("prompt") or "", seconds=letter.get("seconds"), usual_seconds=person.seconds,
            seed=letter.get("seed"), quality=letter.get("quality") or usual,
        )  # fmt: skip

    async def _take_back(
        self, letter: Mapping[str, Any], message_id: str | None, refused: Refused, interaction: Ix | None
    ) -> None:
        """Say no to the one who asked; where the token is too old, in the status message itself."""
        text = say(letter["locale"], refused.key, **refused.facts)
        try:
            if interaction is not None:
                await interaction.followup.send(text, ephemeral=True, allowed_mentions=NOBODY)
                if message_id:
                    await interaction.delete_original_response()
            elif message_id:
                there = self.get_partial_messageable(int(letter["chat"])).get_partial_message(int(message_id))
                await there.edit(content=text, allowed_mentions=NOBODY)
        except NOT_SAID as error:
            log.info("refusal not said: %s", type(error).__name__)

    async def fetch(self, url: str) -> bytes:
        """An attachment, as far as the limit; only from Discord's own hosts. raises: Refused."""
        host, most = urlsplit(url).hostname or "", self.intake.rules.max_bytes
        own = urlsplit(self.config.api_base)
        if host not in CDN and (not own.hostname or host != own.hostname):
            raise Refused("refused.picture_host")
        data = bytearray()
        try:
            async with asyncio.timeout(FETCH_S), self._http().get(url, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise Refused("refused.picture_fetch")
                async for chunk in answer.content.iter_chunked(CHUNK):
                    data += chunk
                    if len(data) > most:
                        raise Refused("refused.picture_too_big", got_mib=len(data) / 2**20, limit_mib=most / 2**20)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Refused("refused.picture_fetch") from error
        return bytes(data)

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session

    async def _recover(self) -> None:
        """Go on with what the last process left: requests that were not jobs yet. All are read before new ones come."""
        for letter in await inbox.unhandled(self.db, HERE, sys.maxsize):
            asked = json.loads(letter.content)
            if await requests.find(self.db, letter.key) is None:
                message_id = asked.get("message")
                if message_id is None and asked.get("deliver") != "dm":
                    message_id = await self._original(asked)
                await self._work(letter.key, asked, message_id, None)
            else:
                await inbox.handled_key(self.db, letter.key)

    async def _ask_consent(self, interaction: Ix, letter: Mapping[str, Any]) -> None:
        key = f"discord:consent:{interaction.id}"
        about = {**letter, "token": ""}
        question = await inbox.ask(self.db, key, HERE, letter["user"], letter["chat"], "consent", about)
        view = ui.View(timeout=None)
        view.add_item(TermsButton(question.id, say(letter["locale"], "discord.accept")))
        await self.whisper(interaction, say(letter["locale"], "discord.terms"), view)

    async def accepted(self, interaction: Ix, question_id: int) -> None:
        """They accept the terms: what they had asked goes on, as this interaction's."""
        question = await inbox.question(self.db, HERE, question_id=question_id)
        user = str(interaction.user.id)
        await people.accept(self.db, HERE, user, TERMS_VERSION)
        if question is None or question.user_id != user:
            await self.whisper(interaction, say(self.locale(interaction), "discord.accepted"))
            return
        await inbox.answered(self.db, question.id)
        letter = {**question.about, "token": interaction.token}
        await self.order(interaction, letter, await self.admit(interaction), agreed=True)

    # Buttons

    async def pressed(self, interaction: Ix, act: str, job_id: int) -> None:
        """Somebody pressed a button of a film's message."""
        await self.guard(interaction, self._pressed(interaction, act, job_id))

    async def _pressed(self, interaction: Ix, act: str, job_id: int) -> None:
        job = await jobs.get(self.db, job_id)
        if act == "report":
            await interaction.response.send_modal(modal(self.locale(interaction), "report", code(job_id)))
            return
        self.need_right(interaction, job)
        match act:
            case "stop":
                await self._wish(interaction, job, "stop")
            case "cancel" if job.done > 0 and not job.state.terminal:
                await self.ask_cancel(interaction, job)
            case "cancel":
                await self._wish(interaction, job, "cancel")
            case "edit" | "steer":
                locale = self.locale(interaction)
                await interaction.response.send_modal(modal(locale, act, code(job_id), job.prompt))
            case "seed":
                await self.anew(interaction, job, keep=0, seed="new")
            case "extend":
                view_now = await look(self.db, job)
                more = need_room(view_now, await self.terms(job))
                await self.anew(interaction, job, keep="all", add_seconds=more)
            case "again":
                await self.anew(interaction, job, keep=0)
            case "retry":
                await self.anew(interaction, job, keep="all")
            case "details":
                await self._details(interaction, job)
            case _:
                raise Refused("refused.request")

    def need_right(self, interaction: Ix, job: Job) -> None:
        """Owners, this channel's moderators and the operators. raises: Refused."""
        if str(interaction.user.id) == job.user_id and job.platform == HERE:
            return
        if not self.moderates(interaction, job):
            raise Refused("refused.not_yours")

    def moderates(self, interaction: Ix, job: Job) -> bool:
        """Whether they may do here what only the owner may."""
        if interaction.user.id in self.config.operators:
            return True
        if interaction.guild_id is None or job.platform != HERE:
            return False
        if interaction.channel_id == self.config.report_channel:  # whoever sees it is one of them
            return True
        here = job.chat_id == str(interaction.channel_id)
        return here and (interaction.permissions.manage_messages or interaction.permissions.manage_guild)

    def by(self, interaction: Ix, job: Job) -> By:
        """The one who presses, as the intake knows them."""
        return By(
            platform=HERE,
            user_id=str(interaction.user.id),
            chat_id=str(interaction.channel_id),
            locale=self.locale(interaction),
            server_id=str(interaction.guild_id or ""),
            moderator=self.moderates(interaction, job),
            roles=roles_of(interaction),
            adult=adult(interaction),
        )

    async def terms(self, job: Job) -> Terms:
        """What the film may become here."""
        return await terms_of(self.db, self.intake.rules.longest_seconds, job)

    async def ask_cancel(self, interaction: Ix, job: Job) -> None:
        """What shall become of what is ready: it stays in the message, unless the server has it otherwise, or goes."""
        locale, facts = self.locale(interaction), {"job": job.id, "seconds": (await look(self.db, job)).seconds_done}
        asked, keeps = "discord.cancel_drops", "discord.sure_cancel"
        if (await of_server(self.db, job.server_id)).keep_cancelled:
            asked, keeps = "chat.cancel_sure", "chat.cancel_keep"
        view = ui.View(timeout=None)
        for act, key in {"cancel": keeps, "scrap": "chat.cancel_delete", "leave": "chat.cancel_not"}.items():
            view.add_item(SureButton(act, job.id, say(locale, key, **facts)))
        await self.whisper(interaction, say(locale, asked, **facts), view)

    async def _wish(self, interaction: Ix, job: Job, wish: Any) -> None:
        await self.intake.wish(job, wish, str(interaction.user.id))
        await interaction.response.defer()  # of a button this shows nothing; the message itself changes

    async def anew(self, interaction: Ix, job: Job, **how: Any) -> None:
        """A new film out of this one, with a message of its own."""
        need_place(interaction, job)
        await self.admit(interaction)
        made = await self.intake.again(
            job.id, self.by(interaction, job), key=f"discord:{interaction.id}", canvas=True, **how
        )
        await self.show(interaction, made)

    async def show(self, interaction: Ix, job: Job) -> None:
        """Answer with the job's own message."""
        message = compose(job, await look(self.db, job), STYLE, await self.terms(job), Now(ms=self.db.now()))
        sent = await interaction.response.send_message(
            content_of(message), view=view_of(message.buttons, job.id), allowed_mentions=NOBODY
        )
        at = At(message_id=str(sent.message_id), message_ms=self.db.steady(), server_id=str(interaction.guild_id or ""))
        if not await canvases.placed(self.db, job.id, at):
            log.info("message of job=%d came too late", job.id)
            await canvases.beside(self.db, [job.id], HERE, str(interaction.channel_id), str(sent.message_id))
        self.db.notify()

    async def _details(self, interaction: Ix, job: Job) -> None:
        locale = self.locale(interaction)
        settings = settings_of(replace(job, locale=locale), await look(self.db, job), STYLE)
        lines = [say(locale, "chat.job", job=job.id), " · ".join(settings)]
        if job.parent_id:
            lines.append(say(locale, "chat.parent", job=job.parent_id))
        if job.prompt:
            lines.append(STYLE.quote(clean(job.prompt, FULL_PROMPT)))
        if job.film and (link := await self.intake.link(job.id)):
            lines.append(say(locale, "chat.watch", link=link))
        view = ui.View(timeout=None)
        if job.state.terminal:
            view.add_item(SureButton("delete", job.id, say(locale, "discord.delete")))
        view.add_item(FilmButton("report", job.id, say(locale, "chat.button.report")))
        rest = job.prompt if len(job.prompt) > FULL_PROMPT else ""
        await self.whisper(interaction, "\n".join(lines), view, rest)

    async def reshow(self, interaction: Ix, job_id: int) -> None:
        """A job's message again, here: it is its canvas from now on."""
        job = await jobs.get(self.db, job_id)
        self.need_right(interaction, job)
        need_place(interaction, job)
        await self.admit(interaction)
        message = compose(job, await look(self.db, job), STYLE, await self.terms(job), Now(ms=self.db.now()))
        sent = await interaction.response.send_message(
            content_of(message), view=view_of(message.buttons, job.id), allowed_mentions=NOBODY
        )
        chat_id, message_id = str(interaction.channel_id), str(sent.message_id)
        await canvases.beside(self.db, [job.id], HERE, chat_id, message_id)  # it goes, if the film just went
        where: dict[str, Any] = {"server_id": str(interaction.guild_id or ""), "message_ms": self.db.steady()}
        if job.state.terminal:
            where["notice"] = Notice.OVER  # they have it before them
        await canvases.create(self.db, job.id, HERE, chat_id, message_id, **where)

    async def forget(self, interaction: Ix) -> None:
        """Delete everything of the person, and say so."""
        gone = await people.forget(self.db, HERE, str(interaction.user.id))
        await self.intake.discard(gone.files)
        self.db.notify()
        self.languages.pop(str(interaction.user.id), None)
        text = say(self.locale(interaction), "discord.forgotten", count=len(gone.jobs))
        await interaction.response.edit_message(content=text, view=None)

    async def sure(self, interaction: Ix, act: str, job_id: int) -> None:
        """The second click of what takes something away."""
        job = await jobs.get(self.db, job_id)
        self.need_right(interaction, job)
        locale = self.locale(interaction)
        if act == "cancel":
            wished = await self.intake.wish(job, "cancel", str(interaction.user.id))
            said = say(locale, "headline.stopping" if wished.wish == "stop" else "headline.cancelling")
        elif act == "leave":
            said = left_alone(locale, job)
        else:
            if act == "scrap":  # of what grows; what has ended meanwhile is deleted as any is
                await self.intake.scrap(job_id)
            else:
                await self.intake.discard((await people.forget_job(self.db, job_id)).files)
            self.db.notify()
            said = say(locale, "discord.deleted")
        await interaction.response.edit_message(content=said, view=None)

    # Modals

    async def submitted(self, interaction: Ix, act: str, what: str, fields: Mapping[str, str]) -> None:
        """Somebody sent a modal's form."""
        if act == "menu":
            await self._from_menu(interaction, what, fields)
            return
        job = await jobs.get(self.db, job_of(what) or 0)
        if act == "report":
            await self._report(interaction, job, fields.get("reason", ""))
            return
        self.need_right(interaction, job)
        if act == "edit":
            await self.anew(interaction, job, keep=0, prompt=fields.get("prompt", ""))
        elif act == "steer":
            steered = await self.intake.steer(job.id, self.by(interaction, job), fields.get("prompt", ""))
            await self.whisper(interaction, say(self.locale(interaction), "discord.steered", job=steered.id))

    async def _from_menu(self, interaction: Ix, what: str, fields: Mapping[str, str]) -> None:
        question = await inbox.question(self.db, HERE, question_id=job_of(what) or 0)
        if question is None or question.user_id != str(interaction.user.id):
            raise Refused("refused.no_such_job")
        urls = question.about["urls"]
        which = int(fields["which"]) if fields.get("which", "").isdigit() else 1
        n = min(max(which, 1), len(urls)) - 1
        letter = self.letter(
            interaction, url=urls[n], prompt=fields.get("prompt", ""), seconds=fields.get("seconds") or None,
            quality=fields.get("quality") or None, seed=fields.get("seed") or None,
            spoiler=n in question.about.get("covered", ()),
        )  # fmt: skip
        await self.order(interaction, letter, await self.admit(interaction))

    async def _report(self, interaction: Ix, job: Job, reason: str) -> None:
        user, locale = str(interaction.user.id), self.locale(interaction)
        made, _ = await reports.report(self.db, job.id, HERE, user, clean(reason, 1000))
        await self.whisper(interaction, say(locale, "discord.reported"))
        if made.told_ms is None and self.config.report_channel:
            self._spawn(self._pass_on(made, job, self.get_partial_messageable(self.config.report_channel)))

    async def _pass_on(self, made: Report, job: Job, channel: discord.PartialMessageable) -> None:
        """Tell the moderators of a report, as often as it takes."""
        canvas = await canvases.get(self.db, job.id)
        link = ""
        if canvas and canvas.message_id:
            link = f"https://discord.com/channels/{canvas.server_id or '@me'}/{canvas.chat_id}/{canvas.message_id}"
        text = say("en", "discord.report", job=job.id, user=made.user_id, owner=job.user_id, link=link)
        view = ui.View(timeout=None)
        view.add_item(SureButton("delete", job.id, say("en", "discord.delete")))
        for wait_s in TOLD_AFTER_S:
            await asyncio.sleep(wait_s)
            try:
                await channel.send(f"{text}\n{STYLE.quote(made.reason)}", view=view, allowed_mentions=NOBODY)
            except NOT_SAID as error:
                log.warning("report of job=%d not passed on: %s", job.id, type(error).__name__)
            else:
                await patiently(partial(reports.told, self.db, made.id), "discord reports")
                return


def roles_of(interaction: Ix) -> tuple[str, ...]:
    """The ids of somebody's roles where they are."""
    return tuple(str(role.id) for role in getattr(interaction.user, "roles", ()))


def adult(interaction: Ix) -> bool:
    """Whether Discord restricts the channel to adults; of a thread, the channel above it."""
    channel = interaction.channel
    if isinstance(channel, discord.Thread):
        guild = interaction.client.get_guild(interaction.guild_id or 0)
        channel = guild.get_channel(channel.parent_id) if guild else None
    return bool(getattr(channel, "nsfw", False))


def above(interaction: Ix) -> str:
    """The channel of the thread that it was said in; "" elsewhere."""
    return str(interaction.channel.parent_id) if isinstance(interaction.channel, discord.Thread) else ""


def need_place(interaction: Ix, job: Job) -> None:
    """A film of a channel for adults is shown in such channels, and to its owner alone. raises: Refused."""
    if job.settings.get("adult") and interaction.guild_id is not None and not adult(interaction):
        raise Refused("refused.adults_only")
