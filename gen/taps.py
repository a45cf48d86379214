"""Causal convolutions over time without their earliest taps, where those are all zero."""

from __future__ import annotations

from typing import Any

import torch


def drop_zero_taps(vae: Any) -> int:
    """Shorten a VAE's kernels in place to the frames that they look at; how many were shortened.

    vae: diffusers.AutoencoderKLHunyuanVideo. A kernel over three frames (the present one and two before it) whose
         first tap is zero for every channel gives the same with two, a third less to compute and to pad. Published
         weights have no such taps; a VAE that has learned from stills has little else.
    """
    from diffusers.models.autoencoders.autoencoder_kl_hunyuan_video import HunyuanVideoCausalConv3d

    shortened = 0
    for module in (module for module in vae.modules() if isinstance(module, HunyuanVideoCausalConv3d)):
        kept = _from_the_first_that_counts(module.conv.weight)
        if kept.shape == module.conv.weight.shape:
            continue
        module.conv.weight = torch.nn.Parameter(kept.contiguous(), requires_grad=module.conv.weight.requires_grad)
        module.conv.kernel_size = tuple(kept.shape[2:])
        # (left, right, top, bottom, frames before, frames after), as torch.nn.functional.pad takes them
        module.time_causal_padding = (*module.time_causal_padding[:4], kept.shape[2] - 1, 0)
        shortened += 1
    return shortened


def _from_the_first_that_counts(weight: torch.Tensor) -> torch.Tensor:
    """(out, in, frames, h, w) without leading frames that are all zero; the last one stays in any case."""
    counts = [bool(weight[:, :, tap].any()) for tap in range(weight.shape[2])]
    return weight.detach()[:, :, counts.index(True) if any(counts) else -1 :]
