"""Seconds to frames to sections, a picture's size to a bucket. Integers only, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from db.said import said
from gen.errors import BadPlan, OtherModel, SamplingNotSupported, SizeNotSupported
from gen.types import CACHE_NAMES, Plan

if TYPE_CHECKING:
    from gen.card import Card

LEAST_SHARE = Fraction(95, 100)  # a film may fall short of the seconds asked for by a twentieth, never by more
MOST_STEPS = 100
MOST_SECONDS = 3600


def sections_reference(seconds: float, window: int, fps: int = 30) -> int:
    """How many sections the FramePack demos make: to the nearest, halves to even, at least one."""
    return max(1, round(seconds * fps / (4 * window)))


def sections_for(seconds: float, window: int, fps: int, time_compression: int) -> int:
    """The smallest number of sections that makes at least 95 % of the seconds asked for, at least one."""
    frames = LEAST_SHARE * Fraction(str(seconds)) * fps
    return max(1, -((1 - frames) // (time_compression * window)))


def sections_more(seconds: float, window: int, fps: int, time_compression: int) -> int:
    """The smallest number of sections that lengthens a film by at least 95 % of the seconds asked for."""
    return -((-LEAST_SHARE * Fraction(str(seconds)) * fps) // (time_compression * window))


def frames_after(sections: int, window: int, time_compression: int) -> int:
    """Pixel frames of a whole film of so many sections: the start picture is one of them."""
    return time_compression * window * sections + 1


def nearest_bucket(height: int, width: int, buckets: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The bucket (h, w) whose shape is nearest: smallest |height·w − width·h|, ties to the later entry.

    source: bucket_tools.py of lllyasviel/FramePack
    """
    return min(reversed(buckets), key=lambda bucket: abs(height * bucket[1] - width * bucket[0]))


def latent_paddings(sections: int) -> list[int]:
    """How many windows are left blank between the start frame and each section of the inverted order.

    Counting down would do; beyond four sections the reference found it better to stay near: 3, 2 …, 2, 1, 0.
    """
    if sections > 4:
        return [3] + [2] * (sections - 3) + [1, 0]
    return list(reversed(range(sections)))


def prompts_of(prompts: Sequence[tuple[float, str]], sections: int, section_s: Fraction) -> tuple[str, ...]:
    """The prompt of every section in viewing order: the one in force at the section's middle.

    prompts:   (second it starts at, text), in any order; the earliest also holds for what comes before it
    section_s: seconds that a section lasts
    """
    timed = sorted(prompts, key=lambda prompt: prompt[0])
    middles = [section_s * (2 * n + 1) / 2 for n in range(sections)]
    return tuple([text for start, text in timed if start <= middle or start == timed[0][0]][-1] for middle in middles)


def make_plan(
    card: Card,
    *,
    picture_size: tuple[int, int],
    seconds: float,
    prompts: Sequence[tuple[float, str]],
    seed: int,
    sampling: str | None = None,
    size: str | None = None,
    steps: int | None = None,
    step_cache: str | None = None,
    negative: str = "",
) -> Plan:
    """A plan for this checkpoint; what is None takes the card's default.

    picture_size: (width, height) of the picture, upright
    seconds:      asked for; the film may be up to 5 % shorter, or longer by less than a section
    prompts:      (second it starts at, text)
    step_cache:   one of CACHE_NAMES
    raises:       SamplingNotSupported, SizeNotSupported, BadPlan
    """
    sampling, size = sampling or card.samplings[0], size or card.size
    steps = card.steps if steps is None else steps
    if sampling not in card.samplings:
        raise SamplingNotSupported(asked=sampling, known=", ".join(card.samplings))
    if size not in card.sizes:
        raise SizeNotSupported(asked=size, known=", ".join(card.sizes))
    if not 0 < seconds <= MOST_SECONDS:
        raise BadPlan(key="seconds", got=seconds, expected=said("more than 0, at most {most}", most=MOST_SECONDS))
    if not 1 <= steps <= MOST_STEPS:
        raise BadPlan(key="steps", got=steps, expected=said("{least} to {most}", least=1, most=MOST_STEPS))
    if step_cache not in (None, *CACHE_NAMES):
        raise BadPlan(
            key="step_cache", got=step_cache, expected=said("one of {choices}", choices=", ".join(CACHE_NAMES))
        )
    if not prompts:
        raise BadPlan(key="prompts", got=said("none"), expected=said("at least one"))
    width, height = picture_size
    if width < 1 or height < 1:
        raise BadPlan(key="picture_size", got=f"{width}x{height}", expected=said("at least {least}", least="1x1"))
    sections = sections_for(seconds, card.window, card.fps, card.time_compression)
    bucket = nearest_bucket(height, width, card.sizes[size])
    return Plan(
        sampling=sampling,
        width=bucket[1],
        height=bucket[0],
        window=card.window,
        sections=sections,
        steps=steps,
        guidance=card.guidance,
        cfg=card.cfg,
        rescale=card.rescale,
        step_cache=card.step_cache if step_cache is None else card.cache_of(step_cache),
        prompts=prompts_of(prompts, sections, Fraction(card.time_compression * card.window, card.fps)),
        negative=negative,
        seed=seed,
        fps=card.fps,
        model=card.identity,
    )


def continue_plan(
    card: Card,
    plan: Plan,
    *,
    kept: int,
    sections: int,
    seconds: float = 0.0,
    prompts: Sequence[tuple[float, str]] = (),
    seed: int | None = None,
) -> Plan:
    """The plan of a film that keeps the first sections made by another plan and changes the rest.

    kept:     sections, made already or about to be, which stay what they are
    sections: that it has without the seconds more
    seconds:  more than that
    prompts:  (second it starts at, counted from the end of what is kept, text); none: they stay, and the last goes on
    seed:     of what is not kept; None: it stays
    raises:   OtherModel (what is kept was made by another checkpoint), BadPlan
    """
    if plan.model != card.identity:
        raise OtherModel(made=plan.model, loaded=card.identity)
    if not 0 <= seconds <= MOST_SECONDS:
        raise BadPlan(key="seconds", got=seconds, expected=said("{least} to {most}", least=0, most=MOST_SECONDS))
    added = sections_more(seconds, plan.window, plan.fps, card.time_compression)
    if plan.sampling != "f1" and kept and (added or prompts or sections != plan.sections):
        expected = said("f1, to change a film that is made from its end")
        raise BadPlan(key="sampling", got=plan.sampling, expected=expected)
    total = sections + added
    section_s = Fraction(card.time_compression * plan.window, plan.fps)
    if prompts:
        texts = plan.prompts[:kept] + prompts_of(prompts, total - kept, section_s)
    else:
        texts = (plan.prompts + plan.prompts[-1:] * total)[:total]
    seed = plan.seed if seed is None else seed
    seeds = [plan.seed_of(n) for n in range(kept)]
    while seeds and seeds[-1] == seed:
        seeds.pop()
    return replace(plan, sections=total, prompts=texts, seed=seed, seeds=tuple(seeds))
