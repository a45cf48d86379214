"""LoRAs merged into the transformer's weights as these are read: W + weight · alpha/rank · B A, in float32.

Files of three habits are understood: diffusers' (transformer_blocks.0.attn.to_q.lora_A.weight), HunyuanVideo's own
names (double_blocks.0.img_attn_qkv.lora_A.weight, also as ComfyUI spells them), and kohya's and musubi's with "_" for
"." (lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight, with an alpha), which OneTrainer does with diffusers'
names (lora_transformer_transformer_blocks_0_attn_to_q.lora_down.weight). diffusers' converter is not used: it knows
one width only (3072), and cuts the A of two layers as if it were their B. The product of both has rows that can be cut.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from db.said import said
from gen.errors import LoraUnusable
from gen.tensors import Merge, Shape

PREFIXES = ("lora_unet_", "lora_transformer_", "base_model.model.", "diffusion_model.", "transformer.", "unet.")
ENDS = {
    ".lora_A.weight": "A",
    ".lora_B.weight": "B",
    ".lora_A.default.weight": "A",
    ".lora_B.default.weight": "B",
    ".lora_down.weight": "A",
    ".lora_up.weight": "B",
    ".lora.down.weight": "A",
    ".lora.up.weight": "B",
    ".alpha": "alpha",
}
DOUBLE = {
    "img_attn_qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "txt_attn_qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "img_attn_proj": ("attn.to_out.0",),
    "txt_attn_proj": ("attn.to_add_out",),
    "img_mod_linear": ("norm1.linear",),
    "txt_mod_linear": ("norm1_context.linear",),
    "img_mlp_fc1": ("ff.net.0.proj",),
    "img_mlp_fc2": ("ff.net.2",),
    "txt_mlp_fc1": ("ff_context.net.0.proj",),
    "txt_mlp_fc2": ("ff_context.net.2",),
}
SINGLE = {
    "linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"),
    "linear2": ("proj_out",),
    "modulation_linear": ("norm.linear",),
}
REFINER = {
    "self_attn_qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "self_attn_proj": ("attn.to_out.0",),
    "mlp_fc1": ("ff.net.0.proj",),
    "mlp_fc2": ("ff.net.2",),
    "adaLN_modulation_1": ("norm_out.linear",),
}
OTHERS = {
    "img_in_proj": "x_embedder.proj",
    "time_in_mlp_0": "time_text_embed.timestep_embedder.linear_1",
    "time_in_mlp_2": "time_text_embed.timestep_embedder.linear_2",
    "guidance_in_mlp_0": "time_text_embed.guidance_embedder.linear_1",
    "guidance_in_mlp_2": "time_text_embed.guidance_embedder.linear_2",
    "vector_in_in_layer": "time_text_embed.text_embedder.linear_1",
    "vector_in_out_layer": "time_text_embed.text_embedder.linear_2",
    "final_layer_linear": "proj_out",
    "final_layer_adaLN_modulation_1": "norm_out.linear",
    "txt_in_input_embedder": "context_embedder.proj_in",
    "txt_in_t_embedder_mlp_0": "context_embedder.time_text_embed.timestep_embedder.linear_1",
    "txt_in_t_embedder_mlp_2": "context_embedder.time_text_embed.timestep_embedder.linear_2",
    "txt_in_c_embedder_linear_1": "context_embedder.time_text_embed.text_embedder.linear_1",
    "txt_in_c_embedder_linear_2": "context_embedder.time_text_embed.text_embedder.linear_2",
}
SWAPPED = ("norm_out.linear.weight",)  # of the last layer: shift and scale stand the other way round in the class
COMFY = (
    (r"(img|txt)_mlp_0$", r"\1_mlp_fc1"),
    (r"(img|txt)_mlp_2$", r"\1_mlp_fc2"),
    (r"_mod_lin$", "_mod_linear"),
    (r"modulation_lin$", "modulation_linear"),
)


@dataclass(frozen=True)
class Target:
    """Where rows of a LoRA's product go: begin and end in the product; swapped: its halves change places before."""

    name: str
    begin: int
    end: int
    swapped: bool = False


