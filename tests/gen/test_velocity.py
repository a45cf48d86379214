"""The walk through the transformer's parts, against the class's own forward."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from gen.context import Context, pack_f1, pack_inverted
from gen.sample import make_caches
from gen.types import Conditioning, Plan, Text
from gen.velocity import prepare, velocity
from gen.weights import Models


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def by_the_class(
    models: Models, context: Context, text: Text, image: Tensor, x: Tensor, time: Tensor, guidance: Tensor
) -> Tensor:
    """One call of the stock forward, its text padded and masked."""
    n, dtype = text.prompt_embeds.shape[1], models.transformer.x_embedder.proj.weight.dtype
    padded = torch.nn.functional.pad(text.prompt_embeds, (0, 0, 0, 512 - n))
    at = context.at
    out: Tensor = models.transformer(
        hidden_states=x.to(dtype),
        timestep=time.to(dtype) if dtype == torch.bfloat16 else time,
        encoder_hidden_states=padded.to(dtype),
        encoder_attention_mask=(torch.arange(512) < n)[None],
        pooled_projections=text.pooled.to(dtype),
        image_embeds=image.to(dtype),
        indices_latents=torch.tensor(at.noisy),
        guidance=guidance.to(dtype) if dtype == torch.bfloat16 else guidance,
        latents_clean=context.clean.to(dtype),
        indices_latents_clean=torch.tensor(at.clean),
        latents_history_2x=context.clean_2x.to(dtype),
        indices_latents_history_2x=torch.tensor(at.clean_2x),
        latents_history_4x=context.clean_4x.to(dtype),
        indices_latents_history_4x=torch.tensor(at.clean_4x),
        return_dict=False,
    )[0]
    return out.float()


@pytest.mark.parametrize("window", [1, 2, 5, 9])
@pytest.mark.parametrize("sampling", ["f1", "inverted"])
@torch.no_grad()
def test_it_is_the_class_s_forward(models: Models, conditioning: Conditioning, sampling: str, window: int) -> None:
    start, made = drawn(1, 16, 1, 6, 10), [drawn(1, 16, window, 6, 10)] * 5
    context = pack_f1(start, made, window) if sampling == "f1" else pack_inverted(start, made, window, 2)
    text, image = conditioning.texts["The girl dances."], conditioning.image_embeds
    x, time, guidance = drawn(1, 16, window, 6, 10), torch.tensor([705.25]), torch.tensor([6000.0])
    ours = velocity(
        models.transformer, prepare(models.transformer, context, image, x.device), text, x, time, guidance, None
    )
    theirs = by_the_class(models, context, text, image, x, time, guidance)
    assert torch.allclose(ours, theirs, atol=5e-6, rtol=0)


@torch.no_grad()
def test_in_bfloat16_times_are_rounded_and_the_head_is_not(
    models: Models, conditioning: Conditioning, plan: Plan
) -> None:
    import copy

    rounded = dataclasses.replace(models, transformer=copy.deepcopy(models.transformer).to(torch.bfloat16))
    text, image, start = conditioning.texts["The girl dances."], conditioning.image_embeds, conditioning.start
    context, x = pack_f1(start, [start], 2), drawn(1, 16, 2, *start.shape[3:])
    fixed = prepare(rounded.transformer, context, image, x.device)

    def at(time: float) -> Tensor:
        guidance = torch.tensor([9990.0])
        return velocity(rounded.transformer, fixed, text, x, torch.tensor([time]), guidance, None)

    assert torch.equal(at(965.5), at(964.0))
    assert not torch.equal(at(965.5), at(968.0))
    assert at(964.0).dtype == torch.float32
    assert not torch.equal(at(964.0), at(964.0).bfloat16().float())  # the last projection kept its float32
    theirs = by_the_class(rounded, context, text, image, x, torch.tensor([965.5]), torch.tensor([9990.0]))
    assert torch.allclose(at(965.5), theirs, atol=0.02 * float(theirs.abs().max()), rtol=0)


@torch.no_grad()
def test_a_cache_that_never_skips_changes_nothing(models: Models, conditioning: Conditioning, plan: Plan) -> None:
    text, image, start = conditioning.texts["The girl dances."], conditioning.image_embeds, conditioning.start
    context, x = pack_f1(start, [start], 2), drawn(1, 16, 2, *start.shape[3:])
    fixed = prepare(models.transformer, context, image, x.device)
    always = make_caches(dataclasses.replace(plan, step_cache="teacache:0", steps=9))[0]
    for time in (900.0, 700.0, 500.0):
        at = torch.tensor([time]), torch.tensor([6000.0])
        assert torch.equal(
            velocity(models.transformer, fixed, text, x, *at, always),
            velocity(models.transformer, fixed, text, x, *at, None),
        )
    assert always is not None
    assert always.ran == [True, True, True]
