"""A report is heard: whoever is to look at it is told, though the first try fails."""

from dataclasses import replace
from pathlib import Path

from discord_stage import stage as discord
from telegram_stage import ANN, BOB, MEI, OPERATOR, stage

from bot.telegram_text import data
from db import reports
from tests.fakes.discord import ADULT


async def test_a_flooded_chat_of_one_operator_keeps_no_report_from_any(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        server = there.server
        there.bot.talk.config = replace(there.config, operators=(OPERATOR["id"], MEI["id"]))
        group, first, second = server.group(), server.private(OPERATOR), server.private(MEI)
        server.says(ANN, group, "/animate fog 1.2s", reply_to=server.sends(BOB, group))
        await there.finish()
        film = await there.message(group, "ready", kind="video")
        server.presses_data(BOB, film, data("report", 1))
        question = await there.message(group, "what is wrong")
        server.flood(1, chat=first.id)
        server.says(BOB, group, "that is me", reply_to=question["message_id"])
        await there.message(second, "was reported: that is me")
        await there.message(first, "was reported: that is me")
        await there.message(group, "Thank you")
        await there.settled()
        assert [len(server.of_bot(chat)) for chat in (first, second)] == [1, 1]
        (report,) = await reports.newest(there.db)
        assert report.told_ms is not None and there.bot.talk.told == set()


async def test_a_report_that_discord_did_not_take_is_passed_on_later(tmp_path: Path) -> None:
    async with discord(tmp_path, report_channel=int(ADULT)) as there:
        message = (await there.there.answer(await there.animate()))["message"]
        await there.job(1)
        there.there.fail("POST", f"/channels/{ADULT}/messages", (403, 50013))
        await there.there.answer(await there.there.menu("Report film", there.there._json(message), user="8000"))
        reason = {"reason": "that is me"}
        await there.there.answer(await there.there.submit(there.there.modals[-1]["custom_id"], reason, user="8000"))
        (told,) = await there.there.until(lambda: there.there.in_channel(ADULT))
        assert "that is me" in told.content
        await there.there.until(lambda: not there.bot or not there.bot._working)
        assert (await reports.newest(there.db))[0].told_ms is not None