@dataclass(frozen=True)
class Scaling:
    """What the header of a file that diffusers wrote says of its layers' strength.

    alpha:    of all layers but those whose name a pattern matches
    root:     whether it is divided by the rank's root ("rslora")
    source:   LoraConfig of huggingface/peft: lora_alpha, alpha_pattern, use_rslora
    """

    alpha: float | None = None
    patterns: tuple[tuple[re.Pattern[str], float], ...] = ()
    root: bool = False

    def scale(self, module: str, rank: int, own: float | None) -> float:
        """own: the alpha that the layer has beside it, which comes first."""
        name = module.removeprefix("transformer.")
        of_pattern = next((alpha for pattern, alpha in self.patterns if pattern.match(name)), self.alpha)
        alpha = of_pattern if own is None else own
        return 1.0 if alpha is None else alpha / (rank**0.5 if self.root else rank)


@dataclass(frozen=True)
class Delta:
    """One LoRA layer for one weight: scale · (B A)[begin:end]."""

    a: Tensor
    b: Tensor
    scale: float
    target: Target

    def product(self) -> Tensor:
        """(rows, columns) float32."""
        whole = self.b.float().flatten(1) @ self.a.float().flatten(1)
        if self.target.swapped:
            whole = torch.cat(whole.chunk(2)[::-1])
        return self.scale * whole[self.target.begin : self.target.end]


def merge_of(loras: Sequence[tuple[Path, float]], shapes: Mapping[str, Shape]) -> Merge | None:
    """What changes each weight as it is read; None where there is no LoRA.

    loras:  (file, weight), merged one after the other
    shapes: of the transformer's weights, by name
    raises: LoraUnusable, with the file's name and its first key that does not fit
    """
    deltas: dict[str, list[Delta]] = {}
    for file, weight in loras:
        for delta in read_lora(file, weight, shapes):
            deltas.setdefault(delta.target.name, []).append(delta)
    if not deltas:
        return None

    def merge(name: str, tensor: Tensor) -> Tensor:
        if name not in deltas:
            return tensor
        merged = tensor.float().clone()
        for delta in deltas[name]:
            merged += delta.product().to(merged.device).view(tensor.shape)
        return merged.to(tensor.dtype)

    return merge


def read_lora(file: Path, weight: float, shapes: Mapping[str, Shape]) -> list[Delta]:
    """The layers of one file, each with where it goes. raises: LoraUnusable."""
    layers, scaling = read_layers(file)
    table = targets(shapes)
    deltas = []
    for module, parts in layers.items():
        key = parts["key"]
        if "A" not in parts or "B" not in parts:
            raise LoraUnusable(file=file.name, why=said("has {key} without its other half", key=key))
        found = table.get(canonical(module))
        if found is None:
            raise LoraUnusable(file=file.name, why=said("does not fit this model: it has no layer for {key}", key=key))
        a, b = parts["A"], parts["B"]
        rank = a.shape[0]
        rows, columns = b.flatten(1).shape[0], a.flatten(1).shape[1]
        fits = all(
            shapes[each.name][0] == each.end - each.begin and _columns(shapes[each.name]) == columns for each in found
        )
        if b.flatten(1).shape[1] != rank or rows != found[-1].end or not fits:
            sides = {"key": key, "rows": rows, "columns": columns}
            why = said("does not fit this model: {key} makes {rows} by {columns}", **sides)
            raise LoraUnusable(file=file.name, why=why)
        own = parts.get("alpha")
        if own is not None and own.numel() != 1:
            why = said("has {module}.alpha with {count} values in it", module=module, count=own.numel())
            raise LoraUnusable(file=file.name, why=why)
        scale = weight * scaling.scale(module, rank, None if own is None else float(own))
        deltas += [Delta(a, b, scale, target) for target in found]
    if not deltas:
        raise LoraUnusable(file=file.name, why=said("has no LoRA layers in it"))
    return deltas


