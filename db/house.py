"""Housekeeping: what is older than it is to be kept is forgotten, and files that no row names are removed."""

import asyncio
import logging
from functools import partial
from typing import Final

from db import requests
from db.connect import Database
from db.media import Media, in_thread, media_foreign, media_keep, media_tidy
from db.trouble import TROUBLE, patiently

log = logging.getLogger("flipbot.house")

EVERY_S: Final = 3600.0
ORPHAN_S: Final = 3600.0  # a file that no row names may be about to be named: so old it is not
DAY_MS: Final = 24 * 3600 * 1000


async def housekeeping(db: Database, media: Media, keep_days: int, keep_latents_days: int) -> None:
    """Every hour, for ever, as `keep_house`."""
    said = None
    while True:
        foreign = await patiently(partial(keep_house, db, media, keep_days, keep_latents_days), "housekeeping")
        if foreign and foreign != said:
            log.warning("%s", foreign)
        said = foreign
        await asyncio.sleep(EVERY_S)


async def tidy_here(db: Database, media: Media) -> None:
    """What is left to a process that keeps no house for all: every hour, the files of this machine alone."""
    while True:
        await patiently(partial(_tidy_here, db, media), "tidying")
        await asyncio.sleep(EVERY_S)


async def _tidy_here(db: Database, media: Media) -> None:
    await in_thread(media, media.sweep_here, await media_keep(db), ORPHAN_S)


async def keep_house(db: Database, media: Media, keep_days: int, keep_latents_days: int) -> str | None:
    """What housekeeping does each time; returns why no file was removed, else None.

    keep_days, keep_latents_days: after a job's end; 0: for ever
    raises: TROUBLE, of the disk that is swept
    """
    try:
        if keep_days:
            gone = await requests.expire(db, db.now() - keep_days * DAY_MS)
            if gone:
                log.info("expired jobs=%d", gone)
        if keep_latents_days:
            gone = await requests.expire_latents(db, db.now() - keep_latents_days * DAY_MS)
            if gone:
                log.info("expired latents of jobs=%d", gone)
        await requests.tidy(db)
    except TROUBLE as trouble:  # what can be freed without a commit is freed below
        log.warning("nothing expired: %s", trouble)
    swept = await media_tidy(db, media, ORPHAN_S)
    if swept:
        log.info("swept files=%d", swept)
    return await media_foreign(db, media)
