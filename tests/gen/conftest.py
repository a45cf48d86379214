"""The engine with the golden weights and encoders: the real classes at tiny sizes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLHunyuanVideo
from PIL import Image

from gen import weights
from gen.bench.golden import card_of, checkpoint_of, models_of
from gen.card import Card, Checkpoint
from gen.engine import Engine
from gen.plan import make_plan
from gen.types import Conditioning, Plan
from gen.weights import Models

weights.import_all()  # before what is imported is put out of the collector's way (tests/conftest.py)
torch.set_num_threads(1)  # with models this small more threads only wait for one another

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="session")
def checkpoint() -> Checkpoint:
    return checkpoint_of(GOLDEN / "weights", GOLDEN / "encoders")


@pytest.fixture(scope="session")
def card() -> Card:
    """Window 2 and 4 steps, so that a film of several sections takes a second."""
    sizes = {"small": ((32, 48), (48, 32), (32, 32))}
    return dataclasses.replace(card_of(GOLDEN / "weights"), window=2, steps=4, size="small", sizes=sizes)


@pytest.fixture(scope="module")
def vae() -> AutoencoderKLHunyuanVideo:
    """A VAE of random weights, small enough for any test."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return AutoencoderKLHunyuanVideo(
        latent_channels=4,
        block_out_channels=(4, 4, 8, 8),
        layers_per_block=1,
        norm_num_groups=2,
        mid_block_add_attention=False,
    ).eval()


@pytest.fixture(scope="session")
def models() -> Models:
    return models_of(GOLDEN / "weights", GOLDEN / "encoders")


@pytest.fixture(scope="session")
def engine(models: Models, card: Card) -> Engine:
    return Engine(models, card)


@pytest.fixture(scope="session")
def picture() -> Image.Image:
    rows, columns = np.mgrid[0:60, 0:90]
    return Image.fromarray(np.stack([rows * 4, columns * 2, rows + columns], axis=-1).astype(np.uint8))


@pytest.fixture(scope="session")
def plan(card: Card, picture: Image.Image) -> Plan:
    """Four sections of two latents, with another prompt for the second half."""
    prompts = [(0.0, "A red boat drifts slowly."), (0.55, "The girl dances.")]
    return make_plan(card, picture_size=picture.size, seconds=1.1, prompts=prompts, seed=7)


@pytest.fixture(scope="session")
def conditioning(engine: Engine, plan: Plan, picture: Image.Image) -> Conditioning:
    """Encoded with cfg 2, so that a negative prompt is at hand."""
    return engine.encode(dataclasses.replace(plan, cfg=2.0, negative="blurry"), picture)
