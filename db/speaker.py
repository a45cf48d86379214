"""Who speaks: of all processes on one database only one talks to the chats. Others stand by, and one takes over.

Whoever holds a lock of the server's has the word. It is good for VALID_S from the moment it was last confirmed, and who
gets the lock waits so long before it says anything: so two never speak at once, whatever became of a connection.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from db.errors import DatabaseAway
from db.postgres import front_lock

log = logging.getLogger("flipbot.front")

EVERY_S = 2.0  # how often it is asked whether the lock is held
VALID_S = 8.0  # how long an answer holds


class Speaker:
    """The word on one database, asked for in a thread of its own: nothing else that this process does delays it."""

    def __init__(self, url: str, *, every_s: float = EVERY_S, valid_s: float = VALID_S) -> None:
        self.url, self.every_s, self.valid_s = url, every_s, valid_s
        self.until = 0.0  # by the monotonic clock; before that this process may speak
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._over = threading.Event()
        self._said = ""

    async def run(self, speak: Callable[[], Awaitable[None]]) -> None:
        """Call speak() when this process has the word, and cancel it when that is over; for ever.

        raises: what speak does; where it returns, it is called again
        """
        threading.Thread(target=self._ask, name="flipbot-speaks", daemon=True).start()
        try:
            while True:
                await self._wait()
                await asyncio.sleep(self.valid_s)  # until then another one may not have heard that it lost the word
                if time.monotonic() < self.until:
                    await self._speak(speak)
        finally:
            self._over.set()

    async def _wait(self) -> None:
        """Until this process has the word."""
        while time.monotonic() >= self.until:
            self._changed.clear()
            await self._changed.wait()

    async def _speak(self, speak: Callable[[], Awaitable[None]]) -> None:
        speaking = asyncio.ensure_future(speak())
        try:
            while (left := self.until - time.monotonic()) > 0:
                await asyncio.wait((speaking,), timeout=left)
                if speaking.done():
                    return speaking.result()
            log.warning("the database does not confirm that this front may speak: it stands by")
        finally:
            speaking.cancel()
            await asyncio.wait((speaking,))

    def _ask(self) -> None:
        """In its thread: ask for the lock again and again, and hold it."""
        with front_lock(self.url) as held:
            while not self._over.is_set():
                asked = time.monotonic()
                try:
                    mine = held()
                except DatabaseAway as away:
                    mine, said = False, f"{away}"
                else:
                    said = "" if mine else "another front speaks to the chats: this one stands by, and takes over"
                with suppress(RuntimeError):  # the loop has ended
                    self._loop.call_soon_threadsafe(self._heard, asked + self.valid_s if mine else 0.0, said)
                self._over.wait(self.every_s)

    def _heard(self, until: float, said: str) -> None:
        self.until = until
        self._changed.set()
        if said and said != self._said:
            log.info("%s", said)
        self._said = said
