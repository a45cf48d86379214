"""Denoise one section: the model with its guidance and caches, from noise to a clean latent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gen.cache import StepCache, make_cache
from gen.context import Context
from gen.modulation import Modulation
from gen.schedule import make_sigmas
from gen.solver import OnSample, denoise
from gen.types import Plan, Text
from gen.velocity import Fixed, Transformer, prepare, velocity, velocity_by

Flow = Callable[[Tensor, Tensor], Tensor]  # (x, sigma) -> dx/dsigma
Caches = tuple[StepCache | None, StepCache | None]  # of the positive and the negative call


@dataclass(frozen=True)
class Condition:
    """What steers one section, beside its context.

    negative: None only where cfg is 1
    """

    text: Text
    negative: Text | None
    image_embeds: Tensor


@torch.no_grad()
def sample_section(
    transformer: Transformer,
    plan: Plan,
    condition: Condition,
    context: Context,
    noise: Tensor,
    on_sample: OnSample,
    caches: Caches | None = None,
    modulation: Modulation | None = None,
) -> Tensor:
    """The clean latents of one section, shaped like noise, on its device.

    noise:   (1, C, window, h, w) float32, unit normal
    caches:  None makes fresh ones; a caller that wants to look into them brings its own
    modulation: keeps what follows from a prompt alone from one section to the next; None makes one for this section
    raises:  whatever on_sample raises
    """
    modulation = modulation or Modulation(transformer, noise.device)
    fixed = prepare(transformer, context, condition.image_embeds, noise.device, modulation)
    caches = make_caches(plan) if caches is None else caches
    guidance = torch.tensor([1000 * plan.guidance], device=noise.device)
    sigmas = make_sigmas(plan.steps, tokens_of(transformer, noise))
    negative = condition.negative if plan.cfg != 1 else None
    flow_of = flows(transformer, modulation, fixed, condition.text, sigmas[:-1], guidance, caches[0])
    away_of = flows(transformer, modulation, fixed, negative, sigmas[:-1], guidance, caches[1]) if negative else None

    def denoiser(x: Tensor, sigma: Tensor) -> Tensor:
        flow = flow_of(x, sigma)
        if away_of is not None:
            flow = guide(flow, away_of(x, sigma), plan.cfg, plan.rescale)
        return x - float(sigma) * flow

    return denoise(denoiser, noise, sigmas, on_sample)


def flows(
    transformer: Transformer,
    modulation: Modulation,
    fixed: Fixed,
    text: Text,
    sigmas: Tensor,
    guidance: Tensor,
    cache: StepCache | None,
) -> Flow:
    """The flow by (x, sigma), for these sigmas: by a table where the model's modulation is out of it."""
    if not modulation.detached:  # the stock class, with its own layers
        return lambda x, sigma: velocity(
            transformer, fixed, text, x, (1000 * sigma).reshape(1).to(x.device), guidance, cache
        )
    table = modulation.table(text, list(sigmas), guidance)
    return lambda x, sigma: velocity_by(modulation, table, table.steps[float(sigma)], fixed, x, cache)


def make_caches(plan: Plan) -> Caches:
    """New step caches for one section: each branch of the true guidance its own.

    Where the plan asks for the reference's noise it gets the reference's cache too: one for both branches, which counts
    and compares the calls of both as if they were one row, a fault that only shows where cfg is not 1.
    """
    positive = make_cache(plan.step_cache, plan.steps)
    return positive, positive if plan.noise == "reference" else make_cache(plan.step_cache, plan.steps)


def ran(plan: Plan, caches: Caches) -> int:
    """How many steps of a finished section all blocks computed."""
    return plan.steps if caches[0] is None else sum(caches[0].ran[: plan.steps])


def tokens_of(transformer: Transformer, latents: Tensor) -> int:
    """How many tokens latents (1, C, T, h, w) become."""
    config, (frames, h, w) = transformer.config, latents.shape[2:]
    tokens: int = frames // config.patch_size_t * (h // config.patch_size) * (w // config.patch_size)
    return tokens


def make_noise(plan: Plan, n: int, shape: Sequence[int]) -> Tensor:
    """The noise of section n, float32 on the CPU."""
    return (noise_reference if plan.noise == "reference" else noise_keyed)(plan.seed_of(n), n, shape)


def guide(positive: Tensor, negative: Tensor, cfg: float, rescale: float) -> Tensor:
    """The flow away from the negative prompt, its spread drawn back to that of the positive one.

    source: Ho and Salimans 2022 (arXiv:2207.12598); rescale: Lin et al. 2023 (arXiv:2305.08891)
    """
    flow = negative + cfg * (positive - negative)
    if rescale == 0:
        return flow
    axes = tuple(range(1, flow.ndim))
    spread = positive.std(dim=axes, keepdim=True) / flow.std(dim=axes, keepdim=True)
    return rescale * flow * spread + (1 - rescale) * flow


def noise_keyed(seed: int, n: int, shape: Sequence[int]) -> Tensor:
    """Unit normal noise of section n, float32 on the CPU; follows from seed and n alone."""
    digest = hashlib.sha256(f"flipbot noise {seed} {n}".encode()).digest()
    generator = torch.Generator("cpu").manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    return torch.randn(tuple(shape), generator=generator)


def noise_reference(seed: int, n: int, shape: Sequence[int]) -> Tensor:
    """The same as the reference draws it: one generator a job, one draw a section, so n draws are thrown away."""
    generator = torch.Generator("cpu").manual_seed(seed)
    for _ in range(n):
        torch.randn(tuple(shape), generator=generator)
    return torch.randn(tuple(shape), generator=generator)
