"""/studio: what a server's admins and the operators may do. Discord hides it from all others."""

import json
from typing import TYPE_CHECKING, Any, Final

import discord
from discord import app_commands
from discord.app_commands import AppCommandChannel, Range, Transform

from bot.canvas import WAITS, absence, awaited, look
from bot.chat import number_of
from bot.discord_sender import STYLE
from bot.discord_server import ServerSettings, of_server, set_for
from bot.discord_words import Ix, word
from bot.errors import Refused
from bot.intake import need_decent
from bot.limits import told
from bot.operate import done
from bot.words import clean, say
from db import inbox, jobs, operators
from db.flows import ALL
from db.models import Platform, State
from db.rows import Deed, Job

if TYPE_CHECKING:
    from bot.discord_bot import DiscordBot

HERE: Final = Platform.DISCORD
HOUR_MS: Final = 3_600_000
DEEDS: Final = 10  # of the audit, in /studio config
SAID: Final = 80  # characters of a reason there


def studio(bot: "DiscordBot") -> app_commands.Group:
    """The group of commands."""
    here = app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False)
    group = app_commands.Group(
        name=word("name.studio"), description=word("about.studio"), allowed_contexts=here,
        default_permissions=discord.Permissions(manage_guild=True),
    )  # fmt: skip
    for commands in (_gates, _films, _bans, _limits, _channels, _config):
        commands(group, Desk(bot))
    return group


class Desk:
    """What its commands have in common."""

    def __init__(self, bot: "DiscordBot") -> None:
        self.bot, self.db = bot, bot.db

    def who(self, interaction: Ix) -> str:
        """Who does it, as the audit names them."""
        return operators.who(HERE, str(interaction.user.id))

    def scope(self, interaction: Ix) -> str:
        """Operators act on everything, a server's admin on that server. raises: Refused, for anybody else."""
        if interaction.user.id in self.bot.config.operators:
            return ALL
        if not interaction.permissions.manage_guild:
            raise Refused("refused.managers_only")
        return str(interaction.guild_id)

    async def tell(self, interaction: Ix, key: str, **facts: Any) -> None:
        """Answer with a sentence."""
        await self.bot.whisper(interaction, say(self.bot.locale(interaction), key, **facts))

    async def theirs(self, interaction: Ix, text: str) -> Job:
        """The job of that number, where it is theirs to decide about. raises: Refused, NoSuchJob."""
        job = await jobs.get(self.db, number_of(text))
        if self.scope(interaction) not in (ALL, job.server_id):
            raise Refused("refused.no_such_job")
        return job


def _gates(group: app_commands.Group, desk: Desk) -> None:
    @group.command(name=word("name.status"), description=word("about.status"))
    async def status(interaction: Ix) -> None:
        desk.scope(interaction)
        await desk.bot.whisper(interaction, await status_text(desk, interaction))

    @group.command(name=word("name.pause"), description=word("about.pause"))
    @app_commands.describe(reason=word("about.reason"), now=word("about.now"))
    @app_commands.rename(reason=word("name.reason"), now=word("name.now"))
    async def pause(interaction: Ix, reason: Range[str, 0, 200] = "", now: bool = False) -> None:
        await operators.pause(desk.db, desk.who(interaction), clean(reason), desk.scope(interaction), at_once=now)
        await desk.tell(interaction, "discord.paused")

    @group.command(name=word("name.resume"), description=word("about.resume"))
    async def resume(interaction: Ix) -> None:
        await operators.resume(desk.db, desk.who(interaction), desk.scope(interaction))
        await desk.tell(interaction, "discord.resumed")

    @group.command(name=word("name.drain"), description=word("about.drain"))
    @app_commands.describe(reason=word("about.reason"))
    @app_commands.rename(reason=word("name.reason"))
    async def drain(interaction: Ix, reason: Range[str, 0, 200] = "") -> None:
        await operators.drain(desk.db, desk.who(interaction), clean(reason), desk.scope(interaction))
        await desk.tell(interaction, "discord.drained")


async def status_text(desk: Desk, interaction: Ix) -> str:
    """What is closed and why, how long the line is, what holds it up."""
    locale = desk.bot.locale(interaction)
    state = await operators.state(desk.db, str(interaction.guild_id))
    open_ = await jobs.open_jobs(desk.db)
    running = sum(job.state == State.RUNNING for job in open_)
    lines = [
        say(
            locale,
            f"discord.status.{state.kind}{'_because' if state.reason else ''}",
            reason=STYLE.escape(state.reason),
        ),
        say(locale, "discord.status.queue", waiting=len(open_) - running, running=running),
        say(locale, "model.line", model=desk.bot.intake.model.name),
    ]
    held_up = {(WAITS[job.reason], awaited(job)) for job in open_ if job.state == State.QUEUED and job.reason in WAITS}
    if state.away is not None:
        lines.append(say(locale, f"headline.{absence(state.away.reason)}"))
    lines += [say(locale, f"headline.{trouble}", model=model) for trouble, model in sorted(held_up)]
    return "\n".join(lines)


