"""Discord's slash commands and context menus: names, options, and what each does first.

Names, descriptions and options are sentences of `bot.words` too: Discord gets them in every language when they are
registered, and each person's client shows its own.
"""

import inspect
from typing import TYPE_CHECKING, Any, Final, Literal

import discord
from discord import app_commands, ui
from discord.app_commands import Choice, Range, TranslationContextTypes, locale_str

from bot.canvas import look
from bot.chat import code, number_of, quality_name
from bot.discord_forms import ForgetButton, Form, HistorySelect, modal
from bot.discord_sender import STYLE
from bot.discord_studio import studio
from bot.discord_words import Ix, word
from bot.errors import Refused
from bot.picture import judge_size
from bot.words import LANGUAGES, clean, listed, say, typed_quality
from bot.words.en import WORDS
from db import canvases, inbox, jobs, people
from db.models import Platform

if TYPE_CHECKING:
    from bot.discord_bot import DiscordBot

HERE: Final = Platform.DISCORD
TAGS: Final = {"zh": ("zh-CN", "zh-TW")}  # our languages by Discord's tags; one that is called alike needs no entry
PROMPT_SHOWN: Final = 60  # characters of one's own, in /queue
LISTED: Final = 11  # films in /queue: the one being made, and the next ten
REMEMBERED: Final = 25  # films in /history, the most that a menu takes


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
    tree.add_command(studio(bot))


def _qualities(bot: "DiscordBot") -> list[Choice[str]]:
    def choice(quality: str) -> Choice[str]:
        key = f"quality.{quality}"
        name = locale_str(WORDS[key], key=key) if key in WORDS else quality[:100]
        return Choice(name=name, value=quality[:100])

    return [choice(quality) for quality in bot.intake.rules.listed[:25]]


OPTIONS: Final = ("image", "prompt", "seconds", "quality", "seed", "end_image", "spoiler", "deliver")


def _films(tree: app_commands.CommandTree[Any], bot: "DiscordBot") -> None:
    _animate(tree, bot)
    _cancel(tree, bot)

    @tree.command(name=word("name.queue"), description=word("about.queue"))
    async def queue(interaction: Ix) -> None:
        await bot.whisper(interaction, await queue_text(bot, interaction))

    @tree.command(name=word("name.history"), description=word("about.history"))
    async def history(interaction: Ix) -> None:
        await bot.whisper(interaction, *await history_menu(bot, interaction))


def _animate(tree: app_commands.CommandTree[Any], bot: "DiscordBot") -> None:
    """/animate; an end picture can be given only where the model can end a film on one."""
    longest = longest_of(bot)

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
            quality=quality, seed=seed, spoiler=spoiler or covered(image, end_image), deliver=deliver,
        )  # fmt: skip
        await bot.order(interaction, letter, door)

    options = [name for name in OPTIONS if name != "end_image" or bot.intake.model.ends]
    known = inspect.signature(animate)
    kept = [known.parameters[name] for name in ("interaction", *options)]
    animate.__signature__ = known.replace(parameters=kept)  # type: ignore[attr-defined]  # discord.py reads it
    here_or_dm = [Choice(name=word("choice.here"), value="here"), Choice(name=word("choice.dm"), value="dm")]
    app_commands.describe(**{name: word(f"about.{name}") for name in options})(animate)
    app_commands.rename(**{name: word(f"name.{name}") for name in options})(animate)
    app_commands.choices(quality=_qualities(bot), deliver=here_or_dm)(animate)
    tree.command(name=word("name.animate"), description=word("about.animate"))(animate)


def longest_of(bot: "DiscordBot") -> int:
    """The most seconds that anybody may ask for: some roles may ask for more than others."""
    rules = bot.intake.rules
    most = max([rules.longest_seconds, *(role.longest_seconds or 0 for role in rules.roles.values())])
    return max(1, int(most))


def _cancel(tree: app_commands.CommandTree[Any], bot: "DiscordBot") -> None:
    @tree.command(name=word("name.cancel"), description=word("about.cancel"))
    @app_commands.describe(job=word("about.job"))
    @app_commands.rename(job=word("name.job"))
    async def cancel(interaction: Ix, job: Range[str, 1, 20]) -> None:
        found = await jobs.get(bot.db, number_of(job))
        bot.need_right(interaction, found)
        if found.done and not found.state.terminal:
            await bot.ask_cancel(interaction, found)
            return
        await bot.intake.wish(found, "cancel", str(interaction.user.id))
        await bot.whisper(interaction, say(bot.locale(interaction), "discord.cancelled", job=found.id))

    @cancel.autocomplete("job")
    async def own_jobs(interaction: Ix, typed: str) -> list[Choice[str]]:
        mine = await jobs.recent(bot.db, 100, str(interaction.user.id), HERE)
        names = [(str(job.id), clean(f"{job.id} · {job.prompt}", 100)) for job in mine if not job.state.terminal]
        typed = typed.strip().lower().removeprefix("#")
        return [Choice(name=name, value=value) for value, name in names if typed in name.lower()][:25]


