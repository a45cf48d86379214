"""Starts what this process is to do, passes each part what it needs, and ends it in order."""

import asyncio
import logging
import os
import platform
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, TypeVar

from bot import control
from bot.errors import Refused
from bot.front import Front
from bot.intake import Intake
from bot.metrics import Metrics
from bot.once import lately
from bot.page import Page
from bot.page_guard import read_key
from db import absences, engines, jobs, workers
from db.connect import CLOSING_S, Database
from db.errors import MediaAway, OtherStore
from db.house import housekeeping, tidy_here
from db.media import Media, settle_store
from db.models import Platform
from db.room import Room
from db.speaker import Speaker
from db.trouble import patiently
from flipbot.checkup import doctor_command, where_we_are
from flipbot.model import changed_model, described, give_up, model_trouble
from flipbot.open_files import Short, raise_limit
from flipbot.planning import make_planner, make_replanner, model_facts, rules
from flipbot.settings import Settings, make_folder
from gen.card import Card
from gen.dispatch import Dispatch, Siblings
from gen.leave import Leave
from gen.memory import largest
from gen.process import QUIET
from gen.renditions import Renditions

log = logging.getLogger("flipbot")
TROUBLE_S = 2.0  # how long what ails the model or the disk is taken to be so
ENDING_S = 2.0  # how long a verb waits for a database that is away, once the service ends


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Starting = Callable[[], Coroutine[Any, Any, None]]


class Listens(Protocol[T_co]):
    """A part of the service that others talk to."""

    def start(self) -> Awaitable[T_co]:
        """Listen from now on."""

    def stop(self) -> Awaitable[None]:
        """Listen no more."""


@dataclass(frozen=True)
class Service:
    """What runs: url is the page's, where there is one."""

    db: Database
    url: str | None
    tasks: tuple["asyncio.Future[None]", ...]

    async def failure(self) -> None:
        """Wait for ever; raises what ended one of the tasks."""
        ended, _ = await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()


@asynccontextmanager
async def service(
    settings: Settings, *, takes: bool, works: bool, page: bool, chats: bool = False
) -> AsyncIterator[Service]:
    """Run what this process is to do, as the only owner of its data folder.

    takes: films in, over the control socket; page: and over the page; chats: and from those that are configured;
    works: makes them
    raises: Refused, DbError, GenError, before anything is started
    """
    data_dir = settings.data_dir
    card, folder = described(settings, works=works)
    sizes = settings.video.sizes(settings.model)
    largest(card, sizes)  # raises, where the checkpoint has no such size
    files = raise_limit()
    asyncio.get_running_loop().set_exception_handler(Short())
    make_folder(data_dir)
    async with AsyncExitStack() as stack:
        url = settings.database.url
        db = await stack.enter_async_context(Database.open(url, data_dir=data_dir, steps=page or chats))
        name = workers.name_of(data_dir, platform.node() or "host")
        await jobs.recover(db, name)
        await absences.back(db, name)
        crew = workers.Crew(db, name, card.identity, works=works)
        helps = db.shared and not page  # makes what a front of its own plans
        if db.shared:
            await join(crew, stack)
        intake = make_intake(settings, db, card, folder, page=page)
        speaks = partial(speaking, settings, intake, chats=chats)
        for each in speaks():  # raises ConfigError, before anything is started
            each.close()
        starting: list[Starting] = []
        if db.shared:
            starting += [crew.run, partial(tidy_here, db, intake.media)]
        begins = partial(begin, intake, crew, helps=helps, serves=not helps and (works or db.shared))
        try:
            if refused := await begins():
                raise refused
        except MediaAway as away:
            log.warning("%s", away)
            starting.append(partial(later, begins))
        hello = {"version": version("flipbot"), "model": card.name, "trained": card.trained, "pid": os.getpid()}
        controls = control.Control(
            intake if takes else None, db, intake.media, data_dir, lambda: hello | {"works": crew.there}
        )
        await opened(controls, stack)
        address = None
        if page:
            address = await opened(make_page(settings, intake, crew, files), stack)
            if (at := settings.service.metrics_at()) is not None:
                await opened(Metrics(db, *at), stack)
        if not db.shared:
            starting.append(partial(first_of, speaks))
        elif page or chats:
            starting.append(partial(Speaker(url).run, partial(first_of, speaks)))
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if works:

            async def other_model(loaded: str) -> str:
                """With others there this process does not say for all which model runs."""
                if helps or (db.shared and await crew.others()):
                    return await give_up(ended, crew, loaded)
                return await changed_model(settings, intake, crew, hello)

            await engines.begins(db, name.partition(":")[0])
            leave = Leave(settings.model)
            if leave.asked:
                leave.why = await asyncio.to_thread(leave.look)  # before the first turn
                starting.append(partial(leave.run, db, name))
            starting += [each.run for each in make_dispatchers(settings, intake, name, sizes, other_model, leave)]
        tasks = tuple(asyncio.create_task(each()) for each in starting)
        stack.push_async_callback(end, tasks, CLOSING_S if db.shared else None)
        stack.callback(setattr, db, "busy_s", ENDING_S)  # who ends waits no longer for a server that is away
        yield Service(db, address, (*tasks, ended))


async def opened(part: "Listens[T]", stack: AsyncExitStack) -> T:
    """Start what listens, and stop it when the stack ends; returns what its start does."""
    started = await part.start()
    stack.push_async_callback(part.stop)
    return started


