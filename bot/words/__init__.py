"""Every sentence a person can read, one file per language; add a language by adding a file.

A template's fields are plain names, filled by say(). Keys with one beginning belong together: "refused" (a request that
was turned down), "failed" (a job that ended badly, by its reason), "state" and "headline" (what a job does now),
"note" (said beside a result), "page" and "terminal" (labels and lines of one front-end).

What the other rooms say in English (`db.said`) has no key here: its English template is the key, in SENTENCES of each
other language.
"""

import pkgutil
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Final

from bot.words import en
from db.said import Said

DEFAULT: Final = "en"


def _files() -> dict[str, ModuleType]:
    """Every file here, by its name; English first."""
    names = sorted((found.name for found in pkgutil.iter_modules(__path__)), key=lambda name: (name != DEFAULT, name))
    return {name: import_module(f"{__name__}.{name}") for name in names}


LANGUAGES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {name: file.WORDS for name, file in _files().items()}
)
SENTENCES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {name: file.SENTENCES for name, file in _files().items() if name != DEFAULT}
)
JOINERS: Final = "\u200c\u200d"  # invisible too, but Persian, Hindi and many emoji are not right without them


FOR_GUESTS: Final[Mapping[str, str]] = (
    MappingProxyType(  # what a guest is told of failures that only the owner can mend
        {
            "attention_missing": "machine",
            "bad_precision": "machine",
            "checkpoint_corrupt": "model",
            "checkpoint_incomplete": "model",
            "checkpoint_missing": "model",
            "check_unusable": "machine",
            "database_away": "database",
            "database_busy": "database",
            "device_missing": "machine",
            "disk_failed": "disk",
            "disk_full": "disk_full",
            "download_failed": "model",
            "encoder_failed": "engine",
            "engine_failed": "engine",
            "lora_unusable": "model",
            "nan_latents": "nan_latents",
            "out_of_memory": "out_of_memory",
            "section_lost": "disk",
            "text_encoder_died": "engine",
            "too_little_memory": "machine",
            "unknown_model": "model",
            "worker_lost": "engine",
        }
    )
)
COMMAND: Final = re.compile(r"\bflipbot ([a-z]+)\b", re.ASCII)


class Reader(str):
    """A language, as somebody reads it in a terminal: what they are told to type is said as they have to type it."""

    command: Callable[[str], str]

    def __new__(cls, language: str, command: Callable[[str], str]) -> "Reader":
        """command: of flipbot, by its name: `resume` is `.venv/bin/flipbot resume --data-dir var/demo`, for instance"""
        reader = super().__new__(cls, language)
        reader.command = command
        return reader

    def template(self, text: str) -> str:
        """A text whose fields are yet to be filled, with its commands as they have to be typed."""
        return COMMAND.sub(lambda found: self.command(found[1]).replace("{", "{{").replace("}", "}}"), text)


class Guest(str):
    """A language, as somebody reads it who does not run the service: of what only its owner can mend they tell them."""


class _Facts(dict[str, object]):
    """A job's facts come out of the database: one that is missing must not cost the person the sentence."""

    def __missing__(self, name: str) -> str:
        return "?"


def say(locale: str, key: str, /, **facts: object) -> str:
    """The sentence of this key in this language, its fields filled; what a language lacks is said in English.

    Numbers get one decimal at most. Text is shown on one line, without characters that move a cursor or hide others.
    Qualities that can be typed are said as they are called and as they are typed.
    raises: KeyError, for a key that no language has
    """
    template = LANGUAGES.get(locale, en.WORDS).get(key) or en.WORDS[key]
    if isinstance(locale, Reader):
        template = locale.template(template)
    if isinstance(names := facts.get("qualities"), (list, tuple)):
        facts["qualities"] = [typed_quality(locale, str(name)) for name in names]
    return template.format_map(_Facts({name: _shown(locale, fact) for name, fact in facts.items()}))


