"""Chats: how fast messages may follow each other there, how large a file may be, whether anybody can speak at all."""

from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db import rows
from db.connect import Database, whole
from db.models import Canvas, Chat, Job, Platform, Request, ServerLimits

REMEMBERED = 64  # calls of a chat; more than any budget counts


@whole
async def get(db: Database, platform: Platform, chat_id: str) -> rows.Chat:
    """The chat; one that nothing is known of is an ordinary one."""
    async with db.reading() as tx:
        return await load(tx, platform, chat_id)


@whole
async def change(db: Database, /, platform: Platform, chat_id: str, **values: Any) -> rows.Chat:
    """Note what holds from now on, by the names of rows.Chat."""
    async with db.transaction(quiet=True) as tx:
        await save(tx, platform, chat_id, **values)
        return await load(tx, platform, chat_id)


@whole
async def reachable(db: Database, platform: Platform, chat_id: str) -> bool:
    """Somebody spoke there, or its permissions changed: try again. True where it was out of reach."""
    async with db.reading() as tx:
        if (await load(tx, platform, chat_id)).unreachable is None:
            return False
    async with db.transaction() as tx:
        await save(tx, platform, chat_id, unreachable=None)
    return True


@whole
async def migrate(db: Database, platform: Platform, old: str, new: str) -> None:
    """A chat has a new id: everything that stands there does from now on (a group that became a supergroup)."""
    async with db.transaction() as tx:
        for owned in (Job, Request):
            await tx.execute(
                update(owned).where(owned.platform == platform, owned.server_id == old).values(server_id=new)
            )
        await tx.execute(update(ServerLimits).where(ServerLimits.server_id == old).values(server_id=new))
        for table in (Canvas, Job, Request):
            moved = update(table).where(table.platform == platform, table.chat_id == old)
            await tx.execute(moved.values(chat_id=new))


async def load(tx: AsyncConnection, platform: Platform, chat_id: str) -> rows.Chat:
    """The chat, within a transaction."""
    found = select(*Chat.__table__.columns).where(Chat.platform == platform, Chat.chat_id == chat_id)
    row = (await tx.execute(found)).first()
    if row is None:
        return rows.Chat(platform=platform, chat_id=chat_id)
    return rows.Chat(**{**row._mapping, "sent_ms": tuple(row.sent_ms)})


async def save(tx: AsyncConnection, platform: Platform, chat_id: str, **values: Any) -> None:
    """Write some of a chat's fields, within a transaction."""
    here = update(Chat).where(Chat.platform == platform, Chat.chat_id == chat_id)
    if (await tx.execute(here.values(**values).returning(Chat.chat_id))).first() is None:
        fresh: dict[str, Any] = {"sent_ms": [], "frozen_until_ms": 0, "slow_until_ms": 0}
        await tx.execute(insert(Chat).values(platform=platform, chat_id=chat_id, **fresh | values))
