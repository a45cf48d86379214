"""The operator's commands, as a terminal gives them: to a service that runs, and to a database that nobody has open."""

import asyncio
from pathlib import Path

import pytest

from bot import control
from bot.errors import Refused
from bot.operate import lasting, operate, person
from bot.words import say
from db import operators, requests
from db.connect import Database
from db.models import Platform
from flipbot import main, tell_pauses
from tests.ready import ready


@pytest.fixture
def data(tmp_path: Path) -> list[str]:
    return ["--data-dir", str(tmp_path / "data")]


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    code = main(argv)
    told = capsys.readouterr()
    return code, told.out + told.err


def test_a_terminal_pauses_drains_and_resumes(
    capsys: pytest.CaptureFixture[str], data: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "en_GB.UTF-8")
    assert run(capsys, "pause", *data, "too", "hot") == (
        0,
        "Paused: too hot. No section is begun; flipbot resume goes on.\n",
    )
    assert "Paused: too hot." in run(capsys, "queue", *data)[1]
    assert run(capsys, "resume", *data)[1] == "Open: sections are made and films are taken in.\n"
    assert "Draining: no new films" in run(capsys, "drain", *data)[1]
    code, told = run(capsys, "ban", *data, "discord:7", "--for", "2h", "--reason", "spam")
    assert code == 0 and told.startswith("discord:7 is banned everywhere until 20")
    told = "discord:7 is banned on server 42, for ever.\n"
    assert run(capsys, "ban", *data, "discord:7", "--server", "42") == (0, told)
    assert run(capsys, "unban", *data, "discord:7")[0] == 0
    assert run(capsys, "unban", *data, "discord:7") == (2, "flipbot: discord:7 is not banned there.\n")
    assert run(capsys, "ban", *data, "ann")[0] == 2
    assert run(capsys, "first", *data, "9") == (2, "flipbot: There is no film 9.\n")
    assert run(capsys, "cancel", *data, "9", "spam") == (2, "flipbot: There is no film 9.\n")
    assert run(capsys, "cancel", *data, "x")[1] == "flipbot: x is no film's number. flipbot queue shows them.\n"
    told = "Server 42 is paused: tidying up. Its films wait for flipbot resume.\n"
    assert run(capsys, "pause", *data, "--server", "42", "tidying", "up")[1] == told
    assert run(capsys, "pause", *data, "--server", "x")[0] == 2
    code, table = run(capsys, "audit", *data)
    assert code == 0
    did = ["pause", "unban", "ban", "ban", "drain", "resume", "pause"]
    assert [line.split()[4] for line in table.splitlines()[1:]] == did


async def test_a_worker_tells_each_pause_once_whenever_it_comes(tmp_path: Path) -> None:
    async with Database.open(data_dir=ready(tmp_path)) as db:
        told: asyncio.Queue[str] = asyncio.Queue()
        telling = asyncio.create_task(tell_pauses(db, told.put_nowait, "en"))
        await operators.drain(db, "terminal")
        await operators.pause(db, "terminal", "too hot")
        assert await told.get() == "Paused: too hot. No section is begun; flipbot resume goes on."
        await operators.pause(db, "terminal", "still too hot")
        await operators.resume(db, "terminal")
        await db.changed(db.commits, 0.5)  # nothing comes: it has heard of all of that
        await operators.pause(db, "terminal")
        assert await told.get() == "Paused: no section is begun. flipbot resume goes on."
        assert told.empty()
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


def test_what_people_wrote_is_printed_as_they_wrote_it(
    capsys: pytest.CaptureFixture[str], data: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "en_GB.UTF-8")
    monkeypatch.setenv("COLUMNS", "160")
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


def test_a_film_that_cannot_be_there_makes_no_database(
    capsys: pytest.CaptureFixture[str], data: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "en_GB.UTF-8")
    for order in ("first", "cancel"):
        assert run(capsys, order, *data, "9") == (2, "flipbot: There is no film 9.\n")
        assert run(capsys, order, *data, "x")[1] == "flipbot: x is no film's number. flipbot queue shows them.\n"
    assert list(tmp_path.rglob("*.db")) == []


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


def test_a_length_of_time_is_a_number_and_a_unit() -> None:
    assert [lasting(said) for said in ("30m", "12h", "7d", None)] == [1_800_000, 43_200_000, 604_800_000, None]
    for wrong in ("", "7", "0d", "d", "7 weeks", "٧d"):
        with pytest.raises(Refused) as refused:
            lasting(wrong)
        assert say("zh", refused.value.key, **refused.value.facts)


def test_a_person_is_a_platform_and_an_id() -> None:
    assert person("discord:123") == (Platform.DISCORD, "123")
    for wrong in ("ann", "discord:", "discord:ann", "irc:1", ":1", "discord:" + "1" * 101):
        with pytest.raises(Refused):
            person(wrong)
