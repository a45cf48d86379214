"""Films that are gone on with, drawn again in part, or steered: each is the film that its plan at the end describes.

Through the real dispatcher, child and engine, with the golden weights.
"""

from collections.abc import Sequence
from uuid import uuid4

import pytest
from test_dispatch import Bench, bench, model, shared  # noqa: F401 - fixtures

from db import jobs, requests, sections
from db.models import Platform, State
from db.rows import Job, Section
from gen.bench import films
from gen.plan import continue_plan
from gen.types import Plan

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def submit(bench: Bench, like: Job, plan: Plan, **parent: int) -> Job:  # noqa: F811
    ask = requests.Ask(
        key=uuid4().hex, platform=Platform.TERMINAL, user_id="bench", chat_id="bench", locale="en",
        picture=like.picture, prompt=like.prompt, settings={}, plan=plan.to_json(), sections=plan.sections, **parent,
    )  # fmt: skip
    return await requests.submit(bench.db, ask, films.NO_LIMITS)


async def made(bench: Bench, job: Job) -> tuple[Job, list[Section]]:  # noqa: F811
    job = await bench.ended(job)
    assert job.state == State.DONE, (job.reason, job.facts)
    return job, await sections.of(bench.db, job.id)


def files(made: Sequence[Section]) -> list[tuple[str, str | None, int]]:
    return [(section.latents, section.clip, section.frames) for section in made]


async def test_a_film_gone_on_with_is_the_one_planned_longer_from_the_start(bench: Bench) -> None:  # noqa: F811
    short = await bench.submit(3)
    async with bench.working():
        short, first = await made(bench, short)
        plan = continue_plan(bench.card, Plan.from_json(short.plan), kept=3, sections=5)
        longer, gone_on = await made(bench, await submit(bench, short, plan, parent_id=short.id, kept=3))
        at_once, whole = await made(bench, await submit(bench, short, plan))
        assert files(gone_on)[:3] == files(first)
        assert files(gone_on) == files(whole)
        assert longer.film == at_once.film != short.film
        assert [section.sampling_ms > 0 for section in gone_on] == [False] * 3 + [True] * 2

        plan = continue_plan(bench.card, plan, kept=4, sections=5, seed=99, prompts=[(0.0, "a green hill")])
        assert (plan.seed, plan.seeds) == (99, (0,) * 4)
        redone, last = await made(bench, await submit(bench, short, plan, parent_id=longer.id, kept=4))
        at_once, whole = await made(bench, await submit(bench, short, plan))
        assert files(last)[:4] == files(gone_on)[:4]
        assert last[4].latents != gone_on[4].latents
        assert (files(last), redone.film) == (files(whole), at_once.film)
        await bench.tidy()

        other = await submit(bench, short, Plan.from_json({**short.plan, "model": "small@0"}))
        other = await bench.until(other, lambda now: now.reason == "other_model")
        assert (other.state, other.facts) == (State.QUEUED, {"made": "small@0", "loaded": "small@1"})


async def test_a_film_steered_after_every_section_is_the_one_that_its_last_plan_describes(
    bench: Bench,  # noqa: F811
) -> None:
    job = await bench.submit(4)
    told = []
    async with bench.working():
        for done in range(3):
            now = await bench.until(job, lambda now, done=done: now.done >= done)  # type: ignore[misc]
            while True:
                begun = now.done + (now.state == State.RUNNING)
                if begun == now.sections:
                    break
                text = f"boat {done}"
                plan = continue_plan(
                    bench.card, Plan.from_json(now.plan), kept=begun, sections=4, prompts=[(0.0, text)]
                )
                if await requests.steer(bench.db, now, plan.to_json(), text):
                    told.append(text)
                    break
                now = await jobs.get(bench.db, job.id)  # a section was begun or recorded in between
        steered, sections_made = await made(bench, job)
        plan = Plan.from_json(steered.plan)
        at_once, whole = await made(bench, await submit(bench, steered, plan))
        await bench.tidy()
    assert told[0] == "boat 0"
    assert steered.prompt == told[-1]
    assert len(set(plan.prompts)) >= 2
    assert files(sections_made) == files(whole)
    assert steered.film == at_once.film


async def test_a_stopped_inverted_film_is_finished_to_the_bit(bench: Bench) -> None:  # noqa: F811
    like = await bench.submit(3)
    await requests.wish(bench.db, like.id, "cancel", by="me")
    plan = Plan.from_json({**like.plan, "sampling": "inverted"})
    async with bench.working():
        stopped = await submit(bench, like, plan)
        await bench.until(stopped, lambda now: now.done >= 1)
        stopped = await requests.wish(bench.db, stopped.id, "stop", by="me")
        stopped = await bench.ended(stopped)
        assert stopped.film is not None
        rest = continue_plan(bench.card, plan, kept=stopped.done, sections=3)
        assert rest == plan
        finished, _ = await made(bench, await submit(bench, stopped, rest, parent_id=stopped.id, kept=stopped.done))
        at_once, _ = await made(bench, await submit(bench, like, rest, parent_id=like.id))
    assert finished.film == at_once.film
