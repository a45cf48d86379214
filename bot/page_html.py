"""What the page shows: HTML from the templates in assets/, and the same as JSON for the script that keeps it fresh."""

import html
import re
import string
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

from bot.canvas import View, when
from bot.intake import MIB, ModelFacts, Rules
from bot.words import LANGUAGES, say, why
from db.rows import Job, Progress, Section

LANG: Final = {"en": "en", "zh": "zh-Hans"}
HIDDEN: Final = " hidden"


class Html(str):
    """Text that is markup already; any other is escaped."""

    __slots__ = ()


class _Template(string.Template):
    idpattern = r"[a-z]+(?:[._][a-z_]+)*"  # "page.start" is a sentence, "film_src" a fact
    flags = re.RegexFlag(0)


class _Fields(dict[str, str]):
    """Fields of a template: a fact, or else the sentence of that key; escaped."""

    def __init__(self, locale: str, facts: Mapping[str, object]) -> None:
        super().__init__({name: fact if isinstance(fact, Html) else escape(fact) for name, fact in facts.items()})
        self.locale = locale

    def __missing__(self, name: str) -> str:
        return escape(say(self.locale, name))


def escape(fact: object) -> str:
    """Text as it may stand between tags and in quotes."""
    return html.escape(str(fact))


@cache
def asset(name: str) -> bytes:
    """A file of the page, read once."""
    return (files("bot") / "assets" / name).read_bytes()


@cache
def _template(name: str) -> _Template:
    return _Template(asset(name).decode("utf-8"))


def render(name: str, locale: str, **facts: object) -> Html:
    """A template with its fields filled."""
    return Html(_template(name).substitute(_Fields(locale, facts)))


def shell(locale: str, title: str, body: Html, model: ModelFacts, trouble: str | None = None) -> str:
    """A whole page: what all of them share, around the body. trouble: the key of what is wrong with the model."""
    warnings = [] if model.trained else [say(locale, "page.untrained", sentence=say(locale, "model.untrained"))]
    warnings += [say(locale, trouble)] if trouble else []
    shown = "".join(f"<p>{escape(warning)}</p>" for warning in warnings)
    footer = say(locale, "model.line", model=model.name) + (f" {model.note}" if model.note else "")
    return render(
        "shell.html",
        locale,
        lang=LANG.get(locale, locale),
        title=title,
        body=body,
        banner=Html(f'<div class="banner" role="status">{shown}</div>' if shown else ""),
        footer=footer,
    )


def home(
    locale: str, key: str, rules: Rules, examples: Sequence[tuple[str, str]], films: Sequence[View], jobs: Sequence[Job]
) -> Html:
    """The form, and the visitor's films beneath it."""
    limit = rules.max_bytes / MIB
    return render(
        "home.html",
        locale,
        key=key,
        limit_bytes=rules.max_bytes,
        too_big=say(locale, "refused.upload_too_big", limit_mib=limit),
        seconds=f"{rules.default_seconds:g}",
        longest=say(locale, "page.seconds_hint", longest=rules.longest_seconds),
        examples=_examples(locale, examples),
        quality=_qualities(locale, rules.qualities),
        films=_films(locale, films, jobs),
        **{"page.drop_hint": say(locale, "page.drop_hint", limit_mib=limit)},
    )


def _examples(locale: str, examples: Sequence[tuple[str, str]]) -> Html:
    if not examples:
        return Html("")
    texts = (chinese if locale == "zh" else english for english, chinese in examples)
    chips = "".join(f'<button class="chip" type="button">{escape(text)}</button>' for text in texts)
    legend = escape(say(locale, "page.examples"))
    return Html(f'<fieldset><legend class="small">{legend}</legend><div class="examples">{chips}</div></fieldset>')


def _qualities(locale: str, names: Sequence[str]) -> Html:
    if len(names) < 2:
        return Html("")
    label = escape(say(locale, "page.quality"))
    options = "".join(f"<option>{escape(name)}</option>" for name in names)
    select = f'<select id="quality" name="quality">{options}</select>'
    return Html(f'<div class="field"><label for="quality">{label}</label>{select}</div>')


