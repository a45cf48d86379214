"""How many files may be open, and that the log stays small where that is not enough."""

import asyncio
import errno
import os
import sys

import pytest

from flipbot.open_files import MOST, OPEN_MAX, Short, raise_limit


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_as_many_files_may_be_open_as_the_system_allows() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        allowed = raise_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (allowed, hard)
        assert allowed == (MOST if hard == resource.RLIM_INFINITY else min(hard, MOST))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_where_fewer_are_allowed_than_is_said_so_many_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    given = []

    def as_macos(_: int, limits: tuple[int, int]) -> None:
        if limits[0] > OPEN_MAX:
            raise ValueError("current limit exceeds maximum limit")
        given.append(limits[0])

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", as_macos)
    assert raise_limit() == OPEN_MAX and given == [OPEN_MAX]


async def test_connections_that_cannot_be_let_in_are_one_line(caplog: pytest.LogCaptureFixture) -> None:
    handle, loop = Short(), asyncio.get_running_loop()
    full = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    for _ in range(100):
        handle(loop, {"message": "socket.accept() out of system resource", "exception": full})
    (line,) = caplog.records
    assert "no more connections are let in" in line.getMessage() and line.exc_info is None
    handle(loop, {"message": "something else", "exception": ValueError("odd")})
    assert "something else" in caplog.text
