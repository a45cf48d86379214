"""What the doctor says of the database's library and of the disk."""

import sqlite3
from typing import Final

from db.connect import Database
from db.errors import MediaAway
from db.finding import Finding
from db.media import Media, media_foreign

SAFE_SQLITE: Final = (3, 51, 3)  # before it, two connections that checkpoint at once could damage the file
GIB: Final = 1 << 30


def examine_library() -> Finding:
    """SQLite's version."""
    safe = sqlite3.sqlite_version_info >= SAFE_SQLITE
    advice = "" if safe else " One older than 3.51.3 is safe here only because one process alone opens the file."
    return Finding(True if safe else None, f"SQLite {sqlite3.sqlite_version}.{advice}")


def examine_store(media: Media) -> list[Finding]:
    """Nothing of a folder; of a bucket, whether it can be used, after trying it."""
    try:
        said = media.probe()
    except MediaAway as away:
        return [Finding(False, str(away))]
    return [] if said is None else [Finding(True, said)]


async def examine_media(db: Database, media: Media) -> list[Finding]:
    """Nothing, or that the place of the films belongs to another database. Of one that is away the above speaks."""
    try:
        foreign = await media_foreign(db, media)
    except MediaAway:
        return []
    return [] if foreign is None else [Finding(None, foreign)]


def examine_disk(media: Media, least: int) -> list[Finding]:
    """The room left for films. least: bytes below which nothing new is taken in."""
    free = media.free_bytes()
    found = [Finding(True if free >= 2 * least else None, f"Disk: {free / GIB:.1f} GiB left.")]
    if free < least:
        mib = least >> 20
        found.append(Finding(False, f"Films wait until {mib} MiB are free ([media] min_free_mib): free some room."))
    return found
