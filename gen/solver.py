"""The solver: UniPC for flow matching.

source: Zhao et al. 2023, UniPC (arXiv:2302.04867), the variant B(h) = h on predictions of x0, with λ = -ln σ
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

ORDER = 3

Denoiser = Callable[[Tensor, Tensor], Tensor]  # (x, sigma) -> x0; sigma () float32
OnSample = Callable[[int, Tensor, Tensor], None]  # step from 1, the corrected x, the x0 of the step


def denoise(denoiser: Denoiser, noise: Tensor, sigmas: Tensor, on_step: OnSample) -> Tensor:
    """Walk noise down the sigmas; one call of the denoiser a step.

    noise:   any shape, float32, unit normal
    sigmas:  (steps + 1,) float32, falling from 1 to 0; the last is never used
    returns: the x0 predicted at the last sigma above 0, shaped like noise
    raises:  whatever on_step raises; nothing is kept
    """
    levels = [float(sigma) for sigma in sigmas]
    steps = len(levels) - 1
    order = min(ORDER, steps - 1)
    x, x0 = noise, denoiser(noise, sigmas[0])
    past = [(levels[0], x0)]  # newest first
    on_step(1, x, x0)
    for step in range(1, steps):
        guess = move(x, past[: min(step, order)], levels[step], None)
        x0 = denoiser(guess, sigmas[step])
        x = move(x, past[: min(step, order)], levels[step], x0)
        past = [(levels[step], x0), *past][:order]
        on_step(step + 1, x, x0)
    return x0


def move(x: Tensor, past: Sequence[tuple[float, Tensor]], t: float, arrived: Tensor | None) -> Tensor:
    """x at sigma t, from x at the sigma of past[0].

    past:    (sigma, x0) of as many steps as the order, newest first
    arrived: x0 at t: then this is the corrector; None: the predictor
    """
    s, x0 = past[0]
    z = math.log(t / s)  # -h
    rates = [math.log(sigma / s) / z for sigma, _ in past[1:]]
    slopes = [(m - x0) / rate for rate, (_, m) in zip(rates, past[1:], strict=True)]
    if arrived is not None:
        rates, slopes = [*rates, 1.0], [*slopes, arrived - x0]
    out = (t / s) * x - math.expm1(z) * x0
    for weight, slope in zip(weights(rates, z), slopes, strict=True):
        out = out - (z * weight) * slope
    return out


def weights(rates: Sequence[float], z: float) -> list[float]:
    """The weight of each difference, solved in float64: sum of weight·rate^k = b_k for k = 0, 1, …

    With a single difference the paper takes a half instead of solving.
    """
    n = len(rates)
    if n < 2:
        return [0.5] * n
    phi = math.expm1(z) / z - 1
    right = []
    for k in range(1, n + 1):
        right.append(phi * math.factorial(k) / z)
        phi = phi / z - 1 / math.factorial(k + 1)
    left = np.vander(np.array(rates), n, increasing=True).T
    return [float(weight) for weight in np.linalg.solve(left, np.array(right))]
