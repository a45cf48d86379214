"""How a service begins, and how its parts end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from db.errors import DatabaseAway
from flipbot.making import once_there
from flipbot.service import end


async def test_what_waits_for_a_server_that_hangs_holds_no_end_up() -> None:
    order: list[str] = []

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()  # as a last word to a server that does not answer

    async def orderly() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.02)
            order.append("in order")

    tasks = [asyncio.create_task(each()) for each in (stubborn, orderly)]
    await asyncio.sleep(0)
    async with asyncio.timeout(10.0):
        await end(tasks, 0.1)
    assert order == ["in order"] and all(task.done() for task in tasks)
    await end([])


async def test_a_service_begins_once_the_server_of_its_database_is_there(caplog: pytest.LogCaptureFixture) -> None:
    order: list[str] = []

    @asynccontextmanager
    async def begin() -> AsyncIterator[str]:
        order.append("asked")
        if len(order) < 4:
            raise DatabaseAway("postgresql://db/flipbot", "connection refused")
        yield "there"
        order.append("ended")

    async with AsyncExitStack() as stack:
        assert await once_there(stack, begin, asyncio.Event(), every_s=0.01) == "there"
        assert order == ["asked"] * 4
    assert order[4:] == ["ended"]
    assert caplog.text.count("the start waits: The database postgresql://db/flipbot cannot be reached") == 1


async def test_who_ends_it_while_the_server_is_away_does_not_wait() -> None:
    ending = asyncio.Event()

    @asynccontextmanager
    async def begin() -> AsyncIterator[None]:
        asyncio.get_running_loop().call_soon(ending.set)
        raise DatabaseAway("postgresql://db/flipbot", "connection refused")
        yield

    async with asyncio.timeout(1.0), AsyncExitStack() as stack:
        assert await once_there(stack, begin, ending) is None
