"""Messages to the Telegram bot: pictures, commands, and answers to what it asked.

In a group it reacts to commands and to replies to itself, never to a picture that somebody just shows.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from typing import Final

from telegram import Message

from bot.chat import number_of
from bot.errors import Refused
from bot.telegram_admin import ADMIN
from bot.telegram_commands import operator_plans
from bot.telegram_order import Order, make, picture_of
from bot.telegram_panels import cancel_panel, history_panel, queue_panel, settings_panel
from bot.telegram_press import ask_cancel, wish
from bot.telegram_send import calling
from bot.telegram_talk import TELEGRAM, Here, Talk, one_by_one, replied_to, sentence
from bot.telegram_text import command_of, data
from bot.words import clean, say
from db import inbox, jobs, reports
from db.errors import NoSuchJob
from db.rows import At, Job, Question, Report

ALBUM_S: Final = 1.5  # the parts of an album arrive within that
ALBUMS: Final = 1000  # remembered

Command = Callable[[Talk, Here, Message, str], Awaitable[None]]


async def message_came(talk: Talk, here: Here, message: Message) -> None:
    """Answer a message, if it is for the bot. raises: SendError, to be tried again."""
    try:
        text = message.text or message.caption or ""
        command = command_of(text, talk.bot.username)
        if message.sender_chat is not None:  # an administrator who stays anonymous, or a channel: nobody to own a film
            if command is not None and command[0] in COMMANDS:
                await talk.tell(here, sentence(here.locale, "telegram.as_yourself"), fleeting=True)
        elif command is not None and (handler := COMMANDS.get(command[0])):
            await handler(talk, here, message, command[1])
        elif command is not None and here.operator and (admin := ADMIN.get(command[0])):
            await admin(talk, here, message, command[1])
        elif command is not None:
            if here.private:
                await talk.tell(here, sentence(here.locale, "telegram.no_such_command"))
        elif (question := await answered_question(talk, here, message)) is not None:
            await answer_came(talk, here, question, message)
        elif here.private:
            await private_message(talk, here, message)
    except Refused as refused:
        await talk.refuse(here, refused)
    except NoSuchJob:
        await talk.refuse(here, Refused("refused.no_such_job"))


async def private_message(talk: Talk, here: Here, message: Message) -> None:
    """Something without a command, in a private chat: a picture with or without a prompt, or a word."""
    picture = picture_of(message)
    if picture is not None:
        await picture_came(talk, here, message, message.caption or "", message)
        return
    if message.text:
        waiting = await inbox.questions(talk.db, TELEGRAM, here.user_id, "prompt")
        if mine := [question for question in waiting if question.chat_id == here.chat_id]:
            await take_prompt(talk, here, mine[-1], message.text)
            return
    key = "refused.picture_unknown" if message.document else "telegram.send_a_picture"
    await talk.tell(here, sentence(here.locale, key))


async def picture_came(talk: Talk, here: Here, message: Message, text: str, shown: Message) -> None:
    """A picture, with what shall happen to it, or the question what. shown: the message that has the picture."""
    picture = picture_of(shown)
    if picture is None:
        raise Refused("telegram.no_picture_there")
    album = message.media_group_id if shown is message else None
    order = Order(
        key=f"telegram:{talk.bot.id}:{here.chat_id}:{f'album:{album}' if album else message.message_id}",
        file_id=picture[0], file_size=picture[1], text=text, message_id=str(message.message_id),
        thread_id=here.thread_id, album=album is not None, covered=bool(shown.has_media_spoiler),
    )  # fmt: skip
    if album and not await first_of_album(talk, order.key, text):
        return
    if text or shown is not message or not here.private:
        job = await make(talk, here, order)
        if job and order.album:
            await talk.tell(here, sentence(here.locale, "telegram.album_taken"))
        return
    html = sentence(here.locale, "telegram.ask_prompt")
    if order.album:
        html = sentence(here.locale, "telegram.album_first") + "\n" + html
    await talk.ask(here, order.key, "prompt", asdict(order), html)


async def first_of_album(talk: Talk, key: str, text: str) -> bool:
    """Whether this picture is the one of its album: the one with a text, else the first. The others arrive apart."""
    if not text:
        await asyncio.sleep(0 if key in talk.albums else ALBUM_S)
        if key not in talk.albums and await texts_to_come(talk, key):
            return False
    if key in talk.albums:
        return False
    talk.albums[key] = None
    while len(talk.albums) > ALBUMS:
        talk.albums.popitem(last=False)
    return True


async def texts_to_come(talk: Talk, key: str) -> bool:
    """Whether another picture of the album, not handled yet, has a text."""
    group = key.rsplit(":", 1)[1]
    for letter in await inbox.unhandled(talk.db, TELEGRAM):
        said = json.loads(letter.content).get("message") or {}
        if said.get("media_group_id") == group and said.get("caption"):
            return True
    return False


# Answers to what the bot asked


async def answered_question(talk: Talk, here: Here, message: Message) -> Question | None:
    """The question that a message answers: a reply by the person who was asked."""
    replied = message.reply_to_message
    if replied is None or replied.from_user is None or replied.from_user.id != talk.bot.id:
        return None
    question = await inbox.question(
        talk.db, TELEGRAM, chat_id=here.chat_id, message_id=str(replied.message_id)
    )  # fmt: skip
    return question if question and question.user_id == here.user_id and question.kind != "consent" else None


async def answer_came(talk: Talk, here: Here, question: Question, message: Message) -> None:
    """A reply to a question. raises: Refused."""
    text = message.text or ""
    if not text.strip():
        raise Refused("telegram.text_please")
    if question.kind == "prompt":
        await take_prompt(talk, here, question, text)
        return
    job = await jobs.get(talk.db, int(question.about["job"]))
    match question.kind:
        case "edit":
            by = await talk.by(here, job)
            at = At(reply_to=here.message_id, thread_id=here.thread_id)
            key = f"telegram:{talk.bot.id}:{here.chat_id}:{message.message_id}"
            await talk.intake.again(job.id, by, key=key, prompt=text, at=at)
        case "steer":
            await talk.intake.steer(job.id, await talk.by(here, job), text)
        case "report":
            await report(talk, here, job, text)
    await talk.close(here, question)
    if question.kind == "steer":
        await talk.tell(here, sentence(here.locale, "telegram.steered", job=job.id), fleeting=True)


async def take_prompt(talk: Talk, here: Here, question: Question, text: str) -> None:
    """The prompt of a picture that came without one. raises: Refused."""
    order = replace(Order(**question.about), text=text)
    if here.message_id != question.message_id and here.message_id is not None:
        here = replace(here, message_id=order.message_id)
    await make(talk, here, order)
    await talk.close(here, question)


async def report(talk: Talk, here: Here, job: Job, reason: str) -> None:
    """Somebody objects to a film: the moderators' chat hears of it, or the operators do."""
    made, _ = await reports.report(talk.db, job.id, TELEGRAM, here.user_id, clean(reason, 1000))
    if made.told_ms is None:
        await tell_moderators(talk, here, made)
        await reports.told(talk.db, made.id)
    await talk.tell(here, sentence(here.locale, "telegram.report_thanks"), fleeting=True)


