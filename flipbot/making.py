"""flipbot run, front, worker and animate: what makes films, until it is done or somebody ends it."""

import argparse
import asyncio
import logging
import os
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from bot import control, operate, terminal, words
from bot.errors import Refused
from bot.intake import prompts_of, quality_of, seconds_of, seed_of
from bot.picture import read_picture
from db import jobs, operators
from db.connect import Database, file_of, is_there
from db.errors import DatabaseAway, DatabaseBusy
from db.logs import start_log
from db.trouble import patiently
from flipbot.model import prepare_model
from flipbot.planning import need_inverted, rules
from flipbot.service import end, service
from flipbot.settings import Settings, settings_of
from gen.errors import OtherModel

log = logging.getLogger("flipbot")
T = TypeVar("T")
AWAY_S = 2.0  # between two tries to begin while the server of the database is away
PAUSED_S = 60.0  # how soon a pause is heard of that no commit here tells of


def command_run(args: argparse.Namespace, console: Console, locale: str) -> int:
    """flipbot run"""
    return stand(args, console, locale, takes=True, works=True, page=True, chats=True)


def command_front(args: argparse.Namespace, console: Console, locale: str) -> int:
    """flipbot front"""
    return stand(args, console, locale, takes=True, works=False, page=True, chats=True)


def command_worker(args: argparse.Namespace, console: Console, locale: str) -> int:
    """flipbot worker"""
    return stand(args, console, locale, takes=False, works=True, page=False)


def stand(args: argparse.Namespace, console: Console, locale: str, **parts: bool) -> int:
    """Run a service until somebody ends it: Ctrl-C or SIGTERM."""
    settings = settings_of(args)
    start_log(settings.service)
    card = prepare_model(settings, console, locale, works=parts["works"])

    async def running() -> None:
        ending = asyncio.Event()
        on_end_signals(asyncio.get_running_loop(), ending.set)
        async with AsyncExitStack() as stack:
            started = await once_there(stack, lambda: service(settings, **parts), ending)
            if started is None:
                return
            if not card.trained:
                terminal.tell(console, words.say(locale, "model.untrained"))
            if started.url:
                terminal.tell(console, words.say(locale, "terminal.page", url=started.url))
            log.info("started data_dir=%s model=%s", settings.data_dir, card.identity)
            waiting: list[asyncio.Task[Any]] = [
                asyncio.create_task(ending.wait()),
                asyncio.create_task(started.failure()),
            ]
            telling = [asyncio.create_task(tell_pauses(started.db, locale))] if parts["works"] else []
            if getattr(args, "until_empty", False):
                waiting.append(asyncio.create_task(until_empty(started.db)))
            try:
                ended, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await end([*telling, *(task for task in waiting if not task.done())])
            for task in ended:
                task.result()

    asyncio.run(running())
    return terminal.DONE


async def once_there(
    stack: AsyncExitStack,
    begin: Callable[[], AbstractAsyncContextManager[T]],
    ending: asyncio.Event,
    every_s: float = AWAY_S,
) -> T | None:
    """Begin as soon as the database can be had: after a power cut its server may be up later than this machine.

    returns: what began, until the stack ends; None where it is to end before that
    """
    told = False
    while not ending.is_set():
        try:
            return await stack.enter_async_context(begin())
        except (DatabaseAway, DatabaseBusy) as trouble:  # busy: a machine that froze while it wrote, say
            if not told:
                log.warning("the start waits: %s", trouble)
            told = True
        with suppress(TimeoutError):
            async with asyncio.timeout(every_s):
                await ending.wait()
    return None


async def until_empty(db: Database) -> None:
    """Wait until no job waits or runs; what waits for another model is left to it."""
    while True:
        seen = db.commits
        left = [job for job in await jobs.open_jobs(db) if job.reason != OtherModel.reason]
        if not left:
            return
        await db.changed(seen, 1.0)


async def tell_pauses(db: Database, locale: str) -> None:
    """Say once of each pause, be it there already or still to come, that no film is made and what opens the queue."""
    told = False
    while True:
        seen = db.commits
        closed = await patiently(lambda: operators.state(db), "the queue's state")
        if closed.paused and not told:
            log.warning("%s", operate.closed_lines(asdict(closed), locale)[0])
        told = closed.paused
        await db.changed(seen, PAUSED_S)


