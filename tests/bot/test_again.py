"""Films made again, longer or otherwise, through the real queue: who may, what is kept, what is said.

The plans are made by the room of the model itself, as the service puts the two together.
"""

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from test_intake import NARROW, asked, png, rules

from bot.config import Role
from bot.errors import Refused
from bot.intake import By, Intake, ModelFacts, parse_prompts, said_after, unmade
from bot.words import duration, say
from db import jobs, operators, requests, sections
from db.connect import Database
from db.media import Media
from db.models import Flow, Platform, State
from db.models import Job as JobRow
from db.query import section_shape
from db.rows import Job
from db.sections import Made
from flipbot.planning import make_planner, make_replanner
from gen.card import PRESETS
from gen.config import ModelConfig, VideoConfig
from tests.ready import ready

CARD = dataclasses.replace(PRESETS["framepack-f1"], samplings=("f1", "inverted"))
ANN = By(platform=Platform.PAGE, user_id="ann", chat_id="page", locale="en")
SHA = "0123456789abcdef" * 4


@pytest.fixture
async def taker(tmp_path: Path) -> AsyncIterator[Intake]:
    model = ModelFacts(name=CARD.name, trained=True, default_prompt="gentle motion")
    async with Database.open(data_dir=ready(tmp_path)) as db:
        planner, replanner = make_planner(CARD, ModelConfig(), VideoConfig()), make_replanner(CARD)
        media = Media(tmp_path / "media")
        yield Intake(
            db, media, planner, rules(longest_seconds=10.0), model, seed=iter(range(100, 999)).__next__,
            replanner=replanner,
        )  # fmt: skip


async def section(taker: Intake, job: Job, **files: str) -> Job:
    """Make the next section of the job, which is the only one that waits."""
    claim = await jobs.claim(taker.db, "w", 60_000)
    assert claim is not None and claim.job.id == job.id
    files = {"latents": SHA, "clip": SHA, "tail": SHA, "film": SHA[::-1], **files}
    times = {"sampling_ms": 2000, "decode_ms": 700, "encode_ms": 300}
    return (await sections.record(taker.db, claim, Made(n=job.done, frames=36 * job.done + 37, **files, **times))).job


async def film(
    taker: Intake, *, finished: int = 4, stop: bool = True, conditioning: str | None = None, **changes: Any
) -> Job:
    """A film of four sections, of which so many are finished."""
    before = len(await jobs.recent(taker.db, 99))  # each of another picture: none is taken for one of a moment ago
    plain = {"prompt": "fog rolls in | 3s: night falls", "seed": 7, "picture": png(f"#{before:06x}")}
    job = await taker.submit(asked(**plain | changes))
    assert job.sections == 4
    for _ in range(finished):
        job = await section(taker, job, **({"conditioning": conditioning} if conditioning else {}))
    return await requests.wish(taker.db, job.id, "stop", "ann") if stop else job


async def refusal(doing: Any) -> str:
    with pytest.raises(Refused) as caught:
        await doing
    assert say("zh", caught.value.key, **caught.value.facts) != say("en", caught.value.key, **caught.value.facts)
    return caught.value.key


async def test_a_button_where_no_roles_are_known_leaves_their_share_of_the_turns_as_it_was(taker: Intake) -> None:
    taker.rules = dataclasses.replace(taker.rules, roles={"gold": Role(weight=3.0)})
    job = await film(taker, finished=1, roles=("gold",))
    await taker.again(job.id, ANN, key="again", keep="all")
    with taker.db.reading() as tx:
        assert tx.scalars(select(Flow.weight)).all() == [3.0]


async def test_extending_keeps_everything_and_goes_on(taker: Intake) -> None:
    job = await film(taker)
    more = await taker.again(job.id, ANN, key="more", keep="all", add_seconds=3)
    assert (more.done, more.sections, more.parent_id, more.state) == (4, 7, job.id, State.QUEUED)
    assert (more.film, more.picture) == (job.film, job.picture)
    assert more.plan == {**job.plan, "sections": 7, "prompts": [*job.plan["prompts"], *["night falls"] * 3]}
    assert more.prompt == job.prompt
    assert (more.settings["seconds"], more.settings["frames"], more.settings["seed"]) == (8.4, 253, 7)
    assert (await jobs.get(taker.db, job.id)) == job


