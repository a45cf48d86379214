"""What the page shows: HTML from the templates in assets/, and the same as JSON for the script that keeps it fresh."""

import html
import re
import secrets
import shlex
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote

from bot.canvas import HELD_BACK, View, when
from bot.control import NO_WORKER
from bot.errors import Refused
from bot.intake import BACKWARDS, MIB, Example, ModelFacts, Rules, moment, unmade
from bot.page_guard import Role
from bot.words import DEFAULT, LANGUAGES, Guest, say, why
from db.flows import ALL
from db.models import Platform, State
from db.rows import Ban, Job, Progress, QueueState, Section

LANG: Final = {"en": "en", "zh": "zh-Hans"}
HIDDEN: Final = " hidden"
NO_WORKER_HERE: Final = "failed_here.no_worker"
VISITOR: Final = re.compile(r"\b[0-9a-f]{32}\b")  # Guard.visitor
LOOPS_S: Final = 10.0  # a finished film as short as that begins again by itself


class Html(str):
    """Text that is markup already; any other is escaped."""

    __slots__ = ()


NOTHING: Final = Html("")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What a page must know of its reader. token: of forms; role: whose password was given; head: more of the head.

    here: the address with what was asked there; notice: what everybody who opens it should know
    """

    token: str
    role: Role | None = None
    path: str = "/"
    here: str = "/"
    head: Html = NOTHING
    notice: str = ""


def shell(locale: str, title: str, body: Html, model: ModelFacts, trouble: Refused | None, where: Where) -> str:
    """A whole page: what all of them share, around the body. trouble: what is wrong with the service."""
    warnings = [] if model.trained else [say(locale, "page.untrained", sentence=say(locale, "model.untrained"))]
    warnings += [_trouble(locale, trouble)] if trouble else []
    warnings += [where.notice] if where.notice else []
    shown = "".join(f"<p>{escape(warning)}</p>" for warning in warnings)
    note = _note(locale, model)
    here_already = where.path == "/"  # it stands in the form there
    footer = say(locale, "model.line", model=model.name) + (f" · {note}" if note and not here_already else "")
    return render(
        "shell.html",
        locale,
        lang=LANG.get(locale, locale),
        title=title,
        body=body,
        token=where.token,
        head=where.head,
        nav=Html("" if where.path.startswith("/w/") else _nav(locale, where)),
        sign_out=(
            render("sign_out.html", locale, token=where.token)
            if where.role and not where.path.startswith("/w/")
            else NOTHING
        ),
        banner=Html(f'<div class="banner" role="status">{shown}</div>' if shown else ""),
        footer=footer,
        languages=_languages(locale, where.here),
    )


def _trouble(locale: str, trouble: Refused) -> str:
    """What is wrong with the service; guests are asked for nothing that only the owner can do."""
    key = trouble.key
    if key.startswith("failed."):
        return why(locale, key.removeprefix("failed."), trouble.facts)
    return say(locale, NO_WORKER_HERE if key == NO_WORKER and isinstance(locale, Guest) else key)


def _note(locale: str, model: ModelFacts) -> str:
    """What people should know of the model; "" where there is nothing."""
    return model.note.get(locale) or model.note.get(DEFAULT, "")


def _languages(locale: str, here: str) -> Html:
    """Each language by its own name, as a link that leads back here."""
    current = {True: ' aria-current="true"', False: ""}
    links = (
        f'<a href="/language/{name}?to={quote(here, safe="")}" lang="{LANG.get(name, name)}"'
        f"{current[name == locale]}>{escape(say(name, 'page.language'))}</a>"
        for name in LANGUAGES
    )
    return Html(" · ".join(links))


def _nav(locale: str, where: Where) -> Html:
    links = [
        ("/", "page.home"),
        ("/gallery", "page.gallery"),
        *([("/admin", "admin.title")] if where.role == "owner" else []),
    ]
    here = {True: ' aria-current="page"', False: ""}
    items = "".join(f'<a href="{url}"{here[where.path == url]}>{escape(say(locale, name))}</a>' for url, name in links)
    return Html(f'<nav aria-label="{escape(say(locale, "page.nav"))}">{items}</nav>')


def login(locale: str, token: str, to: str, refused: str = "", signed_out: bool = False) -> Html:
    """Asks for the password. to: where it leads then; refused: why the one that was given does not."""
    error = Html(f'<p class="error" role="alert">{escape(refused)}</p>' if refused else "")
    return render("login.html", locale, token=token, to=to, error=error, out_hidden=Html("" if signed_out else HIDDEN))


def home(
    locale: str,
    token: str,
    rules: Rules,
    model: ModelFacts,
    examples: Sequence[Example],
    films: Sequence[View],
    jobs: Sequence[Job],
    before: Job | None = None,
) -> Html:
    """The form, and the visitor's newest films beneath it. before: whose settings it begins with."""
    limit = rules.max_bytes / MIB
    asked: Mapping[str, Any] = before.settings if before else {}
    quality = asked.get("quality")
    return render(
        "home.html",
        locale,
        token=token,
        key=secrets.token_urlsafe(16),
        limit_bytes=rules.max_bytes,
        too_big=say(locale, "refused.upload_too_big", limit_mib=limit),
        seconds=f"{asked.get('seconds', rules.default_seconds):g}",
        longest=say(locale, "page.seconds_hint", longest=rules.longest_seconds),
        examples=_examples(locale, examples),
        quality=_qualities(locale, rules.listed, quality if quality in rules.qualities else rules.qualities[0]),
        films=_films(locale, films, jobs),
        more=_more(locale, "/gallery", "page.all_films") if films else Html(""),
        prompt=before.prompt if before else "",
        seed=asked.get("seed", ""),
        origin=Html(f'<input type="hidden" name="from" value="{before.id}">' if before else ""),
        has=" has" if before else "",
        chosen=Html(f' src="{picture_url(before)}"' if before else HIDDEN),
        required=Html("" if before else " required"),
        open=Html(" open" if before else ""),
        end=_end(locale, model, before is not None and before.end_picture is not None),
        note=_note(locale, model),
        note_hidden=Html("" if _note(locale, model) else HIDDEN),
        **{"page.drop_hint": say(locale, "page.drop_hint", limit_mib=limit)},
    )


