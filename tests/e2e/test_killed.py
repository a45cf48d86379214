"""The service is killed with -9 at each request and before each commit of a film's life, on both platforms.

After each kill it is started again, and at the end each film has one message, which says how it ended. A few of the
points are tried in every run; with FLIPBOT_KILLS=all it is every one, of a film that waits and is cancelled and of one
that is made.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal, Protocol

import pytest

from tests.fakes.discord import CHANNEL, Discord
from tests.fakes.discord import TOKEN as DISCORD_TOKEN
from tests.fakes.telegram import Call, Fault, Telegram, a_picture, person

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="kill -9 is what Windows does anyway")]

ROOT = Path(__file__).parents[2]
ALL = os.environ.get("FLIPBOT_KILLS") == "all"
PATIENT_S = 180.0  # a loaded machine takes its time to load PyTorch
MOST = 60  # points of one kind; a life has fewer
ANN = person(111)

When = Literal["before", "after", "commit"]  # a request has an effect, it has had one, a commit takes effect
Point = tuple[When, int]


class Chat(Protocol):
    """A platform's server, and what somebody does there."""

    section: str
    nonce: bool  # a message that was sent twice is one

    def arm(self, when: When, n: int, kill: Callable[[], None]) -> None:
        """Call kill at the n-th request of the bot's from now on."""

    def disarm(self) -> None: ...

    def is_up(self) -> bool:
        """The bot has connected since it was started."""

    def starts(self) -> None:
        """The bot is started now."""

    async def ask(self, prompt: str) -> None:
        """Somebody asks for a film."""

    async def asked_again(self, prompt: str) -> str:
        """After a restart: the prompt that is being waited for; another one where they had to ask once more."""

    async def cancel(self, prompt: str) -> None: ...

    def said(self, prompt: str) -> list[str]:
        """What the messages of that film say, oldest first."""

    def broken(self) -> list[str]: ...


@dataclass
class OnDiscord:
    there: Discord
    picture: dict[str, Any]
    section: str = ""
    nonce: bool = True
    asked: str = ""
    pressed: str = ""
    before: int = 0
    tries: int = 0

    def arm(self, when: When, n: int, kill: Callable[[], None]) -> None:
        self.there.fail("*", "", "break" if when == "before" else "lost", skip=n - 1, met=kill)

    def disarm(self) -> None:
        self.there.faults.clear()

    def starts(self) -> None:
        self.before = self.there.identified

    def is_up(self) -> bool:
        return self.there.identified > self.before and bool(self.there._sockets)

    async def ask(self, prompt: str) -> None:
        options = {"image": self.picture, "prompt": prompt, "seconds": 1}
        self.asked = await self.there.command("animate", options, user="81")
        self.pressed = ""

    async def asked_again(self, prompt: str) -> str:
        if self.pressed and not self.there.answers[self.pressed].done():
            self.pressed = ""
        if self.pressed or self.there.answers[self.asked].done() or self.said(prompt):
            return prompt
        self.tries += 1  # Discord said that the bot does not answer
        again = f"{prompt} again {self.tries}"
        await self.ask(again)
        return again

    async def cancel(self, prompt: str) -> None:
        if not self.pressed:
            self.pressed = await self.there.press(self._of(prompt)[-1], "Cancel", user="81")

    def _of(self, prompt: str) -> list[Any]:
        return [message for message in self.there.in_channel() if f"`{prompt}`" in message.content]

    def said(self, prompt: str) -> list[str]:
        return [m.content for m in self._of(prompt) if m.attachments or "film is ready" not in m.content]

    def broken(self) -> list[str]:
        unsaid = [m.content for m in self.there.in_channel(CHANNEL) if "Checking" in m.content]
        return self.there.broken + unsaid


@dataclass
class OnTelegram:
    there: Telegram
    section: str = ""
    nonce: bool = False
    asked: list[str] = field(default_factory=list)
    cancelled: set[str] = field(default_factory=set)
    polls: int = 0

    def arm(self, when: When, n: int, kill: Callable[[], None]) -> None:
        seen = 0

        def at_that(call: Call) -> bool:
            nonlocal seen
            if call.method == "getUpdates" and call.params.get("offset", 0) <= self.there.confirmed:
                return False  # it brings nothing and confirms nothing
            seen += 1
            if seen == n:
                kill()
            return seen == n

        self.there.faults.append(Fault("break" if when == "before" else "lost", at_that))

    def disarm(self) -> None:
        self.there.faults.clear()

    def starts(self) -> None:
        self.polls = len(self.there.called("getUpdates"))

    def is_up(self) -> bool:
        return len(self.there.called("getUpdates")) > self.polls

    async def ask(self, prompt: str) -> None:
        self.asked.append(prompt)
        self.there.sends(ANN, self.there.private(ANN), a_picture(), caption=f"{prompt} 1s")

    async def asked_again(self, prompt: str) -> str:
        return prompt  # Telegram delivers again what was not confirmed

    async def cancel(self, prompt: str) -> None:
        if prompt not in self.cancelled:
            self.cancelled.add(prompt)
            self.there.says(ANN, self.there.private(ANN), f"/cancel {self.asked.index(prompt) + 1}")

    def _of(self, prompt: str) -> list[dict[str, Any]]:
        said = self.there.of_bot(self.there.private(ANN))
        return [m for m in said if prompt in m.get("text", "") + m.get("caption", "")]

    def said(self, prompt: str) -> list[str]:
        said = {m["message_id"]: m.get("text", "") + m.get("caption", "") for m in self._of(prompt)}
        return [text for n, text in said.items() if "video" in self._at(n) or "film is ready" not in text]

    def _at(self, n: int) -> dict[str, Any]:
        return self.there.messages[ANN["id"], n]

    def broken(self) -> list[str]:
        return self.there.problems


