"""What a platform delivered and what the bot waits to hear, kept so that no crash loses it or handles it twice.

A platform such as Telegram forgets an update once it is confirmed. So an update is committed here first, then
confirmed, then handled; its number stays for longer than the platform may deliver it again.
"""

import functools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from db import rows
from db.connect import AT_ONCE, Database, reads, writes
from db.errors import DbError
from db.models import Inbox, Memo, Platform, Question
from db.query import put
from db.together import Call

KEPT_MS = 72 * 3600 * 1000  # Telegram delivers again for up to 24 hours
ASKED_MS = 7 * 24 * 3600 * 1000  # nobody answers a question that old


@dataclass(frozen=True, slots=True)
class _Post:
    """What one call of `receive` brings."""

    platform: Platform
    letters: Sequence[tuple[str, str | None, str]]


async def receive(db: Database, platform: Platform, letters: Sequence[tuple[str, str | None, str]]) -> int:
    """Keep what came in: (key, user id, content) each. Known keys are passed over; returns how many are new.

    What arrives while others write is committed together: the first who has a turn does it for all, and each returns
    after the commit that holds its own.
    """
    return await _received(db, db.arriving.wait(_Post(platform, letters)))


@writes
def _received(db: Database, own: Call[_Post, int]) -> int:
    return db.arriving.answer(own, functools.partial(_receive_all, db), sys.maxsize)


def _receive_all(db: Database, together: Sequence[Call[_Post, int]]) -> None:
    """What no database could take is raised to the one who brought it: the others are then written one by one."""
    try:
        with db.transaction(quiet=True) as tx:
            _commit(db, tx, together)
    except Exception as error:  # noqa: BLE001  (raised by each call of `receive`)
        if len(together) > 1 and not isinstance(error, DbError):
            for each in together:
                _receive_all(db, [each])
            return
        for each in together:
            each.error = error


def _commit(db: Database, tx: Connection, together: Sequence[Call[_Post, int]]) -> None:
    """Write the letters that are not known, in two statements however many they are; each call gets its own count."""
    now = db.now()
    tx.execute(delete(Inbox).where(Inbox.content.is_(None), Inbox.created_ms < now - KEPT_MS))
    keys = [key for each in together for key, _, _ in each.asked.letters]
    known: set[str] = set()
    for some in range(0, len(keys), AT_ONCE):
        known.update(tx.scalars(select(Inbox.key).where(Inbox.key.in_(keys[some : some + AT_ONCE]))))
    fresh: list[dict[str, Any]] = []
    for each in together:
        new = 0
        for key, user_id, content in each.asked.letters:
            if key in known:
                continue
            known.add(key)
            told = {
                "key": key,
                "platform": each.asked.platform,
                "user_id": user_id,
                "content": content,
                "created_ms": now,
            }
            fresh.append(told)
            new += 1
        each.got = new
    if fresh:
        tx.execute(insert(Inbox), fresh)


@reads
def unhandled(db: Database, platform: Platform, most: int = 100, after: int = 0) -> list[rows.Letter]:
    """What still has to be handled, oldest first; after: only what came later than the letter with that number."""
    waiting = select(Inbox.id, Inbox.key, Inbox.content, Inbox.tries).where(
        Inbox.content.is_not(None), Inbox.platform == platform, Inbox.id > after
    )
    with db.reading() as tx:
        found = tx.execute(waiting.order_by(Inbox.id).limit(most))
        return [rows.Letter(**row._mapping) for row in found]


@writes
def note(db: Database, key: str, content: str) -> None:
    """What a letter says from now on, with what became of it so far; one that is handled stays so."""
    with db.transaction(quiet=True) as tx:
        tx.execute(update(Inbox).where(Inbox.key == key, Inbox.content.is_not(None)).values(content=content))


