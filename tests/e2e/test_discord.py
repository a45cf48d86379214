"""The service against a Discord server, killed at random moments: what was answered is not lost, and is shown once."""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

import pytest

from bot.bench.answer import CONFIG
from tests.fakes.discord import TOKEN, Discord

ROOT = Path(__file__).parents[2]
ROUNDS = 4
LONGEST_S = 1.5


async def start(there: Discord, config: Path) -> asyncio.subprocess.Process:
    before = there.identified
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "flipbot.py"), "front", "-c", str(config)),
        env={**os.environ, "DISCORD_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)},
        stderr=asyncio.subprocess.DEVNULL,
    )
    await there.until(lambda: there.identified > before and there._sockets and there.commands, within_s=120.0)
    return process


@pytest.mark.slow
async def test_a_front_killed_at_any_moment_loses_nothing_that_it_answered(tmp_path: Path) -> None:
    chance = random.Random(7)
    async with Discord() as there:
        config = tmp_path / "config.toml"
        config.write_text(CONFIG.format(data_dir=(tmp_path / "data").as_posix(), api=there.api), "utf-8")
        photo = there.upload((ROOT / "examples" / "photo.jpg").read_bytes(), "photo.jpg")
        asked: list[str] = []
        process = await start(there, config)
        try:
            for n in range(ROUNDS):
                for user in (f"81{n}", f"82{n}"):
                    options = {"image": photo, "prompt": f"the sun rises {user}", "seconds": 2}
                    asked.append(await there.command("animate", options, user=user))
                await asyncio.sleep(chance.random() * LONGEST_S)
                process.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
                await process.wait()
                await there.until(lambda: not there._sockets)
                process = await start(there, config)
            answered = [each for each in asked if there.answers[each].done()]

            def settled() -> bool:
                shown = there.in_channel()
                return len(shown) >= len(answered) and all("in line" in message.content for message in shown)

            await there.until(settled, within_s=120.0)
            prompts = [message.content.split("`")[1] for message in there.in_channel()]
            assert len(prompts) == len(set(prompts)), "one film, one message"
            assert len(answered) <= len(prompts) <= len(asked)
        finally:
            process.kill()
            await process.wait()
        assert there.broken == []
