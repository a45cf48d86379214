"""Buttons of the Telegram bot: each stands for an act and a number, and works after a restart as before it.

A press may come twice (the update was delivered again): acts on a film are keyed by the query, wishes and settings say
what shall be and not what shall change.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from telegram import CallbackQuery, Message

from bot.canvas import look
from bot.chat import Terms, left_alone, need_room, settings_of
from bot.errors import Refused
from bot.sender import Unknown
from bot.telegram_order import accepted
from bot.telegram_panels import history_film, set_settings, settings_panel
from bot.telegram_talk import TELEGRAM, TERMS, Here, Talk, sentence
from bot.telegram_text import Row, TelegramStyle, data, data_of, in_parts
from bot.words import say
from db import inbox, jobs, people, reports
from db.errors import NoSuchJob
from db.rows import At, Job, Question

CONFIRM_S: Final = 20.0  # between the two clicks that throw something away
PROMPT_PART: Final = 3000  # UTF-16 units of a prompt in one message
TAP_S: Final = 2.0  # a second press that fast is a double tap

Press = Callable[[Talk, Here, CallbackQuery, int, int], Awaitable[str | None]]


async def pressed(talk: Talk, here: Here, query: CallbackQuery) -> None:
    """Do what the button says, and end its spinning with a word. raises: SendError, to be tried again."""
    meant = data_of(query.data or "")
    act = PRESSES.get(meant[0]) if meant else None
    if meant is None or act is None:
        await talk.answer(query, say(here.locale, "telegram.button_unknown"))
        return
    try:
        said = await act(talk, here, query, meant[1], meant[2])
    except Refused as refused:
        await talk.answer(query, say(here.locale, refused.key, **refused.facts), alert=True)
    except NoSuchJob:
        await talk.answer(query, say(here.locale, "refused.no_such_job"), alert=True)
    else:
        await talk.answer(query, said or "")


# What is done with a film


async def stop(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
    """Stop here: what is finished is the film."""
    return await wish(talk, here, await jobs.get(talk.db, number), "stop")


async def cancel(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
    """Cancel; once something is finished, it is asked what shall become of that."""
    job = await jobs.get(talk.db, number)
    await talk.owned(here, job)
    if not job.done or job.state.terminal:
        return await wish(talk, here, job, "cancel")
    if talk.once(query, f"{query.data} {here.user_id}", TAP_S):
        await ask_cancel(talk, here, job)
    return None


async def ask_cancel(talk: Talk, here: Here, job: Job) -> None:
    """What shall become of what is ready?"""
    facts = {"job": job.id, "seconds": (await look(talk.db, job)).seconds_done}
    answers = {"halt": "chat.cancel_keep", "scrap": "chat.cancel_delete", "leave": "chat.cancel_not"}
    rows: list[Row] = [
        [(say(here.locale, key, **facts), "data:" + data(act, job.id), "plain" if act == "leave" else "danger")]
        for act, key in answers.items()
    ]
    await talk.tell_of(here, [job.id], sentence(here.locale, "chat.cancel_sure", **facts), rows)


async def halt(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
    """Asked, they cancel it and keep what is ready, in its message."""
    job = await jobs.get(talk.db, number)
    await talk.owned(here, job)
    try:
        return await wish(talk, here, job, "cancel")
    finally:
        await close(talk, here, query, number, rev)


async def scrap(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
    """Asked, they want nothing of it to be left; one that has ended meanwhile is deleted as any is."""
    job = await jobs.get(talk.db, number)
    await talk.owned(here, job)
    try:
        await talk.intake.scrap(number)
    finally:
        await close(talk, here, query, number, rev)
    return say(here.locale, "telegram.deleted")


async def leave(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
    """Asked, they do not cancel it."""
    await talk.owned(here, await jobs.get(talk.db, number))
    await close(talk, here, query, number, rev)
    return left_alone(here.locale, await jobs.get(talk.db, number))


async def wish(talk: Talk, here: Here, job: Job, what: Any) -> str:
    """Stop or cancel a film. raises: Refused."""
    await talk.owned(here, job)
    ended = await talk.intake.wish(job, what, here.user_id)
    kept = ended.wish == "stop"
    return say(here.locale, "headline.stopping" if kept else "headline.cancelling")


async def again(talk: Talk, here: Here, query: CallbackQuery, job: Job, **how: Any) -> str | None:
    """A new film out of this one, in a message of its own below it."""
    if not talk.once(query, f"{query.data} {here.user_id}", TAP_S):
        return None
    message = query.message
    at = At(reply_to=str(message.message_id) if message else None, thread_id=here.thread_id)
    by = await talk.by(here, job)
    made = await talk.intake.again(job.id, by, key=f"telegram:{talk.bot.id}:query:{query.id}", at=at, **how)
    return say(here.locale, "telegram.queued", job=made.id)


async def new_seed(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
    """The same with another seed."""
    return await again(talk, here, query, await jobs.get(talk.db, number), seed="new")


async def extend(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
    """Some seconds more."""
    job = await jobs.get(talk.db, number)
    await talk.owned(here, job)
    more = need_room(await look(talk.db, job), Terms(longest_s=talk.intake.rules.longest_seconds))
    return await again(talk, here, query, job, keep="all", add_seconds=more)


async def once_more(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
    """What was cancelled before anything was ready, anew."""
    return await again(talk, here, query, await jobs.get(talk.db, number))


async def retry(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
    """What failed, from where it stands."""
    return await again(talk, here, query, await jobs.get(talk.db, number), keep="all")


def asks(kind: str, key: str) -> Press:
    """A button that asks for a text: to be answered by a reply."""

    async def ask(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
        job = await jobs.get(talk.db, number)
        await (talk.seen if kind == "report" else talk.owned)(here, job)
        if kind == "steer" and job.state.terminal:
            raise Refused("refused.job_over")
        whom = "" if here.private else TelegramStyle(talk.names).person(here.user_id) + ": "
        html = whom + sentence(here.locale, key)
        placeholder = say(here.locale, "telegram.placeholder")
        about = {"job": number, "thread_id": here.thread_id}
        await talk.ask(here, f"telegram:{kind}:{query.id}", kind, about, html, force=placeholder)
        return None

    return ask


async def details(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
    """Everything about a film: the whole prompt, seed and settings, and what else can be done with it."""
    job = await jobs.get(talk.db, number)
    await talk.seen(here, job)
    if not talk.once(query, f"{query.data} {here.user_id}", TAP_S):
        return None
    style = TelegramStyle(talk.names)
    lines = [style.strong(sentence(here.locale, "chat.job", job=number))]
    first, *rest = in_parts(job.prompt, PROMPT_PART)
    if first:
        lines.append(style.quote(first))
    view = await look(talk.db, job)
    lines.append(" · ".join(settings_of(replace(job, locale=here.locale), view, style)))
    if job.parent_id:
        lines.append(sentence(here.locale, "chat.parent", job=job.parent_id))
    if job.film and await talk.owns(here, job) and (link := await talk.intake.link(job.id)):
        lines.append(sentence(here.locale, "chat.watch", link=link))
    await talk.tell_of(here, [number], "\n".join(lines), details_rows(here, job))
    for part in rest:
        await talk.tell_of(here, [number], style.quote(part))
    return None


def details_rows(here: Here, job: Job) -> list[Row]:
    """The buttons of the details; who opened them closes them."""
    locale, mine = here.locale, int(here.user_id)
    seed = job.settings.get("seed")
    rows: list[Row] = []
    if isinstance(seed, int):
        rows.append([(say(locale, "telegram.copy_seed", seed=seed), f"copy:{seed}", "plain")])
    rows.append(
        [
            (say(locale, "telegram.button.delete"), "data:" + data("delete", job.id), "danger"),
            (say(locale, "telegram.button.report"), "data:" + data("report", job.id), "plain"),
        ]
    )
    rows.append([(say(locale, "telegram.button.close"), "data:" + data("close", job.id, mine), "plain")])
    return rows


async def delete(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
    """Delete a film for good, after the second click."""
    job = await jobs.get(talk.db, number)
    await talk.owned(here, job)
    if talk.once(query, f"delete {here.user_id} {number}", CONFIRM_S):
        return say(here.locale, "telegram.delete_sure")
    await drop(talk, await people.forget_job(talk.db, number))
    if panel := panel_of(query):
        await talk.take_away(here, panel)
    return say(here.locale, "telegram.deleted")


async def drop(talk: Talk, gone: people.Forgotten) -> None:
    """Remove the files that no row names any more."""
    await talk.intake.discard(gone.files)


async def close(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
    """Take the bot's own panel away. rev: who opened it, who alone closes it but for moderators; 0: anybody."""
    if rev and str(rev) != here.user_id and not await talk.moderates(here):
        raise Refused("telegram.question_not_yours")
    if panel := panel_of(query):
        await talk.take_away(here, panel)
    return None


