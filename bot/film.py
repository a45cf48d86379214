"""The film of a message as a file that its chat takes."""

import asyncio

from bot.chat import ChatMessage
from bot.sender import Film, TooBig
from db.connect import Database
from db.media import Media
from db.rows import Job


async def film_of(db: Database, media: Media, job: Job, message: ChatMessage, limit_bytes: int) -> Film | None:
    """What to put into the message; None where it is not made yet: whoever makes it wakes those who wait.

    raises: TooBig, where nothing of it fits
    """
    wanted = message.film
    if wanted is None:
        return None
    path = media.path(wanted.sha)
    size = await asyncio.to_thread(lambda: path.stat().st_size if path.is_file() else None)
    if size is None:
        return None
    if size > limit_bytes:
        raise TooBig(limit_bytes)
    fps, frames = job.settings.get("fps", 30), job.settings.get("frames", 0)
    return Film(
        path=path,
        kind=wanted.kind,
        name=f"flipbot-{job.id}.mp4",
        width=int(job.plan.get("width", 0)),
        height=int(job.plan.get("height", 0)),
        duration_ms=round(1000 * frames / fps),
        alt=message.alt,
    )
