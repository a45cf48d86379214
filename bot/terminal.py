"""`flipbot animate`: hand a picture in and watch its film grow. It asks a service over the control socket."""

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from aiohttp import ClientError
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from bot import words
from bot.canvas import View, when
from bot.control import Remote
from bot.errors import Gone, Refused
from bot.picture import Picture
from db.models import State

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
EXIT = {State.DONE: DONE, State.FAILED: FAILED, State.STOPPED: INTERRUPTED, State.CANCELLED: INTERRUPTED}

AWAITS_MODEL = "headline.other_model"
SOON_MS = 500  # it would be said as "0 s"
SUFFIXES = (".mp4", ".m4v")

VIEWED = tuple(field.name for field in fields(View))


@dataclass(frozen=True)
class Order:
    """What `flipbot animate` was asked for, checked as far as a terminal can.

    picture: None where a film that is there is made longer, `extend` then
    """

    picture: Picture | None
    end: Picture | None
    prompt: str
    seconds: str | None
    seed: str | None
    quality: str | None
    target: Path
    extend: int | None = None


def check_target(target: Path | None, picture: Path, end: Path | None = None) -> Path:
    """Where the film will stand: what was asked for, or a free name beside where we are. raises: Refused.

    picture, end: that it is made of, which it must not take the place of
    """
    if target is None:
        names = (Path(f"{picture.stem}{end}.mp4") for end in ["", *(f"-{n}" for n in range(2, 10_000))])
        target = next(name for name in names if not name.exists())
    if target.is_dir():
        raise Refused("refused.output_is_folder", path=str(target))
    if any(each is not None and _same(target, each) for each in (picture, end)):
        raise Refused("refused.output_is_picture", path=str(target))
    if target.exists() and not target.is_file():
        raise Refused("refused.output_no_file", path=str(target))
    if target.suffix.lower() not in SUFFIXES:
        raise Refused("refused.output_kind", path=str(target), name=f"{target.stem}.mp4")
    if not target.parent.is_dir():
        raise Refused("refused.output_folder", path=str(target.parent))
    probe = target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex[:8]}")
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
        if target.exists():
            target.open("r+b").close()
    except OSError as error:
        raise Refused("refused.output_unwritable", path=str(target)) from error
    return target


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def printer(**options: Any) -> Console:
    """A console that prints what people wrote as they wrote it: "[/b]" is no markup to it, and ":fire:" no emoji."""
    return Console(markup=False, emoji=False, **options)


def tell(console: Console, sentence: str) -> None:
    """One sentence on a line of its own."""
    console.print(sentence, highlight=False)


async def animate(remote: Remote, order: Order, console: Console, locale: str) -> int:
    """Submit the order and follow it to its end; returns the exit code. The film stands in order.target as it grows."""
    job = await submit(remote, order, console, locale)
    try:
        last = await follow(remote, job, order.target, console, locale)
    except Gone as error:
        raise Gone("terminal.service_gone", job=job) from error
    code = report(last, order.target, console, locale)
    return code if State(last["state"]).terminal else FAILED


async def submit(remote: Remote, order: Order, console: Console, locale: str) -> int:
    """Put the order in line, and say what is to be known of its pictures; returns the job's number."""
    key = f"terminal:{uuid.uuid4().hex}"
    if order.picture is None:
        assert order.extend is not None, "an order has a picture or a film"
        return await remote.extend(order.extend, key, locale, order.seconds, order.prompt or None)
    for note in (*order.picture.notes, *(order.end.notes if order.end else ())):
        tell(console, words.say(locale, note))
    return await remote.submit(
        order.picture.png,
        {
            "user_id": "terminal",
            "chat_id": "terminal",
            "locale": locale,
            "prompt": order.prompt,
            "seconds": order.seconds,
            "seed": order.seed,
            "quality": order.quality,
            "key": key,
        },
        order.end.png if order.end else None,
    )


async def follow(remote: Remote, job: int, target: Path, console: Console, locale: str) -> dict[str, Any]:
    """Show the job's states until its last one, which is returned; each finished section is saved to target.

    One in which it waits for another model is the last, too: that one does not come while this service runs.
    """
    saved, told = 0, set[str]()

    def once(about: str, sentence: str) -> None:
        if about not in told:
            told.add(about)
            tell(console, sentence)

    with bar(console) as (progress, task):
        async with interrupts(remote, job, progress, locale):
            async for state in remote.watch(job):
                progress.update(task, **shown(state, locale))
                for text in state["unmade"]:
                    once(text, words.say(locale, "note.text_unmade", text=text))
                if not console.is_terminal and waits(state):
                    once(state["headline"], said(state, locale))
                if state["done"] > saved and state["has_film"]:
                    saved = state["done"]
                    await remote.film(job, target)
                    if not console.is_terminal and not State(state["state"]).terminal:
                        tell(console, words.say(locale, state["headline"], **state["facts"]))
                if State(state["state"]).terminal or state["headline"] == AWAITS_MODEL:
                    return state
    raise AssertionError("watch() never ends by itself")


