"""What the verbs of this room share: how a row is read, and the one way in which a job is changed."""

from collections.abc import Collection, Mapping
from statistics import median
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from db import flows, rows
from db.connect import AT_ONCE
from db.errors import LeaseLost, NoSuchJob
from db.models import Base, Canvas, Job, Progress, Rendition, Request, Section, State

_PROMPT = func.coalesce(Job.steered, Request.prompt).label("prompt")
_ASKED = (Request.locale, _PROMPT, Request.picture, Request.end_picture, Request.settings)
_JOB = (
    *(Job.id, Job.request_id, Job.parent_id, Job.platform, Job.user_id, Job.chat_id, Job.plan, Job.sections, Job.done),
    *(Job.server_id, Job.hurried),
    *(Job.state, Job.wish, Job.wish_by, Job.fence, Job.worker, Job.lease_until_ms, Job.crashes, Job.not_before_ms),
    *(Job.deaths, Job.losses, Job.tighter),
    *(Job.reason, Job.facts, Job.conditioning, Job.tail, Job.film, Job.fragment_end),
    *(Job.created_ms, Job.started_ms, Job.finished_ms, Job.revision),
)
_SECTION = (
    *(Section.job_id, Section.n, Section.fence, Section.latents, Section.clip, Section.fragment, Section.frames),
    *(Section.sampling_ms, Section.decode_ms, Section.encode_ms, Section.gpu_ms, Section.created_ms),
)
PACE_OF = 9  # sections, the latest
_THIS = bindparam("this", type_=BigInteger)
SHAS = (  # every file a row names
    *(Request.picture, Request.end_picture, Job.conditioning, Job.tail, Job.film, Job.fragment_end),
    *(Section.latents, Section.clip, Section.fragment, Rendition.sha),
)


# Made once: putting a statement together takes SQLAlchemy longer than SQLite takes to answer it.
JOBS: Select[Any] = select(*_JOB, *_ASKED).join(Request, Request.id == Job.request_id)
_JOB_WITH = JOBS.where(Job.id == _THIS)
_SECTIONS = select(*_SECTION).where(Section.job_id == _THIS).order_by(Section.n)
_SHOW = update(Canvas).where(Canvas.job_id == _THIS).values(wanted=bindparam("newest"))


def find_jobs(tx: Connection, *conditions: ColumnElement[bool], newest: int | None = None) -> list[rows.Job]:
    """The jobs for which all conditions hold, oldest first; or the `newest` so many, newest first."""
    jobs = JOBS.where(*conditions)
    jobs = jobs.order_by(Job.id) if newest is None else jobs.order_by(Job.id.desc()).limit(newest)
    return [rows.Job(**row._mapping) for row in tx.execute(jobs)]


def load_job(tx: Connection, job_id: int) -> rows.Job:
    """The job with that number. raises NoSuchJob."""
    row = tx.execute(_JOB_WITH, {"this": job_id}).first()
    if row is None:
        raise NoSuchJob(job_id)
    return rows.Job(**row._mapping)


def load_sections(tx: Connection, job_id: int) -> list[rows.Section]:
    """A job's sections, in order."""
    return [rows.Section(**row._mapping) for row in tx.execute(_SECTIONS, {"this": job_id})]


def stands(claim: rows.Claim) -> ColumnElement[bool]:
    """True of the claim's job until the turn ends, or somebody takes it away because its lease was over."""
    return and_(
        Job.id == claim.job.id, Job.fence == claim.fence, Job.worker == claim.worker, Job.state == State.RUNNING
    )


def held(claim: rows.Claim, now_ms: int) -> ColumnElement[bool]:
    """True of the claim's job as long as the claim holds it. Every write that follows a claim has this condition."""
    return and_(stands(claim), Job.lease_until_ms >= now_ms)


def load_held(tx: Connection, claim: rows.Claim, now_ms: int) -> rows.Job:
    """The claim's job as it is now. raises LeaseLost."""
    for job in find_jobs(tx, held(claim, now_ms)):
        return job
    raise LeaseLost(claim.job.id, claim.fence)


def change(tx: Connection, condition: ColumnElement[bool], **values: Any) -> int | None:
    """Change the one job for which the condition holds, with a new revision that its canvas should show.

    returns: its id; None when the condition held for none and no row changed
    """
    return changed(tx, raising(condition, **values), {}, moved="state" in values or "hurried" in values)