async def history_menu(bot: "DiscordBot", interaction: Ix) -> tuple[str, ui.View]:
    """One's own latest films, to choose one. raises: Refused, where there is none."""
    locale = bot.locale(interaction)
    mine = await jobs.recent(bot.db, REMEMBERED, str(interaction.user.id), HERE)
    if not mine:
        raise Refused("discord.no_films")
    options = [
        discord.SelectOption(
            label=clean(f"{job.id} · {job.prompt}", 100), value=code(job.id),
            description=say(locale, f"state.{job.state}"),
        )
        for job in mine
    ]  # fmt: skip
    view = ui.View(timeout=None)
    view.add_item(HistorySelect(options))
    return say(locale, "discord.history"), view


def covered(*pictures: discord.Attachment | None) -> bool:
    """Whether one of them is hidden until somebody clicks it; then its film shall be."""
    return any(picture is not None and picture.is_spoiler() for picture in pictures)


def judge(bot: "DiscordBot", given: discord.Attachment) -> None:
    """What Discord says of an attachment; its bytes are judged later. raises: Refused."""
    most = bot.intake.rules.max_bytes
    if given.size > most:
        raise Refused("refused.picture_too_big", got_mib=given.size / 2**20, limit_mib=most / 2**20)
    if given.size == 0:
        raise Refused("refused.picture_empty")
    if given.content_type is not None and not given.content_type.startswith("image/"):
        raise Refused("refused.picture_unknown")
    if given.width and given.height:
        judge_size(given.width, given.height, bot.intake.rules.max_megapixels)


async def queue_text(bot: "DiscordBot", interaction: Ix) -> str:
    """What runs and what waits; one's own stand out, with their texts, others' texts stay theirs."""
    locale, user = bot.locale(interaction), str(interaction.user.id)
    waiting, more = await jobs.line(bot.db, LISTED)
    if not waiting:
        return say(locale, "terminal.queue_empty")
    lines = []
    for job in waiting:
        view = await look(bot.db, job)
        mine = job.platform == HERE and job.user_id == user
        facts = {name: STYLE.escape(fact) if isinstance(fact, str) else fact for name, fact in view.facts.items()}
        parts = [say(locale, view.headline, **facts)]
        if view.eta_ms is not None:
            at = STYLE.time(locale, bot.db.now() + view.eta_ms, bot.db.now())
            parts.append(say(locale, "chat.ready", when=at))
        parts.append(say(locale, "chat.job_yours" if mine else "chat.job", job=job.id))
        line = " · ".join(parts)
        said = STYLE.quote(clean(job.prompt, PROMPT_SHOWN)) if mine else ""
        lines.append(" · ".join([STYLE.strong(line), *([said] if said else [])]) if mine else line)
    if more > 0:
        lines.append(say(locale, "discord.more", count=more))
    return "\n".join(lines)


def _menus(tree: app_commands.CommandTree[Any], bot: "DiscordBot") -> None:
    @tree.context_menu(name=word("menu.animate"))
    async def animate_image(interaction: Ix, message: discord.Message) -> None:
        locale = bot.locale(interaction)
        pictures = [a for a in message.attachments if a.content_type is None or a.content_type.startswith("image/")]
        if not pictures:
            raise Refused("refused.no_picture_there")
        for picture in pictures:
            judge(bot, picture)
        about = {
            "urls": [picture.url for picture in pictures],
            "covered": [n for n, picture in enumerate(pictures) if covered(picture)],
        }
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
        field("quality", hint=listed(locale, [typed_quality(locale, each) for each in bot.intake.rules.listed]))
        field("seed")
        await interaction.response.send_modal(form)

    @tree.context_menu(name=word("menu.report"))
    async def report_video(interaction: Ix, message: discord.Message) -> None:
        job_id = await canvases.showing(bot.db, HERE, str(message.channel.id), str(message.id))
        if job_id is None:
            raise Refused("refused.no_film_there")
        await interaction.response.send_modal(modal(bot.locale(interaction), "report", code(job_id)))


def _people(tree: app_commands.CommandTree[Any], bot: "DiscordBot") -> None:
    longest = longest_of(bot)

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
        if language:
            bot.languages[user] = language
        locale, rules = bot.locale(interaction), bot.intake.rules
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
        view = ui.View(timeout=None)
        view.add_item(ForgetButton(say(bot.locale(interaction), "discord.forget")))
        await bot.whisper(interaction, say(bot.locale(interaction), "discord.forget_sure"), view)


def plain(locale: str, key: str) -> str:
    """A text of several lines, as it stands in the file."""
    return LANGUAGES.get(locale, WORDS).get(key) or WORDS[key]
