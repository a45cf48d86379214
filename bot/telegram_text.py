"""How Telegram writes and what people write to it: HTML, lengths in UTF-16 units, captions, buttons' data; pure."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bot.chat import ChatMessage, code, job_of
from bot.words import clean, duration, say

TEXT_LIMIT: Final = 4096  # UTF-16 units after entities are read, as are all of these
CAPTION_LIMIT: Final = 1024
ANSWER_LIMIT: Final = 200
DATA_LIMIT: Final = 64  # bytes
PER_ROW: Final = 2  # buttons with words; more are cut off on a phone

_TAG: Final = re.compile(r"<[^<>]*>")
_DATA: Final = re.compile(r"fp:([a-z]{1,12}):([0-9a-z]{1,13})(?::([0-9a-z]{1,13}))?")
_COMMAND: Final = re.compile(r"/([A-Za-z0-9_]{1,32})(?:@([A-Za-z0-9_]{3,32}))?(?:\s+|$)")
_SECONDS: Final = re.compile(
    r"(?:^|\s)(?:seconds=)?(\d{1,6}(?:\.\d{1,3}|,\d{1,2})?)\s?(?:s|secs?|seconds?|秒)$", re.ASCII | re.I
)
_SEED: Final = re.compile(r"(?:^|\s)seed\s?[=:]\s?(\S{1,40})$", re.I)
_SPOILER: Final = re.compile(r"(?:^|\s)(spoiler|剧透)$", re.I)
_QUALITY: Final = re.compile(r"(?:^|\s)q(?:uality)?\s?[=:]\s?(\S{1,40})$", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What somebody wrote about a film, unchecked: the prompt, and what stood after it."""

    prompt: str = ""
    seconds: str | None = None
    seed: str | None = None
    quality: str | None = None
    spoiler: str | None = None


def wishes_of(text: str) -> Wishes:
    """Read `fog rolls in 5s seed=42 q=draft spoiler`: settings stand at the end, in any order; the rest stays text."""
    found: dict[str, str] = {}
    text = text.strip()
    patterns = {"seconds": _SECONDS, "seed": _SEED, "quality": _QUALITY, "spoiler": _SPOILER}
    while match := next(((n, m) for n, p in patterns.items() if n not in found and (m := p.search(text))), None):
        name, said = match
        found[name] = said[1]
        text = text[: said.start()].rstrip()
    return Wishes(prompt=text, **found)


def command_of(text: str, username: str) -> tuple[str, str] | None:
    """The command a message begins with and what follows it; None where it is none, or another bot's."""
    found = _COMMAND.match(text)
    if not found or (found[2] and found[2].lower() != username.lower()):
        return None
    return found[1].lower(), text[found.end() :].strip()


def data(act: str, number: int, rev: int = 0) -> str:
    """What a button sends: at most 64 bytes."""
    return f"fp:{act}:{code(number)}:{code(rev)}"


def data_of(text: str) -> tuple[str, int, int] | None:
    """The act, the number and the revision that a button stands for; None where it is none of ours."""
    found = _DATA.fullmatch(text)
    if not found:
        return None
    number, rev = job_of(found[2]), job_of(found[3] or "0")
    return None if number is None or rev is None else (found[1], number, rev)


def units(text: str) -> int:
    """How long Telegram thinks a text is: UTF-16 code units."""
    return len(text) + sum(c > "\uffff" for c in text)


def cut(text: str, limit: int) -> str:
    """The text, with at most so many UTF-16 units and no half character; a cut one ends in "…"."""
    if units(text) <= limit:
        return text
    kept = text.encode("utf-16-le")[: 2 * (limit - 1)].decode("utf-16-le", "ignore")
    return kept.rstrip() + "…"


def in_parts(text: str, limit: int) -> list[str]:
    """The text as parts of at most so many UTF-16 units; at least one."""
    parts, room = [""], limit
    for letter in text:
        if units(letter) > room:
            parts.append("")
            room = limit
        parts[-1] += letter
        room -= units(letter)
    return parts


def escape(text: str) -> str:
    """Somebody's text for HTML: on one line, and formatting nothing."""
    return html.escape(clean(text), quote=False)


def plain(text: str) -> str:
    """Our HTML as the text that people see."""
    return html.unescape(_TAG.sub("", text))


def told(message: ChatMessage, limit: int) -> str:
    """A message's HTML within the limit: without the person's text, or even without formatting, if long."""
    for said in (message.text, "\n".join(message.lines)):
        if units(plain(said)) <= limit:
            return said
    return html.escape(cut(plain("\n".join(message.lines)), limit), quote=False)


class TelegramStyle:
    """How Telegram writes. names: user id → what they call themselves, as far as this process has seen it.

    ticks: the server knows times that clients keep counting (since Bot API 9.5); where it says that it does not, the
           sender takes it back
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names
        self.ticks = True

    def time(self, locale: str, at_ms: int, now_ms: int) -> str:
        """A moment from now on, which the client says as "in 4 minutes" and keeps counting; older ones show a clock."""
        if self.ticks:
            clock = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%H:%M")
            return f'<tg-time unix="{at_ms // 1000}" format="r">{say(locale, "chat.clock", clock=clock)}</tg-time>'
        return say(locale, "chat.in", left=duration(locale, (at_ms - now_ms) / 1000))

    def quote(self, text: str) -> str:
        """A stranger's text: in a code span nothing is a link, a mention or a command."""
        return f"<code>{escape(text)}</code>"

    def escape(self, text: str) -> str:
        """Any other text that is not ours, within a sentence."""
        return escape(text)

    def strong(self, text: str) -> str:
        """Ours, in bold."""
        return f"<b>{text}</b>"

    def person(self, user_id: str) -> str:
        """Somebody, by the name they give themselves. A link to them calls nobody when it comes with an edit."""
        name = escape(self.names.get(user_id, ""))[:64] or "👤"
        return f'<a href="tg://user?id={user_id}">{name}</a>' if user_id.isdecimal() else name

    def place(self, chat_id: str) -> str:
        """Groups have no address that a bot knows."""
        return ""


Row = list[tuple[str, str, str]]  # (label, what: "data" or "copy" and the value joined by ":", look)


def buttons_of(message: ChatMessage) -> list[Row]:
    """The rows of buttons under a message about a job."""
    flat: Row = [
        (b.label, "data:" + data(b.act, message.job, message.revision), b.look) for row in message.buttons for b in row
    ]
    rows: list[Row] = [flat[n : n + PER_ROW] for n in range(0, len(flat), PER_ROW)]
    if message.terminal and message.seed is not None and message.film is not None:
        copy = (say(message.locale, "telegram.copy_seed", seed=message.seed), f"copy:{message.seed}", "plain")
        if rows and len(rows[-1]) < PER_ROW:
            rows[-1].append(copy)
        else:
            rows.append([copy])
    return rows
