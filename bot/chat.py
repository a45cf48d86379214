"""What a job's message says in a chat: lines, buttons and which film, for every platform alike; pure.

A platform brings its `Style`: how it shows a time that ticks, a person, and a stranger's text that must not mean
anything. What comes out is a ChatMessage whose lines are ready to be sent as they are.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, Protocol

from bot.canvas import BEGINNINGS, View
from bot.errors import Refused
from bot.intake import unmade
from bot.words import Guest, clean, duration, say, why
from bot.words.en import WORDS
from db.models import State
from db.rows import Job

Act = Literal["stop", "cancel", "steer", "seed", "edit", "extend", "details", "again", "retry", "report"]
ACTS: Final[tuple[Act, ...]] = (
    *("stop", "cancel", "steer", "seed", "edit", "extend", "details", "again", "retry", "report"),
)
PROMPT_SHOWN: Final = 200  # characters of a prompt in the message; Details shows all of it
STEPS_S: Final = ((90, 5), (600, 30), (3600, 60), (86400, 600))  # (time left up to, said in steps of)
WARM_MS: Final = 10_000  # that getting ready may take before it is worth a word
BEGINNING: Final = ("headline.warming", *(f"headline.{name}" for name in BEGINNINGS.values()))
PAUSED: Final = ("headline.paused", "headline.paused_because")
DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


class Style(Protocol):
    """How a platform writes."""

    def time(self, locale: str, at_ms: int, now_ms: int) -> str:
        """A moment from now on, as in "ready {…}": "in 4 min", or a mark that the person's client keeps ticking."""

    def quote(self, text: str) -> str:
        """A stranger's text, cleaned and on one line, so that it formats nothing and calls nobody."""

    def escape(self, text: str) -> str:
        """Any other text that is not ours, within a sentence."""

    def strong(self, text: str) -> str:
        """Ours, so that the eye finds it first; it may hold what `time` returned."""

    def person(self, user_id: str) -> str:
        """Somebody, without calling them."""

    def place(self, chat_id: str) -> str:
        """A link to a chat; empty where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """What can be done with the film. danger: it takes something away; again: a further click does it."""

    act: Act
    label: str
    look: Literal["plain", "main", "danger"] = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The film a message should hold: everything finished of it, of which `sha` is the file, so many seconds long."""

    kind: Literal["preview", "final"]
    sha: str
    seconds: float

    @property
    def key(self) -> str:
        """One word for it."""
        return f"{self.kind}:{self.sha}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    """A message about a job, ready to be formatted as a whole.

    revision: of the job that it shows
    lines:    in the platform's own writing, without the person's text
    quoted:   the line with the person's text; left out where a filter refuses it
    buttons:  rows of them
    film:     None where there is none yet
    seed:     for platforms that can put it into the clipboard
    terminal: the job has ended
    result:   and there is something to show for it, or to be sorry for
    place:    in line, where it says nothing but that
    answers:  somebody has just pressed something and looks at it
    dropped:  a film that the message may have is to go out of it
    """

    job: int
    locale: str
    revision: int
    lines: tuple[str, ...]
    quoted: str | None
    buttons: tuple[tuple[Button, ...], ...]
    film: Wanted | None
    seed: int | None
    alt: str
    terminal: bool
    result: bool
    place: int | None
    answers: bool
    dropped: bool

    @property
    def text(self) -> str:
        """All lines, one below the other."""
        head, *rest = self.lines
        return "\n".join([head, *([self.quoted] if self.quoted else []), *rest])

    def hash(self) -> str:
        """Of everything one sees, the film included: equal where an edit would change nothing."""
        seen = [self.text, [[asdict(button) for button in row] for row in self.buttons], self.film and self.film.key]
        return hashlib.sha256(json.dumps(seen).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the place allows.

    extend_s:        how much longer one click makes a film, within longest_s
    keeps_cancelled: what is ready of a film that was cancelled stays in its message
    """

    longest_s: float = 60.0
    extend_s: float = 5.0
    keeps_cancelled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """What stands beside the job's rows: the moment, and whether the service came back."""

    ms: int
    restarted: bool = False


def compose(job: Job, view: View, style: Style, terms: Terms, now: Now) -> ChatMessage:
    """What the message of this job says now."""
    dropped = job.state == State.CANCELLED and not terms.keeps_cancelled
    if dropped:
        view = replace(view, has_film=False)
    film = _film(job, view)
    return ChatMessage(
        job=job.id,
        locale=job.locale,
        revision=job.revision,
        lines=tuple(_lines(job, view, style, now)),
        quoted=_quoted(job, view, style),
        buttons=_buttons(job, view, terms),
        film=film,
        seed=_seed(job),
        alt=clean(job.prompt, 300),
        terminal=job.state.terminal,
        result=job.state.terminal and (film is not None or job.state == State.FAILED),
        place=view.place if job.state == State.QUEUED and job.done == 0 else None,
        answers=not job.state.terminal and job.wish is not None,
        dropped=dropped,
    )


