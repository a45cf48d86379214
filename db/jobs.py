"""What a worker does with a job: claim a turn, keep it, give it back. And what anybody may ask about jobs."""

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, bindparam, func, or_, select, update

from db import chats, flows, operators, rows, turns
from db.absences import find_away
from db.connect import Database, reads, writes
from db.errors import LeaseLost
from db.flows import IS_OPEN, MODEL_RUNS, next_turn
from db.forecasts import forecast as forecast
from db.forecasts import line as line
from db.forecasts import place as place
from db.forecasts import room_in as room_in
from db.models import Canvas, Chat, Flow, Job, Platform, Progress, Reason, Removal, State, Tick
from db.query import (
    change,
    changed,
    charge,
    find_jobs,
    held,
    load_held,
    load_job,
    load_sections,
    measured_pace,
    raising,
    set_down,
    stands,
    wished_end,
)

log = logging.getLogger("flipbot.queue")

CRASHES = 3  # at one section: then it is the job that crashes workers, and it fails
DEATHS = 8  # of the service, while one section was being made: many a power cut, but not for ever
PATIENT = 2  # deaths after which others have their turns first
SHAPES = 20  # whose pace is told
EVER_MS = 1 << 62
LONGEST_MS = 3_600_000  # no chat asks to be left alone for longer than this
WAITS = (Canvas.not_before_ms, Removal.not_before_ms, Chat.frozen_until_ms, Chat.slow_until_ms)
HAPPENED = (Canvas.message_ms, Canvas.edited_ms, Canvas.media_ms)

_NOW = bindparam("now_ms", type_=BigInteger)
_AT_HAND = select(
    select(Job.id).where(Job.state == State.RUNNING, Job.lease_until_ms < _NOW).exists().label("expired"),
    flows.waking(_NOW).exists().label("waking"),
    flows.pause_of_all().exists().label("paused"),
    select(Tick.sections).scalar_subquery().label("made"),
)
# One statement chooses and takes: two workers can never hold the same job.
_TAKEN: dict[str, Any] = {
    "state": State.RUNNING,
    "fence": Job.fence + 1,
    "worker": bindparam("by"),
    "lease_until_ms": bindparam("until_ms"),
    "started_ms": func.coalesce(Job.started_ms, _NOW),
    "reason": None,
    "facts": {},
}
_TURN = next_turn().scalar_subquery()
_LONG = flows.long_waiting(bindparam("waited_since", type_=BigInteger)).scalar_subquery()
_TAKE = raising(Job.id == _TURN, **_TAKEN)
_TAKE_LONG = raising(and_(Job.id == func.coalesce(_LONG, _TURN), Job.state == State.QUEUED), **_TAKEN)


@writes
def claim(db: Database, worker: str, lease_ms: int) -> rows.Claim | None:
    """Take the next section's turn; `turns` says whose it is. None when nobody waits.

    worker:   the name under which it is held
    lease_ms: for how long, unless `renew` prolongs it
    """
    with db.transaction(quiet=True) as tx:
        now = db.steady()
        at_hand = _at_hand(tx, now)
        reaped = _reap(tx, db) if at_hand.expired else 0
        if at_hand.waking:
            flows.wake(tx, now)
        taking = {"by": worker, "until_ms": now + lease_ms, "now_ms": db.now()}
        long = turns.waited_since(at_hand.made)
        take, taking = (_TAKE, taking) if long is None else (_TAKE_LONG, {**taking, "waited_since": long})
        job_id = None if at_hand.paused else changed(tx, take, taking, moved=True)
        got = None if job_id is None else _claimed(tx, job_id, worker, now)
        if got or reaped:
            db.tell(tx)
    return got


def _at_hand(tx: Connection, now_ms: int) -> Any:
    """What comes before a claim, asked at once."""
    return tx.execute(_AT_HAND, {"now_ms": now_ms}).one()


def _claimed(tx: Connection, job_id: int, worker: str, now_ms: int) -> rows.Claim:
    job = load_job(tx, job_id)
    sections = tuple(load_sections(tx, job_id))
    return rows.Claim(job=job, sections=sections, fence=job.fence, worker=worker, since_ms=now_ms)


