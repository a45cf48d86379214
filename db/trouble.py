"""Troubles of the machine: what they are, and how something that runs for ever gets over them."""

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from db.errors import DatabaseAway, DatabaseBusy, DiskFailed, DiskFull, MachineShort, MediaAway

log = logging.getLogger("flipbot.trouble")
T = TypeVar("T")

# Of the machine, of no film: they pass
TROUBLE: Final = (DiskFull, DiskFailed, MachineShort, DatabaseBusy, DatabaseAway, MediaAway)
SHORT: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # what the system says where it is MachineShort
FIRST_S: Final = 1.0  # before the second try, then twice that
LATEST_S: Final = 30.0


def is_short(error: BaseException) -> bool:
    """Whether the system had no more to give: what `db.media.on_disk` makes a MachineShort of."""
    return isinstance(error, OSError) and error.errno in SHORT


async def patiently(turn: Callable[[], Awaitable[T]], what: str) -> T:
    """Await turn(), and again until it goes through: a trouble is said when it begins and when it is over.

    An error of our own ends the turn and nothing else, for one part's must not be everybody's. what: for the log
    """
    wait_s, troubled = FIRST_S, False
    while True:
        try:
            got = await turn()
        except Exception as error:
            if isinstance(error, TROUBLE) or is_short(error):
                if not troubled:
                    log.warning("%s waits: %s", what, error)
                troubled = True
            else:
                log.exception("%s failed", what)
        else:
            if troubled:
                log.info("%s goes on", what)
            return got
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, LATEST_S)
