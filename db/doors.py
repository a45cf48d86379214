"""Who asks for something, and where: what is known of both, read once for all who ask at the same moment.

In a burst each read of its own would cost several turns of a connection's thread, and who asks waits for an answer.
"""

import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from db import operators, people, rows
from db.connect import AT_ONCE, Database, reads
from db.flows import ALL, IS_OPEN, MODEL_RUNS
from db.models import Ban, Chat, Job, Memo, Person, Platform
from db.together import Call

Who = tuple[Platform, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Knock:
    """Who asks, and where. server_id: "" where there is none; memos: names of what else is wanted of `inbox.memo`."""

    platform: Platform
    user_id: str
    chat_id: str
    server_id: str = ""
    roles: tuple[str, ...] = ()
    memos: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What is known.

    ban:         the one that holds now
    unreachable: why nobody could speak in the chat
    closed:      what operators closed, for everybody or for that server
    queued:      their films that wait or run, without those whose model does not
    limits:      of the server and of their roles there
    memos:       those found
    """

    person: rows.Person
    ban: rows.Ban | None
    unreachable: str | None
    closed: rows.QueueState
    queued: int
    limits: operators.OwnLimits
    memos: Mapping[str, str]


async def look(db: Database, knock: Knock) -> Door:
    """What is known of somebody who asks, and of the chat.

    Those who come while a look is under way are looked up together, in the next one.
    """
    return await _looked_up(db, db.knocking.wait(knock))


@reads
def _looked_up(db: Database, own: Call[Knock, Door]) -> Door:
    if own.error is not None:  # this is the second try
        own = db.knocking.wait(own.asked)
    door: Door = db.knocking.answer(own, functools.partial(_look_up, db), AT_ONCE)
    return door


def _look_up(db: Database, together: Sequence[Call[Knock, Door]]) -> None:
    try:
        doors = _all(db, [each.asked for each in together])
    except Exception as error:  # noqa: BLE001  (raised by each call of `look`)
        for each in together:
            each.error = error
    else:
        for each, door in zip(together, doors, strict=True):
            each.got = door


def _all(db: Database, knocks: Sequence[Knock]) -> list[Door]:
    now = db.now()
    with db.reading() as tx:
        known = _people(tx, knocks)
        bans = _bans(tx, knocks, now)
        closed = _closed(tx, knocks)
        gates = operators.find_states(tx, {knock.server_id for knock in knocks})
        queued = _queued(tx, knocks)
        limits = operators.find_limits(tx, {(k.server_id, role) for k in knocks for role in ("", *k.roles)})
        memos = _memos(tx, knocks)
    return [
        Door(
            person=known.get((k.platform, k.user_id), rows.Person(platform=k.platform, user_id=k.user_id)),
            ban=operators.longest(b for b in bans.get((k.platform, k.user_id), ()) if b.scope in (ALL, k.server_id)),
            unreachable=closed.get((k.platform, k.chat_id)),
            closed=gates[k.server_id],
            queued=queued.get((k.platform, k.user_id), 0),
            limits=operators.own_limits(limits, k.server_id, k.roles),
            memos={name: memos[name] for name in k.memos if name in memos},
        )
        for k in knocks
    ]


def _people(tx: Connection, knocks: Sequence[Knock]) -> dict[Who, rows.Person]:
    theirs = select(*people.PERSON).where(Person.platform.in_(_platforms(knocks)), Person.user_id.in_(_users(knocks)))
    return {(row.platform, row.user_id): rows.Person(**row._mapping) for row in tx.execute(theirs)}


def _bans(tx: Connection, knocks: Sequence[Knock], now_ms: int) -> dict[Who, list[rows.Ban]]:
    theirs = select(*operators.BAN).where(
        Ban.platform.in_(_platforms(knocks)), Ban.user_id.in_(_users(knocks)), operators.holds(now_ms)
    )
    found: dict[Who, list[rows.Ban]] = defaultdict(list)
    for row in tx.execute(theirs):
        found[row.platform, row.user_id].append(rows.Ban(**row._mapping))
    return found


def _closed(tx: Connection, knocks: Sequence[Knock]) -> dict[tuple[Platform, str], str]:
    chats = {knock.chat_id for knock in knocks}
    shut = select(Chat.platform, Chat.chat_id, Chat.unreachable).where(
        Chat.platform.in_(_platforms(knocks)), Chat.chat_id.in_(chats), Chat.unreachable.is_not(None)
    )
    return {(row.platform, row.chat_id): row.unreachable for row in tx.execute(shut)}


def _queued(tx: Connection, knocks: Sequence[Knock]) -> dict[Who, int]:
    theirs = select(Job.platform, Job.user_id, func.count().label("queued")).where(
        IS_OPEN, MODEL_RUNS, Job.platform.in_(_platforms(knocks)), Job.user_id.in_(_users(knocks))
    )
    found = tx.execute(theirs.group_by(Job.platform, Job.user_id))
    return {(row.platform, row.user_id): row.queued for row in found}


def _memos(tx: Connection, knocks: Sequence[Knock]) -> dict[str, str]:
    names = {name for knock in knocks for name in knock.memos}
    if not names:
        return {}
    return {row.name: row.value for row in tx.execute(select(Memo.name, Memo.value).where(Memo.name.in_(names)))}


def _platforms(knocks: Sequence[Knock]) -> set[Platform]:
    return {knock.platform for knock in knocks}


def _users(knocks: Sequence[Knock]) -> set[str]:
    return {knock.user_id for knock in knocks}
