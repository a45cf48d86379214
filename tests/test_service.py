"""How a service begins, and how its parts end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from db.errors import DatabaseAway, DatabaseBusy
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


async def test_a_service_begins_once_its_database_can_be_had(caplog: pytest.LogCaptureFixture) -> None:
    order: list[str] = []
    place = "postgresql://db/flipbot"
    troubles = [DatabaseAway(place, "connection refused"), DatabaseBusy(place, 5), DatabaseAway(place, "")]

    @asynccontextmanager
    async def begin() -> AsyncIterator[str]:
        order.append("asked")
        if troubles:
            raise troubles.pop(0)
        yield "there"
        order.append("ended")

    async with AsyncExitStack() as stack:
        assert await once_there(stack, begin, asyncio.Event(), every_s=0.01) == "there"
        assert order == ["asked"] * 4
    assert order[4:] == ["ended"]
    assert caplog.text.count("the start waits: ") == 1 and "cannot be reached (connection refused)" in caplog.text


async def test_who_ends_it_while_the_server_is_away_does_not_wait() -> None:
    ending = asyncio.Event()

    @asynccontextmanager
    async def begin() -> AsyncIterator[None]:
        asyncio.get_running_loop().call_soon(ending.set)
        raise DatabaseAway("postgresql://db/flipbot", "connection refused")
        yield

    async with asyncio.timeout(1.0), AsyncExitStack() as stack:
        assert await once_there(stack, begin, ending) is None
