"""Messages that show jobs: the revision each should show, the one it does, and when to try again.

A job's revision rises in the transaction of the change itself, and its canvas then wants that revision: what people see
follows what is committed, whatever dies in between.

Whatever else shows something of a job stands in `shown`: the messages that were its canvas before, and those `beside`
it. They go where the job goes.

A canvas's way: new ─▶ sending ─▶ live ─▶ (deleted by somebody) gone ─▶ sending ─▶ again ─▶ (once more) over.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from db import chats, removals, rows
from db.connect import Database, reads, writes
from db.models import OPEN, Canvas, Delivery, Job, Notice, Platform, Shown
from db.query import load_job


@writes
def create(
    db: Database, /, job_id: int, platform: Platform, chat_id: str, message_id: str | None = None, **more: Any
) -> rows.Canvas:
    """Give a job its message, be it another one; message_id is None until it is sent. raises NoSuchJob.

    Of a film that still grows the former message goes: it would say for ever what was true when it was left.
    more: by the names of rows.Canvas: server_id, thread_id, reply_to, message_ms, notice
    """
    with db.transaction() as tx:
        job = load_job(tx, job_id)
        where = {"platform": platform, "chat_id": chat_id, "message_id": message_id, **more}
        delivery = Delivery.LIVE if message_id else Delivery.NEW
        if (left := _leave(tx, job_id)) is not None and not job.state.terminal:
            removals.note(tx, left.platform, left.chat_id, left.message_id, db.steady())
        tx.execute(delete(Canvas).where(Canvas.job_id == job_id))
        made = insert(Canvas).values(job_id=job_id, wanted=job.revision, delivery=delivery, **where)
        row = tx.execute(made.returning(*Canvas.__table__.columns)).one()
        return rows.Canvas(**row._mapping)


@reads
def get(db: Database, job_id: int) -> rows.Canvas | None:
    """A job's message; None where it has none."""
    with db.reading() as tx:
        row = tx.execute(select(*Canvas.__table__.columns).where(Canvas.job_id == job_id)).first()
    return None if row is None else rows.Canvas(**row._mapping)


@reads
def showing(db: Database, platform: Platform, chat_id: str, message_id: str) -> int | None:
    """The job that this message shows."""
    here = select(Canvas.job_id).where(Canvas.platform == platform, Canvas.chat_id == chat_id)
    with db.reading() as tx:
        return tx.scalar(here.where(Canvas.message_id == message_id))


@reads
def pending(db: Database, platform: Platform) -> list[rows.Canvas]:
    """The messages that need somebody's eye: something newer is to be shown, a ping is due, or their job goes on.

    Those of chats that are out of reach are among them; by chat, the oldest job first.
    """
    late = Canvas.shown < Canvas.wanted
    ping = Canvas.notice.in_((Notice.DUE, Notice.BEGUN))
    goes_on = Canvas.job_id.in_(select(Job.id).where(Job.state.in_(OPEN)))
    needed = select(*Canvas.__table__.columns).where(
        Canvas.platform == platform, Canvas.delivery != Delivery.OVER, or_(late, ping, goes_on)
    )
    with db.reading() as tx:
        found = tx.execute(needed.order_by(Canvas.chat_id, Canvas.job_id))
        return [rows.Canvas(**row._mapping) for row in found]


@writes
def begin(db: Database, /, seen: rows.Canvas, sent_ms: tuple[int, ...], **values: Any) -> bool:
    """A call for this message is about to go out: note it, and when the chat's calls were, before it does.

    So a budget holds across a crash, and a message that was begun is known to have been. `values` by the names of
    rows.Canvas. False, and nothing is noted, where the message has changed its place since it was read.
    """
    mine = [Canvas.job_id == seen.job_id, Canvas.delivery == seen.delivery, Canvas.sends == seen.sends]
    mine.append(Canvas.message_id == seen.message_id if seen.message_id else Canvas.message_id.is_(None))
    with db.transaction(quiet=True) as tx:
        noted = update(Canvas).where(*mine).values(tries=Canvas.tries, **values).returning(Canvas.job_id)
        if tx.execute(noted).first() is None:
            return False
        chats.save(tx, seen.platform, seen.chat_id, sent_ms=list(sent_ms[-chats.REMEMBERED :]))
        return True


@writes
def unsent(db: Database, seen: rows.Canvas) -> None:
    """The message that was begun is known not to be there: it is as it was seen before, unless there is another one."""
    begun = update(Canvas).where(Canvas.job_id == seen.job_id, Canvas.delivery == Delivery.SENDING)
    with db.transaction(quiet=True) as tx:
        tx.execute(begun.values(delivery=seen.delivery, sends=seen.sends, edited_ms=seen.edited_ms))


