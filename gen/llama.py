"""The Llama that reads prompts, without what nobody asks of it: its last two layers, its final norm and its head.

FramePack is conditioned by the third hidden state from the end, which on a tower of 32 layers is what layer 30 gives.
So all but two layers are loaded, and the rest need not even be on the disk. Either as a whole, or layer by layer, each
going before the next one comes: then memory holds one layer of 0.4 GB, not 15 GB, and the numbers are the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from db.said import said
from gen.card import read_json
from gen.errors import CheckpointCorrupt, unfit
from gen.files import weight_files
from gen.sources import UNREAD, needed
from gen.tensors import Files


def load_llama(folder: Path, dtype: torch.dtype) -> Any:
    """The tower on the CPU, in evaluation mode; its last_hidden_state is the hidden state that conditions.

    raises: CheckpointIncomplete, CheckpointCorrupt
    """
    model = empty(folder)
    files = Weights(folder)
    tensors = {name: files.read(name).to(dtype, copy=True) for name in files.expected(model)}
    model.load_state_dict(tensors, assign=True, strict=True)
    return model.eval().requires_grad_(False)


def empty(folder: Path) -> Any:
    """The tower without weights: on the device meta, but for the buffers of its rotary embedding."""
    from accelerate import init_empty_weights
    from transformers import LlamaConfig, LlamaModel

    config = LlamaConfig.from_pretrained(folder, local_files_only=True)
    if config.num_hidden_layers <= UNREAD:
        raise CheckpointCorrupt(
            file=str(folder / "config.json"), why=said("has no more than {count} layers", count=UNREAD)
        )
    config.num_hidden_layers -= UNREAD
    with init_empty_weights(include_buffers=False):
        model = LlamaModel(config)
    without: Any = nn.Identity()
    model.norm = without
    return model


class Weights:
    """The tower's tensors as they lie in their files; each is mapped by itself, for as long as it is looked at."""

    def __init__(self, folder: Path) -> None:
        """raises: CheckpointIncomplete, CheckpointCorrupt"""
        self.folder = folder
        layers = int(read_json(folder / "config.json").get("num_hidden_layers", 0))
        self.files = Files(weight_files(folder, "text_encoder"))
        keys = [key for key in self.files.shapes if needed("text_encoder", key, layers)]
        self.keys = {key.removeprefix("model."): key for key in keys}

    def read(self, name: str) -> Tensor:
        """One tensor, mapped from its file: only what is looked at is read."""
        return self.files.read(self.keys[name])

    def expected(self, model: nn.Module, prefix: str = "") -> list[str]:
        """The names of a module's tensors; raises CheckpointCorrupt for one that is not there, or of another shape."""
        names, shapes = [], self.files.shapes
        for name, parameter in model.state_dict().items():
            name = prefix + name
            if name not in self.keys:
                raise CheckpointCorrupt(file=str(self.folder), why=unfit("missing_keys", name))
            if shapes[self.keys[name]] != tuple(parameter.shape):
                raise CheckpointCorrupt(file=str(self.folder), why=unfit("mismatched_keys", name))
            names.append(name)
        return names


class StreamedLlama:
    """The same tower, whose layers come as they are needed and go when the next one comes."""

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        """raises: CheckpointIncomplete, CheckpointCorrupt"""
        self.weights = Weights(folder)
        self.model = empty(folder).eval().requires_grad_(False)
        self.weights.expected(self.model)
        self.model.rotary_emb.to(device)
        self.device, self.dtype = device, dtype
        for n, layer in enumerate(self.model.layers):
            self.visit(layer, f"layers.{n}.")

    def visit(self, layer: nn.Module, prefix: str) -> None:
        """Give the layer its weights before it is called, and take them away after."""
        nothing = dict(layer.state_dict())

        def come(*_: object) -> None:
            tensors = {name: self.weights.read(prefix + name).to(self.device, self.dtype) for name in nothing}
            layer.load_state_dict(tensors, assign=True)

        def go(*_: object) -> None:
            layer.load_state_dict(nothing, assign=True)

        layer.register_forward_pre_hook(come)
        layer.register_forward_hook(go)

    @torch.no_grad()
    def __call__(self, input_ids: Tensor, **options: Any) -> Any:
        """As the whole tower answers. Of the embedding table only the rows of these tokens are looked at."""
        table = self.weights.read("embed_tokens.weight")
        embeds = table[input_ids.cpu()].to(self.device, self.dtype)
        return self.model(inputs_embeds=embeds, **options)
