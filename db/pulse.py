"""How the making of films goes, at a glance: for whoever is to hear when it does not."""

from collections.abc import Collection

from sqlalchemy import func, select

from db import rows
from db.connect import Database, reads
from db.flows import IS_OPEN
from db.models import Job, State, Tick

ENDED = (State.DONE, State.FAILED)  # by itself; what people ended says nothing of the machine
NEWEST = 3
LOOKED_AT = 30  # of all that ended, by the index of when: one of states would have every film sorted


@reads
def pulse(db: Database, reasons: Collection[str]) -> rows.Pulse:
    """How it goes. reasons: of those that wait, which are looked for"""
    with db.reading() as tx:
        running = tx.scalar(select(func.count()).select_from(Job).where(Job.state == State.RUNNING)) or 0
        held_up = select(Job.reason, Job.facts).where(Job.state == State.QUEUED, Job.reason.in_(sorted(reasons)))
        first = tx.execute(held_up.order_by(Job.id).limit(1)).first()
        ended = select(Job.state, Job.reason, Job.facts).where(Job.finished_ms.is_not(None))
        newest = tx.execute(ended.order_by(Job.finished_ms.desc()).limit(LOOKED_AT)).all()
        return rows.Pulse(
            made=tx.scalar(select(Tick.sections)) or 0,
            films=tx.scalar(select(func.count()).select_from(Job).where(IS_OPEN)) or 0,
            running=running > 0,
            held_up=None if first is None else (str(first.reason), first.facts),
            ended=tuple((row.state == State.DONE, row.reason or "", row.facts) for row in newest if row.state in ENDED)[
                :NEWEST
            ],
        )
