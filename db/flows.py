"""The rows that `turns` decides over: kept so that the next turn is one step through an index, however many wait.

Every change of a job that moves it in or out of the line ends in `settle`: its rank is written down anew, and with it
when its flow is due. So the line is always a function of the rows, and nothing is counted up and down.
"""

import hashlib
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Float,
    Select,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.orm import aliased

from db import turns
from db.models import OPEN, Flow, Gate, Job, Ledger, Platform, Reason, State, Tick

IS_OPEN = Job.state.in_(OPEN)
MODEL_RUNS = Job.reason.is_distinct_from(Reason.OTHER_MODEL)  # else it waits, out of the line, until its model does
ALL = "all"  # the scope of everybody
LEAVING = 8  # flows that are read at once to see who leaves; nearly always one is enough


_THIS, _TO = bindparam("this", type_=BigInteger), bindparam("to", type_=BigInteger)
_DUE = bindparam("due", type_=Float)


def _ranked(some: ColumnElement[bool], most: int) -> Select[Any]:
    """The first of a flow's jobs that can have a turn, as (rank, id)."""
    jobs = select(Job.rank, Job.id).where(Job.flow_id == _THIS, Job.rank.is_not(None), some)
    first = jobs.order_by(Job.rank, Job.id).limit(most).subquery()  # SQLite orders no part of a union by itself
    return select(first.c.rank, first.c.id)


# Made once: putting one of these together takes SQLAlchemy longer than SQLite takes to answer it.
_TICK = select(Tick.time, Tick.weight)
_FLOW = select(Flow.id, Flow.weight, Flow.served, Flow.last)
_FLOW_OF = _FLOW.where(Flow.who == bindparam("named"))
_FLOW_WITH = _FLOW.where(Flow.id == _THIS)
_IS_PAUSED = select(Gate.scope).where(Gate.scope == Job.server_id, Gate.paused).exists()
# A job that waits in a paused server, or for a model that does not run, is as if it was not there yet; one that a
# trouble of ours put off waits for us.
_IS_BUSY = and_(IS_OPEN, or_(Job.state == State.RUNNING, and_(~_IS_PAUSED, MODEL_RUNS)))
_BUSY = select(Job.id).where(Job.flow_id == _THIS, _IS_BUSY).limit(1)
_ENTERED = (
    update(Flow)
    .where(Flow.id == _THIS)
    .values(weight=bindparam("weighs"), served=bindparam("was"), last=bindparam("until"), asked_ms=bindparam("now_ms"))
)
_ONE_MORE = update(Tick).values(weight=bindparam("weighs"), open=Tick.open + 1)
_OPEN = select(Tick.open)
_PASSED = (
    update(Tick)
    .values(
        time=_DUE,
        weight=bindparam("weighs"),
        sections=Tick.sections + bindparam("made", type_=BigInteger),
        gpu_ms=Tick.gpu_ms + bindparam("took_ms", type_=BigInteger),
    )
    .returning(Tick.sections)
)
_SINCE = update(Job).where(Job.id == _THIS).values(since=_TO)
_STANDS = select(
    *(
        Job.flow_id,
        Job.rank,
        Job.state,
        Job.not_before_ms,
        Job.done,
        Job.sections,
        Job.hurried,
        Job.reason,
        _IS_PAUSED.label("paused"),
    )
).where(Job.id == _THIS)
_SET_RANK = update(Job).where(Job.id == _THIS).values(rank=_TO)
_HEADS = union_all(_ranked(Job.rank < turns.STARTED, 1), _ranked(Job.rank >= turns.STARTED, turns.BEGUN))
_SET_HEAD = update(Flow).where(Flow.id == _THIS).values(head=_TO, turn=_DUE)
_FLOW_ID = select(Job.flow_id).where(Job.id == _THIS)
_SERVED = (
    update(Flow).where(Flow.id == _THIS).values(served=Flow.served + bindparam("share", type_=Float) / Flow.weight)
)
_LASTS = update(Flow).where(Flow.id == _THIS).values(last=_DUE)
_LEAVING = select(Flow.last, Flow.weight).where(Flow.last > _DUE).order_by(Flow.last).limit(LEAVING)


def who(platform: Platform, user_id: str) -> str:
    """The name of a person's flow: it does not say who they are."""
    return hashlib.sha256(f"{platform}:{user_id}".encode()).hexdigest()


def next_turn() -> Select[int | None]:
    """The id of the job whose flow has the next turn, or no row."""
    due = select(Flow.head).where(Flow.turn.is_not(None)).order_by(Flow.turn, Flow.id).limit(1)
    return due.correlate(None)


