from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gen.bench.vram_planned import SMALL, inputs, rows_for
from gen.cache import FIT, FirstBlockCache, TeaCache
from gen.card import PRESETS
from gen.context import pack_f1
from gen.tensors import Drawn
from gen.transformer import Placement, assemble, empty, shapes_of
from gen.types import Conditioning
from gen.velocity import prepare, velocity, velocity_by
from gen.weights import Models


def walk(cache: TeaCache, levels: list[float]) -> list[float]:
    """Calls with a watched input of these levels; the blocks add ten times the level. Returns what was added."""
    hidden, added = torch.zeros(1, 3, 2), []
    for level in levels:
        watched = torch.full((1, 3, 2), level)

        def blocks(hidden: Tensor, level: float = level) -> Tensor:
            return hidden + 10 * level

        added.append(float(cache.through(hidden, watched, blocks)[0, 0, 0]))
    return added


@given(st.lists(st.floats(0.5, 2), min_size=1, max_size=12), st.floats(0, 1))
def test_blocks_run_when_enough_change_has_gathered(levels: list[float], threshold: float) -> None:
    cache = TeaCache(threshold, len(levels))
    added = walk(cache, levels)
    gathered, kept = 0.0, 0.0
    for n, level in enumerate(torch.tensor(levels)):
        must = n in (0, len(levels) - 1)
        if not must:
            before = torch.tensor(levels)[n - 1]
            change = float(np.polyval(FIT, float((level - before).abs() / before.abs())))
            assert cache.change[n] == pytest.approx(change, rel=1e-4, abs=1e-6)
            gathered += cache.change[n]
            must = gathered >= threshold
        assert cache.ran[n] == must
        if must:
            gathered, kept = 0.0, 10 * float(level)
        assert added[n] == pytest.approx(kept, rel=1e-5)


def test_an_endless_threshold_leaves_the_first_and_the_last_step() -> None:
    cache = TeaCache(float("inf"), 5)
    assert walk(cache, [1.0, 2.0, 3.0, 4.0, 5.0]) == [10.0, 10.0, 10.0, 10.0, 50.0]
    assert cache.ran == [True, False, False, False, True]


def test_after_its_steps_a_cache_begins_anew() -> None:
    cache = TeaCache(float("inf"), 3)
    walk(cache, [1.0] * 6)
    assert cache.ran == [True, False, True, True, False, True]
    assert cache.change[0] == cache.change[2] == cache.change[3] == -1.0


def test_a_single_step_always_runs() -> None:
    cache = TeaCache(float("inf"), 1)
    walk(cache, [1.0, 1.0])
    assert cache.ran == [True, True]


def calls(models: Models, conditioning: Conditioning, cache: FirstBlockCache | None, count: int) -> list[Tensor]:
    """So many calls of the transformer, with a sample that changes less and less."""
    text, start, out = conditioning.texts["The girl dances."], conditioning.start, []
    context = pack_f1(start, [start], 2)
    fixed = prepare(models.transformer, context, conditioning.image_embeds, start.device)
    drawn = torch.Generator().manual_seed(3)
    x, other = (torch.randn(1, 16, 2, *start.shape[3:], generator=drawn) for _ in range(2))
    for n in range(count):
        at = torch.tensor([900.0 - 30 * n]), torch.tensor([6000.0])
        out.append(velocity(models.transformer, fixed, text, x + other * 0.5**n, *at, cache))
    return out


@torch.no_grad()
def test_the_first_block_s_cache_is_that_of_diffusers(models: Models, conditioning: Conditioning) -> None:
    from diffusers.hooks import FirstBlockCacheConfig

    always = FirstBlockCache(0.0, 9)
    calls(models, conditioning, always, 8)
    between = sorted(always.change)[4]
    theirs = replace(models, transformer=copy.deepcopy(models.transformer))
    theirs.transformer.enable_cache(FirstBlockCacheConfig(threshold=between))
    with theirs.transformer.cache_context("section"):
        expected = calls(theirs, conditioning, None, 8)
    cache = FirstBlockCache(between, 9)  # one call more, so that the last of these is none that must run
    for ours, other in zip(calls(models, conditioning, cache, 8), expected, strict=True):
        assert torch.equal(ours, other)
    assert 1 < sum(cache.ran) < 8


@torch.no_grad()
def test_at_zero_it_skips_nothing_and_at_infinity_all_but_the_ends(models: Models, conditioning: Conditioning) -> None:
    plain, always = calls(models, conditioning, None, 4), calls(models, conditioning, FirstBlockCache(0.0, 4), 4)
    assert all(map(torch.equal, plain, always))
    never = FirstBlockCache(float("inf"), 4)
    calls(models, conditioning, never, 4)
    assert never.ran == [True, False, False, True]
    assert never.change[0] == never.change[3] == -1


@torch.no_grad()
@pytest.mark.parametrize("cache", [FirstBlockCache(float("inf"), 5), TeaCache(float("inf"), 5)])
def test_a_skipped_step_moves_no_weights(cache: FirstBlockCache | TeaCache) -> None:
    shapes, device = shapes_of(SMALL), torch.device("cpu")
    card = replace(PRESETS["framepack-f1"], window=2)
    made = assemble(empty(SMALL), Drawn(shapes, torch.float32), Placement("fp32", (0, 3), 2), device)
    fixed, words, temb, x = inputs(made.transformer, card, 32, 48, torch.float32, device)
    table = rows_for(made, 5, device)
    known = replace(table, words=words.expand(5, -1, -1), temb=temb.expand(5, -1))
    assert made.streamer is not None
    moved = []
    for n in range(5):
        velocity_by(made.modulation, known, n, fixed, x, cache)
        moved.append(made.streamer.traffic.bytes)
    assert cache.ran == [True, False, False, False, True]
    assert moved[0] == moved[1] == moved[2] == moved[3] < moved[4]
    assert made.streamer.traffic.restarts == 1
