"""Who asks, looked up: each gets what is known of them, however many ask at once, in few reads."""

import asyncio
from dataclasses import replace

import pytest
from makers import PLENTY, ask
from sqlalchemy import Connection, event
from sqlalchemy.exc import SQLAlchemyError

from db import chats, doors, inbox, operators, people, requests
from db.connect import Database
from db.doors import Knock
from db.models import Platform
from db.operators import OwnLimits
from tests.postgres import Server

HERE = Platform.DISCORD


def knock(user: str, chat: str = "c", server: str = "s", *memos: str) -> Knock:
    return Knock(platform=HERE, user_id=user, chat_id=chat, server_id=server, memos=memos)


async def test_each_of_a_burst_gets_what_is_known_of_them(db: Database) -> None:
    await people.accept(db, HERE, "1", 3)
    await people.accept(db, Platform.TELEGRAM, "2", 3)  # somebody else with the same number
    await operators.ban(db, "terminal", HERE, "3", None, "spam", "s")
    await operators.ban(db, "terminal", HERE, "4", None, "spam", "another server")
    await operators.ban(db, "terminal", HERE, "5", db.now() - 1, "over", "s")
    await chats.change(db, HERE, "shut", unreachable="50001")
    await inbox.remember(db, "m", "[1]")
    asked = [knock("1"), knock("2"), knock("3"), knock("4"), knock("5"), knock("6", "shut", "", "m", "unknown")]
    one, two, three, four, five, six = await asyncio.gather(*(doors.look(db, each) for each in asked))
    assert (one.person.consent, two.person.consent, two.person.user_id) == (3, 0, "2")
    assert three.ban is not None and three.ban.reason == "spam"
    assert four.ban is None and five.ban is None and six.ban is None
    assert (one.unreachable, six.unreachable) == (None, "50001")
    assert (one.memos, six.memos) == ({}, {"m": "[1]"})


async def test_what_is_closed_and_in_line_and_limited_is_known_too(db: Database) -> None:
    await operators.drain(db, "terminal", "moving", "s")
    await operators.limit_server(db, "me", "s", {"queued_per_user": 2})
    await operators.limit_server(db, "me", "s", {"queued_per_user": 4}, role="r")
    for n in range(3):
        await requests.submit(db, ask(str(n), platform=HERE, user_id="1"), PLENTY)
    await requests.wish(db, 1, "cancel", "1")
    await requests.submit(db, ask("4", platform=Platform.TELEGRAM, user_id="2"), PLENTY)
    with_role = replace(knock("1"), roles=("q", "r"))
    one, two, other = await asyncio.gather(*(doors.look(db, k) for k in (with_role, knock("2"), knock("1", "c", "t"))))
    assert (one.queued, two.queued, other.queued) == (2, 0, 2)
    assert (one.closed.draining, one.closed.reason, other.closed.draining) == (True, "moving", False)
    assert one.limits == OwnLimits(server={"queued_per_user": 2}, roles=({"queued_per_user": 4},))
    assert (two.limits.roles, other.limits.server) == ((), {})


async def test_a_burst_needs_few_reads(db: Database) -> None:
    begun: list[object] = []
    event.listen(db.engines.reading, "begin", begun.append)
    found = await asyncio.gather(*(doors.look(db, knock(str(n))) for n in range(200)))
    assert [door.person.user_id for door in found] == [str(n) for n in range(200)]
    assert 1 <= len(begun) <= 40  # those who come while one is under way share the next; else it is 200


async def test_what_fails_is_told_to_all_who_wait_and_the_next_look_is_a_new_one(db: Database) -> None:
    wrong = knock("\ud800")  # half a character
    told = await asyncio.gather(doors.look(db, wrong), doors.look(db, wrong), return_exceptions=True)
    assert all(isinstance(each, (UnicodeEncodeError, SQLAlchemyError)) for each in told)
    with pytest.raises((UnicodeEncodeError, SQLAlchemyError)):
        await doors.look(db, wrong)
    assert (await doors.look(db, knock("1"))).person.user_id == "1"


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
async def test_a_look_whose_connection_ends_is_done_again(db: Database, server: Server) -> None:
    ended: list[int] = []

    def end(tx: Connection) -> None:
        if not ended:
            ended.append(tx.connection.driver_connection.info.backend_pid)  # type: ignore[union-attr]
            server.sql(f"SELECT pg_terminate_backend({ended[0]}, 5000)")

    event.listen(db.engines.reading, "begin", end)
    found = await asyncio.gather(*(doors.look(db, knock(str(n))) for n in range(3)))
    assert [door.person.user_id for door in found] == ["0", "1", "2"]
    assert len(ended) == 1
