"""The operator's hand on the queue: pause, resume, drain, put first, cancel, ban; and the audit of all that.

scope: "all", or a server's id, for that server alone. by: who does it, `who(Platform.DISCORD, "123")` or "terminal".
Each deed and its line in the audit are one commit.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)

from db import flows, rows
from db.absences import find_away
from db.connect import Database, reads, writes
from db.flows import ALL
from db.models import Audit, Ban, Gate, Job, Platform, ServerLimits, State
from db.query import change, find_jobs, load_job, put, set_down, wished_end

log = logging.getLogger("flipbot.queue")

SERVER_LIMITS: Final = ("queued_per_user", "queued_per_chat", "gpu_seconds_per_day", "cooldown_s", "longest_seconds")
NAMES: Final = 500  # of one query
BAN = (Ban.platform, Ban.user_id, Ban.scope, Ban.until_ms, Ban.reason, Ban.by, Ban.since_ms)
_DEED = (Audit.id, Audit.at_ms, Audit.by, Audit.action, Audit.scope, Audit.target, Audit.reason, Audit.facts)


def who(platform: Platform, user_id: str) -> str:
    """How a person is named as the one who did something, or to whom it was done."""
    return f"{platform}:{user_id}"


@writes
def pause(db: Database, by: str, reason: str = "", scope: str = ALL, *, at_once: bool = False) -> None:
    """Begin no section any more; those under way are finished. With no reason the one that is given already stays.

    at_once: those under way are given up, to be made anew later; nobody pays for them
    """
    with db.transaction() as tx:
        _gate(tx, db.now(), by, reason, scope, "pause_now" if at_once else "pause", paused=True)
        if at_once:
            theirs = [] if scope == ALL else [Job.server_id == scope]
            for job in find_jobs(tx, Job.state == State.RUNNING, *theirs):
                set_down(tx, Job.id == job.id, wished_end(job, job.film) or State.QUEUED, db.now())


@writes
def resume(db: Database, by: str, scope: str = ALL) -> None:
    """Open again what was paused or drained."""
    with db.transaction() as tx:
        _gate(tx, db.now(), by, "", scope, "resume", paused=False, draining=False)


@writes
def drain(db: Database, by: str, reason: str = "", scope: str = ALL) -> None:
    """Take no new films in; those in line are finished. With no reason the one that is given already stays."""
    with db.transaction() as tx:
        _gate(tx, db.now(), by, reason, scope, "drain", draining=True)


def _gate(tx: Connection, now_ms: int, by: str, reason: str, scope: str, action: str, **closed: bool) -> None:
    if scope != ALL and closed.get("paused") is False:
        flows.come_back(tx, Job.server_id == scope)
    values = {**closed, "by": by, "since_ms": now_ms}
    said = {"reason": reason} if reason or action == "resume" else {}
    put(tx, Gate, {"scope": scope}, values | said, {"reason": reason})
    if scope != ALL and "paused" in closed:  # for all it is asked at each claim; of one server, its jobs leave the line
        theirs = select(Job.id).where(Job.state == State.QUEUED, Job.server_id == scope)
        for job_id in list(tx.scalars(theirs)):
            flows.settle(tx, job_id)
    _audit(tx, now_ms, by, action, scope, reason=reason)


@reads
def state(db: Database, server_id: str = "") -> rows.QueueState:
    """What is closed for everybody, or else for that server; and whether anybody makes films now."""
    with db.reading() as tx:
        return replace(find_state(tx, server_id), away=find_away(tx, db.steady()))


_GATE = (Gate.scope, Gate.paused, Gate.draining, Gate.reason, Gate.by, Gate.since_ms)
_CLOSED = select(*_GATE).where(Gate.scope.in_([ALL, bindparam("here")]), or_(Gate.paused, Gate.draining))


def find_state(tx: Connection, server_id: str = "") -> rows.QueueState:
    """What is closed, in a transaction."""
    return _together({row.scope: row for row in tx.execute(_CLOSED, {"here": server_id})}, server_id)


@reads
def gates(db: Database, newest: int = NAMES) -> dict[str, rows.QueueState]:
    """What is closed for one server alone, by its id; what was closed last comes first."""
    some = select(*_GATE).where(Gate.scope != ALL, or_(Gate.paused, Gate.draining))
    with db.reading() as tx:
        found = tx.execute(some.order_by(Gate.since_ms.desc(), Gate.scope).limit(newest))
        return {row.scope: _together({row.scope: row}, row.scope) for row in found}


def find_states(tx: Connection, servers: Collection[str]) -> dict[str, rows.QueueState]:
    """As `find_state`, of several servers."""
    some = select(*_GATE).where(Gate.scope.in_([ALL, *servers]), or_(Gate.paused, Gate.draining))
    found = {row.scope: row for row in tx.execute(some)}
    return {server: _together(found, server) for server in servers}


def _together(found: Mapping[str, Any], server_id: str) -> rows.QueueState:
    """What the gates for all and of one server close together; the one for all says why."""
    gates = [found[scope] for scope in (ALL, server_id) if scope in found]
    if not gates:
        return rows.QueueState()
    said, paused, draining = gates[0], any(row.paused for row in gates), any(row.draining for row in gates)
    return rows.QueueState(paused=paused, draining=draining, reason=said.reason, by=said.by, since_ms=said.since_ms)


@writes
def prioritise(db: Database, by: str, job_id: int) -> rows.Job:
    """Put a job before all others, until it is finished. One that has ended stays as it is. raises NoSuchJob."""
    with db.transaction() as tx:
        job = load_job(tx, job_id)
        if not job.state.terminal:
            change(tx, Job.id == job_id, hurried=True)
            _audit(tx, db.now(), by, "prioritise", job.server_id or ALL, str(job_id))
        return load_job(tx, job_id)


@writes
def cancel(db: Database, by: str, job_id: int, reason: str = "") -> rows.Job:
    """Cancel anybody's job, as `requests.wish` does for its owner. raises NoSuchJob."""
    with db.transaction() as tx:
        job = load_job(tx, job_id)
        if job.state.terminal or job.wish == "cancel":
            return job
        wished: dict[str, Any] = {"wish": "cancel", "wish_by": by}
        if job.state == State.RUNNING:
            change(tx, Job.id == job_id, **wished)
        else:
            set_down(tx, Job.id == job_id, State.CANCELLED, db.now(), **wished)
        _audit(tx, db.now(), by, "cancel", job.server_id or ALL, str(job_id), reason)
        return load_job(tx, job_id)