@dataclass
class Lives:
    """Films whose service is killed and started again."""

    chat: Chat
    folder: Path
    words: tuple[object, ...]
    killed: int = 0
    process: "subprocess.Popen[bytes] | None" = None

    async def start(self) -> None:
        self.chat.starts()
        self.process = self.begun()
        assert await self.happens(self.chat.is_up), f"the service does not start: {self.log.read_text('utf-8')[-2000:]}"

    def begun(self) -> "subprocess.Popen[bytes]":
        paths = os.pathsep.join([str(Path(__file__).parent / "killer"), str(ROOT)])
        with self.log.open("ab") as log:
            return self.process_of(paths, log)

    def process_of(self, paths: str, log: IO[bytes]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "flipbot", *map(str, self.words)],
            env={**os.environ, "DISCORD_TOKEN": DISCORD_TOKEN, "PYTHONPATH": paths, "FLIPBOT_KILL": str(self.fuse)},
            stdout=subprocess.DEVNULL, stderr=log,
        )  # fmt: skip

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def fuse(self) -> Path:
        return self.folder / "kill"

    def kill(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    async def happens(self, holds: Callable[[], Any]) -> bool:
        """Whether it holds, soon or late; False once the service has died."""
        assert self.process
        ends = time.monotonic() + PATIENT_S
        while not holds():
            if self.process.poll() is not None:
                return False
            assert time.monotonic() < ends, f"{self.chat} {self.log.read_text('utf-8')[-2000:]}"
            await asyncio.sleep(0.05)
        return True

    def says(self, prompt: str, *words: str) -> bool:
        return any(word in said for said in self.chat.said(prompt) for word in words)

    async def live(self, point: Point, *, cancelled: bool) -> bool:
        """A film, and the service killed at that point of its life; False where the life had no such point."""
        when, n = point
        before, prompt, end = self.killed, f"{when} {n}", "Cancelled" if cancelled else "ready: "
        if when == "commit":
            self.fuse.write_text(str(n), "utf-8")
        else:
            self.chat.arm(when, n, self.kill)
        await self.chat.ask(prompt)
        for awaited in ("in line", end) if cancelled else (end,):
            if awaited == "Cancelled":
                await self.chat.cancel(prompt)
            while not await self.happens(partial(self.says, prompt, awaited, end)):
                self.killed += 1
                await self.start()
                prompt = await self.chat.asked_again(prompt)
                if awaited == "Cancelled":
                    await self.chat.cancel(prompt)
                elif awaited != end and not self.chat.nonce:  # what may have been sent comes with the next state only
                    break
        self.fuse.unlink(missing_ok=True)
        self.chat.disarm()
        assert self.process
        if self.process.poll() is not None:  # by something that came after the last thing it said
            self.killed += 1
            await self.start()
        said = self.chat.said(prompt)
        assert end in said[-1], (point, said)
        assert len(said) == 1 or not self.chat.nonce, (point, said)
        assert len(said) <= 2, (point, said)
        return self.killed > before


@asynccontextmanager
async def on(platform: str) -> AsyncIterator[Chat]:
    if platform == "discord":
        async with Discord() as discord:
            picture = discord.upload((ROOT / "examples" / "photo.jpg").read_bytes(), "photo.jpg")
            discord.bucket = (1000, 1.0)
            yield OnDiscord(discord, picture, section=f'[discord]\napi_base = "{discord.api}"\n')
        return
    telegram = Telegram()
    await telegram.start()
    try:
        yield OnTelegram(telegram, section=f'[telegram]\ntoken = "{telegram.token}"\napi_base = "{telegram.url}"\n')
    finally:
        await telegram.stop()


FEW: dict[str, list[Point]] = {
    "discord": [("before", 1), ("after", 1), ("after", 2), ("commit", 2)],
    "telegram": [("before", 1), ("after", 4), ("commit", 3)],
}


@pytest.mark.parametrize("platform", ["discord", "telegram"])
@pytest.mark.parametrize("film", [True, False] if ALL else [False])
async def test_killed_at_any_point_of_its_life_a_film_has_one_message_that_says_how_it_ended(
    platform: str, film: bool, tmp_path: Path, small: Path
) -> None:
    async with on(platform) as chat:
        config = tmp_path / "config.toml"
        config.write_text(f"{chat.section}[web]\nport = 0\n[model]\nthreads = 1\n[safety]\nconsent = false\n", "utf-8")
        words = ("run" if film else "front", "-c", config, "--data-dir", tmp_path / "data", "--model", small)
        lives = Lives(chat, tmp_path, words)
        await lives.start()
        try:
            if not ALL:
                for point in FEW[platform]:
                    assert await lives.live(point, cancelled=True), f"a life without {point}"
            for when in ("before", "after", "commit") if ALL else ():
                for n in range(1, MOST):
                    print(platform, when, n, flush=True)  # noqa: T201
                    if not await lives.live((when, n), cancelled=not film):  # type: ignore[arg-type]
                        assert n > 3
                        break
            print(f"{platform}: {lives.killed} kills")  # noqa: T201
        finally:
            lives.kill()
        assert chat.broken() == []
