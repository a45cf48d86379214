"""Causal convolutions over time without their earliest taps, where those are all zero."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F


class PerFrame(nn.Module):
    """A causal convolution that looks at the present frame alone: 2-D, the frames as a batch.

    PyTorch has no fast 3-D convolution for a single small film on a CPU; the 2-D one takes two thirds of its time.
    """

    def __init__(self, causal: Any) -> None:
        super().__init__()
        weight, bias = causal.conv.weight, causal.conv.bias
        self.weight = nn.Parameter(weight[:, :, -1].contiguous(), requires_grad=weight.requires_grad)
        self.bias = bias
        self.stride = causal.conv.stride
        self.border, self.mode = causal.time_causal_padding[:4], causal.pad_mode  # left, right, top, bottom

    def forward(self, film: Tensor) -> Tensor:
        """(B, C, T, H, W) to (B, C', T', H', W')."""
        batch = film.shape[0]
        frames = film[:, :, :: self.stride[0]].transpose(1, 2).flatten(0, 1)
        made = F.conv2d(F.pad(frames, self.border, mode=self.mode), self.weight, self.bias, self.stride[1:])
        return made.view(batch, -1, *made.shape[1:]).transpose(1, 2)


def drop_zero_taps(vae: Any) -> int:
    """Shorten a VAE's kernels in place to the frames that they look at; how many were shortened.

    vae: diffusers.AutoencoderKLHunyuanVideo. A kernel over three frames (the present one and two before it) whose
         first tap is zero for every channel gives the same with two, a third less to compute and to pad; with only
         the present one left it is 2-D. Published weights have no such taps; a VAE that has learned from stills has
         little else.
    """
    from diffusers.models.autoencoders.autoencoder_kl_hunyuan_video import HunyuanVideoCausalConv3d

    shortened = 0
    for name, module in list(vae.named_modules()):
        if not isinstance(module, HunyuanVideoCausalConv3d):
            continue
        kept = _from_the_first_that_counts(module.conv.weight)
        if kept.shape == module.conv.weight.shape:
            continue
        shortened += 1
        if kept.shape[2] == 1:
            vae.set_submodule(name, PerFrame(module))
            continue
        module.conv.weight = nn.Parameter(kept.contiguous(), requires_grad=module.conv.weight.requires_grad)
        module.conv.kernel_size = tuple(kept.shape[2:])
        # (left, right, top, bottom, frames before, frames after), as torch.nn.functional.pad takes them
        module.time_causal_padding = (*module.time_causal_padding[:4], kept.shape[2] - 1, 0)
    return shortened


def _from_the_first_that_counts(weight: Tensor) -> Tensor:
    """(out, in, frames, h, w) without leading frames that are all zero; the last one stays in any case."""
    counts = [bool(weight[:, :, tap].any()) for tap in range(weight.shape[2])]
    return weight.detach()[:, :, counts.index(True) if any(counts) else -1 :]
