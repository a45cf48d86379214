"""What the chats do while the machine lets nothing be written: they wait, lose nothing, and go on by themselves."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest
from discord_stage import stage as discord
from telegram import Update
from telegram_stage import ANN, stage

from bot.discord_bot import SYNCED
from db import chats, inbox, removals
from db.connect import Database
from db.models import Platform
from tests.fakes.discord import CHANNEL, GUILD, ROLE

TELEGRAM = Platform.TELEGRAM
Trouble = Callable[[Database], AbstractContextManager[None]]


@contextmanager
def locked(db: Database) -> Iterator[None]:
    """Another program holds the write lock for longer than anybody waits."""
    db.busy_s = 0.1
    with db.transaction() as tx:
        tx.exec_driver_sql("PRAGMA busy_timeout = 20")
    with closing(sqlite3.connect(db.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def full(db: Database) -> Iterator[None]:
    """The file may not grow."""
    with db.transaction() as tx:
        tx.exec_driver_sql("PRAGMA max_page_count = 1")  # SQLite takes what there is
    yield
    with db.transaction() as tx:
        tx.exec_driver_sql("PRAGMA max_page_count = 1000000")


@pytest.mark.parametrize("trouble", [locked, full])
async def test_updates_wait_at_telegram_until_they_can_be_kept(tmp_path: Path, trouble: Trouble) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.says(ANN, chat, "/help")
        await there.server.until(lambda: there.server.of_bot(chat))
        await there.settled()
        with trouble(there.db):
            asked = len(there.server.called("getUpdates"))
            there.server.says(ANN, chat, "/queue" + " and so on" * 400)
            await there.server.until(lambda: len(there.server.called("getUpdates")) > asked + 1)
            assert not any(task.done() for task in there.running)
            assert await inbox.unhandled(there.db, TELEGRAM) == []
        await there.message(chat, "Nothing is in line")


async def test_an_update_that_is_kept_waits_until_it_can_be_handled(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        await there.bot.ready.wait()
        await there.settled()
        await there.stop()
        there.server.says(ANN, chat, "/help")
        await there.bot.keep((Update.de_json(there.server.updates[-1], there.bot.bot),))
        with locked(there.db):
            await there.start()
            await there.bot.ready.wait()
            await asyncio.sleep(1.0)
            assert not any(task.done() for task in there.running)
            assert there.server.of_bot(chat) == []
        await there.settled()
        assert len(there.server.of_bot(chat)) == 1


async def test_a_message_goes_though_that_it_is_gone_cannot_be_noted_at_first(tmp_path: Path) -> None:
    async with stage(tmp_path) as there:
        chat = there.server.private(ANN)
        there.server.says(ANN, chat, "/help")
        await there.server.until(lambda: there.server.of_bot(chat))
        await there.settled()
        (message,) = there.server.of_bot(chat)
        await removals.later(there.db, TELEGRAM, str(chat.id), str(message["message_id"]), 0)
        with locked(there.db):
            await there.server.until(lambda: there.server.called("deleteMessage"))
            await asyncio.sleep(0.5)
            assert not any(task.done() for task in there.running)
            assert len(await removals.due(there.db, TELEGRAM)) == 1

        async def over() -> bool:
            return not await removals.due(there.db, TELEGRAM)

        await there.until(over)
        assert there.server.of_bot(chat) == []


async def test_discord_speaks_though_its_commands_cannot_be_noted(tmp_path: Path) -> None:
    async with discord(tmp_path) as there:
        await there.stop()
        await inbox.remember(there.db, SYNCED, "others")
        with locked(there.db):
            await there.start()
            answer = await there.there.answer(await there.there.command("help"))
            assert answer["message"].content
        assert await inbox.memo(there.db, SYNCED) == "others"
        await there.stop()
        await there.start()
        assert await inbox.memo(there.db, SYNCED) != "others"


async def test_who_presses_on_discord_while_nothing_can_be_written_is_told_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with discord(tmp_path) as there:
        shown = (await there.there.answer(await there.animate()))["message"]
        await there.there.until(lambda: "Cancel" in shown.buttons())
        with locked(there.db):
            pressed = await there.there.press(shown, "Cancel")
            said = (await there.there.answer(pressed))["message"]
        assert said.ephemeral and said.content.startswith("Nothing can be saved right now")
    assert caplog.text.count("interaction held up: ") == 1 and "Traceback" not in caplog.text


async def test_what_discord_tells_of_its_places_is_kept_once_that_can_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with discord(tmp_path) as there:
        await there.there.answer(await there.animate())
        await there.job()
        await chats.change(there.db, Platform.DISCORD, CHANNEL, unreachable="50013")
        with locked(there.db):
            await there.there.dispatch("GUILD_ROLE_UPDATE", {"guild_id": GUILD, "role": ROLE})
            await there.there.until(lambda: "what Discord tells of its places waits" in caplog.text)
        async with asyncio.timeout(30):
            while (await chats.get(there.db, Platform.DISCORD, CHANNEL)).unreachable:  # noqa: ASYNC110  (no event)
                await asyncio.sleep(0.05)
    assert "Traceback" not in caplog.text


async def test_a_front_that_stands_by_in_the_middle_of_an_answer_says_so_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with discord(tmp_path) as there:
        shown = (await there.there.answer(await there.animate()))["message"]
        await there.there.until(lambda: "Cancel" in shown.buttons())
        with locked(there.db):
            there.db.busy_s = 60.0
            await there.there.press(shown, "Cancel")
            while not there.db.under_way:  # noqa: ASYNC110  (nothing tells of it)
                await asyncio.sleep(0.02)
            await there.stop()
        await there.there.until(lambda: "interaction not answered" in caplog.text)
    assert "Traceback" not in caplog.text
