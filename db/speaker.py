"""Who speaks: of all processes on one database only one talks to the chats. Others stand by, and one takes over.

Whoever holds a lock of the server's has the word. It is good for VALID_S from the moment it was last confirmed, and who
gets the lock says nothing before it has held it, without a break, for so long: so two never speak at once, whatever
became of a connection.
"""

import asyncio
import logging
import math
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

from db.clocks import passed_s
from db.errors import DatabaseAway
from db.postgres import front_lock

log = logging.getLogger("flipbot.front")

EVERY_S = 2.0  # how often it is asked whether the lock is held
VALID_S = 8.0  # how long an answer holds
WOKEN_S = 1.0  # after so long at most it is noticed that the machine slept: no timer counts that


class Speaker:
    """The word on one database, asked for in a thread of its own: nothing else that this process does delays it."""

    def __init__(
        self,
        url: str,
        *,
        every_s: float = EVERY_S,
        valid_s: float = VALID_S,
        clock: Callable[[], float] = passed_s,
    ) -> None:
        self.url, self.every_s, self.valid_s, self.clock = url, every_s, valid_s, clock
        self.until = 0.0  # by the clock; before that this process may go on speaking
        self._may_begin = False  # it has held the lock for so long that no other word is good any more
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
                await self._speak(speak)
        finally:
            self._over.set()

    async def _wait(self) -> None:
        """Until this process has the word."""
        while not self._may_begin or self.clock() >= self.until:
            self._changed.clear()
            await self._changed.wait()

    async def _speak(self, speak: Callable[[], Awaitable[None]]) -> None:
        speaking = asyncio.ensure_future(speak())
        try:
            while (left := self.until - self.clock()) > 0:
                self._changed.clear()
                changed = asyncio.ensure_future(self._changed.wait())
                try:
                    await asyncio.wait(
                        (speaking, changed), timeout=min(left, WOKEN_S), return_when=asyncio.FIRST_COMPLETED
                    )
                finally:
                    changed.cancel()
                if speaking.done():
                    return speaking.result()
            log.warning("the database does not confirm that this front may speak: it stands by")
        finally:
            speaking.cancel()
            await asyncio.wait((speaking,))

    def _ask(self) -> None:
        """In its thread: ask for the lock again and again, and hold it."""
        since = math.inf  # when it was taken; it has been held ever since
        with front_lock(self.url) as held:
            while not self._over.is_set():
                asked = self.clock()
                try:
                    mine = held()
                except DatabaseAway as away:  # what was confirmed holds: nobody else may begin yet
                    mine, until, said = False, self.until, f"{away}"
                else:
                    until = asked + self.valid_s if mine else 0.0
                    said = "" if mine else "another front speaks to the chats: this one stands by, and takes over"
                since = min(since, self.clock()) if mine else math.inf
                with suppress(RuntimeError):  # the loop has ended
                    self._loop.call_soon_threadsafe(self._heard, until, asked >= since + self.valid_s, said)
                self._over.wait(self.every_s)

    def _heard(self, until: float, may_begin: bool, said: str) -> None:
        self.until, self._may_begin = until, may_begin
        self._changed.set()
        if said and said != self._said:
            log.info("%s", said)
        self._said = said
