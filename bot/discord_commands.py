"""Discord's slash commands and context menus: names, options, and what each does first.

Names, descriptions and options are sentences of `bot.words` too: Discord gets them in every language when they are
registered, and each person's client shows its own.
"""

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final, Literal

import discord
from discord import app_commands, ui
from discord.app_commands import Choice, Range, TranslationContextTypes, locale_str

from bot.canvas import look
from bot.chat import code, job_of, quality_name
from bot.discord_server import set_for
from bot.errors import Refused
from bot.intake import need_decent
from bot.words import LANGUAGES, clean, say
from bot.words.en import WORDS
from db import inbox, jobs, operators, people, requests
from db.flows import ALL
from db.models import Platform, State

if TYPE_CHECKING:
    from bot.discord_bot import DiscordBot

Ix = discord.Interaction[Any]

HERE: Final = Platform.DISCORD
TAGS: Final = {"zh": ("zh-CN", "zh-TW")}  # our languages by Discord's tags; one that is called alike needs no entry
LISTED: Final = 10
REMEMBERED: Final = 25  # films in /history, the most that a menu takes
HOUR_MS: Final = 3_600_000


def word(key: str) -> locale_str:
    """A name or description that is registered in every language."""
    return locale_str(WORDS[f"discord.{key}"], key=f"discord.{key}")


class Translator(app_commands.Translator):
    """Discord's localizations, out of the same files as every other sentence."""

    async def translate(
        self, string: locale_str, locale: discord.Locale, context: TranslationContextTypes
    ) -> str | None:
        """The text in that language; None where it has none, then Discord shows the English one."""
        key = string.extras.get("key")
        for language, words in LANGUAGES.items():
            if language != "en" and locale.value in TAGS.get(language, (language,)):
                return words.get(str(key))
        return None


def add_commands(tree: app_commands.CommandTree[Any], bot: "DiscordBot") -> None:
    """Put every command into the tree."""
    _films(tree, bot)
    _menus(tree, bot)
    _people(tree, bot)
    tree.add_command(_studio(bot))


def _described(**names: str) -> dict[str, locale_str]:
    return {option: word(f"about.{key}") for option, key in names.items()}


def _qualities(bot: "DiscordBot") -> list[Choice[str]]:
    def choice(quality: str) -> Choice[str]:
        key = f"quality.{quality}"
        name = locale_str(WORDS[key], key=key) if key in WORDS else quality[:100]
        return Choice(name=name, value=quality[:100])

    return [choice(quality) for quality in bot.intake.rules.qualities[:25]]


