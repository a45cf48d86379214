"""The Telegram bot as people meet it: the real library against a server that checks every request."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from telegram import Update
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    TelegramError,
    TimedOut,
)
from telegram_stage import ANN, BOB, MEI, OPERATOR, Stage, stage

from bot import telegram_bot
from bot.chat import ChatMessage, Wanted
from bot.intake import Example
from bot.sender import (
    TELEGRAM_GROUP,
    TELEGRAM_PRIVATE,
    Closed,
    Failed,
    Film,
    Gone,
    Moved,
    SendError,
    Spot,
    TooBig,
    Unknown,
    Unreachable,
)
from bot.telegram_send import TelegramSender, mapped
from bot.telegram_text import TelegramStyle
from bot.words import say
from db import absences, chats, inbox, jobs, operators, people, removals, reports
from db.errors import LeaseLost
from db.models import Platform, State
from tests.fakes.telegram import ANONYMOUS, Call, Fault, Refusal, a_picture, labels
from tests.ready import count_on_from

TELEGRAM = Platform.TELEGRAM


def alert(there: Stage, query: str) -> str:
    return str(there.server.answers.get(query, {}).get("text", ""))


async def answered(there: Stage, query: str) -> str:
    """How a button's query was answered."""
    await there.server.until(lambda: query in there.server.answers)
    return alert(there, query)


def datas(message: dict[str, Any]) -> list[str]:
    """What a message's buttons send."""
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return [button.get("callback_data", "") for row in rows for button in row]


# The life of a job


def test_a_group_is_spoken_to_more_slowly_and_a_server_of_ones_own_takes_larger_films() -> None:
    at: Any = object()
    public, own = (TelegramSender(at, TelegramStyle({}), local=local, db=at) for local in (False, True))
    assert (public.pace("5"), public.pace("-5")) == (TELEGRAM_PRIVATE, TELEGRAM_GROUP)
    spot = Spot(chat_id="5")
    assert public.limit_bytes(spot) < 50_000_000 < own.limit_bytes(spot) == 2_000_000_000


