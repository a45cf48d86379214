"""What a job looks like, for every job there can be."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.canvas import ENDINGS, WAITS, View, view, when
from bot.words import LANGUAGES, say, why
from db.models import TERMINAL, Platform, State
from db.rows import Away, Forecast, Job, Place, Progress, QueueState, Section

SHA = "0" * 64
TIMES = ("first_ms", "next_ms", "done_ms")


def a_job(**other: Any) -> Job:
    plain: dict[str, Any] = {
        "id": 7, "request_id": 7, "parent_id": None, "platform": Platform.PAGE, "user_id": "ann", "chat_id": "page",
        "locale": "en", "prompt": "fog", "picture": SHA, "end_picture": None,
        "settings": {"frames": 145, "fps": 30}, "plan": {"fps": 30},
        "sections": 4, "done": 0, "state": State.QUEUED, "wish": None, "wish_by": None, "fence": 0, "worker": None,
        "lease_until_ms": None, "crashes": 0, "not_before_ms": 0, "reason": None, "facts": {}, "conditioning": None,
        "tail": None, "film": None, "created_ms": 0, "started_ms": None, "finished_ms": None, "revision": 1,
        "server_id": "", "hurried": False, "fragment_end": None,
    }  # fmt: skip
    return Job(**(plain | other))


def some_sections(n: int) -> list[Section]:
    times = {"sampling_ms": 900, "decode_ms": 80, "encode_ms": 20, "gpu_ms": 980, "created_ms": 0}
    each = {"job_id": 7, "fence": 1, "latents": SHA, "clip": SHA, "fragment": None}
    return [Section(n=k, frames=36 * (k + 1) + 1, **each, **times) for k in range(n)]


def at_step(n: int, step: int, phase: str = "sampling") -> Progress:
    return Progress(job_id=7, n=n, step=step, of=8, phase=phase, preview=None, at_ms=0)


def place(ahead: int = 0, sections: int = 0, running: bool = False) -> Place:
    return Place(jobs_ahead=ahead, sections_ahead=sections, running=running)


def told(done: int, *, first: int = 0, next: int = 0) -> Forecast:
    return Forecast(first_ms=first, next_ms=next, done_ms=done)


def said(found: View, locale: str = "en") -> str:
    return say(locale, found.headline, **found.facts)


def test_a_waiting_job_says_its_place() -> None:
    assert said(view(a_job(), [], None, place(ahead=2, sections=6), None)) == "Number 3 in line"
    assert said(view(a_job(), [], None, place(), None)) == "Next in line"


def test_a_growing_film_says_how_far_it_is() -> None:
    job = a_job(state=State.RUNNING, done=2, film=SHA)
    found = view(job, some_sections(2), at_step(2, 4), place(running=True), told(1500))
    assert said(found) == "2.4 of 4.8 s are ready"
    assert (found.step, found.of, found.eta_ms) == (4, 8, 1500)
    assert found.can_stop
    assert found.can_cancel


def test_between_two_turns_nothing_flickers() -> None:
    job = a_job(state=State.QUEUED, done=2, film=SHA)
    assert view(job, some_sections(2), None, place(), None).headline == "headline.growing"
    assert view(job, some_sections(2), None, place(ahead=1, sections=2), None).headline == "headline.again"


def test_what_was_never_measured_is_not_guessed() -> None:
    assert view(a_job(state=State.RUNNING), [], at_step(0, 7), place(running=True), None).eta_ms is None


def test_the_first_second_and_the_whole_film_are_foretold() -> None:
    found = view(a_job(), [], None, place(ahead=2, sections=6), told(400_000, first=61_000))
    assert when("en", found) == "First second in about 61 s, all of it in about 7 min"


def test_between_two_turns_it_says_when_it_goes_on() -> None:
    job = a_job(state=State.QUEUED, done=2, film=SHA)
    found = view(job, some_sections(2), None, place(ahead=1, sections=2), told(400_000, next=61_000))
    assert when("en", found) == "It goes on in about 61 s and is ready in about 7 min"


def test_what_holds_a_film_up_is_said_and_no_time_is_guessed() -> None:
    for reason, sentence in (("worker_crashed", "The engine stopped"), ("disk_full", "Waiting: the disk is full")):
        found = view(a_job(reason=reason), [], None, place(ahead=2, sections=6), told(9_000))
        assert said(found).startswith(sentence) and found.eta_ms is None


@pytest.mark.parametrize(("made", "named"), [("large@1", "large"), ("tiny@0", "tiny@0")])
def test_a_film_says_which_model_it_waits_for_be_there_a_pause_or_not(made: str, named: str) -> None:
    job = a_job(reason="other_model", facts={"made": made, "loaded": "tiny@1"})
    for closed in (QueueState(), QueueState(paused=True)):
        found = view(job, [], None, place(ahead=2, sections=6), told(9_000), closed)
        assert said(found) == f"Waiting for the model {named}, which is not running now. It goes on when that one does"
        assert found.eta_ms is None and found.can_cancel


def away(reason: str, opens_ms: int | None = None) -> QueueState:
    return QueueState(away=Away(name="home:1", reason=reason, facts={}, opens_ms=opens_ms, since_ms=0))


def test_where_nobody_makes_films_now_that_is_said_and_when_it_goes_on() -> None:
    later = told(3_600_000, first=3_000_000, next=3_000_000)
    found = view(a_job(), [], None, place(ahead=1), later, away("hours", 1))
    assert said(found) == "Waiting for the hours in which films are made"
    assert when("en", found) == "First second in about 50 min, all of it in about 60 min"
    stale = view(a_job(reason="worker_lost"), [], None, place(), later, away("hours", 1))
    assert stale.headline == found.headline and stale.eta_ms == found.eta_ms
    for reason in ("program", "something that a newer version knows"):
        assert "in use for something else" in said(view(a_job(), [], None, place(), None, away(reason)))
    both = dataclasses.replace(away("hours"), paused=True)
    assert said(view(a_job(), [], None, place(), None, both)).startswith("Paused. ")
    running = view(a_job(state=State.RUNNING), [], at_step(0, 3), place(running=True), later, away("hours", 1))
    assert said(running) == "Drawing the first second"
    assert "zh" in LANGUAGES and said(found, "zh") == "等待中：现在不是制作影片的时段"


def test_a_paused_queue_says_why() -> None:
    found = view(a_job(), [], None, place(), None, QueueState(paused=True, reason="too hot"))
    assert said(found) == "Paused: too hot. Nothing is lost, it goes on by itself"
    assert said(view(a_job(), [], None, place(), None, QueueState(paused=True))).startswith("Paused. ")


def test_progress_of_an_earlier_turn_is_not_shown() -> None:
    job = a_job(state=State.RUNNING, done=2, film=SHA)
    assert view(job, some_sections(2), at_step(1, 8), place(running=True), told(1500)).step == 0


def test_before_anything_is_finished_there_is_nothing_to_stop_at() -> None:
    found = view(a_job(state=State.RUNNING), [], at_step(0, 3), place(running=True), None)
    assert not found.can_stop
    assert said(found) == "Drawing the first second"


@pytest.mark.parametrize(
    ("phase", "says"),
    [
        ("loading", "Loading the model"),
        ("encoding", "Reading the text and the picture"),
        ("sampling", "Drawing the first second"),
        ("decoding", "Drawing the first second"),
    ],
)
def test_what_comes_before_the_first_step_is_said(phase: str, says: str) -> None:
    job = a_job(state=State.RUNNING)
    assert said(view(job, [], at_step(0, 0, phase), place(running=True), None)) == says


def test_a_wish_is_said_until_it_is_carried_out() -> None:
    job = a_job(state=State.RUNNING, done=1, film=SHA, wish="stop", wish_by="ann")
    found = view(job, some_sections(1), at_step(1, 3), place(running=True), told(1500))
    assert said(found) == "Stopping here, keeping what is ready"
    assert not found.can_stop
    assert found.can_cancel
    assert found.eta_ms is None


def test_the_last_section_ends_with_the_file() -> None:
    job = a_job(state=State.RUNNING, done=3, film=SHA)
    finishing = view(job, some_sections(3), at_step(3, 8, "writing"), place(running=True), told(1500))
    assert finishing.headline == "headline.finishing"


def test_how_it_ended_is_said() -> None:
    done = view(a_job(state=State.DONE, done=4, film=SHA), some_sections(4), None, None, None)
    assert said(done) == "Your film is ready: 4.8 s"
    stopped = view(a_job(state=State.STOPPED, done=2, film=SHA), some_sections(2), None, None, None)
    assert said(stopped) == "Stopped at 2.4 s, and that is your film"
    failed = view(a_job(state=State.FAILED, reason="disk_full", facts={"where": "/"}), [], None, None, None)
    assert said(failed) == "This film could not be finished"
    assert why("en", failed.reason, failed.reason_facts).startswith("The disk is full")


@st.composite
def any_view(draw: st.DrawFn) -> View:
    sections = draw(st.integers(1, 6))
    state = draw(st.sampled_from(State))
    done = sections if state == State.DONE else draw(st.integers(0, sections))
    job = a_job(
        state=state,
        sections=sections,
        done=done,
        settings={"frames": 36 * sections + 1},
        plan=draw(st.sampled_from([{"fps": 30}, {"fps": 24}, {}])),
        wish=draw(st.sampled_from([None, "stop", "cancel"])),
        film=SHA if done else None,
        reason=draw(st.none() | st.sampled_from(sorted(WAITS)) | st.text(max_size=9)),
        facts=draw(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=2)),
    )
    told = draw(st.none() | st.builds(at_step, st.integers(0, 6), st.integers(0, 8), st.sampled_from(["", "writing"])))
    line = draw(st.none() | st.builds(place, st.integers(0, 9), st.integers(0, 90), st.booleans()))
    return view(
        job,
        some_sections(done),
        told,
        line,
        draw(st.none() | st.builds(Forecast, **dict.fromkeys(TIMES, st.integers(0, 10**7)))),
    )


@given(any_view())
def test_any_job_can_be_said_in_every_language(found: View) -> None:
    for locale in LANGUAGES:
        assert "?" not in said(found, locale)
        assert (found.eta_ms is None) == (when(locale, found) == "")


@given(any_view())
def test_any_view_is_json_and_in_itself_sound(found: View) -> None:
    assert json.loads(json.dumps(dataclasses.asdict(found)))["state"] == found.state
    assert 0 <= found.seconds_done <= found.seconds_total
    assert found.step <= found.of
    assert found.eta_ms is None or found.eta_ms >= 0
    assert (found.place is None) or found.state == State.QUEUED
    if found.state in TERMINAL:
        assert not (found.can_stop or found.can_cancel or found.eta_ms)
    if found.can_stop:
        assert found.has_film


@given(any_view())
def test_what_a_view_offers_fits_its_state(found: View) -> None:
    assert (found.reason is not None) <= (found.state == State.FAILED)
    assert (found.of > 0) <= (found.state == State.RUNNING)
    assert found.can_stop <= (found.done > 0 and found.can_cancel)
    assert (found.first_ms is not None) <= (found.done == 0)
    if found.headline == "headline.finishing":
        assert found.state == State.RUNNING and found.done + 1 == found.sections


def test_a_running_film_is_foretold_whatever_held_it_up_before() -> None:
    job = a_job(state=State.RUNNING, done=1, film=SHA, reason="worker_crashed")
    found = view(job, some_sections(1), at_step(1, 1), place(running=True), told(9_000))
    assert (found.eta_ms, found.headline) == (9_000, "headline.growing")


@pytest.mark.parametrize("phase", ENDINGS)
def test_only_the_last_section_is_said_to_finish_the_film(phase: str) -> None:
    job = a_job(state=State.RUNNING, done=1, film=SHA)
    assert view(job, some_sections(1), at_step(1, 8, phase), place(running=True), None).headline == "headline.growing"


@pytest.mark.parametrize(
    ("job", "times", "says"),
    [
        ({}, {"first": 61_000, "next": 61_000}, "First second in about 61 s, all of it in about 7 min"),
        ({}, {"first": 400_000, "next": 400_000}, "about 7 min left"),  # it has one second
        ({"done": 2, "film": SHA}, {"next": 61_000}, "It goes on in about 61 s and is ready in about 7 min"),
        ({"done": 3, "film": SHA}, {"next": 400_000}, "about 7 min left"),  # one is left
        ({"done": 2, "film": SHA, "state": State.RUNNING}, {"next": 61_000}, "about 7 min left"),
    ],
)
def test_when_there_is_something_new_is_said_in_one_way(job: dict[str, Any], times: dict[str, int], says: str) -> None:
    made = a_job(**job)
    line = place(ahead=1, sections=2, running=made.state == State.RUNNING)
    assert when("en", view(made, some_sections(made.done), None, line, told(400_000, **times))) == says
