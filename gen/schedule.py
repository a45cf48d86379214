"""Sigmas and their shift. source: Esser et al. 2024 (arXiv:2403.03206), as in FramePack's flux_utils of k-diffusion."""

from __future__ import annotations

import math

import torch
from torch import Tensor

TOKENS = (256, 4096)  # sequence lengths of the shift's two anchors
SHIFTS = (0.5, 1.15)  # and the shifts there, as logarithms
MOST = 7.0  # the shift (not its logarithm) is never larger


def shift_of(tokens: int) -> float:
    """Logarithm of the shift for so many tokens of noise."""
    slope = (SHIFTS[1] - SHIFTS[0]) / (TOKENS[1] - TOKENS[0])
    return min(SHIFTS[0] + (tokens - TOKENS[0]) * slope, math.log(MOST))


def make_sigmas(steps: int, tokens: int) -> Tensor:
    """Noise levels, (steps + 1,) float32, falling from 1 to 0.

    tokens: of the noisy latents alone, after patchify
    """
    shift = math.exp(shift_of(tokens))
    return shift / (shift + (1 / torch.linspace(1, 0, steps + 1) - 1))  # in this order it is the reference to the bit
