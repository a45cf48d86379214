"""The command line, and the one file that sees every room: it starts them and passes them what they need."""

import argparse
import asyncio
import locale as system_locale
import logging
import os
import platform
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

import gen.bench
from bot import control, doctor, fetching, operate, terminal, words
from bot.config import DiscordConfig, LimitsConfig, SafetyConfig, TelegramConfig, WebConfig
from bot.errors import Gone, Refused
from bot.front import Front
from bot.intake import (
    Example,
    Intake,
    ModelFacts,
    Planned,
    Planner,
    Prompts,
    Replanner,
    Rules,
    prompts_of,
    quality_of,
    seconds_of,
    seed_of,
)
from bot.metrics import Metrics
from bot.once import lately
from bot.page import Page
from bot.page_guard import read_key
from bot.picture import read_picture
from db import jobs, moving, operators, requests, workers
from db.config import DatabaseConfig, MediaConfig, ServiceConfig, load
from db.connect import Database, file_of, is_shared, is_there
from db.doctor import examine_database, examine_disk, examine_library, examine_media, examine_store
from db.errors import DbError, MediaAway, OtherStore
from db.finding import Finding
from db.house import housekeeping, tidy_here
from db.logs import start_log
from db.media import Media, mark_store, need_same_store, open_media
from db.models import State
from db.room import Room
from db.rows import Worker
from db.speaker import Speaker
from db.trouble import patiently
from gen import hub, sources
from gen.card import PRESETS, Card, find_checkpoint
from gen.config import ModelConfig, VideoConfig
from gen.dispatch import Dispatch
from gen.errors import CheckpointMissing, GenError, OtherModel
from gen.files import check, present
from gen.memory import largest
from gen.plan import continue_plan, frames_after, make_plan
from gen.process import QUIET
from gen.renditions import Renditions
from gen.roofline import Pace
from gen.types import Plan

log = logging.getLogger("flipbot")

SECTIONS = {
    "service": ServiceConfig,
    "database": DatabaseConfig,
    "media": MediaConfig,
    "discord": DiscordConfig,
    "telegram": TelegramConfig,
    "web": WebConfig,
    "model": ModelConfig,
    "video": VideoConfig,
    "limits": LimitsConfig,
    "safety": SafetyConfig,
}
DEFAULT_PROMPT = "gentle, natural movement"  # what an empty prompt means
BENCHES = {
    **gen.bench.BENCHES,
    "page": "many who watch one film grow",
    "answer": "how soon chats are answered in a burst",
}
BOTH = "On one machine, `flipbot run` does both: `front` and `worker` exclude each other on one SQLite file."
GATE = "take no new films in; those in line are finished"
EMPTY = "terminal.queue_empty"
NO_WORKER = "terminal.no_worker"
QUEUE_EVERY_S = 1.0
PAUSED_S = 60.0  # how soon a pause is heard of that no commit here tells of
BOT_BENCHES = ("page", "answer")  # of what people meet; the others are the engine's and the queue's
INVERTED = "inverted"  # the order in which a film is made from its end, for those that have an end picture
CONFIG = Path("config.toml")
MIB = 1 << 20
GIB = 1 << 30
ENDING_S = 2.0  # how long a verb waits for a database that is away, once the service ends
TROUBLE_S = 2.0  # how long what ails the model or the disk is taken to be so
SPEED_OF = 30  # sections that the doctor judges the speed by


@dataclass(frozen=True)
class Settings:
    """The configuration of every room, the command line's word included."""

    service: ServiceConfig
    database: DatabaseConfig
    media: MediaConfig
    discord: DiscordConfig
    telegram: TelegramConfig
    web: WebConfig
    model: ModelConfig
    video: VideoConfig
    limits: LimitsConfig
    safety: SafetyConfig
    file: Path | None = None  # that it was read from

    @property
    def data_dir(self) -> Path:
        """Where everything is kept."""
        return self.service.folder()

    def open_media(self) -> Media:
        """Where pictures and films are kept. raises ConfigError."""
        return open_media(self.media, self.data_dir)

    @property
    def place(self) -> tuple[str, Path]:
        """Which database it is."""
        url = self.database.url
        return (url if is_shared(url) else "", file_of(url, self.data_dir))

    @property
    def models_dir(self) -> Path:
        """Where checkpoints are kept."""
        return self.model.folder(self.data_dir)

    @property
    def max_bytes(self) -> int:
        """The largest file of a picture."""
        return self.limits.image_max_mib * MIB

    @property
    def min_free(self) -> int:
        """Bytes on the disk below which nothing new is taken in."""
        return self.media.min_free_mib * MIB