async def test_extending_with_another_prompt_counts_from_where_the_film_ended(taker: Intake) -> None:
    job = await film(taker)
    more = await taker.again(job.id, ANN, key="more", keep="all", add_seconds=3.6, prompt=" dawn\n| 2.4s : birds ")
    assert more.plan["prompts"][4:] == ["dawn", "dawn", "birds"]
    assert more.prompt == "fog rolls in | 3s: night falls | 4.8s: dawn | 7.2s: birds"
    anew = await taker.again(more.id, ANN, key="anew", prompt=more.prompt)  # what is shown can be edited
    assert (anew.done, anew.sections, anew.plan) == (0, 7, more.plan)


async def test_what_was_stopped_gets_longer_from_there_or_is_finished(taker: Intake) -> None:
    job = await film(taker, finished=2)
    assert job.state == State.STOPPED
    longer = await taker.again(job.id, ANN, key="longer", keep="all", add_seconds=1.2)
    assert (longer.done, longer.sections, longer.plan["prompts"]) == (2, 3, ["fog rolls in"] * 2 + ["night falls"])
    rest = await taker.again(job.id, ANN, key="rest", keep="all")
    assert (rest.done, rest.sections, rest.plan, rest.film) == (2, 4, job.plan, job.film)


async def test_the_last_second_is_drawn_again_with_a_new_seed(taker: Intake) -> None:
    job = await film(taker)
    redone = await taker.again(job.id, ANN, key="redo", keep="all_but_last", seed="new")
    assert (redone.done, redone.sections, redone.film) == (3, 4, None)
    assert (redone.plan["seed"], redone.plan["seeds"]) == (100, [7, 7, 7])
    assert redone.settings["seed"] == 100
    assert redone.plan["prompts"] == job.plan["prompts"]


async def test_a_new_seed_and_an_edited_prompt_make_all_of_it_anew(taker: Intake) -> None:
    job = await film(taker)
    seed = await taker.again(job.id, ANN, key="seed", seed="new")
    assert (seed.done, seed.film, seed.plan) == (0, None, {**job.plan, "seed": 100})
    given_seed = await taker.again(job.id, ANN, key="given", seed=5)
    assert given_seed.plan == {**job.plan, "seed": 5}
    edited = await taker.again(job.id, ANN, key="edit", prompt="rain")
    assert (edited.plan, edited.prompt) == ({**job.plan, "prompts": ["rain"] * 4}, "rain")
    empty = await taker.again(job.id, ANN, key="empty", prompt="")
    assert (empty.plan["prompts"], empty.prompt) == (["gentle motion"] * 4, "")
    assert await refusal(taker.again(job.id, ANN, key="no", seed=-1)) == "refused.seed"
    assert await refusal(taker.again(job.id, ANN, key="no", prompt="fog | 9s: late")) == "refused.prompt_too_late"
    assert await refusal(taker.again(job.id, ANN, key="no", prompt="x" * 5000)) == "refused.prompt_too_long"


async def test_pressed_twice_it_is_one_film(taker: Intake) -> None:
    job = await film(taker)
    first = await taker.again(job.id, ANN, key="k", seed="new")
    assert await taker.again(job.id, ANN, key="k", seed="new") == first
    await requests.wish(taker.db, first.id, "cancel", "ann")
    assert (await taker.again(job.id, ANN, key="k", seed="new")).id == first.id


@pytest.mark.parametrize(
    ("who", "may"),
    [
        ({}, True),
        ({"chat_id": "elsewhere"}, True),
        ({"user_id": "bob"}, False),
        ({"platform": Platform.DISCORD}, False),
        ({"user_id": "bob", "moderator": True}, True),
        ({"user_id": "bob", "moderator": True, "chat_id": "elsewhere"}, False),
        ({"user_id": "bob", "moderator": True, "platform": Platform.TELEGRAM}, False),
    ],
)
async def test_only_the_owner_and_moderators_of_that_place_may(taker: Intake, who: dict[str, Any], may: bool) -> None:
    job = await film(taker, finished=1)
    by = dataclasses.replace(ANN, **who)
    open_job = await taker.submit(asked(seed=1))
    if may:
        made = await taker.again(job.id, by, key="k", keep="all")
        assert (made.user_id, made.chat_id, made.platform) == (by.user_id, by.chat_id, by.platform)
        assert (await taker.steer(open_job.id, by, "snow")).prompt == "snow"
    else:
        assert await refusal(taker.again(job.id, by, key="k", keep="all")) == "refused.not_yours"
        assert await refusal(taker.steer(open_job.id, by, "snow")) == "refused.not_yours"
        assert len(await jobs.recent(taker.db, 10)) == 2


