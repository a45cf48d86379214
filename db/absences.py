"""Machines that make no films for a while, since they are wanted for something else."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, select

from db import rows
from db.connect import Database, reads, writes
from db.models import Away, Worker
from db.query import put
from db.workers import GONE_MS


@writes
def goes(db: Database, name: str, reason: str, facts: Mapping[str, Any], opens_ms: int | None) -> None:
    """The process of that name (db/workers.py) makes no films now.

    reason:   "hours", or "program": another one comes first
    opens_ms: when it will make some again, where that is known
    """
    told = {"reason": reason, "facts": dict(facts), "opens_ms": opens_ms, "since_ms": db.now()}
    with db.transaction() as tx:
        put(tx, Away, {"name": name}, told)


@writes
def back(db: Database, name: str) -> None:
    """It makes films again; or it ends, or has just begun."""
    with db.transaction() as tx:
        tx.execute(delete(Away).where(Away.name == name))


@reads
def of_all(db: Database) -> rows.Away | None:
    """As `find_away`."""
    with db.reading() as tx:
        return find_away(tx, db.steady())


def find_away(tx: Connection, now_ms: int) -> rows.Away | None:
    """Why nobody makes films now: that of the first who will again. None where somebody does.

    now_ms: by the clock that says which processes are there
    """
    away = [rows.Away(**row._mapping) for row in tx.execute(select(*Away.__table__.columns).order_by(Away.name))]
    if not away:
        return None
    there = set(tx.scalars(select(Worker.name).where(Worker.works, Worker.seen_ms >= now_ms - GONE_MS)))
    if there:  # several machines; else this is the only one
        away = [each for each in away if each.name in there]
    if len(away) < len(there):
        return None
    return min(away, key=lambda each: (each.opens_ms is None, each.opens_ms or 0), default=None)
