"""What the doctor says of chats, page, disk and folder; and the housekeeping that it speaks of."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, ClientTimeout
from test_held_up import locked

from bot.config import DiscordConfig, TelegramConfig, WebConfig
from bot.doctor import away, examine, examine_discord, examine_metrics, examine_page, examine_telegram, invite
from db import house
from db.config import ServiceConfig
from db.connect import Database
from db.doctor import examine_disk
from db.finding import Finding
from db.house import housekeeping
from db.media import Media
from flipbot.arguments import arguments
from flipbot.checkup import examine_service
from flipbot.settings import settings_of
from tests.fakes.discord import TOKEN, Discord
from tests.fakes.telegram import TOKEN as TELEGRAM_TOKEN
from tests.fakes.telegram import Telegram
from tests.ready import ready

NOBODY = "http://127.0.0.1:9"  # where nobody listens


async def test_the_doctor_prints_the_invitation_and_never_the_token() -> None:
    async with Discord() as there:
        found = await examine_discord(DiscordConfig(api_base=there.api), TOKEN)
        assert found.fine
        assert (
            "Invite it: https://discord.com/oauth2/authorize?client_id=1000&permissions=274878024704" in found.sentence
        )
        found = await examine_discord(DiscordConfig(api_base=there.api), "wrong")
        assert found.fine is False
        assert "wrong" not in found.sentence
    found = await examine_discord(DiscordConfig(api_base=NOBODY), TOKEN)
    assert found.fine is False
    assert "cannot be reached" in found.sentence


def test_the_invitation_asks_for_exactly_what_is_needed() -> None:
    assert invite(1000).startswith("https://discord.com/oauth2/authorize?client_id=1000&permissions=274878024704")
    assert invite(1000).endswith("scope=bot+applications.commands")


async def test_telegrams_token_is_tried_and_never_shown() -> None:
    server = Telegram()
    await server.start()
    config = TelegramConfig(api_base=server.url)
    try:
        found = await examine_telegram(config, TELEGRAM_TOKEN)
        assert found == Finding(True, "Telegram knows the bot as @flip_test_bot, with privacy mode on.")
        for wrong in (TELEGRAM_TOKEN[:-1] + "y", "no token"):
            found = await examine_telegram(config, wrong)
            assert found.fine is False
            assert wrong not in found.sentence
    finally:
        await server.stop()
    found = await examine_telegram(config, TELEGRAM_TOKEN)
    assert found.fine is None
    assert "was not tried" in found.sentence
    assert TELEGRAM_TOKEN not in found.sentence


async def test_of_chats_without_a_token_it_is_said_and_of_a_token_file_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISCORD_TOKEN", "TELEGRAM_TOKEN", "FLIPBOT_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    for each, name in zip(await examine(DiscordConfig(), TelegramConfig()), ("Discord", "Telegram"), strict=True):
        assert each.fine is None
        assert each.sentence.startswith(f"{name} is not used: there is no token ({name.upper()}_TOKEN, or [")
    gone, file = str(tmp_path / "gone"), tmp_path / "my.toml"
    found = await examine(DiscordConfig(token_file=gone), TelegramConfig(token_file=gone), file=file)
    found.append(await examine_page(WebConfig(port=0, password_file=gone), file=file))
    for each, key in zip(found, ("discord.token_file", "telegram.token_file", "web.password_file"), strict=True):
        assert each.fine is False
        assert each.sentence.startswith(f"{file}: {key}: cannot be read")


async def test_the_metrics_address_is_tried(tmp_path: Path) -> None:
    async def said(at: str, port: int = 0) -> list[Finding]:
        return await examine_metrics(ServiceConfig(metrics=at), WebConfig(port=port), file=tmp_path / "my.toml")

    assert await said("") == []
    assert await said("127.0.0.1:0") == [Finding(True, "The metrics can open at 127.0.0.1, port 0.")]
    (wrong,) = await said("9108")
    assert wrong == Finding(False, f'{tmp_path / "my.toml"}: service.metrics: expected "HOST:PORT", got "9108".')
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as server:
        taken = await said(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    for found in (taken, await said("127.0.0.1:8765", 8765)):  # the latter is the page's own
        assert [each.fine for each in found] == [False]


async def test_why_somebody_cannot_be_reached_is_said_in_words() -> None:
    async def why(url: str, **how: Any) -> str:
        async with ClientSession(**how) as client:
            with pytest.raises((ClientError, TimeoutError)) as failed:
                await client.get(url)
        return away("en", failed.value)

    assert await why("http://nobody.invalid") == "its name could not be resolved"
    assert await why(NOBODY) == "the connection was refused"
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        gone.set()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await why(f"http://127.0.0.1:{port}", timeout=ClientTimeout(total=0.05)) == "no answer in time"
        await gone.wait()
    for url in (NOBODY, "http://nobody.invalid"):
        found = await examine_telegram(TelegramConfig(api_base=url), TELEGRAM_TOKEN)
        assert ("refused" if url == NOBODY else "resolved") in found.sentence


def test_an_error_that_came_of_itself_is_no_riddle_without_end() -> None:
    one, other = OSError("one"), OSError("other")
    one.__cause__, other.__context__ = other, one
    assert away("en", one) == "the connection failed"


async def test_the_pages_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLIPBOT_PASSWORD", raising=False)
    assert (await examine_page(WebConfig(port=0))).fine is True
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with server:
        port: int = server.sockets[0].getsockname()[1]
        taken = await examine_page(WebConfig(port=port))
        assert taken.fine is False
        assert str(port) in taken.sentence
    open_to_all = await examine_page(WebConfig(host="0.0.0.0", port=0))
    assert open_to_all.fine is False
    assert "password" in open_to_all.sentence


@pytest.mark.parametrize(
    ("free", "fine"), [(5 << 30, [True]), (300 << 20, [None]), (100 << 20, [None, False])], ids=["much", "little", "no"]
)
def test_the_disk_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, fine: list[Any]) -> None:
    media = Media(tmp_path)
    monkeypatch.setattr(media, "free_bytes", lambda: free)
    assert [each.fine for each in examine_disk(media, 200 << 20)] == fine


async def test_housekeeping_outlives_a_folder_that_cannot_be_read_and_a_locked_file(tmp_path: Path) -> None:
    async with Database.open(data_dir=ready(tmp_path)) as db:
        unreadable = Media(tmp_path / ("a" * 300))
        with pytest.raises(OSError):
            unreadable.sweep(set(), 0.0)
        with locked(db):
            keeping = asyncio.create_task(housekeeping(db, unreadable, 1, 0))
            await asyncio.sleep(1.0)
            assert not keeping.done()
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping


async def test_housekeeping_and_the_doctor_say_that_a_folder_is_anothers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two services that were given one folder: the second one's housekeeping leaves it alone, and says so once."""
    monkeypatch.setattr(house, "EVERY_S", 0.01)
    data_dir = ready(tmp_path)
    media = Media(data_dir / "media")
    film = media.put(b"a film of the other one")
    os.utime(media.path(film), (1, 1))
    async with Database.open(data_dir=data_dir) as db:
        keeping = asyncio.create_task(housekeeping(db, media, 0, 0))
        await asyncio.sleep(0.5)
        keeping.cancel()
    assert media.exists(film)
    told = [record.getMessage() for record in caplog.records if "another database" in record.getMessage()]
    assert len(told) == 1
    settings = settings_of(arguments().parse_args(["doctor", "--data-dir", str(data_dir)]))
    assert Finding(None, told[0]) in await examine_service(settings)
