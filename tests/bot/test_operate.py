"""The operator's commands, as a terminal gives them: to a service that runs, and to a database that nobody has open."""

import asyncio
import io
from pathlib import Path

import pytest
from rich.console import Console

from bot import control
from bot.errors import Refused
from bot.operate import audit_table, closed_lines, gate_lines, lasting, operate, person
from bot.words import say
from db import operators, requests
from db.connect import Database
from db.models import Platform
from flipbot import main
from flipbot.making import tell_pauses
from tests.ready import ready


@pytest.fixture
def data(tmp_path: Path) -> list[str]:
    """A folder whose service has ended."""
    return ["--data-dir", str(ready(tmp_path / "data"))]


@pytest.fixture
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "en_GB.UTF-8")
    monkeypatch.setenv("COLUMNS", "300")


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    code = main(argv)
    told = capsys.readouterr()
    return code, told.out + told.err


@pytest.mark.usefixtures("english")
def test_a_terminal_pauses_drains_and_resumes(capsys: pytest.CaptureFixture[str], data: list[str]) -> None:
    later = f"No service runs on {data[1]}, so this holds from its next start.\n"
    assert run(capsys, "pause", *data, "too", "hot") == (
        0,
        f"Paused: too hot. No new section is started; flipbot resume --data-dir {data[1]} goes on.\n{later}",
    )
    assert "Paused: too hot." in run(capsys, "queue", *data)[1]
    assert run(capsys, "pause", *data, "--now", "a", "game")[1].startswith("Paused: a game.")
    assert run(capsys, "resume", *data)[1] == f"Open: sections are made and films are taken in.\n{later}"
    assert "Draining: no new films" in run(capsys, "drain", *data)[1]
    code, told = run(capsys, "ban", *data, "discord:7", "--for", "2h", "--reason", "spam")
    assert code == 0 and told.startswith("discord:7 is banned everywhere until 20")
    told = f"discord:7 is banned on server 42, for ever.\n{later}"
    assert run(capsys, "ban", *data, "discord:7", "--server", "42") == (0, told)
    assert run(capsys, "unban", *data, "discord:7")[0] == 0
    assert run(capsys, "unban", *data, "discord:7") == (2, "flipbot: discord:7 is not banned there.\n")
    assert run(capsys, "ban", *data, "ann")[0] == 2
    assert run(capsys, "first", *data, "9") == (2, "flipbot: There is no film 9.\n")
    assert run(capsys, "cancel", *data, "9", "spam") == (2, "flipbot: There is no film 9.\n")
    told = f"flipbot: x is not a film number. flipbot queue --data-dir {data[1]} shows them.\n"
    assert run(capsys, "cancel", *data, "x")[1] == told
    resume = f"flipbot resume --data-dir {data[1]} --server 42"
    told = f"Server 42 is paused: tidying up. Its films wait for {resume}.\n{later}"
    assert run(capsys, "pause", *data, "--server", "42", "tidying", "up")[1] == told
    assert run(capsys, "pause", *data, "--server", "x")[0] == 2
    code, table = run(capsys, "audit", *data)
    assert code == 0
    did = ["paused", "lifted", "banned", "banned", "drained", "opened", "paused", "paused"]
    assert [line.split()[4] for line in table.splitlines()[1:]] == did
    assert table.count("paused at once") == 1
    where = [line.partition("UTC")[2] for line in table.splitlines()]  # the time may have a 42 of its own
    assert table.count("everywhere") == 6 and sum("42" in line for line in where) == 2


def test_the_audit_speaks_the_readers_language() -> None:
    deed = {"at_ms": 0, "by": "terminal", "action": "pause", "scope": "all", "target": "", "reason": "too hot"}
    out = Console(file=io.StringIO(), width=120)
    out.print(audit_table([deed, {**deed, "action": "polish", "scope": "42"}], "zh"))
    said = out.file.getvalue()  # type: ignore[attr-defined]
    assert "暂停" in said and "所有地方" in said and "pause" not in said and "all" not in said
    assert "polish" in said and "42" in said, "what a newer service did"


