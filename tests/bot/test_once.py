"""What many ask is looked up once, and never longer ago than the newest commit."""

import asyncio
from pathlib import Path

import pytest

from bot.once import Once, lately
from db.connect import Database


async def test_many_ask_and_one_looks_until_something_is_committed(tmp_path: Path) -> None:
    async with Database.open(data_dir=tmp_path) as db:
        once, looks = Once(db), 0

        async def look() -> int:
            nonlocal looks
            looks += 1
            await asyncio.sleep(0)
            return looks

        assert await asyncio.gather(*(once.ask("a", look) for _ in range(50))) == [1] * 50
        assert await once.ask("b", look) == 2
        assert await once.ask("a", look) == 1
        db.notify()
        assert await once.ask("a", look) == 3


async def test_a_refusal_is_everybodys_and_who_leaves_spoils_nothing(tmp_path: Path) -> None:
    async with Database.open(data_dir=tmp_path) as db:
        once, going = Once(db), asyncio.Event()

        async def look() -> int:
            await going.wait()
            raise FileNotFoundError("gone")

        asking = [asyncio.create_task(once.ask("a", look)) for _ in range(3)]
        await asyncio.sleep(0)
        asking[0].cancel()
        going.set()
        assert [type(each) for each in await asyncio.gather(*asking, return_exceptions=True)] == [
            asyncio.CancelledError,
            FileNotFoundError,
            FileNotFoundError,
        ]


@pytest.mark.parametrize(("keep_s", "looks"), [(60.0, 1), (-1.0, 3)])
def test_an_answer_is_good_for_a_while(keep_s: float, looks: int) -> None:
    asked: list[None] = []
    look = lately(lambda: asked.append(None), keep_s)
    for _ in range(3):
        look()
    assert len(asked) == looks
