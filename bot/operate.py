"""The operator's commands from a terminal: one order as plain JSON, done here or sent to the service that runs."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from rich.table import Table

from bot import words
from bot.errors import Refused
from bot.intake import moment
from db import operators
from db.connect import Database
from db.errors import NoSuchJob
from db.flows import ALL
from db.models import Platform

BY: Final = "terminal"
UNITS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
NEWEST: Final = 50

Order = Mapping[str, Any]  # "action", and what it needs: reason, scope, job, who, for_ms


async def operate(db: Database, order: Order) -> dict[str, Any]:
    """Carry an order out; returns what there is to say of it. raises: Refused"""
    action = ACTIONS.get(str(order.get("action")))
    if action is None:
        raise Refused("refused.request")
    try:
        return await action(db, order)
    except NoSuchJob as error:
        raise Refused("terminal.no_such_job", job=order.get("job")) from error


async def _pause(db: Database, order: Order) -> dict[str, Any]:
    await operators.pause(db, BY, _reason(order), _scope(order))
    return asdict(await operators.state(db))


async def _resume(db: Database, order: Order) -> dict[str, Any]:
    await operators.resume(db, BY, _scope(order))
    return asdict(await operators.state(db))


async def _drain(db: Database, order: Order) -> dict[str, Any]:
    await operators.drain(db, BY, _reason(order), _scope(order))
    return asdict(await operators.state(db))


async def _state(db: Database, order: Order) -> dict[str, Any]:
    return asdict(await operators.state(db))


async def _first(db: Database, order: Order) -> dict[str, Any]:
    job = await operators.prioritise(db, BY, int(order["job"]))
    if job.state.terminal:
        raise Refused("refused.job_over")
    return {"job": job.id}


async def _ban(db: Database, order: Order) -> dict[str, Any]:
    platform, user = person(str(order.get("who")))
    lasting = order.get("for_ms")
    until = None if lasting is None else db.now() + int(lasting)
    ban = await operators.ban(db, BY, platform, user, until, _reason(order), _scope(order))
    return asdict(ban)


async def _unban(db: Database, order: Order) -> dict[str, Any]:
    platform, user = person(str(order.get("who")))
    if not await operators.unban(db, BY, platform, user, _scope(order)):
        raise Refused("refused.not_banned", who=order.get("who"))
    return {}


async def _audit(db: Database, order: Order) -> dict[str, Any]:
    return {"deeds": [asdict(deed) for deed in await operators.audit(db, NEWEST)]}


ACTIONS: Final[Mapping[str, Callable[[Database, Order], Awaitable[dict[str, Any]]]]] = {
    "pause": _pause,
    "resume": _resume,
    "drain": _drain,
    "state": _state,
    "first": _first,
    "ban": _ban,
    "unban": _unban,
    "audit": _audit,
}


def _reason(order: Order) -> str:
    return words.clean(str(order.get("reason") or ""), 200)


def _scope(order: Order) -> str:
    return str(order.get("scope") or ALL)[:100]


def person(who: str) -> tuple[Platform, str]:
    """The person that "discord:123" or "telegram:123" names. raises: Refused"""
    platform, _, user = who.partition(":")
    if platform not in set(Platform) or not user or len(user) > 100:
        raise Refused("refused.person", got=words.clean(who, 40))
    return Platform(platform), user


def lasting(said: str | None) -> int | None:
    """Milliseconds of "30m", "12h" or "7d"; None for ever. raises: Refused"""
    if said is None:
        return None
    found = re.fullmatch(r"(\d{1,5})([mhd])", said.strip(), re.ASCII)
    if found is None or not int(found[1]):
        raise Refused("refused.lasting", got=words.clean(said, 40))
    return int(found[1]) * UNITS[found[2]]


def state_line(state: Mapping[str, Any], locale: str) -> str:
    """What is closed, in one sentence; empty where all is open."""
    for closed in ("paused", "draining"):
        if state[closed]:
            key = f"terminal.{closed}_because" if state["reason"] else f"terminal.{closed}"
            return words.say(locale, key, reason=state["reason"])
    return ""


def audit_table(deeds: list[dict[str, Any]], locale: str) -> Table:
    """What operators did, newest first."""
    table = Table(box=None, pad_edge=False)
    for column in ("at", "by", "action", "scope", "target", "reason"):
        table.add_column(words.say(locale, f"terminal.column_{column}"), overflow="fold")
    for deed in deeds:
        said = [words.clean(str(deed[name])) for name in ("by", "action", "scope", "target", "reason")]
        table.add_row(moment(deed["at_ms"]), *said)
    return table
