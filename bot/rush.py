"""In a burst, answers come before work: what is slow waits until everybody has had a first answer."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

QUIET_S: Final = 3.0  # how long work waits at most: those who never stop coming must not keep a film out


class Rush:
    """Counts those whose first answer is on its way."""

    def __init__(self) -> None:
        self._unanswered = 0
        self._all_answered = asyncio.Event()

    @contextmanager
    def answering(self, people: int = 1) -> Iterator[None]:
        """While the first answer of so many is on its way."""
        self._unanswered += people
        self._all_answered.clear()
        try:
            yield
        finally:
            self._unanswered -= people
            if not self._unanswered:
                self._all_answered.set()

    async def quiet(self) -> None:
        """Until all are answered, or a while has passed."""
        if self._unanswered:
            with suppress(TimeoutError):
                async with asyncio.timeout(QUIET_S):
                    await self._all_answered.wait()
