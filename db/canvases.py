"""Messages that show jobs: the revision each should show, the one it does, and when to try again.

A job's revision rises in the transaction of the change itself, and its canvas then wants that revision: what people see
follows what is committed, whatever dies in between.
"""

from sqlalchemy import insert, select, update

from db import rows
from db.connect import Database, whole
from db.models import Canvas, Platform
from db.query import load_job


@whole
async def create(
    db: Database, job_id: int, platform: Platform, chat_id: str, message_id: str | None = None
) -> rows.Canvas:
    """Give a job its message; message_id is None until it is sent. raises NoSuchJob."""
    async with db.transaction() as tx:
        job = await load_job(tx, job_id)
        where = {"platform": platform, "chat_id": chat_id, "message_id": message_id}
        made = insert(Canvas).values(job_id=job_id, wanted=job.revision, **where)
        row = (await tx.execute(made.returning(*Canvas.__table__.columns))).one()
        return rows.Canvas(**row._mapping)


@whole
async def due(db: Database, platform: Platform, most: int = 50) -> list[rows.Canvas]:
    """The messages of a platform that should show something newer now, the longest put off first."""
    late = select(*Canvas.__table__.columns).where(Canvas.shown < Canvas.wanted, Canvas.platform == platform)
    now = late.where(Canvas.not_before_ms <= db.steady()).order_by(Canvas.not_before_ms, Canvas.job_id).limit(most)
    async with db.reading() as tx:
        return [rows.Canvas(**row._mapping) for row in await tx.execute(now)]


@whole
async def shown(db: Database, job_id: int, revision: int, message_id: str | None = None) -> None:
    """A revision was shown, in the message with that id if it was just sent. Saying it twice harms nothing."""
    sent = {} if message_id is None else {"message_id": message_id}
    canvas = update(Canvas).where(Canvas.job_id == job_id)
    async with db.transaction() as tx:
        await tx.execute(canvas.values(tries=0, not_before_ms=0, **sent))
        await tx.execute(canvas.where(Canvas.shown < revision).values(shown=revision))


@whole
async def put_off(db: Database, job_id: int, retry_in_ms: int) -> None:
    """Showing it failed, or has to wait: not before that time."""
    later = {"not_before_ms": db.steady() + retry_in_ms, "tries": Canvas.tries + 1}
    async with db.transaction() as tx:
        await tx.execute(update(Canvas).where(Canvas.job_id == job_id).values(**later))
