"""What the bot shows of more than one film: the queue, somebody's films, their settings."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from bot.canvas import look
from bot.chat import Now, Terms, compose, quality_name
from bot.telegram_talk import TELEGRAM, Here, Talk, sentence, stands_here
from bot.telegram_text import Row, TelegramStyle, cut, data
from bot.words import LANGUAGES, duration, say
from db import canvases, jobs, people
from db.errors import MediaAway
from db.rows import Job, Person

QUEUE_SHOWN: Final = 10
HISTORY_SHOWN: Final = 25
SECONDS: Final = (2.0, 3.0, 5.0, 8.0, 10.0, 15.0, 20.0, 30.0)  # what the settings offer
NOTIFY: Final = ("ping", "silent", "off")


async def queue_panel(talk: Talk, here: Here) -> tuple[str, list[int]]:
    """What runs, and the next ten; one's own in bold, and only their prompts; and the numbers of those."""
    line, more = await jobs.line(talk.db, QUEUE_SHOWN + 1)
    if not line:
        return sentence(here.locale, "telegram.queue_empty"), []
    style = TelegramStyle(talk.names)
    lines = [style.strong(sentence(here.locale, "telegram.queue_title", films=len(line) + more))]
    quoted = []
    for job in line:
        view = await look(talk.db, job)
        parts = [sentence(here.locale, view.headline, **view.facts)]
        if view.eta_ms is not None:
            parts.append(say(here.locale, "eta.left", left=duration(here.locale, view.eta_ms / 1000)))
        mine = (job.platform, job.user_id) == (TELEGRAM, here.user_id)
        parts.append(sentence(here.locale, "chat.job_yours" if mine else "chat.job", job=job.id))
        prompt = cut(job.prompt, 60) if mine and readable(here, job) else ""
        quoted += [job.id] if prompt else []
        said = style.strong(" · ".join(parts)) if mine else " · ".join(parts)
        lines.append(f"{said} · {style.quote(prompt)}" if prompt else said)
    if more > 0:
        lines.append(sentence(here.locale, "telegram.queue_more", films=more))
    return "\n".join(lines), quoted


async def cancel_panel(talk: Talk, here: Here) -> tuple[str, list[Row], list[int]]:
    """One's own films that wait or grow, a button for each; and the films' numbers."""
    open_ = await jobs.open_jobs(talk.db, TELEGRAM, here.user_id)
    if not open_:
        return sentence(here.locale, "telegram.nothing_to_cancel"), [], []
    shown = open_[:20]
    rows: list[Row] = [[(film_label(here, job), "data:" + data("cancel", job.id), "danger")] for job in shown]
    return sentence(here.locale, "telegram.cancel_which"), rows, [job.id for job in shown]


async def history_panel(talk: Talk, here: Here) -> tuple[str, list[Row], list[int]]:
    """One's own latest films, a button for each that shows it again; and the films' numbers."""
    latest = await jobs.recent(talk.db, HISTORY_SHOWN, here.user_id, TELEGRAM)
    latest = [job for job in latest if readable(here, job)]
    if not latest:
        return sentence(here.locale, "telegram.history_empty"), [], []
    rows: list[Row] = [[(film_label(here, job), "data:" + data("show", job.id), "plain")] for job in latest]
    return sentence(here.locale, "telegram.history_title", films=len(latest)), rows, [job.id for job in latest]


def film_label(here: Here, job: Job) -> str:
    """A film of theirs on a button."""
    label = f"{job.id} · {say(here.locale, f'state.{job.state.value}')}"
    said = cut(job.prompt or say(here.locale, "page.no_prompt"), 40)
    return f"{label} · {said}" if readable(here, job) else label


def readable(here: Here, job: Job) -> bool:
    """Whether the prompt of somebody's own film may be shown where they are: what is private stays there."""
    return here.private or stands_here(here, job)