def _reap(tx: Connection, db: Database) -> int:
    """Set down every job whose lease is over; returns how many."""
    expired = find_jobs(tx, Job.state == State.RUNNING, Job.lease_until_ms < db.steady())
    for job in expired:
        mine = and_(Job.id == job.id, Job.fence == job.fence, Job.lease_until_ms == job.lease_until_ms)  # not revived
        lost: dict[str, Any] = {"reason": Reason.WORKER_LOST, "facts": {"worker": job.worker}, "not_before_ms": 0}
        _crash(tx, mine, job, db.now(), **lost)
    return len(expired)


def _crash(
    tx: Connection,
    mine: ColumnElement[bool],
    job: rows.Job,
    now_ms: int,
    *,
    facts: Mapping[str, Any],
    **values: Any,
) -> int | None:
    """Set a job down after its worker died at it: as wished, or failed if that was once too often, or in line again."""
    crashes = job.crashes + 1
    state = wished_end(job, job.film) or (State.FAILED if crashes >= CRASHES else State.QUEUED)
    facts = {**facts, "crashes": crashes, "section": job.done}
    return set_down(tx, mine, state, now_ms, crashes=crashes, facts=facts, **values)


@writes
def renew(db: Database, claim: rows.Claim, lease_ms: int) -> rows.Wish | None:
    """Prolong the lease to lease_ms from now; returns what the owner wishes meanwhile. raises LeaseLost.

    One that is over is revived as long as nobody has taken the job: its holder was frozen, and has it still.
    """
    with db.transaction(quiet=True) as tx:
        now = db.steady()
        until = tx.scalar(select(Job.lease_until_ms).where(stands(claim)))
        prolonged = update(Job).where(stands(claim)).values(lease_until_ms=now + lease_ms)
        if until is None or tx.execute(prolonged.returning(Job.id)).first() is None:
            raise LeaseLost(claim.job.id, claim.fence)
        wish = load_job(tx, claim.job.id).wish
    if until < now:
        log.warning("lease revived job=%d fence=%d after=%.1fs", claim.job.id, claim.fence, (now - until) / 1000)
    return wish


@writes
def release(
    db: Database,
    claim: rows.Claim,
    *,
    crashed: bool = False,
    reason: str | None = None,
    facts: Mapping[str, Any] | None = None,
    retry_in_ms: int = 0,
    tighter: int | None = None,
) -> rows.Job:
    """Give a turn back without a section: the job is queued again, or ended where that was wished.

    crashed:     the worker died at it; the third time at one section the job fails
    reason:      why, while it waits
    retry_in_ms: how long it is passed over
    tighter:     the memory plan that it is to be tried with, in steps below the first
    raises:      LeaseLost
    """
    with db.transaction() as tx:
        now = db.steady()
        job, mine = load_held(tx, claim, now), held(claim, now)
        why: dict[str, Any] = {
            "reason": reason,
            "facts": dict(facts or {}),
            "not_before_ms": now + retry_in_ms if retry_in_ms else 0,
        }
        if tighter is not None:
            why["tighter"] = tighter
        if crashed:
            _crash(tx, mine, job, db.now(), **why | {"reason": reason or Reason.WORKER_CRASHED})
        else:
            set_down(tx, mine, wished_end(job, job.film) or State.QUEUED, db.now(), **why)
        return load_job(tx, job.id)


@writes
def hold_up(db: Database, reason: str, facts: Mapping[str, Any]) -> None:
    """Say at the job whose turn is next why it is not begun; nothing else about it changes."""
    with db.transaction() as tx:
        head = next_turn().scalar_subquery()
        said = and_(Job.id == head, func.coalesce(Job.reason, "") != reason)
        change(tx, said, reason=reason, facts=dict(facts))


