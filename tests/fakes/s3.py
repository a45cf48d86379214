"""moto's S3 server on loopback, and the wire to it, which a test can cut."""

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from moto.core.authorization import enable_iam_authentication
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

from db.bucket import Bucket

ACCOUNT = "123456789012"
VERBS = (b"GET ", b"HEAD ", b"PUT ", b"POST ", b"DELETE ")


def refusal(status: str, code: str) -> bytes:
    """What a store says no with."""
    body = f"<Error><Code>{code}</Code></Error>"
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


class Wire:
    """Carries bytes to a server and back, until it is cut."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.up = True
        self.most: int | None = None  # bytes of one answer that come through
        self.silent = False  # it takes whatever comes, and nothing comes back
        self.slow_s = 0.0  # for 64 KiB on their way to the server
        self.answers: list[bytes] = []  # to the next requests, which the server does not hear of then
        self._open: set[socket.socket] = set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """From now on nothing comes through."""
        self.up = False
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """As before it was cut."""
        self.up, self.most, self.silent = True, None, False

    def close(self) -> None:
        """Give the port back."""
        self.cut()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:  # closed
                return
            if not self.up:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self.port))
            self._open |= {near, far}
            for ends in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, back: bool) -> None:
        carried = 0
        with suppress(OSError):
            while got := source.recv(1 << 16):
                carried += len(got)
                if not back and self.answers and got.startswith(VERBS):
                    source.sendall(self.answers.pop(0))
                    continue
                if self.silent:
                    continue
                if not back:
                    time.sleep(self.slow_s * len(got) / (1 << 16))
                if not self.up or (back and self.most is not None and carried > self.most):
                    break
                target.sendall(got)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
            self._open.discard(end)


class S3:
    """One bucket of a server, and the wire to it."""

    def __init__(self, port: int) -> None:
        self.name = f"films-{uuid4().hex[:12]}"
        self.wire = Wire(port)
        backend: Any = s3_backends[ACCOUNT]["aws"]
        self.bucket: Any = backend.create_bucket(self.name, "us-east-1")

    def machine(self, cache: Path, **how: Any) -> Bucket:
        """What one machine has of the bucket, with its own folder."""
        return Bucket(cache, **{"name": self.name, "prefix": "studio/media", "endpoint": self.wire.url} | how)

    @property
    def keys(self) -> list[str]:
        """Of all objects."""
        return sorted(self.bucket.keys.keys())

    def object(self, sha: str) -> Any:
        """As the server has it."""
        return self.bucket.keys[f"studio/media/{sha[:2]}/{sha}"]

    def age(self, sha: str, seconds: float) -> None:
        """Make an object so much older."""
        self.object(sha).last_modified -= timedelta(seconds=seconds)

    def damage(self, sha: str) -> None:
        """Turn a bit of it around, where it lies."""
        content = bytearray(self.object(sha).value)
        content[len(content) // 2] ^= 1
        self.object(sha).value = bytes(content)

    @contextmanager
    def strict(self) -> Iterator[None]:
        """The server asks who one is: nobody is known to it."""
        with enable_iam_authentication():
            yield


@contextmanager
def served() -> Iterator[int]:
    """The server's port, while it runs; credentials that it takes stand in the environment."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    before = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    for name in before:
        del os.environ[name]
    os.environ |= {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "secret-of-somebody"}
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        yield server.get_host_and_port()[1]
    finally:
        server.stop()
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        os.environ |= before