def _end(locale: str, model: ModelFacts, had_one: bool) -> Html:
    """Asks for a picture at the end. had_one: the film whose settings the form begins with ended with one."""
    if model.ends:
        return render("end_picture.html", locale, keep=render("keep_end.html", locale) if had_one else NOTHING)
    left = say(locale, "page.end_left", model=model.name)
    return Html(f'<p class="small">{escape(left)}</p>') if had_one else NOTHING


def _more(locale: str, url: str, name: str) -> Html:
    return Html(f'<p><a class="button" href="{url}">{escape(say(locale, name))}</a></p>')


def gallery(locale: str, token: str, asked: str, jobs: Sequence[Job], films: Sequence[View], more: int | None) -> Html:
    """The visitor's films as a grid. asked: what was searched for; more: the number of the next page."""
    nothing = "page.none_found" if asked else "page.no_films"
    cards = "".join(_card(locale, token, job, film) for job, film in zip(jobs, films, strict=True))
    grid = f'<ul class="grid films">{cards}</ul>' if jobs else f"<p>{escape(say(locale, nothing))}</p>"
    onward = _more(locale, f"/gallery?page={more}&amp;q={quote(asked)}", "page.more") if more else Html("")
    return render("gallery.html", locale, asked=asked, films=Html(grid), more=onward)


def _card(locale: str, token: str, job: Job, film: View) -> Html:
    return render(
        "card.html",
        locale,
        id=job.id,
        token=token,
        poster=poster_url(job),
        prompt=job.prompt or say(locale, "page.no_prompt"),
        headline=say(locale, film.headline, **film.facts),
    )