def _films(tree: app_commands.CommandTree[Any], bot: "DiscordBot") -> None:
    longest = max(1, int(bot.intake.rules.longest_seconds))

    @tree.command(name=word("name.animate"), description=word("about.animate"))
    @app_commands.describe(
        image=word("about.image"),
        prompt=word("about.prompt"),
        seconds=word("about.seconds"),
        quality=word("about.quality"),
        seed=word("about.seed"),
        end_image=word("about.end_image"),
        spoiler=word("about.spoiler"),
        deliver=word("about.deliver"),
    )
    @app_commands.rename(
        image=word("name.image"),
        prompt=word("name.prompt"),
        seconds=word("name.seconds"),
        quality=word("name.quality"),
        seed=word("name.seed"),
        end_image=word("name.end_image"),
        spoiler=word("name.spoiler"),
        deliver=word("name.deliver"),
    )
    @app_commands.choices(
        quality=_qualities(bot),
        deliver=[Choice(name=word("choice.here"), value="here"), Choice(name=word("choice.dm"), value="dm")],
    )
    async def animate(
        interaction: Ix,
        image: discord.Attachment,
        prompt: Range[str, 0, 4000] = "",
        seconds: Range[int, 1, longest] | None = None,
        quality: str | None = None,
        seed: Range[int, 0, 4294967295] | None = None,
        end_image: discord.Attachment | None = None,
        spoiler: bool = False,
        deliver: str = "here",
    ) -> None:
        for given in (image, end_image):
            if given is not None:
                judge(bot, given)
        door = await bot.admit(interaction)
        letter = bot.letter(
            interaction, url=image.url, end_url=end_image.url if end_image else None, prompt=prompt, seconds=seconds,
            quality=quality, seed=seed, spoiler=spoiler, deliver=deliver,
        )  # fmt: skip
        await bot.order(interaction, letter, door)

    @tree.command(name=word("name.queue"), description=word("about.queue"))
    async def queue(interaction: Ix) -> None:
        await bot.whisper(interaction, await queue_text(bot, interaction))

    @tree.command(name=word("name.cancel"), description=word("about.cancel"))
    @app_commands.describe(job=word("about.job"))
    @app_commands.rename(job=word("name.job"))
    async def cancel(interaction: Ix, job: Range[str, 1, 20]) -> None:
        found = await jobs.get(bot.db, job_of(job) or 0)
        bot.need_right(interaction, found)
        if found.state.terminal:
            raise Refused("refused.job_over")
        await requests.wish(bot.db, found.id, "cancel", str(interaction.user.id))
        await bot.whisper(interaction, say(bot.locale(interaction), "discord.cancelled", job=code(found.id)))

    @cancel.autocomplete("job")
    async def own_jobs(interaction: Ix, typed: str) -> list[Choice[str]]:
        mine = await jobs.recent(bot.db, 100, str(interaction.user.id), HERE)
        names = [(code(job.id), clean(f"{code(job.id)} · {job.prompt}", 100)) for job in mine if not job.state.terminal]
        typed = typed.strip().lower()
        return [Choice(name=name, value=value) for value, name in names if typed in name.lower()][:25]

    @tree.command(name=word("name.history"), description=word("about.history"))
    async def history(interaction: Ix) -> None:
        from bot.discord_bot import HistorySelect

        locale = bot.locale(interaction)
        mine = await jobs.recent(bot.db, REMEMBERED, str(interaction.user.id), HERE)
        if not mine:
            raise Refused("discord.no_films")
        options = [
            discord.SelectOption(
                label=clean(f"{code(job.id)} · {job.prompt}", 100), value=code(job.id),
                description=say(locale, f"state.{job.state}"),
            )
            for job in mine
        ]  # fmt: skip
        view = ui.View(timeout=None)
        view.add_item(HistorySelect(options))
        await bot.whisper(interaction, say(locale, "discord.history"), view)


def judge(bot: "DiscordBot", given: discord.Attachment) -> None:
    """What Discord says of an attachment; its bytes are judged later. raises: Refused."""
    most = bot.intake.rules.max_bytes
    if given.size > most:
        raise Refused("refused.picture_too_big", got_mib=given.size / 2**20, limit_mib=most / 2**20)
    if given.size == 0:
        raise Refused("refused.picture_empty")
    if given.content_type is not None and not given.content_type.startswith("image/"):
        raise Refused("refused.picture_unknown")


async def queue_text(bot: "DiscordBot", interaction: Ix) -> str:
    """What runs and what waits; one's own stand out, others' texts stay theirs."""
    locale, user = bot.locale(interaction), str(interaction.user.id)
    waiting = await jobs.open_jobs(bot.db)
    if not waiting:
        return say(locale, "terminal.queue_empty")
    views = [(job, await look(bot.db, job)) for job in waiting[:50]]
    views.sort(key=lambda pair: (pair[0].state != State.RUNNING, pair[1].place or 0))
    lines = []
    for job, view in views[:LISTED]:
        line = f"{code(job.id)} · {say(locale, view.headline, **view.facts)}"
        if view.eta_ms is not None:
            at = bot.sender.style.time(locale, bot.db.now() + view.eta_ms, bot.db.now())
            line += " · " + say(locale, "chat.ready", when=at)
        lines.append(f"**{line}**" if job.platform == HERE and job.user_id == user else line)
    if len(waiting) > LISTED:
        lines.append(say(locale, "discord.more", count=len(waiting) - LISTED))
    return "\n".join(lines)