@writes
def run_model(db: Database, model: str, *, for_good: bool = False) -> int:
    """Films are made by this model from now on, as plans name it: name@version. Returns how many wait for another one.

    Those leave the line, whatever is made of them, and say what they wait for; those that waited for this one are in
    line again.
    for_good: it was installed in place of its other versions: what one of them was to make, and nobody has planned
              anew, ends, for that one does not come back
    """
    name = model.partition("@")[0] if for_good else None
    planned = Job.plan["model"].as_string()
    waits = and_(Job.state == State.QUEUED, planned != model)
    back = and_(Job.state == State.QUEUED, planned == model, Job.reason == Reason.OTHER_MODEL)
    waiting: list[rows.Job] = []
    with db.transaction() as tx:
        flows.come_back(tx, back)
        for job_id in list(tx.scalars(select(Job.id).where(back))):
            changed(tx, raising(Job.id == job_id, reason=None, facts={}), {}, moved=True)
        for job in find_jobs(tx, waits):
            why: dict[str, Any] = {"reason": Reason.OTHER_MODEL, "facts": {"made": job.plan["model"], "loaded": model}}
            if str(job.plan["model"]).partition("@")[0] == name:
                set_down(tx, and_(Job.id == job.id, waits), State.FAILED, db.now(), **why)
                continue
            waiting.append(job)
            if (job.reason, job.facts) != (why["reason"], why["facts"]):
                changed(tx, raising(Job.id == job.id, **why, not_before_ms=0), {}, moved=True)
    if waiting:
        models = ", ".join(sorted({str(job.plan["model"]) for job in waiting}))
        log.warning("films wait for another model jobs=%d models=%s running=%s", len(waiting), models, model)
    return len(waiting)


@writes
def fail(db: Database, claim: rows.Claim, reason: str, facts: Mapping[str, Any]) -> rows.Job:
    """End a job that cannot be made. What is finished of it is kept. raises LeaseLost."""
    return _end(db, claim, State.FAILED, reason=reason, facts=dict(facts))


@writes
def end(db: Database, claim: rows.Claim, state: State) -> rows.Job:
    """End a job in the middle of a section, as its owner wished: State.STOPPED (which needs a section) or CANCELLED.

    What was made of the section counts as used, by their turns and their day. raises: LeaseLost
    """
    return _end(db, claim, state, pays=True)


def _end(db: Database, claim: rows.Claim, state: State, *, pays: bool = False, **values: Any) -> rows.Job:
    with db.transaction() as tx:
        now, steady = db.now(), db.steady()
        job = load_held(tx, claim, steady)
        if pays:
            charge(tx, job, now, steady - claim.since_ms)
        set_down(tx, held(claim, steady), state, now, **values)
        return load_job(tx, job.id)


@writes
def recover(db: Database, worker: str | None = None) -> int:
    """Queue what was running when a process died; returns how many. It is for one that starts.

    worker: what its engines held, where others share the database (db/workers.py). Where nobody does: all, for nobody
            else can hold a lease then; and what was put off until later has its turn now, for the clock by which it was
            put off ended with the service
    It is no crash of a worker, for switching a PC off must not fail a film; but it is counted where the section was
    being made, so that a job which takes the service with it is not tried for ever.
    """
    mine = [or_(Job.worker == worker, Job.worker.startswith(f"{worker}/", autoescape=True))] if db.shared else []
    with db.transaction() as tx:
        flows.rebase(tx)
        if not db.shared:
            _put_on(tx, db.steady())
        running = find_jobs(tx, Job.state == State.RUNNING, *mine)
        for job in running:
            at_it = select(Progress.job_id).where(Progress.job_id == job.id, Progress.n == job.done)
            _died(tx, db, job, at_it=tx.scalar(at_it) is not None)
        return len(running)


def _died(tx: Connection, db: Database, job: rows.Job, *, at_it: bool) -> None:
    """Set a job down that was running when the service died. at_it: its section had been begun."""
    deaths = job.deaths + at_it
    state = wished_end(job, job.film) or (State.FAILED if deaths >= DEATHS else State.QUEUED)
    values: dict[str, Any] = {"deaths": deaths}
    if state == State.FAILED:
        values |= {"reason": Reason.SERVICE_DIED, "facts": {"deaths": deaths, "section": job.done}}
    elif deaths > PATIENT:
        values["not_before_ms"] = db.steady() + 1000 * 2 ** (deaths - PATIENT)
    set_down(tx, Job.id == job.id, state, db.now(), **values)