def _films(group: app_commands.Group, desk: Desk) -> None:
    @group.command(name=word("name.cancel"), description=word("about.studio_cancel"))
    @app_commands.describe(job=word("about.job"))
    @app_commands.rename(job=word("name.job"))
    async def cancel(interaction: Ix, job: Range[str, 1, 20]) -> None:
        found = await desk.theirs(interaction, job)
        if found.state.terminal:
            raise Refused("refused.job_over")
        await operators.cancel(desk.db, desk.who(interaction), found.id)
        if not found.done:
            await desk.tell(interaction, "discord.cancelled", job=found.id)
            return
        keeps = (await of_server(desk.db, found.server_id)).keep_cancelled
        seconds = (await look(desk.db, found)).seconds_done
        key = f"discord.cancelled_{'keeps' if keeps else 'drops'}"
        await desk.tell(interaction, key, job=found.id, seconds=seconds)

    @group.command(name=word("name.priority"), description=word("about.priority"))
    @app_commands.describe(job=word("about.job"))
    @app_commands.rename(job=word("name.job"))
    async def priority(interaction: Ix, job: Range[str, 1, 20]) -> None:
        found = await desk.theirs(interaction, job)
        if desk.scope(interaction) != ALL:
            raise Refused("refused.operators_only")
        await operators.prioritise(desk.db, desk.who(interaction), found.id)
        await desk.tell(interaction, "discord.prioritised", job=found.id)


def _bans(group: app_commands.Group, desk: Desk) -> None:
    @group.command(name=word("name.ban"), description=word("about.ban"))
    @app_commands.describe(user=word("about.user"), hours=word("about.hours"), reason=word("about.reason"))
    @app_commands.rename(user=word("name.user"), hours=word("name.hours"), reason=word("name.reason"))
    async def ban(
        interaction: Ix, user: discord.User, hours: Range[int, 1, 8760] | None = None, reason: Range[str, 0, 200] = ""
    ) -> None:
        by, until = desk.who(interaction), desk.db.now() + hours * HOUR_MS if hours else None
        await operators.ban(desk.db, by, HERE, str(user.id), until, clean(reason), desk.scope(interaction))
        await desk.tell(interaction, "discord.banned", user=f"<@{user.id}>")

    @group.command(name=word("name.unban"), description=word("about.unban"))
    @app_commands.describe(user=word("about.user"))
    @app_commands.rename(user=word("name.user"))
    async def unban(interaction: Ix, user: discord.User) -> None:
        await operators.unban(desk.db, desk.who(interaction), HERE, str(user.id), desk.scope(interaction))
        await desk.tell(interaction, "discord.unbanned", user=f"<@{user.id}>")


def _limits(group: app_commands.Group, desk: Desk) -> None:
    @group.command(name=word("name.limits"), description=word("about.limits"))
    @app_commands.describe(
        user_jobs=word("about.user_jobs"), seconds=word("about.server_seconds"), role=word("about.role")
    )
    @app_commands.rename(user_jobs=word("name.user_jobs"), seconds=word("name.seconds"), role=word("name.role"))
    async def limits(
        interaction: Ix,
        user_jobs: Range[int, 1, 1000] | None = None,
        seconds: Range[int, 1, 600] | None = None,
        role: discord.Role | None = None,
    ) -> None:
        desk.scope(interaction)
        server, whose = str(interaction.guild_id), str(role.id) if role else ""
        given = {"queued_per_user": user_jobs, "longest_seconds": seconds}
        changed = {name: float(value) for name, value in given.items() if value is not None}
        own = await operators.server_limits(desk.db, server, (whose,) if whose else ())
        now = dict(next(iter(own.roles), {}) if whose else own.server)
        if changed:
            now |= changed
            await operators.limit_server(desk.db, desk.who(interaction), server, now, whose)
        said = told(desk.bot.locale(interaction), now)
        key = "discord.limits_role" if role else "discord.limits"
        await desk.tell(interaction, key, limits=said, **({"role": f"<@&{role.id}>"} if role else {}))


