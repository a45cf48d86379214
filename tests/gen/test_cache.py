from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gen.cache import FIT, TeaCache


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