def settings_of(args: argparse.Namespace) -> Settings:
    """The configuration file (-c, else ./config.toml where there is one), overruled by the command line."""
    path = args.config or (CONFIG if CONFIG.is_file() else None)
    settings = Settings(**load(path, SECTIONS), file=path)
    if args.data_dir:
        settings = replace(settings, service=replace(settings.service, data_dir=str(args.data_dir)))
    if getattr(args, "model", None):
        settings = replace(settings, model=replace(settings.model, name=args.model))
    if getattr(args, "size", None):
        settings = replace(settings, model=replace(settings.model, size=args.size))
    if getattr(args, "models_dir", None):
        settings = replace(settings, model=replace(settings.model, models_dir=str(args.models_dir)))
    return settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0 done, 1 failed, 2 bad usage or bad input, 130 cancelled."""
    parser = arguments()
    args, more = parser.parse_known_args(argv)
    if more and (args.command is not command_animate or any(word.startswith("-") for word in more)):
        getattr(args, "parser", parser).error(f"unrecognized arguments: {' '.join(more)}")
    if more:  # words of the text that stand behind an option
        args.prompt = [*args.prompt, *more]
    if args.command is None:
        parser.print_help(sys.stderr)
        return terminal.BAD_INPUT
    spoken = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG")
    locale = words.pick([spoken or system_locale.getlocale()[0] or "en"])
    console = terminal.printer(stderr=True, soft_wrap=True)
    try:
        code: int = args.command(args, console, locale)
        return code
    except Refused as refused:
        terminal.tell(console, f"flipbot: {words.say(locale, refused.key, **refused.facts)}")
        if isinstance(refused, Gone):
            return terminal.FAILED
    except (DbError, GenError) as error:
        terminal.tell(console, f"flipbot: {error}")
    except KeyboardInterrupt:
        return terminal.INTERRUPTED
    return terminal.BAD_INPUT


def arguments() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = argparse.ArgumentParser(prog="flipbot", description="A picture becomes a film, second by second.")
    parser.add_argument("--version", action="version", version=f"flipbot {version('flipbot')}")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(metavar="COMMAND")

    def add(name: str, command: Callable[..., int], help: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help)
        sub.add_argument("-c", "--config", type=Path, help="configuration file (default: config.toml here, if any)")
        sub.add_argument("--data-dir", type=Path, help="folder of everything that is kept")
        sub.set_defaults(command=command, parser=sub)
        return sub

    def with_model(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
        sub.add_argument("--model", help="checkpoint: tiny, framepack, framepack-f1, or a folder")
        sub.add_argument("--size", help="the films' size, such as 192 (tiny) or 512 (framepack-f1)")
        sub.add_argument("--models-dir", type=Path, help="folder of downloaded checkpoints")
        return sub

    with_model(add("run", command_run, "everything on this machine: page, queue and engine"))
    front = with_model(
        add("front", command_front, "only what people talk to: it takes films in, another process makes them")
    )
    worker = with_model(add("worker", command_worker, "only the engine: it makes the films that wait"))
    front.epilog = worker.epilog = BOTH
    worker.add_argument("--until-empty", action="store_true", help="end when nothing is left to do")
    animate = with_model(add("animate", command_animate, "turn one picture into a film, here in the terminal"))
    animate.add_argument("image", nargs="?", metavar="IMAGE", help="the picture; not with --extend")
    animate.add_argument("prompt", nargs="*", default=[], metavar="PROMPT", help="what should happen")
    animate.add_argument("--extend", type=int, metavar="JOB", help="go on with a film that was made in a terminal")
    animate.add_argument("--seconds", help="length of the film")
    animate.add_argument("--seed", help="a whole number: the same one gives the same film")
    animate.add_argument("--quality", help="a preset of the configuration: draft, standard or best")
    animate.add_argument("--end-image", type=Path, metavar="IMAGE", help="the picture that the film ends with")
    animate.add_argument("-o", "--output", type=Path, metavar="OUT.mp4", help="the film (default: IMAGE's name, here)")
    queue = add("queue", command_queue, "show what is in line, as it changes")
    queue.add_argument("--once", action="store_true", help="only as it is now")
    gates = {"pause": "begin no section any more", "resume": "go on after a pause, take films in again", "drain": GATE}
    for name, says in gates.items():
        gate = add(name, command_gate, says)
        gate.set_defaults(action=name)
        gate.add_argument("--server", default="", metavar="ID", help="for one Discord server or Telegram group alone")
        if name != "resume":
            gate.add_argument("reason", nargs="*", metavar="REASON", help="what people are told")
    first = add("first", command_first, "put a film before all others")
    first.add_argument("job", metavar="JOB", help="its number, as `flipbot queue` shows it")
    for name, says in (("ban", "let somebody ask for nothing"), ("unban", "lift a ban")):
        ban = add(name, command_ban, says)
        ban.set_defaults(action=name)
        ban.add_argument("who", metavar="WHO", help="discord:ID, telegram:ID, or page:ID as /admin shows it")
        ban.add_argument("--server", default="", metavar="ID", help="on one Discord server or Telegram group alone")
        if name == "ban":
            ban.add_argument("--for", dest="lasting", metavar="TIME", help="30m, 12h or 7d (default: for ever)")
            ban.add_argument("--reason", default="", help="what they are told")
    add("audit", command_audit, "show what operators did, newest first")
    cancel = add("cancel", command_cancel, "stop a film, whether it waits or is being made")
    cancel.add_argument("job", metavar="JOB", help="its number, as `flipbot queue` shows it")
    cancel.add_argument("reason", nargs="*", metavar="REASON", help="what flipbot audit says of it")
    film = add("film", command_film, "save a film that is kept here, or what is ready of it")
    film.add_argument(
        "job", nargs="?", metavar="JOB", help="its number (default: the last one asked for in a terminal)"
    )
    film.add_argument("-o", "--output", type=Path, metavar="OUT.mp4", help="the film (default: film-JOB.mp4, here)")
    move = add("move", command_move, "copy the queue, the people and all films to another database and media store")
    move.add_argument("to", type=Path, metavar="TO.toml", help="configuration that says where to; the old place stays")
    with_model(add("doctor", command_doctor, "say what works on this machine, and what to do about the rest"))
    fetch = add("download", command_download, "fetch the weights of a large model; it goes on where it stopped")
    fetch.add_argument("name", metavar="MODEL", help="framepack or framepack-f1")
    fetch.add_argument("--models-dir", type=Path, help="folder of downloaded checkpoints")
    fetch.add_argument("--from", dest="source", type=Path, metavar="DIR", help="take the files from a copy here")
    fetch.add_argument("--accept-licence", action="store_true", help="the licence is read and accepted")
    bench = commands.add_parser(
        "bench",
        help="measure",
        description="Measure; each prints a small table.",
        epilog=gen.bench.listed(BENCHES),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    bench.add_argument("name", nargs="?", choices=BENCHES, metavar="NAME", help="what to measure")
    bench.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="its options: flipbot bench NAME --help")
    bench.set_defaults(command=command_bench)
    return parser


# The service


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
    make_folder(data_dir)
    async with AsyncExitStack() as stack:
        url = settings.database.url
        db = await stack.enter_async_context(Database.open(url, data_dir=data_dir, steps=page or chats))
        name = workers.name_of(data_dir, platform.node() or "host")
        await jobs.recover(db, name)
        crew = workers.Crew(db, name, card.identity, works=works)
        helps = db.shared and not page  # makes what a front of its own plans
        others = await join(crew) if db.shared else []
        media = settings.open_media()
        planner, replanner = make_planner(card, settings.model, settings.video), make_replanner(card)
        public = settings.web.public_url if page else ""
        facts = model_facts(card, folder)
        intake = Intake(db, media, planner, rules(settings), facts, replanner=replanner, public_url=public)
        running: list[Coroutine[Any, Any, None]] = [crew.run()] if db.shared else []
        if helps or others:
            await need_their_files(db, media)
        if helps:
            running.append(tidy_here(db, media))
        elif works or db.shared:
            begins = partial(begin, intake, card, alone=not others)
            try:
                await begins()
            except MediaAway:
                running.append(later(begins))
        said = {"version": version("flipbot"), "model": card.name, "trained": card.trained, "pid": os.getpid()}

        def hello() -> dict[str, Any]:
            return said | {"works": crew.there}

        controls = control.Control(intake if takes else None, db, media, data_dir, hello)
        await controls.start()
        stack.push_async_callback(controls.stop)
        address = None
        if page:
            shown = make_page(settings, intake, db, media, crew)
            address = await shown.start()
            stack.push_async_callback(shown.stop)
        if page and (at := settings.service.metrics_at()) is not None:
            measured = Metrics(db, *at)
            await measured.start()
            stack.push_async_callback(measured.stop)
        speaks = partial(speaking, settings, intake, db, media, chats=chats)
        if not db.shared:
            running += speaks()
        elif page or chats:
            for each in speaks():  # raises ConfigError, before anything is started
                each.close()
            running.append(Speaker(url).run(lambda: first_of(speaks())))
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if works:
            room = Room(media, settings.min_free)
            texts = data_dir / "texts"
            changed = partial(give_up, ended, card) if helps else partial(changed_model, settings, intake, said)
            dispatch = Dispatch(
                *(db, media, settings.model, settings.models_dir),
                worker=name,
                room=room,
                texts_dir=texts,
                sizes=sizes,
                on_other_model=changed,
            )
            running.append(dispatch.run())
        tasks = tuple(asyncio.create_task(each) for each in running)
        stack.push_async_callback(end, tasks)
        stack.callback(setattr, db, "busy_s", ENDING_S)  # who ends waits no longer for a server that is away
        yield Service(db, address, (*tasks, ended))


def speaking(
    settings: Settings, intake: Intake, db: Database, media: Media, *, chats: bool
) -> list[Coroutine[Any, Any, None]]:
    """What only one process on a database does: talk in the chats, fit films to them, and keep house."""
    front = Front(intake, db, media, settings.safety)
    if chats:
        front.discord(settings.discord)
        front.telegram(settings.telegram)
    keep_days, keep_latents_days = settings.safety.keep_days, settings.safety.keep_latents_days
    return [*front.tasks(), housekeeping(db, media, keep_days, keep_latents_days), Renditions(db, media).run()]


async def first_of(running: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run all of them until one ends; raises what ended it."""
    tasks = [asyncio.create_task(each) for each in running]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end([task for task in tasks if not task.done()])
    for task in ended:
        task.result()


