"""Films made fit for a place: who shows one says what it wants, who can make one finds it here.

    want ─▶ wanted ─▶ ready     the file is in the media store, its row names it
                └───▶ failed    with a reason; `want` again makes no second try

A rendition of a film that its job has grown out of is of no use: the row goes when a newer one is wanted, the file when
no row names it any more.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from db import rows
from db.connect import Database, reads, writes
from db.models import Rendition
from db.query import load_job

TRIES = 3  # that killed who made it: then it is the film that does


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A file made, which is in the media store already. duration_ms: 0 of a picture."""

    sha: str
    bytes: int
    width: int
    height: int
    duration_ms: int


@writes
def want(db: Database, job_id: int, film: str, kind: rows.Kind, limit_bytes: int) -> rows.Rendition:
    """Have it made, once however often it is asked for; what another job has of the same film is shared.

    raises: NoSuchJob
    """
    key = {"film": film, "kind": kind, "limit_bytes": limit_bytes}
    with db.transaction() as tx:
        known = _find(tx, Rendition.job_id == job_id, *_same(key))
        if known is not None:
            return known
        load_job(tx, job_id)
        outgrown = (Rendition.job_id == job_id, Rendition.film != film)
        tx.execute(delete(Rendition).where(*outgrown))
        values: dict[str, Any] = {"job_id": job_id, **key, "state": "wanted", "created_ms": db.now()}
        shared = _find(tx, Rendition.state == "ready", *_same(key))
        if shared is not None:
            values |= {name: getattr(shared, name) for name in ("state", "sha", "bytes", "width", "height")}
            values["duration_ms"] = shared.duration_ms
        made = insert(Rendition).values(**values).returning(*Rendition.__table__.columns)
        return rows.Rendition(**tx.execute(made).one()._mapping)


@reads
def get(db: Database, job_id: int, film: str, kind: rows.Kind, limit_bytes: int) -> rows.Rendition | None:
    """What was wanted, as it stands now; None where it was not."""
    with db.reading() as tx:
        key = {"film": film, "kind": kind, "limit_bytes": limit_bytes}
        return _find(tx, Rendition.job_id == job_id, *_same(key))


@reads
def next_wanted(db: Database) -> rows.Rendition | None:
    """The one to be made next: what somebody watches growing before what has ended, of alike the one wanted longest.

    None when all is made.
    """
    with db.reading() as tx:
        return _find(tx, Rendition.state == "wanted", first=Rendition.kind == "final")


@writes
def ready(db: Database, id: int, made: Rendered) -> bool:
    """It is made, and whoever wants it hears it. False where nobody wants it any more."""
    return _settle(db, id, state="ready", **asdict(made))


@writes
def failed(db: Database, id: int, reason: str, facts: Mapping[str, Any]) -> bool:
    """It cannot be made. False where nobody wants it any more."""
    return _settle(db, id, state="failed", reason=reason, facts=dict(facts))


@writes
def crashed(db: Database, id: int) -> bool:
    """Who made it died of it; it is tried again, but not for ever. True while it is."""
    with db.transaction() as tx:
        wanted = (Rendition.id == id, Rendition.state == "wanted")
        tx.execute(update(Rendition).where(*wanted).values(tries=Rendition.tries + 1))
        gone = update(Rendition).where(*wanted, Rendition.tries >= TRIES)
        tx.execute(gone.values(state="failed", reason="encoder_failed"))
        return _find(tx, *wanted) is not None


def _settle(db: Database, id: int, **values: Any) -> bool:
    with db.transaction() as tx:
        settled = update(Rendition).where(Rendition.id == id, Rendition.state == "wanted").values(**values)
        return tx.execute(settled.returning(Rendition.id)).first() is not None


def _same(key: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    return [getattr(Rendition, name) == value for name, value in key.items()]


def _find(
    tx: Connection, *conditions: ColumnElement[bool], first: ColumnElement[Any] | None = None
) -> rows.Rendition | None:
    """The first for which all conditions hold, by `first` (false before true) and then by age."""
    order = [Rendition.id] if first is None else [first, Rendition.id]
    found = select(*Rendition.__table__.columns).where(*conditions).order_by(*order).limit(1)
    row = tx.execute(found).first()
    return None if row is None else rows.Rendition(**row._mapping)
