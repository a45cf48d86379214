"""What the tests of the memory make things with: a clock that only they move, asks, sections."""

import hashlib
from collections.abc import Mapping
from typing import Any

from db import canvases
from db.connect import Database
from db.models import Platform
from db.query import measured_pace, section_shape
from db.requests import Ask, Limits
from db.rows import Canvas
from db.sections import Made

PLENTY = Limits(queued_per_user=1000, queued_per_chat=1000, queued_in_all=1000)
PLAN = {"model": "tiny@1", "width": 128, "height": 96, "steps": 8}
LEASE_MS = 60_000


class Clock:
    """Milliseconds since the epoch, at first a time of today: more than 32 bits hold."""

    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.ms

    def forward(self, ms: int) -> None:
        self.ms += ms


def sha(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def ask(key: str = "key", *, sections: int = 3, **changes: Any) -> Ask:
    fields: dict[str, Any] = {
        "key": key,
        "platform": Platform.PAGE,
        "user_id": "ann",
        "chat_id": "page",
        "locale": "en",
        "picture": sha("picture"),
        "prompt": "night falls",
        "settings": {"seed": 7},
        "plan": PLAN,
        "sections": sections,
    }
    return Ask(**fields | changes)


def made(n: int, name: str = "", **changes: Any) -> Made:
    """Section n with files named after it; `name` tells one worker's files from another's."""
    files = {kind: sha(f"{name} {kind} {n}") for kind in ("latents", "clip", "tail", "film")}
    times = {"sampling_ms": 700, "decode_ms": 200, "encode_ms": 100}
    return Made(**{"n": n, "frames": 36 * (n + 1) + 1, **files, **times} | changes)


async def due(db: Database, platform: Platform = Platform.PAGE) -> list[Canvas]:
    """The messages that should show something newer now."""
    pending = await canvases.pending(db, platform)
    return [each for each in pending if each.shown < each.wanted and each.not_before_ms <= db.steady()]


def pace(db: Database, plan: Mapping[str, Any]) -> int | None:
    """Milliseconds that a section of such a plan takes."""
    shape = section_shape(plan)
    with db.reading() as tx:
        return measured_pace(tx, [shape]).get(shape)
