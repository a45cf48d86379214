"""People: what they agreed to and prefer, and how they are forgotten.

Somebody of whom nothing is known has no row and every default. Forgetting is real: the rows go in one transaction, the
files that no row names any more go right after it (the caller's part, for this room's verbs do not block), and
`removals` keeps what has to go out of the chats until it is gone, whatever dies in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, or_, select, update

from db import flows, operators, removals, rows
from db.connect import Database, reads, writes
from db.models import Base, Canvas, Chat, Inbox, Job, Person, Platform, Question, Report, Request, Shown, State
from db.query import SHAS, change, charge, find_jobs, load_job, put, set_down, unreferenced

PREFERENCES = ("language", "seconds", "quality", "notify", "spoiler")
PERSON = (  # the columns of rows.Person
    *(Person.platform, Person.user_id, Person.consent, Person.consent_ms, Person.language),
    *(Person.seconds, Person.quality, Person.notify, Person.spoiler, Person.shut),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What was deleted: the numbers of the jobs, and the files that no row names any more, for the caller to drop."""

    jobs: tuple[int, ...]
    files: tuple[str, ...]


@reads
def get(db: Database, platform: Platform, user_id: str) -> rows.Person:
    """What is known of somebody; of a stranger, the defaults."""
    with db.reading() as tx:
        return _load(tx, platform, user_id)


@reads
def languages(db: Database, platform: Platform) -> dict[str, str]:
    """The languages of those who have chosen one, by their ids."""
    chosen = select(Person.user_id, Person.language).where(Person.platform == platform, Person.language.is_not(None))
    with db.reading() as tx:
        return {row.user_id: row.language for row in tx.execute(chosen)}


@writes
def accept(db: Database, platform: Platform, user_id: str, version: int) -> rows.Person:
    """They accept the terms in that version, 1 or later. Accepting again changes nothing, an older version neither."""
    with db.transaction() as tx:
        now = db.now()
        before = _load(tx, platform, user_id)
        if before.consent >= version:
            return before
        return _set(tx, platform, user_id, now, {"consent": version, "consent_ms": now})


@writes
def prefer(db: Database, platform: Platform, user_id: str, /, **preferences: Any) -> rows.Person:
    """They prefer something: language, seconds, quality, notify, spoiler; None is the service's default again.

    raises: TypeError, for anything else
    """
    if unknown := set(preferences) - set(PREFERENCES):
        raise TypeError(f"people prefer {', '.join(PREFERENCES)}, not {', '.join(sorted(unknown))}")
    with db.transaction() as tx:
        return _set(tx, platform, user_id, db.now(), preferences)


@writes
def shut_out(db: Database, platform: Platform, user_id: str, chat_id: str) -> int:
    """Their own chat let nothing in; returns how often that was so in a row. The second time their waiting jobs of that
    chat are cancelled: nobody is there to see them."""
    with db.transaction() as tx:
        shut = _load(tx, platform, user_id).shut + 1
        _set(tx, platform, user_id, db.now(), {"shut": shut})
        if shut >= 2:
            theirs = and_(Job.platform == platform, Job.user_id == user_id, Job.chat_id == chat_id)
            waiting = find_jobs(tx, theirs, Job.state.in_([State.RECEIVED, State.QUEUED]), Job.done == 0)
            for job in waiting:
                set_down(tx, Job.id == job.id, State.CANCELLED, db.now(), wish="cancel", wish_by="")
        return shut


@writes
def let_in(db: Database, platform: Platform, user_id: str) -> None:
    """Their chat is open (again)."""
    with db.transaction(quiet=True) as tx:
        theirs = update(Person).where(Person.platform == platform, Person.user_id == user_id, Person.shut > 0)
        tx.execute(theirs.values(shut=0))


@writes
def forget(db: Database, platform: Platform, user_id: str) -> Forgotten:
    """Delete everything of a person: jobs, requests, sections, canvases, preferences, what they wrote and asked, and
    what was known of their own chat. Every message that shows something of their films goes out of the chats.

    Their name goes out of what is about others. A worker at one of their jobs hears LeaseLost.

    Their bans stay: they would else be lifted by being forgotten. So does, for a day and under a hash, the GPU time
    they used: `requests.tidy` removes it.
    """
    with db.transaction() as tx:
        theirs = find_jobs(tx, Job.platform == platform, Job.user_id == user_id)
        gone = _erase(tx, theirs, db.now())
        for table in (Person, Inbox, Question):
            tx.execute(delete(table).where(table.platform == platform, table.user_id == user_id))
        # Their chat with the bot has their own number where the platform has no other for it.
        tx.execute(delete(Chat).where(Chat.platform == platform, Chat.chat_id == user_id))
        _anonymise(tx, platform, user_id)
        return gone