def checking(locale: str) -> str:
    """The first answer, before the picture was looked at."""
    return say(locale, "chat.checking")


def ready_ping(job: Job, view: View, style: Style) -> str:
    """The short message after a long job; who it calls is the platform's business."""
    key = "chat.ping_failed" if job.state == State.FAILED else "chat.ping_ready"
    return say(job.locale, key, person=style.person(job.user_id), seconds=view.seconds_done)


def code(job_id: int) -> str:
    """A number as buttons, menus and nonces write it, where nobody reads it: base 36."""
    digits = ""
    while job_id:
        job_id, digit = divmod(job_id, 36)
        digits = DIGITS[digit] + digits
    return digits or "0"


def job_of(text: str) -> int | None:
    """The number that a code means; None where it is none."""
    if not 1 <= len(text) <= 12 or any(digit not in DIGITS for digit in text):
        return None
    return int(text, 36)


def number_of(typed: str) -> int:
    """The film that somebody's number names, as every message says it, however it was typed. raises: Refused

    "#" before it is fine, and so is a full stop after it, and the full width of Chinese keyboards.
    """
    digits = unicodedata.normalize("NFKC", typed).strip().removeprefix("#").removesuffix(".").removesuffix("。")
    if not re.fullmatch(r"\d{1,18}", digits, re.ASCII):
        raise Refused("refused.number", got=clean(typed, 20))
    return int(digits)


def _lines(job: Job, view: View, style: Style, now: Now) -> list[str]:
    locale = job.locale
    brief = view.headline in BEGINNING and now.ms - (job.started_ms or 0) < WARM_MS
    head = _said(style, locale, "headline.first" if brief else view.headline, view.facts)
    if view.headline in PAUSED and not job.done:  # of a film that has begun the ordinary sentence says how far it is
        reason = style.escape(str(view.facts.get("why") or "")) or say(locale, "chat.paused_plain")
        return [style.strong(say(locale, "chat.paused", reason=reason, place=view.place or 1))]
    lines = [" · ".join([style.strong(head), *_times(job, view, style, now)])]
    match job.state:
        case State.DONE | State.STOPPED | State.CANCELLED:
            lines.append(" · ".join(_result(job, view, style)))
        case State.FAILED:
            lines.append(why(Guest(locale), job.reason, _escaped(style, job.facts)))
            lines.append(say(locale, "chat.job", job=job.id))
        case _ if now.restarted:
            lines.append(say(locale, "chat.restarted"))
    if job.parent_id is not None:
        lines.append(say(locale, "chat.parent", job=job.parent_id))
    if job.end_picture and not job.state.terminal:
        lines.append(say(locale, "chat.from_its_end"))
    if not job.state.terminal:
        lines += [say(locale, note) for note in job.settings.get("notes", ()) if note in WORDS]
        lines += [say(locale, "note.text_unmade", text=style.escape(text)) for text in unmade(job)]
    return lines


def _times(job: Job, view: View, style: Style, now: Now) -> list[str]:
    """When there is something new to see and when all is ready, where that was measured and means something.

    At first it is the first second, then the next; of a film that waits for its turn, when it goes on.
    """
    if job.state.terminal or view.eta_ms is None:
        return []
    times = [("chat.ready", view.eta_ms)]
    soon, soon_ms = ("chat.goes_on" if view.headline == "headline.again" else "chat.next"), view.next_ms
    if view.first_ms is not None:
        soon, soon_ms = "chat.first", view.first_ms
    if soon_ms is not None and soon_ms < view.eta_ms:
        times.insert(0, (soon, soon_ms))
    said = [(key, style.time(job.locale, coarse(now.ms + in_ms, now.ms), now.ms)) for key, in_ms in times]
    return [say(job.locale, key, when=when) for key, when in said]


def _result(job: Job, view: View, style: Style) -> list[str]:
    locale, parts = job.locale, []
    by = (job.wish_by or "").removeprefix(f"{job.platform}:")  # as the audit names an operator
    if job.state in (State.STOPPED, State.CANCELLED) and by.isdecimal():
        parts.append(say(locale, f"chat.{job.state}_by", person=style.person(by)))
    if view.has_film and job.state == State.CANCELLED:  # the others' first line says it
        parts.append(say(locale, "duration.seconds", seconds=view.seconds_done))
    if (seed := _seed(job)) is not None:
        parts.append(say(locale, "chat.seed", seed=seed))
    if job.started_ms is not None and job.finished_ms is not None and view.has_film:
        took = duration(locale, (job.finished_ms - job.created_ms) / 1000)
        parts.append(say(locale, "chat.took", took=took))
    if view.has_film:
        parts.append(say(locale, "chat.ai"))
    return parts or [say(locale, "chat.job", job=job.id)]


