"""flipbot queue, pause, ban, film, move and their like: what is done with the queue and what it left."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from bot import control, operate, terminal, words
from bot.errors import Refused
from db import jobs, moving, workers
from db.config import load
from db.connect import Database, file_of, is_shared, is_there
from db.models import State
from flipbot.settings import SECTIONS, Settings, make_folder, naming, settings_of

EMPTY = "terminal.queue_empty"
QUEUE_EVERY_S = 1.0


def command_queue(args: argparse.Namespace, console: Console, locale: str) -> int:
    """flipbot queue"""
    settings = settings_of(args)
    out = terminal.printer()

    def shown(line: dict[str, Any], idle: str | None) -> RenderableType:
        """The line, below what is closed and the key of why nothing is being made."""
        told = [Text(closed) for closed in operate.closed_lines(line["state"], locale)]
        if idle and line["jobs"]:
            told.append(Text(words.say(locale, idle)))
        table = terminal.queue_table(line["jobs"], locale, line["more"])
        return Group(*told, table if line["jobs"] else Text(words.say(locale, EMPTY)))

    async def show() -> None:
        idle: str | None = "terminal.no_service"
        async with settings.connect() as remote:
            if remote is not None:
                idle = None if control.makes_films(await remote.hello()) else control.NO_WORKER
            if remote is not None and out.is_terminal and not args.once:
                with Live(shown(await remote.queue(), idle), console=out, auto_refresh=False) as live:
                    while True:
                        await asyncio.sleep(QUEUE_EVERY_S)
                        live.update(shown(await remote.queue(), idle), refresh=True)
            if remote is not None:
                line = await remote.queue()
            elif is_there(settings.database.url, settings.data_dir):
                async with Database.open(settings.database.url, data_dir=settings.data_dir) as db:
                    await jobs.recover(db)  # what is said to run died with the service
                    line = await control.queue(db)
                    if db.shared:
                        idle = None if await workers.working(db) else control.NO_WORKER
                if idle:
                    line["jobs"] = [{**job, "eta_ms": None} for job in line["jobs"]]
            else:
                line = {"jobs": [], "more": 0, "state": operate.OPEN}
        if line["jobs"] or operate.closed_lines(line["state"], locale):
            out.print(shown(line, idle))
        elif settings.data_dir.is_dir():
            terminal.tell(console, words.say(locale, EMPTY))
        else:
            terminal.tell(console, words.say(locale, "terminal.no_folder", path=str(settings.data_dir)))

    with suppress(KeyboardInterrupt):
        asyncio.run(show())
    return terminal.DONE


@asynccontextmanager
async def reached(settings: Settings) -> AsyncIterator[control.Remote | control.Here]:
    """The service that runs, or where none does the database that one left. raises: Refused, where there is none."""
    async with settings.connect() as remote:
        if remote is not None:
            yield remote
            return
    database = settings.database.url
    if not is_there(database, settings.data_dir):
        raise Refused("terminal.no_database", path=str(file_of(database, settings.data_dir)))
    make_folder(settings.data_dir)
    async with Database.open(settings.database.url, data_dir=settings.data_dir) as db:
        yield control.Here(db, settings.open_media())


async def order(settings: Settings, **what: Any) -> tuple[dict[str, Any], bool]:
    """Give an operator's order to the service that runs, or carry it out here; and whether a service heard it."""
    async with reached(settings) as there:
        return await there.operate(what), isinstance(there, control.Remote)


def give(
    args: argparse.Namespace, console: Console, locale: str, said: Callable[[dict[str, Any]], str], **what: Any
) -> int:
    """Give an order and say what it did, and that no service runs, where it holds only from its start.

    said: the sentence of it
    """
    settings = settings_of(args)
    done, served = asyncio.run(order(settings, **what))
    terminal.tell(console, said(done))
    holds = what["action"] == "cancel" or is_shared(settings.database.url)  # already, whoever serves
    if not served and not holds:
        terminal.tell(console, words.say(locale, "terminal.not_served", path=str(settings.data_dir)))
    return terminal.DONE