def panel_of(query: CallbackQuery) -> str | None:
    """The message with the pressed button; None where it has no such button: made up, it must not change another's."""
    message = query.message
    if not isinstance(message, Message) or message.reply_markup is None:
        return None
    shown = [button.callback_data for row in message.reply_markup.inline_keyboard for button in row]
    return str(message.message_id) if query.data in shown else None


# What was asked


async def theirs(talk: Talk, here: Here, number: int, kind: str) -> Question:
    """The open question of this kind with that number, which was asked of them. raises: Refused."""
    question = await inbox.question(talk.db, TELEGRAM, question_id=number)
    if question is None:
        raise Refused("telegram.question_over")
    if question.user_id != here.user_id:
        raise Refused("telegram.question_not_yours")
    if question.kind != kind:
        raise Refused("telegram.button_unknown")
    return question


async def accept(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
    """They accept the terms."""
    agreed = (await people.get(talk.db, TELEGRAM, here.user_id)).consent >= TERMS
    if not (agreed and await inbox.question(talk.db, TELEGRAM, question_id=number) is None):
        await theirs(talk, here, number, "consent")
    await accepted(talk, here)  # tried again, it goes on with what met trouble
    return None


async def refuse(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
    """They do not: nothing of what they ordered is kept."""
    await theirs(talk, here, number, "consent")
    for question in await inbox.questions(talk.db, TELEGRAM, here.user_id, "consent"):
        there = replace(here, chat_id=question.chat_id)
        await talk.close(there, question, sentence(here.locale, "telegram.refused_terms"))
    return None


async def no_prompt(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
    """Gentle motion, without a prompt."""
    from bot.telegram_messages import take_prompt

    await take_prompt(talk, here, await theirs(talk, here, number, "prompt"), "")
    return None


async def write(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
    """They want to write a prompt: a field opens for the reply."""
    question = await theirs(talk, here, number, "prompt")
    asked_before = question.message_id
    html = sentence(here.locale, "telegram.write_prompt")
    message_id = await talk.tell(here, html, force=say(here.locale, "telegram.placeholder"), silent=False)
    if message_id is not None:
        await inbox.asked(talk.db, question.id, message_id)
        if asked_before:
            await talk.take_away(here, asked_before)
    return None


# Panels


async def settings(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
    """A setting gets a value: number says which, rev which value."""
    here = await set_settings(talk, here, number, rev)
    if panel := panel_of(query):
        html, rows = await settings_panel(talk, here)
        await talk.retell(here, panel, html, rows)
    return None


async def show(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
    """Show a film of theirs again, with its buttons."""
    job = await jobs.get(talk.db, number)
    await talk.owned(here, job)
    if talk.once(query, f"{query.data} {here.user_id}", TAP_S):
        with suppress(Unknown):  # it may well have arrived: a film is never sent again unasked
            await history_film(talk, here, job)
    return None


async def forget_me(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
    """Delete everything of the person who pressed. number: their own, so that nobody else can."""
    if str(number) != here.user_id:
        raise Refused("telegram.question_not_yours")
    gone = await people.forget(talk.db, TELEGRAM, here.user_id)
    await drop(talk, gone)
    talk.names.pop(here.user_id, None)
    if panel := panel_of(query):
        await talk.retell(here, panel, sentence(here.locale, "telegram.forgotten", films=len(gone.jobs)))
    return None


# Reports, in the moderators' chat


async def hide(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
    """A moderator deletes the reported film. number: of the report."""
    return await judge(talk, here, query, number, remove=True)


async def let_be(talk: Talk, here: Here, query: CallbackQuery, number: int, rev: int) -> str | None:
    """A moderator finds nothing wrong with it."""
    return await judge(talk, here, query, number, remove=False)


async def judge(talk: Talk, here: Here, query: CallbackQuery, number: int, *, remove: bool) -> str | None:
    """End a report. raises: Refused, unless they are an operator or the chat is the moderators'."""
    if not here.operator and here.chat_id != str(talk.config.report_chat):
        raise Refused("telegram.not_yours")
    report = await reports.resolve(talk.db, number, here.user_id)
    if report is None:
        raise Refused("refused.no_such_job")
    if remove:
        await drop(talk, await people.forget_job(talk.db, report.job_id))
    key = "telegram.report_removed" if remove else "telegram.report_kept"
    if panel := panel_of(query):
        await talk.retell(here, panel, sentence(here.locale, key, job=report.job_id))
    return None


PRESSES: Final[Mapping[str, Press]] = {
    "stop": stop,
    "cancel": cancel,
    "halt": halt,
    "scrap": scrap,
    "leave": leave,
    "seed": new_seed,
    "extend": extend,
    "again": once_more,
    "retry": retry,
    "edit": asks("edit", "telegram.write_edit"),
    "steer": asks("steer", "telegram.write_steer"),
    "report": asks("report", "telegram.write_report"),
    "details": details,
    "delete": delete,
    "close": close,
    "accept": accept,
    "refuse": refuse,
    "plain": no_prompt,
    "write": write,
    "set": settings,
    "show": show,
    "forget": forget_me,
    "hide": hide,
    "letbe": let_be,
}
