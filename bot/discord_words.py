"""What Discord's commands share: the interaction's type, and names that are registered in every language."""

from typing import Any

import discord
from discord.app_commands import locale_str

from bot.words.en import WORDS

Ix = discord.Interaction[Any]


def word(key: str) -> locale_str:
    """A name or description that is registered in every language."""
    return locale_str(WORDS[f"discord.{key}"], key=f"discord.{key}")