@writes
def handled(db: Database, letter_id: int) -> None:
    """It is handled, and its content goes. Saying it twice harms nothing."""
    with db.transaction(quiet=True) as tx:
        tx.execute(update(Inbox).where(Inbox.id == letter_id).values(content=None, user_id=None))


@writes
def handled_key(db: Database, key: str) -> None:
    """The same, by its key."""
    with db.transaction(quiet=True) as tx:
        tx.execute(update(Inbox).where(Inbox.key == key).values(content=None, user_id=None))


@writes
def tried(db: Database, letter_id: int) -> int:
    """It is about to be handled; returns how often that was so before: what crashes its handler must not for ever."""
    with db.transaction(quiet=True) as tx:
        more = update(Inbox).where(Inbox.id == letter_id).values(tries=Inbox.tries + 1).returning(Inbox.tries)
        return int(tx.execute(more).scalar_one_or_none() or 1) - 1


@writes
def ask(
    db: Database, key: str, platform: Platform, user_id: str, chat_id: str, kind: str, about: Mapping[str, Any]
) -> rows.Question:
    """Remember a question before it is sent. The same key again is the same question, with what it says now."""
    with db.transaction(quiet=True) as tx:
        tx.execute(delete(Question).where(Question.created_ms < db.now() - ASKED_MS))
        known = select(*Question.__table__.columns).where(Question.key == key)
        if (row := tx.execute(known).first()) is None:
            who = {"key": key, "platform": platform, "user_id": user_id, "chat_id": chat_id}
            what = {"kind": kind, "about": dict(about), "created_ms": db.now()}
            row = tx.execute(insert(Question).values(**who, **what).returning(*Question.__table__.columns)).one()
        return rows.Question(**row._mapping)


@writes
def asked(db: Database, question_id: int, message_id: str) -> None:
    """The question stands in the chat, in that message."""
    with db.transaction(quiet=True) as tx:
        tx.execute(update(Question).where(Question.id == question_id).values(message_id=message_id))


@reads
def question(
    db: Database, platform: Platform, *, question_id: int | None = None, chat_id: str = "", message_id: str = ""
) -> rows.Question | None:
    """The open question with that number, or the one in that message."""
    which = (
        (Question.chat_id == chat_id, Question.message_id == message_id)
        if question_id is None
        else (Question.id == question_id,)
    )
    with db.reading() as tx:
        known = select(*Question.__table__.columns).where(Question.platform == platform, *which)
        row = tx.execute(known).first()
        return None if row is None else rows.Question(**row._mapping)


@reads
def questions(db: Database, platform: Platform, user_id: str, kind: str) -> list[rows.Question]:
    """The open questions of one kind to a person, oldest first."""
    mine = select(*Question.__table__.columns).where(
        Question.platform == platform, Question.user_id == user_id, Question.kind == kind
    )
    with db.reading() as tx:
        return [rows.Question(**row._mapping) for row in tx.execute(mine.order_by(Question.id))]


@writes
def answered(db: Database, question_id: int) -> None:
    """Nothing is waited for any more. Saying it twice harms nothing."""
    with db.transaction(quiet=True) as tx:
        tx.execute(delete(Question).where(Question.id == question_id))


@reads
def memo(db: Database, name: str) -> str | None:
    """What was remembered under that name."""
    with db.reading() as tx:
        value: str | None = tx.scalar(select(Memo.value).where(Memo.name == name))
        return value


@writes
def remember(db: Database, name: str, value: str) -> None:
    """Remember something small under a name, instead of what was there."""
    with db.transaction(quiet=True) as tx:
        put(tx, Memo, {"name": name}, {"value": value})


@writes
def first(db: Database, name: str, value: str) -> str:
    """Remember something under a name, unless something is remembered there; returns what is from now on."""
    with db.transaction(quiet=True) as tx:
        known: str | None = tx.scalar(select(Memo.value).where(Memo.name == name))
        if known is None:
            tx.execute(insert(Memo).values(name=name, value=value))
        return value if known is None else known