def long_waiting(since: BindParameter[int]) -> Select[int]:
    """The id of the job that has waited longest to go on, at or before this, where it can have a turn instead of one
    that goes on; or no row. `turns` says why."""
    head = select(Flow.head).where(Flow.turn.is_not(None)).order_by(Flow.turn, Flow.id).limit(1).correlate(None)
    of = aliased(Job)
    goes_on = select(of.id).where(of.id == head.scalar_subquery(), of.rank >= turns.STARTED).correlate(None).exists()
    begun = text(f"job.rank >= {turns.STARTED}")  # as ix_job_wait has it
    now = select(Tick.time).scalar_subquery()
    long = select(Job.id).join(Flow, Flow.id == Job.flow_id).where(begun, Job.since <= since, goes_on)
    long = long.where(Flow.served <= now).order_by(Job.since, Job.id).limit(1)
    return long.correlate(None)


def enter(tx: Connection, name: str, sections: int, weight: float | None, now_ms: int) -> int:
    """Somebody puts a film of so many sections in line; returns their flow. weight: None leaves it as it is."""
    tick = _tick(tx)
    found = tx.execute(_FLOW_OF, {"named": name}).first()
    if found is None:
        new = insert(Flow).values(who=name, weight=weight or 1.0, served=tick.time, last=tick.time).returning(Flow.id)
        found = tx.execute(_FLOW_WITH, {"this": tx.execute(new).scalar_one()}).one()
    busy = tx.scalar(_BUSY, {"this": found.id})
    weight = weight or found.weight
    before = found.weight if found.last > tick.time else 0.0
    served = found.served if busy else max(found.served, tick.time)
    last = max(tick.time, found.last) + sections / weight
    asked = {"this": found.id, "weighs": weight, "was": served, "until": last, "now_ms": now_ms}
    tx.execute(_ENTERED, asked)
    tx.execute(_ONE_MORE, {"weighs": tick.weight + weight - before})
    return int(found.id)


def come_back(tx: Connection, which: ColumnElement[bool]) -> None:
    """Jobs are about to be in line that were as if they were not there: of a paused server, or of a model that did not
    run. Who had no others starts at virtual time's now, as one who was away.

    They are to be settled after that.
    """
    there = select(Job.flow_id).where(IS_OPEN, which)
    busy = select(Job.flow_id).where(_IS_BUSY, Job.flow_id.is_not(None))
    now = select(Tick.time).scalar_subquery()
    tx.execute(update(Flow).where(Flow.id.in_(there), Flow.id.not_in(busy), Flow.served < now).values(served=now))


def settle(tx: Connection, job_id: int) -> None:
    """Write down a job's rank anew, and when its flow is due."""
    job = tx.execute(_STANDS, {"this": job_id}).one()
    ready = job.state == State.QUEUED and job.not_before_ms == 0 and not job.paused
    ready = ready and job.reason != Reason.OTHER_MODEL
    rank = turns.rank(job.done, job.sections, job.hurried) if ready else None
    if rank != job.rank:
        tx.execute(_SET_RANK, {"this": job_id, "to": rank})
    if job.flow_id is not None:
        settle_flow(tx, job.flow_id)


def settle_flow(tx: Connection, flow_id: int) -> None:
    """Write down anew which job has a flow's next turn, and when it is due."""
    row = tx.execute(_FLOW_WITH, {"this": flow_id}).first()
    if row is None:
        return
    ranked = sorted((row.rank, row.id) for row in tx.execute(_HEADS, {"this": flow_id}))
    fresh = [each for each in ranked if each[0] < turns.STARTED]
    head = turns.choose(fresh, ranked[len(fresh) :])
    due = None if head is None else turns.turn(row.served, row.weight, head[0])
    tx.execute(_SET_HEAD, {"this": flow_id, "to": head and head[1], "due": due})


def waking(now_ms: int | BindParameter[int]) -> Select[int]:
    """The ids of those whose waiting time is over: found by their time alone, which who ended has none of."""
    later = text("job.not_before_ms > 0")  # as ix_job_wake has it
    return select(Job.id).where(later, Job.not_before_ms <= now_ms, Job.worker.is_(None))


def wake(tx: Connection, now_ms: int) -> int:
    """Put those back in line whose waiting time is over; returns how many."""
    woken = list(tx.scalars(waking(now_ms)))
    for job_id in woken:
        tx.execute(update(Job).where(Job.id == job_id).values(not_before_ms=0))
        settle(tx, job_id)
    return len(woken)


def serve(tx: Connection, job_id: int, gpu_ms: int, now_ms: int) -> None:
    """A section of a job was made: its flow was served, and virtual time passes. `settle` the job after this."""
    made = _pass(tx, tx.scalar(_FLOW_ID, {"this": job_id}), 1.0, gpu_ms, now_ms, made=1)
    tx.execute(_SINCE, {"this": job_id, "to": made})