@writes
def forget_job(db: Database, job_id: int, *, growing: bool = False) -> Forgotten:
    """Delete one film with everything of it; its message goes out of the chat. raises NoSuchJob.

    growing: only while it has not ended; else nothing is deleted
    """
    with db.transaction() as tx:
        job = load_job(tx, job_id)
        return _erase(tx, [] if growing and job.state.terminal else [job], db.now())


def _erase(tx: Connection, jobs: Sequence[rows.Job], now_ms: int) -> Forgotten:
    """Delete jobs with all that belongs to them, and have their messages removed."""
    ids = [job.id for job in jobs]
    requests = [job.request_id for job in jobs]
    _remove(tx, ids)
    shas: set[str] = set()
    for column in SHAS:
        table = column.class_
        mine = table.id.in_(requests) if table is Request else _of(table, ids)
        shas.update(sha for sha in tx.scalars(select(column).where(mine)) if sha)
    for job in jobs:
        if job.state == State.RUNNING:
            charge(tx, job, now_ms)
    tx.execute(update(Job).where(Job.parent_id.in_(ids)).values(parent_id=None))
    for belonging in belongings():
        tx.execute(delete(belonging).where(belonging.c.job_id.in_(ids)))
    for job in jobs:
        if not job.state.terminal:
            flows.leave(tx, job.id)
    lines = set(tx.scalars(select(Job.flow_id).where(Job.id.in_(ids))))
    tx.execute(delete(Job).where(Job.id.in_(ids)))
    for flow in lines - {None}:
        assert flow is not None
        flows.settle_flow(tx, flow)
    left = select(Job.id).where(Job.request_id == Request.id).exists()
    tx.execute(delete(Request).where(Request.id.in_(requests), ~left))
    return Forgotten(jobs=tuple(ids), files=unreferenced(tx, shas))


def belongings() -> list[Table]:
    """The tables whose rows belong to a job: those that refer to it by a job_id."""
    jobs = Base.metadata.tables[Job.__tablename__]
    found = [t for t in Base.metadata.sorted_tables if "job_id" in t.c and t.c.job_id.references(jobs.c.id)]
    return found[::-1]  # what refers to others of them comes later in the sorted ones, and goes first


def _of(table: Any, ids: Sequence[int]) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = table.id.in_(ids) if table is Job else table.job_id.in_(ids)
    return condition


def _remove(tx: Connection, ids: Sequence[int]) -> None:
    """Have every message that shows something of these jobs removed."""
    for table in (Canvas, Shown):
        standing = select(table.platform, table.chat_id, table.message_id).where(table.job_id.in_(ids))
        for row in tx.execute(standing.where(table.message_id.is_not(None))).all():
            removals.note(tx, row.platform, row.chat_id, row.message_id, 0)


def _anonymise(tx: Connection, platform: Platform, user_id: str) -> None:
    """Take their name out of rows that are about others."""
    operators.anonymise(tx, platform, user_id)
    wished = or_(
        and_(Job.platform == platform, Job.wish_by == user_id),
        Job.wish_by == operators.who(platform, user_id),  # an operator, of any platform's films
    )
    for job in find_jobs(tx, wished):
        change(tx, Job.id == job.id, wish_by="")  # its message may name them
    mine = and_(Report.platform == platform, Report.user_id == user_id)
    tx.execute(update(Report).where(mine).values(user_id=None, reason=""))
    solved = and_(Report.platform == platform, Report.resolved_by == user_id)
    tx.execute(update(Report).where(solved).values(resolved_by=""))


def _load(tx: Connection, platform: Platform, user_id: str) -> rows.Person:
    known = select(*PERSON).where(Person.platform == platform, Person.user_id == user_id)
    row = tx.execute(known).first()
    return rows.Person(platform=platform, user_id=user_id) if row is None else rows.Person(**row._mapping)


def _set(tx: Connection, platform: Platform, user_id: str, now_ms: int, values: dict[str, Any]) -> rows.Person:
    put(tx, Person, {"platform": platform, "user_id": user_id}, {**values, "changed_ms": now_ms})
    return _load(tx, platform, user_id)
