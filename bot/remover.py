"""Takes messages out of chats: of films that were deleted, of people who were forgotten, of refusals that were read.

As the poster, it looks at rows: what has to go stands there until it is gone, whatever dies in between.
"""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import Final

from bot.sender import Moved, PutOff, Sender, SendError, Spot
from db import removals
from db.connect import Database
from db.rows import Removal
from db.trouble import patiently

log = logging.getLogger("flipbot.remover")

BETWEEN_S: Final = 1.1  # two calls of one platform: it is never urgent
LOOK_S: Final = 2.0
BACKOFF_MS: Final = 5_000
LATEST_MS: Final = 6 * 3_600_000
TRIES: Final = 40  # a week: a role that lost a channel may get it back


class Remover:
    """Runs beside the poster."""

    def __init__(
        self, db: Database, senders: Sequence[Sender], between_s: float = BETWEEN_S, backoff_ms: int = BACKOFF_MS
    ) -> None:
        self.db, self.senders, self.between_s, self.backoff_ms = db, senders, between_s, backoff_ms

    async def run(self) -> None:
        """Remove until cancelled."""
        await asyncio.gather(*(self._serve(sender) for sender in self.senders))

    async def _serve(self, sender: Sender) -> None:
        while True:
            if not await patiently(partial(self._turn, sender), f"remover platform={sender.platform}"):
                await asyncio.sleep(min(LOOK_S, 2 * self.between_s))

    async def _turn(self, sender: Sender) -> int:
        """Remove what is due now; returns how many."""
        due = await removals.due(self.db, sender.platform)
        for removal in due:
            await self._remove(sender, removal)
            await asyncio.sleep(self.between_s)
        return len(due)

    async def _remove(self, sender: Sender, removal: Removal) -> None:
        try:
            await sender.delete(Spot(chat_id=removal.chat_id, message_id=removal.message_id))
        except PutOff as put_off:
            later_ms = round(1000 * (put_off.retry_after_s + 1))
            await removals.put_off(self.db, removal.id, later_ms, tried=False)
            return
        except Moved as moved:  # its messages stayed behind in the old group, where nobody can reach them
            log.info("a message to remove stayed in the group that moved to %s", moved.chat_id)
        except SendError as error:
            if removal.tries < TRIES:
                later_ms = min(LATEST_MS, self.backoff_ms * 2**removal.tries)
                await removals.put_off(self.db, removal.id, later_ms)
                return
            log.warning("a message could not be removed: %s", error)
        await removals.done(self.db, removal.id)