async def test_a_worker_tells_each_pause_once_whenever_it_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> list[str]:
        return [each.getMessage() for each in caplog.records if "flipbot resume" in each.getMessage()]

    async with Database.open(data_dir=ready(tmp_path)) as db:

        async def heard(count: int) -> list[str]:
            async with asyncio.timeout(20):
                while len(told()) < count:
                    await db.changed(db.commits, 0.01)
            return told()

        telling = asyncio.create_task(tell_pauses(db, "en"))
        await operators.drain(db, "terminal")
        await operators.pause(db, "terminal", "too hot")
        assert (await heard(1))[0].startswith("Paused and draining: too hot.")
        await operators.pause(db, "terminal", "still too hot")
        await operators.resume(db, "terminal")
        await db.changed(db.commits, 0.5)  # nothing comes: it has heard of all of that
        await operators.pause(db, "terminal")
        assert (await heard(2))[1:] == ["Paused: no new section is started. flipbot resume goes on."]
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


@pytest.mark.usefixtures("english")
def test_what_people_wrote_is_printed_as_they_wrote_it(capsys: pytest.CaptureFixture[str], data: list[str]) -> None:
    said = "[/b] :fire: [red]fog"  # markup and an emoji to the library that prints
    limits = requests.Limits(queued_per_user=9, queued_per_chat=9, queued_in_all=9)

    async def asked() -> None:
        who = {"key": "1", "platform": Platform.PAGE, "user_id": "ann", "chat_id": "page", "locale": "en"}
        film = {"picture": "0" * 64, "prompt": said, "settings": {}, "plan": {"model": "tiny@1"}, "sections": 1}
        async with Database.open(data_dir=ready(Path(data[1]))) as db:
            await requests.submit(db, requests.Ask(**who, **film), limits)

    asyncio.run(asked())
    assert said in run(capsys, "queue", *data)[1]
    assert said in run(capsys, "pause", *data, said)[1]
    assert said in run(capsys, "queue", *data)[1]
    assert said in run(capsys, "audit", *data)[1]
    assert f"{said}.jpg" in run(capsys, "animate", *data, f"{said}.jpg", "fog")[1]


ORDERS = [
    ["pause", "hot"], ["resume"], ["drain"], ["ban", "discord:7"], ["unban", "discord:7"], ["audit"], ["first", "9"],
    ["cancel", "9"], ["film"], ["film", "9"],
]  # fmt: skip


@pytest.mark.usefixtures("english")
@pytest.mark.parametrize("words", ORDERS, ids=" ".join)
def test_an_order_where_nothing_ever_ran_is_refused_and_makes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str]
) -> None:
    code, told = run(capsys, *words[:1], "--data-dir", str(tmp_path / "other"), *words[1:])
    assert code == 2
    assert told.startswith(f"flipbot: There is no database {tmp_path / 'other' / 'flipbot.db'} yet")
    assert "--data-dir" in told and "-c" in told
    assert list(tmp_path.iterdir()) == []


async def test_a_running_service_carries_orders_out(tmp_path: Path) -> None:
    from test_control import serving

    async with serving(tmp_path) as db, control.connect(tmp_path) as remote:
        assert remote is not None
        state = await remote.operate({"action": "pause", "reason": "too hot"})
        assert (state["paused"], state["reason"]) == (True, "too hot")
        assert (await remote.queue())["state"]["reason"] == "too hot"
        ban = await remote.operate({"action": "ban", "who": "telegram:5", "for_ms": 3_600_000})
        assert ban["since_ms"] < ban["until_ms"] <= ban["since_ms"] + 3_600_000
        assert await operators.banned(db, Platform.TELEGRAM, "5")
        wrongs: list[dict[str, object]] = [
            {},
            {"action": "burn"},
            {"action": "ban", "who": "5"},
            {"action": "first", "job": 9},
        ]
        for wrong in wrongs:
            with pytest.raises(Refused):
                await remote.operate(wrong)


async def test_a_pause_of_one_server_says_nothing_of_the_others(tmp_path: Path) -> None:
    async with Database.open(data_dir=ready(tmp_path)) as db:
        assert not (await operate(db, {"action": "pause", "scope": "1"}))["paused"]
        assert (await operators.state(db, "1")).paused


