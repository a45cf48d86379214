from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gen.schedule import make_sigmas, shift_of
from gen.solver import denoise, move


@pytest.mark.parametrize("steps", [1, 2, 3, 25])
@pytest.mark.parametrize("tokens", [1, 256, 4096, 100_000])
def test_sigmas_fall_from_one_to_zero(steps: int, tokens: int) -> None:
    sigmas = make_sigmas(steps, tokens)
    assert sigmas.shape == (steps + 1,)
    assert (sigmas[0], sigmas[-1]) == (1, 0)
    assert bool((sigmas.diff() < 0).all())


def test_the_shift_grows_with_size_up_to_seven() -> None:
    assert shift_of(256) == 0.5
    assert shift_of(4096) == pytest.approx(1.15)
    assert math.exp(shift_of(10**6)) == pytest.approx(7.0)


MEAN, SPREAD = 0.7, 0.3


def gaussian(x: Tensor, sigma: Tensor) -> Tensor:
    """The expected x0 where the data are normal: what a perfect model would say."""
    keep = 1 - float(sigma)
    return MEAN + SPREAD**2 * keep / (keep**2 * SPREAD**2 + float(sigma) ** 2) * (x - keep * MEAN)


def error_of(steps: int) -> float:
    """How far the solver is from the known path at its last sigma."""
    noise, seen = torch.linspace(-2, 2, 9, dtype=torch.float64), []
    sigmas = torch.linspace(1, 0.2, steps + 1, dtype=torch.float64)
    denoise(gaussian, noise, torch.cat([sigmas, torch.zeros(1, dtype=torch.float64)]), lambda n, x, x0: seen.append(x))
    keep = 1 - float(sigmas[-1])
    exact = keep * MEAN + math.sqrt(keep**2 * SPREAD**2 + float(sigmas[-1]) ** 2) * noise
    return float((seen[-1] - exact).abs().max())


def test_the_known_path_of_normal_data_is_followed() -> None:
    errors = [error_of(steps) for steps in (8, 16, 32, 64)]
    assert errors[-1] < 1e-5
    for coarse, fine in pairwise(errors):
        assert fine < coarse / 2**2.5  # nearly third order


SIGMAS = st.lists(st.floats(0.05, 1), min_size=4, max_size=4, unique_by=lambda s: round(s, 2))


@given(SIGMAS, st.lists(st.floats(-2, 2), min_size=4, max_size=4))
def test_a_corrector_of_order_three_is_exact_for_cubics_and_a_predictor_for_squares(
    sigmas: list[float], powers: list[float]
) -> None:
    """x/sigma gains the integral of e^λ·x0(λ): here by Gauss-Legendre, with x0 a polynomial in λ = -ln σ."""
    t, *before = sorted(sigmas)
    for degree, corrects in ((3, True), (2, False)):
        x0 = np.polynomial.Polynomial(powers[: degree + 1])
        nodes, shares = np.polynomial.legendre.leggauss(40)
        start, end = -math.log(before[0]), -math.log(t)
        at = (end - start) / 2 * nodes + (end + start) / 2
        exact = t * (1.5 / before[0] + (end - start) / 2 * float((shares * np.exp(at) * x0(at)).sum()))

        def value(sigma: float, x0: np.polynomial.Polynomial = x0) -> Tensor:
            return torch.tensor(float(x0(-math.log(sigma))), dtype=torch.float64)

        past = [(sigma, value(sigma)) for sigma in before]
        x = move(torch.tensor(1.5, dtype=torch.float64), past, t, value(t) if corrects else None)
        assert float(x) == pytest.approx(exact, abs=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 9])
def test_the_model_is_called_once_a_step_and_its_last_word_returned(steps: int) -> None:
    calls, heard = [], []

    def denoiser(x: Tensor, sigma: Tensor) -> Tensor:
        calls.append(float(sigma))
        return torch.tanh(x) * (1 - sigma)

    out = denoise(denoiser, torch.ones(3), make_sigmas(steps, 300), lambda n, x, x0: heard.append((n, x0)))
    assert calls == [float(sigma) for sigma in make_sigmas(steps, 300)[:-1]]
    assert [n for n, _ in heard] == list(range(1, steps + 1))
    assert torch.equal(heard[-1][1], out)


def test_a_model_that_always_says_the_same_is_believed() -> None:
    truth = torch.tensor([0.3, -1.0])
    xs: list[Tensor] = []
    sigmas = make_sigmas(6, 300)
    denoise(lambda x, sigma: truth, torch.tensor([1.0, 2.0]), sigmas, lambda n, x, x0: xs.append(x))
    for x, sigma in zip(xs, sigmas, strict=False):  # then the path is the straight line between noise and truth
        assert torch.allclose(x, sigma * torch.tensor([1.0, 2.0]) + (1 - sigma) * truth, atol=1e-6)
