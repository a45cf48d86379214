"""The Telegram bot with real queue, media store, poster and library; the Bot API server is a fake one, and the worker
plays the other room through the same verbs."""

import asyncio
import functools
import io
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np

from bot.chat import ChatMessage
from bot.config import SafetyConfig, TelegramConfig
from bot.discord_server import terms_of
from bot.intake import Intake, ModelFacts, Rules
from bot.poster import Poster
from bot.remover import Remover
from bot.sender import Film, Pace
from bot.telegram_bot import TelegramBot
from db import jobs, sections
from db.connect import Database
from db.media import Media
from db.requests import Limits
from db.rows import Claim, Job
from db.sections import Made
from tests.fakes.telegram import Chat, Telegram, a_picture, person
from tests.planned import FPS, FRAMES, Still
from tests.ready import ready

STILL = Still(64, 48)
QUICK = Pace(budget=(1000, 1.0), media_s=0.0, text_s=0.2)  # at 0 it would look at the rows all the time
ANN, BOB, MEI, OPERATOR = person(111), person(222, name="Bob"), person(333, "zh-hans", "美"), person(999, name="Op")


@functools.cache
def a_film(seconds: int) -> bytes:
    """A small real MP4; one of more seconds is another file."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as film:
        stream = film.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for n in range(2 + seconds):
            picture = np.full((48, 64, 3), 20 * n % 255, np.uint8)
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        film.mux(stream.encode())
    return out.getvalue()


@dataclass
class Stage:
    """Everything that runs. `start` begins the bot and the poster (again), `stop` ends them, as a restart does."""

    server: Telegram
    db: Database
    media: Media
    intake: Intake
    config: TelegramConfig
    safety: SafetyConfig
    poster: Path
    pace: Pace | None = QUICK
    bot: TelegramBot = field(init=False)
    running: list["asyncio.Task[None]"] = field(default_factory=list)
    names: Any = field(default_factory=lambda: itertools.count())

    async def start(self) -> None:
        paces = (self.pace, self.pace) if self.pace else None
        self.bot = TelegramBot(
            self.config, self.safety, self.intake, self.db, self.media, self.server.token,
            film_of=self.film_of, **({"paces": paces} if paces else {}),
        )  # fmt: skip
        poster = Poster(self.db, [self.bot.sender], self.film_of, terms=partial(terms_of, self.db, 20.0))
        remover = Remover(self.db, [self.bot.sender], between_s=0.05)
        self.running = [asyncio.create_task(each.run()) for each in (self.bot, poster, remover)]

    async def stop(self) -> None:
        for task in self.running:
            task.cancel()
        for result in await asyncio.gather(*self.running, return_exceptions=True):
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result
        self.running = []

    async def film_of(self, job: Job, message: ChatMessage, limit_bytes: int) -> Film | None:
        wanted = message.film
        if wanted is None:
            return None
        poster = self.poster if wanted.kind == "final" else None
        return Film(
            path=self.media.path(wanted.sha), kind=wanted.kind, name="film.mp4", width=64, height=48, duration_ms=1200,
            poster=poster, spoiler=bool(job.settings.get("spoiler")),
        )  # fmt: skip

    # The worker

    async def claim(self) -> Claim:
        claim = None
        while claim is None:
            claim = await jobs.claim(self.db, "worker", 60_000)
            await asyncio.sleep(0.02)
        return claim

    async def record(self, claim: Claim) -> Job:
        """Make the section that was claimed."""
        n = claim.job.done
        latents = self.media.put(f"latents {claim.job.id} {n}".encode())
        film = self.media.put(a_film(n + 1))
        times = {"sampling_ms": 700, "decode_ms": 200, "encode_ms": 100}
        made = Made(n=n, latents=latents, clip=film, tail=latents, film=film, frames=FRAMES * (n + 1) + 1, **times)
        return (await sections.record(self.db, claim, made)).job

    async def section(self) -> Job:
        """Make the next section of whoever's turn it is."""
        return await self.record(await self.claim())

    async def finish(self) -> Job:
        """Make sections until the job of the next turn is finished."""
        job = await self.section()
        while not job.state.terminal:
            job = await self.section()
        return job

    # What is waited for

    async def jobs(self, n: int) -> list[Job]:
        """The newest n jobs, once there are so many."""
        async with asyncio.timeout(60):
            while len(found := await jobs.recent(self.db, n + 5)) < n:
                await self.db.changed(self.db.commits, 0.05)
        assert len(found) == n, "more jobs than asked for"
        return found

    async def message(self, chat: Chat, *words: str, kind: str = "") -> dict[str, Any]:
        """The bot's newest message in a chat that says all of these and shows that kind, once there is one."""

        def found() -> dict[str, Any] | None:
            for message in reversed(self.server.of_bot(chat)):
                said = message.get("text", "") + message.get("caption", "")
                if all(word in said for word in words) and (not kind or kind in message):
                    return message
            return None

        try:
            got: dict[str, Any] = await self.server.until(found)
        except TimeoutError:
            standing = [(m.get("text"), m.get("caption"), list(m)) for m in self.server.of_bot(chat)]
            raise AssertionError(f"nothing says {words} {kind}: {standing} {self.server.problems}") from None
        return got

    async def settled(self) -> None:
        """Nothing waits any more: the inbox is empty, every canvas shows what it should."""
        from db import canvases, inbox
        from db.models import Platform

        async def settled() -> bool:
            if await inbox.unhandled(self.db, Platform.TELEGRAM):
                return False
            now = self.db.steady()
            pending = await canvases.pending(self.db, Platform.TELEGRAM)
            return all(each.shown >= each.wanted or each.not_before_ms > now for each in pending)

        await self.until(settled)

    async def until(self, holds: Callable[[], Awaitable[Any]], timeout_s: float = 60.0) -> None:
        """Wait until something about the rows holds."""
        async with asyncio.timeout(timeout_s):
            while not await holds():
                await self.db.changed(self.db.commits, 0.1)


@asynccontextmanager
async def stage(
    folder: Path, *, consent: bool = False, pace: Pace | None = QUICK, local: Path | None = None, **limits: int
) -> AsyncIterator[Stage]:
    """A bot that runs, and its server; at the end every request has to have been as the specification says."""
    queue = Limits(**{"queued_per_user": 50, "queued_per_chat": 50, "queued_in_all": 50} | limits)
    rules = Rules(queue=queue, longest_seconds=20.0, default_seconds=2.4, qualities=("standard", "draft"), min_free=1)
    async with AsyncExitStack() as stack:
        server = Telegram(local=local)
        server.private(OPERATOR)
        await server.start()
        stack.push_async_callback(server.stop)
        db = await stack.enter_async_context(Database.open(data_dir=ready(folder)))
        media = Media(folder / "media")
        seeds = itertools.count(100)
        model = ModelFacts(name="still", trained=True, default_prompt="gentle motion")
        intake = Intake(db, media, STILL.plan, rules, model, lambda: next(seeds), STILL.again)
        operators = (OPERATOR["id"],)
        config = TelegramConfig(api_base=server.url, operators=operators, local_server=str(local) if local else "")
        poster = folder / "poster.jpg"
        poster.write_bytes(a_picture(kind="JPEG"))
        made = Stage(server, db, media, intake, config, SafetyConfig(consent=consent), poster, pace)
        await made.start()
        try:
            yield made
        finally:
            with suppress(asyncio.CancelledError):
                await made.stop()
        assert server.problems == []