def translate(locale: str, text: str) -> str:
    """What another room said in English, in this language; in English still, where this language has not got it.

    Any other text is left as it is.
    """
    if not isinstance(text, Said):
        return text
    if locale in text.written:
        return clean(text.written[locale])
    template = SENTENCES.get(locale, {}).get(text.template)
    if template is None and not (text.template and isinstance(locale, Reader)):
        return str(text)
    template = template or text.template
    if isinstance(locale, Reader):
        template = locale.template(template)
    return template.format_map(_Facts({name: _put(locale, fact) for name, fact in text.facts.items()}))


def typed_quality(locale: str, name: str) -> str:
    """A quality to choose by typing its name, with what it is called where that differs: "标准（standard）"."""
    called = LANGUAGES.get(locale, en.WORDS).get(f"quality.{name}", name)
    return name if called == name else say(locale, "quality.typed", called=called, name=name)


def listed(locale: str, parts: Iterable[object]) -> str:
    """Several things in one line, with the language's own commas."""
    said = [str(part) for part in parts]
    return reduce(lambda first, second: say(locale, "list.two", first=first, second=second), said) if said else ""


def why(locale: str, reason: str | None, facts: Mapping[str, object]) -> str:
    """Why a job failed and what to do, from its reason and facts; an unknown reason is named as it is.

    A Guest is asked for nothing that only the owner can do.
    """
    if isinstance(locale, Guest) and (short := FOR_GUESTS.get(reason or "")):
        return say(locale, f"failed_here.{short}")
    key = f"failed.{reason}"
    if key in en.WORDS:
        return say(locale, key, **dict(facts))
    return say(locale, "failed.unknown", reason=reason or "?")


def duration(locale: str, seconds: float) -> str:
    """A stretch of time as people say it: "40 s", "3 min", "1 h 20 min"."""
    whole = max(0, round(seconds))
    if whole < 90:
        return say(locale, "duration.seconds", seconds=whole)
    minutes = round(whole / 60)
    if minutes < 90:
        return say(locale, "duration.minutes", minutes=minutes)
    return say(locale, "duration.hours", hours=minutes // 60, minutes=minutes % 60)


def pick(tags: str | Iterable[str]) -> str:
    """The best language for a browser's Accept-Language, a platform's locale, or a list of such tags in order."""
    wanted = tags.split(",") if isinstance(tags, str) else list(tags)
    ranked = sorted((_weighed(tag) for tag in wanted), key=lambda pair: -pair[0])
    for weight, tag in ranked:
        if weight > 0 and (language := tag.split("-")[0].split("_")[0]) in LANGUAGES:
            return language
    return DEFAULT


def clean(text: str, limit: int | None = None) -> str:
    """Somebody's text on one line, without control, bidi and zero-width characters, cut to limit characters."""
    spaced = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)
    shown = "".join(c for c in spaced if c in JOINERS or unicodedata.category(c) not in ("Cf", "Cs"))
    shown = " ".join(shown.split())
    return shown if limit is None or len(shown) <= limit else shown[: limit - 1].rstrip() + "…"


def _put(locale: str, fact: object) -> object:
    """A fact of another room's sentence: its template says how a number is written."""
    if isinstance(fact, Said):
        return translate(locale, fact)
    return fact if isinstance(fact, int | float) else clean(str(fact))


def _shown(locale: str, fact: object) -> object:
    if isinstance(fact, Said):
        return clean(translate(locale, fact))
    if isinstance(fact, float):
        return f"{fact:.1f}".removesuffix(".0")
    if isinstance(fact, (list, tuple, set, frozenset)):
        return listed(locale, fact)
    return fact if isinstance(fact, int) else clean(str(fact))


def _weighed(tag: str) -> tuple[float, str]:
    name, _, weight = tag.strip().lower().partition(";q=")
    try:
        return (float(weight) if weight else 1.0), name.strip()
    except ValueError:
        return 0.0, name