@writes
def ban(
    db: Database,
    by: str,
    platform: Platform,
    user_id: str,
    until_ms: int | None = None,
    reason: str = "",
    scope: str = ALL,
) -> rows.Ban:
    """Let somebody ask for nothing, until a time or for ever (None). A new ban of the same scope replaces the old one.

    What they have in line stays there: cancel it, if it should go.
    """
    with db.transaction() as tx:
        now = db.now()
        values: dict[str, Any] = {"until_ms": until_ms, "reason": reason, "by": by, "since_ms": now}
        key: dict[str, Any] = {"platform": platform, "user_id": user_id, "scope": scope}
        put(tx, Ban, key, values)
        _audit(tx, now, by, "ban", scope, who(platform, user_id), reason, {"until_ms": until_ms})
        return rows.Ban(**key, **values)


@writes
def unban(db: Database, by: str, platform: Platform, user_id: str, scope: str = ALL) -> bool:
    """Lift a ban; false where there was none."""
    with db.transaction() as tx:
        same = (Ban.platform == platform, Ban.user_id == user_id, Ban.scope == scope)
        lifted = tx.execute(delete(Ban).where(*same).returning(Ban.id)).first() is not None
        if lifted:
            _audit(tx, db.now(), by, "unban", scope, who(platform, user_id))
        return lifted


@reads
def banned(db: Database, platform: Platform, user_id: str, server_id: str = "") -> rows.Ban | None:
    """The ban that holds for somebody now, in all or on that server; of two, the longer."""
    with db.reading() as tx:
        return find_ban(tx, platform, user_id, server_id, db.now())


def find_ban(tx: Connection, platform: Platform, user_id: str, server_id: str, now_ms: int) -> rows.Ban | None:
    """As `banned`, in a transaction."""
    asked = {"on": platform, "user": user_id, "here": server_id, "now_ms": now_ms}
    return longest(rows.Ban(**row._mapping) for row in tx.execute(_BANS_OF, asked))


def holds(now_ms: int | BindParameter[int]) -> ColumnElement[bool]:
    """A ban is not over."""
    return or_(Ban.until_ms.is_(None), Ban.until_ms > now_ms)


_BANS_OF = select(*BAN).where(
    Ban.platform == bindparam("on"),
    Ban.user_id == bindparam("user"),
    Ban.scope.in_([ALL, bindparam("here")]),
    holds(bindparam("now_ms", type_=BigInteger)),
)