async def test_a_film_made_anew_elsewhere_obeys_what_holds_there(taker: Intake) -> None:
    job = await film(taker, server_id="old")
    await operators.drain(taker.db, "x", "", "old")
    assert await refusal(taker.again(job.id, dataclasses.replace(ANN, server_id="old"), key="no")) == "refused.draining"
    alone = await taker.again(job.id, ANN, key="alone")
    assert alone.server_id == ""
    await operators.limit_server(taker.db, "x", "new", {"longest_seconds": 2})
    there = dataclasses.replace(ANN, server_id="new", adult=True)
    assert await refusal(taker.again(job.id, there, key="no", seed="new")) == "refused.seconds"
    await operators.limit_server(taker.db, "x", "new", {"longest_seconds": 5})
    made = await taker.again(job.id, there, key="yes", seed="new")
    assert (made.server_id, made.settings["adult"], alone.settings.get("adult")) == ("new", True, None)
    await operators.drain(taker.db, "x", "", "new")
    assert await refusal(taker.again(job.id, there, key="no", seed="new")) == "refused.draining"


async def test_what_makes_no_sense_is_refused_in_a_sentence(taker: Intake) -> None:
    job = await film(taker)
    assert await refusal(taker.again(99, ANN, key="no")) == "refused.no_such_job"
    assert await refusal(taker.again(job.id, ANN, key="no", keep="all")) == "refused.film_is_whole"
    assert await refusal(taker.again(job.id, ANN, key="no", keep=9)) == "refused.film_is_whole"
    assert await refusal(taker.again(job.id, ANN, key="no", keep="all", add_seconds=-1)) == "refused.seconds_none"
    assert await refusal(taker.again(job.id, ANN, key="no", keep="all", add_seconds=6)) == "refused.too_long_to_extend"
    assert await refusal(taker.steer(job.id, ANN, "late")) == "refused.steer_over"
    growing = await film(taker, finished=1, stop=False)
    assert await refusal(taker.again(growing.id, ANN, key="no", keep="all", add_seconds=1)) == "refused.still_growing"
    assert (await taker.again(growing.id, ANN, key="yes", seed="new")).done == 0
    assert await refusal(taker.steer(77, ANN, "late")) == "refused.no_such_job"


async def test_another_model_goes_on_with_no_film(taker: Intake) -> None:
    job = await film(taker, finished=2)
    taker.replanner = make_replanner(dataclasses.replace(CARD, version="2"))
    with pytest.raises(Refused) as caught:
        await taker.again(job.id, ANN, key="no", keep="all")
    assert say("en", caught.value.key, **caught.value.facts) == (
        f"{CARD.identity} made this film, and {CARD.name}@2 is what runs now. Send the picture again to make a new one."
    )


def upgraded(taker: Intake, **changes: Any) -> str:
    """The model and the configuration of the service's next life; returns the model's identity."""
    card = dataclasses.replace(CARD, version="2", **changes)
    taker.planner = make_planner(card, ModelConfig(), VideoConfig())
    return card.identity


async def test_after_an_upgrade_of_the_model_films_that_are_not_begun_are_planned_anew(
    taker: Intake, caplog: pytest.LogCaptureFixture
) -> None:
    plain = await film(taker, finished=0, stop=False)
    ends = await film(taker, finished=0, stop=False, user_id="bob", end_picture=png("red"), quality="draft")
    steered = await film(taker, finished=0, stop=False, user_id="cem", prompt="")
    steered = await taker.steer(steered.id, dataclasses.replace(ANN, user_id="cem"), "rain | 4.75s: hail")
    caplog.set_level("INFO")
    model = upgraded(taker)
    assert await taker.renew_plans(model) == 3
    assert f"plans renewed jobs=3 model={model}" in caplog.text
    for before in (plain, ends, steered):
        now = await jobs.get(taker.db, before.id)
        assert now.plan == {**before.plan, "model": model}
        assert (now.prompt, now.settings, now.sections) == (before.prompt, before.settings, before.sections)
        assert now.revision > before.revision, "who changes it as it was changes nothing"
    assert await taker.renew_plans(model) == 0


