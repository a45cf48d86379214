"""Latents to pixels: the decode of a section, its blend into the film so far, and cheap previews."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gen.memory import Tiles

if TYPE_CHECKING:
    from gen.types import Frames

WHOLE = Tiles()  # whole pictures, as the reference

Vae = Any  # diffusers.AutoencoderKLHunyuanVideo, which has no types


def overlap_of(window: int, time_compression: int) -> int:
    """Frames that a section shares with the one before: as many as its own latents alone would decode to."""
    return time_compression * (window - 1) + 1


@torch.no_grad()
def decode_latents(vae: Vae, latents: Tensor, tiles: Tiles = WHOLE) -> Tensor:
    """(1, C, T, h, w), scaled, to pixels (1, 3, F, H, W) in the VAE's dtype on the CPU, about -1 to 1, not clamped.

    The VAE works in chunks over time counted from the first latent given: other slices give other pixels, and so do
    other tiles.
    """
    with tiled(vae, tiles):
        pixels: Tensor = vae.decode((latents / vae.config.scaling_factor).to(vae.device, vae.dtype)).sample
    return pixels.cpu()


@contextmanager
def tiled(vae: Vae, tiles: Tiles) -> Iterator[None]:
    """Meanwhile the VAE works in these tiles; a quarter of each, and four frames, are blended with the neighbour's."""
    wanted = {"use_tiling": tiles.side > 0, "tile_sample_min_num_frames": tiles.frames}
    wanted["tile_sample_stride_num_frames"] = tiles.frames - 4
    if tiles.side:
        wanted |= {f"tile_sample_min_{axis}": tiles.side for axis in ("height", "width")}
        wanted |= {f"tile_sample_stride_{axis}": tiles.side * 3 // 4 for axis in ("height", "width")}
    before = {name: getattr(vae, name) for name in wanted}
    try:
        for name, value in wanted.items():
            setattr(vae, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(vae, name, value)


def latents_of_piece(sampling: str, start: Tensor | None, sections: Sequence[Tensor]) -> Tensor:
    """The latents that a section is decoded from, in display order.

    start:    the picture's latent where it belongs to the piece: in f1's first section, in inverted's last
    sections: the section, after the one made before it, if any
    """
    ordered = sections if sampling == "f1" else list(reversed(sections))
    return torch.cat([*([start] if start is not None else []), *ordered], dim=2)


def tail_of(sampling: str, piece: Tensor, overlap: int) -> Tensor:
    """The frames of a piece that the next section will blend with its own: its last, inverted its first."""
    return (piece[:, :, -overlap:] if sampling == "f1" else piece[:, :, :overlap]).clone()


def append(sampling: str, tail: Tensor, piece: Tensor, overlap: int) -> Tensor:
    """A piece blended with the tail of the section before: f1 behind it, inverted in front of it."""
    return blend(tail, piece, overlap) if sampling == "f1" else blend(piece, tail, overlap)


def blend(earlier: Tensor, later: Tensor, overlap: int) -> Tensor:
    """Join two pieces (1, 3, F, H, W) whose ends show the same frames; float32.

    In the overlap the earlier one's weight falls from 1 to 0, both ends included.
    source: soft_append_bcthw of lllyasviel/FramePack
    """
    earlier, later = earlier.float(), later.float()
    if not 0 <= overlap <= min(earlier.shape[2], later.shape[2]):
        raise ValueError(f"an overlap of {overlap} frames for pieces of {earlier.shape[2]} and {later.shape[2]}")
    if overlap == 0:
        return torch.cat([earlier, later], dim=2)
    weight = torch.linspace(1, 0, overlap, device=earlier.device).view(1, 1, -1, 1, 1)
    mixed = weight * earlier[:, :, -overlap:] + (1 - weight) * later[:, :, :overlap]
    return torch.cat([earlier[:, :, :-overlap], mixed, later[:, :, overlap:]], dim=2)


def to_uint8(pixels: Tensor) -> Frames:
    """(1, 3, F, H, W), -1..1 and beyond, to (F, H, W, 3) uint8; truncated, as the reference does."""
    levels = (pixels[0].float().clamp(-1, 1) * 127.5 + 127.5).to(torch.uint8)
    # (3, F, H, W) -> (F, H, W, 3)
    frames: Frames = levels.permute(1, 2, 3, 0).contiguous().cpu().numpy()
    return frames


def preview(latents: Tensor, factors: Sequence[Sequence[float]], bias: Sequence[float]) -> Tensor:
    """A rough look without the VAE: (1, C, T, h, w) to RGB (1, 3, T, h, w) float32, 0..1, by the card's matrix."""
    matrix = torch.tensor(factors, device=latents.device)
    rgb = torch.einsum("bcthw,cr->brthw", latents.float(), matrix)
    return (rgb + torch.tensor(bias, device=latents.device).view(1, 3, 1, 1, 1)).clamp(0, 1)
