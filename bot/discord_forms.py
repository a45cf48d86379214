"""Discord's buttons, menus and forms. Each says in its id what it is about, so that it works after a restart."""

from typing import TYPE_CHECKING, Any

import discord
from discord import ui

from bot.chat import code, job_of
from bot.discord_words import Ix
from bot.words import say

if TYPE_CHECKING:
    from bot.discord_bot import DiscordBot


class TermsButton(ui.DynamicItem[ui.Button[Any]], template=r"fpterms:(?P<question>[0-9a-z]{1,12})"):
    """Accept the terms, and go on with what was asked."""

    def __init__(self, question: int, label: str = "…") -> None:
        style = discord.ButtonStyle.success
        super().__init__(ui.Button(label=label[:80], style=style, custom_id=f"fpterms:{code(question)}"))
        self.question = question

    @classmethod
    async def from_custom_id(cls, interaction: Ix, item: ui.Item[Any], match: Any, /) -> "TermsButton":
        """The button that somebody has pressed."""
        return cls(job_of(match["question"]) or 0)

    async def callback(self, interaction: Ix) -> None:
        """Hand it on."""
        bot: DiscordBot = interaction.client
        await bot.guard(interaction, bot.accepted(interaction, self.question))


class SureButton(
    ui.DynamicItem[ui.Button[Any]], template=r"fpsure:(?P<act>cancel|scrap|delete|leave):(?P<job>[0-9a-z]{1,12})"
):
    """The second click. scrap: cancel and delete; leave: all stays as it is"""

    def __init__(self, act: str, job: int, label: str = "…") -> None:
        style = discord.ButtonStyle.secondary if act == "leave" else discord.ButtonStyle.danger
        super().__init__(ui.Button(label=label[:80], style=style, custom_id=f"fpsure:{act}:{code(job)}"))
        self.act, self.job = act, job

    @classmethod
    async def from_custom_id(cls, interaction: Ix, item: ui.Item[Any], match: Any, /) -> "SureButton":
        """The button that somebody has pressed."""
        return cls(match["act"], job_of(match["job"]) or 0)

    async def callback(self, interaction: Ix) -> None:
        """Hand it on."""
        bot: DiscordBot = interaction.client
        await bot.guard(interaction, bot.sure(interaction, self.act, self.job))


class ForgetButton(ui.DynamicItem[ui.Button[Any]], template=r"fpforget"):
    """The second click of who wants to be forgotten: whoever sees it is the one who asked."""

    def __init__(self, label: str = "…") -> None:
        super().__init__(ui.Button(label=label[:80], style=discord.ButtonStyle.danger, custom_id="fpforget"))

    @classmethod
    async def from_custom_id(cls, interaction: Ix, item: ui.Item[Any], match: Any, /) -> "ForgetButton":
        """The button that somebody has pressed."""
        return cls()

    async def callback(self, interaction: Ix) -> None:
        """Hand it on."""
        bot: DiscordBot = interaction.client
        await bot.guard(interaction, bot.forget(interaction))


class HistorySelect(ui.DynamicItem[ui.Select[Any]], template=r"fphistory"):
    """Pick one of one's own films, and have it shown here again, with buttons that work."""

    def __init__(self, options: list[discord.SelectOption] | None = None) -> None:
        options = options or [discord.SelectOption(label="…")]
        super().__init__(ui.Select(options=options, custom_id="fphistory"))

    @classmethod
    async def from_custom_id(cls, interaction: Ix, item: ui.Item[Any], match: Any, /) -> "HistorySelect":
        """The menu that somebody has used."""
        return cls()

    async def callback(self, interaction: Ix) -> None:
        """Show it."""
        bot: DiscordBot = interaction.client
        data: Any = interaction.data
        chosen = data.get("values") or [""]
        await bot.guard(interaction, bot.reshow(interaction, job_of(str(chosen[0])) or 0))


def modal(locale: str, act: str, what: str, text: str = "") -> ui.Modal:
    """A form with one text; its id says everything, so that it is understood after a restart."""
    form = Form(title=say(locale, f"discord.modal.{act}")[:45], custom_id=f"fp:{act}:{what}", timeout=3600.0)
    name = "reason" if act == "report" else "prompt"
    limit = 1000 if act == "report" else 4000
    form.add_item(
        ui.TextInput(
            label=say(locale, f"discord.modal.{act}.{name}")[:45], custom_id=name, style=discord.TextStyle.paragraph,
            default=text[:limit] or None, required=act != "edit", max_length=limit,
        )
    )  # fmt: skip
    return form


class Form(ui.Modal):
    """A modal whose answer is taken in `on_interaction`, where those of an earlier process come in too."""

    async def on_submit(self, interaction: Ix, /) -> None:
        """Nothing: see the class."""


def fields_of(data: Any) -> dict[str, str]:
    """A sent form's texts, by their ids."""
    found: dict[str, str] = {}

    def walk(parts: Any) -> None:
        for part in parts or ():
            if "custom_id" in part and "value" in part:
                found[part["custom_id"]] = str(part["value"] or "")
            elif part.get("values"):
                found[part["custom_id"]] = str(part["values"][0])
            walk(part.get("components"))
            walk([part["component"]] if part.get("component") else ())

    walk((data or {}).get("components"))
    return found
