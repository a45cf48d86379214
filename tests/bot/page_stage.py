"""A page with a real queue and media store behind it, and a worker that plays the other room through the same verbs."""

import asyncio
import io
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bot.intake import Example, Intake, ModelFacts, Rules
from bot.page import Page
from bot.page_guard import read_key
from db import jobs, progress, sections
from db.connect import Database
from db.media import Media
from db.requests import Limits
from db.rows import Claim, Job
from gen import film
from tests.planned import FPS, FRAMES, Still
from tests.ready import ready

PROVISIONAL, STEPS = 33, 8
STILL = Still(320, 224, STEPS)
EXAMPLES = (Example("fog rolls in", "雾气涌来"), Example("night falls", "夜幕降临"))

GIB = 1 << 30
PLAN = {  # of memory, as the engine tells it
    "device": "NVIDIA GeForce RTX 3060 Laptop GPU",
    "gpu": True,
    "precision": "bf16",
    "blocks": 60,
    "resident": 11,
    "streamed": 18 * GIB,
    "vram": 5.9 * GIB,
    "vram_limit": 6 * GIB,
    "ram": 22 * GIB,
    "ram_limit": 28 * GIB,
    "parts": {
        "blocks": 2 * GIB,
        "slots": 0.8 * GIB,
        "tables": 0.1 * GIB,
        "embedders": 0.1 * GIB,
        "vae": 0.46 * GIB,
        "once": 1.6 * GIB,
    },
}


def scene(at: float, size: tuple[int, int] = (320, 224)) -> Image.Image:
    """A landscape with a sun that moves as `at` goes from 0 to 1."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    sky = np.stack([255 - y * 0.25 - at * 60, 170 + y * 0.2 - at * 60, 130 + y * 0.35], -1)
    sun = (x - (0.2 + 0.6 * at) * width) ** 2 + (y - 0.35 * height) ** 2 < (0.11 * height) ** 2
    hills = y > height * (0.68 + 0.06 * np.sin(x / width * 7))
    sky[sun] = (255, 236, 170)
    sky[hills] = (58, 76, 92)
    return Image.fromarray(sky.clip(0, 255).astype(np.uint8))


def photo(kind: str = "JPEG", size: tuple[int, int] = (960, 672)) -> bytes:
    out = io.BytesIO()
    scene(0.0, size).save(out, kind)
    return out.getvalue()


def grainy() -> bytes:
    """A JPEG that is several times as large as a PNG."""
    out = io.BytesIO()
    grain = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), np.uint8)
    Image.fromarray(grain).save(out, "JPEG", quality=40)
    return out.getvalue()


GRAINY = grainy()


def write_clip(path: Path, first: int, count: int) -> None:
    """Frames of the scene as a clip."""
    frames = np.stack([np.asarray(scene((n % 240) / 240)) for n in range(first, first + count)])
    film.encode_clip(frames, path, FPS, crf=30, preset="ultrafast")


@dataclass
class Service:
    """Everything that runs, and the worker's hands."""

    db: Database
    media: Media
    intake: Intake
    page: Page
    url: str
    fragments: bool = True  # whether films can be joined while they play; inverted ones cannot

    async def begin(self) -> Claim:
        """Claim the next section."""
        claim = await jobs.claim(self.db, "worker", 60_000)
        assert claim is not None
        return claim

    async def step(self, claim: Claim, step: int, phase: str = "sampling") -> None:
        """Report a sampling step with a preview."""
        out = io.BytesIO()
        scene(step / STEPS, (160, 112)).save(out, "JPEG")
        await progress.report(self.db, claim, claim.job.done, step, STEPS, phase, out.getvalue())

    async def record(self, claim: Claim) -> Job:
        """Record a section as the worker does: its clip, the provisional frames, the longer film; the shorter goes."""
        n = claim.job.done
        frames = FRAMES * (n + 1) + 1
        start, end = (FRAMES * n + 1 - PROVISIONAL if n else 0), frames - PROVISIONAL
        clips = [self.media.path(section.clip) for section in claim.sections if section.clip]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            clip, last, whole = folder / "clip.mp4", folder / "last.mp4", folder / "film.mp4"
            await asyncio.to_thread(write_clip, clip, start, end - start)
            await asyncio.to_thread(write_clip, last, end, PROVISIONAL)
            film.join([*clips, clip, last], whole, fps=FPS)
            files = {"clip": clip, "film": whole}
            if self.fragments:
                film.fragment(clip, folder / "clip.m4s", fps=FPS, start=start)
                film.fragment(last, folder / "last.m4s", fps=FPS, start=end)
                files |= {"fragment": folder / "clip.m4s", "fragment_end": folder / "last.m4s"}
            kept = {kind: self.media.put(path.read_bytes()) for kind, path in files.items()}
        latents = self.media.put(f"latents {claim.job.id} {n}".encode())
        times = {"sampling_ms": 700, "decode_ms": 200, "encode_ms": 100}
        made = sections.Made(n=n, latents=latents, tail=None, frames=frames, **kept, **times)
        recorded = await sections.record(self.db, claim, made)
        for sha in recorded.unreferenced:
            self.media.drop(sha)
        return recorded.job

    async def section(self) -> Job:
        """One whole turn."""
        claim = await self.begin()
        await self.step(claim, 4)
        return await self.record(claim)


def rules(**other: Any) -> Rules:
    limits = Limits(queued_per_user=3, queued_per_chat=5, queued_in_all=50)
    plain: dict[str, Any] = {"queue": limits, "longest_seconds": 30.0, "default_seconds": 5.0, "min_free": 1}
    return Rules(**(plain | {"qualities": ("standard", "draft"), "max_bytes": 2**20} | other))


@asynccontextmanager
async def service(
    folder: Path,
    *,
    trained: bool = True,
    ends: bool = False,
    host: str = "127.0.0.1",
    port: int = 0,
    password: str = "",
    guest_password: str = "",
    public_url: str = "",
    doctor: Callable[[str], Awaitable[str]] | None = None,
    media: Media | None = None,
    **other: Any,
) -> AsyncIterator[Service]:
    """A page on a free port, its rows and files in a folder. media: another place for the files"""
    model = ModelFacts(name="still@1", trained=trained, default_prompt="gentle motion", examples=EXAMPLES, ends=ends)
    async with Database.open(data_dir=ready(folder)) as db:
        media = media or Media(folder / "media")
        intake = Intake(db, media, STILL.plan, rules(**other), model, replanner=STILL.again)
        where = {"host": host, "port": port, "password": password, "guest_password": guest_password}
        page = Page(intake, db, media, **where, public_url=public_url, key=read_key(folder), doctor=doctor)
        url = await page.start()
        try:
            yield Service(db, media, intake, page, url)
        finally:
            await page.stop()