async def changed_model(settings: Settings, intake: Intake, said: dict[str, Any], loaded: str) -> str:
    """The checkpoint was changed under the service: from now on films are planned for the one that is there.

    returns: its identity; of one that cannot be read, nothing, and all stays as it is
    """
    try:
        checkpoint = await asyncio.to_thread(find_checkpoint, settings.model.name, settings.models_dir)
    except GenError as error:
        log.warning("the model cannot be read: %s", error)
        return ""
    card = checkpoint.card
    log.warning("the model was changed under the service; it goes on with model=%s", card.identity)
    intake.planner = make_planner(card, settings.model, settings.video)
    intake.replanner, intake.model = make_replanner(card), model_facts(card, checkpoint.folder)
    said |= {"model": card.name, "trained": card.trained}
    await intake.serve_model(card.identity)
    return card.identity


async def join(crew: workers.Crew) -> list[Worker]:
    """Be one of the processes on a shared database; returns the others. raises: Refused, where their model differs."""
    others = await crew.join()
    for other in others:
        if other.model != crew.model:
            await workers.gone(crew.db, crew.name)
            at = other.name.partition(":")[0]
            raise Refused("refused.several_models", got=crew.model, served=other.model, at=at)
    return others


async def need_their_files(db: Database, media: Media) -> None:
    """See that the files of the others are where this process looks for them. raises: Refused."""
    try:
        await need_same_store(db, media)
    except OtherStore as other:
        raise Refused("refused.worker_media", place=other.where) from other
    except MediaAway as away:  # the dispatcher looks again
        log.warning("%s", away)