def _menus(tree: app_commands.CommandTree[Any], bot: "DiscordBot") -> None:
    @tree.context_menu(name=word("menu.animate"))
    async def animate_image(interaction: Ix, message: discord.Message) -> None:
        from bot.discord_bot import Form

        locale = bot.locale(interaction)
        pictures = [a for a in message.attachments if a.content_type is None or a.content_type.startswith("image/")]
        if not pictures:
            raise Refused("refused.no_picture_there")
        for picture in pictures:
            judge(bot, picture)
        about = {"urls": [picture.url for picture in pictures]}
        key, user, chat = f"discord:menu:{interaction.id}", str(interaction.user.id), str(interaction.channel_id)
        question = await inbox.ask(bot.db, key, HERE, user, chat, "menu", about)
        form = Form(
            title=say(locale, "discord.menu.animate")[:45], custom_id=f"fp:menu:{code(question.id)}", timeout=3600.0
        )

        def field(name: str, *, long: bool = False, hint: str = "") -> None:
            style = discord.TextStyle.paragraph if long else discord.TextStyle.short
            form.add_item(
                ui.TextInput(
                    label=say(locale, f"discord.form.{name}")[:45], custom_id=name, style=style, required=False,
                    max_length=4000 if long else 20, placeholder=hint[:100] or None,
                )
            )  # fmt: skip

        if len(pictures) > 1:
            field("which", hint=f"1 … {len(pictures)}")
        field("prompt", long=True, hint=say(locale, "page.prompt_placeholder"))
        field("seconds", hint=f"{bot.intake.rules.default_seconds:g}")
        field("quality", hint=", ".join(bot.intake.rules.qualities))
        field("seed")
        await interaction.response.send_modal(form)

    @tree.context_menu(name=word("menu.report"))
    async def report_video(interaction: Ix, message: discord.Message) -> None:
        from bot.discord_bot import modal
        from db import canvases

        job_id = await canvases.showing(bot.db, HERE, str(message.channel.id), str(message.id))
        if job_id is None:
            raise Refused("refused.no_film_there")
        await interaction.response.send_modal(modal(bot.locale(interaction), "report", code(job_id)))


def _people(tree: app_commands.CommandTree[Any], bot: "DiscordBot") -> None:
    longest = max(1, int(bot.intake.rules.longest_seconds))

    @tree.command(name=word("name.settings"), description=word("about.settings"))
    @app_commands.describe(
        seconds=word("about.seconds"), quality=word("about.quality"), notify=word("about.notify"),
        language=word("about.language"),
    )  # fmt: skip
    @app_commands.rename(
        seconds=word("name.seconds"), quality=word("name.quality"), notify=word("name.notify"),
        language=word("name.language"),
    )  # fmt: skip
    @app_commands.choices(
        quality=_qualities(bot),
        notify=[Choice(name=word(f"choice.{each}"), value=each) for each in ("ping", "silent", "off")],
        language=[Choice(name=words["language.name"], value=tag) for tag, words in LANGUAGES.items()],
    )
    async def settings(
        interaction: Ix,
        seconds: Range[int, 1, longest] | None = None,
        quality: str | None = None,
        notify: Literal["ping", "silent", "off"] | None = None,
        language: str | None = None,
    ) -> None:
        wanted = {"seconds": seconds, "quality": quality, "notify": notify, "language": language}
        changed = {name: value for name, value in wanted.items() if value is not None}
        user = str(interaction.user.id)
        person = await people.prefer(bot.db, HERE, user, **changed) if changed else await people.get(bot.db, HERE, user)
        locale, rules = person.language or bot.locale(interaction), bot.intake.rules
        quality = person.quality if person.quality in rules.qualities else rules.qualities[0]
        await bot.whisper(
            interaction,
            say(
                locale, "discord.settings", seconds=person.seconds or rules.default_seconds,
                quality=quality_name(locale, str(quality)), notify=say(locale, f"discord.choice.{person.notify}"),
                language=LANGUAGES[locale]["language.name"] if locale in LANGUAGES else locale,
            ),
        )  # fmt: skip

    @tree.command(name=word("name.help"), description=word("about.help"))
    async def help(interaction: Ix) -> None:
        await bot.whisper(interaction, plain(bot.locale(interaction), "discord.help"))

    @tree.command(name=word("name.privacy"), description=word("about.privacy"))
    async def privacy(interaction: Ix) -> None:
        await bot.whisper(interaction, plain(bot.locale(interaction), "discord.privacy"))

    @tree.command(name=word("name.forget_me"), description=word("about.forget_me"))
    async def forget_me(interaction: Ix) -> None:
        view = ui.View(timeout=300.0)
        button: ui.Button[Any] = ui.Button(
            label=say(bot.locale(interaction), "discord.forget")[:80], style=discord.ButtonStyle.danger
        )

        async def forget(pressed: Ix) -> None:
            await bot.guard(pressed, _forget(bot, pressed))

        button.callback = forget  # type: ignore[method-assign, assignment]
        view.add_item(button)
        await bot.whisper(interaction, say(bot.locale(interaction), "discord.forget_sure"), view)


async def _forget(bot: "DiscordBot", interaction: Ix) -> None:
    gone = await people.forget(bot.db, HERE, str(interaction.user.id))
    await asyncio.to_thread(lambda: [bot.media.drop(sha) for sha in gone.files])
    bot.db.notify()
    text = say(bot.locale(interaction), "discord.forgotten", count=len(gone.jobs))
    await interaction.response.edit_message(content=text, view=None)


