"""A checkpoint with random weights: the tiny format before any training, for tests and as a fallback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, CLIPTokenizer
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from gen.train import architecture, tokens

VERSION = "2026-11-30.2"
# Pixels, (h, w), multiples of 16, about as many pixels as the square; ties of aspect go to the later entry.
SIZES = {
    "96": [[80, 128], [80, 112], [96, 112], [128, 80], [112, 80], [112, 96], [96, 96]],
    "128": [[96, 176], [112, 160], [112, 144], [176, 96], [160, 112], [144, 112], [128, 128]],
    "192": [[144, 256], [160, 224], [176, 208], [256, 144], [224, 160], [208, 176], [192, 192]],
}


def card(**changes: Any) -> dict[str, Any]:
    """The contents of flipbot.json for weights of this architecture, with `changes` applied."""
    return {
        "format": 1,
        "name": "tiny",
        "version": VERSION,
        "trained": False,
        "latent_window_size": architecture.WINDOW,
        "samplings": ["f1"],
        "fps": 30,
        "size": "128",
        "sizes": SIZES,
        "steps": 8,
        "guidance": 10.0,
        "cfg": 1.0,
        "rescale": 0.0,
        "step_cache": None,
        "preview": {"factors": _preview_factors(), "bias": [0.5, 0.5, 0.5]},
        "prompt_template": {
            "template": tokens.TEMPLATE,
            "crop_start": tokens.CROP_START,
            "max_length": tokens.MAX_LENGTH,
        },
        "understands": [],
        "licence": "Apache-2.0",
        "note": "Random weights: it shows the machinery, not pictures.",
    } | changes


def make_untrained(directory: Path, seed: int = 0) -> None:
    """Write a randomly initialised checkpoint in the tiny format, the same for the same seed, in a few seconds.

    directory: made where missing; about 22 MB of float16 safetensors, configs, tokenizers and flipbot.json
    """
    directory.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        save_encoders(directory, seed)
        architecture.seeded(seed + 1)
        architecture.transformer().half().save_pretrained(directory / "transformer")
        architecture.seeded(seed + 2)
        architecture.vae().half().save_pretrained(directory / "vae")
    write_card(directory, card())


def save_encoders(directory: Path, seed: int = 0) -> None:
    """Write the tokenizers, the feature extractor and the three encoders with random weights."""
    llama, clip = save_processors(directory, architecture.IMAGE_SIZE)
    architecture.seeded(seed + 3)
    text = architecture.text_encoder(len(llama), llama.pad_token_id, llama.bos_token_id, llama.eos_token_id)
    text.half().save_pretrained(directory / "text_encoder")
    text_2 = architecture.text_encoder_2(len(clip), clip.bos_token_id, clip.eos_token_id)
    text_2.half().save_pretrained(directory / "text_encoder_2")
    architecture.image_encoder().half().save_pretrained(directory / "image_encoder")


def save_processors(directory: Path, side: int) -> tuple[Any, Any]:
    """Write the parts without weights, and return both tokenizers. side: pixels that the image encoder sees."""
    tokens.save_llama_tokenizer(directory / "tokenizer")
    tokens.save_clip_tokenizer(directory / "tokenizer_2")
    SiglipImageProcessorPil(size={"height": side, "width": side}).save_pretrained(directory / "feature_extractor")
    llama = AutoTokenizer.from_pretrained(directory / "tokenizer")
    return llama, CLIPTokenizer.from_pretrained(directory / "tokenizer_2")


def write_card(directory: Path, values: dict[str, Any]) -> None:
    """Write flipbot.json."""
    text = json.dumps(values, indent=2, ensure_ascii=False)
    (directory / "flipbot.json").write_text(text + "\n", encoding="utf-8")


def _preview_factors() -> list[list[float]]:
    """One RGB row per latent channel: the first three channels are shown as red, green and blue."""
    return [[0.15 if channel == colour else 0.0 for colour in range(3)] for channel in range(architecture.CHANNELS)]