async def tell_moderators(talk: Talk, here: Here, made: Report) -> None:
    """Tell each of them once. raises: SendError, after the others were told, where one could not be."""
    html = sentence("en", "telegram.reported", job=made.job_id, reason=clean(made.reason, 500))
    buttons = [
        (say("en", "telegram.button.show"), "data:" + data("show", made.job_id), "plain"),
        (say("en", "telegram.button.hide"), "data:" + data("hide", made.id), "danger"),
        (say("en", "telegram.button.letbe"), "data:" + data("letbe", made.id), "plain"),
    ]
    whom = [talk.config.report_chat] if talk.config.report_chat else list(talk.config.operators)

    async def tell(chat: int) -> None:
        there = replace(
            here, user_id=str(chat), chat_id=str(chat), private=chat > 0, message_id=None, thread_id=None, locale="en"
        )
        await talk.tell(there, html, rows=[buttons], silent=False)
        talk.told.add((made.id, chat))

    await one_by_one([chat for chat in whom if (made.id, chat) not in talk.told], tell)
    talk.told -= {(made.id, chat) for chat in whom}


# Commands


async def animate(talk: Talk, here: Here, message: Message, text: str) -> None:
    """/animate, as the caption of a picture or as a reply to one."""
    shown = message if picture_of(message) else replied_to(message)
    if shown is None:
        raise Refused("telegram.no_picture" if here.private else "telegram.no_picture_group")
    await picture_came(talk, here, message, text, shown)


