from __future__ import annotations

import dataclasses
import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen.card import PRESETS, Card
from gen.errors import BadPlan, OtherModel, SamplingNotSupported, SizeNotSupported
from gen.plan import (
    continue_plan,
    frames_after,
    latent_paddings,
    make_plan,
    nearest_bucket,
    prompts_of,
    sections_for,
    sections_more,
    sections_reference,
)
from gen.types import CACHE_NAMES, FIRST_BLOCK, TEACACHE, Plan

CARD = dataclasses.replace(PRESETS["framepack"], samplings=("inverted", "f1"))
BUCKET = st.tuples(st.integers(1, 60), st.integers(1, 60))


def a_plan(card: Card = CARD, **changes: object) -> Plan:
    asked: dict[str, object] = {"picture_size": (800, 600), "seconds": 5, "prompts": [(0, "a boat")], "seed": 1}
    return make_plan(card, **(asked | changes))  # type: ignore[arg-type]


def test_five_seconds_are_four_sections_of_a_window_of_nine() -> None:
    assert sections_for(5, 9, 30, 4) == 4
    assert frames_after(4, 9, 4) == 145


@given(st.decimals("0.01", 600, places=2), st.integers(1, 20), st.integers(1, 60), st.sampled_from([1, 2, 4, 8]))
def test_a_film_has_the_fewest_sections_that_make_95_percent(seconds, window, fps, compression) -> None:
    sections = sections_for(float(seconds), window, fps, compression)
    least = Fraction(seconds) * fps * Fraction(95, 100)
    assert sections >= 1
    assert frames_after(sections, window, compression) >= least
    assert sections == 1 or frames_after(sections - 1, window, compression) < least


@given(st.integers(1, 200))
def test_the_inverted_order_ends_at_the_start_picture(sections: int) -> None:
    paddings = latent_paddings(sections)
    assert len(paddings) == sections
    assert paddings[-1] == 0
    assert paddings == sorted(paddings, reverse=True)
    assert max(paddings) == (sections - 1 if sections <= 4 else 3)


@pytest.mark.parametrize(
    ("sections", "paddings"),
    [(1, [0]), (4, [3, 2, 1, 0]), (5, [3, 2, 2, 1, 0]), (6, [3, 2, 2, 2, 1, 0]), (9, [3, 2, 2, 2, 2, 2, 2, 1, 0])],
)
def test_long_inverted_films_stay_near_their_start(sections: int, paddings: list[int]) -> None:
    assert latent_paddings(sections) == paddings


def test_the_reference_s_count_rounds_halves_to_even() -> None:
    assert [sections_reference(seconds, 1) for seconds in (0.01, 0.2, 1 / 3, 0.6)] == [1, 2, 2, 4]


@given(st.integers(1, 5000), st.integers(1, 5000), st.lists(BUCKET, min_size=1, max_size=9))
def test_no_bucket_is_nearer_and_no_later_one_as_near(height: int, width: int, buckets: list[tuple[int, int]]) -> None:
    chosen = nearest_bucket(height, width, buckets)
    off = [abs(height * w - width * h) for h, w in buckets]
    assert chosen == [bucket for bucket, d in zip(buckets, off, strict=True) if d == min(off)][-1]


def test_a_prompt_holds_from_its_second_on() -> None:
    second = Fraction(12, 10)
    assert prompts_of([(0, "a"), (2, "b")], 4, second) == ("a", "a", "b", "b")
    assert prompts_of([(2, "b"), (0, "a")], 4, second) == ("a", "a", "b", "b")
    assert prompts_of([(9, "late")], 3, second) == ("late",) * 3
    assert prompts_of([(0, "a"), (99, "never")], 2, second) == ("a", "a")