@pytest.mark.usefixtures("english")
def test_an_answer_says_all_that_is_closed_and_what_opens_it(
    capsys: pytest.CaptureFixture[str], data: list[str]
) -> None:
    def told(*order: str) -> list[str]:
        return [line for line in run(capsys, *order, *data)[1].splitlines() if not line.startswith("No service runs")]

    resume = f"flipbot resume --data-dir {data[1]}"
    both = f"Paused and draining: too hot. No new section is started, no new films are taken in; {resume} lifts both."
    server = f"Server 77 is paused: spam. Its films wait for {resume} --server 77."
    told("pause", "too hot")
    assert told("drain") == [both]
    assert told("pause", "spam", "--server", "77") == [server]
    assert told("queue") == [both, server, "Nothing is in line."]
    assert told("resume", "--server", "78") == [
        "Server 78 is open again by itself, but this holds for all servers:",
        both,
    ]
    assert told("resume") == ["Open: sections are made and films are taken in.", server]
    assert told("queue") == [server, "Nothing is in line."]
    assert told("drain", "--server", "77") == [
        "Server 77 is paused and draining: spam. Its films wait, and no new ones are taken in, "
        f"until {resume} --server 77."
    ]
    assert told("resume", "--server", "77") == ["Server 77 is open: its films are made, new ones are taken in."]
    assert told("queue") == ["Nothing is in line."]


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_everything_that_can_be_closed_has_a_sentence(locale: str) -> None:
    gates = [
        {"paused": paused, "draining": draining, "reason": reason}
        for paused, draining in ((True, False), (False, True), (True, True))
        for reason in ("", "moving")
    ]
    for gate in gates:
        everybody, server = closed_lines({**gate, "servers": {"77": gate}}, locale)
        assert "flipbot resume" in everybody and "--server" not in everybody
        assert "flipbot resume --server 77" in server
        assert ("moving" in everybody) is ("moving" in server) is bool(gate["reason"])


def test_a_length_of_time_is_a_number_and_a_unit() -> None:
    assert [lasting(said) for said in ("30m", "12h", "7d", None)] == [1_800_000, 43_200_000, 604_800_000, None]
    for wrong in ("", "7", "0d", "d", "7 weeks", "٧d"):
        with pytest.raises(Refused) as refused:
            lasting(wrong)
        assert say("zh", refused.value.key, **refused.value.facts)


def test_a_person_is_a_platform_and_an_id() -> None:
    assert person("discord:123") == (Platform.DISCORD, "123")
    assert person("page: " + "0a" * 16) == (Platform.PAGE, "0a" * 16), "as /admin shows them"
    assert person("terminal: terminal") == (Platform.TERMINAL, "terminal")
    strange = ["discord:" + "1" * 21, "telegram:" + "y" * 500, "page:" + "0a" * 6, "terminal:ann", "page:" + "g" * 32]
    for wrong in ("ann", "discord:", "discord:ann", "irc:1", ":1", "discord:٧", *strange):
        with pytest.raises(Refused):
            person(wrong)


@pytest.mark.usefixtures("english")
def test_a_terminal_bans_and_lets_go_whom_the_page_shows(capsys: pytest.CaptureFixture[str], data: list[str]) -> None:
    for who in ("page:" + "0a" * 16, "terminal:terminal"):
        for order in ("ban", "unban"):
            code, told = run(capsys, order, *data, who)
            assert code == 0 and told.startswith(who)


async def test_who_was_banned_under_a_name_that_nobody_has_is_let_go(tmp_path: Path) -> None:
    async with Database.open(data_dir=ready(tmp_path)) as db:
        await operators.ban(db, "page", Platform.DISCORD, "bob")  # as /admin once took it
        await operate(db, {"action": "unban", "who": "discord:bob"})
        assert await operators.bans(db) == []


def test_a_service_from_before_an_upgrade_says_nothing_of_servers() -> None:
    state = {"paused": True, "draining": False, "reason": "too hot"}
    said = "Paused: too hot. No new section is started; flipbot resume goes on."
    assert closed_lines(state, "en") == gate_lines("pause", "", state, "en") == [said]
    assert gate_lines("pause", "77", state, "en")[-1] == said
