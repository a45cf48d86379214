"""The film of a message as a file that its chat takes: a small one while it grows, the best that fits at its end."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Final

from bot.chat import ChatMessage, Wanted
from bot.sender import Film, TooBig
from db import renditions
from db.connect import Database
from db.errors import NoSuchJob
from db.media import Media, fetched
from db.models import Platform
from db.rows import Job

PREVIEW_BYTES: Final = 1_500_000  # a film that is smaller than this need not be made smaller while it grows
PATIENCE_MS: Final = 60_000  # with whoever makes it fit; then it is shown as it is, where that fits
POSTER_BYTES: Final = 190_000  # of a thumbnail; Telegram takes 200 kB
POSTER_MS: Final = 5_000  # how long a finished film waits for its thumbnail


async def film_of(db: Database, media: Media, job: Job, message: ChatMessage, limit_bytes: int) -> Film | None:
    """What to put into the message; None where it is not made yet: whoever makes it wakes those who wait.

    raises: TooBig, where nothing of it fits; TROUBLE, of what it is fetched from and to
    """
    film = await _that_fits(db, media, job, message, limit_bytes)
    if film is None or film.kind != "final" or job.platform != Platform.TELEGRAM:  # other chats take their own
        return film
    try:
        poster = await renditions.want(db, job.id, job.film or "", "poster", POSTER_BYTES)
    except NoSuchJob:
        return None
    if poster.state == "ready" and poster.sha and (path := await _here(media, poster.sha)):
        return replace(film, poster=path)
    waits = poster.state == "wanted" and db.now() - poster.created_ms < POSTER_MS
    return None if waits else film


async def _that_fits(db: Database, media: Media, job: Job, message: ChatMessage, limit_bytes: int) -> Film | None:
    wanted = message.film
    if wanted is None:
        return None
    path = await _here(media, wanted.sha)
    if path is None:
        return None
    size: int = (await asyncio.to_thread(path.stat)).st_size
    film = _film(path, job, message, wanted)
    if size <= (min(PREVIEW_BYTES, limit_bytes) if wanted.kind == "preview" else limit_bytes):
        return film
    try:
        made = await renditions.want(db, job.id, wanted.sha, wanted.kind, limit_bytes)
    except NoSuchJob:
        return None
    if made.state == "ready" and made.sha and (path := await _here(media, made.sha)):
        return replace(
            film, path=path, width=made.width or film.width, height=made.height or film.height,
            duration_ms=made.duration_ms or film.duration_ms,
        )  # fmt: skip
    if made.state == "wanted" and (size > limit_bytes or db.now() - made.created_ms < PATIENCE_MS):
        return None
    if size > limit_bytes:
        raise TooBig(limit_bytes)
    return film


async def _here(media: Media, sha: str) -> Path | None:
    """The file; None where it is gone. raises: TROUBLE"""
    try:
        return await fetched(media, sha)
    except FileNotFoundError:
        return None


def _film(path: Path, job: Job, message: ChatMessage, wanted: Wanted) -> Film:
    spoiler = "SPOILER_" if job.settings.get("spoiler") else ""  # Discord goes by the name
    return Film(
        path=path,
        kind=wanted.kind,
        name=f"{spoiler}flipbot-{job.id}.mp4",
        width=int(job.plan.get("width", 0)),
        height=int(job.plan.get("height", 0)),
        duration_ms=round(1000 * wanted.seconds),
        alt=message.alt,
        spoiler=bool(spoiler),
    )
