"""How many files and connections the system lets this process have open, and what is said where there are no more."""

import asyncio
import logging
import time
from typing import Any, Final

from db.trouble import is_short

log = logging.getLogger("flipbot.files")

MOST: Final = 65_536  # open files that are asked for, where the system allows as many
OPEN_MAX: Final = 10_240  # of macOS, which may say "unlimited" and refuse more (setrlimit(2) there)
SAID_S: Final = 60.0  # between two lines about the same trouble


def raise_limit() -> int:
    """As many open files as may be had: systems begin with 256 or 1024, however many they allow. Returns how many."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limit
        return MOST
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft, hard = (MOST if n == resource.RLIM_INFINITY else n for n in limits)
    for most in (min(hard, MOST), min(hard, OPEN_MAX)):
        if soft >= most:
            return soft
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, limits[1]))
        except (OSError, ValueError) as error:
            log.info("open files stay at %d: %s", soft, error)
        else:
            return most
    return soft


class Short:
    """Handles what the event loop has nobody to tell: of a system that has no more to give, one line a minute.

    asyncio reports each connection that it could not let in, a hundred times a second and more, with a traceback.
    """

    def __init__(self) -> None:
        self.said = float("-inf")

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is None or not is_short(error):
            loop.default_exception_handler(context)
        elif time.monotonic() - self.said >= SAID_S:
            self.said = time.monotonic()
            log.warning("no more connections are let in for now: %s", error)
