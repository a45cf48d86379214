"""Connections to the page: how many there are at once, and that who says nothing goes.

Anybody can connect, and each connection is an open file of the whole service. So there are fewer than the system allows
it, one that has asked nothing is closed soon, and where all are taken one gives way that waits for nothing: of those
that have asked nothing the longest silent, else the one that was answered longest ago.
"""

import asyncio
import logging
import socket
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from db.trouble import is_short

log = logging.getLogger(__name__)

MOST: Final = 4096  # connections at once: each takes some 20 KiB
SILENT_S: Final = 30.0  # until the first request is there whole, but for a form
# Between two requests: proxies keep a connection for a minute or two, and must be the first to end it
IDLE_S: Final = 180.0
TAKES_S: Final = 60.0  # so long a connection may take nothing of what it is sent; a film that pauses is asked for anew


class Handler(web.RequestHandler):
    """A connection that came in by the door."""

    __slots__ = ("door",)

    def __init__(self, door: "Door", server: web.Server, **how: Any) -> None:
        super().__init__(server, **how)
        self.door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is served, or closed at once."""
        assert isinstance(transport, asyncio.Transport)
        if self.door.comes(self):
            hurry(transport, self.door.takes_s)
            super().connection_made(transport)
        else:
            transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """It has ended."""
        self.door.goes(self)
        super().connection_lost(exc)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """A request is answered, to its last byte."""
        finished = await super().finish_response(request, resp, start_time)
        self.door.rests(self)
        return finished


class Door:
    """Makes the connections of one server. most: of them, at once"""

    def __init__(self, most: int) -> None:
        self.most, self.silent_s, self.takes_s = most, SILENT_S, TAKES_S
        self.there: set[Handler] = set()
        self.silent: dict[Handler, asyncio.TimerHandle] = {}  # those that have asked nothing yet, the oldest first
        self.resting: dict[Handler, None] = {}  # those that were answered, the longest ago first

    async def open(self, runner: web.AppRunner, host: str, port: int) -> asyncio.Server:
        """Let connections to an address in. raises: OSError, OverflowError"""
        loop, server = asyncio.get_running_loop(), runner.server
        assert server is not None, "not set up"
        logger = logging.getLogger(f"{__name__}.http")
        logger.addFilter(tell)
        how = {"loop": loop, "access_log": None, "keepalive_timeout": IDLE_S, "logger": logger}
        return await loop.create_server(lambda: Handler(self, server, **how), host, port)

    def comes(self, handler: Handler) -> bool:
        """Whether one more may come in."""
        if len(self.there) >= self.most:
            idle = next(iter(self.silent or self.resting), None)
            if idle is None:
                return False
            self._end(idle)
        self.there.add(handler)
        self.silent[handler] = asyncio.get_running_loop().call_later(self.silent_s, self._end, handler)
        return True

    def asks(self, request: web.Request) -> None:
        """It has said something."""
        self._heard(request.protocol)

    def rests(self, handler: Handler) -> None:
        """It was answered, and may ask for more."""
        if handler in self.there:
            self._heard(handler)
            self.resting[handler] = None

    def goes(self, handler: Handler) -> None:
        """It has ended."""
        self.there.discard(handler)
        self._heard(handler)

    def _heard(self, handler: Any) -> None:
        self.resting.pop(handler, None)
        if (timer := self.silent.pop(handler, None)) is not None:
            timer.cancel()

    def _end(self, handler: Handler) -> None:
        self.goes(handler)
        if handler.transport is not None:
            handler.transport.abort()  # whether or not it has taken what it was sent
        handler.force_close()


def hurry(transport: asyncio.Transport, within_s: float) -> None:
    """Let the system end a connection that takes nothing for so long, where it can (Linux): else whoever asks and does
    not read has it for ever."""
    if hasattr(socket, "TCP_USER_TIMEOUT") and (own := transport.get_extra_info("socket")) is not None:
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * within_s))


def tell(record: logging.LogRecord) -> bool:
    """Whether the server's line is one for the owner: not where a stranger sent no HTTP, and not with a traceback for
    each file that may not be opened."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError) or (error is not None and is_short(error)):
        log.debug("not answered: %s", type(error).__name__)
        return False
    return True