def link(locale: str, url: str, job: Job) -> Html:
    """The link that was made, to be copied."""
    return render("link.html", locale, url=url, id=job.id)


def _examples(locale: str, examples: Sequence[Example]) -> Html:
    """Texts to try, each a button; those with a film show its end, and play it under the pointer."""
    if not examples:
        return Html("")
    chips = "".join(
        f'<button class="chip{" shown" if example.film else ""}" type="button"{" tabindex=-1" if n else ""}>'
        f"{_example_film(n, example)}"
        f"<span>{escape(example.said(locale))}</span></button>"
        for n, example in enumerate(examples)
    )
    legend = escape(say(locale, "page.examples"))
    return Html(f'<fieldset><legend class="small">{legend}</legend><div class="examples">{chips}</div></fieldset>')


def _example_film(n: int, example: Example) -> str:
    if example.film is None:
        return ""
    url = f"/examples/{n}/{escape(example.film.name)}"  # the name only tells browsers when it is another film
    return f'<video src="{url}" muted playsinline preload="metadata" tabindex="-1" aria-hidden="true"></video>'


def _qualities(locale: str, names: Sequence[str], chosen: str) -> Html:
    if len(names) < 2:
        return Html("")
    label = escape(say(locale, "page.quality"))
    marked = {name: " selected" if name == chosen else "" for name in names}
    options = "".join(
        f'<option value="{escape(name)}"{mark}>{escape(_quality(locale, name))}</option>'
        for name, mark in marked.items()
    )
    select = f'<select id="quality" name="quality">{options}</select>'
    return Html(f'<div class="field"><label for="quality">{label}</label>{select}</div>')


def _quality(locale: str, name: str) -> str:
    """A preset's name in the reader's language; one of the owner's own as it is."""
    return say(locale, f"quality.{name}") if f"quality.{name}" in LANGUAGES["en"] else name


def _films(locale: str, films: Sequence[View], jobs: Sequence[Job]) -> Html:
    if not films:
        return Html(f'<p class="small">{escape(say(locale, "page.no_films"))}</p>')
    cards = (
        f'<li><a href="/j/{job.id}"><img src="{poster_url(job)}" alt="" loading="lazy">'
        f'<span class="prompt">{escape(job.prompt or say(locale, "page.no_prompt"))}</span>'
        f'<span class="small">{escape(say(locale, film.headline, **film.facts))}</span></a></li>'
        for film, job in zip(films, jobs, strict=True)
    )
    return Html(f'<ul class="grid">{"".join(cards)}</ul>')


def picture_url(job: Job) -> str:
    """Where the picture of a job is shown; another picture has another address."""
    return f"/j/{job.id}/picture/{job.picture[:16]}.png"


def poster_url(job: Job) -> str:
    """Where a small picture of the film as it is now is shown."""
    return f"/j/{job.id}/poster/{job.film[:16] if job.film else 'picture'}.jpg"


def film_url(job: Job) -> str | None:
    """Where the film as it is now is shown; a longer one has another address."""
    return f"/j/{job.id}/film/{job.film[:16]}.mp4" if job.film else None


def joins(job: Job, made: Sequence[Section]) -> bool:
    """Whether a player can join the film's fragments while it grows; else it has to take the whole film each time."""
    return _forward(job) and all(section.fragment or not section.clip for section in made)


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
        "loops": view.seconds_done <= LOOPS_S,
        "prompt": job.prompt or say(locale, "page.no_prompt"),
        "edit": job.prompt,
        "command": _command(job),
        "settings": say(locale, "page.settings", seconds=view.seconds, seed=job.settings.get("seed", 0)),
        "notes": " ".join(_notes(locale, job)),
        "preview": f"/j/{job.id}/preview/{under_way.n}-{under_way.at_ms}.jpg" if shown and under_way else None,
        "steer": _can_steer(job),
        "again": over and view.has_film and _forward(job),
        "finish": over and view.done < view.sections and view.reason not in HELD_BACK,
        "stop": view.can_stop,
        "cancel": view.can_cancel,
        "over": over,
    }


