"""Real processes and a Bot API server: what somebody sent is made once, whenever the service is killed."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import start
from tests.fakes.telegram import Telegram, a_picture, labels, person

ANN = person(111)
QUIETLY: dict[str, object] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
PATIENT_S = 180.0  # a loaded machine takes its time to load PyTorch


@pytest.fixture
async def server() -> AsyncIterator[Telegram]:
    server = Telegram()
    await server.start()
    yield server
    await server.stop()
    assert server.problems == []


@pytest.fixture
def chatty(config: Path, server: Telegram) -> Path:
    """A configuration with the bot in it."""
    extra = f'[telegram]\ntoken = "{server.token}"\napi_base = "{server.url}"\n[safety]\nconsent = false\n'
    config.write_text(config.read_text() + extra)
    return config


async def shown(server: Telegram, kind: str, *words: str) -> dict[str, Any]:
    """The bot's message that shows that kind and says these words, once there is one."""
    chat = server.private(ANN)

    def found() -> dict[str, Any] | None:
        for message in server.of_bot(chat):
            said = message.get("text", "") + message.get("caption", "")
            if kind in message and all(word in said for word in words):
                return message
        return None

    got: dict[str, Any] = await server.until(found, PATIENT_S)
    return got


def kill(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate(timeout=60)


async def end(process: "subprocess.Popen[str]") -> None:
    """Ctrl-C, and wait until it is gone."""
    process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 0


@pytest.mark.slow
async def test_a_photo_becomes_a_film_though_the_service_is_killed_midway(
    server: Telegram, small: Path, chatty: Path, data_dir: Path
) -> None:
    chat = server.private(ANN)
    words = ("run", "-c", chatty, "--data-dir", data_dir, "--model", small)
    service = start(*words, **QUIETLY)
    try:
        server.sends(ANN, chat, a_picture(), caption="fog rolls in 2.4s seed=7")
        grown = await shown(server, "animation")
        await asyncio.to_thread(kill, service)
        service = start(*words, **QUIETLY)
        done = await shown(server, "video", "seed 7")
        assert done["message_id"] == grown["message_id"]
        assert "New seed" in labels(done) and done["video"]["width"] > 0
        assert len(server.of_bot(chat)) == 1
        await end(service)
    finally:
        service.kill()
        service.wait()
