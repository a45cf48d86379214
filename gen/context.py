"""One section's packed context: which latents the model sees beside the noise, and where in time they stand.

The model sees the start frame and the 19 nearest frames already made: 1 as it is, 2 at a half and 16 at a quarter of
the size. source: demo_gradio.py, demo_gradio_f1.py of lllyasviel/FramePack; Zhang and Agrawala 2025 (arXiv:2504.12626)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor

AT_1X, AT_2X, AT_4X = 1, 2, 16  # frames of history at each scale
RECENT = AT_1X + AT_2X + AT_4X


@dataclass(frozen=True)
class Positions:
    """Time indices, in latent frames, of everything a section's call holds."""

    noisy: tuple[int, ...]
    clean: tuple[int, ...]
    clean_2x: tuple[int, ...]
    clean_4x: tuple[int, ...]


@dataclass(frozen=True)
class Context:
    """The latents beside the noise, (1, C, 2 | 2 | 16, h, w) float32, with everybody's positions."""

    clean: Tensor
    clean_2x: Tensor
    clean_4x: Tensor
    at: Positions


def spans(*lengths: int) -> list[tuple[int, ...]]:
    """Consecutive runs of integers from 0 on: spans(2, 1) is [(0, 1), (2,)]."""
    return [tuple(range(start, end)) for start, end in pairwise(accumulate(lengths, initial=0))]


def positions_f1(window: int) -> Positions:
    """Forward: start, 4x, 2x, 1x, then the new frames; the same for every section."""
    start, at_4x, at_2x, at_1x, noisy = spans(1, AT_4X, AT_2X, AT_1X, window)
    return Positions(noisy=noisy, clean=start + at_1x, clean_2x=at_2x, clean_4x=at_4x)


def positions_inverted(window: int, padding: int) -> Positions:
    """From the end: start, `padding` windows left blank, the new frames, then what is made already: 1x, 2x, 4x."""
    start, _, noisy, at_1x, at_2x, at_4x = spans(1, padding * window, window, AT_1X, AT_2X, AT_4X)
    return Positions(noisy=noisy, clean=start + at_1x, clean_2x=at_2x, clean_4x=at_4x)


def pack_f1(start: Tensor, sections: Sequence[Tensor], window: int) -> Context:
    """The context of the section that comes after these.

    start:    (1, C, 1, h, w), the picture's latent
    sections: the latest latents made, oldest first, with the start latent before the first where they reach it
    """
    blank = start.new_zeros(1, start.shape[1], RECENT, *start.shape[3:])
    recent = torch.cat([blank, *sections], dim=2)[:, :, -RECENT:]
    at_4x, at_2x, at_1x = torch.split_with_sizes(recent, [AT_4X, AT_2X, AT_1X], dim=2)
    return Context(torch.cat([start, at_1x], dim=2), at_2x, at_4x, positions_f1(window))


def pack_inverted(start: Tensor, sections: Sequence[Tensor], window: int, padding: int) -> Context:
    """The context of the section that stands before these in time.

    sections: the latest latents made, in the order of making (so the last one is nearest), after the end picture's
              latent where there is one and they reach back to it
    """
    blank = start.new_zeros(1, start.shape[1], RECENT, *start.shape[3:])
    recent = torch.cat([*reversed(sections), blank], dim=2)[:, :, :RECENT]
    at_1x, at_2x, at_4x = torch.split_with_sizes(recent, [AT_1X, AT_2X, AT_4X], dim=2)
    return Context(torch.cat([start, at_1x], dim=2), at_2x, at_4x, positions_inverted(window, padding))
