"""What is deleted is gone from the chats, wherever it was shown: the film's message, those before it, and lists."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import telegram_stage
from discord import Client, Intents
from discord_stage import Stage
from discord_stage import stage as discord
from telegram_stage import ANN

from bot.discord_sender import DiscordSender
from bot.remover import TRIES, Remover
from bot.sender import Failed, PutOff, SendError, Spot
from bot.telegram_text import data
from db import jobs, people, removals
from db.connect import Database
from db.models import Platform
from tests.fakes.telegram import Chat, labels
from tests.ready import ready


@asynccontextmanager
async def shown_everywhere(folder: Path) -> AsyncIterator[tuple[telegram_stage.Stage, Chat]]:
    """Ann's film, the list of her films, the film shown once more out of it, and its details."""
    async with telegram_stage.stage(folder) as there:
        server, chat = there.server, there.server.private(ANN)
        server.sends(ANN, chat, caption="secret")
        await there.finish()
        film = await there.message(chat, "ready", kind="video")
        server.says(ANN, chat, "/history")
        panel = await server.until(lambda: next((m for m in server.of_bot(chat) if "secret" in str(labels(m))), None))
        server.presses_data(ANN, panel, data("show", 1))
        await server.until(lambda: len([m for m in server.of_bot(chat) if "video" in m]) == 2)
        server.presses_data(ANN, film, data("details", 1))
        await there.message(chat, "secret", kind="text")
        await there.settled()
        assert len(server.of_bot(chat)) == 4
        yield there, chat


async def test_forgetting_somebody_takes_every_message_about_their_films_along(tmp_path: Path) -> None:
    async with shown_everywhere(tmp_path) as (there, chat):
        there.server.says(ANN, chat, "/forgetme")
        ask = await there.message(chat, "Everything about you")
        there.server.presses_data(ANN, ask, data("forget", ANN["id"]))
        await there.message(chat, "Done")
        await there.server.until(lambda: len(there.server.of_bot(chat)) == 1)
        assert "secret" not in str(there.server.of_bot(chat))


@pytest.mark.parametrize("command", ["/queue", "/cancel"])
async def test_what_was_said_of_a_film_in_line_goes_with_it(tmp_path: Path, command: str) -> None:
    async with telegram_stage.stage(tmp_path) as there:
        server, chat = there.server, there.server.private(ANN)
        server.sends(ANN, chat, caption="secret")
        await there.jobs(1)
        await there.message(chat, "secret")
        before = len(server.of_bot(chat))
        server.says(ANN, chat, command)
        await server.until(lambda: len(server.of_bot(chat)) > before)
        assert str(server.of_bot(chat)[before:]).count("secret") == 1
        await people.forget_job(there.db, 1)
        await server.until(lambda: not server.of_bot(chat))


async def test_deleting_a_film_takes_every_message_about_it_along(tmp_path: Path) -> None:
    async with shown_everywhere(tmp_path) as (there, chat):
        details = await there.message(chat, "secret", kind="text")
        for _ in range(2):
            there.server.presses(ANN, chat, details["message_id"], "Delete")
            await there.settled()
        await there.server.until(lambda: not there.server.of_bot(chat))


@pytest.mark.parametrize("whole", [True, False])
async def test_on_discord_the_messages_before_the_last_one_go_as_well(tmp_path: Path, whole: bool) -> None:
    async with discord(tmp_path) as there:
        first = await made(there)
        menu = (await there.there.answer(await there.there.command("history")))["message"]
        again = (await there.there.answer(await there.there.press(menu, "fphistory", ["1"])))["message"]
        await there.there.until(lambda: "Details" in again.buttons())
        if whole:
            await confirmed(there, (await there.there.answer(await there.there.command("forget-me")))["message"])
        else:
            details = (await there.there.answer(await there.there.press(again, "Details")))["message"]
            await confirmed(there, details)
        assert there.bot
        removing = asyncio.create_task(Remover(there.db, [there.bot.sender], 0.05).run())
        await there.there.until(lambda: first.deleted and again.deleted)
        removing.cancel()


@pytest.mark.parametrize("way", ["history", "seed"])
async def test_a_message_that_was_on_its_way_while_its_film_was_deleted_goes(tmp_path: Path, way: str) -> None:
    async with discord(tmp_path) as there:
        film = await made(there)
        if way == "history":
            menu = (await there.there.answer(await there.there.command("history")))["message"]
            there.there.fail("POST", "/callback", "slow")
            pressed = await there.there.press(menu, "fphistory", ["1"])
        else:
            await there.there.until(lambda: "New seed" in film.buttons())
            there.there.fail("POST", "/callback", "slow")
            pressed = await there.there.press(film, "New seed")
            await there.job(2)
        await there.there.until(lambda: not there.there.faults[-1].times)
        await people.forget(there.db, Platform.DISCORD, (await jobs.get(there.db, 1)).user_id)
        late = (await there.there.answer(pressed))["message"]
        assert there.bot and "secret" in late.content
        removing = asyncio.create_task(Remover(there.db, [there.bot.sender], 0.02).run())
        await there.there.until(lambda: film.deleted and late.deleted, 5.0)
        removing.cancel()


async def test_a_message_in_a_channel_that_is_shut_goes_once_it_is_open(tmp_path: Path) -> None:
    async with discord(tmp_path) as there:
        film = await made(there)
        there.there.fail("DELETE", "/messages/", (403, 50001), times=2)
        await people.forget_job(there.db, 1)
        assert there.bot
        removing = asyncio.create_task(Remover(there.db, [there.bot.sender], 0.02, 20).run())
        await there.there.until(lambda: film.deleted)
        removing.cancel()


async def test_a_message_is_not_given_up_because_its_chat_was_asked_too_often(tmp_path: Path) -> None:
    gone = asyncio.Event()
    answers: list[SendError | None] = [*([PutOff(-1.0)] * (TRIES + 1)), Failed("for once"), None]

    class Busy(DiscordSender):
        async def delete(self, spot: Spot) -> None:
            if (answer := answers.pop(0)) is not None:
                raise answer
            gone.set()

    async with Database.open(data_dir=ready(tmp_path)) as db, asyncio.timeout(10.0):
        await removals.later(db, Platform.DISCORD, "1", "2", 0)
        removing = asyncio.create_task(Remover(db, [Busy(Client(intents=Intents.none()))], 0.0, 0).run())
        await gone.wait()
        removing.cancel()


async def made(there: Stage) -> Any:
    """The message of the first film, which is ready."""
    message = (await there.there.answer(await there.animate("secret")))["message"]
    await there.job(1)
    while await there.work():
        pass
    await there.there.until(lambda: "ready" in message.content)
    return message


async def confirmed(there: Stage, message: Any) -> None:
    """The red button is pressed."""
    label = next(label for label in message.buttons() if "elete" in label or "orget" in label)
    await there.there.answer(await there.there.press(message, label))
