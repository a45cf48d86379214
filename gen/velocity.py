"""One call of the transformer, in two halves: what stays the same over a section's steps, and what does not.

The class is diffusers' own and untouched; its forward is walked through here by its parts, so that the first half is
done once a section, the blocks can be left out (cache.py) and the output head runs in float32. A test holds that the
numbers are those of the class's forward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gen.cache import StepCache, TeaCache
from gen.context import Context
from gen.modulation import Modulation, Table, heard, rounds_times
from gen.types import Text

Transformer = Any  # diffusers.HunyuanVideoFramepackTransformer3DModel, which has no types


@dataclass(frozen=True)
class Fixed:
    """What a section's calls share.

    tokens: (1, N, dim), the context's tokens in the order 4x, 2x, clean
    rope:   cos and sin, (N + noisy tokens, head dim) float32
    image:  (1, m, dim), the projected image embeddings
    """

    tokens: Tensor
    rope: tuple[Tensor, Tensor]
    image: Tensor


def dtype_of(transformer: Transformer) -> torch.dtype:
    """The dtype the blocks compute in."""
    dtype: torch.dtype = transformer.x_embedder.proj.weight.dtype
    return dtype


def prepare(
    transformer: Transformer,
    context: Context,
    image_embeds: Tensor,
    device: torch.device,
    modulation: Modulation | None = None,
) -> Fixed:
    """Everything of a section's calls that follows from neither the noise nor the time.

    modulation: remembers the projected picture
    """
    dtype, (h, w), patch = dtype_of(transformer), context.clean.shape[3:], transformer.config.patch_size
    latents = [x.to(device, dtype) for x in (context.clean, context.clean_2x, context.clean_4x)]
    at = (context.at.noisy, context.at.clean, context.at.clean_2x, context.at.clean_4x)
    ropes = [transformer.rope(torch.tensor(indices), h, w, device) for indices in at]
    clean, clean_2x, clean_4x = transformer.clean_x_embedder(*latents)
    none = clean[:, :0]  # the noisy tokens, which change with every step, go behind what is packed here
    tokens, rope = transformer._pack_history_states(
        none, clean, clean_2x, clean_4x, ropes[0], *ropes[1:], h // patch, w // patch
    )
    if modulation is not None:
        return Fixed(tokens, rope, modulation.image(image_embeds))
    return Fixed(tokens, rope, transformer.image_projection(image_embeds.to(device, dtype)))


def velocity(
    transformer: Transformer,
    fixed: Fixed,
    text: Text,
    x: Tensor,
    time: Tensor,
    guidance: Tensor,
    cache: StepCache | None,
) -> Tensor:
    """The flow at x: (1, C, T, h, w) float32, shaped like x.

    text:           without padding: at batch 1 padding is masked out, so it changes nothing and only costs
    time, guidance: (1,) float32, a thousand times sigma and the distilled scale (which some models do not hear)
    """
    dtype, device = dtype_of(transformer), x.device
    time, guidance = heard(time, guidance, dtype, rounds_times(transformer))
    words, pooled = text.prompt_embeds.to(device, dtype), text.pooled.to(device, dtype)
    mask = torch.ones(words.shape[:2], dtype=torch.bool, device=device)
    temb, _ = transformer.time_text_embed(time, pooled, guidance)
    return walk(transformer, fixed, transformer.context_embedder(words, time, mask), temb, x, cache)


def velocity_by(
    modulation: Modulation, table: Table, step: int, fixed: Fixed, x: Tensor, cache: StepCache | None
) -> Tensor:
    """The same, to the bit, with what the table knows of the step (counted from 0)."""
    with modulation.at(table, step):
        words, temb = table.words[step : step + 1], table.temb[step : step + 1]
        return walk(modulation.transformer, fixed, words, temb, x, cache)


def walk(
    transformer: Transformer, fixed: Fixed, words: Tensor, temb: Tensor, x: Tensor, cache: StepCache | None
) -> Tensor:
    """The blocks and the head. words: (1, n, dim) refined text; temb: (1, dim)."""
    beside = torch.cat([fixed.image, words], dim=1)
    noisy = transformer.x_embedder(x.to(dtype_of(transformer)))
    hidden = torch.cat([fixed.tokens, noisy], dim=1)

    every: list[Any] = [*transformer.transformer_blocks, *transformer.single_transformer_blocks]

    def run(blocks: Sequence[Any], hidden: Tensor) -> Tensor:
        nonlocal beside
        for block in blocks:
            hidden, beside = block(hidden, beside, temb, None, fixed.rope)
        return hidden

    if cache is None:
        hidden = run(every, hidden)
    elif isinstance(cache, TeaCache):
        watched = every[0].norm1(hidden, emb=temb)[0]
        hidden = cache.through(hidden, watched, lambda hidden: run(every, hidden))
    else:
        hidden = cache.through(hidden, run(every[:1], hidden), lambda hidden: run(every[1:], hidden))
    return unpatchify(head(transformer, hidden[:, -noisy.shape[1] :], temb), transformer.config, x.shape)


def head(transformer: Transformer, hidden: Tensor, temb: Tensor) -> Tensor:
    """Tokens to patches, (1, N, C·patch) float32; the projection itself in float32 whatever the model's dtype."""
    out, project = transformer.norm_out(hidden, temb), transformer.proj_out
    return F.linear(out.float(), project.weight.float(), project.bias.float())


def unpatchify(patches: Tensor, config: Any, shape: torch.Size) -> Tensor:
    """(1, N, C·pt·p·p) to (1, C, T, h, w), with the axes of a token in the order C, time, row, column."""
    b, _, frames, h, w = shape
    p, pt = config.patch_size, config.patch_size_t
    x = patches.reshape(b, frames // pt, h // p, w // p, -1, pt, p, p)
    # (B, T', h', w', C, pt, p, p) -> (B, C, T', pt, h', p, w', p)
    return x.permute(0, 4, 1, 5, 2, 6, 3, 7).flatten(6, 7).flatten(4, 5).flatten(2, 3)
