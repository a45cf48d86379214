"""Letters that arrive together: one commit for all that wait, and each answered only after it."""

import asyncio

from sqlalchemy import event

from db import inbox
from db.connect import Database
from db.models import Platform

HERE = Platform.DISCORD


async def test_a_burst_of_letters_needs_few_commits(db: Database) -> None:
    commits = []
    event.listen(db.engines.writing, "commit", commits.append)
    new = await asyncio.gather(*(inbox.receive(db, HERE, [(f"k{n}", "1", "{}")]) for n in range(40)))
    assert new == [1] * 40
    assert len(await inbox.unhandled(db, HERE)) == 40
    assert 1 <= len(commits) <= 20  # without a commit for all that wait it is 40


async def test_the_same_letter_twice_in_one_burst_is_new_once(db: Database) -> None:
    new = await asyncio.gather(*(inbox.receive(db, HERE, [("k", "1", "{}")]) for _ in range(5)))
    assert sorted(new) == [0, 0, 0, 0, 1]


async def test_what_cannot_be_written_keeps_no_other_out(db: Database) -> None:
    texts = ["{}", "\ud800", "{}"]  # half a character is no UTF-8
    told = await asyncio.gather(
        *(inbox.receive(db, HERE, [(f"k{n}", "1", text)]) for n, text in enumerate(texts)), return_exceptions=True
    )
    assert (told[0], type(told[1]), told[2]) == (1, UnicodeEncodeError, 1)
    assert len(await inbox.unhandled(db, HERE)) == 2
    assert await inbox.receive(db, HERE, [("k1", "1", "{}")]) == 1


async def test_more_can_be_noted_in_a_letter_until_it_is_handled(db: Database) -> None:
    await inbox.receive(db, HERE, [("k", "1", "{}")])
    await inbox.note(db, "k", '{"message": "5"}')
    assert [each.content for each in await inbox.unhandled(db, HERE)] == ['{"message": "5"}']
    await inbox.handled_key(db, "k")
    await inbox.note(db, "k", "{}")
    assert await inbox.unhandled(db, HERE) == []
