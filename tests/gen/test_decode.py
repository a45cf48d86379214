from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gen.decode import blend, overlap_of, preview, to_uint8


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_a_blend_is_its_formula_for_any_overlap(a: int, b: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, min(a, b)))
    earlier, later = torch.rand(1, 3, a, 2, 2), torch.rand(1, 3, b, 2, 2)
    out = blend(earlier, later, overlap)
    assert out.shape[2] == a + b - overlap
    ramp = torch.linspace(1, 0, overlap)
    for t in range(out.shape[2]):
        first, second = t < a - overlap, t >= a
        w = 1.0 if first else 0.0 if second else float(ramp[t - (a - overlap)])
        expected = (w * earlier[:, :, t] if w else 0) + ((1 - w) * later[:, :, t - (a - overlap)] if w < 1 else 0)
        assert torch.allclose(out[:, :, t], expected, atol=1e-6)


@pytest.mark.parametrize("overlap", [-1, 3])
def test_pieces_that_do_not_overlap_so_far_are_refused(overlap: int) -> None:
    with pytest.raises(ValueError, match="overlap"):
        blend(torch.zeros(1, 3, 2, 2, 2), torch.zeros(1, 3, 5, 2, 2), overlap)


def test_a_window_of_one_shares_one_frame_and_one_of_nine_thirty_three() -> None:
    assert [overlap_of(window, 4) for window in (1, 2, 5, 9)] == [1, 5, 17, 33]


def test_levels_are_clamped_and_cut_off_not_rounded() -> None:
    values = torch.tensor([-5.0, -1.0, -0.99, 0.0, 0.999, 1.0, 5.0]).view(1, 1, -1, 1, 1).expand(1, 3, -1, 2, 1)
    frames = to_uint8(values)
    assert frames.shape == (7, 2, 1, 3)
    assert frames.dtype == np.uint8
    assert frames[:, 0, 0, 0].tolist() == [0, 0, 1, 127, 254, 255, 255]


def test_a_preview_is_the_card_s_matrix() -> None:
    latents = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1, 1)
    rgb = preview(latents, [(0.1, 0.2, -5.0), (0.1, 0.0, 0.0)], (0.05, 0.5, 0.0))
    assert torch.allclose(rgb.flatten(), torch.tensor([0.35, 0.7, 0.0]))