def command_gate(args: argparse.Namespace, console: Console, locale: str) -> int:
    """flipbot pause, resume, drain"""
    reason = " ".join(getattr(args, "reason", []))

    def said(state: dict[str, Any]) -> str:
        return "\n".join(operate.gate_lines(args.action, args.server, state, locale))

    now = getattr(args, "now", False)
    return give(args, console, locale, said, action=args.action, reason=reason, scope=args.server, now=now)


def command_first(args: argparse.Namespace, console: Console, locale: str) -> int:
    """flipbot first JOB"""
    say = partial(words.say, locale, "terminal.did_first")
    return give(args, console, locale, lambda done: say(job=done["job"]), action="first", job=args.job)


def command_ban(args: argparse.Namespace, console: Console, locale: str) -> int:
    """flipbot ban, unban"""
    who, server = args.who, args.server
    what = {"action": args.action, "who": who, "scope": server}
    if args.action == "unban":
        return give(args, console, locale, lambda _: words.say(locale, "terminal.did_unban", who=who), **what)
    what |= {"for_ms": operate.lasting(args.lasting), "reason": args.reason}
    return give(args, console, locale, lambda ban: operate.ban_line(who, server, ban["until_ms"], locale), **what)


def command_audit(args: argparse.Namespace, console: Console, locale: str) -> int:
    """flipbot audit"""
    done, _ = asyncio.run(order(settings_of(args), action="audit"))
    if done["deeds"]:
        terminal.printer().print(operate.audit_table(done["deeds"], locale))
    else:
        terminal.tell(console, words.say(locale, "terminal.audit_empty"))
    return terminal.DONE


def command_cancel(args: argparse.Namespace, console: Console, locale: str) -> int:
    """flipbot cancel JOB [REASON]"""
    say = partial(words.say, locale, "terminal.cancelled_job")
    what = {"action": "cancel", "job": args.job, "reason": " ".join(args.reason)}
    return give(args, console, locale, lambda done: say(job=done["job"]), **what)


def command_film(args: argparse.Namespace, console: Console, locale: str) -> int:
    """flipbot film [JOB]"""
    settings = settings_of(args)

    async def save() -> int:
        async with reached(settings) as there:
            found = await there.operate({"action": "film", "job": args.job})
            over = State(found["state"]).terminal
            target = terminal.check_target(args.output, Path(f"film-{found['job']}"))
            if found["has_film"] or not over:
                await there.film(found["job"], target)
            terminal.report(found, target, console, locale)
            if isinstance(there, control.Here) and not over and not await there.made():
                terminal.tell(console, words.say(locale, "terminal.no_service"))
            return terminal.DONE if found["has_film"] else terminal.FAILED

    return asyncio.run(save())


def command_move(args: argparse.Namespace, console: Console, locale: str) -> int:
    """flipbot move TO.toml"""
    old = settings_of(args)
    new = Settings(**load(args.to, SECTIONS), file=args.to)
    if not is_there(old.database.url, old.data_dir):
        raise Refused("terminal.no_database", path=str(file_of(old.database.url, old.data_dir)))
    with naming(args.to):
        target, to_place = new.open_media(), new.place
    if old.place == to_place:
        raise Refused("refused.move_nowhere", path=str(args.to))
    make_folder(new.data_dir)
    alone = old.data_dir != new.data_dir or not is_shared(new.database.url)

    async def move() -> int:
        source = old.open_media()
        async with AsyncExitStack() as stack:
            db = await stack.enter_async_context(Database.open(old.database.url, data_dir=old.data_dir))
            await jobs.recover(db)
            with naming(args.to):
                there = Database.open(new.database.url, data_dir=new.data_dir, alone=alone)
                to = await stack.enter_async_context(there)
            await moving.need_empty(to)
            missing, same = 0, source.place() == target.place()
            if not same:
                with terminal.counting(console, words.say(locale, "terminal.moving_files")) as told:
                    missing = await moving.copy_files(source, target, db, told)
            rows = await moving.copy_rows(db, to, same_store=same)
        if missing:
            terminal.tell(console, words.say(locale, "terminal.move_missing", count=missing))
        terminal.tell(console, words.say(locale, "terminal.moved", rows=rows, path=str(args.to)))
        return terminal.DONE

    return asyncio.run(move())