def raising(condition: ColumnElement[bool], **values: Any) -> ReturningUpdate[int, int]:
    """The statement of a `change`, for one that is made once and run with `changed`."""
    raised = update(Job).where(condition).values(revision=Job.revision + 1, **values)
    return raised.returning(Job.id, Job.revision)


def changed(tx: Connection, raised: ReturningUpdate[int, int], bound: Mapping[str, Any], *, moved: bool) -> int | None:
    """As `change`. moved: into the line or out of it, or within it."""
    found = tx.execute(raised, bound).first()
    if found is None:
        return None
    tx.execute(_SHOW, {"this": found.id, "newest": found.revision})
    if moved:
        flows.settle(tx, found.id)
    return int(found.id)


def set_down(tx: Connection, condition: ColumnElement[bool], state: State, now_ms: int, **values: Any) -> int | None:
    """Change a job to a state in which nobody holds it. Its section's progress is over, and at its end its tail."""
    if state.terminal:
        values |= {"finished_ms": now_ms, "not_before_ms": 0, "tail": None}
    job_id = change(tx, condition, state=state, worker=None, lease_until_ms=None, **values)
    if job_id is not None:
        tx.execute(delete(Progress).where(Progress.job_id == job_id))
    if job_id is not None and state.terminal:
        flows.leave(tx, job_id)
    return job_id


def charge(tx: Connection, job: rows.Job, now_ms: int, took_ms: int | None = None) -> None:
    """What was begun of a job's section ends unmade because somebody wished it, and its flow pays: else who cancels in
    time would have every turn for nothing. What a trouble of ours ends costs nobody anything.

    took_ms: since the claim, by which it pays a share by the known pace. None, or no pace is known: for all of it
    """
    shape = section_shape(job.plan)
    pace_ms = measured_pace(tx, [shape]).get(shape) or None
    if took_ms is None:
        took_ms = pace_ms or 0
    share = 1.0 if pace_ms is None else min(1.0, took_ms / pace_ms)
    flows.charge(tx, job.id, share, took_ms if pace_ms is None else min(took_ms, pace_ms), now_ms)


def put(
    tx: Connection,
    table: type[Base],
    key: Mapping[str, Any],
    values: Mapping[str, Any],
    fresh: Mapping[str, Any] | None = None,
) -> None:
    """Write values into the one row with that key; where there is none it is made, with what is fresh beside them."""
    mine = [getattr(table, name) == value for name, value in key.items()]
    if not tx.execute(update(table).where(*mine).values(**values)).rowcount:
        tx.execute(insert(table).values(**{**key, **(fresh or {}), **values}))


def wished_end(job: rows.Job, film: str | None) -> State | None:
    """The state in which the job's wish ends it, with that film of what is finished; None without a wish."""
    if job.wish is None:
        return None
    return State.STOPPED if job.wish == "stop" and film else State.CANCELLED


def unreferenced(tx: Connection, shas: Collection[str]) -> tuple[str, ...]:
    """Those of the files that no row names."""
    asked = sorted(set(shas))
    named: set[str | None] = set()
    for n in range(0, len(asked), AT_ONCE):
        for column in SHAS:
            named.update(tx.scalars(select(column).where(column.in_(asked[n : n + AT_ONCE]))))
    return tuple(sha for sha in asked if sha not in named)


def section_shape(plan: Mapping[str, Any]) -> str:
    """What sections that take equally long have in common."""
    shape = f"{plan.get('model')} {plan.get('width')}x{plan.get('height')} {plan.get('steps')}"
    return f"{shape} {cache}" if (cache := plan.get("step_cache")) else shape  # skipped steps take no time


def measured_pace(tx: Connection, shapes: Collection[str]) -> dict[str, int]:
    """Milliseconds that a section of each shape takes: the median of the last nine; one never measured is left out."""
    took = (Section.sampling_ms + Section.decode_ms + Section.encode_ms).label("took")
    pace = {}
    for shape in shapes:
        latest = select(took).where(Section.shape == shape).order_by(Section.created_ms.desc()).limit(PACE_OF)
        if measured := list(tx.scalars(latest)):
            pace[shape] = round(median(measured))
    return pace