def charge(tx: Connection, job_id: int, share: float, gpu_ms: int, now_ms: int) -> None:
    """That share of a section of a job was made and taken back, as was wished: its flow had more work than its films
    have, and was served so much. `settle` the job after this, or have it `leave`."""
    flow_id = tx.scalar(_FLOW_ID, {"this": job_id})
    if flow_id is not None:
        tick, flow = _tick(tx), tx.execute(_FLOW_WITH, {"this": flow_id}).one()
        back = 0.0 if flow.last > tick.time else flow.weight
        tx.execute(_LASTS, {"this": flow_id, "due": max(tick.time, flow.last) + share / flow.weight})
        tx.execute(update(Tick).values(weight=tick.weight + back))
    _pass(tx, flow_id, share, gpu_ms, now_ms, made=0)


def _pass(tx: Connection, flow_id: int | None, share: float, gpu_ms: int, now_ms: int, *, made: int) -> int:
    """A flow was served that share of a section, and virtual time passes; returns how many were made so far, by all."""
    if flow_id is not None:
        tx.execute(_SERVED, {"this": flow_id, "share": share})
        tx.execute(insert(Ledger).values(flow_id=flow_id, gpu_ms=gpu_ms, at_ms=now_ms))
    tick = _tick(tx)
    now, weight, left = tick.time, tick.weight, share
    while left > 0:
        leaving = [(row.last, row.weight) for row in tx.execute(_LEAVING, {"due": now})]
        if not leaving:
            weight = 0.0
            break
        now, weight, left = turns.elapse(now, weight, left, leaving)
    passed = tx.execute(_PASSED, {"due": now, "weighs": weight, "took_ms": gpu_ms, "made": made})
    return int(passed.scalar_one())


def leave(tx: Connection, job_id: int) -> None:
    """A job ends, or is about to be deleted: what is left of it will not be made, its flow would be empty earlier."""
    tx.execute(update(Tick).values(open=Tick.open - 1))
    left = (Job.sections - Job.done).label("left")
    flow = select(Flow.id, Flow.last, Flow.weight, left).join(Job, Job.flow_id == Flow.id).where(Job.id == job_id)
    row = tx.execute(flow).first()
    if row is None or row.left == 0:
        return
    tick = _tick(tx)
    if row.last <= tick.time:
        return
    last = max(tick.time, row.last - row.left / row.weight)
    tx.execute(_LASTS, {"this": row.id, "due": last})
    if last <= tick.time:
        tx.execute(update(Tick).values(weight=max(0.0, tick.weight - row.weight)))


def _tick(tx: Connection) -> Any:
    return tx.execute(_TICK).one()


def used_ms(tx: Connection, name: str, since_ms: int, now_ms: int) -> list[tuple[int, int]]:
    """What somebody used of the GPU since then: (at, GPU milliseconds), oldest first.

    What a clock that was ahead wrote down is passed over: it would count for longer than a day.
    """
    theirs = select(Ledger.at_ms, Ledger.gpu_ms).join(Flow, Flow.id == Ledger.flow_id).where(Flow.who == name)
    found = tx.execute(theirs.where(Ledger.at_ms > since_ms, Ledger.at_ms <= now_ms).order_by(Ledger.at_ms))
    return [(row.at_ms, row.gpu_ms) for row in found]


def paused(tx: Connection) -> bool:
    """Whether an operator paused everything."""
    return tx.scalar(pause_of_all()) is not None


def pause_of_all() -> Select[str]:
    """One row where everything is paused, else none."""
    return select(Gate.scope).where(Gate.scope == ALL, Gate.paused)


def rebase(tx: Connection) -> None:
    """Sum the weight of virtual time anew: adding and taking away leaves a last bit of a float. Count anew, too."""
    weight = select(func.coalesce(func.sum(Flow.weight), 0.0)).where(Flow.last > select(Tick.time).scalar_subquery())
    jobs = select(func.count()).select_from(Job).where(IS_OPEN)
    tx.execute(update(Tick).values(weight=weight.scalar_subquery(), open=jobs.scalar_subquery()))


def sections_made(tx: Connection) -> int:
    """How many sections were made so far, of all films."""
    return tx.scalar(select(Tick.sections)) or 0


def open_jobs(tx: Connection) -> int:
    """How many jobs wait or run."""
    return tx.scalar(_OPEN) or 0


def in_line(tx: Connection) -> int:
    """As `open_jobs`, without those that wait for a model that does not run; they are counted one by one."""
    return tx.scalar(select(func.count()).select_from(Job).where(IS_OPEN, MODEL_RUNS)) or 0