def _films(locale: str, films: Sequence[View], jobs: Sequence[Job]) -> Html:
    if not films:
        return Html(f'<p class="small">{escape(say(locale, "page.no_films"))}</p>')
    cards = (
        f'<li><a href="/j/{job.id}"><img src="{picture_url(job)}" alt="" loading="lazy">'
        f'<span class="prompt">{escape(job.prompt or say(locale, "page.no_prompt"))}</span>'
        f'<span class="small">{escape(say(locale, film.headline, **film.facts))}</span></a></li>'
        for film, job in zip(films, jobs, strict=True)
    )
    return Html(f'<ul class="grid">{"".join(cards)}</ul>')


def picture_url(job: Job) -> str:
    """Where the picture of a job is shown; another picture has another address."""
    return f"/j/{job.id}/picture/{job.picture[:16]}.png"


def film_url(job: Job) -> str | None:
    """Where the film as it is now is shown; a longer one has another address."""
    return f"/j/{job.id}/film/{job.film[:16]}.mp4" if job.film else None


def joins(job: Job, made: Sequence[Section]) -> bool:
    """Whether a player can join the film's fragments while it grows; else it has to take the whole film each time."""
    forward = job.plan.get("sampling") != "inverted"
    return forward and all(section.fragment or not section.clip for section in made)


def end_url(job: Job) -> str | None:
    """Where the provisional frames are."""
    return f"/j/{job.id}/end/{job.fragment_end[:16]}.m4s" if job.fragment_end else None


def state(locale: str, job: Job, view: View, under_way: Progress | None, made: Sequence[Section]) -> dict[str, Any]:
    """What changes on a film's page, in words: what the script puts in place. Plain JSON."""
    headline = say(locale, view.headline, **view.facts)
    over = view.state.terminal
    shown = view.step > 0 and under_way is not None and under_way.preview is not None
    part = view.step / view.of if view.of else 0.0
    return {
        "headline": headline,
        "title": f"{headline} · {say(locale, 'page.title')}",
        "value": 1.0 if over else round((view.done + min(part, 1.0)) / view.sections, 4),
        "step": say(locale, "page.step", step=view.step, of=view.of) if view.step else "",
        "left": when(locale, view),
        "why": why(locale, view.reason, view.reason_facts) if view.state == "failed" else "",
        "film": film_url(job),
        "parts": view.done,
        "end": end_url(job),
        "joins": joins(job, made),
        "seconds": view.seconds_total,
        "preview": f"/j/{job.id}/preview/{under_way.n}-{under_way.at_ms}.jpg" if shown and under_way else None,
        "stop": view.can_stop,
        "cancel": view.can_cancel,
        "over": over,
    }


def film(locale: str, job: Job, now: Mapping[str, Any]) -> Html:
    """A film's page as it is now; the script goes on from there, and without one it loads itself again."""
    asked = job.settings
    settings = say(locale, "page.settings", seconds=asked.get("seconds", 0.0), seed=asked.get("seed", 0))
    source = now["film"]
    flags = {f"{name}_hidden": Html("" if now[name] else HIDDEN) for name in ("stop", "cancel", "why", "preview")}
    return render(
        "job.html",
        locale,
        id=job.id,
        events=f"/j/{job.id}/events",
        parts=f"/j/{job.id}/part/",
        order=job.plan.get("sampling", ""),
        over=" over" if now["over"] else "",
        picture=picture_url(job),
        headline=now["headline"],
        value=now["value"],
        step=now["step"],
        left=now["left"],
        why=now["why"],
        film_src=Html(f' src="{source}"' if source else ""),
        preview_src=Html(f' src="{now["preview"]}"' if now["preview"] else ""),
        still_hidden=Html(HIDDEN if source else ""),
        bar_hidden=Html(HIDDEN if now["over"] else ""),
        download_hidden=Html("" if source else HIDDEN),
        stop_hint=f"{say(locale, 'page.stop')}: {say(locale, 'page.stop_hint')}",
        prompt=job.prompt or say(locale, "page.no_prompt"),
        settings=settings,
        notes=" ".join(say(locale, note) for note in asked.get("notes", ()) if note in LANGUAGES["en"]),
        refresh=Html("" if now["over"] else '<noscript><meta http-equiv="refresh" content="3"></noscript>'),
        **flags,
    )


def trouble(locale: str, sentence: str) -> Html:
    """A page with one sentence: what was refused, or is not there."""
    return render("trouble.html", locale, sentence=sentence)
