"""Buttons whose data somebody made up: a client sends what its owner wants, and jobs are counted upwards."""

import copy
from pathlib import Path
from typing import Any, Final

import pytest
from telegram_stage import ANN, BOB, Stage, stage

from bot.telegram_press import PRESSES
from bot.telegram_text import data
from db import inbox, jobs, people, reports
from db.models import Platform, State
from tests.fakes.telegram import Chat, labels

TELEGRAM: Final = Platform.TELEGRAM
DONE, GROWING, QUESTION, REPORT = 1, 2, 1, 1  # what stands under these numbers
TWICE: Final = ("delete",)  # which ask first whether one is sure
NOT_YOURS: Final = ("Only the owner", "Only the person who asked")

FORGED: Final[
    dict[str, tuple[list[int], tuple[str, ...]]]
] = {  # act: (numbers of something of Ann's, how it is refused)
    "stop": ([DONE, GROWING], NOT_YOURS),
    "cancel": ([DONE, GROWING], NOT_YOURS),
    "halt": ([DONE, GROWING], NOT_YOURS),
    "scrap": ([DONE, GROWING], NOT_YOURS),
    "leave": ([DONE, GROWING], NOT_YOURS),
    "seed": ([DONE, GROWING], NOT_YOURS),
    "extend": ([DONE, GROWING], NOT_YOURS),
    "again": ([DONE, GROWING], NOT_YOURS),
    "retry": ([DONE, GROWING], NOT_YOURS),
    "edit": ([DONE, GROWING], NOT_YOURS),
    "steer": ([DONE, GROWING], NOT_YOURS),
    "report": ([DONE, GROWING], NOT_YOURS),
    "details": ([DONE, GROWING], NOT_YOURS),
    "delete": ([DONE, GROWING], NOT_YOURS),
    "show": ([DONE, GROWING], NOT_YOURS),
    "accept": ([QUESTION], ("somebody else",)),
    "refuse": ([QUESTION], ("somebody else",)),
    "plain": ([QUESTION], ("somebody else",)),
    "write": ([QUESTION], ("somebody else",)),
    "forget": ([ANN["id"]], ("somebody else",)),
    "hide": ([REPORT], NOT_YOURS),
    "letbe": ([REPORT], NOT_YOURS),
    "set": ([0, 4], ("",)),  # their own settings
    "close": ([DONE, GROWING], ("",)),  # their own panel
}


async def presses(there: Stage, message: dict[str, Any], act: str, number: int) -> str:
    """Bob sends made up data, and what he is answered."""
    query = there.server.presses_data(BOB, message, data(act, number))
    await there.server.until(lambda: query in there.server.answers)
    return str(there.server.answers[query].get("text", ""))


async def all_of(there: Stage, chat: Chat) -> list[Any]:
    """Everything of Ann's: rows, and what stands in the chat of hers."""
    await there.settled()
    kinds = ("prompt", "consent", "edit", "steer", "report")
    return [
        await jobs.recent(there.db, 50),
        [await inbox.questions(there.db, TELEGRAM, "111", kind) for kind in kinds],
        await reports.newest(there.db),
        await people.get(there.db, TELEGRAM, "111"),
        [(m["message_id"], "video" in m, labels(m)) for m in there.server.of_bot(chat)],  # times go on by themselves
    ]


async def anns(there: Stage, chat: Chat) -> None:
    """A finished film, a growing one, a picture that waits for its prompt, and a report about the first."""
    there.server.sends(ANN, chat, caption="my secret wedding 1.2s")
    await there.finish()
    there.server.sends(ANN, chat, caption="my secret honeymoon 3.6s")
    await there.section()
    there.server.sends(ANN, chat)
    await there.message(chat, "What should move?")
    await reports.report(there.db, DONE, TELEGRAM, "333", "me")


def test_every_button_is_looked_at_here() -> None:
    assert set(FORGED) == set(PRESSES)


@pytest.mark.parametrize("elsewhere", ["alone", "group"])
async def test_nothing_of_anothers_is_said_or_done_for_made_up_buttons(tmp_path: Path, elsewhere: str) -> None:
    async with stage(tmp_path) as there:
        there.intake.public_url = "https://films.example"
        chat, group = there.server.private(ANN), there.server.group()
        group.admins.add(BOB["id"])  # who moderates there, and not where the films are
        await anns(there, chat)
        before = await all_of(there, chat)
        where = group if elsewhere == "group" else there.server.private(BOB)
        there.server.says(BOB, where, "/help@flip_test_bot")
        panel = await there.message(where, "picture", kind="text")
        for act, (numbers, refused) in FORGED.items():
            for number in numbers * 2 if act in TWICE else numbers:
                said = await presses(there, panel, act, number)
                assert any(part in said for part in refused), (act, said)
                assert "secret" not in said and "seed" not in said, (act, said)
        assert there.server.of_bot(where) == [panel]
        assert await all_of(there, chat) == before
        assert [job.state for job in before[0]] == [State.QUEUED, State.DONE]


async def test_made_up_data_change_no_message_of_anothers(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        group = there.server.group()
        photo = there.server.sends(ANN, group)
        there.server.says(ANN, group, "/animate fog 2.4s", reply_to=photo)
        canvas = await there.message(group, "fog", kind="text")
        await there.settled()
        as_it_was = copy.deepcopy(canvas)
        own = there.server.private(BOB)
        there.server.sends(BOB, own, caption="rain")
        await there.jobs(2)
        for act, number in (("close", 0), ("set", 0), ("delete", 2), ("delete", 2), ("forget", BOB["id"])):
            await presses(there, canvas, act, number)
        await there.settled()
        assert there.server.of_bot(group) == [as_it_was]
        assert [job.user_id for job in await there.jobs(1)] == ["111"]


async def test_who_sees_a_film_in_a_group_sees_its_details_but_gets_no_link(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        there.intake.public_url = "https://films.example"
        group = there.server.group()
        photo = there.server.sends(ANN, group)
        there.server.says(ANN, group, "/animate fog 1.2s", reply_to=photo)
        await there.finish()
        done = await there.message(group, "ready", kind="video")
        there.server.presses(BOB, group, done["message_id"], "Details")
        panel = await there.message(group, "film 1", kind="text")
        assert "films.example" not in panel["text"]
        query = there.server.presses(ANN, group, panel["message_id"], "Close")  # who opened it closes it
        await there.server.until(lambda: query in there.server.answers)
        assert "somebody else" in there.server.answers[query]["text"]
        assert panel in there.server.of_bot(group)
        there.server.presses(BOB, group, panel["message_id"], "Close")
        await there.server.until(lambda: panel not in there.server.of_bot(group))
        there.server.presses(ANN, group, done["message_id"], "Details")
        await there.message(group, "film 1", "https://films.example/w/", kind="text")