async def test_a_photo_grows_into_a_film_in_one_message(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        sent = there.server.sends(ANN, chat, caption="fog rolls in 3.6s seed=42 q=draft spoiler")
        canvas = await there.message(chat, "fog rolls in", kind="text")
        assert canvas["reply_to_message"]["message_id"] == sent and canvas["silent"]
        assert "left out" not in canvas["text"]
        assert all(part in canvas["text"] for part in ("3.6 s", "draft", "seed 42"))
        assert labels(canvas) == ["Cancel"]
        await there.section()
        grown = await there.message(chat, "1.2 of 3.6 s", kind="animation")
        assert grown["message_id"] == canvas["message_id"] and "text" not in grown
        assert "Stop here" in labels(grown) and "Cancel" in labels(grown)
        assert "left out" not in grown["caption"]
        await there.section()
        await there.message(chat, "2.4 of 3.6 s", kind="animation")
        job = await there.section()
        done = await there.message(chat, "ready", kind="video")
        assert done["message_id"] == canvas["message_id"]
        assert "AI-animated" in done["caption"] and "seed 42" in done["caption"]
        assert (done["video"]["width"], done["video"]["file_name"]) == (64, "film.mp4")
        puts = [call.params["media"] for call in there.server.called("editMessageMedia")]
        assert all(put["has_spoiler"] for put in puts)
        assert ["thumbnail" in put for put in puts] == [put["type"] == "video" for put in puts]
        assert {"New seed", "Edit prompt", "Extend +5 s", "Details", "Copy seed 42"} == set(labels(done))
        await there.settled()
        assert len(there.server.of_bot(chat)) == 1
        assert (job.settings["seed"], job.settings["quality"], job.settings["seconds"]) == (42, "draft", 3.6)
        assert len(there.server.called("sendMessage")) == 1


async def test_a_covered_photo_makes_a_covered_film(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat, group = there.server.private(ANN), there.server.group()
        there.server.sends(ANN, chat, covered=True)
        question = await there.message(chat, "What should move?")
        there.server.says(ANN, chat, "fog 1.2s", reply_to=question["message_id"])
        await there.finish()
        assert (await there.message(chat, "ready", kind="video"))["has_media_spoiler"]
        there.server.says(BOB, group, "/animate rain 1.2s", reply_to=there.server.sends(ANN, group, covered=True))
        await there.finish()
        assert (await there.message(group, "ready", kind="video"))["has_media_spoiler"]


async def test_a_picture_as_a_file_works_alike(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat, a_picture(kind="PNG"), caption="night falls", as_file="image/png")
        (job,) = await there.jobs(1)
        assert (job.prompt, job.platform, job.user_id, job.chat_id) == ("night falls", TELEGRAM, "111", "111")
        there.server.sends(ANN, chat, b"%PDF-1.7", caption="night falls", as_file="application/pdf")
        await there.message(chat, "not a kind of picture I can read")
        there.server.sends(ANN, chat, a_picture(kind="PNG")[:-200], caption="night falls", as_file="image/png")
        await there.message(chat, "damaged")
        assert len(await there.jobs(1)) == 1


async def test_what_cannot_be_done_is_said_in_one_sentence(tmp_path: Path) -> None:
    wrong = {
        "fog 99s": "up to 20 s long; you asked for 99.",
        "fog seed=abc": "whole number",
        "fog q=superb": "no quality called superb",
    }
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        for caption, sentence in wrong.items():
            there.server.sends(ANN, chat, caption=caption)
            await there.message(chat, sentence)
        assert await jobs.recent(there.db, 5) == []
        assert [path for path in (tmp_path / "media").rglob("*") if path.is_file()] == []


async def test_a_full_line_is_refused_with_its_number(tmp_path: Path) -> None:
    async with stage(tmp_path, queued_per_user=1) as there:
        group = there.server.group()
        photo = there.server.sends(BOB, group)
        for prompt in ("one", "two"):
            there.server.says(ANN, group, f"/animate@{there.server.username} {prompt}", reply_to=photo)
        await there.message(group, "1 of your films are in line")
        await there.jobs(1)
        await there.settled()
        assert await removals.due(there.db, TELEGRAM) == []  # not yet: it stands for half a minute


async def test_stopping_keeps_what_is_ready(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat, caption="fog 3.6s")
        await there.section()
        grown = await there.message(chat, "1.2 of 3.6 s", kind="animation")
        query = there.server.presses(ANN, chat, grown["message_id"], "Stop here")
        assert "Stopping" in await answered(there, query)
        done = await there.message(chat, "Stopped at 1.2 s", kind="video")
        assert done["message_id"] == grown["message_id"]
        (job,) = await there.jobs(1)
        assert (job.state, job.done, job.wish_by) == (State.STOPPED, 1, "111")
        late = there.server.presses_data(ANN, done, f"fp:stop:{job.id}:1")
        assert "already ended" in await answered(there, late)


async def test_cancelling_asks_twice_once_something_is_ready(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat, caption="first 2.4s")
        waiting = await there.message(chat, "first", kind="text")
        there.server.presses(ANN, chat, waiting["message_id"], "Cancel")
        gone = await there.message(chat, "Cancelled")
        assert labels(gone)[0] == "Run again"
        there.server.sends(ANN, chat, caption="second 2.4s")
        await there.section()
        grown = await there.message(chat, "second", kind="animation")
        there.server.says(ANN, chat, "/cancel 2")  # as its button does
        asked = await there.message(chat, "Cancel film 2? 1.2 s of it are ready.")
        assert labels(asked) == ["Cancel, keep the 1.2 s", "Cancel and delete", "Don't cancel"]
        left = there.server.presses(ANN, chat, asked["message_id"], "Don't cancel")
        assert await answered(there, left) == "Film 2 is not cancelled."
        await there.server.until(lambda: asked not in there.server.of_bot(chat))
        assert (await there.jobs(2))[0].state == State.QUEUED
        there.server.presses_data(ANN, grown, "fp:cancel:2:2")  # as a message of an older version has it
        asked = await there.message(chat, "Cancel film 2?")
        there.server.presses(ANN, chat, asked["message_id"], "Cancel, keep")
        kept = await there.message(chat, "Cancelled", "1.2 s", kind="caption")
        assert "video" in kept or "animation" in kept
        await there.server.until(lambda: asked not in there.server.of_bot(chat))
        assert [job.state for job in await there.jobs(2)] == [State.CANCELLED, State.CANCELLED]
        there.server.presses(ANN, chat, gone["message_id"], "Run again")
        again = (await there.jobs(3))[0]
        assert (again.prompt, again.state) == ("first", State.QUEUED)


async def test_cancelled_and_deleted_nothing_of_it_is_left_in_the_group(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        group = there.server.group()
        photo = there.server.sends(ANN, group)
        there.server.says(ANN, group, "/animate fog 3.6s", reply_to=photo)
        job = await there.section()
        grown = await there.message(group, "fog", kind="animation")
        there.server.presses(ANN, group, grown["message_id"], "Cancel")
        asked = await there.message(group, "Cancel film 1?")
        for label in labels(asked):
            query = there.server.presses(BOB, group, asked["message_id"], label)
            assert "Only the owner" in await answered(there, query)
        assert asked in there.server.of_bot(group)
        claim = await there.claim()  # it is being made just now
        assert job.film and there.media.exists(job.film)
        there.server.presses(ANN, group, asked["message_id"], "Cancel and delete")
        await there.server.until(lambda: not there.server.of_bot(group))
        assert await jobs.recent(there.db, 5) == []
        assert not there.media.exists(job.film)
        with pytest.raises(LeaseLost):
            await there.record(claim)


@pytest.mark.parametrize("answer", ["Cancel, keep", "Cancel and delete"])
async def test_a_question_about_a_film_that_has_ended_meanwhile_goes_away(tmp_path: Path, answer: str) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat, caption="fog 2.4s")
        await there.section()
        grown = await there.message(chat, "fog", kind="animation")
        there.server.presses(ANN, chat, grown["message_id"], "Cancel")
        asked = await there.message(chat, "Cancel film 1?")
        await there.finish()
        query = there.server.presses(ANN, chat, asked["message_id"], answer)
        assert ("already ended" if answer.endswith("keep") else "nothing was deleted") in await answered(there, query)
        await there.server.until(lambda: asked not in there.server.of_bot(chat))
        assert (await there.jobs(1))[0].state == State.DONE


@pytest.mark.parametrize(
    ("answer", "said"), [("Cancel, keep", "already ended"), ("Cancel and delete", "nothing was deleted")]
)
async def test_a_film_that_ends_while_it_is_asked_who_moderates_stays(tmp_path: Path, answer: str, said: str) -> None:
    async with stage(tmp_path) as there:
        group = there.server.group()
        group.admins.add(BOB["id"])
        photo = there.server.sends(ANN, group)
        there.server.says(ANN, group, "/animate fog 2.4s", reply_to=photo)
        await there.section()
        grown = await there.message(group, "fog", kind="animation")
        there.server.presses(ANN, group, grown["message_id"], "Cancel")
        asked = await there.message(group, "Cancel film 1?")
        there.server.faults.append(Fault(kind="wait", when=lambda call: call.method == "getChatMember"))
        query = there.server.presses(BOB, group, asked["message_id"], answer)
        await there.server.until(lambda: there.server.called("getChatMember"))
        await there.finish()
        there.server.hanging.set()
        assert said in await answered(there, query)
        assert (await there.jobs(1))[0].state == State.DONE


async def test_a_finished_film_is_extended_and_made_anew(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat, caption="fog 2.4s seed=7")
        await there.finish()
        done = await there.message(chat, "ready", kind="video")
        there.server.presses(ANN, chat, done["message_id"], "Extend")
        longer = (await there.jobs(2))[0]
        assert (longer.done, longer.parent_id) == (2, 1) and longer.sections > 2
        canvas = await there.server.until(lambda: len(there.server.of_bot(chat)) == 2 and there.server.of_bot(chat)[1])
        assert canvas["reply_to_message"]["message_id"] == done["message_id"]
        await there.finish()
        there.server.presses(ANN, chat, done["message_id"], "New seed")
        other = (await there.jobs(3))[0]
        assert (other.done, other.prompt, other.settings["seed"] != 7) == (0, "fog", True)


async def test_a_double_tap_makes_one_film(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat, caption="fog 1.2s")
        await there.finish()
        done = await there.message(chat, "ready", kind="video")
        taps = [there.server.presses(ANN, chat, done["message_id"], "New seed") for _ in range(3)]
        for tap in taps:
            await answered(there, tap)
        await there.settled()
        await there.jobs(2)


async def test_edit_prompt_asks_for_a_reply_that_may_come_after_a_restart(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat, caption="fog 1.2s")
        await there.finish()
        done = await there.message(chat, "ready", kind="video")
        there.server.presses(ANN, chat, done["message_id"], "Edit prompt")
        question = await there.message(chat, "Reply with the new text")
        assert question["forces_reply"]["force_reply"] is True
        await there.settled()
        await there.stop()
        await there.start()
        there.server.says(ANN, chat, "night <b>falls</b>", reply_to=question["message_id"])
        edited = (await there.jobs(2))[0]
        assert (edited.prompt, edited.parent_id, edited.done) == ("night <b>falls</b>", 1, 0)
        await there.message(chat, "night <b>falls</b>", kind="text")
        await there.server.until(lambda: (chat.id, question["message_id"]) not in there.server.messages)


async def test_steering_changes_what_is_not_begun(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat, caption="fog 3.6s")
        await there.section()
        grown = await there.message(chat, "1.2 of 3.6 s", kind="animation")
        there.server.presses(ANN, chat, grown["message_id"], "Change what happens next")
        question = await there.message(chat, "from now on")
        there.server.says(ANN, chat, "night falls", reply_to=question["message_id"])
        await there.message(chat, "it follows your text")
        (job,) = await there.jobs(1)
        assert "night falls" in job.prompt and job.prompt.startswith("fog")


# Asking what should move


async def test_a_photo_without_a_caption_is_asked_about(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat)
        question = await there.message(chat, "What should move?")
        assert labels(question) == ["Gentle motion", "Write a prompt"]
        there.server.presses(ANN, chat, question["message_id"], "Gentle motion")
        (job,) = await there.jobs(1)
        assert job.prompt == "" and set(job.plan["prompts"]) == {"gentle motion"}
        await there.server.until(lambda: (chat.id, question["message_id"]) not in there.server.messages)


async def test_a_prompt_may_be_written_after_a_restart(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat)
        question = await there.message(chat, "What should move?")
        await there.settled()
        await there.stop()
        await there.start()
        there.server.presses(ANN, chat, question["message_id"], "Write a prompt")
        forced = await there.message(chat, "Reply with what should happen")
        assert forced["forces_reply"]["input_field_placeholder"]
        there.server.says(ANN, chat, "fog rolls in 1.2s", reply_to=forced["message_id"])
        (job,) = await there.jobs(1)
        assert (job.prompt, job.sections) == ("fog rolls in", 1)


async def test_a_word_after_a_photo_is_its_prompt(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.says(ANN, chat, "hello")
        await there.message(chat, "Send me a picture")
        there.server.sends(ANN, chat)
        await there.message(chat, "What should move?")
        there.server.says(ANN, chat, "the trees")
        assert (await there.jobs(1))[0].prompt == "the trees"


@pytest.mark.parametrize("texts", [["", "fog", ""], ["fog", "", ""], ["", "", ""]])
async def test_of_an_album_one_picture_is_taken_and_that_is_said_once(tmp_path: Path, texts: list[str]) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        sent = [there.server.sends(ANN, chat, caption=text, album="a1") for text in texts]
        said = await there.message(chat, "of this album")
        await there.settled()
        if any(texts):
            (job,) = await there.jobs(1)
            canvas = await there.message(chat, "fog", kind="text")
            assert canvas["reply_to_message"]["message_id"] == sent[texts.index("fog")]
            assert job.prompt == "fog"
        else:
            assert said["reply_to_message"]["message_id"] == sent[0] and "What should move?" in said["text"]
        assert sum("album" in m.get("text", "") for m in there.server.of_bot(chat)) == 1


# Groups


async def test_in_a_group_it_answers_commands_and_never_plain_photos(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        there.server.privacy = False  # so that it hears everything
        group = there.server.group(forum=True)
        photo = there.server.sends(BOB, group, caption="my cat", topic=7)
        there.server.says(BOB, group, "look at this", topic=7)
        there.server.says(ANN, group, "/animate@other_bot fog", reply_to=photo, topic=7)
        there.server.says(ANN, group, f"/animate@{there.server.username} fog 1.2s", reply_to=photo, topic=7)
        canvas = await there.message(group, "fog", kind="text")
        assert canvas["message_thread_id"] == 7
        (job,) = await there.jobs(1)
        assert (job.user_id, job.chat_id, job.prompt) == ("111", str(group.id), "fog")
        there.server.sends(BOB, group, caption="/animate rain 1.2s", topic=9)
        assert (await there.message(group, "rain", kind="text"))["message_thread_id"] == 9
        await there.settled()
        assert len(there.server.of_bot(group)) == 2


async def test_with_privacy_mode_a_reply_to_a_photo_is_the_way(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        group = there.server.group()
        photo = there.server.sends(BOB, group)
        there.server.says(ANN, group, "/animate", reply_to=photo)
        assert (await there.jobs(1))[0].prompt == ""
        there.server.says(ANN, group, "/animate fog")
        await there.message(group, "There is no picture. Reply to one")


async def test_only_the_owner_and_moderators_press(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        group = there.server.group()
        photo = there.server.sends(BOB, group)
        there.server.says(ANN, group, "/animate fog 2.4s", reply_to=photo)
        canvas = await there.message(group, "fog", kind="text")
        query = there.server.presses(BOB, group, canvas["message_id"], "Cancel")
        assert "Only the owner" in await answered(there, query)
        assert (await there.jobs(1))[0].state == State.QUEUED
        group.admins.add(BOB["id"])
        there.server.presses(BOB, group, canvas["message_id"], "Cancel")
        gone = await there.message(group, "Cancelled", "Bob")
        assert gone["message_id"] == canvas["message_id"]
        assert (await there.jobs(1))[0].wish_by == "222"


async def test_in_a_topic_a_command_without_a_reply_is_about_nobody(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        group = there.server.group(forum=True)
        there.server.opens(BOB, group, 5)
        there.server.says(OPERATOR, group, "/ban", topic=5)
        await there.message(group, "Who?")
        assert await operators.bans(there.db) == []
        there.server.says(ANN, group, "/animate fog", topic=5)
        await there.message(group, "There is no picture. Reply to one")
        there.server.says(OPERATOR, group, "/ban", topic=5, reply_to=there.server.sends(ANN, group, topic=5))
        await there.message(group, "is banned")
        assert [ban.user_id for ban in await operators.bans(there.db)] == ["111"]


async def test_an_anonymous_administrator_is_asked_to_speak_as_themselves(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        group = there.server.group()
        there.server.privacy = False
        photo = there.server.sends(ANN, group)
        there.server.says(ANONYMOUS, group, "what a picture", reply_to=photo)
        there.server.says(ANONYMOUS, group, "/unheard", reply_to=photo)
        asked = there.server.says(ANONYMOUS, group, "/animate fog", reply_to=photo)
        told = await there.message(group, "as yourself")
        assert told["reply_to_message"]["message_id"] == asked
        there.server.says(BOB, group, "what is wrong", reply_to=told["message_id"])
        there.server.says(ANONYMOUS, group, "this", reply_to=told["message_id"])
        await there.settled()
        assert there.server.of_bot(group) == [told] and await jobs.recent(there.db, 5) == []


async def test_a_group_that_becomes_a_supergroup_is_followed(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        group = there.server.group(-55, type="group")
        photo = there.server.sends(BOB, group)
        there.server.says(ANN, group, "/animate fog 1.2s", reply_to=photo)
        await there.message(group, "fog", kind="text")
        await there.settled()
        new = there.server.migrates(group, -100777)
        await there.section()
        await there.message(new, "ready", kind="video")
        (job,) = await there.jobs(1)
        assert job.chat_id == "-100777"


async def test_a_moderators_group_that_moved_hears_of_reports_and_takes_no_other_chat_along(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        desk, group = there.server.group(-55, type="group"), there.server.group()
        moved = there.server.migrates(desk, -100777)
        there.bot.talk.config = replace(there.config, report_chat=desk.id)
        there.server.says(ANN, group, "/animate fog 1.2s", reply_to=there.server.sends(ANN, group))
        await there.finish()
        done = await there.message(group, "ready", kind="video")
        there.server.presses_data(BOB, done, "fp:report:1:0")
        question = await there.message(group, "what is wrong")
        there.server.says(BOB, group, "that is me", reply_to=question["message_id"])
        await there.message(moved, "was reported: that is me")
        await there.message(group, "Thank you")
        await there.settled()
        assert [job.chat_id for job in await there.jobs(1)] == [str(group.id)]


async def test_a_closed_topic_does_not_lose_the_film(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        group = there.server.group(forum=True)
        photo = there.server.sends(BOB, group, topic=7)
        group.closed_topics.add(7)
        there.server.says(ANN, group, "/animate fog 1.2s", reply_to=photo, topic=7)
        await there.jobs(1)
        await there.section()
        done = await there.message(group, "ready", kind="video")
        assert "message_thread_id" not in done


# Consent


async def test_the_terms_are_asked_once_and_the_order_waits(tmp_path: Path) -> None:
    async with stage(tmp_path, consent=True) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat, caption="fog")
        terms = await there.message(chat, "Do you accept?")
        there.server.sends(ANN, chat, caption="rain")
        await there.settled()
        assert len(there.server.of_bot(chat)) == 1 and await jobs.recent(there.db, 5) == []
        await there.stop()
        await there.start()
        query = there.server.presses(BOB, chat, terms["message_id"], "Accept")
        assert "somebody else" in await answered(there, query)
        there.server.presses(ANN, chat, terms["message_id"], "Accept")
        assert [job.prompt for job in await there.jobs(2)] == ["rain", "fog"]
        assert (await people.get(there.db, TELEGRAM, "111")).consent == 1
        there.server.sends(ANN, chat, caption="snow")
        await there.jobs(3)
        assert sum("Do you accept" in call.text for call in there.server.called("sendMessage")) == 1


async def test_of_what_waited_for_the_terms_one_in_trouble_costs_the_others_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path, consent=True) as there:
        chat = there.server.private(ANN)
        for prompt in ("one", "two", "three"):
            there.server.sends(ANN, chat, caption=prompt)
            await there.message(chat, "Do you accept?")
            await there.settled()
        (terms,) = there.server.of_bot(chat)
        later = Refusal(429, "Too Many Requests: retry after 1", retry_after=1)
        asked: list[str] = []

        def of_the_second(call: Call) -> bool:
            if call.method == "getFile":
                asked.append(call.params["file_id"])
            return call.method == "getFile" and len(set(asked)) == 2

        there.server.faults.append(Fault("refuse", of_the_second, later))
        query = there.server.presses(ANN, chat, terms["message_id"], "Accept")
        assert {job.prompt for job in await there.jobs(3)} == {"one", "two", "three"}
        assert (await there.jobs(3))[0].prompt == "two"  # the others did not wait for it
        assert await answered(there, query) == ""
        assert await inbox.questions(there.db, TELEGRAM, "111", "consent") == []
        await there.message(chat, "on its way")


async def test_who_does_not_accept_leaves_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path, consent=True) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat, caption="fog")
        terms = await there.message(chat, "Do you accept?")
        there.server.presses(ANN, chat, terms["message_id"], "No")
        await there.message(chat, "nothing is kept")
        assert await inbox.questions(there.db, TELEGRAM, "111", "consent") == []
        assert await jobs.recent(there.db, 5) == []


# Nothing is lost, nothing is twice


async def test_an_update_that_comes_twice_makes_one_job(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.faults.append(Fault("lost", lambda call: call.method == "getUpdates", times=3))
        sent = there.server.sends(ANN, chat, caption="fog")
        await there.jobs(1)
        update = {"message": there.server.messages[chat.id, sent]}
        there.server.delivers(update)  # the same message under another number
        there.server.delivers(update)
        await there.settled()
        await there.server.until(lambda: not there.server.updates)
        await there.jobs(1)
        assert len(there.server.of_bot(chat)) == 1


async def test_what_is_done_with_while_the_inbox_is_read_is_not_begun_again(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        await there.bot.ready.wait()
        await there.stop()
        there.server.says(ANN, chat, "/help")
        await there.bot.keep((Update.de_json(there.server.updates[-1], there.bot.bot),))
        (letter,) = await inbox.unhandled(there.db, Platform.TELEGRAM)
        there.bot._handling = {letter.id: asyncio.ensure_future(asyncio.sleep(0))}
        reading = asyncio.create_task(there.bot._begin_all())
        await asyncio.sleep(0)  # the rows are asked for
        there.bot._handling.clear()
        await reading
        assert there.bot._handling == {}


async def test_what_was_kept_and_not_confirmed_is_handled_once(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        await there.stop()
        there.server.sends(ANN, chat, caption="fog")
        there.server.sends(ANN, chat, caption="rain")
        # the commit stands, and then nothing more of that process

        updates = tuple(filter(None, (Update.de_json(update, there.bot.bot) for update in there.server.updates)))
        there.bot.bot._bot_user = None  # a new process has not asked who it is
        await there.start()
        await there.bot.ready.wait()
        await there.bot.keep(updates)
        await there.jobs(2)
        await there.server.until(lambda: not there.server.updates)
        await there.settled()
        assert sorted(job.prompt for job in await there.jobs(2)) == ["fog", "rain"]


async def test_a_restart_in_the_middle_goes_on_in_the_same_message(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat, caption="fog 2.4s")
        await there.section()
        grown = await there.message(chat, "1.2 of 2.4 s", kind="animation")
        await there.stop()
        await there.section()
        await there.start()
        done = await there.message(chat, "ready", kind="video")
        assert done["message_id"] == grown["message_id"]
        there.server.presses(ANN, chat, done["message_id"], "New seed")
        await there.jobs(2)


async def test_an_edit_whose_answer_is_lost_is_made_good(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.faults.append(Fault("lost", lambda call: call.method == "editMessageMedia", times=2))
        there.server.sends(ANN, chat, caption="fog 1.2s")
        await there.finish()
        await there.message(chat, "ready", kind="video")
        await there.settled()
        assert len(there.server.of_bot(chat)) == 1


async def test_a_server_in_trouble_delays_and_loses_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        trouble = Refusal(500, "Internal Server Error")
        there.server.faults.append(Fault("refuse", lambda call: call.method.startswith("edit"), trouble, times=2))
        there.server.faults.append(Fault("refuse", lambda call: call.method == "getFile", trouble, times=1))
        there.server.sends(ANN, chat, caption="fog 1.2s")
        await there.finish()
        await there.message(chat, "ready", kind="video")


async def test_a_flood_of_four_minutes_in_one_chat_delays_no_other(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        ann, bob = there.server.private(ANN), there.server.private(BOB)
        there.server.sends(ANN, ann, caption="fog 1.2s")
        await there.message(ann, "fog", kind="text")
        await there.settled()
        there.server.flood(240, ann.id, times=99)
        await there.finish()
        there.server.sends(BOB, bob, caption="rain 1.2s")
        await there.finish()
        await there.message(bob, "ready", kind="video")
        frozen = await chats.get(there.db, TELEGRAM, str(ann.id))
        assert 230_000 < frozen.frozen_until_ms - there.db.steady() <= 245_000
        refused = [call for call in there.server.calls if call.chat == ann.id and call.method.startswith("edit")]
        assert len(refused) == 1  # and nobody asks again meanwhile
        there.server.says(ANN, ann, "/queue")
        there.server.says(BOB, bob, "/queue")
        await there.message(bob, "Nothing is in line")
        assert not [
            call for call in there.server.called("sendMessage") if call.chat == ann.id and "Nothing" in call.text
        ]

        async def one_waits() -> bool:  # it is answered when the chat is open again
            return len(await inbox.unhandled(there.db, TELEGRAM)) == 1

        await there.until(one_waits)


async def test_many_letters_of_a_chat_that_is_frozen_hold_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telegram_bot, "MORE", 2)
    async with stage(tmp_path) as there:
        ann, bob = there.server.private(ANN), there.server.private(BOB)
        there.server.flood(240, ann.id, times=99)
        for _ in range(5):
            there.server.says(ANN, ann, "/queue")
        there.server.says(BOB, bob, "/queue")
        await there.message(bob, "Nothing is in line")
        assert len(await inbox.unhandled(there.db, TELEGRAM)) >= 5


async def test_an_answer_that_has_to_wait_is_given_once(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        await there.bot.ready.wait()
        there.server.flood(6, chat.id)
        there.server.says(ANN, chat, "/queue")
        await there.message(chat, "Nothing is in line")
        await there.settled()
        assert len([call for call in there.server.called("sendMessage") if call.chat == chat.id]) == 2
        assert len(there.server.of_bot(chat)) == 1


async def test_a_press_that_has_to_wait_a_moment_is_no_double_tap(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat, caption="fog 1.2s")
        await there.finish()
        done = await there.message(chat, "ready", kind="video")
        await there.settled()
        await chats.change(there.db, TELEGRAM, str(chat.id), frozen_until_ms=there.db.steady() + 700)
        query = there.server.presses(ANN, chat, done["message_id"], "Details")
        assert await answered(there, query) == ""
        await there.message(chat, "film 1", kind="text")


async def test_what_people_say_to_each_other_is_never_kept(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        there.server.privacy = False
        group = there.server.group()
        there.server.says(BOB, group, "between you and me")
        there.server.says(ANN, group, "/queue")
        await there.message(group, "Nothing is in line")
        await there.server.until(lambda: not there.server.updates)
        with closing(sqlite3.connect(there.db.path)) as connection:
            assert connection.execute("SELECT count(*) FROM inbox").fetchone() == (1,)


async def test_a_blocked_bot_finishes_silently(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        for prompt in ("one", "two", "three"):
            there.server.sends(ANN, chat, caption=f"{prompt} 1.2s")
        await there.jobs(3)
        await there.settled()
        claim = await there.claim()
        await there.settled()
        before = len(there.server.calls)
        there.server.blocks(ANN, chat)
        await there.record(claim)

        async def dropped() -> bool:
            return sorted(job.state for job in await there.jobs(3)) == [State.CANCELLED, State.CANCELLED, State.DONE]

        await there.until(dropped)
        late = [call for call in there.server.calls[before:] if call.chat == chat.id]
        assert len(late) == 1  # the one that was refused; nobody knocks again
        there.server.blocks(ANN, chat, again=True)
        there.server.says(ANN, chat, "/history")
        await there.message(chat, "Your latest films")
        assert (await people.get(there.db, TELEGRAM, "111")).shut == 0


async def test_a_deleted_message_gets_the_result_as_a_new_one(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat, caption="fog 1.2s")
        canvas = await there.message(chat, "fog", kind="text")
        await there.settled()
        there.server.deletes(chat, canvas["message_id"])
        await there.finish()
        await there.message(chat, "ready", kind="video")


# Safe


async def test_times_keep_counting_unless_the_server_is_too_old_for_that(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat, caption="fog 3.6s")
        await there.section()
        grown = await there.message(chat, "next second", kind="animation")
        kinds = [entity["type"] for entity in grown["caption_entities"]]
        assert kinds.count("date_time") == 2
        old = 'Bad Request: can\'t parse entities: Unsupported start tag "tg-time" at byte offset 38'
        there.server.faults.append(Fault("refuse", lambda call: call.method == "editMessageMedia", Refusal(400, old)))
        await there.section()
        await there.message(chat, "2.4 of 3.6 s", "ready in ", kind="animation")


async def test_hostile_text_stays_text(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        hostile = "</code><b>bold</b> <a href='http://evil'>x</a> &amp; \u202egnp.exe\u202c @everyone /start 👩‍👩‍👧"
        there.server.sends(ANN, chat, caption=f"{hostile} 1.2s")
        canvas = await there.message(chat, "</code><b>bold</b>", kind="text")
        kinds = {entity["type"] for entity in canvas["entities"]}
        assert kinds <= {"bold", "code"} and "\u202e" not in canvas["text"]
        await there.finish()
        await there.message(chat, "ready", kind="video")
        there.server.sends(ANN, chat)
        question = await there.message(chat, "What should move?")
        there.server.says(ANN, chat, "x\u200b" * 5000, reply_to=question["message_id"])
        await there.message(chat, "characters, and the limit is 4000")
        name = {**BOB, "first_name": "<i>Bob</i>\u202e", "id": 444}
        there.server.says(name, there.server.private(name), "/start")
        await there.message(there.server.private(name), "Send me a picture")


async def test_a_picture_over_the_limit_is_refused_while_it_streams(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        huge = a_picture() + bytes(there.intake.rules.max_bytes)
        message = there.server.messages
        there.server.sends(ANN, chat, huge, caption="fog", as_file="image/jpeg")
        await there.message(chat, "and the limit is")
        assert there.server.called("getFile") == []  # its size was said
        assert message and await jobs.recent(there.db, 5) == []


async def test_a_local_servers_file_outside_its_folder_is_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    async with stage(tmp_path / "data", local=folder) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat, caption="fog 1.2s")
        await there.jobs(1)
        secret = tmp_path / "secret.png"
        secret.write_bytes(a_picture(kind="PNG"))
        path = next(iter(there.server.paths))
        there.server.local = tmp_path / "elsewhere"
        there.server.sends(ANN, chat, a_picture(99), caption="rain")
        await there.message(chat, "no longer gives me that picture")
        assert path and len(await there.jobs(1)) == 1


async def test_forgetting_takes_the_messages_too(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat, caption="fog 1.2s")
        await there.finish()
        done = await there.message(chat, "ready", kind="video")
        there.server.says(ANN, chat, "/forgetme")
        sure = await there.message(chat, "cannot be undone")
        query = there.server.presses(BOB, chat, sure["message_id"], "Delete everything")
        assert "somebody else" in await answered(there, query)
        there.server.presses(ANN, chat, sure["message_id"], "Delete everything")
        await there.message(chat, "Films deleted: 1")
        await there.server.until(lambda: (chat.id, done["message_id"]) not in there.server.messages)
        assert await jobs.recent(there.db, 5) == []
        assert [p for p in (tmp_path / "media").rglob("*") if p.is_file()] == []


async def test_a_reported_film_is_looked_at_by_the_operators(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        group, desk = there.server.group(), there.server.private(OPERATOR)
        photo = there.server.sends(BOB, group)
        there.server.says(ANN, group, "/animate fog 1.2s", reply_to=photo)
        await there.finish()
        done = await there.message(group, "ready", kind="video")
        there.server.presses(BOB, group, done["message_id"], "Details")
        panel = await there.message(group, "film 1", kind="text")
        assert "Copy seed 100" in labels(panel)
        there.server.presses(BOB, group, panel["message_id"], "Report")
        question = await there.message(group, "what is wrong")
        there.server.says(BOB, group, "that is me <b>", reply_to=question["message_id"])
        told = await there.message(desk, "was reported: that is me <b>")
        assert [r.user_id for r in await reports.newest(there.db)] == ["222"]
        query = there.server.presses_data(BOB, panel, "fp:hide:1:0")
        assert "Only the owner" in await answered(there, query)
        there.server.presses(OPERATOR, desk, told["message_id"], "Delete film")
        await there.message(desk, "is deleted")
        await there.server.until(lambda: (group.id, done["message_id"]) not in there.server.messages)
        assert await jobs.recent(there.db, 5) == []


async def test_the_details_show_a_long_prompt_whole(tmp_path: Path) -> None:
    prompt = "".join(f"{n:03d}👩‍👩‍👧 " for n in range(400))
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat)
        question = await there.message(chat, "What should move?")
        there.server.says(ANN, chat, prompt, reply_to=question["message_id"])
        canvas = await there.message(chat, "000👩‍👩‍👧", kind="text")
        await there.finish()
        done = await there.message(chat, "ready", kind="video")
        assert done["message_id"] == canvas["message_id"]
        there.server.presses(ANN, chat, done["message_id"], "Details")
        await there.message(chat, "399👩‍👩‍👧")
        said = "".join(call.text for call in there.server.called("sendMessage")[-2:])
        assert all(f"{n:03d}" in said for n in range(400))


async def test_deleting_ones_own_film_asks_twice(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat, caption="fog 1.2s")
        await there.finish()
        done = await there.message(chat, "ready", kind="video")
        there.server.presses(ANN, chat, done["message_id"], "Details")
        panel = await there.message(chat, "film 1", kind="text")
        assert "gone for good" in await answered(there, there.server.presses(ANN, chat, panel["message_id"], "Delete"))
        assert "Deleted" in await answered(there, there.server.presses(ANN, chat, panel["message_id"], "Delete"))
        await there.server.until(lambda: there.server.of_bot(chat) == [])


# Panels, languages, commands


async def test_the_language_is_the_clients_unless_another_was_chosen(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(MEI)
        there.server.sends(MEI, chat, caption="雾气涌来 1.2s")
        await there.finish()
        done = await there.message(chat, say("zh", "chat.ai"), kind="video")
        assert say("zh", "telegram.copy_seed", seed=100) in labels(done)
        there.server.says(MEI, chat, "/settings")
        panel = await there.message(chat, say("zh", "telegram.settings_title"))
        there.server.presses(MEI, chat, panel["message_id"], say("zh", "telegram.setting.language"))
        await there.message(chat, say("en", "telegram.settings_title"))
        assert (await people.get(there.db, TELEGRAM, "333")).language == "en"
        there.server.says(MEI, chat, "/queue")
        await there.message(chat, "Nothing is in line")


async def test_settings_are_the_defaults_of_the_next_film(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.says(ANN, chat, "/settings")
        panel = await there.message(chat, "Your settings")
        there.server.presses(ANN, chat, panel["message_id"], "Length")
        await there.server.until(lambda: "Length: 2 s" in labels(there.server.messages[chat.id, panel["message_id"]]))
        there.server.presses(ANN, chat, panel["message_id"], "Quality")
        await there.server.until(
            lambda: "Quality: draft" in labels(there.server.messages[chat.id, panel["message_id"]])
        )
        there.server.sends(ANN, chat, caption="fog")
        (job,) = await there.jobs(1)
        assert (job.settings["seconds"], job.settings["quality"]) == (2.0, "draft")


async def test_queue_and_history_show_only_ones_own_texts(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        ann, bob = there.server.private(ANN), there.server.private(BOB)
        there.server.sends(ANN, ann, caption="my secret wish 1.2s")
        await there.jobs(1)
        there.server.sends(BOB, bob, caption="rain 1.2s")
        await there.jobs(2)
        there.server.says(BOB, bob, "/queue")
        panel = await there.message(bob, "In line: 2")
        assert "secret" not in panel["text"] and "rain" in panel["text"]
        await there.finish()
        there.server.says(ANN, ann, "/history")
        history = await there.message(ann, "Your latest films: 1")
        assert len(labels(history)) == 1 and "secret" in labels(history)[0]
        there.server.presses(ANN, ann, history["message_id"], "secret")
        await there.server.until(lambda: there.server.called("sendVideo"))
        shown = await there.message(ann, "ready", kind="video")
        there.server.presses(ANN, ann, shown["message_id"], "New seed")
        await there.jobs(3)


async def test_a_growing_film_that_is_shown_again_goes_on_there_and_leaves_no_message_behind(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat, caption="fog 3.6s")
        await there.jobs(1)
        old = await there.message(chat, "Next in line")
        there.server.says(ANN, chat, "/history")
        history = await there.message(chat, "Your latest films: 1")
        there.server.presses(ANN, chat, history["message_id"], "fog")
        await there.server.until(lambda: (chat.id, old["message_id"]) not in there.server.messages)
        await there.finish()
        new = await there.message(chat, "ready", kind="video")
        assert new["message_id"] > history["message_id"]


async def test_a_film_shown_again_is_sent_once_even_where_no_answer_comes(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat, caption="fog 1.2s")
        await there.finish()
        await there.message(chat, "ready", kind="video")
        there.server.says(ANN, chat, "/history")
        history = await there.message(chat, "Your latest films: 1")
        there.server.faults.append(Fault("lost", lambda call: call.method == "sendVideo", times=9))
        query = there.server.presses(ANN, chat, history["message_id"], "fog")
        assert await answered(there, query) == ""
        await there.settled()
        assert len(there.server.called("sendVideo")) == 1


async def test_in_a_group_nobody_reads_what_was_asked_for_elsewhere(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat, group = there.server.private(ANN), there.server.group()
        there.server.sends(ANN, chat, caption="my secret wish 1.2s")
        await there.jobs(1)
        photo = there.server.sends(ANN, group)
        there.server.says(ANN, group, "/animate fog 1.2s", reply_to=photo)
        await there.jobs(2)
        there.server.says(ANN, group, "/queue")
        queue = await there.message(group, "In line: 2")
        assert (
            "secret" not in queue["text"]
            and "Next in line · film 1 (yours)\nNumber 2 in line · film 2 (yours) · fog" in queue["text"]
        )
        there.server.says(ANN, group, "/cancel")
        which = await there.message(group, "Which film?")
        assert labels(which) == ["1 · in line", "2 · in line · fog"]
        there.server.says(ANN, chat, "/cancel")
        assert len([label for label in labels(await there.message(chat, "Which film?")) if label.count("·") == 2]) == 2
        there.server.presses(ANN, group, which["message_id"], "1 · in line")
        await there.message(chat, "Cancelled")
        there.server.says(ANN, group, "/history")
        assert len(labels(await there.message(group, "Your latest films: 1"))) == 1


async def test_cancel_by_command(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.says(ANN, chat, "/cancel")
        await there.message(chat, "You have no films waiting")
        for prompt in ("one", "two"):
            there.server.sends(ANN, chat, caption=prompt)
        await there.jobs(2)
        there.server.says(ANN, chat, "/cancel")
        panel = await there.message(chat, "Which film?")
        assert len(labels(panel)) == 2
        theirs = there.server.private(BOB)
        there.server.says(BOB, theirs, "/cancel")
        await there.message(theirs, "You have no films waiting")
        there.server.says(ANN, chat, "/cancel 1")
        await there.message(chat, "film 1")
        there.server.says(ANN, chat, "/cancel 999")
        await there.message(chat, "This film is not here")
        there.server.presses(ANN, chat, panel["message_id"], "two")

        async def cancelled() -> bool:
            return {job.state for job in await there.jobs(2)} == {State.CANCELLED}

        await there.until(cancelled)


async def test_a_film_has_one_number_wherever_a_person_reads_or_types_it(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        count_on_from(there.db, 36)
        chat = there.server.private(ANN)
        there.server.sends(ANN, chat, caption="fog 2.4s")
        await there.section()
        grown = await there.message(chat, "fog", kind="animation")
        assert any(said.startswith("fp:stop:10:") for said in datas(grown)), "as the messages of older versions have it"
        there.server.says(ANN, chat, "/queue")
        await there.message(chat, "film 36", "In line: 1")
        there.server.says(ANN, chat, "/cancel")
        assert labels(await there.message(chat, "Which film?"))[0].startswith("36 · ")
        there.server.says(ANN, chat, "/cancel 1o")
        await there.message(chat, "1o is not a film number.")
        there.server.presses_data(ANN, grown, "fp:stop:10:1")
        await there.message(chat, "Stopped", kind="video")
        there.server.says(ANN, chat, "/cancel #36")
        await there.message(chat, "already ended")
        there.server.presses_data(ANN, grown, "fp:details:10:1")
        details = await there.message(chat, "film 36", "seed", kind="text")
        assert "fp:delete:10:0" in datas(details)


async def test_every_command_is_answered_in_ones_language(tmp_path: Path) -> None:
    words = {"start": "start", "help": "examples", "privacy": "terms", "nonsense": "no_such_command"}
    async with stage(tmp_path) as there:
        there.intake.model = replace(there.intake.model, examples=(Example("fog", "雾"),))
        for who, language in ((ANN, "en"), (MEI, "zh")):
            chat = there.server.private(who)
            for command, key in words.items():
                there.server.says(who, chat, f"/{command}")
                await there.message(
                    chat, say(language, f"telegram.{key}", examples="雾" if language == "zh" else "fog")
                )


async def test_commands_are_set_per_scope_and_language_only_when_they_changed(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        there.server.private(OPERATOR)
        await there.server.until(lambda: ("chat:999", "zh") in there.server.commands)
        name = f"telegram.commands:{there.bot.bot.id}"
        await there.until(lambda: inbox.memo(there.db, name))
        scopes = {"default", "all_private_chats", "all_group_chats", "chat:999"}
        assert set(there.server.commands) == {(scope, language) for scope in scopes for language in ("", "zh")}
        names = [command["command"] for command in there.server.commands["all_group_chats", ""]]
        assert names == ["animate", "queue", "cancel", "history", "settings", "help", "privacy", "forgetme"]
        assert "影片" in there.server.commands["default", "zh"][0]["description"]
        calls = len(there.server.called("setMyCommands"))
        await there.stop()
        await there.start()
        await there.bot.ready.wait()
        chat = there.server.private(ANN)
        there.server.says(ANN, chat, "/help")
        await there.message(chat, "Send a picture")
        assert len(there.server.called("setMyCommands")) == calls


async def test_operators_pause_ban_and_resume(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        desk, chat = there.server.private(OPERATOR), there.server.private(ANN)
        there.server.says(ANN, chat, "/pause now")
        await there.message(chat, "no such command")
        there.server.says(OPERATOR, desk, "/pause the card is <hot>")
        await there.message(desk, "The queue is paused (the card is <hot>)")
        assert await jobs.claim(there.db, "w", 1000) is None
        there.server.says(OPERATOR, desk, "/resume")
        await there.message(desk, "The queue is open")
        await absences.goes(there.db, "home:1", "hours", {"opens": "22:00"}, None)
        there.server.says(OPERATOR, desk, "/pause NOW a game")
        await there.message(
            desk, "The queue is paused (a game). Waiting for the hours in which films are made. In line: 0"
        )
        assert [deed.action for deed in await operators.audit(there.db)] == ["pause_now", "resume", "pause"]
        await absences.back(there.db, "home:1")
        there.server.says(OPERATOR, desk, "/resume")
        there.server.says(OPERATOR, desk, "/ban")
        await there.message(desk, "Who?")
        there.server.says(OPERATOR, desk, "/ban 1110000 24 spam")
        await there.message(desk, "is banned")
        there.server.says(OPERATOR, desk, "/unban 1110000")
        await there.message(desk, "may ask for films again")
        there.server.says(OPERATOR, desk, "/limits")
        await there.message(desk, "50 per person")
        there.server.says(OPERATOR, desk, "/limits 1")
        await there.message(desk, "set in that group")
        group = there.server.group()
        there.server.says(OPERATOR, group, "/limits two")
        await there.message(group, "/limits off")
        there.server.says(OPERATOR, group, "/limits 1 5s")
        await there.message(group, "1 at once per person, films up to 5 s")
        shown = there.server.sends(BOB, group)
        there.server.says(ANN, group, "/animate fog 9s", reply_to=shown)
        await there.message(group, "up to 5 s long")


# The owner's mistakes


async def test_a_wrong_token_is_one_sentence_and_nothing_else_stops(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with stage(tmp_path) as there:
        await there.stop()
        caplog.clear()
        there.server.token, right = "1:" + "C" * 35, there.server.token
        await there.start()
        there.server.token = right

        async def wrong() -> str:
            return there.bot.wrong

        await there.until(wrong)
        assert not any(task.done() for task in there.running)
        said = [record.getMessage() for record in caplog.records if record.name == "flipbot.telegram"]
        assert said == [say("en", "telegram.wrong_token")]
        assert "C" * 35 not in caplog.text


async def test_another_poller_is_named_once_and_this_one_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        await there.bot.ready.wait()
        refusal = Refusal(409, "Conflict: terminated by other getUpdates request")
        there.server.faults.append(Fault("refuse", lambda call: call.method == "getUpdates", refusal, times=2))
        there.server.says(ANN, chat, "/start")
        there.server.says(ANN, chat, "/queue")
        await there.message(chat, "Nothing is in line")
        assert there.server.faults[0].met == 2
        said = [record.getMessage() for record in caplog.records if "Another program" in record.getMessage()]
        assert len(said) == 1


# What the library fails with


def caused(error: TelegramError, cause: Exception) -> TelegramError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ChatMigrated(-1007), Moved),
        (Forbidden("bot was kicked from the group chat"), Unreachable),
        (BadRequest("Message to edit not found"), Gone),
        (BadRequest("MESSAGE_ID_INVALID"), Gone),
        (BadRequest("TOPIC_CLOSED"), Closed),
        (BadRequest("Not enough rights to send text messages to the chat"), Unreachable),
        (BadRequest("CHAT_SEND_VIDEOS_FORBIDDEN"), Unreachable),
        (BadRequest("File is too big"), TooBig),
        (BadRequest("Can't parse entities"), Failed),
        (InvalidToken(), Failed),
        (Conflict("terminated by other getUpdates request"), Failed),
        (TimedOut(), Unknown),
        (caused(TimedOut(), httpx.ReadTimeout("")), Unknown),
        (caused(TimedOut(), httpx.ConnectTimeout("")), Failed),
        (caused(TimedOut(), httpx.PoolTimeout("")), Failed),
        (NetworkError("Request Entity Too Large"), TooBig),
        (NetworkError("Unknown HTTPError (413)"), TooBig),
        (caused(NetworkError("httpx.ConnectError: "), httpx.ConnectError("")), Failed),
        (caused(NetworkError("httpx.ReadError: "), httpx.ReadError("")), Unknown),
        (TelegramError("Internal Server Error"), Unknown),
    ],
    ids=repr,
)
def test_what_a_call_fails_with_is_said_in_the_posters_words(error: TelegramError, kind: type[SendError]) -> None:
    said = mapped(error)
    assert type(said) is kind
    assert getattr(said, "chat_id", "-1007") == "-1007"


class Answering:
    """A bot of which each call ends as the next of these says, and is kept."""

    def __init__(self, *ends: Exception | None) -> None:
        self.ends, self.called = list(ends), list[str]()

    def __getattr__(self, name: str) -> Any:
        async def call(*_: object, **__: object) -> None:
            self.called.append(name)
            if (error := self.ends.pop(0)) is not None:
                raise error

        return call


TOO_OLD = BadRequest("Message can't be deleted for everyone")


@pytest.mark.parametrize("said", ["There is no caption in the message to edit", "Message is not modified: as it was"])
def test_what_is_asked_of_telegram_by_trying_is_no_error_in_the_log(
    said: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert isinstance(mapped(BadRequest(said)), Failed)
    assert caplog.text == ""
    mapped(BadRequest("Can't parse entities"))
    assert "refused by Telegram: Can't parse entities" in caplog.text


@pytest.mark.parametrize(
    ("ends", "called", "kind"),
    [
        ([None], ["delete_message"], None),
        ([BadRequest("Message to delete not found")], ["delete_message"], None),
        ([BadRequest("else")], ["delete_message"], Failed),
        ([TOO_OLD, None], ["delete_message", "edit_message_media"], None),
        ([TOO_OLD, BadRequest("Message to edit not found")], ["delete_message", "edit_message_media"], None),
        ([TOO_OLD, TimedOut()], ["delete_message", "edit_message_media"], Unknown),
    ],
)
async def test_a_message_too_old_to_be_deleted_loses_what_it_shows(
    ends: list[Exception | None], called: list[str], kind: type[SendError] | None
) -> None:
    bot: Any = Answering(*ends)
    nowhere: Any = None
    got: type[SendError] | None = None
    try:
        await TelegramSender(bot, TelegramStyle({}), local=False, db=nowhere).delete(Spot(chat_id="-7", message_id="8"))
    except SendError as error:
        got = type(error)
    assert (bot.called, got) == (called, kind)


NO_TEXT, NO_CAPTION = (BadRequest(f"There is no {what} in the message to edit") for what in ("text", "caption"))
FILM_TO_COME = ChatMessage(
    job=1, locale="en", revision=1, lines=("Your film is ready",), quoted=None, buttons=(), terminal=True, result=True,
    film=Wanted(kind="final", sha="0" * 64, seconds=1.2), seed=None, alt="", place=None, answers=False, dropped=False,
)  # fmt: skip


@pytest.mark.parametrize(
    ("filmed", "ends", "called"),
    [
        (False, [None], ["edit_message_text"]),
        (True, [None], ["edit_message_caption"]),
        (False, [NO_TEXT, None], ["edit_message_text", "edit_message_caption"]),
        (True, [NO_CAPTION, None], ["edit_message_caption", "edit_message_text"]),
        (True, [BadRequest("Message is not modified: it says so")], ["edit_message_caption"]),
    ],
)
async def test_words_are_changed_where_they_stand_and_what_is_usual_is_no_error(
    filmed: bool, ends: list[Exception | None], called: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Its film is away for a while, or stands there already."""
    bot: Any = Answering(*ends)
    nowhere: Any = None
    sender = TelegramSender(bot, TelegramStyle({}), local=False, db=nowhere)
    await sender.edit(Spot(chat_id="-7", message_id="8", filmed=filmed), FILM_TO_COME, None)
    assert (bot.called, caplog.text) == (called, "")


async def test_a_film_that_gave_way_to_a_longer_one_is_no_error_of_ours(tmp_path: Path) -> None:
    bot: Any = Answering()
    nowhere: Any = None
    film = Film(path=tmp_path / "gone", kind="preview", name="film.mp4", width=64, height=48, duration_ms=1200)
    sender = TelegramSender(bot, TelegramStyle({}), local=False, db=nowhere)
    with pytest.raises(Failed):
        await sender.edit(Spot(chat_id="-7", message_id="8"), FILM_TO_COME, film)
    assert bot.called == []
