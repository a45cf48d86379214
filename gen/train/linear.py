"""First weights for the VAE: a linear code, learned in minutes and written into the stock layers.

A decoder of this class repeats pixels and convolves, so a field of equal codes can only become a flat picture: the code
of independent blocks (PCA) cannot be decoded by it, however long it is trained. So the linear part of the decoder is
learned first, together with a free linear encoder, and then written into the layers that the residual branches stand
beside; those begin at zero. Of held-out photographs at 128 px this keeps in ten minutes what the whole network, trained
from noise, had not reached in an hour (docs/training-log.md).

Each group norm before the last activation would take away the picture's own contrast. So the channels before it hold
every value x as x and as -x, beside constants that outweigh both: the norm is then nearly a constant factor, and
silu(x) - silu(-x) = x.
"""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gen.train.muon import Pair
from gen.train.photos import Stills

LEVEL = 8.0  # the constants' size; the values beside them are of size 1 or so
BATCH, TILE = 8, 64
MUON_RATE, ADAM_RATE = 0.02, 2e-3


class Conv(nn.Module):
    """A convolution with repeated borders, as the stock layers pad: no activation, no norm."""

    def __init__(self, channels: int, out: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.weight = nn.Parameter(torch.randn(out, channels, size, size) / math.sqrt(channels * size * size))
        self.bias = nn.Parameter(torch.zeros(out))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) → (B, out, H, W)"""
        edge = self.size // 2
        return F.conv2d(F.pad(x, (edge,) * 4, mode="replicate"), self.weight, self.bias)


class LinearCode(nn.Module):
    """A linear encoder over 3 x 3 blocks of 8 x 8 pixels, and the linear part of a decoder with these widths."""

    def __init__(self, channels: int, widths: tuple[int, ...]) -> None:
        """widths: the VAE's block_out_channels, the thinnest first."""
        super().__init__()
        top, half, quarter, eighth = widths
        self.encoder = Conv(192, channels, 3)
        self.encoder.weight.data.mul_(3)
        self.layers = nn.ModuleDict(
            {
                "conv_in": Conv(channels, eighth, 3),
                "up_8": Conv(eighth, eighth, 3),
                "narrow_4": Conv(eighth, quarter, 1),
                "up_4": Conv(quarter, quarter, 3),
                "narrow_2": Conv(quarter, half, 1),
                "up_2": Conv(half, half, 3),
                "narrow_1": Conv(half, values_in(top), 1),
                "conv_out": Conv(values_in(top), 3, 3),
            }
        )

    def encode(self, stills: Tensor) -> Tensor:
        """(B, 3, H, W) in -1..1 → (B, C, H/8, W/8)"""
        out: Tensor = self.encoder(F.pixel_unshuffle(stills, 8))
        return out

    def decode(self, z: Tensor) -> Tensor:
        """(B, C, h, w) → (B, 3, 8h, 8w)"""
        x = z
        for name, layer in self.layers.items():
            x = layer(F.interpolate(x, scale_factor=2.0, mode="nearest") if name.startswith("up") else x)
        return x


def values_in(width: int) -> int:
    """How many values a layer of that width before a last norm of two groups holds: see pairs."""
    return (width - 4) // 2


