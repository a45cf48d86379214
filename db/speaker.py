"""Who speaks: of all processes on one database only one talks to the chats. Others stand by, and one takes over."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from db.connect import is_shared
from db.postgres import front_lock

log = logging.getLogger("flipbot.front")

EVERY_S = 2.0  # how often who stands by asks, and who speaks looks whether it still may


class Silenced(Exception):
    """This process may not speak any more: its connection to the database broke, so another one speaks by now."""


@asynccontextmanager
async def speaking(url: str, waits: Callable[[], None]) -> AsyncIterator["asyncio.Task[None]"]:
    """Wait until this process is the one that may speak, and be it.

    url:    of the database; one that nobody shares lets its only owner speak
    waits:  called once if another one speaks
    yields: a task that raises Silenced once it may not any more, and else never ends
    raises: ConfigError
    """
    if not is_shared(url):
        forever = asyncio.create_task(_for_ever())
        try:
            yield forever
        finally:
            forever.cancel()
        return
    with front_lock(url) as held:
        told = False
        while not await asyncio.to_thread(held):
            if not told:
                waits()
            told = True
            await asyncio.sleep(EVERY_S)

        async def watch() -> None:
            while True:
                await asyncio.sleep(EVERY_S)
                if not await asyncio.to_thread(held):
                    raise Silenced

        watching = asyncio.create_task(watch())
        try:
            yield watching
        finally:
            watching.cancel()
            await asyncio.wait((watching,))


async def _for_ever() -> None:
    await asyncio.Event().wait()