def _quoted(job: Job, view: View, style: Style) -> str | None:
    """The prompt and the settings; a film that has ended says its settings elsewhere."""
    parts = [style.quote(clean(job.prompt, PROMPT_SHOWN))] if clean(job.prompt) else []
    if not job.state.terminal:
        parts += settings_of(job, view, style)
    return " · ".join(parts) or None


def settings_of(job: Job, view: View, style: Style) -> list[str]:
    """Length, quality and seed."""
    locale, settings, parts = job.locale, job.settings, []
    if view.seconds:
        parts.append(say(locale, "duration.seconds", seconds=view.seconds))
    if quality := settings.get("quality"):
        parts.append(quality_name(locale, str(quality), style))
    if (seed := _seed(job)) is not None:
        parts.append(say(locale, "chat.seed", seed=seed))
    return parts


def quality_name(locale: str, quality: str, style: Style | None = None) -> str:
    """A quality as people read it; one of the owner's own keeps its name."""
    key = f"quality.{quality}"
    return say(locale, key) if key in WORDS else style.escape(quality) if style else clean(quality)


def _seed(job: Job) -> int | None:
    seed = job.settings.get("seed")
    return seed if isinstance(seed, int) else None


def _film(job: Job, view: View) -> Wanted | None:
    if not view.has_film or job.film is None:
        return None
    return Wanted(kind="final" if job.state.terminal else "preview", sha=job.film, seconds=view.seconds_done)


def _buttons(job: Job, view: View, terms: Terms) -> tuple[tuple[Button, ...], ...]:
    locale = job.locale

    def button(act: Act, look: Literal["plain", "main", "danger"] = "plain", **facts: object) -> Button:
        return Button(act=act, label=say(locale, f"chat.button.{act}", **facts), look=look)

    if view.headline == "headline.finishing":
        return ()
    if not job.state.terminal:
        row = [button("stop", "main")] if view.can_stop else []
        if can_steer(job):
            row.append(button("steer"))
        row += [button("cancel", "danger")] if view.can_cancel else []
        return (tuple(row),) if row else ()
    if job.state == State.FAILED:
        match job.reason:
            case "picture_held_back":
                ways = []
            case "film_held_back":  # by the same seed it would be the same again
                ways = [button("seed", "main"), button("edit")]
            case _:
                ways = [button("retry", "main"), button("edit")]
        return ((*ways, button("details"), button("report")),)
    if job.state == State.CANCELLED or not view.has_film:
        return ((button("again", "main"), button("edit"), button("details")),)
    row = [button("seed", "main"), button("edit")]
    if (more := extend_s(view, terms)) > 0 and not job.end_picture:
        row.append(button("extend", seconds=more))
    return ((*row, button("details")),)


def extend_s(view: View, terms: Terms) -> float:
    """How many seconds one click adds; 0 or less where the film is as long as it may be."""
    room = terms.longest_s - view.seconds_done
    return min(terms.extend_s, float(int(room)))


def need_room(view: View, terms: Terms) -> float:
    """As extend_s. raises: Refused, where that is none: the limit may have been lowered since the button was shown."""
    if (more := extend_s(view, terms)) <= 0:
        raise Refused("refused.long_enough", got=view.seconds_done, longest=terms.longest_s)
    return more


def left_alone(locale: str, job: Job) -> str:
    """What somebody hears who does not cancel a film: how it is, whatever others did meanwhile."""
    if job.state.terminal:
        return say(locale, "chat.is_now", job=job.id, state=say(locale, f"state.{job.state}"))
    if job.wish:
        return say(locale, "headline.stopping" if job.wish == "stop" else "headline.cancelling")
    return say(locale, "chat.not_cancelled", job=job.id)


def can_steer(job: Job) -> bool:
    """Something of the film is not begun yet, and may be told to be something else."""
    begun = job.done + (1 if job.state == State.RUNNING else 0)
    grows = job.done > 0 or job.state == State.RUNNING
    return not job.state.terminal and job.wish is None and grows and begun < job.sections and not job.end_picture


def coarse(at_ms: int, now_ms: int) -> int:
    """A moment, as exactly as anybody needs it: so that it does not change with every measurement."""
    left_s = max(0.0, (at_ms - now_ms) / 1000)
    step_s = next((step for most, step in STEPS_S if left_s <= most), 3600)
    step_ms = step_s * 1000
    return -(-at_ms // step_ms) * step_ms


def _said(style: Style, locale: str, key: str, facts: Mapping[str, Any]) -> str:
    return say(locale, key, **_escaped(style, facts))


def _escaped(style: Style, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: style.escape(fact) if isinstance(fact, str) else fact for name, fact in facts.items()}
