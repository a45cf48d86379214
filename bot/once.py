"""Asked once for everybody: what many want to know between two commits is looked up for the first and told to all."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Final, TypeVar

from db.connect import Database

T = TypeVar("T")

KEPT_S: Final = 1.0  # rows may be changed by another machine, too: no answer is older


class Once:
    """Answers of the rows as of the newest commit, under the keys of those who ask."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._asked: dict[Hashable, tuple[int, asyncio.Task[Any]]] = {}

    async def ask(self, key: Hashable, look: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What look() finds, or found for another since the newest commit; its exception, where it raised one.

        The answer is everybody's: nobody may change it.
        """
        commits = self.db.commits
        seen, task = self._asked.get(key, (-1, None))
        if task is None or seen != commits:
            task = asyncio.create_task(look())
            self._asked[key] = commits, task
            task.add_done_callback(lambda _: self._forget(key, commits))
        found: T = await asyncio.shield(task)
        return found

    def _forget(self, key: Hashable, commits: int) -> None:
        task = self._asked.get(key, (-1, None))[1]
        if task is not None and task.done() and not task.cancelled():
            task.exception()  # whoever waited has heard it; nobody may be left
        asyncio.get_running_loop().call_later(KEPT_S, self._drop, key, commits)

    def _drop(self, key: Hashable, commits: int) -> None:
        if self._asked.get(key, (-1,))[0] == commits:
            del self._asked[key]


def lately(look: Callable[[], T], keep_s: float) -> Callable[[], T]:
    """The same question, whose answer is good for a moment: one that everybody's page asks."""
    found: list[tuple[float, T]] = []

    def asked() -> T:
        now = time.monotonic()
        if not found or now - found[0][0] > keep_s:
            found[:] = [(now, look())]
        return found[0][1]

    return asked
