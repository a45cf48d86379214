"""How the parts of a service end."""

import asyncio

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
