from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLHunyuanVideo

from gen.taps import drop_zero_taps
from gen.weights import load_part


def deep(vae: AutoencoderKLHunyuanVideo) -> list[torch.nn.Conv3d]:
    return [conv for conv in vae.modules() if isinstance(conv, torch.nn.Conv3d) and conv.kernel_size[0] == 3]


@pytest.mark.parametrize("seed", range(4))
@torch.inference_mode()
def test_a_vae_whose_first_taps_are_zero_gives_the_same_with_shorter_kernels(
    vae: AutoencoderKLHunyuanVideo, seed: int
) -> None:
    made = copy.deepcopy(vae).double()  # in float32 another processor's kernels round by up to 1e-4 here
    draw = torch.Generator().manual_seed(seed)
    zeros = torch.randint(0, 3, (len(deep(made)),), generator=draw).tolist()
    for conv, taps in zip(deep(made), zeros, strict=True):
        conv.weight.data[:, :, :taps] = 0
    # 21 frames: more than one of the chunks over time that a VAE works in
    video = torch.randn(1, 3, 21, 16, 24, generator=draw, dtype=torch.float64)
    codes = made.encode(video).latent_dist.mean
    pixels = made.decode(codes).sample
    assert drop_zero_taps(made) == sum(taps > 0 for taps in zeros)
    assert len(deep(made)) == zeros.count(0)
    assert torch.allclose(made.encode(video).latent_dist.mean, codes, rtol=0, atol=1e-9)
    assert torch.allclose(made.decode(codes).sample, pixels, rtol=0, atol=1e-9)


def test_a_zero_between_taps_that_count_stays(vae: AutoencoderKLHunyuanVideo) -> None:
    made = copy.deepcopy(vae)
    for conv in deep(made):
        conv.weight.data[:, :, 1:] = 0
    assert drop_zero_taps(made) == 0


def test_a_kernel_of_zeros_keeps_its_last_tap(vae: AutoencoderKLHunyuanVideo) -> None:
    made = copy.deepcopy(vae)
    for conv in deep(made):
        conv.weight.data.zero_()
    assert drop_zero_taps(made) == len(deep(vae))
    with torch.inference_mode():
        assert made.decode(torch.randn(1, 4, 2, 2, 2)).sample.shape == (1, 3, 5, 16, 16)


def test_the_shipped_vae_s_kernels_are_shortened_as_it_is_loaded() -> None:
    folder = Path(__file__).parents[2] / "gen" / "checkpoints" / "tiny" / "vae"
    loaded = load_part(folder, "vae", torch.device("cpu"), None)
    assert len(deep(loaded)) < 4
