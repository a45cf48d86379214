"""Films as latents: rendered from stills, encoded by the trained VAE, kept in small files that the training reads.

One clip is 28 latent frames of one film after its start picture, so that it holds whole sections 1 to 3, or the 19
latent frames of history and one section of a film that has gone on for longer.

A latent frame stands for four pixel frames. It is the code of one of them, encoded as a still: the engine itself never
encodes anything but the start picture, and the decoder learns what lies between (vae.py).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKLHunyuanVideo
from torch import Tensor
from transformers import SiglipImageProcessor, SiglipVisionModel

from gen.train import fastvae
from gen.train.architecture import WINDOW
from gen.train.effects import EFFECTS, UNLEARNED, Film, random_state
from gen.train.photos import Stills

SIZES = ((96, 96), (128, 128), (80, 112), (112, 80), (112, 160), (160, 112), (192, 192), (160, 224), (224, 160))
SHARES = (0.3, 0.21, 0.09, 0.09, 0.12, 0.09, 0.05, 0.03, 0.02)
LATENTS = 28
PER_SHARD = 16
# How often each effect is rendered, particles most: no two of their films are alike. How often it is learned: flow.py.
OFTEN = {"snow": 2.4, "rain": 2.8, "spot_left": 1.2, "ripples": 2.5, "sway": 5.0, "breathing": 2.5} | dict.fromkeys(
    UNLEARNED, 0.0
)
WEIGHTS = np.array([OFTEN.get(effect, 1.0) for effect in EFFECTS])
SECTION = 4 * WINDOW  # frames


def load_vae(directory: Path) -> Any:
    """The checkpoint's VAE in float32."""
    load: Any = AutoencoderKLHunyuanVideo
    return load.from_pretrained(directory, torch_dtype=torch.float32).eval()


@torch.inference_mode()
def encode_stills(vae: Any, stills: Tensor) -> Tensor:
    """Encode pictures one by one: (T, 3, H, W) in 0..1 → scaled latents (C, T, h, w)."""
    parts = [fastvae.encode_mean(vae, part.unsqueeze(2).to(vae.device) * 2 - 1) for part in torch.split(stills, 8)]
    return torch.cat(parts)[:, :, 0].transpose(0, 1).cpu() * float(vae.config.scaling_factor)


def make_clip(
    vae: Any, look: ImageEyes, stills: Stills, draw: np.random.Generator, size: tuple[int, int]
) -> dict[str, Any]:
    """Render and encode one clip: `start` (C, 1, h, w), `latents` (C, 28, h, w), the effect, whether from the start."""
    still = stills.crop(*size)
    effect = EFFECTS[int(draw.choice(len(EFFECTS), p=WEIGHTS / WEIGHTS.sum()))]
    fresh = draw.random() < 0.65
    film = Film(still, draw)
    if not fresh:  # already under way: from some other state, or for long under the same prompt
        if draw.random() < 0.5:
            film = Film(still, draw, random_state(draw))
        history = 4 * (LATENTS - WINDOW)  # sections begin where a prompt does, so the last one begins at a whole number
        film.skip([effect] * (SECTION * int(draw.integers(1, 8)) - history % SECTION))
    latents = encode_stills(vae, torch.cat([still[None], film.keys(effect, LATENTS)]))
    return {
        "start": latents[:, :1].half(),
        "image": look(still).half(),
        "latents": latents[:, 1:].half(),
        "effect": EFFECTS.index(effect),
        "fresh": fresh,
    }


class ImageEyes:
    """The checkpoint's image encoder, used as the engine uses it: a still → its last hidden states."""

    def __init__(self, directory: Path) -> None:
        self.prepare: Any = SiglipImageProcessor.from_pretrained(directory / "feature_extractor")
        load: Any = SiglipVisionModel
        self.model: Any = load.from_pretrained(directory / "image_encoder", dtype=torch.float32)

    @torch.inference_mode()
    def __call__(self, still: Tensor) -> Tensor:
        """still: (3, H, W) float32 in 0..1 → (9, 32) float32"""
        pixels = (still.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
        held = self.prepare([pixels], return_tensors="pt")
        out: Tensor = self.model(held.pixel_values).last_hidden_state[0]
        return out


def make_shards(work: Path, checkpoint: Path, minutes: float, keep: int = 400, device: str = "cpu") -> None:
    """Write shards of clips of one size each until the time is up; beyond `keep` shards the oldest goes.

    A shard is named by its number: several runs may not write into one folder at a time.
    """
    torch.set_num_threads(1)
    vae, look = load_vae(checkpoint / "vae").to(device), ImageEyes(checkpoint)
    folder = work / "clips"
    folder.mkdir(parents=True, exist_ok=True)
    number = 1 + max((int(path.stem) for path in folder.glob("*.pt")), default=0)
    stills, draw = Stills(work / "photos.npz", seed=1000 + number), np.random.default_rng(2000 + number)
    until = time.monotonic() + minutes * 60
    while time.monotonic() < until:
        size = SIZES[int(draw.choice(len(SIZES), p=SHARES))]
        clips = [make_clip(vae, look, stills, draw, size) for _ in range(PER_SHARD)]
        part = folder / f"{number:06}.part"
        torch.save(clips, part)
        part.replace(part.with_suffix(".pt"))
        for old in sorted(folder.glob("*.pt"))[:-keep]:
            old.unlink()
        number += 1
