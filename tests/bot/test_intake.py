"""Requests of every kind through the real queue and media store; the planner stands in for the room of the model."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import Connection

from bot.config import Role
from bot.errors import Refused
from bot.intake import (
    PROMPT_LIMIT,
    Asked,
    By,
    Intake,
    ModelFacts,
    Planned,
    Prompts,
    Rules,
    Wish,
    parse_prompts,
)
from bot.words import say
from db import jobs, operators
from db.connect import Database
from db.errors import DatabaseAway
from db.media import Media
from db.models import Platform, State
from db.operators import OwnLimits
from db.requests import Limits
from db.rows import QueueState
from tests.ready import ready

PLENTY = {"queued_per_user": 50, "queued_per_chat": 50, "queued_in_all": 50}
NARROW = Limits(queued_per_user=2, queued_per_chat=3, queued_in_all=4)


def png(colour: str = "teal", size: tuple[int, int] = (96, 64)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def planner(*, size: tuple[int, int], seconds: float, prompts: Prompts, seed: int, quality: str, ends: bool) -> Planned:
    sections = max(1, round(seconds / 1.2))
    plan = {
        "model": "still@1", "width": size[0], "height": size[1], "steps": 2, "fps": 30,
        "prompts": [list(prompt) for prompt in prompts], "seed": seed, "quality": quality,
    }  # fmt: skip
    return Planned(plan=plan, sections=sections, frames=36 * sections + 1, fps=30)


def rules(**other: Any) -> Rules:
    plain: dict[str, Any] = {
        "queue": Limits(queued_per_user=50, queued_per_chat=50, queued_in_all=50),
        "longest_seconds": 60.0,
        "default_seconds": 5.0,
        "qualities": ("standard", "draft"),
        "min_free": 1,
    }
    return Rules(**(plain | other))


def asked(**other: Any) -> Asked:
    keys = iter_keys()
    plain: dict[str, Any] = {
        "platform": Platform.PAGE, "user_id": "ann", "chat_id": "page", "locale": "en",
        "picture": png(), "prompt": "fog rolls in", "key": next(keys),
    }  # fmt: skip
    return Asked(**(plain | other))


_count = 0


def iter_keys() -> Iterator[str]:
    global _count
    while True:
        _count += 1
        yield f"key-{_count}"


@asynccontextmanager
async def intake(folder: Path, **other: Any) -> AsyncIterator[Intake]:
    model = ModelFacts(name="still@1", trained=True, default_prompt="gentle motion")
    async with Database.open(data_dir=ready(folder)) as db:
        yield Intake(db, Media(folder / "media"), planner, rules(**other), model, seed=lambda: 7)


def files(taker: Intake) -> list[str]:
    return sorted(path.name for path in taker.media.root.rglob("*") if path.is_file())


async def test_a_picture_that_was_read_before_may_have_any_bytes_but_not_any_pixels(tmp_path: Path) -> None:
    picture = png(size=(2000, 1000))
    async with intake(tmp_path, max_bytes=1000, max_megapixels=2.5) as i:
        with pytest.raises(Refused) as refused:
            await i.submit(asked(picture=picture))
        assert refused.value.key == "refused.picture_too_big"
        job = await i.submit(asked(picture=picture, end_picture=picture, read_before=True))
        assert job.picture == job.end_picture
        for wrong, key in (
            (png(size=(2000, 1300)), "refused.picture_too_many_pixels"),
            (picture[:-2000], "refused.picture_damaged"),
        ):
            with pytest.raises(Refused) as refused:
                await i.submit(asked(picture=wrong, read_before=True))
            assert refused.value.key == key


async def test_a_request_is_in_line_with_its_picture_and_plan(tmp_path: Path) -> None:
    async with intake(tmp_path) as taker:
        job = await taker.submit(asked(prompt=" fog\nrolls in | 3s: night falls ", seconds="4.5", seed="42"))
        assert job.state == State.QUEUED
        assert job.prompt == "fog rolls in | 3s: night falls"
        assert job.plan["prompts"] == [[0.0, "fog rolls in"], [3.0, "night falls"]]
        assert (job.plan["seed"], job.plan["width"], job.sections) == (42, 96, 4)
        assert job.settings["seconds"] == 4.5
        assert job.settings["frames"] == 145
        assert files(taker) == [job.picture]
        assert (await jobs.get(taker.db, job.id)).picture == job.picture


async def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    async with intake(tmp_path) as taker:
        job = await taker.submit(asked(prompt="", seconds=None, seed="", quality=""))
        assert job.prompt == ""
        assert job.plan["prompts"] == [[0.0, "gentle motion"]]
        assert job.settings["seconds"] == 5.0
        assert (job.plan["seed"], job.plan["quality"]) == (7, "standard")


async def test_the_same_key_is_one_job_and_one_picture(tmp_path: Path) -> None:
    async with intake(tmp_path) as taker:
        first = await taker.submit(asked(key="again"))
        again = await taker.submit(asked(key="again"))
        other = await taker.submit(asked(key="again", picture=png("red")))
        assert first.id == again.id == other.id
        assert files(taker) == [first.picture]


class Losing(Database):
    """One on a server whose answers are lost, so many of them: what was written is there."""

    shared, lost = True, 0

    @contextmanager
    def transaction(self, **how: bool) -> Iterator[Connection]:
        with super().transaction(**how) as tx:
            yield tx
        if self.lost:
            self.lost -= 1
            raise DatabaseAway("postgresql://films", "server closed the connection unexpectedly")


@pytest.mark.parametrize("lost", [1, 2])
async def test_where_the_answer_of_the_database_is_lost_the_film_is_in_line_once(tmp_path: Path, lost: int) -> None:
    async with Losing.open(data_dir=ready(tmp_path)) as db:
        taker = Intake(db, Media(tmp_path / "media"), planner, rules(), ModelFacts(name="still@1", trained=True))
        request = asked()
        db.lost = lost
        if lost > 1:
            with pytest.raises(Refused, match=r"refused\.held_up"):
                await taker.submit(request)
        job = await taker.submit(request)
        assert [each.id for each in await jobs.open_jobs(db)] == [job.id]
        assert files(taker) == [job.picture]


async def test_of_a_moving_picture_the_job_says_so(tmp_path: Path) -> None:
    out = io.BytesIO()
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    async with intake(tmp_path) as taker:
        job = await taker.submit(asked(picture=out.getvalue()))
        assert job.settings["notes"] == ["note.first_frame_used"]


async def test_a_decimal_comma_is_a_number(tmp_path: Path) -> None:
    async with intake(tmp_path) as taker:
        for n, seconds in enumerate(("2,5", " 2,5 ", "2.5", "+2,50")):
            job = await taker.submit(asked(seconds=seconds, prompt="fog | 1,5s: night", key=str(n)))
            assert job.settings["seconds"] == 2.5
            assert job.plan["prompts"] == [[0.0, "fog"], [1.5, "night"]]


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({"seconds": 0}, "seconds_none"),
        ({"seconds": -1}, "seconds_none"),
        ({"seconds": 1e9}, "seconds"),
        ({"seconds": float("nan")}, "seconds_no_number"),
        ({"seconds": float("inf")}, "seconds"),
        ({"seconds": "abc"}, "seconds_no_number"),
        ({"seconds": "1,000"}, "seconds_no_number"),
        ({"seconds": "1,000.5"}, "seconds_no_number"),
        ({"seconds": "60,5"}, "seconds"),
        ({"seconds": "-0,5"}, "seconds_none"),
        ({"seconds": "9" * 5000}, "seconds"),
        ({"seconds": 10**400}, "seconds"),
        ({"seconds": 60.5}, "seconds"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": True}, "seed"),
        ({"seed": "0x10"}, "seed"),
        ({"seed": "9" * 5000}, "seed"),
        ({"quality": "best {known}"}, "quality"),
        ({"prompt": "a" * 100_000}, "prompt_too_long"),
        ({"prompt": "a" * (PROMPT_LIMIT + 1)}, "prompt_too_long"),
        ({"prompt": "fog | 9s: night", "seconds": 5}, "prompt_too_late"),
        ({"picture": b""}, "picture_empty"),
        ({"picture": b"no picture"}, "picture_unknown"),
        ({"picture": png()[:60]}, "picture_damaged"),
        ({"picture": png(size=(1, 1))}, "picture_too_small"),
        ({"picture": Path("/nowhere/at/all.png")}, "picture_missing"),
    ],
)
async def test_a_wrong_request_gets_a_sentence_and_leaves_nothing(
    tmp_path: Path, what: dict[str, Any], why: str
) -> None:
    async with intake(tmp_path) as taker:
        with pytest.raises(Refused) as caught:
            await taker.submit(asked(**what))
        assert caught.value.key == f"refused.{why}"
        sentence = say("en", caught.value.key, **caught.value.facts)
        assert len(sentence) < 250
        assert files(taker) == []
        assert await jobs.recent(taker.db, 10) == []


async def test_the_limit_of_the_prompt_itself_is_allowed(tmp_path: Path) -> None:
    async with intake(tmp_path) as taker:
        job = await taker.submit(asked(prompt="a" * PROMPT_LIMIT, seed=2**32 - 1, seconds=60))
        assert len(job.prompt) == PROMPT_LIMIT


async def test_a_full_queue_keeps_no_picture(tmp_path: Path) -> None:
    async with intake(tmp_path, queue=NARROW) as taker:
        kept = [await taker.submit(asked(picture=png(colour))) for colour in ("red", "green")]
        with pytest.raises(Refused) as caught:
            await taker.submit(asked(picture=png("blue")))
        assert (caught.value.key, caught.value.facts) == ("refused.queue_full_user", {"got": 2, "limit": 2})
        with pytest.raises(Refused):  # a picture that another film was made from stays
            await taker.submit(asked(picture=png("red")))
        assert files(taker) == sorted(job.picture for job in kept)
        kept.append(await taker.submit(asked(user_id="bob", picture=png("blue"))))
        with pytest.raises(Refused) as caught:
            await taker.submit(asked(user_id="cem", picture=png("pink")))
        assert caught.value.key == "refused.queue_full_chat"
        kept.append(await taker.submit(asked(user_id="dan", chat_id="elsewhere", picture=png("pink"))))
        with pytest.raises(Refused) as caught:
            await taker.submit(asked(user_id="eva", chat_id="third", picture=png("gold")))
        assert caught.value.key == "refused.queue_full"
        assert files(taker) == sorted(job.picture for job in kept)


async def test_many_at_once_with_one_picture_never_lose_it(tmp_path: Path) -> None:
    async with intake(tmp_path, queue=NARROW) as taker:
        tries = [taker.submit(asked(user_id=f"user {n}", chat_id=f"chat {n}")) for n in range(12)]
        got = await asyncio.gather(*tries, return_exceptions=True)
        taken = [job for job in got if not isinstance(job, BaseException)]
        assert len(taken) == 4
        assert all(isinstance(refused, Refused) for refused in got if refused not in taken)
        assert files(taker) == [taken[0].picture]


async def test_a_full_disk_takes_nothing_in(tmp_path: Path) -> None:
    async with intake(tmp_path, min_free=2**60) as taker:
        with pytest.raises(Refused) as caught:
            await taker.submit(asked())
        assert caught.value.key == "refused.disk_full"
        assert caught.value.facts["need_mib"] == 2**40
        assert files(taker) == []


async def test_what_the_planner_refuses_leaves_nothing(tmp_path: Path) -> None:
    def unwilling(**what: Any) -> Planned:
        raise Refused("refused.unsuited", why="It has no such size.")

    async with intake(tmp_path) as taker:
        taker.planner = unwilling
        with pytest.raises(Refused):
            await taker.submit(asked())
        assert files(taker) == []


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("", ((0.0, ""),)),
        ("fog rolls in", ((0.0, "fog rolls in"),)),
        ("fog rolls in | 3s: night falls", ((0.0, "fog rolls in"), (3.0, "night falls"))),
        ("fog|2.5 sec:snow|1S: wind", ((0.0, "fog"), (1.0, "wind"), (2.5, "snow"))),
        ("雾气涌来｜3秒：夜幕降临", ((0.0, "雾气涌来"), (3.0, "夜幕降临"))),
        ("| 3s: night falls", ((0.0, ""), (3.0, "night falls"))),
        ("2s: night falls", ((0.0, ""), (2.0, "night falls"))),
        ("0s: fog | 2s: snow | 2s: rain", ((0.0, "fog"), (2.0, "rain"))),
        ("black | white", ((0.0, "black | white"),)),
        ("at 3s: the bell | rings", ((0.0, "at 3s: the bell | rings"),)),
        ("a | 3 : b", ((0.0, "a | 3 : b"),)),
        ("fog | 3s night falls", ((0.0, "fog"), (3.0, "night falls"))),
        ("雾｜3秒夜幕降临", ((0.0, "雾"), (3.0, "夜幕降临"))),
        ("3s night falls", ((0.0, "3s night falls"),)),
        ("fog | 3s", ((0.0, "fog | 3s"),)),
        ("fog | 3s | 4s: snow", ((0.0, "fog | 3s"), (4.0, "snow"))),
        ("fog | 3 sails", ((0.0, "fog | 3 sails"),)),
        ("a | 99999999999s: b", ((0.0, "a | 99999999999s: b"),)),
    ],
)
def test_a_text_says_what_happens_when(text: str, parsed: Prompts) -> None:
    assert parse_prompts(text) == parsed


@given(st.text(alphabet=st.sampled_from("ab |｜:：0123.s秒 sec\t"), max_size=60) | st.text(max_size=60))
def test_any_text_is_read_in_rising_time_from_the_start(text: str) -> None:
    found = parse_prompts(text)
    starts = [start for start, _ in found]
    assert starts[0] == 0.0
    assert starts == sorted(set(starts))
    assert all(said == said.strip() for _, said in found)


@given(
    st.dictionaries(
        st.integers(0, 9_999).map(lambda n: n / 100),
        st.text(alphabet="abc def", max_size=9).map(str.strip),
        max_size=6,
    )
)
def test_timed_prompts_come_back_as_they_were_written(timed: dict[float, str]) -> None:
    text = " | ".join(f"{start}s: {said}" for start, said in timed.items())
    assert dict(parse_prompts(text)) == {0.0: ""} | timed


def told(caught: pytest.ExceptionInfo[Refused], locale: str = "en") -> str:
    return say(locale, caught.value.key, **caught.value.facts)


async def test_a_limit_says_the_number_and_when_it_will_work(tmp_path: Path) -> None:
    async with intake(tmp_path, queue=Limits(**PLENTY, cooldown_s=3600)) as taker:
        await taker.submit(asked())
        with pytest.raises(Refused) as caught:
            await taker.submit(asked())
        assert told(caught) == "The limit is one film every 3600 seconds. Try again in 60 min."
        with pytest.raises(Refused) as caught:
            await taker.submit(asked(locale="zh"))
        assert told(caught, "zh") == "每 3600 秒最多提交一部影片。60 分钟后可以提交下一部。"


async def test_who_is_banned_hears_until_when_and_why(tmp_path: Path) -> None:
    async with intake(tmp_path) as taker:
        await operators.ban(taker.db, "terminal", Platform.PAGE, "ann", taker.db.now() + 7_200_000, "spam {x}")
        with pytest.raises(Refused) as caught:
            await taker.submit(asked())
        assert " UTC, for 2 h 0 min more: spam {x}." in told(caught)
        await operators.ban(taker.db, "terminal", Platform.PAGE, "ann")
        with pytest.raises(Refused) as caught:
            await taker.submit(asked())
        assert told(caught).startswith("You may not ask for films here: no reason was given.")
        assert files(taker) == []


async def test_while_draining_the_sentence_says_so(tmp_path: Path) -> None:
    async with intake(tmp_path) as taker:
        await operators.drain(taker.db, "terminal", "moving house")
        with pytest.raises(Refused) as caught:
            await taker.submit(asked())
        assert told(caught) == "No new films are taken in at the moment: moving house. Those in line will be finished."


async def test_the_same_film_is_a_link_but_drawn_seeds_and_other_seeds_are_not(tmp_path: Path) -> None:
    async with intake(tmp_path) as taker:
        first = await taker.submit(asked(seed=3))
        with pytest.raises(Refused) as caught:
            await taker.submit(asked(seed="3"))
        assert (caught.value.key, caught.value.facts) == ("refused.duplicate", {"job": first.id})
        await taker.submit(asked(seed=4))
        for _ in range(2):
            await taker.submit(asked())  # here every drawn seed is 7
        assert files(taker) == [first.picture]


async def test_roles_and_servers_change_what_one_may_ask_for(tmp_path: Path) -> None:
    roles = {"gold": Role(weight=3.0, longest_seconds=90.0, queued_per_user=9)}
    async with intake(tmp_path, queue=NARROW, roles=roles) as taker:
        for _ in range(3):
            await taker.submit(asked(roles=("silver", "gold"), seconds=80))
        with pytest.raises(Refused) as caught:
            await taker.submit(asked(user_id="bob", seconds=80))
        assert caught.value.facts == {"got": "80", "longest": 60.0}
        await operators.limit_server(taker.db, "discord:9", "one", {"longest_seconds": 10})
        with pytest.raises(Refused) as caught:
            await taker.submit(asked(user_id="bob", server_id="one", seconds=20))
        assert caught.value.facts["longest"] == 10


async def test_a_line_that_is_full_is_foreseen_and_one_with_room_is_not(tmp_path: Path) -> None:
    by = By(platform=Platform.PAGE, user_id="ann", chat_id="page", locale="en")
    async with intake(tmp_path, queue=NARROW) as taker:
        known = (by, Wish(prompt="fog"), OwnLimits(server={}), QueueState())
        await taker.foresee(*known, NARROW.queued_per_user - 1)
        with pytest.raises(Refused):
            await taker.foresee(*known, NARROW.queued_per_user)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("all gore", True),
        ("GO\u200bRE | 2s: fog", True),
        ("ＧＯＲＥ", True),
        ("gore-free", True),
        ("goregeous", False),
        ("很血腥的", True),
        ("fog", False),
        ("", False),
    ],
)
async def test_a_blocked_word_is_refused_however_it_is_written(tmp_path: Path, text: str, refused: bool) -> None:
    async with intake(tmp_path, blocked_words=("Gore", "血腥", "")) as taker:
        if not refused:
            assert (await taker.submit(asked(prompt=text))).prompt == text
            return
        with pytest.raises(Refused) as caught:
            await taker.submit(asked(prompt=text))
        assert caught.value.key == "refused.blocked_word"
        assert files(taker) == []
