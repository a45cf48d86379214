"""What the doctor says of the database and its library, and of the disk."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Final

from db import workers
from db.connect import Database
from db.errors import MediaAway
from db.finding import Finding
from db.media import Media, media_foreign
from db.said import said, together

SAFE_SQLITE: Final = (3, 51, 3)  # before it, two connections that checkpoint at once could damage the file
GIB: Final = 1 << 30


async def examine_database(db: Database, data_dir: Path) -> list[Finding]:
    """What was opened, and of a shared one who makes films on it."""
    if not db.shared:
        return [Finding(True, said("The database in {folder} opens.", folder=data_dir))]
    there = [worker.name.partition(":")[0] for worker in await workers.working(db)]
    server = await asyncio.to_thread(_server, db)
    opens = Finding(True, said("The database {place} opens ({server}).", place=db.engines.place, server=server))
    if there:
        names = ", ".join(there)
        return [opens, Finding(True, said("Workers on it now: {count} ({names}).", count=len(there), names=names))]
    return [opens, Finding(None, said("No worker is on it now: start flipbot worker on a machine with a GPU."))]


def _server(db: Database) -> str:
    with db.reading() as tx:
        return f"PostgreSQL {tx.exec_driver_sql('SHOW server_version').scalar_one()}"


def examine_library() -> Finding:
    """SQLite's version."""
    safe = sqlite3.sqlite_version_info >= SAFE_SQLITE
    version = said("SQLite {version}.", version=sqlite3.sqlite_version)
    advice = said("Leave its file to Flipbot alone: no other program should open it while the service runs.")
    return Finding(True, version if safe else together(version, advice))


def examine_store(media: Media) -> list[Finding]:
    """Nothing of a folder; of a bucket, whether it can be used, after trying it."""
    try:
        works = media.probe()
    except MediaAway as away:
        return [Finding(False, away.said())]
    return [] if works is None else [Finding(True, works)]


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
    left = said("Disk: {free:.1f} GiB left.", free=free / GIB)
    found = [Finding(True if free >= 2 * least else None, left)]
    if free < least:
        waits = said("Films wait until {mib} MiB are free ([media] min_free_mib): free some room.", mib=least >> 20)
        found.append(Finding(False, waits))
    return found