def test_a_plan_takes_what_is_not_asked_from_the_card() -> None:
    plan = a_plan()
    assert (plan.sampling, plan.steps, plan.guidance, plan.sections) == ("inverted", 25, 10.0, 4)
    assert (plan.width, plan.height) == (704, 544)
    assert plan.model == CARD.identity


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"sampling": "sideways"}, SamplingNotSupported),
        ({"size": "9000"}, SizeNotSupported),
        ({"seconds": 0}, BadPlan),
        ({"seconds": float("nan")}, BadPlan),
        ({"seconds": 1e9}, BadPlan),
        ({"steps": 0}, BadPlan),
        ({"prompts": []}, BadPlan),
        ({"seed": -1}, BadPlan),
        ({"step_cache": "0.15"}, BadPlan),
        ({"picture_size": (0, 5)}, BadPlan),
    ],
)
def test_what_the_card_does_not_allow_is_said_in_a_sentence(asked: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error, match=r"\w.*\.$"):
        a_plan(**asked)


@given(
    st.integers(0, 2**63 - 1),
    st.floats(0, 100),
    st.floats(0, 1),
    st.just("") | st.builds("{}:{}".format, st.sampled_from(["teacache", "first-block"]), st.floats(0, 10)),
    st.lists(st.text(), min_size=1, max_size=5),
    st.sampled_from(["f1", "inverted"]),
)
def test_a_plan_survives_json_exactly(seed, guidance, rescale, step_cache, prompts, sampling) -> None:
    plan = dataclasses.replace(
        a_plan(),
        seed=seed,
        guidance=guidance,
        rescale=rescale,
        step_cache=step_cache,
        prompts=tuple(prompts),
        sections=len(prompts),
        sampling=sampling,
    )
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


@pytest.mark.parametrize(
    ("kept", "means"), [(None, ""), (0.15, "teacache:0.15"), ("first-block:0.1", "first-block:0.1")]
)
def test_a_plan_of_an_earlier_version_keeps_its_step_cache(kept: object, means: str) -> None:
    assert Plan.from_json(a_plan().to_json() | {"step_cache": kept}).step_cache == means


def test_a_cache_s_name_means_what_suits_the_checkpoint() -> None:
    other = dataclasses.replace(CARD, step_cache="", step_caches=FIRST_BLOCK)
    ours = {name: a_plan(other, step_cache=name).step_cache for name in CACHE_NAMES}
    theirs = {name: a_plan(step_cache=name).step_cache for name in CACHE_NAMES}
    assert ours == {"none": "", **FIRST_BLOCK, "teacache": "teacache:0.15", "first-block": FIRST_BLOCK["fast"]}
    assert theirs == {**ours, **TEACACHE}
    assert a_plan().step_cache == "teacache:0.15"  # on in FramePack's demo
    assert a_plan(other).step_cache == ""


@pytest.mark.parametrize(
    "change",
    [
        {"width": "64"},
        {"width": 0},
        {"extra": 1},
        {"prompts": ["one"]},
        {"noise": "pink"},
        {"step_cache": "teacache"},
        {"step_cache": "teacache:nan"},
        {"step_cache": "magic:0.1"},
        {"seeds": [1] * 5},
        {"seeds": [-1]},
        {"seeds": [1], "noise": "reference"},
    ],
)
def test_json_that_is_no_plan_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadPlan):
        Plan.from_json(a_plan().to_json() | change)
    values = a_plan().to_json()
    del values["seed"]
    with pytest.raises(BadPlan):
        Plan.from_json(values)


def test_an_inverted_film_is_made_with_its_last_prompt_first() -> None:
    plan = a_plan(prompts=[(0, "a"), (2, "b")])
    assert [plan.prompt_of(n) for n in range(4)] == ["b", "b", "a", "a"]
    assert [dataclasses.replace(plan, sampling="f1").prompt_of(n) for n in range(4)] == ["a", "a", "b", "b"]


F1 = a_plan(sampling="f1", prompts=[(0, "a"), (3, "b")])


