"""The menus of commands and the texts of the bot's profile, per scope and language."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from telegram import (
    Bot,
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    BotCommandScopeDefault,
)

from bot.words import LANGUAGES, say

PEOPLES: Final = ("animate", "queue", "cancel", "history", "settings", "help", "privacy", "forgetme")
OPERATORS: Final = ("status", "pause", "resume", "drain", "ban", "unban", "limits")

Plan = tuple[list[Any], Callable[[Bot], Awaitable[Any]]]  # what is set, for a hash, and how


def command_plans(operators: tuple[int, ...]) -> list[Plan]:
    """The commands of every scope in every language."""
    plans = _menu("default", BotCommandScopeDefault(), PEOPLES)
    plans += _menu("private", BotCommandScopeAllPrivateChats(), ("start", *PEOPLES))
    plans += _menu("groups", BotCommandScopeAllGroupChats(), PEOPLES)
    for operator in operators:
        plans += operator_plans(operator)
    return plans


def operator_plans(operator: int) -> list[Plan]:
    """The commands of an operator, who sees them in their own chat with the bot."""
    return _menu(f"operator {operator}", BotCommandScopeChat(operator), (*PEOPLES, *OPERATORS))


def description_plans() -> list[Plan]:
    """What stands in an empty chat, and in the bot's profile."""
    plans: list[Plan] = []
    for language in LANGUAGES:
        code = _code(language)
        long, short = say(language, "telegram.description"), say(language, "telegram.short_description")

        def described(bot: Bot, code: str | None = code, text: str = long) -> Awaitable[Any]:
            return bot.set_my_description(text, language_code=code)

        def shortly(bot: Bot, code: str | None = code, text: str = short) -> Awaitable[Any]:
            return bot.set_my_short_description(text, language_code=code)

        plans += [(["description", code, long], described), (["short", code, short], shortly)]
    return plans


def _menu(what: str, scope: BotCommandScope, names: tuple[str, ...]) -> list[Plan]:
    plans: list[Plan] = []
    for language in LANGUAGES:
        code = _code(language)
        commands = [(name, say(language, f"telegram.command.{name}")) for name in names]
        made = [BotCommand(name, said) for name, said in commands]

        def apply(bot: Bot, code: str | None = code, made: list[BotCommand] = made) -> Awaitable[Any]:
            return bot.set_my_commands(made, scope=scope, language_code=code)

        plans.append(([what, code, commands], apply))
    return plans


def _code(language: str) -> str | None:
    """English is what every other language gets."""
    return None if language == "en" else language