def _can_steer(job: Job) -> bool:
    """Whether something of the film is not begun yet, and comes after what is there."""
    begun = job.done + (job.state == State.RUNNING)
    return not job.state.terminal and job.wish is None and begun < job.sections and _forward(job)


def _forward(job: Job) -> bool:
    """Whether a film's seconds are made in viewing order: only then can its end be made longer, or otherwise."""
    return job.plan.get("sampling") != BACKWARDS


def moved(state: Mapping[str, Any], job_id: int, base: str | None) -> dict[str, Any]:
    """The state for another place than /j/ID, where nobody can change anything."""
    if base is None:
        return dict(state)
    own = f"/j/{job_id}/"
    there = {name: url.replace(own, f"{base}/", 1) for name, url in state.items() if str(url).startswith(own)}
    return {**state, **there, **dict.fromkeys(("stop", "cancel", "steer", "again", "finish"), False)}


def film(locale: str, job: Job, now: Mapping[str, Any], token: str, rules: Rules, links: bool) -> Html:
    """A film's page as it is now; the script goes on from there, and without one it loads itself again."""
    more = min(5.0, rules.longest_seconds)
    buttons = render(
        "buttons.html",
        locale,
        id=job.id,
        token=token,
        key=secrets.token_urlsafe(16),
        more=f"{more:g}",
        prompt=now["edit"],
        command=now["command"],
        link_hidden=Html("" if links else HIDDEN),
        **_flags(now, "stop", "cancel", "steer", "again", "finish"),
        download_hidden=Html("" if now["film"] else HIDDEN),
        extend=say(locale, "page.extend", seconds=more),
        stop_hint=say(locale, "page.stop_hint", stop=say(locale, "page.stop")),
    )
    return _watched(locale, job, now, f"/j/{job.id}", buttons)


def watch(locale: str, job: Job, now: Mapping[str, Any], base: str) -> Html:
    """A film's page for who has its link."""
    return _watched(locale, job, now, base, Html(""))


def _watched(locale: str, job: Job, now: Mapping[str, Any], base: str, buttons: Html) -> Html:
    source = now["film"]
    picture = f"{base}/picture/{job.picture[:16]}.png"
    return render(
        "job.html",
        locale,
        base=base,
        order=job.plan.get("sampling", ""),
        over=" over" if now["over"] else "",
        picture=picture,
        headline=now["headline"],
        value=now["value"],
        step=now["step"],
        left=now["left"],
        why=now["why"],
        buttons=buttons,
        film_src=Html(f' src="{source}"' if source else ""),
        preview_src=Html(f' src="{now["preview"]}"' if now["preview"] else ""),
        still_hidden=Html(HIDDEN if source else ""),
        bar_hidden=Html(HIDDEN if now["over"] else ""),
        prompt=now["prompt"],
        settings=now["settings"],
        notes=now["notes"],
        refresh=Html("" if now["over"] else '<noscript><meta http-equiv="refresh" content="3"></noscript>'),
        **_flags(now, "why", "preview"),
    )


def _notes(locale: str, job: Job) -> list[str]:
    """What is to be known of a film's pictures and its text."""
    of_text = [say(locale, "note.text_unmade", text=text) for text in unmade(job)]
    return [*(say(locale, note) for note in job.settings.get("notes", ()) if note in LANGUAGES["en"]), *of_text]


def _flags(now: Mapping[str, Any], *names: str) -> dict[str, Html]:
    return {f"{name}_hidden": Html("" if now[name] else HIDDEN) for name in names}


def _command(job: Job) -> str:
    """The film's settings as a command that makes it again from its picture."""
    asked, prompt = job.settings, shlex.quote(job.prompt)
    said = f"--seconds {asked.get('seconds', 5):g} --seed {asked.get('seed', 0)}"
    quality = f" --quality {shlex.quote(str(asked['quality']))}" if "quality" in asked else ""
    return f"flipbot animate PICTURE {prompt} {said}{quality}"


