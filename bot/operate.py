"""The operator's commands from a terminal: one order as plain JSON, done here or sent to the service that runs."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from rich.table import Table

from bot import words
from bot.canvas import absence, look
from bot.errors import Refused
from bot.intake import BACKWARDS, moment, unmade
from db import jobs, operators
from db.connect import Database
from db.errors import NoSuchJob
from db.flows import ALL
from db.models import Platform
from db.rows import Job, QueueState

BY: Final = "terminal"
UNITS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
NEWEST: Final = 50
IDS: Final = {  # as each platform knows people
    Platform.DISCORD: r"\d{1,20}",
    Platform.TELEGRAM: r"\d{1,20}",
    Platform.PAGE: r"[0-9a-f]{32}",  # Guard.visitor
    Platform.TERMINAL: "terminal",
}

OPEN: Final[Mapping[str, Any]] = {**asdict(QueueState()), "servers": {}}  # as `closed` says it

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
    await operators.pause(db, BY, _reason(order), scope_of(order), at_once=bool(order.get("now")))
    return await closed(db)


async def _resume(db: Database, order: Order) -> dict[str, Any]:
    await operators.resume(db, BY, scope_of(order))
    return await closed(db)


async def _drain(db: Database, order: Order) -> dict[str, Any]:
    await operators.drain(db, BY, _reason(order), scope_of(order))
    return await closed(db)


async def _state(db: Database, order: Order) -> dict[str, Any]:
    return await closed(db)


async def closed(db: Database) -> dict[str, Any]:
    """What is closed for everybody; under "servers" what is for each of those alone. Plain JSON."""
    servers = {server: asdict(gate) for server, gate in (await operators.gates(db)).items()}
    return {**asdict(await operators.state(db)), "servers": servers}


async def _first(db: Database, order: Order) -> dict[str, Any]:
    return {"job": await first(db, BY, film_number(order.get("job")))}


async def first(db: Database, by: str, id: int) -> int:
    """Put a film before all others; returns its number. raises: Refused, where it has ended; NoSuchJob"""
    job = await operators.prioritise(db, by, id)
    if job.state.terminal:
        raise Refused("refused.film_ended", job=id)
    return id


async def _cancel(db: Database, order: Order) -> dict[str, Any]:
    return {"job": await cancel(db, BY, film_number(order.get("job")), _reason(order))}


async def cancel(db: Database, by: str, id: int, reason: str = "") -> int:
    """Cancel anybody's film; returns its number. raises: Refused, where it has ended; NoSuchJob"""
    if (await jobs.get(db, id)).state.terminal:
        raise Refused("refused.film_ended", job=id)
    await operators.cancel(db, by, id, reason)
    return id


async def _film(db: Database, order: Order) -> dict[str, Any]:
    """Any film's facts, as the line shows anybody's; with no number the newest that a terminal asked for."""
    if order.get("job") is not None:
        return await facts(db, await jobs.get(db, film_number(order["job"])))
    newest = await jobs.recent(db, 1, platform=Platform.TERMINAL)
    if not newest:
        raise Refused("terminal.no_films")
    return await facts(db, newest[0])


async def _ban(db: Database, order: Order) -> dict[str, Any]:
    platform, user = person(str(order.get("who")))
    lasting = order.get("for_ms")
    until = None if lasting is None else db.now() + int(lasting)
    ban = await operators.ban(db, BY, platform, user, until, _reason(order), scope_of(order))
    return asdict(ban)


async def _unban(db: Database, order: Order) -> dict[str, Any]:
    await unban(db, BY, str(order.get("who")), scope_of(order))
    return {}


async def unban(db: Database, by: str, who: str, scope: str) -> None:
    """Lift a ban. raises: Refused, where there is none"""
    if not await operators.unban(db, by, *named(who), scope):
        raise Refused("refused.not_banned", who=words.clean(who, 140))


async def _audit(db: Database, order: Order) -> dict[str, Any]:
    return {"deeds": [asdict(deed) for deed in await operators.audit(db, NEWEST)]}


ACTIONS: Final[Mapping[str, Callable[[Database, Order], Awaitable[dict[str, Any]]]]] = {
    "pause": _pause,
    "resume": _resume,
    "drain": _drain,
    "state": _state,
    "first": _first,
    "cancel": _cancel,
    "film": _film,
    "ban": _ban,
    "unban": _unban,
    "audit": _audit,
}


async def facts(db: Database, job: Job) -> dict[str, Any]:
    """One job as a terminal shows it.

    can_extend: --extend can go on with it
    unmade:     texts that no section is made of
    """
    own, onwards = job.platform == Platform.TERMINAL, job.plan.get("sampling") != BACKWARDS
    asked = {"job": job.id, "prompt": job.prompt, "platform": job.platform, "seed": job.settings.get("seed")}
    more = {"can_extend": own and onwards, "unmade": unmade(job)}
    return {**asked, **more, **asdict(await look(db, job))}


def _reason(order: Order) -> str:
    return words.clean(str(order.get("reason") or ""), 200)


