"""What a film's message says, from the rows alone, as each platform writes it."""

import re
from typing import Any

import pytest
from test_canvas import SHA, a_job, at_step, place, some_sections, told

from bot.canvas import OPEN, view
from bot.chat import Now, Style, Terms, compose, left_alone, need_room, number_of, settings_of
from bot.discord_sender import STYLE
from bot.errors import Refused
from bot.telegram_text import TelegramStyle
from bot.words import why
from bot.words.en import WORDS
from db.models import Platform, State
from db.rows import Forecast, Job, Place, Progress, QueueState
from db.said import said

NOW = Now(ms=1_000_000_000)
USUAL = Terms()


def head(job: Job, at: Place | None, when: Forecast | None, closed: QueueState = OPEN, style: Style = STYLE) -> str:
    found = view(job, some_sections(job.done), None, at, when, closed)
    return compose(job, found, style, Terms(), NOW).lines[0]


def at(seconds: int) -> str:
    return f"<t:{1_000_000 + seconds}:R>"


def test_in_line_it_says_the_place_and_when_the_first_second_and_the_whole_film_are_there() -> None:
    said = head(a_job(), place(ahead=2, sections=6), told(400_000, first=60_000, next=60_000))
    assert said == f"**Number 3 in line** · first second {at(60)} · ready {at(410)}"  # said in steps of 30 s that far


def test_while_it_grows_it_says_when_the_next_second_comes() -> None:
    job = a_job(state=State.RUNNING, done=2, film=SHA)
    said = head(job, place(running=True), told(65_000, next=20_000))
    assert said == f"**2.4 of 4.8 s are ready** · next second {at(20)} · ready {at(65)}"
    last = head(a_job(state=State.RUNNING, done=3, film=SHA), place(running=True), told(20_000, next=20_000))
    assert last == f"**3.6 of 4.8 s are ready** · ready {at(20)}"


def test_set_aside_it_says_until_when_it_waits() -> None:
    job = a_job(state=State.QUEUED, done=2, film=SHA)
    said = head(job, place(ahead=1, sections=2), told(400_000, next=60_000))
    assert said == f"**2.4 of 4.8 s are ready, waiting for the next turn** · goes on {at(60)} · ready {at(410)}"


def test_what_was_never_measured_is_not_said() -> None:
    assert head(a_job(), place(ahead=2, sections=6), None) == "**Number 3 in line**"


def test_a_pause_says_why_and_keeps_the_place_whoever_paused() -> None:
    why = QueueState(paused=True, reason="the card is *hot*")
    said = head(a_job(), place(ahead=2), None, why)
    assert said == r"**The queue is paused: the card is \*hot\*. Your place (3) is kept.**"
    assert "for now. Your place (3)" in head(a_job(), place(ahead=2), None, QueueState(paused=True))


@pytest.mark.parametrize(
    ("locale", "says"), [("en", "Number 3 in line</b> · first second {}"), ("zh", "第 3 位</b> · {}出现第一秒")]
)
def test_telegram_keeps_counting_where_its_server_knows_how(locale: str, says: str) -> None:
    style = TelegramStyle({})
    job, line, when = a_job(locale=locale), place(ahead=2, sections=6), told(400_000, first=60_000, next=60_000)
    clock = {"en": "13:47 UTC", "zh": "世界时 13:47"}[locale]
    ticking = f'<tg-time unix="1000060" format="r">{clock}</tg-time>'
    assert says.format(ticking) in head(job, line, when, style=style)
    style.ticks = False
    assert says.format({"en": "in 60 s", "zh": "60 秒后"}[locale]) in head(job, line, when, style=style)


def buttons(job: Job, under_way: Progress | None = None, terms: Terms = USUAL) -> list[str]:
    found = view(job, some_sections(job.done), under_way, None, None)
    return [button.act for row in compose(job, found, STYLE, terms, NOW).buttons for button in row]


def test_that_the_model_is_made_ready_is_said_once_it_takes_long() -> None:
    begun = {"state": State.RUNNING, "started_ms": NOW.ms - 9_000}
    assert head(a_job(**begun), None, None) == "**Drawing the first second**"
    late = a_job(**begun | {"started_ms": NOW.ms - 11_000})
    assert head(late, None, None) == "**Getting ready**"
    loading = Progress(job_id=7, n=0, step=0, of=0, phase="loading", preview=None, at_ms=0)
    assert "Loading the model" in compose(late, view(late, [], loading, None, None), STYLE, USUAL, NOW).lines[0]


def left_out(prompt: str) -> list[str]:
    """The lines of a job of four sections that say what is left out."""
    job = a_job(prompt=prompt, plan={"prompts": ["*fog*", "*fog*", "night", "night"]})
    lines = compose(job, view(job, [], None, place(), None), STYLE, USUAL, NOW).lines
    return [line for line in lines if "left out" in line]


def test_a_text_that_no_section_is_made_of_is_named_while_the_film_is_made() -> None:
    (line,) = left_out("*fog* | 2s: *sun* | 2.4s: night")
    assert STYLE.escape("*sun*") in line
    assert left_out("*fog* | 2.4s: night") == left_out("| 2.4s: night") == []


