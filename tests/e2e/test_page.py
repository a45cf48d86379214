"""The page of a real service in a real browser: the process dies in the middle of a film, and nobody loses a second."""

import asyncio
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from db import jobs, sections
from db.connect import Database
from db.rows import Section
from tests.browsers import TRACK, Browsers, ask, complaints, shoot, text, until
from tests.e2e.conftest import start

pytestmark = pytest.mark.slow

LOADING_S = 240.0  # for the engine, whose process comes last where there is too little to go round

# Addresses of the provisional ends that the page asked for, the newest last.
ENDS = "return performance.getEntriesByType('resource').map((one) => one.name).filter((name) => name.includes('/end/'))"


def serving(data_dir: Path, small: Path, config: Path) -> "subprocess.Popen[str]":
    """A service whose page answers."""
    quiet = {"stdout": subprocess.DEVNULL}
    process = start("run", "-c", config, "--data-dir", data_dir, "--model", small, **quiet)
    assert process.stderr is not None
    for line in process.stderr:
        if re.search(r"http://127\.0\.0\.1:", line):
            return process
    raise AssertionError("the service ended before its page was there")


async def kept(data_dir: Path) -> tuple[int, list[Section]]:
    """How many sections the only film shall have, and those that are finished."""
    async with Database.open(data_dir=data_dir) as db:
        (job,) = await jobs.recent(db, 2)
        return job.sections, await sections.of(db, job.id)


def test_a_film_goes_on_in_the_browser_though_the_service_is_killed(
    small: Path, photo: Path, data_dir: Path, config: Path, browser: Browsers
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config.write_text(f"[model]\nthreads = 1\n[web]\nport = {port}\n", "utf-8")
    chrome = browser()
    service = serving(data_dir, small, config)
    try:
        ask(chrome, f"http://127.0.0.1:{port}/", photo, "snow", "7.2")
        address = chrome.current_url
        until(chrome, "document.querySelector('.film').currentTime > 0.1", LOADING_S)
        chrome.execute_script(TRACK)
        chrome.execute_script("performance.setResourceTimingBufferSize(9999)")  # previews fill 250 on a slow machine
        service.send_signal(signal.SIGKILL)
        service.communicate()
        until(chrome, "!document.querySelector('#offline').hidden")
        shoot(chrome, "job-killed")
        assert not chrome.execute_script("return document.querySelector('.watch').classList.contains('over')")
        planned, before = asyncio.run(kept(data_dir))
        assert 0 < len(before) < planned == 6
        service = serving(data_dir, small, config)
        until(chrome, "document.querySelector('.watch').classList.contains('over')", LOADING_S)
        until(chrome, "begun.buffered.length === 1 && ready() > 7.2")
        assert text(chrome, "#headline") == "Your film is ready: 7.2 s"
        assert chrome.execute_script("begun.currentTime = 7; return begun.paused") is False
        until(chrome, "begun.currentTime < 6")  # to its end, and it begins again
        assert chrome.execute_script("return [back, emptied, document.querySelector('.film') === begun]") == [
            0,
            0,
            True,
        ]
        assert chrome.current_url == address
        # An end that the next second has just replaced is not there any more; the newest, asked for last, always is.
        *replaced, _ = chrome.execute_script(ENDS)
        gone = tuple(f"{end} - Failed to load resource: the server responded with a status of 404" for end in replaced)
        assert [line for line in complaints(chrome) if "net::ERR_" not in line and not line.startswith(gone)] == []
    finally:
        service.terminate()
        service.communicate()
    _, after = asyncio.run(kept(data_dir))
    assert after[: len(before)] == before  # nothing that was ready was made again