class Spoken(app_commands.Transformer):
    """A channel in which people write, or whose threads they write in; of the kinds that Discord's document names."""

    @property
    def type(self) -> discord.AppCommandOptionType:
        """Of the option."""
        return discord.AppCommandOptionType.channel

    @property
    def channel_types(self) -> list[discord.ChannelType]:
        """What Discord offers."""
        kind = discord.ChannelType
        return [kind.text, kind.news, kind.voice, kind.stage_voice, kind.forum]

    async def transform(self, interaction: Ix, value: AppCommandChannel, /) -> AppCommandChannel:
        """The channel as it was chosen."""
        return value


def _channels(group: app_commands.Group, desk: Desk) -> None:
    @group.command(name=word("name.channels"), description=word("about.channels"))
    @app_commands.describe(channel=word("about.channel"), allowed=word("about.allowed"))
    @app_commands.rename(channel=word("name.channel"), allowed=word("name.allowed"))
    async def channels(
        interaction: Ix, channel: Transform[AppCommandChannel, Spoken] | None = None, allowed: bool = True
    ) -> None:
        desk.scope(interaction)
        memo = f"discord.channels.{interaction.guild_id}"
        now = set(json.loads(await inbox.memo(desk.db, memo) or "[]"))
        if channel is not None:
            now = now | {str(channel.id)} if allowed else now - {str(channel.id)}
            await inbox.remember(desk.db, memo, json.dumps(sorted(now)))
        if not now:
            await desk.tell(interaction, "discord.channels_all")
        else:
            await desk.tell(interaction, "discord.channels", channels=" ".join(f"<#{each}>" for each in sorted(now)))


def _config(group: app_commands.Group, desk: Desk) -> None:
    @group.command(name=word("name.config"), description=word("about.config"))
    @app_commands.describe(
        prompt=word("about.server_prompt"), delete_cancels=word("about.delete_cancels"),
        keep_cancelled=word("about.keep_cancelled"),
    )  # fmt: skip
    @app_commands.rename(
        prompt=word("name.prompt"), delete_cancels=word("name.delete_cancels"),
        keep_cancelled=word("name.keep_cancelled"),
    )  # fmt: skip
    async def config(
        interaction: Ix,
        prompt: Range[str, 0, 500] | None = None,
        delete_cancels: bool | None = None,
        keep_cancelled: bool | None = None,
    ) -> None:
        scope = desk.scope(interaction)
        given: dict[str, Any] = {"delete_cancels": delete_cancels, "keep_cancelled": keep_cancelled}
        given["prompt"] = None if prompt is None else clean(prompt).strip("-– ")
        if given["prompt"]:
            need_decent(given["prompt"], desk.bot.intake.rules.blocked_words)
        changed = {name: value for name, value in given.items() if value is not None}
        server = await set_for(desk.db, str(interaction.guild_id), **changed)
        lines = [*config_lines(desk, interaction, server), *await deed_lines(desk, interaction, scope)]
        await desk.bot.whisper(interaction, "\n".join(lines))


def config_lines(desk: Desk, interaction: Ix, server: ServerSettings) -> list[str]:
    """What is configured, and what the server's admins have set."""
    rules, locale, model = desk.bot.intake.rules, desk.bot.locale(interaction), desk.bot.intake.model
    facts = {"longest": rules.longest_seconds, "per_user": rules.queue.queued_per_user}
    return [
        say(locale, "discord.config", **facts, qualities=rules.listed),
        say(locale, "discord.server_prompt", prompt=STYLE.quote(server.prompt or model.default_prompt)),
        say(locale, f"discord.delete_{'cancels' if server.delete_cancels else 'keeps'}"),
        say(locale, f"discord.{'keeps' if server.keep_cancelled else 'drops'}_cancelled"),
    ]


async def deed_lines(desk: Desk, interaction: Ix, scope: str) -> list[str]:
    """What was done lately."""
    locale, now = desk.bot.locale(interaction), desk.db.now()
    return [deed_line(locale, deed, now) for deed in await operators.audit(desk.db, DEEDS, scope)]


def deed_line(locale: str, deed: Deed, now_ms: int) -> str:
    """When, who, what, to whom or what, and why; what is not known is left out."""
    did = f"{_named(deed.by)} {done(locale, deed.action)}".strip()
    to = _named(deed.target)
    if deed.target.isdecimal():  # a film, or one of the server's roles
        to = f"<@&{deed.target}>" if deed.action == "limits" else say(locale, "chat.job", job=int(deed.target))
    parts = (STYLE.time(locale, deed.at_ms, now_ms), did, to, STYLE.escape(clean(deed.reason, SAID)))
    return " · ".join(part for part in parts if part)


def _named(who: str) -> str:
    """Somebody, as the audit names them."""
    user = who.removeprefix(f"{HERE}:")
    return STYLE.person(user) if user != who and user.isdecimal() else STYLE.escape(clean(who, 60))
