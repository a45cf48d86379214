"""An event loop whose clock jumps: hours pass in a moment, and the database's threads are waited for as they are."""

import asyncio
import selectors
from collections.abc import Callable
from typing import Any


class _Selector(selectors.DefaultSelector):
    """Advances the loop's clock instead of sleeping, as long as no thread is at work."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None or self.loop.busy():
            return super().select(0.05)
        self.loop.skipped += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """busy: () -> whether something real is to be waited for; until it is set, time is real."""

    def __init__(self) -> None:
        selector = _Selector()
        selector.loop = self
        self.skipped = 0.0
        self.busy: Callable[[], bool] = lambda: True
        super().__init__(selector)

    def time(self) -> float:
        return super().time() + self.skipped

    def ms(self) -> int:
        """Milliseconds since the epoch, in this loop's world."""
        return 1_000_000_000 + round(self.time() * 1000)
