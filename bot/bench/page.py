"""`flipbot bench page`: many watch one film grow, and the page still answers at once.

A real service makes a real film with the tiny checkpoint. So many viewers hold the film's stream of states open and
fetch every second as it comes, as the page's script does; a visitor beside them asks for the start page all the time.
Before, the same is done by that visitor alone. Everything runs on this machine, the viewers as well.
"""

import argparse
import asyncio
import io
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from aiohttp import ClientSession, ClientTimeout, CookieJar, FormData, TCPConnector
from PIL import Image
from rich.console import Console
from rich.table import Table

from bot.page_guard import TOKEN_HEADER

HTML = {"Accept": "text/html"}
JSON = {"Accept": "application/json"}
READY_S = 120.0
ALONE_S = 5.0
EVERY_S = 0.1  # between two questions of the visitor beside the viewers


@dataclass
class Seen:
    """Milliseconds of answers: pages, and fragments; viewers that saw the end."""

    pages: list[float] = field(default_factory=list)
    parts: list[float] = field(default_factory=list)
    ended: int = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--viewers", type=int, default=200, help="who watch at once (default 200)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of the film (default 10)")


def run(args: argparse.Namespace) -> int:
    """Print the table; 0 where every viewer saw the film to its end."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(measure(Path(folder), args.viewers, args.seconds))


async def measure(folder: Path, viewers: int, seconds: float) -> int:
    """Start a service, have a film made and watched, and print what it took."""
    service = start(folder)
    try:
        async with asyncio.timeout(READY_S):
            url = await asyncio.to_thread(_url, service)
        drain = asyncio.create_task(asyncio.to_thread(_read, service))
        # The page gives everybody at one address only so many new films a minute, but as many looks as they like.
        alone, crowd, memory = await watched(url, psutil.Process(service.pid), viewers, seconds)
    finally:
        service.terminate()
        await asyncio.to_thread(service.wait)
    await drain
    report(alone, crowd, memory, viewers)
    return 0 if crowd.ended == viewers else 1


def start(folder: Path) -> "subprocess.Popen[str]":
    """A service on a free port."""
    config = folder / "config.toml"
    config.write_text("[web]\nport = 0\n", "utf-8")
    serving = [sys.executable, "-m", "flipbot", "run", "-c", str(config), "--data-dir", str(folder / "data")]
    return subprocess.Popen(serving, stderr=subprocess.PIPE, text=True)


def _url(service: "subprocess.Popen[str]") -> str:
    assert service.stderr is not None
    for line in service.stderr:
        if found := re.search(r"http://[0-9.:]+/", line):
            return found[0]
    raise RuntimeError("the service ended before it was ready")


def _read(service: "subprocess.Popen[str]") -> None:
    assert service.stderr is not None
    for _ in service.stderr:
        pass


async def watched(
    url: str, service: psutil.Process, viewers: int, seconds: float
) -> tuple[Seen, Seen, tuple[float, float]]:
    """What one saw alone and what one saw beside the viewers; MB of the service before and with them."""
    jar, timeout = CookieJar(unsafe=True), ClientTimeout(total=None)
    async with ClientSession(url, cookie_jar=jar, connector=TCPConnector(limit=0), timeout=timeout) as client:
        async with client.get("/", headers=HTML) as answer:
            (token,) = re.findall(r'<meta name="token" content="([0-9a-f]{64})">', await answer.text())
        alone, crowd = Seen(), Seen()
        await visit(client, alone, time.monotonic() + ALONE_S)
        job = await submit(client, token, seconds)
        before = service.memory_info().rss / 1e6
        watching = [asyncio.create_task(view(client, job, crowd)) for _ in range(viewers)]
        visiting = asyncio.create_task(visit(client, crowd, float("inf")))
        most = before
        while not all(task.done() for task in watching):
            most = max(most, service.memory_info().rss / 1e6)
            await asyncio.wait(watching, timeout=0.5)
        visiting.cancel()
        await asyncio.gather(visiting, return_exceptions=True)
        for task in watching:
            task.result()
        return alone, crowd, (before, most)


async def submit(client: ClientSession, token: str, seconds: float) -> int:
    """Ask for a film of a plain picture."""
    picture = io.BytesIO()
    Image.new("RGB", (128, 128), (120, 150, 190)).save(picture, "PNG")
    form = FormData({"prompt": "the sun rises", "seconds": f"{seconds:g}", "seed": "7"}, default_to_multipart=True)
    form.add_field("picture", picture.getvalue(), filename="plain.png")
    async with client.post("/jobs", data=form, headers={**JSON, TOKEN_HEADER: token}) as answer:
        job: int = (await answer.json())["job"]
        return job


async def visit(client: ClientSession, seen: Seen, until: float) -> None:
    """Ask for the start page again and again."""
    while time.monotonic() < until:
        started = time.perf_counter()
        async with client.get("/", headers=HTML) as answer:
            await answer.read()
        seen.pages.append(1000 * (time.perf_counter() - started))
        await asyncio.sleep(EVERY_S)


async def view(client: ClientSession, job: int, seen: Seen) -> None:
    """Watch a film until it has ended, fetching what is new as it comes."""
    parts = 0
    async with client.get(f"/j/{job}/events") as events:
        async for line in events.content:
            if not line.startswith(b"data: "):
                continue
            state = json.loads(line[6:])
            addresses = [f"/j/{job}/part/{n}" for n in range(parts, state["parts"])]
            for address in addresses:
                started = time.perf_counter()
                async with client.get(address) as answer:
                    await answer.read()
                seen.parts.append(1000 * (time.perf_counter() - started))
            parts = state["parts"]
            seen.ended += state["over"]


def percentile(values: Sequence[float], part: float) -> float:
    """The value that this part of them does not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def report(alone: Seen, crowd: Seen, memory: tuple[float, float], viewers: int) -> None:
    """Print the table."""
    table = Table(title=f"page: {viewers} viewers of one growing film")
    for name in ("what", "alone", f"beside {viewers} viewers"):
        table.add_column(name)
    table.add_row("start page, median", *(f"{statistics.median(each.pages):.0f} ms" for each in (alone, crowd)))
    table.add_row("start page, p99", *(f"{percentile(each.pages, 0.99):.0f} ms" for each in (alone, crowd)))
    table.add_row("a second of film, p99", "", f"{percentile(crowd.parts, 0.99):.0f} ms")
    before, most = memory
    table.add_row("memory of the service", f"{before:.0f} MB", f"{most:.0f} MB")
    table.add_row("memory per viewer", "", f"{1000 * (most - before) / viewers:.0f} kB")
    table.add_row("viewers that saw the end", "", f"{crowd.ended} of {viewers}")
    Console().print(table)
