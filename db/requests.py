"""What people ask: submit a film, wish it to end, forget it."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

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

from db import flows, operators, people, rows
from db.connect import Database, reads, writes
from db.errors import Banned, DayUsed, Draining, Duplicate, LatentsGone, NotFinished, QueueFull, TooSoon
from db.flows import IS_OPEN, MODEL_RUNS
from db.models import (
    CHATS,
    TERMINAL,
    Ban,
    Canvas,
    Delivery,
    Flow,
    Job,
    Ledger,
    Platform,
    Request,
    Section,
    State,
    Tick,
)
from db.query import JOBS, change, find_jobs, load_job, load_sections, section_shape, set_down

log = logging.getLogger("flipbot.queue")

DAY_MS: Final = 24 * 3600 * 1000
TWIN_MS: Final = 600_000  # as long the very same film is not made twice

TAKEN_OVER = "taken over"  # the shape of sections that were: they say nothing of how long one takes

GRACE_MS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A film that somebody wants.

    key:      asked twice with the same one, it is one job (the interaction's or update's id)
    picture:  SHA-256 name of a file that is already in the media store; end_picture: of the one it shall end with
    plan:     as JSON; "model", "width", "height", "steps" and "step_cache" also say which sections take equally long
    sections: that the plan has, 1 or more
    parent_id: the film that this one goes on with or repeats
    kept:     how many of its finished sections are taken over, fewer than `sections`
    server_id: Discord's guild; "" elsewhere
    weight:   the person's share of the turns; None leaves it as it was, at first 1
    seeded:   they named the seed: the very same again within ten minutes is a Duplicate
    canvas:   True where a message is to be kept up to date with the job; in a chat it always is
    at:       where that message is. In a chat, None: whoever asked says it within GRACE_MS, else the poster sends one
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
    kept: int = 0
    server_id: str = ""
    weight: float | None = None
    seeded: bool = False
    canvas: bool = False
    at: rows.At | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What somebody may ask for. Jobs that wait or run, where their model does: of one user, of one chat, in all.

    GPU seconds of one user within 24 hours, and seconds between two films of theirs: 0 is no limit.
    """

    queued_per_user: int
    queued_per_chat: int
    queued_in_all: int
    gpu_seconds_per_day: int = 0
    cooldown_s: int = 0


def _waiting(whose: ColumnElement[bool]) -> Select[int]:
    """How many of somebody's jobs wait or run; no more than matter are counted."""
    some = select(Job.id).where(IS_OPEN, MODEL_RUNS, Job.platform == bindparam("on"), whose)
    return select(func.count()).select_from(some.limit(bindparam("most", type_=BigInteger)).subquery())


# Made once: putting a statement together takes SQLAlchemy longer than SQLite takes to answer it.
_OF_USER, _OF_CHAT = _waiting(Job.user_id == bindparam("user")), _waiting(Job.chat_id == bindparam("chat"))
_KNOWN = JOBS.where(Request.key == bindparam("named"))
_NEW_REQUEST = insert(Request).returning(Request.id)
_NEW_JOB = insert(Job).returning(Job.id)


@writes
def submit(db: Database, ask: Ask, limits: Limits) -> rows.Job:
    """Queue a film; once this returns, it is not lost. The same key again returns the job it made.

    raises: Banned, Draining, Duplicate, TooSoon, DayUsed, QueueFull, DiskFull; of the parent NoSuchJob, NotFinished,
            LatentsGone
    """
    with db.transaction() as tx:
        if (known := _with_key(tx, ask.key)) is not None:
            return known
        now = db.now()
        _may(tx, ask, limits, now)
        who: dict[str, Any] = {
            "platform": ask.platform,
            "user_id": ask.user_id,
            "chat_id": ask.chat_id,
            "server_id": ask.server_id,
            "created_ms": now,
        }
        what: dict[str, Any] = {"key": ask.key, "locale": ask.locale, "prompt": ask.prompt}
        what |= {"picture": ask.picture, "end_picture": ask.end_picture}
        request_id = tx.execute(_NEW_REQUEST, {**who, **what, "settings": dict(ask.settings)}).scalar_one()
        kept, files = _inherited(tx, ask)
        new = ask.sections - len(kept)
        flow = flows.enter(tx, flows.who(ask.platform, ask.user_id), new, ask.weight, now)
        plan: dict[str, Any] = {"parent_id": ask.parent_id, "plan": dict(ask.plan), "sections": ask.sections}
        plan |= {"flow_id": flow, "shape": section_shape(ask.plan), "done": len(kept), **files}
        job = {**who, **plan, "request_id": request_id, "state": State.QUEUED}
        if kept:
            job["since"] = flows.sections_made(tx)
        job_id = tx.execute(_NEW_JOB, job).scalar_one()
        if kept:
            tx.execute(insert(Section), [{**section, "job_id": job_id} for section in kept])
        if ask.canvas or ask.platform in CHATS:
            tx.execute(insert(Canvas).values(job_id=job_id, wanted=1, **_canvas(ask, db.steady())))
        flows.settle(tx, job_id)
        job_row = load_job(tx, job_id)
    log.info("job queued job=%d platform=%s sections=%d/%d", job_id, ask.platform, job_row.done, job_row.sections)
    return job_row


