"""The files that a section starts from: each is compared with its name, the SHA-256 of its content, before it is used.

What is damaged is made again: a tail and a conditioning on the way, a clip out of its section's latents, and latents by
making that section once more. All of it is equal to the bit to what was lost.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from gen import errors, film

if TYPE_CHECKING:
    from torch import Tensor

    from gen.engine import Engine
    from gen.types import Conditioning, Plan

log = logging.getLogger("flipbot.child")

PIECE = 3  # sections whose latents the frames of one are decoded from, its own included


def intact(path: str | Path) -> bool:
    """Whether the file is there and its content is what its name says; milliseconds for a section's files."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            whole = hashlib.file_digest(file, "sha256").hexdigest() == path.name
    except OSError:  # gone, or the disk does not give it any more
        whole = False
    if not whole:
        log.warning("file damaged or gone name=%s", path.name)
    return whole


def made_by(path: Path) -> dict[str, Any] | None:
    """What made the latents in this file, as the child wrote it into the header; None where it says nothing.

    Its "ran" is the number of steps that all blocks computed; earlier files have none.
    """
    try:
        with safe_open(path, "pt") as opened:
            said: dict[str, Any] = json.loads((opened.metadata() or {})["made_by"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    return said


def mend_clips(
    engine: Engine,
    plan: Plan,
    conditioning: Conditioning,
    latents: Sequence[str],
    clips: Sequence[str | None],
    out: Path,
) -> dict[int, Path]:
    """Clips that are damaged, encoded anew: by section, in files of the folder `out`.

    raises: SectionLost, where that gives another file than the one that was lost, or the latents are lost as well
    """
    made = {}
    for n, clip in enumerate(clips):
        if clip is None or intact(clip):
            continue
        first = max(0, n + 1 - PIECE)
        history = [None] * first + [load_latents(latents, each) for each in range(first, n + 1)]
        final, _, _ = engine.decode(plan, conditioning, history, n, None)
        path = out / f"clip-{n}.mp4"
        film.encode_clip(final, path, plan.fps)
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != Path(clip).name:
                raise errors.SectionLost(file=Path(clip).name, n=n)
        made[n] = path
    return made


def load_latents(latents: Sequence[str], n: int) -> Tensor:
    """(1, C, window, h, w) float32 of finished section n. raises: SectionLost."""
    if not intact(latents[n]):
        raise errors.SectionLost(file=Path(latents[n]).name, n=n)
    return load_file(latents[n])["latents"].clone()  # to memory of its own, as Conditioning.load says


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Where a file cannot be written for want of room, say so; safetensors has no type of its own for it."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        full = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
        said = str(error)
        if getattr(error, "errno", None) in full or any(
            f"os error {n}" in said or os.strerror(n) in said for n in full
        ):
            raise errors.DiskFull(where=str(folder)) from error
        raise
