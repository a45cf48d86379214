from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gen.context import pack_f1, pack_inverted, positions_f1, positions_inverted


@given(st.integers(1, 40))
def test_forward_positions_are_the_same_for_every_section(window: int) -> None:
    at = positions_f1(window)
    assert at.clean == (0, 19)
    assert at.clean_4x == tuple(range(1, 17))
    assert at.clean_2x == (17, 18)
    assert at.noisy == tuple(range(20, 20 + window))


@given(st.integers(1, 40), st.integers(0, 9))
def test_inverted_positions_leave_the_padding_blank(window: int, padding: int) -> None:
    at, after = positions_inverted(window, padding), 1 + padding * window + window
    assert at.noisy == tuple(range(1 + padding * window, after))
    assert at.clean == (0, after)
    assert at.clean_2x == (after + 1, after + 2)
    assert at.clean_4x == tuple(range(after + 3, after + 19))


def numbered(first: int, count: int) -> Tensor:
    """Latents whose values are their numbers."""
    return torch.arange(first, first + count, dtype=torch.float32).view(1, 1, -1, 1, 1).expand(1, 3, -1, 2, 4)


def values(latents: Tensor) -> list[int]:
    assert latents.shape[1:2] + latents.shape[3:] == (3, 2, 4)
    return [int(value) for value in latents[0, 0, :, 0, 0]]


@given(st.integers(1, 9), st.integers(0, 25))
def test_forward_context_is_the_last_nineteen_latents_of_the_film(window: int, n: int) -> None:
    start, sections = numbered(1, 1), [numbered(2 + k * window, window) for k in range(n)]
    context = pack_f1(start, [start, *sections], window)
    film = [0] * 19 + list(range(1, 2 + n * window))
    assert values(context.clean) == [1, film[-1]]
    assert values(context.clean_2x) == film[-3:-1]
    assert values(context.clean_4x) == film[-19:-3]


@given(st.integers(1, 9), st.integers(0, 25))
def test_inverted_context_is_what_follows_in_time(window: int, n: int) -> None:
    start, sections = numbered(1, 1), [numbered(100 * (k + 1), window) for k in range(n)]
    context = pack_inverted(start, sections, window, 0)
    film = [100 * (k + 1) + t for k in reversed(range(n)) for t in range(window)] + [0] * 19
    assert values(context.clean) == [1, film[0]]
    assert values(context.clean_2x) == film[1:3]
    assert values(context.clean_4x) == film[3:19]


@pytest.mark.parametrize("window", [1, 3, 9, 20])
def test_older_latents_than_nineteen_change_nothing(window: int) -> None:
    start, sections = numbered(1, 1), [numbered(100 * k, window) for k in range(1, 30)]
    needed = -(-19 // window)
    for pack in (pack_f1, lambda *x: pack_inverted(*x, 2)):
        full, cut = pack(start, sections, window), pack(start, sections[-needed:], window)
        assert torch.equal(full.clean, cut.clean)
        assert torch.equal(full.clean_2x, cut.clean_2x)
        assert torch.equal(full.clean_4x, cut.clean_4x)