def make_intake(settings: Settings, db: Database, card: Card, folder: Path | None, *, page: bool) -> Intake:
    """What takes films in. page: it is served, so that links lead to it"""
    return Intake(
        db,
        settings.open_media(),
        make_planner(card, settings.model, settings.video),
        rules(settings),
        model_facts(card, folder),
        replanner=make_replanner(card),
        public_url=settings.web.public_url if page else "",
    )


def make_dispatchers(
    settings: Settings,
    intake: Intake,
    name: str,
    sizes: Sequence[str],
    other_model: Callable[[str], Awaitable[str]],
    leave: Leave,
) -> list[Dispatch]:
    """What makes films, on each device. name: of this process    leave: says when the machine is its owner's"""
    siblings = Siblings()
    return [
        Dispatch(
            *(intake.db, intake.media, replace(settings.model, device=device), settings.models_dir),
            worker=workers.engine_of(name, n),
            room=Room(intake.media, settings.min_free),
            texts_dir=settings.data_dir / "texts",
            sizes=sizes,
            on_other_model=other_model,
            check=settings.check,
            siblings=siblings,
            leave=leave,
        )
        for n, device in enumerate(settings.model.devices)
    ]


def speaking(settings: Settings, intake: Intake, *, chats: bool) -> list[Coroutine[Any, Any, None]]:
    """What only one process on a database does: talk in the chats, fit films to them, and keep house."""
    db, media = intake.db, intake.media
    front = Front(intake, db, media, settings.safety)
    if chats:
        front.discord(settings.discord)
        front.telegram(settings.telegram)
    keep_days, keep_latents_days = settings.safety.keep_days, settings.safety.keep_latents_days
    return [*front.tasks(), housekeeping(db, media, keep_days, keep_latents_days), Renditions(db, media).run()]


async def first_of(starting: Callable[[], Sequence[Coroutine[Any, Any, None]]]) -> None:
    """Run all of them until one ends; raises what ended it."""
    tasks = [asyncio.create_task(each) for each in starting()]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end([task for task in tasks if not task.done()])
    for task in ended:
        task.result()


async def end(tasks: Collection["asyncio.Task[Any]"], patience_s: float | None = None) -> None:
    """Cancel the tasks and wait until they have put everything in order.

    patience_s: of what waits so long for a server that hangs, no more is put in order
    """
    left = set(tasks)
    for _ in range(2):
        for task in left:
            task.cancel()
        if left:
            ended, left = await asyncio.wait(left, timeout=patience_s)
            for task in ended:
                task.cancelled() or task.exception()  # seen


async def join(crew: workers.Crew, stack: AsyncExitStack) -> None:
    """Be one of the processes on a shared database until the stack ends.

    raises: Refused, where the others' model differs
    """
    stack.push_async_callback(crew.leave)
    for other in await crew.join():
        if other.model != crew.model:
            at = other.name.partition(":")[0]
            raise Refused("refused.several_models", got=crew.model, served=other.model, at=at)


async def begin(intake: Intake, crew: workers.Crew, *, helps: bool, serves: bool) -> Refused | None:
    """What comes before the first film: its files are where the others' are, and it is planned for what runs now.

    helps:  it makes what others plan, so that its files are not elsewhere than before, though it be alone
    serves: this process says which model runs
    returns: why it cannot begin
    """
    try:
        anew = intake.db.shared and not helps and not await crew.others()
        await settle_store(intake.db, intake.media, anew=anew)
    except OtherStore as other:
        return Refused("refused.worker_media", place=other.where)
    if serves:
        await intake.serve_model(crew.model)
    return None


async def later(begins: Callable[[], Coroutine[Any, Any, Refused | None]]) -> None:
    """As `begin`, once the bucket can be reached; until then films of older versions stay as they are."""
    if refused := await patiently(begins, "the beginning"):
        raise refused
    await asyncio.Event().wait()


def make_page(settings: Settings, intake: Intake, crew: workers.Crew, files: int) -> Page:
    """The page as it is configured. files: that this process may have open, of which the page gets half"""
    web, media = settings.web, intake.media
    tokens = {Platform.DISCORD: settings.discord.secret(), Platform.TELEGRAM: settings.telegram.secret()}

    async def examined(locale: str) -> str:
        """What `flipbot doctor` says; it imports torch, so it does so in a process of its own."""
        quiet = {**os.environ, **QUIET, "NO_COLOR": "1", "LC_ALL": locale, "PYTHONUTF8": "1", **where_we_are()}
        child = await asyncio.create_subprocess_exec(
            *doctor_command(settings), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=quiet
        )
        said, _ = await child.communicate()
        return said.decode("utf-8", "replace")

    return Page(
        *(intake, intake.db, media),
        host=web.host,
        port=web.port,
        trouble=lately(lambda: trouble_now(settings, media, crew), TROUBLE_S),
        password=web.secret(),
        guest_password=web.guest_secret(),
        public_url=web.public_url,
        key=read_key(settings.data_dir),
        doctor=examined,
        chats=[chat for chat, token in tokens.items() if token],
        connections=files // 2,
    )


def trouble_now(settings: Settings, media: Media, crew: workers.Crew) -> Refused | None:
    """What everybody should read before they ask for a film."""
    if media.free_bytes() < settings.min_free:
        return Refused("trouble.disk")
    return (model_trouble(settings) if crew.works else None) or (None if crew.there else Refused(control.NO_WORKER))