@writes
def shown(
    db: Database, /, job_id: int, revision: int, message_id: str | None = None, edited: str | None = None, **values: Any
) -> bool:
    """A revision was shown, in the message with that id if it was just sent. Saying it twice harms nothing.

    Where the film is shown in another message by now, nothing is noted.
    edited:  the message that was there before
    values:  by the names of rows.Canvas: shown_hash, shown_media, edited_ms, media_ms, notice
    returns: False where the job was deleted meanwhile, or has another message
    """
    sent = {} if message_id is None else {"message_id": message_id}
    canvas = update(Canvas).where(Canvas.job_id == job_id)
    if edited is not None:
        canvas = canvas.where(Canvas.message_id == edited)
    elif message_id is not None:
        canvas = canvas.where(or_(Canvas.message_id.is_(None), Canvas.message_id == message_id))
    with db.transaction(quiet=True) as tx:
        there = tx.execute(canvas.values(tries=0, not_before_ms=0, **sent, **values).returning(Canvas.job_id)).first()
        tx.execute(canvas.where(Canvas.shown < revision).values(shown=revision))
        return there is not None


@writes
def placed(db: Database, job_id: int, at: rows.At) -> bool:
    """The message of a new job is there. False where it had one already, or the poster has begun to send one: then it
    stands beside that, and goes while the film grows, of which it would tell nothing new. False, too, where the film
    was deleted meanwhile: `beside` takes it away."""
    with db.transaction() as tx:
        mine = update(Canvas).where(Canvas.job_id == job_id, Canvas.delivery == Delivery.NEW)
        where = {"message_id": at.message_id, "message_ms": at.message_ms, "thread_id": at.thread_id}
        where |= {"reply_to": at.reply_to, "server_id": at.server_id}
        live = mine.values(delivery=Delivery.LIVE, not_before_ms=0, **where).returning(Canvas.job_id)
        if tx.execute(live).first() is not None:
            return True
        here = tx.execute(select(Canvas.platform, Canvas.chat_id).where(Canvas.job_id == job_id)).first()
        if here is not None and at.message_id is not None:
            _note(tx, [job_id], here.platform, here.chat_id, at.message_id)
            if not load_job(tx, job_id).state.terminal:
                removals.note(tx, here.platform, here.chat_id, at.message_id, db.steady())
        return False


@writes
def beside(db: Database, job_ids: Collection[int], platform: Platform, chat_id: str, message_id: str) -> None:
    """Another message shows something of these jobs. It goes with the first of them, at once where one has gone."""
    with db.transaction(quiet=True) as tx:
        if _note(tx, job_ids, platform, chat_id, message_id) < len(set(job_ids)):
            removals.note(tx, platform, chat_id, message_id, db.steady())


def _leave(tx: Connection, job_id: int) -> Row[Any] | None:
    """The job's message is to be another one: this one, which is returned, still stands."""
    canvas = tx.execute(select(*Canvas.__table__.columns).where(Canvas.job_id == job_id)).first()
    if canvas is None or canvas.message_id is None:
        return None
    _note(tx, [job_id], canvas.platform, canvas.chat_id, canvas.message_id)
    return canvas


def _note(tx: Connection, job_ids: Collection[int], platform: Platform, chat_id: str, message_id: str) -> int:
    """Write down what shows these jobs, of those that there are; returns how many."""
    message = {"platform": platform, "chat_id": chat_id, "message_id": message_id}
    there = set(tx.scalars(select(Job.id).where(Job.id.in_(job_ids))))
    known = set(tx.scalars(select(Shown.job_id).where(Shown.job_id.in_(job_ids)).filter_by(**message)))
    if fresh := there - known:
        tx.execute(insert(Shown), [{"job_id": job_id, **message} for job_id in sorted(fresh)])
    return len(there)


@writes
def change(db: Database, /, job_id: int, **values: Any) -> None:
    """Note something else about a message, by the names of rows.Canvas."""
    _change(db, job_id, **values)


@writes
def put_off(db: Database, job_id: int, retry_in_ms: int) -> None:
    """Showing it failed, or has to wait: not before that time."""
    later: dict[str, Any] = {"not_before_ms": db.steady() + retry_in_ms, "tries": Canvas.tries + 1}
    _change(db, job_id, **later)


@writes
def move(db: Database, job_id: int, chat_id: str, server_id: str = "") -> None:
    """Its chat is closed for good, its message stays there: what comes of the job is to be said in another one, in a
    message of its own."""
    there = {"chat_id": chat_id, "server_id": server_id, "thread_id": None, "reply_to": None, "not_before_ms": 0}
    anew = {"delivery": Delivery.GONE, "message_id": None, "tries": 0}
    with db.transaction() as tx:
        _leave(tx, job_id)
        tx.execute(update(Canvas).where(Canvas.job_id == job_id).values(**anew, **there))


@writes
def again(db: Database, job_id: int) -> None:
    """Show the job anew, whatever its message shows now: somebody asked for it, or nobody knows what it shows."""
    _change(db, job_id, quiet=False, shown=0, shown_hash=None, shown_media=None, not_before_ms=0)


def _change(db: Database, job_id: int, *, quiet: bool = True, **values: Any) -> None:
    with db.transaction(quiet=quiet) as tx:
        tx.execute(update(Canvas).where(Canvas.job_id == job_id).values(**values))
