"""Messages that have to go out of a chat, kept until they are gone.

They come from `people.forget` and `people.forget_job`; the remover works them off, and says so.
"""

from sqlalchemy import Connection, delete, insert, select, update

from db import rows
from db.connect import Database, reads, writes
from db.models import Platform, Removal


@reads
def due(db: Database, platform: Platform, most: int = 50) -> list[rows.Removal]:
    """The messages of a platform that should be removed now, the longest put off first."""
    columns = (Removal.id, Removal.platform, Removal.chat_id, Removal.message_id, Removal.tries)
    now = select(*columns).where(Removal.platform == platform, Removal.not_before_ms <= db.steady())
    with db.reading() as tx:
        found = tx.execute(now.order_by(Removal.not_before_ms, Removal.id).limit(most))
        return [rows.Removal(**row._mapping) for row in found]


@writes
def done(db: Database, removal_id: int) -> None:
    """The message is gone, or can never be reached. Saying it twice harms nothing."""
    with db.transaction(quiet=True) as tx:
        tx.execute(delete(Removal).where(Removal.id == removal_id))


@writes
def put_off(db: Database, removal_id: int, retry_in_ms: int, *, tried: bool = True) -> None:
    """It did not work this time: not before that time. tried: not where it was only too soon"""
    with db.transaction(quiet=True) as tx:
        later = {"not_before_ms": db.steady() + retry_in_ms, "tries": Removal.tries + tried}
        tx.execute(update(Removal).where(Removal.id == removal_id).values(**later))


@writes
def later(db: Database, platform: Platform, chat_id: str, message_id: str, in_ms: int) -> None:
    """Have a message removed, in so many milliseconds. Once for each message."""
    with db.transaction(quiet=True) as tx:
        note(tx, platform, chat_id, message_id, db.steady() + in_ms)


def note(tx: Connection, platform: Platform, chat_id: str, message_id: str, not_before_ms: int) -> None:
    """Have a message removed, within a transaction; the sooner time holds where it is to go anyway."""
    where = {"platform": platform, "chat_id": chat_id, "message_id": message_id}
    known = tx.execute(select(Removal.id, Removal.not_before_ms).filter_by(**where)).first()
    if known is None:
        tx.execute(insert(Removal).values(**where, not_before_ms=not_before_ms))
    elif known.not_before_ms > not_before_ms:
        tx.execute(update(Removal).where(Removal.id == known.id).values(not_before_ms=not_before_ms))
