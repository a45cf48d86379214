"""What the chats do while the machine lets nothing be written: they wait, lose nothing, and go on by themselves."""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest
from discord_stage import stage as discord
from telegram import Update
from telegram_stage import ANN, stage

import flipbot
from bot.config import SafetyConfig
from bot.discord_bot import SYNCED
from db import inbox, removals
from db.connect import Database
from db.media import Media
from db.models import Platform
from flipbot import housekeeping
from tests.ready import ready

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


async def test_housekeeping_outlives_a_folder_that_cannot_be_read_and_a_locked_file(tmp_path: Path) -> None:
    async with Database.open(data_dir=ready(tmp_path)) as db:
        unreadable = Media(tmp_path / ("a" * 300))
        with pytest.raises(OSError):
            unreadable.sweep(set(), 0.0)
        with locked(db):
            keeping = asyncio.create_task(housekeeping(db, unreadable, SafetyConfig(keep_days=1)))
            await asyncio.sleep(1.0)
            assert not keeping.done()
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping


async def test_housekeeping_and_the_doctor_say_that_a_folder_is_anothers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two services that were given one folder: the second one's housekeeping leaves it alone, and says so once."""
    monkeypatch.setattr(flipbot, "HOUSEKEEPING_S", 0.01)
    data_dir = ready(tmp_path)
    media = Media(data_dir / "media")
    film = media.put(b"a film of the other one")
    os.utime(media.path(film), (1, 1))
    async with Database.open(data_dir=data_dir) as db:
        keeping = asyncio.create_task(housekeeping(db, media, SafetyConfig()))
        await asyncio.sleep(0.5)
        keeping.cancel()
    assert media.exists(film)
    told = [record.getMessage() for record in caplog.records if "another database" in record.getMessage()]
    assert len(told) == 1
    settings = flipbot.settings_of(flipbot.arguments().parse_args(["doctor", "--data-dir", str(data_dir)]))
    found = await flipbot.examine_service(settings, lambda good, says: (good, says))
    assert (None, told[0]) in found