def on_end_signals(loop: asyncio.AbstractEventLoop, do: Callable[[], None]) -> None:
    """Call do on Ctrl-C and SIGTERM, on every system; whoever says it twice does not wait for what may hang.

    A process that just stops loses nothing: the rows are as after a power cut.
    """
    heard: list[int] = []

    def ending(number: int, _: object) -> None:
        if heard:
            os._exit(terminal.INTERRUPTED)
        heard.append(number)
        loop.call_soon_threadsafe(do)

    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), ending)


def command_animate(args: argparse.Namespace, console: Console, locale: str) -> int:
    """flipbot animate"""
    need_one_beginning(args)
    settings = settings_of(args)
    # Who sits at the machine decides for themselves when it is wanted
    settings = replace(settings, model=replace(settings.model, hours="", yields_to=()))
    limits = settings.limits
    bounds = {"max_bytes": settings.max_bytes, "max_megapixels": limits.image_max_megapixels}
    said, image = args.prompt, Path(args.image or "")
    if args.extend is not None:
        said, image = [args.image or "", *said], Path(f"film-{args.extend}")
    text = " ".join(said)
    picture = read_picture(image, **bounds) if args.extend is None else None
    end_picture = read_picture(args.end_image, **bounds) if args.end_image else None
    target = terminal.check_target(args.output, image, args.end_image)
    if args.extend is not None:
        need_film(settings, args.extend)
    checked = rules(settings)
    prompts_of(text, seconds_of(args.seconds, checked))
    seed_of(args.seed, lambda: 0)
    quality_of(args.quality, checked)
    card = prepare_model(settings, console, locale)
    if end_picture:
        need_inverted(card)
    order = terminal.Order(
        picture, end_picture, text, args.seconds, args.seed, args.quality, target, extend=args.extend
    )
    start_log(settings.service, quiet=True)

    async def animating() -> int:
        async with settings.connect() as remote:
            if remote is not None:
                hello = await remote.hello()
                if args.model and hello["model"] != card.name:
                    raise Refused("refused.other_model", got=card.name, served=hello["model"])
                if args.size:
                    raise Refused("refused.served_size")
                terminal.tell(
                    console,
                    words.say(locale, "terminal.elsewhere" if control.makes_films(hello) else control.NO_WORKER),
                )
                return await terminal.animate(remote, order, console, locale)
        async with service(settings, takes=True, works=True, page=False) as own:
            if not card.trained:
                terminal.tell(console, words.say(locale, "model.untrained"))
            async with settings.connect(patience_s=None) as remote:
                assert remote is not None, "the service has just opened its socket"
                watching = asyncio.create_task(terminal.animate(remote, order, console, locale))
                failing = asyncio.create_task(own.failure())
                try:
                    ended, _ = await asyncio.wait([watching, failing], return_when=asyncio.FIRST_COMPLETED)
                finally:  # Ctrl-C comes this way, too
                    await end([task for task in (watching, failing) if not task.done()])
                return watching.result() if watching in ended else failing.result() or terminal.FAILED

    return asyncio.run(animating())


def need_film(settings: Settings, number: int) -> None:
    """See that a film can be there, before anything is made where it would lie. raises: Refused"""
    operate.film_number(number)
    if not is_there(settings.database.url, settings.data_dir):
        raise Refused("terminal.no_database", path=str(file_of(settings.database.url, settings.data_dir)))


def need_one_beginning(args: argparse.Namespace) -> None:
    """A film begins with a picture, or goes on with one that is there. raises: Refused."""
    if args.extend is None and args.image is None:
        raise Refused("terminal.no_picture")
    fixed = {"--seed": args.seed, "--quality": args.quality, "--end-image": args.end_image}
    if args.extend is not None and (given := [name for name, value in fixed.items() if value is not None]):
        raise Refused("terminal.extend_keeps", options=given)
    for name, value in (("--seconds", args.seconds), ("--seed", args.seed), ("--quality", args.quality)):
        if value is not None and not value.strip():
            raise Refused("terminal.option_empty", option=name)