async def test_what_cannot_be_planned_anew_waits_for_its_model_and_is_not_lost(taker: Intake) -> None:
    begun = await film(taker, finished=1, stop=False)
    fresh = await film(taker, finished=0, stop=False, user_id="bob")
    await taker.serve_model("other@1")  # another model's life
    assert {(await jobs.get(taker.db, job.id)).reason for job in (begun, fresh)} == {"other_model"}
    model = upgraded(taker)
    await taker.serve_model(model)
    waits, renewed = [await jobs.get(taker.db, job.id) for job in (begun, fresh)]
    assert (waits.reason, waits.facts) == ("other_model", {"made": CARD.identity, "loaded": model})
    assert (renewed.reason, renewed.plan["model"]) == (None, model)
    await section(taker, renewed)


async def test_a_plan_is_made_anew_for_the_size_that_the_new_model_makes_of_the_picture(taker: Intake) -> None:
    job = await film(taker, finished=0, stop=False, picture=png(size=(200, 100)))
    assert await taker.renew_plans(upgraded(taker, sizes={CARD.size: [(64, 64), (64, 128), (128, 64)]})) == 1
    plan = (await jobs.get(taker.db, job.id)).plan
    assert (plan["width"], plan["height"]) == (128, 64)
    with taker.db.reading() as tx:
        assert tx.scalar(select(JobRow.shape)) == section_shape(plan)


@pytest.mark.parametrize("why", ["begun", "length", "rate", "quality", "end picture", "picture"])
async def test_a_film_that_the_new_model_cannot_make_as_it_was_promised_stays_as_it_is(taker: Intake, why: str) -> None:
    end = {"end_picture": png("red")} if why == "end picture" else {}
    job = await film(taker, finished=why == "begun", stop=False, **end)
    changes = {"length": {"window": 11}, "rate": {"fps": 24}, "end picture": {"samplings": ("f1",)}}.get(why, {})
    model = upgraded(taker, **changes)
    if why == "quality":
        taker.rules = dataclasses.replace(taker.rules, qualities=("best",))
    if why == "picture":
        taker.media.drop(job.picture)
    assert await taker.renew_plans(model) == 0
    assert await jobs.get(taker.db, job.id) == job


async def test_what_the_encoders_of_another_model_made_is_not_taken_for_the_new_ones(taker: Intake) -> None:
    made = await film(taker, conditioning=SHA[::-1])
    anew = await taker.again(made.id, ANN, key="anew", seed="new")
    assert anew.conditioning is not None
    assert await taker.renew_plans(upgraded(taker)) == 1
    assert (await jobs.get(taker.db, anew.id)).conditioning is None


async def test_a_film_made_from_its_end_is_finished_or_made_anew_only(taker: Intake) -> None:
    job = await film(taker, finished=2, end_picture=asked().picture)
    assert job.plan["sampling"] == "inverted"
    for change in ({"add_seconds": 1}, {"prompt": "other"}):
        doing = taker.again(job.id, ANN, key="no", keep="all", **change)
        assert await refusal(doing) == "refused.made_backwards"
    whole = await film(taker, end_picture=asked().picture)
    for each in (job, whole):
        redo = taker.again(each.id, ANN, key="no", keep="all_but_last", seed="new")
        assert await refusal(redo) == "refused.made_backwards"
    rest = await taker.again(job.id, ANN, key="rest", keep="all")
    assert (rest.done, rest.plan, rest.end_picture) == (2, job.plan, job.end_picture)
    assert await refusal(taker.steer(rest.id, ANN, "other")) == "refused.made_backwards"
    assert (await taker.again(job.id, ANN, key="edit", prompt="other")).plan["prompts"] == ["other"] * 4


