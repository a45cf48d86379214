"""A stage for the Discord tests: the real bot, poster, queue and media store, against a server that speaks the wire."""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from bot.config import DiscordConfig, SafetyConfig
from bot.discord_bot import DiscordBot
from bot.discord_server import terms_of
from bot.film import film_of
from bot.front import hooks_of
from bot.intake import Intake, ModelFacts, Rules
from bot.poster import Poster
from bot.sender import DISCORD, Pace
from db import jobs, requests, sections
from db.connect import Database
from db.media import Media
from db.rows import Job
from db.sections import Made
from tests.fakes.discord import TOKEN, Discord
from tests.planned import Still
from tests.ready import ready

STILL = Still(96, 64)


def png(colour: str = "teal", size: tuple[int, int] = (96, 64)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


QUICK = Pace(budget=(1000, 1.0), media_s=0.0, text_s=0.2)
WHO = ("user", "channel", "locale", "app_permissions", "permissions", "roles")  # of an interaction


@dataclass
class Stage:
    """What stands on it. `work` is the worker: a section whenever a test says so."""

    there: Discord
    db: Database
    media: Media
    intake: Intake
    config: DiscordConfig
    safety: SafetyConfig
    pace: Pace
    tasks: list["asyncio.Task[Any]"] = field(default_factory=list)
    bot: DiscordBot | None = None

    async def start(self) -> None:
        """Start the front: bot and poster."""
        before = self.there.identified
        self.bot = DiscordBot(self.config, self.safety, self.intake, self.db, self.media, TOKEN, self.pace)
        hooks = hooks_of(self.db, self.intake)
        terms = partial(terms_of, self.db, self.intake.rules.longest_seconds)
        poster = Poster(self.db, [self.bot.sender], partial(film_of, self.db, self.media), terms=terms, hooks=hooks)
        self.tasks = [asyncio.create_task(self.bot.run()), asyncio.create_task(poster.run())]
        await self.there.until(lambda: self.there.identified > before and self.there._sockets)

    async def stop(self) -> None:
        """End it, as a kill would: nothing is finished or put in order by the bot itself."""
        for task in self.tasks:
            task.cancel()
        for task in self.tasks:
            with suppress(asyncio.CancelledError):
                await task
        self.tasks = []
        await asyncio.sleep(0.1)  # what discord.py has begun meanwhile ends by itself

    async def animate(self, prompt: str = "fog rolls in", **more: Any) -> str:
        """Somebody types /animate."""
        who = {key: more.pop(key) for key in WHO if key in more}
        options = {"image": self.there.upload(png()), "prompt": prompt, "seconds": 4, **more}
        return await self.there.command("animate", options, **who)

    async def job(self, n: int = 1) -> Job:
        """The n-th job, once it is there."""

        async def found() -> Job | None:
            with suppress(Exception):
                return await jobs.get(self.db, n)
            return None

        for _ in range(600):
            if job := await found():
                return job
            await asyncio.sleep(0.05)
        raise AssertionError(f"there is no job {n}; {[m.content for m in self.there.messages.values()]}")

    async def work(self, took_ms: int = 1000) -> Job | None:
        """One turn of a worker: a section with a film that is a file."""
        claim = await jobs.claim(self.db, "worker", 600_000)
        if claim is None:
            return None
        n = claim.job.done
        film = await asyncio.to_thread(self.media.put, f"film of job {claim.job.id} up to {n}".encode() * 50)
        latents = await asyncio.to_thread(self.media.put, f"latents {claim.job.id} {n}".encode())
        made = Made(
            n=n, latents=latents, clip=None, tail=None, film=film, frames=36 * (n + 1) + 1,
            sampling_ms=took_ms, decode_ms=1, encode_ms=1,
        )  # fmt: skip
        return (await sections.record(self.db, claim, made)).job


@asynccontextmanager
async def stage(
    folder: Path,
    *,
    consent: bool = False,
    public_url: str = "",
    slow: bool = False,
    ends: bool = False,
    rules: Mapping[str, Any] | None = None,
    **config: Any,
) -> AsyncIterator[Stage]:
    """A bot that runs, and its server; slow: both keep Discord's limits on messages, else neither does."""
    usual: dict[str, Any] = {
        "queue": requests.Limits(queued_per_user=500, queued_per_chat=500, queued_in_all=500),
        "longest_seconds": 60.0, "default_seconds": 5.0, "qualities": ("standard", "draft"), "min_free": 1,
    }  # fmt: skip
    model = ModelFacts(name="still@1", trained=True, default_prompt="gentle motion", ends=ends)
    async with Discord() as there, Database.open(data_dir=ready(folder)) as db:
        media = Media(folder / "media")
        intake = Intake(
            db,
            media,
            STILL.plan,
            Rules(**usual | dict(rules or {})),
            model,
            replanner=STILL.again,
            public_url=public_url,
        )
        made = Stage(
            there,
            db,
            media,
            intake,
            DiscordConfig(api_base=there.api, **config),
            SafetyConfig(consent=consent),
            DISCORD if slow else QUICK,
        )
        there.bucket = there.bucket if slow else QUICK.budget
        await made.start()
        try:
            yield made
        finally:
            await made.stop()
        assert there.broken == []