@reads
def repeated(db: Database, job_id: int) -> bool:
    """Whether a film was made out of this one already."""
    with db.reading() as tx:
        return tx.scalar(select(Job.id).where(Job.parent_id == job_id).limit(1)) is not None


def _inherited(tx: Connection, ask: Ask) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What the new job takes over from its parent: rows of its first sections, and the job's own files.

    The rows name the parent's files, so no sweep takes them while either job is there. The film is the parent's where
    all of it is kept; of a part of it there is no film until the next section is made. What the encoders made holds for
    any plan of this picture at this size; the worker adds the prompts that it lacks.
    raises: NoSuchJob, NotFinished, LatentsGone
    """
    if ask.parent_id is None:
        return [], {}
    parent = load_job(tx, ask.parent_id)
    if ask.kept > parent.done:
        raise NotFinished(parent.id, parent.done, ask.kept)
    files: dict[str, Any] = {}
    same = all(ask.plan.get(key) == parent.plan.get(key) for key in ("model", "width", "height", "cfg", "negative"))
    if same and (ask.picture, ask.end_picture) == (parent.picture, parent.end_picture):
        files["conditioning"] = parent.conditioning
    if 0 < ask.kept == parent.done:
        files |= {"film": parent.film, "fragment_end": parent.fragment_end}
    made = load_sections(tx, parent.id)[: ask.kept]
    if not all(section.latents for section in made):
        raise LatentsGone(parent.id)
    free = {"sampling_ms": 0, "decode_ms": 0, "encode_ms": 0, "gpu_ms": 0, "shape": TAKEN_OVER}
    return [{**asdict(section), **free} for section in made], files


def _may(tx: Connection, ask: Ask, limits: Limits, now_ms: int) -> None:
    """Whether this may be taken in now. raises: as submit."""
    ban = operators.find_ban(tx, ask.platform, ask.user_id, ask.server_id, now_ms)
    if ban is not None:
        raise Banned(ban.reason, ban.until_ms, ban.scope)
    state = operators.find_state(tx, ask.server_id)
    if state.draining:
        raise Draining(state.reason)
    if ask.seeded and (twin := _twin(tx, ask, now_ms)) is not None:
        raise Duplicate(twin)
    name = flows.who(ask.platform, ask.user_id)
    if limits.cooldown_s:
        asked = tx.scalar(select(Flow.asked_ms).where(Flow.who == name)) or 0
        if 0 < asked <= now_ms < (until := asked + limits.cooldown_s * 1000):  # later than now: of a clock set back
            raise TooSoon(limits.cooldown_s, until)
    if limits.gpu_seconds_per_day:
        used = flows.used_ms(tx, name, now_ms - DAY_MS, now_ms)
        if (free := free_at(used, limits.gpu_seconds_per_day * 1000)) is not None:
            raise DayUsed(sum(ms for _, ms in used) // 1000, limits.gpu_seconds_per_day, free)
    here = {"on": ask.platform, "user": ask.user_id, "chat": ask.chat_id}
    for of, limit, count in (
        ("user", limits.queued_per_user, _OF_USER),
        ("chat", limits.queued_per_chat, _OF_CHAT),
    ):
        if (got := tx.scalar(count, {**here, "most": limit}) or 0) >= limit:
            raise QueueFull(got, limit, of)
    limit = limits.queued_in_all
    if flows.open_jobs(tx) >= limit and (got := flows.in_line(tx)) >= limit:
        raise QueueFull(got, limit, "all")


def free_at(used: Sequence[tuple[int, int]], limit_ms: int) -> int | None:
    """When what was used within a day falls below the limit, as what is older than a day leaves; None: it is below.

    used: (at, milliseconds), oldest first
    """
    left = sum(ms for _, ms in used)
    until = None
    for at, ms in used:
        if left < limit_ms:
            break
        left -= ms
        until = at + DAY_MS
    return until


def _twin(tx: Connection, ask: Ask, now_ms: int) -> int | None:
    """The person's job of a moment ago that makes the very same film."""
    same = and_(
        Request.picture == ask.picture,
        Request.platform == ask.platform,
        Request.user_id == ask.user_id,
        Request.chat_id == ask.chat_id,
        Request.prompt == ask.prompt,
        Request.created_ms.between(now_ms - TWIN_MS + 1, now_ms),
        Job.state.not_in([State.FAILED, State.CANCELLED, State.STOPPED]),
    )
    for job in find_jobs(tx, same):
        if job.end_picture == ask.end_picture and dict(job.plan) == dict(ask.plan) and job.sections == ask.sections:
            return job.id
    return None


def _canvas(ask: Ask, now_ms: int) -> dict[str, Any]:
    """The message of a new job, as its row says it."""
    place: dict[str, Any] = {"platform": ask.platform, "chat_id": ask.chat_id}
    if ask.at is None:
        return place | ({"not_before_ms": now_ms + GRACE_MS} if ask.platform in CHATS else {})
    live = {"delivery": Delivery.LIVE} if ask.at.message_id else {}
    return place | asdict(ask.at) | live