def _put_on(tx: Connection, now_ms: int) -> None:
    """Let waits end that another life's clock counted: jobs' at once, those in chats as far as they cannot be true.

    What is said to have happened later than now tells how far that clock was ahead, at least.
    """
    flows.wake(tx, EVER_MS)
    ahead_ms = _past(tx, now_ms)
    for column in WAITS:
        late = update(column.class_).where(column > now_ms)
        tx.execute(late.values({column: column - ahead_ms}))
        tx.execute(late.where(column > now_ms + LONGEST_MS).values({column: now_ms}))


def _past(tx: Connection, now_ms: int) -> int:
    """Let what happened in chats have happened by now; returns by how much it had not."""
    latest = now_ms
    for column in HAPPENED:
        latest = max(latest, tx.scalar(select(func.max(column))) or 0)
        tx.execute(update(column.class_).where(column > now_ms).values({column: now_ms}))
    for chat in tx.execute(select(Chat.platform, Chat.chat_id, Chat.sent_ms)).all():
        if max(chat.sent_ms, default=0) > now_ms:
            latest = max(latest, *chat.sent_ms)
            chats.save(tx, chat.platform, chat.chat_id, sent_ms=[min(at, now_ms) for at in chat.sent_ms])
    return latest - now_ms


@writes
def abandon(db: Database, worker: str) -> int:
    """Queue what a worker holds that says it is at nothing; returns how many. Another one's claims stay as they are.

    For a dispatcher that could not give a turn back when it wanted to: a full disk is nobody's crash.
    """
    with db.transaction() as tx:
        left = find_jobs(tx, Job.state == State.RUNNING, Job.worker == worker)
        for job in left:
            set_down(tx, Job.id == job.id, wished_end(job, job.film) or State.QUEUED, db.now())
        return len(left)


@reads
def get(db: Database, job_id: int) -> rows.Job:
    """The job with that number. raises NoSuchJob."""
    with db.reading() as tx:
        return load_job(tx, job_id)


@reads
def open_jobs(db: Database, platform: Platform | None = None, user_id: str | None = None) -> list[rows.Job]:
    """The jobs that wait or run, oldest first; of one person only, if given."""
    whose = [] if platform is None or user_id is None else [Job.platform == platform, Job.user_id == user_id]
    with db.reading() as tx:
        return find_jobs(tx, IS_OPEN, *whose)


@reads
def recent(db: Database, n: int, user_id: str | None = None, platform: Platform | None = None) -> list[rows.Job]:
    """The newest n jobs, newest first; of one user and platform only, if given."""
    whose = [] if user_id is None else [Job.user_id == user_id]
    where = [] if platform is None else [Job.platform == platform]
    with db.reading() as tx:
        return find_jobs(tx, *whose, *where, newest=n)


@reads
def numbers(db: Database) -> rows.Numbers:
    """The queue in numbers, for whoever watches it."""
    with db.reading() as tx:
        by_state = tx.execute(select(Job.state, func.count()).group_by(Job.state))
        left = tx.scalar(select(func.sum(Job.sections - Job.done)).where(IS_OPEN, MODEL_RUNS))
        oldest = tx.scalar(select(func.min(Job.created_ms)).where(IS_OPEN, MODEL_RUNS, Job.done == 0))
        tick = tx.execute(select(Tick.sections, Tick.gpu_ms)).one()
        gate = operators.find_state(tx)
        shapes = list(tx.scalars(select(Job.shape).where(IS_OPEN).distinct().limit(SHAPES)))
        return rows.Numbers(
            jobs={state.value: count for state, count in by_state},
            sections_left=left or 0,
            people=tx.scalar(select(func.count()).select_from(Flow).where(Flow.turn.is_not(None))) or 0,
            oldest_s=0.0 if oldest is None else max(0, db.now() - oldest) / 1000,
            paused=gate.paused,
            away=find_away(tx, db.steady()) is not None,
            draining=gate.draining,
            pace_ms=measured_pace(tx, shapes),
            sections_made=tick.sections,
            gpu_ms=tick.gpu_ms,
        )