async def test_steering_changes_what_is_not_begun(taker: Intake) -> None:
    job = await film(taker, finished=1, stop=False)
    steered = await taker.steer(job.id, ANN, "snow | 1.2s: sun")
    assert steered.plan == {**job.plan, "prompts": ["fog rolls in", "snow", "sun", "sun"]}
    assert steered.prompt == "fog rolls in | 1.2s: snow | 2.4s: sun"
    claim = await jobs.claim(taker.db, "w", 60_000)
    assert claim is not None  # the second is under way now, and stays
    steered = await taker.steer(job.id, ANN, "rain")
    assert steered.plan["prompts"] == ["fog rolls in", "snow", "rain", "rain"]
    assert steered.prompt == "fog rolls in | 1.2s: snow | 2.4s: rain"
    assert unmade(steered) == []
    assert unmade(await taker.steer(job.id, ANN, "sleet | 0.1s: rain")) == ["sleet"]
    assert await refusal(taker.steer(job.id, ANN, "rain | 2.4s: late")) == "refused.prompt_too_late"
    await jobs.release(taker.db, claim)
    for _ in range(2):
        steered = await section(taker, await jobs.get(taker.db, job.id))
    await jobs.claim(taker.db, "w", 60_000)
    assert await refusal(taker.steer(job.id, ANN, "wind")) == "refused.steer_too_late"
    await requests.wish(taker.db, job.id, "stop", "ann")
    assert await refusal(taker.steer(job.id, ANN, "wind")) == "refused.steer_over"


PROMPT = st.lists(
    st.tuples(st.integers(0, 90).map(lambda t: t / 10), st.sampled_from(["fog", "night | day", "", "5s", "雪"])),
    max_size=3,
).map(lambda parts: "".join(["first", *(f" | {start}s: {said}" for start, said in parts)]))


@given(PROMPT, PROMPT, st.integers(0, 8))
def test_what_is_said_of_a_film_reads_as_what_happens_in_it(before: str, prompt: str, kept: int) -> None:
    kept_s = 1.2 * kept
    said = dict(parse_prompts(said_after(before, kept_s, prompt)))
    expected = {start: text for start, text in parse_prompts(before) if start < kept_s}
    expected |= {round(kept_s + start, 3): text for start, text in parse_prompts(prompt)}
    assert list(said.values()) == list(expected.values())
    assert list(said) == pytest.approx(list(expected))


async def test_what_an_old_film_could_be_gone_on_with_is_not_kept_for_ever(taker: Intake) -> None:
    job = await film(taker)
    assert await requests.expire_latents(taker.db, 1 << 60) == 1
    assert await refusal(taker.again(job.id, ANN, key="more", keep="all", add_seconds=3)) == "refused.latents_gone"
    anew = await taker.again(job.id, ANN, key="anew", seed="new")
    assert (anew.done, anew.sections) == (0, 4)


async def test_a_limit_that_is_reached_says_the_number_and_when_there_is_room(taker: Intake) -> None:
    """Room is when the first film of theirs, of the chat or of all is ready, as it is forecast."""
    taker.rules = dataclasses.replace(taker.rules, queue=NARROW)
    first = await section(taker, await film(taker, finished=0, stop=False, user_id="cem", chat_id="elsewhere"))
    theirs = [await film(taker, finished=0, stop=False) for _ in range(2)]
    assert await refused(taker) == (
        "2 of your films are in line, and the limit is 2. "
        f"Cancel one, or try again in about {await foretold(taker, theirs)}, when one is ready."
    )
    theirs.append(await film(taker, finished=0, stop=False, user_id="bob"))
    wait = await foretold(taker, theirs)
    assert await refused(taker, user_id="eva") == (
        f"This chat has 3 films in line, and the limit is 3. Try again in about {wait}."
    )
    assert await refused(taker, user_id="eva", chat_id="third") == (
        f"4 films are in line, and the limit is 4. Try again in about {await foretold(taker, [first])}."
    )
    assert await foretold(taker, [first]) != await foretold(taker, theirs)


async def foretold(taker: Intake, films: list[Job]) -> str:
    told = [await jobs.forecast(taker.db, job.id) for job in films]
    return duration("en", min(each.done_ms for each in told if each) / 1000)


async def refused(taker: Intake, **who: Any) -> str:
    with pytest.raises(Refused) as caught:
        await film(taker, finished=0, stop=False, **who)
    return say("en", caught.value.key, **caught.value.facts)


async def test_what_failed_is_tried_again_once_for_nothing(taker: Intake) -> None:
    job = await film(taker, finished=0, stop=False)
    claim = await jobs.claim(taker.db, "w", 60_000)
    assert claim
    await jobs.fail(taker.db, claim, "internal", {})
    taker.rules = dataclasses.replace(taker.rules, queue=dataclasses.replace(taker.rules.queue, cooldown_s=3600))
    retried = await taker.again(job.id, ANN, key="free", keep="all")
    assert retried.parent_id == job.id
    assert await refusal(taker.again(job.id, ANN, key="not free", keep="all")) == "refused.too_soon"