@given(st.decimals("0.01", 600, places=2), st.integers(1, 20), st.integers(1, 60), st.sampled_from([1, 2, 4, 8]))
def test_a_film_gets_longer_by_the_fewest_sections_that_make_95_percent(seconds, window, fps, compression) -> None:
    sections = sections_more(float(seconds), window, fps, compression)
    least = Fraction(seconds) * fps * Fraction(95, 100)
    assert compression * window * sections >= least > compression * window * (sections - 1)


def test_a_film_gone_on_with_is_planned_as_one_asked_for_longer() -> None:
    assert F1.prompts == ("a", "a", "b", "b")
    longer = continue_plan(CARD, F1, kept=4, sections=4, seconds=2.4)
    assert longer == dataclasses.replace(F1, sections=6, prompts=("a", "a", "b", "b", "b", "b"))


def test_prompts_of_what_is_new_are_counted_from_where_it_begins() -> None:
    longer = continue_plan(CARD, F1, kept=4, sections=4, seconds=3.6, prompts=[(0, "c"), (2.4, "d")])
    assert longer.prompts == ("a", "a", "b", "b", "c", "c", "d")
    assert continue_plan(CARD, F1, kept=1, sections=4, prompts=[(0, "c")]).prompts == ("a", "c", "c", "c")
    assert continue_plan(CARD, F1, kept=0, sections=2).prompts == ("a", "a")


def test_kept_sections_keep_their_seeds() -> None:
    redone = continue_plan(CARD, F1, kept=3, sections=4, seed=9)
    assert [redone.seed_of(n) for n in range(4)] == [1, 1, 1, 9]
    again = continue_plan(CARD, redone, kept=4, sections=4, seconds=1.2)
    assert [again.seed_of(n) for n in range(5)] == [1, 1, 1, 9, 9]
    assert continue_plan(CARD, again, kept=2, sections=4, seed=1) == F1
    assert continue_plan(CARD, redone, kept=0, sections=4, seed=5) == dataclasses.replace(F1, seed=5)


@given(st.data())
def test_what_is_kept_never_changes(data: st.DataObject) -> None:
    plan = F1
    for _ in range(data.draw(st.integers(1, 4))):
        kept = data.draw(st.integers(0, plan.sections))
        prompts = data.draw(st.just([]) | st.lists(st.tuples(st.floats(0, 9), st.text()), min_size=1, max_size=3))
        seed, total = data.draw(st.none() | st.integers(0, 3)), data.draw(st.integers(max(kept, 1), kept + 4))
        after = continue_plan(CARD, plan, kept=kept, sections=total, seconds=1.2, prompts=prompts, seed=seed)
        assert after.sections == len(after.prompts) == total + 1
        assert after.prompts[:kept] == plan.prompts[:kept]
        assert [after.seed_of(n) for n in range(kept)] == [plan.seed_of(n) for n in range(kept)]
        assert {after.seed_of(n) for n in range(kept, total + 1)} == {plan.seed if seed is None else seed}
        assert Plan.from_json(json.loads(json.dumps(after.to_json()))) == after
        plan = after


def test_what_another_checkpoint_made_cannot_be_gone_on_with() -> None:
    with pytest.raises(OtherModel, match="only the same one can go on with it"):
        continue_plan(dataclasses.replace(CARD, version="2"), F1, kept=4, sections=4, seconds=1)


@pytest.mark.parametrize("change", [{"seconds": 1}, {"prompts": [(0, "c")]}, {"sections": 3}])
def test_a_film_made_from_its_end_is_only_finished_or_made_anew(change: dict[str, object]) -> None:
    plan = dataclasses.replace(F1, sampling="inverted")
    with pytest.raises(BadPlan):
        continue_plan(CARD, plan, **{"kept": 2, "sections": 4} | change)  # type: ignore[arg-type]
    assert continue_plan(CARD, plan, kept=2, sections=4) == plan
    assert continue_plan(CARD, plan, **{"kept": 0, "sections": 4} | change)  # type: ignore[arg-type]


def test_a_plan_kept_by_an_earlier_version_is_read() -> None:
    values = F1.to_json()
    del values["seeds"]
    assert Plan.from_json(values) == F1