def plain(locale: str, key: str) -> str:
    """A text of several lines, as it stands in the file."""
    return LANGUAGES.get(locale, WORDS).get(key) or WORDS[key]


def _studio(bot: "DiscordBot") -> app_commands.Group:
    """What moderators and operators may do; Discord hides it from all others."""
    here = app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False)
    studio = app_commands.Group(
        name=word("name.studio"), description=word("about.studio"), allowed_contexts=here,
        default_permissions=discord.Permissions(manage_guild=True),
    )  # fmt: skip

    def who(interaction: Ix) -> str:
        return operators.who(HERE, str(interaction.user.id))

    def scope(interaction: Ix) -> str:
        """Operators act on everything, a server's admin on that server."""
        if interaction.user.id in bot.config.operators:
            return ALL
        if not interaction.permissions.manage_guild:
            raise Refused("refused.not_allowed")
        return str(interaction.guild_id)

    async def tell(interaction: Ix, key: str, **facts: Any) -> None:
        await bot.whisper(interaction, say(bot.locale(interaction), key, **facts))

    @studio.command(name=word("name.status"), description=word("about.status"))
    async def status(interaction: Ix) -> None:
        locale = bot.locale(interaction)
        scope(interaction)
        state = await operators.state(bot.db, str(interaction.guild_id))
        open_ = await jobs.open_jobs(bot.db)
        running = sum(job.state == State.RUNNING for job in open_)
        key = "paused" if state.paused else "draining" if state.draining else "open"
        lines = [
            say(locale, f"discord.status.{key}", reason=_escaped(state.reason) or "–"),
            say(locale, "discord.status.queue", waiting=len(open_) - running, running=running),
            say(locale, "model.line", model=bot.intake.model.name),
        ]
        await bot.whisper(interaction, "\n".join(lines))

    @studio.command(name=word("name.pause"), description=word("about.pause"))
    @app_commands.describe(reason=word("about.reason"))
    @app_commands.rename(reason=word("name.reason"))
    async def pause(interaction: Ix, reason: Range[str, 0, 200] = "") -> None:
        await operators.pause(bot.db, who(interaction), clean(reason), scope(interaction))
        await tell(interaction, "discord.paused")

    @studio.command(name=word("name.resume"), description=word("about.resume"))
    async def resume(interaction: Ix) -> None:
        await operators.resume(bot.db, who(interaction), scope(interaction))
        await tell(interaction, "discord.resumed")

    @studio.command(name=word("name.drain"), description=word("about.drain"))
    async def drain(interaction: Ix) -> None:
        await operators.drain(bot.db, who(interaction), "", scope(interaction))
        await tell(interaction, "discord.drained")

    async def theirs(interaction: Ix, text: str) -> Any:
        job = await jobs.get(bot.db, job_of(text) or 0)
        if scope(interaction) not in (ALL, job.server_id):
            raise Refused("refused.no_such_job")
        return job

    @studio.command(name=word("name.cancel"), description=word("about.studio_cancel"))
    @app_commands.describe(job=word("about.job"))
    @app_commands.rename(job=word("name.job"))
    async def cancel(interaction: Ix, job: Range[str, 1, 20]) -> None:
        found = await theirs(interaction, job)
        await operators.cancel(bot.db, who(interaction), found.id)
        await tell(interaction, "discord.cancelled", job=code(found.id))

    @studio.command(name=word("name.priority"), description=word("about.priority"))
    @app_commands.describe(job=word("about.job"))
    @app_commands.rename(job=word("name.job"))
    async def priority(interaction: Ix, job: Range[str, 1, 20]) -> None:
        found = await theirs(interaction, job)
        if scope(interaction) != ALL:
            raise Refused("refused.operators_only")
        await operators.prioritise(bot.db, who(interaction), found.id)
        await tell(interaction, "discord.prioritised", job=code(found.id))

    @studio.command(name=word("name.ban"), description=word("about.ban"))
    @app_commands.describe(user=word("about.user"), hours=word("about.hours"), reason=word("about.reason"))
    @app_commands.rename(user=word("name.user"), hours=word("name.hours"), reason=word("name.reason"))
    async def ban(
        interaction: Ix, user: discord.User, hours: Range[int, 1, 8760] | None = None, reason: Range[str, 0, 200] = ""
    ) -> None:
        until = bot.db.now() + hours * HOUR_MS if hours else None
        await operators.ban(bot.db, who(interaction), HERE, str(user.id), until, clean(reason), scope(interaction))
        await tell(interaction, "discord.banned", user=f"<@{user.id}>")

    @studio.command(name=word("name.unban"), description=word("about.unban"))
    @app_commands.describe(user=word("about.user"))
    @app_commands.rename(user=word("name.user"))
    async def unban(interaction: Ix, user: discord.User) -> None:
        await operators.unban(bot.db, who(interaction), HERE, str(user.id), scope(interaction))
        await tell(interaction, "discord.unbanned", user=f"<@{user.id}>")

    @studio.command(name=word("name.limits"), description=word("about.limits"))
    @app_commands.describe(user_jobs=word("about.user_jobs"), seconds=word("about.server_seconds"))
    @app_commands.rename(user_jobs=word("name.user_jobs"), seconds=word("name.seconds"))
    async def limits(
        interaction: Ix,
        user_jobs: Range[int, 1, 1000] | None = None,
        seconds: Range[int, 1, 600] | None = None,
    ) -> None:
        scope(interaction)
        server = str(interaction.guild_id)
        given = {"queued_per_user": user_jobs, "longest_seconds": seconds}
        changed = {name: float(value) for name, value in given.items() if value is not None}
        now = dict(await operators.server_limits(bot.db, server))
        if changed:
            now |= changed
            await operators.limit_server(bot.db, who(interaction), server, now)
        said = ", ".join(f"{name} = {value:g}" for name, value in now.items()) or "–"
        await tell(interaction, "discord.limits", limits=said)

    @studio.command(name=word("name.channels"), description=word("about.channels"))
    @app_commands.describe(channel=word("about.channel"), allowed=word("about.allowed"))
    @app_commands.rename(channel=word("name.channel"), allowed=word("name.allowed"))
    async def channels(interaction: Ix, channel: discord.TextChannel | None = None, allowed: bool = True) -> None:
        scope(interaction)
        memo = f"discord.channels.{interaction.guild_id}"
        now = set(json.loads(await inbox.memo(bot.db, memo) or "[]"))
        if channel is not None:
            now = now | {str(channel.id)} if allowed else now - {str(channel.id)}
            await inbox.remember(bot.db, memo, json.dumps(sorted(now)))
        if not now:
            await tell(interaction, "discord.channels_all")
        else:
            await tell(interaction, "discord.channels", channels=" ".join(f"<#{each}>" for each in sorted(now)))

    @studio.command(name=word("name.config"), description=word("about.config"))
    @app_commands.describe(prompt=word("about.server_prompt"), delete_cancels=word("about.delete_cancels"))
    @app_commands.rename(prompt=word("name.prompt"), delete_cancels=word("name.delete_cancels"))
    async def config(
        interaction: Ix, prompt: Range[str, 0, 500] | None = None, delete_cancels: bool | None = None
    ) -> None:
        scope(interaction)
        rules, locale = bot.intake.rules, bot.locale(interaction)
        given = {"prompt": None if prompt is None else clean(prompt).strip("-– "), "delete_cancels": delete_cancels}
        if given["prompt"]:
            need_decent(str(given["prompt"]), rules.blocked_words)
        changed = {name: value for name, value in given.items() if value is not None}
        server = await set_for(bot.db, str(interaction.guild_id), **changed)
        facts = {"longest": rules.longest_seconds, "per_user": rules.queue.queued_per_user}
        text = say(locale, "discord.config", **facts, qualities=", ".join(rules.qualities))
        prompt_said = say(
            locale, "discord.server_prompt", prompt=_quoted(server.prompt or bot.intake.model.default_prompt)
        )
        cancels = say(locale, f"discord.delete_{'cancels' if server.delete_cancels else 'keeps'}")
        deeds = await operators.audit(bot.db, 10, scope(interaction))
        lines = [f"{deed.action} · {clean(deed.target, 60)} · {clean(deed.by, 60)}" for deed in deeds]
        await bot.whisper(interaction, "\n".join([text, prompt_said, cancels, *lines]))

    return studio


def _quoted(text: str) -> str:
    """Somebody's text in a code span."""
    from bot.discord_sender import STYLE

    return STYLE.quote(text)


def _escaped(text: str) -> str:
    """An operator's own words, without a meaning for Discord."""
    from bot.discord_sender import STYLE

    return STYLE.escape(text)