def scope_of(order: Order) -> str:
    """A server, or all. raises: Refused"""
    said = str(order.get("scope") or "")
    if said and not re.fullmatch(r"-?\d{1,20}", said, re.ASCII):
        raise Refused("refused.server", got=words.clean(said, 40))
    return said or ALL


def film_number(said: object) -> int:
    """The film that a number names. raises: Refused"""
    if not re.fullmatch(r"\d{1,18}", str(said), re.ASCII):
        raise Refused("refused.film_number", got=words.clean(str(said), 40))
    return int(str(said))


def person(who: str) -> tuple[Platform, str]:
    """The person that "discord:123" names, where there can be such a one. raises: Refused"""
    platform, user = named(who)
    if not re.fullmatch(IDS[platform], user, re.ASCII):
        raise _nobody(who)
    return platform, user


def named(who: str) -> tuple[Platform, str]:
    """What "discord:123" names, be it somebody or not: what was banned once can be let go. raises: Refused"""
    platform, _, said = who.partition(":")
    user = words.clean(said)
    if platform not in list(Platform) or not user:
        raise _nobody(who)
    return Platform(platform), user


def _nobody(who: str) -> Refused:
    return Refused("refused.person", got=words.clean(who, 40))


def lasting(said: str | None) -> int | None:
    """Milliseconds of "30m", "12h" or "7d"; None for ever. raises: Refused"""
    if said is None:
        return None
    found = re.fullmatch(r"(\d{1,5})([mhd])", said.strip(), re.ASCII)
    if found is None or not int(found[1]):
        raise Refused("refused.lasting", got=words.clean(said, 40))
    return int(found[1]) * UNITS[found[2]]


def closed_lines(state: Mapping[str, Any], locale: str) -> list[str]:
    """What is closed, a sentence for all and one for each server; nothing where all is open.

    state: as `closed`; a service from before an upgrade says nothing of servers
    """
    return [*_closed_line(state, locale), *away_lines(state.get("away"), locale), *_server_lines(state, locale)]


def away_lines(away: Mapping[str, Any] | None, locale: str) -> list[str]:
    """Why nobody makes films now, in a sentence for whoever runs the machine; nothing where somebody does."""
    if not away:
        return []
    key = absence(away["reason"])
    machine = str(away["name"]).partition(":")[0]
    facts = {name: words.clean(str(fact), 80) for name, fact in away["facts"].items()}
    return [words.say(locale, f"terminal.{key}", **{"program": "?", "opens": "?", **facts, "machine": machine})]


def gate_lines(action: str, server: str, state: Mapping[str, Any], locale: str) -> list[str]:
    """What an operator has just closed or opened, for all or for one server; and what stays closed beside it."""
    everybody = _closed_line(state, locale)
    if gate := state.get("servers", {}).get(server):
        return _closed_line(gate, locale, server)
    if server:
        key = "terminal.server_open_only" if everybody else "terminal.server_open"
        return [words.say(locale, key, server=server), *everybody]
    rest = _server_lines(state, locale) if action == "resume" else []
    return [*(everybody or [words.say(locale, "terminal.did_resume")]), *rest]


def _server_lines(state: Mapping[str, Any], locale: str) -> list[str]:
    return [line for server, gate in state.get("servers", {}).items() for line in _closed_line(gate, locale, server)]


def _closed_line(gate: Mapping[str, Any], locale: str, server: str = "") -> list[str]:
    """What is closed, for all or for that server, in one sentence, if anything is."""
    kind = QueueState(paused=gate["paused"], draining=gate["draining"]).kind
    if kind == "open":
        return []
    key = f"terminal.{'server_' if server else ''}{kind}{'_because' if gate['reason'] else ''}"
    return [words.say(locale, key, server=server, reason=gate["reason"])]


def ban_line(who: str, server: str, until_ms: int | None, locale: str) -> str:
    """Who is banned where, and how long."""
    key = ("terminal.server_ban" if server else "terminal.did_ban") + ("" if until_ms is None else "_until")
    return words.say(locale, key, who=who, server=server, until="" if until_ms is None else moment(until_ms))


def audit_table(deeds: list[dict[str, Any]], locale: str) -> Table:
    """What operators did, newest first."""
    table = Table(box=None, pad_edge=False)
    for column in ("at", "by", "action", "scope", "target", "reason"):
        table.add_column(words.say(locale, f"terminal.column_{column}"), overflow="fold", no_wrap=column == "at")
    for deed in deeds:
        scope = words.say(locale, "admin.everywhere") if deed["scope"] == ALL else deed["scope"]
        said = (deed["by"], done(locale, deed["action"]), scope, deed["target"], deed["reason"])
        table.add_row(moment(deed["at_ms"]), *(words.clean(str(each)) for each in said))
    return table


def done(locale: str, action: str) -> str:
    """What an operator did, in words; what a newer service did, as it stands."""
    key = f"admin.did.{action}"
    return words.say(locale, key) if key in words.LANGUAGES["en"] else action