def read_layers(file: Path) -> tuple[dict[str, dict[str, Tensor]], Scaling]:
    """Module → its A, B and alpha as the file has them; and what its header says of all."""
    layers: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(file, "pt") as opened:
            header = opened.metadata() or {}
            for key in sorted(opened.keys()):
                end = next((end for end in ENDS if key.endswith(end)), None)
                if end is None:
                    raise LoraUnusable(file=file.name, why=said("has {key}, which is no part of a plain LoRA", key=key))
                entry = layers.setdefault(key.removesuffix(end), {})
                entry[ENDS[end]] = opened.get_tensor(key).clone()
                entry.setdefault("key", key)
    except FileNotFoundError as error:
        raise LoraUnusable(file=str(file), why=said("is not there")) from error
    except (SafetensorError, OSError) as error:
        raise LoraUnusable(file=file.name, why=said("is cut off or no safetensors file")) from error
    try:
        return layers, scaling_in(header)
    except (ValueError, TypeError, AttributeError, re.error) as error:
        why = said("has a header that makes no sense (lora_adapter_metadata)")
        raise LoraUnusable(file=file.name, why=why) from error


def scaling_in(header: Mapping[str, str]) -> Scaling:
    """What stands in a header; nothing in those of others. raises: ValueError and its like."""
    values = json.loads(header.get("lora_adapter_metadata", "{}"))

    def read(key: str) -> Any:
        return values.get(f"transformer.{key}", values.get(key))

    alpha, patterns = read("lora_alpha"), read("alpha_pattern") or {}
    compiled = tuple((re.compile(rf"(.*\.)?({key})$"), float(value)) for key, value in patterns.items())
    return Scaling(None if alpha is None else float(alpha), compiled, bool(read("use_rslora")))


def targets(shapes: Mapping[str, Shape]) -> dict[str, list[Target]]:
    """Canonical name of a layer → the weights of the class that it goes into."""
    table: dict[str, list[Target]] = {}

    def add(name: str, modules: Sequence[str], *, swapped: bool = False) -> None:
        names = [f"{module}.weight" for module in modules]
        if all(each in shapes for each in names):
            ends = [sum(shapes[each][0] for each in names[: n + 1]) for n in range(len(names))]
            begins = [0, *ends[:-1]]
            table[name] = [Target(*each, swapped) for each in zip(names, begins, ends, strict=True)]

    for name in shapes:
        if name.endswith(".weight") and len(shapes[name]) >= 2:
            module = name.removesuffix(".weight")
            add(module.replace(".", "_"), [module])
    blocks = (
        ("transformer_blocks", "double_blocks", DOUBLE),
        ("single_transformer_blocks", "single_blocks", SINGLE),
        ("context_embedder.token_refiner.refiner_blocks", "txt_in_individual_token_refiner_blocks", REFINER),
    )
    for ours, theirs, parts in blocks:
        numbers = {int(m[1]) for name in shapes if (m := re.match(rf"{re.escape(ours)}\.(\d+)\.", name))}
        for n in numbers:
            for part, modules in parts.items():
                add(f"{theirs}_{n}_{part}", [f"{ours}.{n}.{module}" for module in modules])
    for theirs, module in OTHERS.items():
        add(theirs, [module], swapped=f"{module}.weight" in SWAPPED)
    return table


def canonical(module: str) -> str:
    """A layer's name without prefixes and with "_" for ".", whoever wrote it."""
    for prefix in PREFIXES:
        module = module.removeprefix(prefix)
    name = module.replace(".", "_")
    for pattern, proper in COMFY:
        name = re.sub(pattern, proper, name)
    return name


def _columns(shape: Shape) -> int:
    columns = 1
    for side in shape[1:]:
        columns *= side
    return columns


def identity_of_loras(loras: Sequence[tuple[Path, float]]) -> str:
    """Hashes and weights of the files, as a film's identity carries them; empty without any. raises: LoraUnusable."""
    parts = []
    for file, weight in loras:
        try:
            with file.open("rb") as opened:
                parts.append(f"{hashlib.file_digest(opened, 'sha256').hexdigest()[:12]}*{weight:g}")
        except OSError as error:
            raise LoraUnusable(file=str(file), why=said("is not there")) from error
    return ",".join(parts)