async def begin(intake: Intake, card: Card, *, alone: bool) -> None:
    """What comes before the first film: it is planned for what runs now. alone: others will look where its files are"""
    if alone:
        await mark_store(intake.db, intake.media)
    await intake.serve_model(card.identity)


async def later(begins: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """As `begin`, once the bucket can be reached; until then films of older versions stay as they are."""
    await patiently(begins, "the beginning")
    await asyncio.Event().wait()


async def give_up(ended: "asyncio.Future[None]", card: Card, loaded: str) -> str:
    """A worker was handed a film of another model than it has loaded. It never says for all which model runs: where its
    own checkpoint was changed, it ends."""
    if loaded != card.identity:
        ended.set_exception(Refused("refused.model_changed", got=loaded, served=card.identity))
        await asyncio.sleep(3600)
    return loaded


def make_page(settings: Settings, intake: Intake, db: Database, media: Media, crew: workers.Crew) -> Page:
    """The page as it is configured."""
    web, data_dir = settings.web, settings.data_dir

    async def examined() -> str:
        """What `flipbot doctor` says; it imports torch, so it does so in a process of its own."""
        quiet = {**os.environ, **QUIET, "NO_COLOR": "1"}
        child = await asyncio.create_subprocess_exec(
            *doctor_command(settings), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=quiet
        )
        said, _ = await child.communicate()
        return said.decode("utf-8", "replace")

    return Page(
        *(intake, db, media),
        host=web.host,
        port=web.port,
        trouble=lately(lambda: trouble_now(settings, media, crew), TROUBLE_S),
        password=web.secret(),
        public_url=web.public_url,
        key=read_key(data_dir),
        doctor=examined,
    )


def doctor_command(settings: Settings) -> list[str]:
    """The doctor's command line, for the same settings."""
    file = ["--config", str(settings.file)] if settings.file else []
    folders = ["--data-dir", str(settings.data_dir), "--models-dir", str(settings.models_dir)]
    size = ["--size", settings.model.size] if settings.model.size else []
    return [sys.executable, "-m", "flipbot", "doctor", *file, *folders, "--model", settings.model.name, *size]


async def end(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    """Cancel the tasks and wait until they have put everything in order."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def make_folder(folder: Path) -> None:
    """Make the data folder, readable by its owner only. raises: Refused."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Refused("refused.data_dir", path=str(folder), why=error.strerror) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Refused("refused.data_dir", path=str(folder), why="it may not be written to")


def rules(settings: Settings) -> Rules:
    """What may be asked for, as configured; the quality that changes nothing comes first, as the default."""
    limits, video = settings.limits, settings.video
    return Rules(
        queue=requests.Limits(
            queued_per_user=limits.queued_per_user,
            queued_per_chat=limits.queued_per_chat,
            queued_in_all=limits.queued_in_all,
            gpu_seconds_per_day=limits.gpu_seconds_per_day,
            cooldown_s=limits.cooldown_s,
        ),
        roles=limits.roles,
        longest_seconds=video.longest_seconds,
        default_seconds=min(video.default_seconds, video.longest_seconds),
        qualities=tuple(sorted(video.qualities, key=lambda name: name != "standard")),
        max_bytes=settings.max_bytes,
        max_megapixels=limits.image_max_megapixels,
        min_free=settings.min_free,
        blocked_words=settings.safety.blocked_words,
    )


def make_planner(card: Card, model: ModelConfig, video: VideoConfig) -> Planner:
    """What turns an accepted request into a plan for this checkpoint."""

    def plan(
        *, size: tuple[int, int], seconds: float, prompts: Prompts, seed: int, quality: str, ends: bool
    ) -> Planned:
        preset = video.qualities[quality]
        if ends:
            need_inverted(card)
        try:
            made = make_plan(
                card,
                picture_size=size,
                seconds=seconds,
                prompts=prompts,
                seed=seed,
                sampling=INVERTED if ends else None,
                size=preset.size or model.size or None,
                steps=preset.steps(card.steps),
                step_cache=preset.step_cache or None,
            )
        except GenError as error:
            raise Refused("refused.unsuited", why=str(error)) from error
        return planned(card, made)

    return plan


def make_replanner(card: Card) -> Replanner:
    """What makes a plan out of another film's, for this checkpoint."""

    def replan(
        plan: Mapping[str, Any],
        *,
        kept: int,
        sections: int,
        seconds: float = 0.0,
        prompts: Prompts = (),
        seed: int | None = None,
    ) -> Planned:
        try:
            made = continue_plan(
                card, Plan.from_json(plan), kept=kept, sections=sections, seconds=seconds, prompts=prompts, seed=seed
            )
            return planned(card, made)
        except OtherModel as error:
            raise Refused("refused.made_by_other_model", **error.facts) from error
        except GenError as error:
            raise Refused("refused.unsuited", why=str(error)) from error

    return replan


def planned(card: Card, plan: Plan) -> Planned:
    """The plan as the room of the chats has it."""
    frames = frames_after(plan.sections, plan.window, card.time_compression)
    return Planned(plan=plan.to_json(), sections=plan.sections, frames=frames, fps=plan.fps)


def need_inverted(card: Card) -> None:
    """Raise Refused where the checkpoint cannot make a film from its end."""
    if INVERTED not in card.samplings:
        raise Refused("refused.end_picture", model=card.name)


def model_facts(card: Card, folder: Path | None) -> ModelFacts:
    """What people should know of the model in a folder, or of one that other machines have."""
    examples = tuple(
        Example(said["en"], said.get("zh", said["en"]), folder / said["film"] if folder and "film" in said else None)
        for said in card.understands
        if "en" in said
    )
    return ModelFacts(
        name=card.name,
        trained=card.trained,
        default_prompt=DEFAULT_PROMPT,
        note=card.note,
        examples=examples,
        ends=INVERTED in card.samplings,
    )


def trouble_now(settings: Settings, media: Media, crew: workers.Crew) -> str | None:
    """The sentence that everybody should read before they ask for a film."""
    if media.free_bytes() < settings.min_free:
        return "trouble.disk"
    return (model_trouble(settings) if crew.works else None) or (None if crew.there else NO_WORKER)


def model_trouble(settings: Settings) -> str | None:
    """The sentence of what ails the checkpoint now: it may have been moved away since the start."""
    try:
        present(find_checkpoint(settings.model.name, settings.models_dir))
    except GenError as error:
        return f"failed.{error.reason}"
    return None


def described(settings: Settings, *, works: bool) -> tuple[Card, Path | None]:
    """The configured checkpoint's card and folder. works: films are made here; else a card alone will do.

    raises: GenError
    """
    try:
        checkpoint = find_checkpoint(settings.model.name, settings.models_dir)
    except CheckpointMissing:
        if works or settings.model.name not in PRESETS:
            raise
        return PRESETS[settings.model.name], None
    return checkpoint.card, checkpoint.folder


def prepare_model(settings: Settings, console: Console, locale: str, *, works: bool = True) -> Card:
    """The card of the configured checkpoint, all of whose files are there if it works here.

    Where the tiny one is not shipped, an untrained one is made, once.
    """
    if not works and settings.model.name != "tiny":
        return described(settings, works=False)[0]
    try:
        checkpoint = find_checkpoint(settings.model.name, settings.models_dir)
    except CheckpointMissing:
        if settings.model.name != "tiny":
            raise
    else:
        check(checkpoint)
        return checkpoint.card
    terminal.tell(console, words.say(locale, "terminal.setting_up"))
    make_folder(settings.models_dir)
    target = settings.models_dir / "tiny-untrained"
    making = [sys.executable, "-m", "gen.train", "untrained", str(target)]
    subprocess.run(making, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **QUIET})
    return find_checkpoint("tiny", settings.models_dir).card


# The commands


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
        async with service(settings, **parts) as started:
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


def connect(settings: Settings, **how: Any) -> AbstractAsyncContextManager[control.Remote | None]:
    """As `control.connect`, for what is configured."""
    return control.connect(settings.data_dir, settings.database.url, **how)


def makes_films(hello: Mapping[str, Any]) -> bool:
    """Whether the service that says this of itself has an engine; one from before an upgrade does not say it."""
    return bool(hello.get("works", True))


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


def command_animate(args: argparse.Namespace, console: Console, locale: str) -> int:
    """flipbot animate"""
    need_one_beginning(args)
    settings = settings_of(args)
    limits = settings.limits
    bounds = {"max_bytes": settings.max_bytes, "max_megapixels": limits.image_max_megapixels}
    said, image = args.prompt, Path(args.image or "")
    if args.extend is not None:
        said, image = [args.image or "", *said], Path(f"film-{args.extend}")
    text = " ".join(said)
    picture = read_picture(image, **bounds) if args.extend is None else None
    end_picture = read_picture(args.end_image, **bounds) if args.end_image else None
    target = terminal.check_target(args.output, image, args.end_image)
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
        async with connect(settings) as remote:
            if remote is not None:
                hello = await remote.hello()
                if args.model and hello["model"] != card.name:
                    raise Refused("refused.other_model", got=card.name, served=hello["model"])
                if args.size:
                    raise Refused("refused.served_size")
                terminal.tell(console, words.say(locale, "terminal.elsewhere" if makes_films(hello) else NO_WORKER))
                return await terminal.animate(remote, order, console, locale)
        async with service(settings, takes=True, works=True, page=False) as own:
            if not card.trained:
                terminal.tell(console, words.say(locale, "model.untrained"))
            async with connect(settings, patience_s=None) as remote:
                assert remote is not None, "the service has just opened its socket"
                watching = asyncio.create_task(terminal.animate(remote, order, console, locale))
                failing = asyncio.create_task(own.failure())
                try:
                    ended, _ = await asyncio.wait([watching, failing], return_when=asyncio.FIRST_COMPLETED)
                finally:  # Ctrl-C comes this way, too
                    await end([task for task in (watching, failing) if not task.done()])
                return watching.result() if watching in ended else failing.result() or terminal.FAILED

    return asyncio.run(animating())


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
        async with connect(settings) as remote:
            if remote is not None:
                idle = None if makes_films(await remote.hello()) else NO_WORKER
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
                        idle = None if await workers.working(db) else NO_WORKER
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
    async with connect(settings) as remote:
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

    return give(args, console, locale, said, action=args.action, reason=reason, scope=args.server)


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
    if old.place == new.place:
        raise Refused("refused.move_nowhere", path=str(args.to))
    make_folder(new.data_dir)
    alone = old.data_dir != new.data_dir or not is_shared(new.database.url)

    async def move() -> int:
        source, target = old.open_media(), new.open_media()
        async with AsyncExitStack() as stack:
            db = await stack.enter_async_context(Database.open(old.database.url, data_dir=old.data_dir))
            await jobs.recover(db)
            to = await stack.enter_async_context(Database.open(new.database.url, data_dir=new.data_dir, alone=alone))
            await moving.need_empty(to)
            missing = 0
            if source.place() != target.place():
                with terminal.counting(console, words.say(locale, "terminal.moving_files")) as told:
                    missing = await moving.copy_files(source, target, db, told)
            rows = await moving.copy_rows(db, to)
        if missing:
            terminal.tell(console, words.say(locale, "terminal.move_missing", count=missing))
        terminal.tell(console, words.say(locale, "terminal.moved", rows=rows, path=str(args.to)))
        return terminal.DONE

    return asyncio.run(move())


def command_download(args: argparse.Namespace, console: Console, locale: str) -> int:
    """flipbot download MODEL"""
    settings = settings_of(args)
    models_dir = settings.models_dir

    def failed(error: GenError, status: int) -> int:
        terminal.tell(console, f"flipbot: {fetching.sentence(locale, error.reason, error.facts, str(error))}")
        return status

    try:
        gib = hub.gib_of(args.name)
    except GenError as error:
        return failed(error, terminal.BAD_INPUT)
    if args.source and not args.source.is_dir():
        raise Refused("refused.no_copy", path=str(args.source))
    where_not = words.say(locale, "terminal.licence_where")
    licence = {"licence": sources.LICENCE, "at": sources.LICENCE_AT, "where_not": where_not}
    fetching.agree(console, locale, models_dir=models_dir, accepted=args.accept_licence, **licence)
    say = partial(words.say, locale)
    terminal.tell(console, say("terminal.download_plan", model=args.name, gib=f"{gib:.1f}", path=models_dir))
    try:
        with fetching.bar(console, locale) as bar:
            done = hub.download(args.name, models_dir, bar, source=args.source)
    except GenError as error:
        return failed(error, terminal.FAILED)
    except KeyboardInterrupt:
        terminal.tell(console, say("terminal.download_stopped"))
        return terminal.INTERRUPTED
    for file, count in done.unread.items():
        terminal.tell(console, say("terminal.download_unread", file=file, count=count))
    if done.skipped:
        terminal.tell(console, say("terminal.download_skipped", files=", ".join(done.skipped)))
    if done.moved:
        terminal.tell(console, say("terminal.download_moved", repos=", ".join(done.moved)))
    if done.unproven:
        terminal.tell(console, say("terminal.download_unproven", count=len(done.unproven)))
    sizes = {"gib": f"{done.total / GIB:.1f}", "fetched": f"{done.fetched / GIB:.1f}"}
    terminal.tell(console, say("terminal.download_done", model=args.name, path=models_dir, **sizes))
    return terminal.DONE


def command_doctor(args: argparse.Namespace, console: Console, locale: str) -> int:
    """flipbot doctor"""
    from gen.doctor import examine  # imports torch

    settings = settings_of(args)
    found = [
        *examine(settings.model, settings.models_dir, settings.video.sizes(settings.model)),
        *asyncio.run(examine_service(settings)),
        *asyncio.run(doctor.examine(settings.discord, settings.telegram)),
    ]
    out = terminal.printer(soft_wrap=True)
    for finding in found:
        word, colour = {True: ("ok", "green"), None: ("note", "yellow"), False: ("MISS", "red")}[finding.fine]
        out.print(Text(f"{word:4}", colour), end=" ")
        terminal.tell(out, finding.sentence)
    return terminal.FAILED if any(finding.fine is False for finding in found) else terminal.DONE


def paces_of(made: Sequence[Mapping[str, Any]], settings: Settings) -> list[Pace]:
    """Of the latest sections those of the configured model, as the doctor judges them: by the steps that all ran."""
    from gen.inputs import made_by  # imports torch

    found: list[Pace] = []
    media = settings.open_media()
    for section in made:
        plan = section["plan"]
        if str(plan.get("model", "")).split("@")[0] != settings.model.name or len(found) == SPEED_OF:
            continue
        try:
            said = made_by(media.fetch(section["latents"]))
        except FileNotFoundError:
            said = None
        except MediaAway:  # of which the doctor speaks by itself
            break
        ran = (said or {}).get("ran", 0 if plan.get("step_cache") else plan["steps"])
        if section["sampling_ms"] and ran:
            found.append(Pace(plan["width"], plan["height"], ran, section["sampling_ms"], section["decode_ms"]))
    return found


async def examine_service(settings: Settings) -> list[Finding]:
    """What the doctor says of the database, the speed in it, the disk and the page."""
    from gen.doctor import speed  # imports torch

    def judged(made: Sequence[Mapping[str, Any]]) -> list[Finding]:
        sizes = settings.video.sizes(settings.model)
        return speed(settings.model, paces_of(made, settings), settings.models_dir, sizes)

    media = settings.open_media()
    found = [] if is_shared(settings.database.url) else [examine_library()]
    found += await asyncio.to_thread(examine_store, media)
    disk = partial(examine_disk, media, settings.min_free)
    try:
        async with connect(settings) as remote:
            if remote is not None:
                process = (await remote.hello())["pid"]
                found.append(Finding(True, f"A service is running on {settings.data_dir} (process {process})."))
                return [*found, *judged(await remote.sections()), *disk()]
    except Gone as gone:
        return [*found, Finding(False, words.say("en", gone.key, **gone.facts)), *disk()]
    try:
        make_folder(settings.data_dir)
        async with Database.open(settings.database.url, data_dir=settings.data_dir) as db:
            found += await examine_database(db, settings.data_dir)
            found += judged(await control.recent_sections(db))
            found += await examine_media(db, media)
    except Refused as refused:
        return [*found, Finding(False, words.say("en", refused.key, **refused.facts))]
    except (DbError, GenError) as error:
        return [*found, Finding(False, str(error))]
    return [*found, *disk(), await doctor.examine_page(settings.web)]


def command_bench(args: argparse.Namespace, console: Console, locale: str) -> int:
    """flipbot bench NAME"""
    if args.name is None:
        terminal.tell(console, gen.bench.listed(BENCHES))
        return terminal.BAD_INPUT
    room = "bot" if args.name in BOT_BENCHES else "gen"
    return gen.bench.start(f"{room}.bench.{args.name}", f"flipbot bench {args.name}", args.rest)


if __name__ == "__main__":
    sys.exit(main())
