"""The VAE's encoder and decoder as 2-D convolutions over stacked frames: the same numbers, faster to train.

On a CPU a causal 3-D convolution costs three or more times what a 2-D one over the three frames side by side costs
(frames last in memory as B, T, H, W, C). The weights are those of diffusers' AutoencoderKLHunyuanVideo, untouched; a
test holds that both give the same.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def encode_mean(vae: Any, video: Tensor) -> Tensor:
    """Encode without tiling: video (B, 3, F, H, W) in -1..1 → the posterior's mean, (B, C, T, H/8, W/8), unscaled."""
    batch, _, frames, _, _ = video.shape
    x, t = _stack(video), frames
    encoder = vae.encoder
    x, t = _conv(encoder.conv_in, x, t)
    for block in encoder.down_blocks:
        for resnet in block.resnets:
            x = _resnet(resnet, x, t)
        for down in block.downsamplers or ():
            x, t = _conv(down.conv, x, t)
    for resnet in encoder.mid_block.resnets:
        x = _resnet(resnet, x, t)
    x, t = _conv(encoder.conv_out, F.silu(_norm(encoder.conv_norm_out, x, t)), t)
    x, t = _conv(vae.quant_conv, x, t)
    mean: Tensor = _unstack(x, batch).chunk(2, 1)[0]
    return mean


def decode(vae: Any, latents: Tensor) -> Tensor:
    """Decode without tiling: unscaled latents (B, C, T, h, w) → video (B, 3, 4T - 3, 8h, 8w), about -1..1."""
    batch, _, t, _, _ = latents.shape
    decoder = vae.decoder
    x, t = _conv(vae.post_quant_conv, _stack(latents), t)
    x, t = _conv(decoder.conv_in, x, t)
    for resnet in decoder.mid_block.resnets:
        x = _resnet(resnet, x, t)
    for block in decoder.up_blocks:
        for resnet in block.resnets:
            x = _resnet(resnet, x, t)
        for up in block.upsamplers or ():
            x, t = _grow(x, t, up.upsample_factor)
            x, t = _conv(up.conv, x, t)
    x, t = _conv(decoder.conv_out, F.silu(_norm(decoder.conv_norm_out, x, t)), t)
    return _unstack(x, batch)


def without_time(vae: Any) -> None:
    """Fold every convolution's taps over time into one, in place: a third of the weights, for learning from stills."""
    for conv in _convolutions(vae):
        conv.weight = torch.nn.Parameter(conv.weight.detach().sum(2))


def with_time(vae: Any) -> None:
    """Undo without_time: each convolution looks at the present frame alone, a downsampler over time at all three.

    Where the decoder doubles the frames, it takes the mean of the present one and the one before: what would stand
    still for four frames and then jump goes evenly, half a latent later.
    """
    for conv in _convolutions(vae):
        flat = conv.weight.detach()
        deep = flat.new_zeros(*flat.shape[:2], conv.kernel_size[0], *flat.shape[2:])
        deep[:, :, -1] = flat
        if conv.stride[0] == 2:
            deep[:] = flat.unsqueeze(2) / conv.kernel_size[0]
        conv.weight = torch.nn.Parameter(deep)
    for up in (up for block in vae.decoder.up_blocks for up in block.upsamplers or () if up.upsample_factor[0] == 2):
        weight = up.conv.conv.weight.detach()
        weight[:, :, -2] = weight[:, :, -1] = weight[:, :, -1] / 2


def _convolutions(vae: Any) -> list[Any]:
    return [module for module in vae.modules() if isinstance(module, torch.nn.Conv3d)]


def _stack(video: Tensor) -> Tensor:
    """(B, C, T, H, W) → (B·T, C, H, W) in channels-last memory."""
    frames = video.transpose(1, 2).flatten(0, 1)
    return frames.contiguous(memory_format=torch.channels_last)


def _films(frames: Tensor, t: int) -> Tensor:
    """Stacked frames (B·T, C, H, W) → (B, T, H, W, C), which is how they lie in memory."""
    last = frames.permute(0, 2, 3, 1)
    return last.reshape(-1, t, *last.shape[1:])


def _unstack(frames: Tensor, batch: int) -> Tensor:
    return frames.reshape(batch, -1, *frames.shape[1:]).transpose(1, 2)


def _conv(module: Any, x: Tensor, t: int) -> tuple[Tensor, int]:
    """A causal convolution over stacked frames; returns the new frames and how many a film has of them."""
    conv = getattr(module, "conv", module)
    weight, (kt, kh, _), (st, sh, _) = conv.weight, conv.kernel_size, conv.stride
    if kh > 1:
        x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    if weight.dim() == 4:  # a model that knows no time yet: see without_time
        return F.conv2d(x, weight, conv.bias, stride=sh), t
    if kt == 1 or t == 1:  # the only frame stands for its own past
        return F.conv2d(x, weight.sum(2), conv.bias, stride=sh), t
    films = _films(x, t)
    films = torch.cat([films[:, :1]] * (kt - 1) + [films], 1)
    taps = [films[:, tap : tap + t : st] for tap in range(kt)]
    beside = torch.cat(taps, -1).flatten(0, 1).permute(0, 3, 1, 2)
    flat = weight.transpose(1, 2).flatten(1, 2)
    return F.conv2d(beside, flat, conv.bias, stride=sh), taps[0].shape[1]


def _norm(norm: Any, x: Tensor, t: int) -> Tensor:
    """Group normalisation over all frames of a film at once, as the 3-D model does."""
    n, c, h, w = x.shape
    tall = x.permute(0, 2, 3, 1).reshape(n // t, t * h, w, c).permute(0, 3, 1, 2)
    out = F.group_norm(tall, norm.num_groups, norm.weight, norm.bias, norm.eps)
    return out.permute(0, 2, 3, 1).reshape(n, h, w, c).permute(0, 3, 1, 2)


def _resnet(block: Any, x: Tensor, t: int) -> Tensor:
    y: Tensor
    if torch.is_inference_mode_enabled() and not bool(block.conv2.conv.weight.any()):  # as in a linear encoder
        y = block.conv2.conv.bias.view(-1, 1, 1)
    else:
        y, _ = _conv(block.conv1, F.silu(_norm(block.norm1, x, t)), t)
        y, _ = _conv(block.conv2, F.silu(_norm(block.norm2, y, t)), t)
    if block.conv_shortcut is not None:
        x, _ = _conv(block.conv_shortcut, x, t)
    return x + y


def _grow(x: Tensor, t: int, factor: Any) -> tuple[Tensor, int]:
    """Repeat pixels, and every frame but the first, by the upsampler's factors (time, height, width)."""
    x = F.interpolate(x, scale_factor=float(factor[1]), mode="nearest")
    if t == 1 or factor[0] == 1:
        return x, t
    films = _films(x, t)
    later = films[:, 1:].unsqueeze(2).expand(-1, -1, int(factor[0]), -1, -1, -1).flatten(1, 2)
    grown = torch.cat([films[:, :1], later], 1)
    return grown.flatten(0, 1).permute(0, 3, 1, 2), grown.shape[1]
