"""What people ask: submit a film, wish it to end, forget it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from db import rows
from db.connect import Database, whole
from db.errors import QueueFull
from db.models import TERMINAL, Canvas, Job, Platform, Progress, Report, Request, Section, State
from db.query import change, find_jobs, load_job, set_down
from db.turns import IS_OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A film that somebody wants.

    key:      asked twice with the same one, it is one job (the interaction's or update's id)
    picture:  SHA-256 name of a file that is already in the media store; end_picture: of the one it shall end with
    plan:     as JSON; "model", "width", "height" and "steps" also say which sections take equally long
    sections: that the plan has, 1 or more
    canvas:   True where a message is to be kept up to date with the job
    """

    key: str
    platform: Platform
    user_id: str
    chat_id: str
    locale: str
    picture: str
    prompt: str
    settings: Mapping[str, Any]
    plan: Mapping[str, Any]
    sections: int
    end_picture: str | None = None
    parent_id: int | None = None
    canvas: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many jobs may wait or run: of one user, of one chat, in all."""

    queued_per_user: int
    queued_per_chat: int
    queued_in_all: int


@whole
async def submit(db: Database, ask: Ask, limits: Limits) -> rows.Job:
    """Queue a film; once this returns, it is not lost. The same key again returns the job it made.

    raises: QueueFull, DiskFull
    """
    async with db.transaction() as tx:
        for known in await find_jobs(tx, Request.key == ask.key):
            return known
        for of, limit, whose in _limits(ask, limits):
            got = await tx.scalar(select(func.count()).select_from(Job).where(IS_OPEN, *whose)) or 0
            if got >= limit:
                raise QueueFull(got, limit, of)
        now = db.now()
        who: dict[str, Any] = {
            "platform": ask.platform,
            "user_id": ask.user_id,
            "chat_id": ask.chat_id,
            "created_ms": now,
        }
        what: dict[str, Any] = {"key": ask.key, "locale": ask.locale, "prompt": ask.prompt}
        what |= {"picture": ask.picture, "end_picture": ask.end_picture}
        request = insert(Request).values(**who, **what, settings=dict(ask.settings)).returning(Request.id)
        request_id = (await tx.execute(request)).scalar_one()
        plan = {"parent_id": ask.parent_id, "plan": dict(ask.plan), "sections": ask.sections}
        job = insert(Job).values(**who, **plan, request_id=request_id, state=State.QUEUED).returning(Job.id)
        job_id = (await tx.execute(job)).scalar_one()
        if ask.canvas:
            place = {"platform": ask.platform, "chat_id": ask.chat_id}
            await tx.execute(insert(Canvas).values(job_id=job_id, wanted=1, **place))
        return await load_job(tx, job_id)


def _limits(ask: Ask, limits: Limits) -> list[tuple[str, int, list[ColumnElement[bool]]]]:
    here = Job.platform == ask.platform
    return [
        ("user", limits.queued_per_user, [here, Job.user_id == ask.user_id]),
        ("chat", limits.queued_per_chat, [here, Job.chat_id == ask.chat_id]),
        ("all", limits.queued_in_all, []),
    ]


@whole
async def wish(db: Database, job_id: int, wish: rows.Wish, by: str) -> rows.Job:
    """Stop (keep what is finished) or cancel a job; `by` says who wished it.

    A waiting job ends at once; of a running one its dispatcher hears it. One that has ended stays as it is, and who has
    cancelled does not take it back by stopping.
    raises: NoSuchJob
    """
    async with db.transaction() as tx:
        job = await load_job(tx, job_id)
        if job.state.terminal or job.wish in (wish, "cancel"):
            return job
        wished: dict[str, Any] = {"wish": wish, "wish_by": by}
        if job.state == State.RUNNING:
            await change(tx, Job.id == job_id, **wished)
        else:
            kept = wish == "stop" and job.done > 0
            await set_down(tx, Job.id == job_id, State.STOPPED if kept else State.CANCELLED, db.now(), **wished)
        return await load_job(tx, job_id)


async def find(db: Database, key: str) -> rows.Job | None:
    """The job that was submitted with that key."""
    async with db.reading() as tx:
        for job in await find_jobs(tx, Request.key == key):
            return job
    return None


@whole
async def expire(db: Database, before_ms: int) -> int:
    """Forget the jobs that ended before that time, with all that belongs to them; returns how many.

    Their files are named by no row afterwards: `media_keep` and `Media.sweep` take them away.
    """
    async with db.transaction() as tx:
        old = select(Job.id).where(Job.state.in_(TERMINAL), Job.finished_ms < before_ms).scalar_subquery()
        await tx.execute(update(Job).where(Job.parent_id.in_(old)).values(parent_id=None))
        for table in (Section, Canvas, Progress, Report):
            await tx.execute(delete(table).where(table.job_id.in_(old)))
        gone = await tx.execute(delete(Job).where(Job.state.in_(TERMINAL), Job.finished_ms < before_ms))
        await tx.execute(delete(Request).where(~select(Job.id).where(Job.request_id == Request.id).exists()))
        return gone.rowcount
