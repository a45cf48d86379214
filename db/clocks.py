"""The clocks that rows are dated by: the system's, and one that nobody sets."""

import time
from collections.abc import Callable

Clock = Callable[[], int]
# Of Linux; on macOS CLOCK_MONOTONIC goes on in sleep, on Windows time.monotonic() does
_AWAKE = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


def now_ms() -> int:
    """Milliseconds since the epoch, of the system's clock."""
    return time.time_ns() // 1_000_000


def passed_s() -> float:
    """Seconds since some moment, by a clock that nobody sets and that goes on while the machine sleeps."""
    return time.monotonic() if _AWAKE is None else time.clock_gettime(_AWAKE)


class Steady:
    """A clock that nobody sets: the system's time when it was made, and what has passed since.

    Leases and waits are counted by it, so that a jump of the system's clock neither ends one nor makes one last for
    ever. It stands still while the machine sleeps: who held a lease then slept as well.
    """

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def __call__(self) -> int:
        """Milliseconds since the epoch, as if the system's clock had never been set since."""
        return (self._offset_ns + time.monotonic_ns()) // 1_000_000


class Theirs(Steady):
    """The clock of a server, whom several machines ask: as it was when it was last seen, and what has passed since."""

    def seen(self, ms: float) -> None:
        """The server has just said what time it is, in milliseconds since the epoch."""
        self._offset_ns = round(ms * 1e6) - time.monotonic_ns()