async def start(talk: Talk, here: Here, message: Message, text: str) -> None:
    """/start"""
    if here.operator and here.private:
        for _, apply in operator_plans(int(here.user_id)):
            await calling(apply(talk.bot))
    await talk.tell(here, sentence(here.locale, "telegram.start"))


async def help_(talk: Talk, here: Here, message: Message, text: str) -> None:
    """/help"""
    rules = talk.intake.rules
    facts = {"longest": rules.longest_seconds, "qualities": rules.listed, "bot": talk.bot.username}
    html = sentence(here.locale, "telegram.help", **facts)
    if examples := talk.intake.model.examples:
        said = [example.said(here.locale) for example in examples[:4]]
        html += "\n" + sentence(here.locale, "telegram.examples", examples=" · ".join(said))
    await talk.tell(here, html)


async def privacy(talk: Talk, here: Here, message: Message, text: str) -> None:
    """/privacy"""
    days = talk.safety.keep_days
    kept = sentence(here.locale, "telegram.privacy_days", days=days) if days else ""
    html = "\n\n".join(filter(None, [sentence(here.locale, "telegram.privacy"), kept]))
    await talk.tell(here, html + "\n\n" + sentence(here.locale, "telegram.terms"))


async def forget_me(talk: Talk, here: Here, message: Message, text: str) -> None:
    """/forgetme"""
    label = say(here.locale, "telegram.button.forget")
    rows = [[(label, "data:" + data("forget", int(here.user_id)), "danger")]]
    await talk.tell(here, sentence(here.locale, "telegram.forget_sure"), rows=rows)


async def queue(talk: Talk, here: Here, message: Message, text: str) -> None:
    """/queue"""
    html, quoted = await queue_panel(talk, here)
    await talk.tell_of(here, quoted, html)


async def cancel(talk: Talk, here: Here, message: Message, text: str) -> None:
    """/cancel, with a film's number or a choice of one's own"""
    if text:
        number = number_of(text)
        job = await jobs.get(talk.db, number)
        await talk.owned(here, job)
        if job.done and not job.state.terminal:
            await ask_cancel(talk, here, job)
            return
        said = await wish(talk, here, job, "cancel")
        await talk.tell(here, f"{sentence(here.locale, 'chat.job', job=number)}: {said}", fleeting=True)
        return
    html, rows, shown = await cancel_panel(talk, here)
    await talk.tell_of(here, shown, html, rows)


async def history(talk: Talk, here: Here, message: Message, text: str) -> None:
    """/history"""
    html, rows, shown = await history_panel(talk, here)
    await talk.tell_of(here, shown, html, rows)


async def settings(talk: Talk, here: Here, message: Message, text: str) -> None:
    """/settings"""
    html, rows = await settings_panel(talk, here)
    await talk.tell(here, html, rows=rows)


COMMANDS: Final[Mapping[str, Command]] = {
    "animate": animate,
    "queue": queue,
    "cancel": cancel,
    "history": history,
    "settings": settings,
    "help": help_,
    "privacy": privacy,
    "forgetme": forget_me,
    "start": start,
}
