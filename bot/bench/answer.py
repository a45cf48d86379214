"""How soon people are answered: a burst of requests while the engine computes, through the whole service.

A real `flipbot run` with the tiny checkpoint stands against the chat servers of the tests, each a process of its own
on this machine. A time begins when the server has handed the request over and ends when it has the answer, so the
server's own work counts as well; its CPU time stands beside.

On Discord a request is /animate, and the answer its first response: Discord waits 3 s for it, what comes later is
refused and counts as late as it came. On Telegram it is a photo with a caption, each in a private chat; the answer is
"typing…", and the message with the film's place follows at the pace that Telegram's limit on all messages allows, 20 in
a second. To reach, on both: 99 of 100 answers within 1 s.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

TOO_LATE_S = 3.0
NEVER_S = 60.0
ROOT = Path(__file__).parents[2]
PLATFORMS = ("discord", "telegram")
CONFIG = """
[service]
data_dir = "{data_dir}"
[discord]
api_base = "{api}"
[web]
port = 0
[limits]
queued_per_chat = 1000
queued_in_all = 1000
[safety]
consent = false
"""
ON_TELEGRAM = """
[telegram]
token = "{token}"
"""


class Burst(NamedTuple):
    """What was measured: seconds from a request to its answer, rising; NEVER_S for one that was never answered."""

    what: str
    took: list[float]
    server_s: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The bench's own options."""
    parser.add_argument("--commands", type=int, default=200, help="in one burst (default: 200)")
    parser.add_argument("--platform", choices=PLATFORMS, action="append", help="one only (default: both)")


def run(args: argparse.Namespace) -> int:
    """Measure; 0 where what is to be reached is reached."""
    if not (ROOT / "tests" / "fakes" / "discord.py").is_file():
        print("The servers of this bench come with the source tree, not with the package.", file=sys.stderr)  # noqa: T201
        return 2
    sys.path.insert(0, str(ROOT))
    table = Table(
        *("answer", "requests", "in 3 s", "median", "p90", "p99", "slowest", "server CPU", "load"),
        box=None,
        pad_edge=False,
    )
    reached = True
    for platform in args.platform or PLATFORMS:
        bursts = asyncio.run({"discord": on_discord, "telegram": on_telegram}[platform](args.commands))
        load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "?"
        for what, took, server_s in bursts:
            in_time = str(sum(each <= TOO_LATE_S for each in took))
            times = (f"{1000 * took[at]:.0f} ms" for at in ranks(len(took)))
            table.add_row(what, str(len(took)), in_time, *times, f"{server_s:.2f} s", load)
        reached = reached and bursts[0].took[ranks(args.commands)[2]] < 1.0
    Console().print(table)
    return 0 if reached else 1


def ranks(n: int) -> tuple[int, int, int, int]:
    """Where the median, the 90th and 99th of 100 and the last stand among n in order."""
    return (n - 1) // 2, int(0.9 * (n - 1)), int(0.99 * (n - 1)), n - 1


@asynccontextmanager
async def serving(config: str, **secrets: str) -> AsyncIterator[None]:
    """The service with that configuration, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.toml"
        path.write_text(config.replace("{data_dir}", str(Path(folder) / "data")), "utf-8")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "flipbot", "run", "-c", str(path)),
            env={**os.environ, **secrets, "PYTHONPATH": str(ROOT)},
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            await end(process)


async def on_discord(commands: int) -> list[Burst]:
    """A burst of /animate in one channel."""
    from tests.fakes.discord import TOKEN, Discord

    async with (
        Discord() as there,
        serving(CONFIG.replace("{api}", there.api), DISCORD_TOKEN=TOKEN),
    ):
        await there.until(lambda: there._sockets and there.commands, within_s=120.0)
        photo = there.upload((ROOT / "examples" / "photo.jpg").read_bytes(), "photo.jpg")
        await ask(there, photo, "6000", seconds=20)
        await there.until(lambda: any(computes(m.content) for m in there.in_channel()), within_s=300.0)
        there.first_answers.clear()
        there.bucket = (10 * commands, 5.0)  # Discord's limit on messages is not what is measured here
        began_s = time.process_time()
        for n in range(commands):
            await ask(there, photo, str(10_000 + n))
        with contextlib.suppress(AssertionError):  # what is missing then counts as NEVER_S
            await there.until(lambda: len(there.first_answers) == commands, within_s=NEVER_S)
        took = filled(there.first_answers, commands)
        return [Burst("Discord", took, time.process_time() - began_s)]


async def on_telegram(commands: int) -> list[Burst]:
    """A burst of photos with captions, each in somebody's private chat."""
    from tests.fakes.telegram import Telegram, person

    there = Telegram()
    await there.start()
    config = (CONFIG + ON_TELEGRAM).replace("[discord]\n", "").replace('api_base = "{api}"\n', "")
    config = config.replace("{token}", there.token) + f'api_base = "{there.url}"\n'
    try:
        async with serving(config):
            photo = (ROOT / "examples" / "photo.jpg").read_bytes()
            await there.until(lambda: there.called("getUpdates"), 120.0)
            first = there.private(person(6000))
            there.sends(person(6000), first, photo, "the sun rises 20s")
            await there.until(lambda: any(computes(m.get("text", "")) for m in there.of_bot(first)), 300.0)
            people = [person(10_000 + n) for n in range(commands)]
            began_s = time.process_time()
            asked: dict[int, float] = {}
            for each in people:
                there.sends(each, there.private(each), photo, f"the sun rises {each['id']} 2s")
                asked[each["id"]] = time.monotonic()
                await asyncio.sleep(0)

            def answers(*methods: str) -> list[float]:
                firsts: dict[int, float] = {}
                for call in there.called(*methods):
                    firsts.setdefault(call.chat or 0, call.at)
                return [firsts[chat] - at for chat, at in asked.items() if chat in firsts]

            with contextlib.suppress(TimeoutError):
                await there.until(lambda: len(answers("sendMessage")) == commands, NEVER_S)
            server_s = time.process_time() - began_s
            return [
                Burst("Telegram typing", filled(answers("sendChatAction", "sendMessage"), commands), server_s),
                Burst("Telegram message", filled(answers("sendMessage"), commands), server_s),
            ]
    finally:
        await there.stop()


def filled(took: list[float], commands: int) -> list[float]:
    """The times in order, one for each request."""
    return sorted(took) + [NEVER_S] * (commands - len(took))


def computes(text: str) -> bool:
    """The message of a film whose sections are being made."""
    return "Drawing the first second" in text or "s are ready" in text


async def ask(there: Any, photo: dict[str, Any], user: str, seconds: int = 2) -> str:
    """Somebody types /animate."""
    options = {"image": photo, "prompt": f"the sun rises {user}", "seconds": seconds}
    return str(await there.command("animate", options, user=user))


async def end(process: asyncio.subprocess.Process) -> None:
    """Stop the service, and wait until its folder is closed."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    while process.returncode is None and time.monotonic() - began < 30:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()