def report(last: dict[str, Any], target: Path, console: Console, locale: str) -> int:
    """Say how it ended, or how far it is; the path of the film goes to stdout, last. Returns the exit code."""
    state, kept = State(last["state"]), last["has_film"]
    saved = {"seconds": last["seconds_done"], "path": str(target), "job": last["job"], "seed": last["seed"]}
    if last["headline"] == AWAITS_MODEL:
        tell(console, words.say(locale, AWAITS_MODEL, **last["facts"]))
    if state == State.FAILED:
        tell(console, words.why(locale, last["reason"], last["reason_facts"]))
    if state in (State.STOPPED, State.CANCELLED) and not kept:
        tell(console, words.say(locale, "terminal.cancelled"))
    elif state in (State.STOPPED, State.CANCELLED, State.FAILED) and kept:
        tell(console, words.say(locale, "terminal.kept", **saved))
    elif state == State.DONE:
        tell(console, words.say(locale, "terminal.saved", **saved))
    elif kept:
        tell(console, words.say(locale, "terminal.saved_part", **saved, of=last["seconds_total"]))
    if kept and state.terminal and last["can_extend"]:
        tell(console, words.say(locale, "terminal.go_on", job=last["job"]))
    if kept:
        tell(printer(soft_wrap=True), str(target))
    return EXIT.get(state, DONE)


@contextmanager
def bar(console: Console) -> Iterator[tuple[Progress, TaskID]]:
    """What happens now and how long it takes; below it sampling steps of all sections as a bar, and section n/N."""
    columns = (SpinnerColumn(), BarColumn(bar_width=30), TextColumn("{task.fields[section]}", markup=False))
    with TwoLines(*columns, console=console, transient=True) as progress:
        yield progress, progress.add_task("", total=None, section="")


@contextmanager
def counting(console: Console, what: str) -> Iterator[Callable[[int, int], None]]:
    """One line that says how many of how many are done; yields what is called with them."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=30), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what)
        yield lambda done, of: progress.update(task, completed=done, total=of)


class TwoLines(Progress):
    """What happens stands above the bar: side by side they are too long for a terminal of 80 columns."""

    def get_renderables(self) -> Iterator[RenderableType]:
        """Each task's description, and the bars."""
        yield from (Text(task.description) for task in self.tasks)
        yield self.make_tasks_table(self.tasks)


def shown(state: dict[str, Any], locale: str) -> dict[str, Any]:
    """One state as the fields of the progress bar."""
    of = max(state["of"], 1)
    facts = {
        "n": min(state["done"] + 1, state["sections"]),
        "of": state["sections"],
        "step": state["step"],
        "steps": of,
    }
    section = words.say(locale, "terminal.section_step" if state["step"] else "terminal.section", **facts)
    return {
        "description": said(state, locale),
        "total": state["sections"] * of,
        "completed": state["done"] * of + state["step"],
        "section": section,
    }


def waits(state: dict[str, Any]) -> bool:
    """Whether it is in line for longer than a moment."""
    return state["state"] == State.QUEUED and state["headline"] not in ("headline.next", "headline.growing")


def said(state: dict[str, Any], locale: str) -> str:
    """What happens, and when there is something new to see, where that is not at once."""
    headline = words.say(locale, state["headline"], **state["facts"])
    if (state["eta_ms"] or 0) < SOON_MS:
        return headline
    return f"{headline}  {when(locale, View(**{name: state[name] for name in VIEWED}))}"


@asynccontextmanager
async def interrupts(remote: Remote, job: int, progress: Progress, locale: str) -> AsyncIterator[None]:
    """Ctrl-C stops the job and keeps what is finished; a second one leaves at once."""
    loop = asyncio.get_running_loop()
    pressed = 0
    asked: set[asyncio.Task[str]] = set()

    def on_interrupt() -> None:
        nonlocal pressed
        pressed += 1
        if pressed <= 2:
            tell(progress.console, words.say(locale, "terminal.stopping" if pressed == 1 else "terminal.leaving"))
        asked.add(loop.create_task(remote.wish(job, "stop" if pressed == 1 else "cancel")))

    before = signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(on_interrupt))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        for task in asked:
            with suppress(Refused, ClientError):
                await task


def queue_table(jobs: list[dict[str, Any]], locale: str, more: int = 0) -> Table:
    """The open jobs in the order of their turns, and how many more there are."""
    caption = words.say(locale, "terminal.more", more=more) if more > 0 else None
    table = Table(box=None, pad_edge=False, caption=caption, caption_justify="left")
    for column in ("job", "from", "prompt", "done", "state", "left"):
        table.add_column(words.say(locale, f"terminal.column_{column}"), overflow="fold")
    for job in jobs:
        prompt = words.clean(job["prompt"], 60) or words.say(locale, "page.no_prompt")
        headline = words.say(locale, job["headline"], **job["facts"])
        left = when(locale, View(**{name: job[name] for name in VIEWED}))
        table.add_row(str(job["job"]), job["platform"], prompt, f"{job['done']}/{job['sections']}", headline, left)
    return table