ASKED = "`fog` · 4.8 s · draft · seed 7"
ENDED = {"started_ms": 0, "finished_ms": 90_000}


@pytest.mark.parametrize(
    ("job", "says"),
    [
        ({}, ["**Number 2 in line** · first second <t:20:R> · ready <t:60:R>", ASKED]),
        (
            {"done": 2, "film": SHA},
            ["**2.4 of 4.8 s are ready, waiting for the next turn** · goes on <t:20:R> · ready <t:60:R>", ASKED],
        ),
        (
            {"state": State.RUNNING, "done": 2, "film": SHA, "wish": "stop"},
            ["**Stopping here, keeping what is ready**", ASKED],
        ),
        (
            {"state": State.STOPPED, "done": 2, "film": SHA, "wish": "stop", "wish_by": "8", **ENDED},
            [
                "**Stopped at 2.4 s, and that is your film**",
                "stopped by <@8> · seed 7 · took 2 min · AI-animated",
                "`fog`",
            ],
        ),
        (
            {"state": State.CANCELLED, "done": 2, "film": SHA, "wish": "cancel", "wish_by": "8", **ENDED},
            ["**Cancelled**", "cancelled by <@8> · 2.4 s · seed 7 · took 2 min · AI-animated", "`fog`"],
        ),
        (
            {"state": State.CANCELLED, "wish": "cancel", **ENDED},
            ["**Cancelled**", "seed 7", "`fog`"],
        ),
        (
            {"state": State.FAILED, "reason": "disk_full", "facts": {"where": "/srv"}, **ENDED},
            [
                "**This film could not be finished**",
                "The disk is full. Please tell whoever runs this bot.",
                "film 7",
                "`fog`",
            ],
        ),
        (
            {"state": State.DONE, "done": 4, "film": SHA, "parent_id": 3, **ENDED},
            ["**Your film is ready: 4.8 s**", "seed 7 · took 2 min · AI-animated", "made from film 3", "`fog`"],
        ),
    ],
)
def test_every_line_of_a_message_in_each_state(job: dict[str, Any], says: list[str]) -> None:
    settings = {"frames": 145, "fps": 30, "seconds": 5.0, "seed": 7, "quality": "draft"}
    made = a_job(platform=Platform.DISCORD, settings=settings, **job)
    line = place(ahead=1, sections=2) if made.state == State.QUEUED else None
    when = None if made.state.terminal else told(60_000, first=20_000, next=20_000)
    message = compose(made, view(made, some_sections(made.done), None, line, when), STYLE, USUAL, Now(ms=0))
    assert [*message.lines, message.quoted] == says
    assert message.answers == (made.wish is not None and not made.state.terminal)
    assert message.terminal == made.state.terminal
    assert (message.film.kind if message.film else None) == (
        None if not made.film else "final" if made.state.terminal else "preview"
    )


def test_each_state_has_its_buttons() -> None:
    film = {"film": SHA, "done": 3}
    assert buttons(a_job()) == ["cancel"]
    assert buttons(a_job(state=State.RUNNING)) == ["steer", "cancel"]
    assert buttons(a_job(state=State.RUNNING, film=SHA, done=2)) == ["stop", "steer", "cancel"]
    assert buttons(a_job(state=State.RUNNING, **film), at_step(3, 8)) == ["stop", "cancel"]
    assert buttons(a_job(state=State.RUNNING, **film), at_step(3, 8, "writing")) == []
    for state in (State.DONE, State.STOPPED):
        assert buttons(a_job(state=state, **film)) == ["seed", "edit", "extend", "details"]
    assert buttons(a_job(state=State.DONE, **film), terms=Terms(longest_s=3.6)) == ["seed", "edit", "details"]
    assert buttons(a_job(state=State.CANCELLED, **film)) == ["again", "edit", "details"]
    assert buttons(a_job(state=State.FAILED, reason="internal")) == ["retry", "edit", "details", "report"]
    assert buttons(a_job(state=State.FAILED, reason="film_held_back")) == ["seed", "edit", "details", "report"]
    assert buttons(a_job(state=State.FAILED, reason="picture_held_back")) == ["details", "report"], "nothing else helps"


def test_what_is_ready_of_a_cancelled_film_stays_or_goes() -> None:
    job = a_job(state=State.CANCELLED, film=SHA, done=2, wish_by="5", parent_id=40)
    found = view(job, some_sections(2), None, None, None)
    kept, gone = (compose(job, found, STYLE, Terms(keeps_cancelled=keeps), NOW) for keeps in (True, False))
    assert kept.film and not kept.dropped and kept.result and "2.4 s" in kept.text
    assert gone.film is None and gone.dropped and not gone.result and "2.4 s" not in gone.text
    assert "cancelled by <@5>" in gone.text and "made from film 40" in gone.text


