"""Who connects to the page and says nothing, or no HTTP: they go, hold nobody up, and fill no log."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from page_stage import Service, service
from test_page import JSON, events, refusal, submit, visitor

from bot.page import STREAMS_OF_ONE
from db.sqlite import Sqlite

pytestmark = pytest.mark.filterwarnings("ignore:unread_data:DeprecationWarning")


@asynccontextmanager
async def silent(found: Service) -> AsyncIterator[asyncio.StreamReader]:
    """A connection that asks nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", found.page.port)
    try:
        yield reader
    finally:
        writer.close()


async def test_a_connection_that_asks_nothing_is_closed(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        told = events(client, await submit(client))
        await anext(told)
        found.page.door.silent_s = 0.1
        async with silent(found) as idle, asyncio.timeout(5.0):
            assert await idle.read() == b""
        await found.begin()
        assert await anext(told)


async def test_where_all_are_taken_the_longest_silent_gives_way_and_never_who_watches(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client, asyncio.timeout(5.0):
        told = events(client, await submit(client))
        await anext(told)
        door = found.page.door
        door.most = len(door.there)
        async with silent(found) as refused:
            with suppress(ConnectionResetError):
                assert await refused.read() == b""
        door.most += 2
        async with silent(found) as first, silent(found) as second, silent(found):
            assert await first.read() == b""
            assert len(door.there) == door.most and not second.at_eof()
        await found.begin()
        assert await anext(told)


async def test_who_was_answered_and_says_nothing_more_gives_way_to_who_comes(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client, visitor(found) as late, asyncio.timeout(5.0):
        told = events(client, await submit(client))
        await anext(told)
        async with asked(found) as first, asked(found) as second:
            found.page.door.most = len(found.page.door.there)
            await submit(late)
            assert await first.read() == b"" and not second.at_eof()
        await found.begin()
        assert await anext(told)


@asynccontextmanager
async def asked(found: Service) -> AsyncIterator[asyncio.StreamReader]:
    """A connection that has asked once, and was answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", found.page.port)
    writer.write(b"GET /assets/icon.svg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.splitlines() if line.startswith(b"Content-Length: "))
    await reader.readexactly(int(length.split()[1]))
    try:
        yield reader
    finally:
        writer.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such limit")
async def test_who_asks_and_takes_nothing_goes(tmp_path: Path) -> None:
    async with service(tmp_path) as found, asyncio.timeout(20.0):
        found.page.door.takes_s = 0.2
        with socket.socket() as greedy:
            greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            greedy.connect(("127.0.0.1", found.page.port))
            greedy.sendall(b"GET /assets/page.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 400)  # more than is buffered
            while not found.page.door.there:  # noqa: ASYNC110 - it says so to nobody
                await asyncio.sleep(0.01)
            while found.page.door.there:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_what_is_no_http_is_no_news(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with service(tmp_path) as found:
        reader, writer = await asyncio.open_connection("127.0.0.1", found.page.port)
        writer.write(b"GET admin HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.read(12)).endswith(b"400")
        writer.close()
    assert "Traceback" not in caplog.text and "Error handling" not in caplog.text


async def test_nobody_takes_all_streams(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client, visitor(found) as other:
        mine, theirs = await submit(client), await submit(other, prompt="rain")
        told = [events(client, mine) for _ in range(STREAMS_OF_ONE)]
        await asyncio.gather(*(anext(each) for each in told))
        async with client.get(f"/j/{mine}/events", headers=JSON) as answer:
            assert f"watching {STREAMS_OF_ONE} films" in await refusal(answer, 429)
        assert await anext(events(other, theirs))
        found.page.door.most = 2 * STREAMS_OF_ONE
        async with other.get(f"/j/{theirs}/events", headers=JSON) as answer:
            assert "Too many people are watching" in await refusal(answer, 503)


async def test_a_stream_that_meets_trouble_ends_and_nothing_else_comes_in_it(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        number = await submit(client)
        async with client.get(f"/j/{number}/events") as answer:
            await answer.content.readuntil(b"\n\n")
            assert isinstance(found.db.engines, Sqlite) and found.db.engines.reading
            found.db.engines.reading.dispose()
            (tmp_path / "flipbot.db").rename(tmp_path / "away")  # opened anew, it is not to be had
            (tmp_path / "flipbot.db").mkdir()
            found.db.notify()
            async with asyncio.timeout(5.0):
                assert await answer.content.read() == b""  # raises, where something else came
        (tmp_path / "flipbot.db").rmdir()
        (tmp_path / "away").rename(tmp_path / "flipbot.db")


async def test_a_file_that_is_gone_is_said_and_not_kept(tmp_path: Path) -> None:
    async with service(tmp_path) as found, visitor(found) as client:
        number = await submit(client, seconds="1")
        job = await found.section()
        assert job.film
        found.media.drop(job.film)
        for address in (f"/j/{number}/download", f"/j/{number}/film/{job.film[:16]}.mp4"):
            async with client.get(address, headers=JSON) as answer:
                assert answer.headers["Cache-Control"] == "no-store"
                assert "is not here any more" in await refusal(answer, 404)