async def history_film(talk: Talk, here: Here, job: Job) -> None:
    """Show a film once more, in a message of its own, with working buttons; what grows in this chat grows on there."""
    from telegram import InputFile
    from telegram.constants import ParseMode

    from bot.telegram_send import LOCAL_LIMIT, PUBLIC_LIMIT, calling, keyboard
    from bot.telegram_text import CAPTION_LIMIT, buttons_of, told

    canvas = await canvases.get(talk.db, job.id)
    if not job.state.terminal and canvas is not None and canvas.chat_id == here.chat_id:
        at = {"thread_id": here.thread_id, "reply_to": here.message_id}
        await canvases.create(talk.db, job.id, TELEGRAM, here.chat_id, server_id=canvas.server_id, **at)
        return
    style = TelegramStyle(talk.names)
    now = Now(ms=talk.db.now())
    message = compose(replace(job, locale=here.locale), await look(talk.db, job), style, talk_terms(talk), now)
    rows = buttons_of(message)
    limit = LOCAL_LIMIT if talk.config.local_server else PUBLIC_LIMIT
    film = None
    if message.film:
        with suppress(MediaAway):
            film = await talk.film_of(job, message, limit)
    if film is None:
        await talk.tell_of(here, [job.id], message.text, rows)
        return
    with film.path.open("rb") as file:
        sent = await calling(
            talk.bot.send_video(
                int(here.chat_id), InputFile(file, filename=film.name, read_file_handle=False),
                caption=told(message, CAPTION_LIMIT), parse_mode=ParseMode.HTML, reply_markup=keyboard(rows),
                width=film.width or None, height=film.height or None, supports_streaming=True,
                duration=max(1, round(film.duration_ms / 1000)), disable_notification=True,
                has_spoiler=film.spoiler or None,
                message_thread_id=int(here.thread_id) if here.thread_id else None,
            )
        )  # fmt: skip
    await canvases.beside(talk.db, [job.id], TELEGRAM, here.chat_id, str(sent.message_id))


def talk_terms(talk: Talk) -> Terms:
    """What films may be here."""
    return Terms(longest_s=talk.intake.rules.longest_seconds)


# Settings: button number n stands for one of these, and its rev for a value


def offers(talk: Talk) -> list[tuple[str, list[Any], Callable[[str, Any], str]]]:
    """What can be set: name, values (None is the service's default), and how a value is said."""
    rules = talk.intake.rules
    seconds = [None, *(s for s in SECONDS if s <= rules.longest_seconds)]
    return [
        ("seconds", seconds, lambda lang, v: say(lang, "duration.seconds", seconds=v or rules.default_seconds)),
        ("quality", list(rules.qualities), lambda lang, v: quality_name(lang, v or rules.qualities[0])),
        ("notify", list(NOTIFY), lambda lang, v: say(lang, f"telegram.notify.{v}")),
        ("language", [None, *LANGUAGES], lambda lang, v: say(v, "language.name") if v else say(lang, "telegram.auto")),
        ("spoiler", [False, True], lambda lang, v: say(lang, f"telegram.spoiler.{'on' if v else 'off'}")),
    ]


async def settings_panel(talk: Talk, here: Here) -> tuple[str, list[Row]]:
    """Their settings, each a button that goes to its next value."""
    person = await people.get(talk.db, TELEGRAM, here.user_id)
    rows: list[Row] = []
    for n, (name, values, said) in enumerate(offers(talk)):
        value = getattr(person, name)
        at = values.index(value) if value in values else 0
        label = f"{say(here.locale, f'telegram.setting.{name}')}: {said(here.locale, value)}"
        rows.append([(label, "data:" + data("set", n, (at + 1) % len(values)), "plain")])
    rows.append([(say(here.locale, "telegram.button.close"), "data:" + data("close", 0, int(here.user_id)), "plain")])
    return sentence(here.locale, "telegram.settings_title"), rows


async def set_settings(talk: Talk, here: Here, which: int, value: int) -> Here:
    """Set one of them to one of its values; returns where they are, in what may be another language."""
    known = offers(talk)
    if which >= len(known) or value >= len(known[which][1]):
        return here  # from another version's panel
    name, values, _ = known[which]
    person: Person = await people.prefer(talk.db, TELEGRAM, here.user_id, **{name: values[value]})
    return replace(here, locale=person.language or here.spoken)
