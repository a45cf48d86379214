"""Whether the disk has room: below a low-water mark nothing is taken in, below half of it nothing is begun."""

import asyncio
import logging

from db.media import Media

log = logging.getLogger("flipbot.room")

MIB = 1 << 20
AGAIN = 1.1  # so far above a mark things go on: films that come and go must not switch it back and forth


class Room:
    """Watches the disk of the media. What was promised may still use the lower half of what is kept free."""

    def __init__(self, media: Media, least: int) -> None:
        """least: bytes that shall stay free."""
        self.media, self.least = media, least
        self._short = False

    async def short(self) -> dict[str, int] | None:
        """What is left and what is needed to begin a section, in MiB; None where there is room."""
        free = await asyncio.to_thread(self.media.free_bytes)
        mark = self.least // 2
        short = free < (mark * AGAIN if self._short else mark)
        if short != self._short:
            said = "disk short, no section is begun" if short else "disk has room again"
            log.log(logging.WARNING if short else logging.INFO, "%s free=%d MiB", said, free // MIB)
        self._short = short
        return {"free_mib": free // MIB, "need_mib": -(-mark // MIB)} if short else None
