"""Films for the benches that run the whole way: a picture made by arithmetic, jobs put straight into a queue."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from db import requests
from db.connect import Database
from db.media import Media
from db.models import Platform
from db.requests import Ask, Limits
from db.rows import Job
from gen.card import Card
from gen.plan import frames_after, make_plan, sections_for

NO_LIMITS = Limits(queued_per_user=10**6, queued_per_chat=10**6, queued_in_all=10**6)


def picture(width: int = 192, height: int = 192) -> bytes:
    """A PNG with soft shapes and some texture, the same each time."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    hills = 0.5 + 0.5 * np.sin(9 * x + 2 * np.sin(5 * y))
    grain = np.random.default_rng(0).normal(0, 0.03, (height, width))
    rgb = np.stack([hills, 0.3 + 0.6 * y, 1 - x * hills], axis=-1) + grain[..., None]
    with BytesIO() as file:
        Image.fromarray((255 * rgb.clip(0, 1)).astype(np.uint8)).save(file, "PNG")
        return file.getvalue()


def seconds_of(card: Card, sections: int) -> float:
    """The seconds to ask for to get a film of so many sections."""
    seconds = frames_after(sections, card.window, card.time_compression) / card.fps / 0.951
    assert sections_for(seconds, card.window, card.fps, card.time_compression) == sections
    return seconds


async def submit(db: Database, media: Media, card: Card, sections: Sequence[int], prompt: str = "") -> list[Job]:
    """Queue one film for each number of sections; the seed of film i is i."""
    sha = media.put(picture())
    return [await submit_one(db, card, sha, count, seed, prompt) for seed, count in enumerate(sections)]


async def submit_one(db: Database, card: Card, sha: str, sections: int, seed: int, prompt: str) -> Job:
    """Queue a film of that many sections."""
    seconds = seconds_of(card, sections)
    plan = make_plan(card, picture_size=(192, 192), seconds=seconds, prompts=[(0.0, prompt)], seed=seed)
    ask = Ask(
        key=f"bench:{seed}",
        platform=Platform.TERMINAL,
        user_id="bench",
        chat_id="bench",
        locale="en",
        picture=sha,
        prompt=prompt,
        settings={},
        plan=plan.to_json(),
        sections=plan.sections,
    )
    return await requests.submit(db, ask, NO_LIMITS)


def model_dir(data_dir: Path) -> Path:
    """Where a data folder keeps checkpoints of set-up's making."""
    return data_dir / "models"