def pairs(width: int) -> tuple[Tensor, Tensor]:
    """How values stand in the channels before a norm of two groups: each holds x and -x of half of them, and ±LEVEL.

    returns: (width, values) of 0 and ±1, and the constants (width,)
    """
    values = values_in(width)
    spread, constants = torch.zeros(width, values), torch.zeros(width)
    group = width // 2
    for begin, own in ((0, range(values // 2)), (group, range(values // 2, values))):
        for n, value in enumerate(own):
            spread[begin + 2 * n, value], spread[begin + 2 * n + 1, value] = 1, -1
        end = begin + group
        constants[end - 2], constants[end - 1] = LEVEL, -LEVEL
    return spread, constants


def learn(
    stills: Stills, channels: int, widths: tuple[int, ...], minutes: float, pictures: int = 1500, steps: int = 0
) -> LinearCode:
    """Learn a linear code of stills by squared error, with codes of about unit variance.

    steps: how many, whatever time they take; 0 takes the minutes
    """
    code = LinearCode(channels, widths)
    held = torch.stack([stills.crop(128, 128) for _ in range(pictures)]) * 2 - 1
    optimiser = Pair(code, MUON_RATE, ADAM_RATE)
    began = time.monotonic()
    done, step = 0.0, 0
    while done < 1:
        top, left = (8 * int(n) for n in torch.randint(0, 1 + (128 - TILE) // 8, (2,)))
        seen = held[torch.randint(0, pictures, (BATCH,)), :, top : top + TILE, left : left + TILE]
        z = code.encode(seen)
        loss = (code.decode(z) - seen).square().mean()
        loss = loss + 0.001 * (z.var((0, 2, 3)) - 1).square().clamp(max=4).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        step += 1
        done = step / steps if steps else (time.monotonic() - began) / (60 * minutes)
        optimiser.step(max(0.01, (1 + math.cos(math.pi * min(1.0, done))) / 2))
    return code


@torch.no_grad()
def write(code: LinearCode, vae: Any, stills: Stills) -> None:
    """Make the stock VAE, its weights without time (fastvae.without_time), compute what the linear code does."""
    for part in (vae.encoder, vae.decoder):
        for name, weight in part.named_parameters():
            if ".conv2.conv." in name:
                weight.zero_()
    held = torch.stack([stills.crop(128, 128) for _ in range(400)]) * 2 - 1
    _write_decoder(code, vae)
    _write_encoder(code, vae, held)


def _set(conv: Any, weight: Tensor, bias: Tensor | None = None) -> None:
    """Give a stock convolution these weights; its further channels are zero."""
    inner = getattr(conv, "conv", conv)
    inner.weight.zero_()
    inner.bias.zero_()
    out, channels = weight.shape[:2]
    inner.weight[:out, :channels] = weight
    if bias is not None:
        inner.bias[: len(bias)] = bias


def _write_decoder(code: LinearCode, vae: Any) -> None:
    decoder = vae.decoder
    layers = {name: layer for name, layer in code.layers.items() if isinstance(layer, Conv)}
    blocks = decoder.up_blocks
    channels = vae.config.latent_channels
    _set(vae.post_quant_conv, torch.eye(channels)[..., None, None])
    _set(decoder.conv_in, layers["conv_in"].weight, layers["conv_in"].bias)
    _set(blocks[0].upsamplers[0].conv, layers["up_8"].weight, layers["up_8"].bias)
    _set(blocks[1].resnets[0].conv_shortcut, layers["narrow_4"].weight, layers["narrow_4"].bias)
    _set(blocks[1].upsamplers[0].conv, layers["up_4"].weight, layers["up_4"].bias)
    _set(blocks[2].resnets[0].conv_shortcut, layers["narrow_2"].weight, layers["narrow_2"].bias)
    top = decoder.conv_norm_out.num_channels
    spread, constants = pairs(top)
    narrow = layers["narrow_1"].weight[:, :, 0, 0]
    last, bias = spread @ narrow, spread @ layers["narrow_1"].bias + constants
    up = layers["up_2"]
    if blocks[3].resnets[0].conv_shortcut is None:  # both levels are equally wide: the convolution before does it
        _set(blocks[2].upsamplers[0].conv, torch.einsum("oi,ihyx->ohyx", last, up.weight), last @ up.bias + bias)
    else:
        _set(blocks[2].upsamplers[0].conv, up.weight, up.bias)
        _set(blocks[3].resnets[0].conv_shortcut, last[..., None, None], bias)
    _write_head(decoder, layers["conv_out"].weight, layers["conv_out"].bias)


def _write_head(part: Any, weight: Tensor, bias: Tensor) -> None:
    """Read values out of their pairs: behind the norm, which divides by the size that the constants give."""
    width = part.conv_norm_out.num_channels
    spread, _ = pairs(width)
    part.conv_norm_out.weight.fill_(1)
    part.conv_norm_out.bias.zero_()
    size = LEVEL * math.sqrt(2 / (width // 2))
    _set(part.conv_out, torch.einsum("ovyx,cv->ocyx", weight, spread) * size, bias)


def _write_encoder(code: LinearCode, vae: Any, held: Tensor) -> None:
    """Pixels are laid side by side and narrowed by PCA, level by level; the last layer is fitted to the code."""
    encoder, channels = vae.encoder, vae.config.latent_channels
    blocks = encoder.down_blocks
    _set(encoder.conv_in, _tap(torch.eye(3), 1, 1))
    x = held
    for n in range(3):
        width = blocks[n].downsamplers[0].conv.conv.weight.shape[0]
        weight = _side_by_side(x, width)
        _set(blocks[n].downsamplers[0].conv, weight)
        x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), weight, stride=2)
        shortcut = blocks[n + 1].resnets[0].conv_shortcut
        if shortcut is not None and n < 2:
            _set(shortcut, torch.eye(len(weight))[..., None, None])
    width = encoder.conv_norm_out.num_channels
    spread, constants = pairs(width)
    flat = x.transpose(0, 1).flatten(1)
    main = torch.linalg.eigh(flat @ flat.T)[1].flip(1)[:, : values_in(width)].T
    x = torch.einsum("vc,bchw->bvhw", main, x)
    spoken = float(x.square().sum(1).mean().sqrt())
    shrunk = main / spoken
    _set(blocks[3].resnets[0].conv_shortcut, (spread @ shrunk)[..., None, None], constants)
    near = F.unfold(F.pad(x / spoken, (1, 1, 1, 1), mode="replicate"), 3).transpose(1, 2).flatten(0, 1)
    near = torch.cat([near, torch.ones(len(near), 1)], 1).double()
    wanted = code.encode(held).flatten(2).transpose(1, 2).flatten(0, 1).double()
    ridge = 1e-7 * len(near) * torch.eye(near.shape[1], dtype=torch.float64)
    fitted = torch.linalg.solve(near.T @ near + ridge, near.T @ wanted).float()
    weight = fitted[:-1].T.reshape(channels, values_in(width), 3, 3)
    _write_head(encoder, weight, fitted[-1])
    _set(vae.quant_conv, torch.eye(channels)[..., None, None])


def _tap(matrix: Tensor, y: int, x: int) -> Tensor:
    weight = torch.zeros(*matrix.shape, 3, 3)
    weight[:, :, y, x] = matrix
    return weight


def _side_by_side(x: Tensor, width: int) -> Tensor:
    """A convolution of stride 2 that lays four pixels side by side and keeps the `width` main values of them."""
    channels = x.shape[1]
    flat = F.pixel_unshuffle(x, 2).transpose(0, 1).flatten(1)
    main = torch.linalg.eigh(flat @ flat.T)[1].flip(1)[:, :width].T  # (at most width, 4 channels)
    main = main.reshape(-1, channels, 2, 2)
    weight = torch.zeros(len(main), channels, 3, 3)
    weight[:, :, 1:, 1:] = main
    return weight
