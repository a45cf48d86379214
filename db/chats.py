"""Chats: how fast messages may follow each other there, how large a file may be, whether anybody can speak at all."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, or_, select, update

from db import rows
from db.connect import AT_ONCE, Database, reads, writes
from db.models import Canvas, Chat, Job, Platform, Request, ServerLimits
from db.query import put

REMEMBERED = 64  # calls of a chat; more than any budget counts


@reads
def get(db: Database, platform: Platform, chat_id: str) -> rows.Chat:
    """The chat; one that nothing is known of is an ordinary one."""
    with db.reading() as tx:
        return load(tx, platform, chat_id)


@reads
def frozen(db: Database, platform: Platform, chat_ids: Collection[str]) -> set[str]:
    """Those of the chats in which nobody may speak now, because they were spoken to too fast."""
    found: set[str] = set()
    some = sorted(chat_ids)
    with db.reading() as tx:
        for n in range(0, len(some), AT_ONCE):
            theirs = (Chat.platform == platform, Chat.chat_id.in_(some[n : n + AT_ONCE]))
            found |= set(tx.scalars(select(Chat.chat_id).where(*theirs, Chat.frozen_until_ms > db.steady())))
    return found


@writes
def change(db: Database, /, platform: Platform, chat_id: str, **values: Any) -> rows.Chat:
    """Note what holds from now on, by the names of rows.Chat."""
    with db.transaction(quiet=True) as tx:
        save(tx, platform, chat_id, **values)
        return load(tx, platform, chat_id)


@writes
def reachable(db: Database, platform: Platform, chat_id: str) -> bool:
    """Somebody spoke there, or its permissions changed: try again. True where it was out of reach."""
    with db.reading() as tx:
        if load(tx, platform, chat_id).unreachable is None:
            return False
    with db.transaction() as tx:
        save(tx, platform, chat_id, unreachable=None)
    return True


@writes
def server_reachable(db: Database, platform: Platform, server_id: str) -> bool:
    """As `reachable`, for every chat of a server that a message stands in; it may take larger files now, too."""
    there = select(Canvas.chat_id).where(Canvas.platform == platform, Canvas.server_id == server_id)
    told = or_(Chat.unreachable.is_not(None), Chat.limit_bytes.is_not(None))
    shut = (Chat.platform == platform, told, Chat.chat_id.in_(there))
    with db.reading() as tx:
        if tx.scalar(select(Chat.chat_id).where(*shut).limit(1)) is None:
            return False
    with db.transaction() as tx:
        tx.execute(update(Chat).where(*shut).values(unreachable=None, limit_bytes=None))
    return True


@writes
def migrate(db: Database, platform: Platform, old: str, new: str) -> None:
    """A chat has a new id: everything that stands there does from now on (a group that became a supergroup)."""
    with db.transaction() as tx:
        for owned in (Job, Request):
            tx.execute(update(owned).where(owned.platform == platform, owned.server_id == old).values(server_id=new))
        tx.execute(update(ServerLimits).where(ServerLimits.server_id == old).values(server_id=new))
        for table in (Canvas, Job, Request):
            moved = update(table).where(table.platform == platform, table.chat_id == old)
            tx.execute(moved.values(chat_id=new))


def load(tx: Connection, platform: Platform, chat_id: str) -> rows.Chat:
    """The chat, within a transaction."""
    found = select(*Chat.__table__.columns).where(Chat.platform == platform, Chat.chat_id == chat_id)
    row = tx.execute(found).first()
    if row is None:
        return rows.Chat(platform=platform, chat_id=chat_id)
    return rows.Chat(**{**row._mapping, "sent_ms": tuple(row.sent_ms)})


def save(tx: Connection, platform: Platform, chat_id: str, **values: Any) -> None:
    """Write some of a chat's fields, within a transaction."""
    fresh = {"sent_ms": [], "frozen_until_ms": 0, "slow_until_ms": 0}
    put(tx, Chat, {"platform": platform, "chat_id": chat_id}, values, fresh)