def open_graph(locale: str, job: Job, url: str) -> Html:
    """Tags by which a chat shows the film: Open Graph, and the card of X, whose player would need a page in a frame.

    url: of the film's page
    """
    title = job.prompt or say(locale, "page.no_prompt")
    tags = [("og:type", "video.other"), ("og:site_name", say(locale, "page.title")), ("og:title", title)]
    tags += [("og:description", say(locale, "page.share")), ("og:url", url)]
    tags += [("og:image", f"{url}/picture/{job.picture[:16]}.png"), ("twitter:card", "summary_large_image")]
    if job.film:
        width, height = job.plan.get("width", 0), job.plan.get("height", 0)
        tags += [("og:video", f"{url}/film.mp4"), ("og:video:secure_url", f"{url}/film.mp4")]
        tags += [("og:video:type", "video/mp4"), ("og:video:width", str(width)), ("og:video:height", str(height))]
    lines = (f'<meta property="{name}" content="{escape(value)}">' for name, value in tags)
    return Html("\n".join([*lines, '<meta name="robots" content="noindex, nofollow">']))


def admin(locale: str, token: str, now: Mapping[str, Any]) -> Html:
    """The owner's window."""
    gate: QueueState = now["gate"]
    hidden = {True: Html(HIDDEN), False: Html("")}
    return render(
        "admin.html",
        locale,
        token=token,
        shut=gate.kind,
        state=say(locale, f"admin.{gate.kind}"),
        reason=gate.reason,
        resume=say(locale, "admin.resume_both" if gate.kind == "shut" else "admin.resume"),
        resume_hidden=hidden[gate.kind == "open"],
        away="\n".join(now["away"]),
        pause_hidden=hidden[gate.paused],
        now_hidden=hidden[gate.paused and not now["busy"]],
        drain_hidden=hidden[gate.draining],
        servers=Html("".join(_server(locale, token, *each) for each in now["servers"].items())),
        open=say(locale, "admin.open_films", count=now["open"]),
        queue=_queue(locale, token, now["queue"]),
        sections=Html(now["sections"]),
        line=Html(now["line"]),
        legend=Html("".join(f'<li class="key{n}">{escape(name)}</li>' for n, name in enumerate(now["legend"]))),
        engines=_engines(locale, now["engines"]),
        machine=_pairs(now["machine"]),
        counts=_pairs(
            [(say(locale, "admin.films", state=say(locale, f"state.{state}")), n) for state, n in now["counts"].items()]
        ),
        failures=_table(locale, "admin.failures", ("admin.film", "admin.when", "admin.why"), now["failures"]),
        audit=_table(
            locale, "admin.audit", ("admin.when", "admin.who", "admin.what", "admin.target", "admin.why"), now["audit"]
        ),
        bans=Html("".join(_ban(locale, token, ban) for ban in now["bans"])),
        platforms=Html("".join(f'<option value="{each}">{each}</option>' for each in now["platforms"])),
        doctor=now["doctor"],
        doctor_hidden=hidden[not now["doctor"]],
        examine_hidden=hidden[not now["can_examine"]],
    )


def _server(locale: str, token: str, server: str, gate: QueueState) -> Html:
    """What is closed for one server alone, and the button that opens it."""
    said = " · ".join(part for part in (say(locale, f"admin.{gate.kind}"), gate.reason) if part)
    name = say(locale, "admin.server", server=server)
    return render("gate.html", locale, token=token, server=server, server_name=name, said=said)


def _pairs(pairs: Sequence[tuple[str, object]]) -> Html:
    return Html("".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs))


def _engines(locale: str, engines: Sequence[Mapping[str, Any]]) -> Html:
    """What computes, each with the parts of its memory plan as bars."""
    if not engines:
        return Html(f"<p>{escape(say(locale, 'admin.no_engine'))}</p>")
    return Html("".join(_engine(locale, engine) for engine in engines))


