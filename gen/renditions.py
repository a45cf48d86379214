"""Fulfils what is wanted of films: tells a process of low priority, keeps the file, records the row. No torch.

The rows say all there is to do. Files come before rows, so a death at any line leaves a row that is still wanted.
"""

import asyncio
import logging
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from db import renditions
from db.connect import Database
from db.errors import DiskFull
from db.media import Media, fetched, in_thread
from db.renditions import Rendered
from db.rows import Rendition
from db.trouble import TROUBLE
from gen.process import ChildDied, ChildFailed, ChildProcess

log = logging.getLogger("flipbot.renditions")

IDLE_S = 5.0  # how often it looks by itself
REST_S = 60.0  # without work: then the process ends and gives its memory back
LONGEST_S = 900.0
RETRY_S = 30.0


class Transcoder(ChildProcess):
    """The process that renders."""

    module = "gen.transcode"

    async def render(self, **asked: Any) -> dict[str, Any]:
        """Ask for one rendition. raises: ChildFailed, ChildDied."""
        return await self._ask({"do": "render", **asked}, "rendered")


class Renditions:
    """Makes what is wanted, one after the other."""

    def __init__(self, db: Database, media: Media, *, longest_s: float = LONGEST_S, retry_s: float = RETRY_S) -> None:
        """longest_s: for one rendition; retry_s: after a trouble of the machine."""
        self.db, self.media, self.longest_s, self.retry_s = db, media, longest_s, retry_s
        self.process: Transcoder | None = None

    async def run(self) -> None:
        """Until cancelled; then the process is ended, and what it was at stays wanted."""
        busy_at = time.monotonic()
        try:
            while True:
                seen = self.db.commits
                try:
                    wanted = await renditions.next_wanted(self.db)
                    if wanted is not None:
                        await self.fulfil(wanted)
                        busy_at = time.monotonic()
                        continue
                except TROUBLE as trouble:
                    log.warning("rendition put off: %s", trouble)
                except Exception:  # ends the attempt, not the service
                    log.exception("no rendition")
                else:
                    await self.db.changed(seen, IDLE_S)
                    if time.monotonic() - busy_at >= REST_S:
                        await self.close()
                    continue
                await asyncio.sleep(self.retry_s)
        finally:
            await self.close()

    async def fulfil(self, wanted: Rendition) -> None:
        """Make it and record it, or why it cannot be made; it stays wanted where that may pass. raises: TROUBLE."""
        out: Path | None = None
        try:
            if not await in_thread(self.media, self.media.verify, wanted.film):
                await renditions.failed(self.db, wanted.id, "section_lost", {})
                return
            out = self.media.workdir()
            said = await self.ask(wanted, out)
            sha = await in_thread(self.media, self.media.adopt, Path(said["path"])) if said["path"] else wanted.film
            sizes = {name: said[name] for name in ("bytes", "width", "height", "duration_ms")}
            in_use = await renditions.ready(self.db, wanted.id, Rendered(sha=sha, **sizes))
            said_of_it = "ready" if in_use else "made, and nobody wants it any more"
            log.info("rendition job=%d kind=%s bytes=%d: %s", wanted.job_id, wanted.kind, said["bytes"], said_of_it)
        except ChildDied as died:
            again = await renditions.crashed(self.db, wanted.id)
            log.warning("transcoder died job=%d kind=%s status=%s", wanted.job_id, wanted.kind, died.status)
            if not again:
                log.warning("rendition given up job=%d kind=%s", wanted.job_id, wanted.kind)
        except ChildFailed as failed:
            if failed.reason == DiskFull.reason:
                raise DiskFull(self.media.root) from failed
            log.warning("rendition failed job=%d kind=%s reason=%s", wanted.job_id, wanted.kind, failed.reason)
            await renditions.failed(self.db, wanted.id, failed.reason, failed.facts)
        except TROUBLE:
            raise
        except Exception:  # ends the attempt, not the service
            log.exception("unexpected job=%d kind=%s", wanted.job_id, wanted.kind)
            await renditions.crashed(self.db, wanted.id)
        finally:
            if out is not None:
                shutil.rmtree(out, ignore_errors=True)  # not in a thread: who is cancelled then would leave it

    async def ask(self, wanted: Rendition, out: Path) -> dict[str, Any]:
        """What the process made of it. raises: ChildFailed, ChildDied (also where it took too long)."""
        if self.process is None or not self.process.alive:
            self.process = await Transcoder.start()
        source = str(await fetched(self.media, wanted.film))
        asked = {"kind": wanted.kind, "source": source, "limit": wanted.limit_bytes, "out": str(out)}
        try:
            async with asyncio.timeout(self.longest_s):
                return await self.process.render(**asked)
        except TimeoutError:
            with suppress(ProcessLookupError):
                self.process.process.kill()
            raise ChildDied(await self.process.process.wait()) from None

    async def close(self) -> None:
        """End the process, if there is one."""
        process, self.process = self.process, None
        if process is not None:
            await process.close()
