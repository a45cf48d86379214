"""What a Discord server's admins have set for it."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from db import inbox
from db.connect import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """prompt: of a film for which nobody wrote one; delete_cancels: who deletes a film's message has it cancelled."""

    prompt: str = ""
    delete_cancels: bool = False


def memo_of(server_id: str) -> str:
    """The name under which a server's settings are remembered."""
    return f"discord.server.{server_id}"


def settings_in(memo: str | None) -> ServerSettings:
    """What was remembered; the defaults for what was not."""
    return ServerSettings(**json.loads(memo or "{}"))


async def of_server(db: Database, server_id: str) -> ServerSettings:
    """A server's settings; the defaults in direct messages."""
    return settings_in(await inbox.memo(db, memo_of(server_id))) if server_id else ServerSettings()


async def set_for(db: Database, server_id: str, **changed: Any) -> ServerSettings:
    """Change some of a server's settings; returns all of them."""
    now = replace(await of_server(db, server_id), **changed)
    await inbox.remember(db, memo_of(server_id), json.dumps(asdict(now)))
    return now