def _engine(locale: str, engine: Mapping[str, Any]) -> Html:
    bars = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(size)}</td>'
        f'<td aria-hidden="true"><progress max="1" value="{share:.3f}"></progress></td></tr>'
        for name, size, share in engine["parts"]
    )
    caption = escape(say(locale, "admin.plan"))
    table = f'<table class="bars"><caption>{caption}</caption><tbody>{bars}</tbody></table>'
    return Html(
        f'<h3>{escape(engine["title"])}</h3><div class="engine"><dl>{_pairs(engine["lines"])}</dl>{table}</div>'
    )


def _queue(locale: str, token: str, rows: Sequence[Mapping[str, Any]]) -> Html:
    if not rows:
        return Html(f"<p>{escape(say(locale, 'admin.empty'))}</p>")
    names = ("film", "who", "text", "parts", "what_now", "left", "do")
    head = "".join(f'<th scope="col">{escape(say(locale, f"admin.{name}"))}</th>' for name in names)
    body = "".join(
        render(
            "admin_row.html",
            locale,
            token=token,
            ban=_ban_form(locale, token, row),
            **{**row, "who": _who(locale, row)},
        )
        for row in rows
    )
    caption = escape(say(locale, "admin.queue"))
    table = f'<table><caption class="unseen">{caption}</caption><thead><tr>{head}</tr></thead>'
    return _wide(caption, f"{table}<tbody>{body}</tbody></table>", acts=True)


def _ids(text: object) -> Html:
    """Text with the long names of the page's visitors cut to what tells them apart; who copies one has it whole."""
    return Html(VISITOR.sub(lambda found: f'<span class="id" title="{found[0]}">{found[0]}</span>', escape(text)))


def _who(locale: str, row: Mapping[str, Any]) -> Html:
    mine = f' <strong class="own">{escape(say(locale, "admin.yours"))}</strong>' if row["own"] else ""
    return Html(f"{_ids(row['who'])}{mine}")


def _ban_form(locale: str, token: str, row: Mapping[str, Any]) -> Html:
    """Everybody at this machine's terminal is one person, whom nobody bans by a button."""
    if row["platform"] == Platform.TERMINAL:
        return NOTHING
    return render("ban_form.html", locale, token=token, **row)


def _table(locale: str, caption: str, names: Sequence[str], rows: Sequence[Sequence[object]]) -> Html:
    if not rows:
        return Html(f"<p>{escape(say(locale, 'admin.nothing'))}</p>")
    told = escape(say(locale, caption))
    head = "".join(f'<th scope="col">{escape(say(locale, name))}</th>' for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{_ids(value)}</td>' for value in row)}</tr>" for row in rows)
    table = (
        f'<table><caption class="unseen">{told}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    )
    return _wide(told, table)


def _wide(name: str, table: str, *, acts: bool = False) -> Html:
    """A table that may be wider than the window, reachable with the keyboard. name: escaped.

    acts: what can be done stands in its last column, which is always seen
    """
    return Html(
        f'<div class="wide{" acts" if acts else ""}" tabindex="0" role="region" aria-label="{name}">{table}</div>'
    )


def _ban(locale: str, token: str, ban: Ban) -> Html:
    """Who is banned; where, until when, by whom and why."""
    where = say(locale, "admin.everywhere") if ban.scope == ALL else say(locale, "admin.server", server=ban.scope)
    ends = "admin.forever" if ban.until_ms is None else "admin.until"
    until = "" if ban.until_ms is None else moment(ban.until_ms)
    by = say(locale, "admin.by", by=ban.by) if ban.by else ""
    said = " · ".join(part for part in (where, say(locale, ends, until=until), by, ban.reason) if part)
    return render(
        "ban.html",
        locale,
        token=token,
        platform=ban.platform,
        user_id=ban.user_id,
        scope=ban.scope,
        said=said,
        who=_ids(ban.user_id),
    )


def trouble(locale: str, sentence: str) -> Html:
    """A page with one sentence: what was refused, or is not there."""
    return render("trouble.html", locale, sentence=sentence)