def longest(bans: Iterable[rows.Ban]) -> rows.Ban | None:
    """Of several bans the one that counts."""
    return max(bans, key=lambda ban: (ban.until_ms is None, ban.until_ms or 0), default=None)


@reads
def bans(db: Database, scope: str | None = None) -> list[rows.Ban]:
    """The bans that hold now, newest first; of one scope only, if given."""
    with db.reading() as tx:
        found = select(*BAN).where(holds(db.now())).order_by(Ban.id.desc())
        if scope is not None:
            found = found.where(Ban.scope == scope)
        return [rows.Ban(**row._mapping) for row in tx.execute(found)]


@writes
def limit_server(db: Database, by: str, server_id: str, limits: Mapping[str, float], role: str = "") -> None:
    """Set a server's own limits (of SERVER_LIMITS), instead of those it had. They only count where they are narrower.

    role:   of one of its roles alone, whose members they hold for instead of the server's
    raises: ValueError, for another name or a value below 0
    """
    name = limits_of(server_id, role)
    if wrong := [name for name, value in limits.items() if name not in SERVER_LIMITS or value < 0]:
        raise ValueError(f"a server's limits are {', '.join(SERVER_LIMITS)}, from 0 on; not {', '.join(wrong)}")
    with db.transaction() as tx:
        values = {"limits": dict(limits), "by": by, "since_ms": db.now()}
        put(tx, ServerLimits, {"server_id": name}, values)
        _audit(tx, db.now(), by, "limits", server_id, role, facts=dict(limits))


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLimits:
    """What admins set: for their server, and for those of somebody's roles there that they set some for."""

    server: Mapping[str, float]
    roles: tuple[Mapping[str, float], ...] = ()


def limits_of(server_id: str, role: str = "") -> str:
    """The name under which the limits of a server, or of one of its roles, are kept."""
    return f"{server_id}/{role}" if role else server_id


@reads
def server_limits(db: Database, server_id: str, roles: Sequence[str] = ()) -> OwnLimits:
    """A server's own limits and those of its roles; nothing where its admins set none."""
    with db.reading() as tx:
        return own_limits(find_limits(tx, {(server_id, role) for role in ("", *roles)}), server_id, roles)


def find_limits(tx: Connection, whose: Collection[tuple[str, str]]) -> Mapping[str, Mapping[str, float]]:
    """The limits of servers and roles (server, role or ""), by `limits_of`, in a transaction."""
    names = sorted(limits_of(server, role) for server, role in whose if server)
    found: dict[str, Mapping[str, float]] = {}
    for n in range(0, len(names), NAMES):
        some = ServerLimits.server_id.in_(names[n : n + NAMES])
        said = tx.execute(select(ServerLimits.server_id, ServerLimits.limits).where(some))
        found |= {row.server_id: row.limits for row in said}
    return found


def own_limits(found: Mapping[str, Mapping[str, float]], server_id: str, roles: Sequence[str]) -> OwnLimits:
    """What of the limits that were found is somebody's."""
    theirs = tuple(found[name] for role in roles if (name := limits_of(server_id, role)) in found)
    return OwnLimits(server=found.get(server_id, {}), roles=theirs)


@reads
def audit(db: Database, newest: int = 50, scope: str | None = None) -> list[rows.Deed]:
    """What operators did, newest first."""
    with db.reading() as tx:
        deeds = select(*_DEED).order_by(Audit.id.desc()).limit(newest)
        if scope is not None:
            deeds = deeds.where(Audit.scope == scope)
        return [rows.Deed(**row._mapping) for row in tx.execute(deeds)]


def anonymise(tx: Connection, platform: Platform, user_id: str) -> None:
    """Take a person's name out of what operators did, by them or to them. Their bans stay."""
    name = who(platform, user_id)
    for table in (Gate, Ban, ServerLimits, Audit):
        tx.execute(update(table).where(table.by == name).values(by=""))
    tx.execute(update(Audit).where(Audit.target == name).values(target=""))


def _audit(
    tx: Connection,
    now_ms: int,
    by: str,
    action: str,
    scope: str,
    target: str = "",
    reason: str = "",
    facts: Mapping[str, Any] | None = None,
) -> None:
    said = {"by": by, "action": action, "scope": scope, "target": target, "reason": reason, "facts": dict(facts or {})}
    tx.execute(insert(Audit).values(at_ms=now_ms, **said))
    log.info("operator action=%s scope=%s target=%s by=%s", action, scope, target, by)
