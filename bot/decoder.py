"""Strangers' pictures are decoded in a process of their own, which may take so much memory and time and no more.

What a crafted file does to a decoder ends that process and one request. It is started when it is first needed and again
once it died; it ends with the process that started it. `python -m bot.decoder` is the process.

A question is a line of JSON and the file's bytes, an answer is a line of JSON and the PNG's bytes.
"""

import atexit
import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO, Any, Final

from bot.errors import Refused
from bot.picture import Picture, read_picture

MEMORY_BYTES: Final = 3 << 30  # of addresses; the largest picture that is taken needs about half of it
PATIENCE_S: Final = 30.0
HEAVY: Final = "refused.picture_too_heavy"


class Decoder:
    """One process, one picture at a time; every call blocks, so call it in a thread.

    memory_bytes: what the process may take, where the system can hold it to that (not on Windows)
    patience_s:   for one picture
    """

    def __init__(self, memory_bytes: int = MEMORY_BYTES, patience_s: float = PATIENCE_S) -> None:
        self.memory_bytes, self.patience_s = memory_bytes, patience_s
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, data: bytes, *, max_bytes: int, max_megapixels: float) -> Picture:
        """As `read_picture`. raises: Refused, for what takes too much as well."""
        asked = {"bytes": len(data), "max_bytes": max_bytes, "max_megapixels": max_megapixels}
        with self._turn:
            process, over = self._alive(), threading.Event()

            def end() -> None:
                over.set()
                process.kill()

            timer = threading.Timer(self.patience_s, end)
            timer.start()
            try:
                return _ask(process, asked, data)
            except (OSError, ValueError, EOFError):  # it died of it, or was taking too long
                over.set()
                raise Refused(HEAVY) from None
            finally:
                timer.cancel()
                timer.join()
                if over.is_set():  # it is gone for good before the next picture comes
                    _end(process)

    def close(self) -> None:
        """End the process; the next call starts another one."""
        with self._turn:
            if self._process is not None:
                _end(self._process)
            self._process = None
        atexit.unregister(self.close)

    def _alive(self) -> "subprocess.Popen[bytes]":
        if self._process is not None and self._process.poll() is None:
            return self._process
        if self._process is None:
            atexit.register(self.close)
        else:
            _end(self._process)
        alone: dict[str, Any] = {"start_new_session": True} if os.name == "posix" else {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bot.decoder", str(self.memory_bytes)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **alone,
        )  # fmt: skip
        return self._process


def _ask(process: "subprocess.Popen[bytes]", asked: dict[str, Any], data: bytes) -> Picture:
    """raises: Refused, as the process says; OSError, ValueError, EOFError where it says nothing"""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps(asked).encode() + b"\n" + data)
    process.stdin.flush()
    told = json.loads(process.stdout.readline())
    if "refused" in told:
        raise Refused(told["refused"], **told["facts"])
    return Picture(_exactly(process.stdout, told["bytes"]), told["width"], told["height"], tuple(told["notes"]))


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def _exactly(pipe: IO[bytes], count: int) -> bytes:
    data = pipe.read(count)
    if len(data) < count:
        raise EOFError
    return data


# The process


def _serve(pipe_in: IO[bytes], pipe_out: IO[bytes]) -> None:
    """Answer until nobody asks any more."""
    while line := pipe_in.readline():
        asked = json.loads(line)
        data = _exactly(pipe_in, asked.pop("bytes"))
        png = b""
        try:
            picture = read_picture(data, **asked)
            png = picture.png
            told: dict[str, Any] = {"bytes": len(png), "width": picture.width, "height": picture.height}
            told["notes"] = picture.notes
        except Refused as refused:
            heavy = isinstance(refused.__cause__, MemoryError)
            told = {"refused": HEAVY if heavy else refused.key, "facts": {} if heavy else refused.facts}
        except MemoryError:
            told = {"refused": HEAVY, "facts": {}}
        pipe_out.write(json.dumps(told).encode() + b"\n" + png)
        pipe_out.flush()


def _hold_to(memory_bytes: int) -> None:
    """No more memory than that, and the others' turn before ours; what the system does not know is left out."""
    if hasattr(os, "nice"):
        os.nice(5)
    with suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


DECODER: Final = Decoder()  # of this process

if __name__ == "__main__":
    _hold_to(int(sys.argv[1]))
    _serve(sys.stdin.buffer, sys.stdout.buffer)
