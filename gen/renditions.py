"""Fulfils what is wanted of films: tells a process of low priority, keeps the file, records the row. No torch.

The rows say all there is to do. Files come before rows, so a death at any line leaves a row that is still wanted.
"""

import asyncio
import logging
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from db import renditions
from db.connect import Database
from db.errors import DiskFull
from db.media import Media
from db.renditions import Rendered
from db.rows import Rendition
from gen.process import ChildDied, ChildFailed, ChildProcess

log = logging.getLogger("flipbot.renditions")

IDLE_S = 5.0  # how often it looks by itself
REST_S = 60.0  # without work: then the process ends and gives its memory back
LONGEST_S = 900.0  # for one rendition
DISK_RETRY_S = 30.0


class Transcoder(ChildProcess):
    """The process that renders."""

    module = "gen.transcode"

    async def render(self, **asked: Any) -> dict[str, Any]:
        """Ask for one rendition. raises: ChildFailed, ChildDied."""
        return await self._ask({"do": "render", **asked}, "rendered")


class Renditions:
    """Makes what is wanted, one after the other."""

    def __init__(self, db: Database, media: Media, *, longest_s: float = LONGEST_S) -> None:
        self.db, self.media, self.longest_s = db, media, longest_s
        self.process: Transcoder | None = None

    async def run(self) -> None:
        """Until cancelled; then the process is ended, and what it was at stays wanted."""
        rested = 0.0
        try:
            while True:
                seen = self.db.commits
                wanted = await renditions.next_wanted(self.db)
                if wanted is not None:
                    rested = 0.0
                    await self.fulfil(wanted)
                    continue
                before = asyncio.get_running_loop().time()
                await self.db.changed(seen, IDLE_S)
                rested += asyncio.get_running_loop().time() - before
                if rested >= REST_S:
                    await self.close()
        finally:
            await self.close()

    async def fulfil(self, wanted: Rendition) -> None:
        """Make it and record it, or why it cannot be made; where that may pass, it stays wanted."""
        out: Path | None = None
        try:
            if not await asyncio.to_thread(self.media.exists, wanted.film):
                await renditions.failed(self.db, wanted.id, "section_lost", {})
                return
            out = await asyncio.to_thread(self.media.workdir)
            said = await self.ask(wanted, out)
            sha = await asyncio.to_thread(self.media.adopt, Path(said["path"])) if said["path"] else wanted.film
            sizes = {name: said[name] for name in ("bytes", "width", "height", "duration_ms")}
            if not await renditions.ready(self.db, wanted.id, Rendered(sha=sha, **sizes)):
                log.info("rendition dropped job=%d kind=%s: nobody wants it now", wanted.job_id, wanted.kind)
            else:
                log.info("rendition ready job=%d kind=%s bytes=%d", wanted.job_id, wanted.kind, said["bytes"])
        except ChildDied as died:
            again = await renditions.crashed(self.db, wanted.id)
            log.warning("transcoder died job=%d kind=%s status=%s", wanted.job_id, wanted.kind, died.status)
            if not again:
                log.warning("rendition given up job=%d kind=%s", wanted.job_id, wanted.kind)
        except ChildFailed as failed:
            if failed.reason == DiskFull.reason:
                await self.no_room(wanted)
                return
            log.warning("rendition failed job=%d kind=%s reason=%s", wanted.job_id, wanted.kind, failed.reason)
            await renditions.failed(self.db, wanted.id, failed.reason, failed.facts)
        except DiskFull:
            await self.no_room(wanted)
        finally:
            if out is not None:
                await asyncio.to_thread(shutil.rmtree, out, ignore_errors=True)

    async def ask(self, wanted: Rendition, out: Path) -> dict[str, Any]:
        """What the process made of it. raises: ChildFailed, ChildDied (also where it took too long)."""
        if self.process is None or not self.process.alive:
            self.process = await Transcoder.start()
        source = str(self.media.path(wanted.film))
        asked = {"kind": wanted.kind, "source": source, "limit": wanted.limit_bytes, "out": str(out)}
        try:
            return await asyncio.wait_for(self.process.render(**asked), self.longest_s)
        except TimeoutError:
            with suppress(ProcessLookupError):
                self.process.process.kill()
            raise ChildDied(await self.process.process.wait()) from None

    async def no_room(self, wanted: Rendition) -> None:
        """The disk is full: later."""
        log.warning("disk full job=%d kind=%s; trying again in %d s", wanted.job_id, wanted.kind, DISK_RETRY_S)
        await asyncio.sleep(DISK_RETRY_S)

    async def close(self) -> None:
        """End the process, if there is one."""
        process, self.process = self.process, None
        if process is not None:
            await process.close()
