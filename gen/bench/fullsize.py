"""A checkpoint with the published model's shapes and random weights, on the disk as it is published: 42 GB in shards.

It loads, streams and computes as the real one does, so that all but the pictures can be seen without the weights.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    LlamaConfig,
    LlamaModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from gen.bench.vram_measured import PUBLISHED, empty_vae
from gen.card import PRESETS
from gen.sources import FRAMEPACK, STEMS
from gen.tensors import Drawn, Shape
from gen.train import tokens
from gen.train.untrained import card as card_values
from gen.train.untrained import save_processors, write_card
from gen.transformer import empty

SHARD = 5 * 10**9  # bytes of a file at most, as the published ones have it
NEEDED = 43 * 10**9  # bytes on the disk
# config.json of hunyuanvideo-community/HunyuanVideo and lllyasviel/flux_redux_bfl
LLAMA: Mapping[str, Any] = {
    "vocab_size": 128_320,
    "hidden_size": 4096,
    "intermediate_size": 14_336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_theta": 500_000.0, "rope_type": "default"},
}
CLIP: Mapping[str, Any] = {
    "vocab_size": 49_408,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "projection_dim": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
}
SIGLIP: Mapping[str, Any] = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "image_size": 384,
    "patch_size": 14,
}
SMALL = "64"  # a size that a processor can make


def make_fullsize(folder: Path, steps: int) -> Iterator[str]:
    """Write it, part by part; yields the name of each that is there.

    steps: of a section, as its card says
    raises: OSError where the disk takes no more
    """
    folder.mkdir(parents=True, exist_ok=True)
    for part, (model, dtype) in models(folder).items():
        if part in ("transformer", "vae"):
            model.save_config(folder / part)
        else:
            model.config.save_pretrained(folder / part)
        shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
        write_weights(folder / part, STEMS.get(part, "model"), shapes, dtype)
        yield part
    write_card(folder, fullsize_card(steps))  # last: with it the folder is a checkpoint
    yield "card"


def models(folder: Path) -> dict[str, tuple[Any, torch.dtype]]:
    """Every part that has weights, without any, and the dtype of its files. The words are those of tiny."""
    llama, clip = save_processors(folder, SIGLIP["image_size"])
    with torch.device("meta"):
        text: nn.Module = LlamaModel(LlamaConfig(**LLAMA, **marks(llama)))
        text_2: nn.Module = CLIPTextModel(CLIPTextConfig(**CLIP, **marks(clip)))
        image: nn.Module = SiglipVisionModel(SiglipVisionConfig(**SIGLIP))
    half = torch.float16
    return {
        "transformer": (empty(FRAMEPACK), torch.bfloat16),
        "vae": (empty_vae(PUBLISHED), half),
        "text_encoder": (text, half),
        "text_encoder_2": (text_2, half),
        "image_encoder": (image, half),
    }


def marks(tokenizer: Any) -> dict[str, Any]:
    """The numbers of a tokenizer's own tokens, as configs have them."""
    return {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")}


def fullsize_card(steps: int) -> dict[str, Any]:
    """flipbot.json: the published settings, and one more size."""
    published = PRESETS["framepack-f1"]
    sizes = {SMALL: ((64, 64),), **published.sizes}
    words = {"template": tokens.TEMPLATE, "crop_start": tokens.CROP_START, "max_length": tokens.MAX_LENGTH}
    preview = {"factors": published.preview_factors, "bias": published.preview_bias}
    return card_values(
        name="fullsize",
        version="1",
        latent_window_size=published.window,
        size=SMALL,
        sizes=sizes,
        steps=steps,
        preview=preview,
        prompt_template=words,
        note="Random weights of the published shapes: it shows what loading and computing take, not pictures.",
    )


def write_weights(folder: Path, stem: str, shapes: Mapping[str, Shape], dtype: torch.dtype, most: int = SHARD) -> None:
    """The tensors in files of so many bytes at most, with an index where there is more than one."""
    shards: list[dict[str, Shape]] = [{}]
    room = most
    for name, shape in shapes.items():
        size = math.prod(shape) * dtype.itemsize
        if size > room and shards[-1]:
            shards.append({})
            room = most
        shards[-1][name] = shape
        room -= size
    drawn = Alike(shapes, dtype)
    names: dict[str, str] = {}
    for n, shard in enumerate(shards, 1):
        file = f"{stem}.safetensors" if len(shards) == 1 else f"{stem}-{n:05}-of-{len(shards):05}.safetensors"
        save_file({name: drawn.read(name) for name in shard}, folder / file)
        names |= dict.fromkeys(shard, file)
    if len(shards) > 1:
        index = {"metadata": {}, "weight_map": names}
        (folder / f"{stem}.safetensors.index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")


class Alike:
    """Random weights, drawn once for all layers of a kind and turned by a row for each: billions are slow to draw."""

    def __init__(self, shapes: Mapping[str, Shape], dtype: torch.dtype) -> None:
        self.drawn = Drawn(shapes, dtype)
        self.first: dict[tuple[str, Shape], Tensor] = {}

    def read(self, name: str) -> Tensor:
        """A tensor of its own."""
        numbers = [int(word) for word in name.split(".") if word.isdigit()]
        kind = ".".join("#" if word.isdigit() else word for word in name.split(".")), self.drawn.shapes[name]
        if kind not in self.first:
            self.first[kind] = self.drawn.read(name)
        return self.first[kind].roll(sum(numbers), 0)