@writes
def wish(db: Database, job_id: int, wish: rows.Wish, by: str) -> rows.Job:
    """Stop (keep what is finished) or cancel a job; `by` says who wished it.

    A waiting job ends at once; of a running one its dispatcher hears it. One that has ended stays as it is, and who has
    cancelled does not take it back by stopping.
    raises: NoSuchJob
    """
    with db.transaction() as tx:
        job = load_job(tx, job_id)
        if job.state.terminal or job.wish in (wish, "cancel"):
            return job
        wished: dict[str, Any] = {"wish": wish, "wish_by": by}
        if job.state == State.RUNNING:
            change(tx, Job.id == job_id, **wished)
        else:
            kept = wish == "stop" and job.film is not None
            set_down(tx, Job.id == job_id, State.STOPPED if kept else State.CANCELLED, db.now(), **wished)
        return load_job(tx, job_id)


@writes
def steer(db: Database, seen: rows.Job, plan: Mapping[str, Any], prompt: str) -> rows.Job | None:
    """Change what is to come of a job that waits or runs: its plan, and the prompt that it is shown with.

    seen:    the job as the plan was made from it. Where anything about it has changed since (a section was recorded,
             another one begun, somebody else steered it, it ended) nothing is written
    returns: None then
    """
    with db.transaction() as tx:
        unchanged = and_(Job.id == seen.id, Job.revision == seen.revision, IS_OPEN, Job.wish.is_(None))
        if change(tx, unchanged, plan=dict(plan), steered=prompt) is None:
            return None
        return load_job(tx, seen.id)


@writes
def replan(db: Database, seen: rows.Job, plan: Mapping[str, Any]) -> bool:
    """Give a job that waits, and of which nothing is made, another plan of as many sections, perhaps of another model.

    returns: false where it is not as it was seen any more, as in `steer`
    """
    with db.transaction() as tx:
        unchanged = and_(Job.id == seen.id, Job.revision == seen.revision, Job.wish.is_(None))
        unmade = and_(unchanged, Job.state == State.QUEUED, Job.done == 0)
        shape = section_shape(plan)
        return change(tx, unmade, plan=dict(plan), shape=shape, conditioning=None) is not None  # its encoders' own


@reads
def find(db: Database, key: str) -> rows.Job | None:
    """The job that was submitted with that key."""
    with db.reading() as tx:
        return _with_key(tx, key)


def _with_key(tx: Connection, key: str) -> rows.Job | None:
    row = tx.execute(_KNOWN, {"named": key}).first()
    return None if row is None else rows.Job(**row._mapping)


@writes
def expire(db: Database, before_ms: int) -> int:
    """Forget the jobs that ended before that time, with all that belongs to them; returns how many.

    Their files are named by no row afterwards: `media_keep` and `Media.sweep` take them away.
    """
    with db.transaction() as tx:
        old = select(Job.id).where(Job.state.in_(TERMINAL), Job.finished_ms < before_ms).scalar_subquery()
        tx.execute(update(Job).where(Job.parent_id.in_(old)).values(parent_id=None))
        for belonging in people.belongings():
            tx.execute(delete(belonging).where(belonging.c.job_id.in_(old)))
        gone = tx.execute(delete(Job).where(Job.state.in_(TERMINAL), Job.finished_ms < before_ms))
        tx.execute(delete(Request).where(~select(Job.id).where(Job.request_id == Request.id).exists()))
        return gone.rowcount


@writes
def expire_latents(db: Database, before_ms: int) -> int:
    """Let go what only going on with a film needs, of jobs that ended before that time; returns of how many.

    The film stays, and so do the latents that another job took over: its rows name them, too.
    """
    with db.transaction(quiet=True) as tx:
        old = and_(Job.finished_ms < before_ms, Job.state.in_(TERMINAL))
        kept = select(Section.job_id).where(Section.job_id == Job.id, Section.latents != "").exists()
        ids = list(tx.scalars(select(Job.id).where(old, kept)))
        tx.execute(update(Section).where(Section.job_id.in_(ids)).values(latents=""))
        tx.execute(update(Job).where(Job.id.in_(ids)).values(conditioning=None))
        return len(ids)


@writes
def tidy(db: Database) -> None:
    """Remove what no limit needs any more: GPU time older than a day, and the flows of people who have neither that nor
    anything in line, once they would begin at virtual time's now anyway. Bans that are over go, too."""
    with db.transaction(quiet=True) as tx:
        now = db.now()
        tx.execute(delete(Ledger).where(Ledger.at_ms <= now - DAY_MS))
        tx.execute(delete(Ban).where(Ban.until_ms <= now))
        idle = and_(
            Flow.served <= select(Tick.time).scalar_subquery(),
            Flow.last <= select(Tick.time).scalar_subquery(),
            Flow.asked_ms <= now - DAY_MS,
            ~select(Ledger.id).where(Ledger.flow_id == Flow.id).exists(),
            ~select(Job.id).where(Job.flow_id == Flow.id, IS_OPEN).exists(),
        )
        tx.execute(delete(Flow).where(idle))
