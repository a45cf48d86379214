"""What computes: the model that each device has loaded, its memory plan, and what it was seen to take."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update

from db import rows
from db.connect import Database, reads, writes
from db.models import Engine
from db.query import put

KEPT_MS = 30 * 24 * 3600 * 1000  # one that has loaded nothing for so long is gone


@writes
def loaded(db: Database, name: str, model: str, plan: Mapping[str, Any]) -> None:
    """The device of that name has loaded a model by this plan."""
    told = {"model": model, "plan": dict(plan), "vram": 0, "ram": 0, "loaded_ms": db.now(), "freed_ms": None}
    with db.transaction() as tx:
        put(tx, Engine, {"name": name}, told)


@writes
def took(db: Database, name: str, vram: int, ram: int) -> None:
    """It was seen to take so many bytes; the most are kept."""
    with db.transaction(quiet=True) as tx:
        for column, seen in ((Engine.vram, vram), (Engine.ram, ram)):
            tx.execute(update(Engine).where(Engine.name == name, column < seen).values({column: seen}))


@writes
def freed(db: Database, name: str) -> None:
    """It has given its memory back, until it loads a model again."""
    with db.transaction(quiet=True) as tx:
        tx.execute(update(Engine).where(Engine.name == name, Engine.freed_ms.is_(None)).values(freed_ms=db.now()))


@writes
def begins(db: Database, machine: str) -> None:
    """No engine of a machine has anything loaded: its process has just started."""
    with db.transaction(quiet=True) as tx:
        mine = Engine.name.startswith(f"{machine} ", autoescape=True)
        tx.execute(update(Engine).where(mine, Engine.freed_ms.is_(None)).values(freed_ms=Engine.loaded_ms))


@reads
def all_of(db: Database, newest: int = 20) -> list[rows.Engine]:
    """Those of the last month, the last to load first."""
    found = select(*Engine.__table__.columns).where(Engine.loaded_ms > db.now() - KEPT_MS)
    with db.reading() as tx:
        return [
            rows.Engine(**row._mapping)
            for row in tx.execute(found.order_by(Engine.loaded_ms.desc(), Engine.name).limit(newest))
        ]