@pytest.mark.parametrize(
    ("by", "says"),
    [("5", "stopped by <@5>"), ("discord:5", "stopped by <@5>"), ("terminal", None), ("telegram:5", None), ("", None)],
)
def test_who_has_stopped_a_film_is_named_where_they_have_a_name_there(by: str, says: str | None) -> None:
    job = a_job(platform=Platform.DISCORD, state=State.STOPPED, film=SHA, done=2, wish_by=by)
    text = compose(job, view(job, some_sections(2), None, None, None), STYLE, USUAL, NOW).text
    assert (says in text) if says else ("by" not in text and "?" not in text)


@pytest.mark.parametrize(
    ("state", "done", "length"),
    [
        (State.QUEUED, 0, "4.8 s"),
        (State.RUNNING, 1, "4.8 s"),
        (State.STOPPED, 1, "1.2 s"),
        (State.CANCELLED, 2, "2.4 s"),
        (State.FAILED, 0, "4.8 s"),
        (State.DONE, 4, "4.8 s"),
    ],
)
def test_a_films_length_is_what_it_will_have_and_then_has(state: State, done: int, length: str) -> None:
    settings = {"seconds": 5.0, "frames": 145, "fps": 30}
    job = a_job(state=state, done=done, film=SHA if done else None, settings=settings)
    found = view(job, some_sections(done), None, place(), None)
    assert settings_of(job, found, STYLE)[0] == length
    assert "5 s" not in compose(job, found, STYLE, USUAL, NOW).text


def test_members_are_told_nothing_that_only_the_owner_can_do() -> None:
    def said(locale: str, reason: str, **facts: object) -> str:
        job = a_job(locale=locale, state=State.FAILED, reason=reason, facts=facts)
        return compose(job, view(job, [], None, None, None), STYLE, USUAL, NOW).lines[1]

    for reason in (name.removeprefix("failed.") for name in WORDS if name.startswith("failed.")):
        assert not re.search(r"flipbot|configuration|[Cc]heck|[Dd]elete|Free some|close what|LoRA", said("en", reason))
    assert said("en", "checkpoint_missing") == "The model cannot be used right now. Please tell whoever runs this bot."
    assert said("zh", "out_of_memory").endswith("请换低一些的画质或缩短影片；如果仍然如此，请告诉管理者。")
    assert "flipbot download" in why("en", "checkpoint_missing", {})
    assert said("en", "other_model", made="a*b*c", loaded="x") == (
        r"a\*b\*c made this film, and x is what runs now. Send the picture again."
    )


WHY = said("does not fit this model: it has no layer for {key}", key="a*b*c")


@pytest.mark.parametrize(
    ("locale", "sentence", "says"),
    [
        ("zh", WHY, "配置中的 LoRA 无法使用：x.safetensors（不适合这个模型：没有与 a*b*c 对应的层）。"),
        ("en", WHY, "x.safetensors does not fit this model: it has no layer for a*b*c."),
        ("zh", str(WHY), "x.safetensors（does not fit this model: it has no layer for a*b*c）。"),  # an older row's
    ],
)
def test_why_a_film_failed_is_said_in_the_readers_language(locale: str, sentence: str, says: str) -> None:
    assert why(locale, "lora_unusable", {"file": "x.safetensors", "why": sentence}).endswith(says)


@pytest.mark.parametrize(
    ("longest_s", "more"), [(60.0, 5.0), (4.0, 1.0), (3.0, None), (2.4, None), (1.0, None)]
)  # the limit may have been lowered since
def test_a_click_adds_what_there_is_room_for(longest_s: float, more: float | None) -> None:
    found = view(a_job(state=State.STOPPED, film=SHA, done=2), some_sections(2), None, None, None)
    assert found.seconds_done == 2.4
    if more is not None:
        assert need_room(found, Terms(longest_s=longest_s)) == more
        return
    with pytest.raises(Refused) as refused:
        need_room(found, Terms(longest_s=longest_s))
    assert (refused.value.key, refused.value.facts) == ("refused.long_enough", {"got": 2.4, "longest": longest_s})


def test_who_does_not_cancel_hears_how_the_film_is() -> None:
    said = {
        "Film 7 is not cancelled.": a_job(),
        "Cancelling": a_job(state=State.RUNNING, wish="cancel"),
        "Stopping here, keeping what is ready": a_job(state=State.RUNNING, wish="stop"),
        "Film 7: cancelled": a_job(state=State.CANCELLED),
        "Film 7: ready": a_job(state=State.DONE, film=SHA, done=2),
    }
    for sentence, job in said.items():
        assert left_alone("en", job) == sentence


@pytest.mark.parametrize("typed", ["36", "#36", " #36 ", "036", "36.", "３６", "＃36", "#３６。"])
def test_a_films_number_is_typed_as_it_is_shown(typed: str) -> None:
    assert number_of(typed) == 36


@pytest.mark.parametrize("typed", ["", "#", ".", "2n9c", "1.5", "-1", "９" * 19, "film 36"])
def test_what_is_no_number_is_answered_with_where_the_numbers_are(typed: str) -> None:
    with pytest.raises(Refused) as refused:
        number_of(typed)
    assert refused.value.key == "refused.number"
