"""The GPU child as its parent sees it: start it, ask for a section, take that back, notice that it died. No torch."""

import asyncio
import base64
import ctypes
import json
import logging
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from db.said import unpacked

log = logging.getLogger("flipbot.process")

# The libraries' progress bars and hints would stand in the middle of ours.
QUIET = {"TRANSFORMERS_VERBOSITY": "error", "DIFFUSERS_VERBOSITY": "error", "TQDM_DISABLE": "1"}
# glibc gives large tensors back to the system after every operation and takes them anew, page by page; with these the
# tiny checkpoint decodes a section in 2.4 s instead of 4.0 (docs/training-log.md). Other systems take no notice.
MALLOC = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000", "MALLOC_TOP_PAD_": "67108864"}
# torch's allocator for a card: without this it keeps pieces that fit nothing that comes later, and a plan has no room
# for them. Windows has no such thing; whoever has set it keeps theirs.
SEGMENTS = {"PYTORCH_ALLOC_CONF": "expandable_segments:True"}
LINE_LIMIT = 1 << 24  # bytes of one event; a preview is some 20 kB
SILENT_S = 1800.0  # without a word; loading 25 GB from a slow disk, or compiling, takes minutes
PIECES = 30  # of the silence: a freeze of the whole service, in which nobody could say a word, counts as one at most


def segments(platform: str, environment: Mapping[str, str]) -> Mapping[str, str]:
    """SEGMENTS, where they are known and nobody has said otherwise."""
    theirs = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
    return {} if platform != "linux" or any(name in environment for name in theirs) else SEGMENTS


def give_back() -> None:
    """Hand free memory back to the system, where MALLOC lets the allocator keep it: Linux's glibc."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)


class ChildDied(Exception):
    """The process ended while it was asked for something; facts: its exit status."""

    def __init__(self, status: int | None) -> None:
        super().__init__(f"the process ended with status {status}")
        self.status = status


class ChildHung(ChildDied):
    """The process told nothing for so long that it was killed; its status is that of the kill."""

    def __init__(self, status: int | None, silent_s: float) -> None:
        super().__init__(status)
        self.silent_s = silent_s


class ChildFailed(Exception):
    """The process answered that it could not do what it was asked; reason and facts as in gen/errors.py."""

    def __init__(self, reason: str, facts: dict[str, Any]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.facts = facts


@dataclass(frozen=True)
class Told:
    """What the child tells on the way: a phase, or a sampling step with a JPEG preview.

    step, of: 0 of 0 before the first step, and the last of all in the phases after it
    """

    phase: str
    step: int = 0
    of: int = 0
    preview: bytes | None = None


class ChildProcess:
    """One GPU child; one question at a time."""

    module = "gen.child"  # what the process runs
    silent_s = SILENT_S  # so long without a word, and it is taken for hung

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.asked = 0

    @classmethod
    async def start(cls) -> Self:
        """Start the process; it has loaded nothing yet. Ctrl-C in the terminal reaches the parent alone."""
        alone: dict[str, Any] = (
            {"start_new_session": True}
            if os.name == "posix"
            else {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            cls.module,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_LIMIT,
            env={**os.environ, **QUIET, **MALLOC, **segments(sys.platform, os.environ)},
            **alone,
        )
        log.info("child started module=%s pid=%s", cls.module, process.pid)
        return cls(process)

    @property
    def alive(self) -> bool:
        """Whether it can still be asked."""
        return self.process.returncode is None

    async def load(self, **settings: Any) -> dict[str, Any]:
        """Load a checkpoint; raises ChildFailed (checkpoint_missing, device_missing, ...) and ChildDied."""
        return await self._ask({"do": "load", **settings}, "ready")

    async def section(self, on_told: Callable[[Told], Awaitable[None]], **asked: Any) -> dict[str, Any]:
        """Ask for one section; returns the files it made. raises: ChildFailed, ChildDied, ChildHung."""
        self.asked += 1
        return await self._ask({"do": "section", "id": self.asked, **asked}, "section", on_told)

    async def take_back(self) -> None:
        """The section under way is not wanted any more: it fails with reason `cancelled` at its next step."""
        await self._send({"do": "cancel", "id": self.asked})

    async def close(self, patience_s: float = 5.0) -> None:
        """End it: close its stdin, and kill it where that does not help."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            async with asyncio.timeout(
                patience_s
            ):  # wait_for, in Python 3.11, can lose a cancel: nobody would end then
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()

    async def _send(self, message: dict[str, Any]) -> None:
        stdin = self.process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(message).encode() + b"\n")
            await stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise ChildDied(await self.process.wait()) from None

    async def _ask(
        self,
        message: dict[str, Any],
        wanted: str,
        on_told: Callable[[Told], Awaitable[None]] | None = None,
    ) -> dict[str, Any]:
        await self._send(message)
        told = Told("")
        while line := await self._line():
            event: dict[str, Any] = json.loads(line)
            match event["event"]:
                case "error":
                    raise ChildFailed(event["reason"], unpacked(event["facts"]))
                case "phase":
                    told = Told(event["phase"], told.step, told.of)
                case "step":
                    preview = base64.b64decode(event["preview"]) if event["preview"] else None
                    told = Told(told.phase, event["n"], event["of"], preview)
                case kind:
                    assert kind == wanted, f"asked for {wanted}, got {kind}"
                    return event
            if on_told is not None:
                await on_told(told)
        raise ChildDied(await self.process.wait())

    async def _line(self) -> bytes:
        """What it tells next; nothing where it has ended. raises ChildHung: drivers can hang for ever."""
        stdout = self.process.stdout
        assert stdout is not None
        for _ in range(PIECES):
            with suppress(TimeoutError):
                async with asyncio.timeout(self.silent_s / PIECES):
                    return await stdout.readline()
        log.warning("child hung module=%s pid=%s silent=%.0fs", self.module, self.process.pid, self.silent_s)
        self.process.kill()
        raise ChildHung(await self.process.wait(), self.silent_s)
