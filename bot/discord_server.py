"""What a Discord server's admins have set for it."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from bot.chat import Terms
from db import inbox
from db.connect import Database
from db.models import Platform, State
from db.rows import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What holds for one server.

    prompt:         of a film for which nobody wrote one
    delete_cancels: who deletes a film's message has it cancelled
    keep_cancelled: what is ready of a film that was cancelled stays in its message
    """

    prompt: str = ""
    delete_cancels: bool = False
    keep_cancelled: bool = True


def memo_of(server_id: str) -> str:
    """The name under which a server's settings are remembered."""
    return f"discord.server.{server_id}"


def settings_in(memo: str | None) -> ServerSettings:
    """What was remembered; the defaults for what was not."""
    return ServerSettings(**json.loads(memo or "{}"))


async def of_server(db: Database, server_id: str) -> ServerSettings:
    """A server's settings; the defaults in direct messages."""
    return settings_in(await inbox.memo(db, memo_of(server_id))) if server_id else ServerSettings()


async def terms_of(db: Database, longest_s: float, job: Job) -> Terms:
    """What the job's place allows; its settings are asked only where they matter."""
    if job.platform != Platform.DISCORD or job.state != State.CANCELLED or job.film is None:
        return Terms(longest_s=longest_s)
    return Terms(longest_s=longest_s, keeps_cancelled=(await of_server(db, job.server_id)).keep_cancelled)


async def set_for(db: Database, server_id: str, **changed: Any) -> ServerSettings:
    """Change some of a server's settings; returns all of them."""
    now = replace(await of_server(db, server_id), **changed)
    await inbox.remember(db, memo_of(server_id), json.dumps(asdict(now)))
    return now
