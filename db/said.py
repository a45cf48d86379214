"""Sentences that know what they were made of, so that the room of the words can say them in another language.

This room and the engine's write English, as their logs do, and know no other language. What a person may read of it is
made by `said`: the English template is the key under which bot/words has it in other languages, as gettext does it.
"""

from collections.abc import Iterable, Mapping
from functools import reduce
from pathlib import PurePath
from types import MappingProxyType
from typing import Any


class Said(str):
    """An English sentence, or a part of one.

    template: what it was made of    facts: what its fields were filled with, sentences among them
    written:  where it was not made here but came in several languages: each by its name
    """

    template: str = ""
    facts: Mapping[str, object] = MappingProxyType({})
    written: Mapping[str, str] = MappingProxyType({})


def said(template: str, /, **facts: object) -> Said:
    """The sentence of a template, which is a literal: a test reads them all and compares them with bot/words."""
    return _made(template, facts)


def _made(template: str, facts: Mapping[str, object]) -> Said:
    made = Said(template.format(**facts))
    made.template, made.facts = template, facts
    return made


def packed(fact: Any) -> Any:
    """A fact, or all of them by name, as JSON takes them to where `unpacked` makes the same sentences of them."""
    if isinstance(fact, Said) and fact.template:
        return {"said": fact.template, "facts": packed(fact.facts)}
    if isinstance(fact, Mapping):
        return {name: packed(each) for name, each in fact.items()}
    return str(fact) if isinstance(fact, PurePath) else fact


def unpacked(value: Any) -> Any:
    """What was packed."""
    if not isinstance(value, dict):
        return value
    facts = {name: unpacked(each) for name, each in value.items()}
    return _made(facts["said"], facts["facts"]) if facts.keys() == {"said", "facts"} else facts


def written(texts: Mapping[str, str]) -> Said:
    """A text that somebody wrote in several languages, English among them."""
    made = Said(texts["en"])
    made.written = texts
    return made


def together(*sentences: str) -> str:
    """Sentences, one after the other; those that are empty are left out."""
    some = [each for each in sentences if each]
    return reduce(lambda first, second: said("{first} {second}", first=first, second=second), some) if some else ""


def listed(parts: Iterable[str]) -> str:
    """Parts of a sentence with commas between them; at least one."""
    return reduce(lambda first, second: said("{first}, {second}", first=first, second=second), parts)


_KNOWN = (
    said("No such file or directory"),
    said("Permission denied"),
    said("Is a directory"),
    said("Not a directory"),
    said("Read-only file system"),
    said("No space left on device"),
    said("Too many open files"),
    said("Too many open files in system"),
    said("Cannot allocate memory"),
    said("Input/output error"),
    said("File name too long"),
    said("file is not a database"),
    said("unable to open database file"),
    said("attempt to write a readonly database"),
    said("database disk image is malformed"),
    said("disk I/O error"),
)


def known(words: str) -> str:
    """What the system or SQLite says, which can be said in other languages where it is something usual."""
    return next((each for each in _KNOWN if each == words), words)


def of_system(error: OSError) -> str:
    """What the system says of an error."""
    return known(error.strerror or str(error))
