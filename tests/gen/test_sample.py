from __future__ import annotations

import dataclasses

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gen.context import pack_f1
from gen.sample import Condition, guide, make_caches, noise_keyed, noise_reference, sample_section
from gen.schedule import make_sigmas
from gen.solver import denoise
from gen.types import Conditioning, Plan
from gen.velocity import prepare, velocity
from gen.weights import Models

SHAPE = (1, 16, 2, 4, 6)


def nothing(n: int, x: Tensor, x0: Tensor) -> None:
    return None


@given(st.floats(-3, 12), st.floats(0, 1), st.integers(0, 99))
def test_guidance_is_its_formula(cfg: float, rescale: float, seed: int) -> None:
    positive, negative = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    flow = negative + cfg * (positive - negative)
    drawn_back = flow * positive.std() / flow.std()
    assert torch.allclose(guide(positive, negative, cfg, rescale), rescale * drawn_back + (1 - rescale) * flow)
    assert torch.allclose(guide(positive, negative, cfg, 1.0).std(), positive.std())


def test_noise_follows_from_the_seed_and_the_section_alone() -> None:
    first = noise_keyed(5, 3, SHAPE)
    torch.randn(7)
    assert torch.equal(noise_keyed(5, 3, SHAPE), first)
    others = [noise_keyed(5, 2, SHAPE), noise_keyed(5, 4, SHAPE), noise_keyed(6, 3, SHAPE), noise_keyed(53, 0, SHAPE)]
    assert not any(torch.equal(first, other) for other in others)
    assert abs(float(noise_keyed(1, 1, (1, 16, 9, 16, 16)).std()) - 1) < 0.02


def test_the_reference_s_noise_is_one_stream() -> None:
    generator = torch.Generator().manual_seed(5)
    for n in range(4):
        assert torch.equal(noise_reference(5, n, SHAPE), torch.randn(SHAPE, generator=generator))


@torch.no_grad()
def by_hand(models: Models, plan: Plan, conditioning: Conditioning, noise: Tensor) -> Tensor:
    """A guided section without caches, straight from the formulas."""
    context, start = pack_f1(conditioning.start, [conditioning.start], plan.window), conditioning.start
    fixed = prepare(models.transformer, context, conditioning.image_embeds, start.device)
    negative = conditioning.negative
    assert negative is not None

    def denoiser(x: Tensor, sigma: Tensor) -> Tensor:
        at = 1000 * sigma.reshape(1), torch.tensor([1000 * plan.guidance])
        v_pos = velocity(models.transformer, fixed, conditioning.texts[plan.prompts[0]], x, *at, None)
        v_neg = velocity(models.transformer, fixed, negative, x, *at, None)
        v = v_neg + plan.cfg * (v_pos - v_neg)
        v = plan.rescale * v * (v_pos.std() / v.std()) + (1 - plan.rescale) * v
        return x - sigma * v

    tokens = plan.window * noise.shape[3] * noise.shape[4] // 4
    return denoise(denoiser, noise, make_sigmas(plan.steps, tokens), nothing)


def sampled(models: Models, plan: Plan, conditioning: Conditioning, noise: Tensor, **more: object) -> Tensor:
    context = pack_f1(conditioning.start, [conditioning.start], plan.window)
    condition = Condition(conditioning.texts[plan.prompts[0]], conditioning.negative, conditioning.image_embeds)
    return sample_section(models.transformer, plan, condition, context, noise, nothing, **more)  # type: ignore[arg-type]


def test_a_guided_section_is_what_the_formulas_give(models: Models, plan: Plan, conditioning: Conditioning) -> None:
    guided = dataclasses.replace(plan, cfg=3.0, rescale=0.4)
    noise = noise_keyed(1, 0, (1, 16, 2, *conditioning.start.shape[3:]))
    ours = sampled(models, guided, conditioning, noise)
    assert torch.allclose(ours, by_hand(models, guided, conditioning, noise), atol=1e-5)
    assert not torch.allclose(ours, sampled(models, plan, conditioning, noise), atol=1e-2)


def test_each_branch_of_the_guidance_has_its_own_step_cache(
    models: Models, plan: Plan, conditioning: Conditioning
) -> None:
    cached = dataclasses.replace(plan, cfg=3.0, steps=6, step_cache="teacache:0")
    noise = noise_keyed(1, 0, (1, 16, 2, *conditioning.start.shape[3:]))
    plain = sampled(models, dataclasses.replace(cached, step_cache=""), conditioning, noise)
    assert torch.equal(sampled(models, cached, conditioning, noise), plain)

    caches = make_caches(dataclasses.replace(cached, step_cache="teacache:1e9"))
    sampled(models, cached, conditioning, noise, caches=caches)
    for cache in caches:
        assert cache is not None
        assert cache.ran == [True, False, False, False, False, True]


def test_only_the_reference_counts_both_branches_as_one(plan: Plan) -> None:
    cached = dataclasses.replace(plan, step_cache="first-block:0.15")
    positive, negative = make_caches(cached)
    assert positive is not negative
    positive, negative = make_caches(dataclasses.replace(cached, noise="reference"))
    assert positive is negative
    assert make_caches(plan) == (None, None)
