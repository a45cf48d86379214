"""The published repositories with the golden weights in them, as the hub has them: shards, indices, needless files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors.torch import load_file, save
from torch import Tensor

from gen.sources import HUNYUAN, REDUX, SOURCES
from tests.fakes.hub import Hub, Repo

GOLDEN = Path(__file__).parents[1] / "golden"
F1 = SOURCES["framepack-f1"]["transformer"].repo
LLAMA_LAYERS = 4  # of the golden Llama; the last two are never read


def in_shards(stem: str, groups: Sequence[Mapping[str, Tensor]]) -> dict[str, bytes]:
    """Each group as a file of its own, with the index of all."""
    files, weight_map = {}, {}
    for n, group in enumerate(groups, start=1):
        name = f"{stem}-{n:05}-of-{len(groups):05}.safetensors"
        files[name] = save(dict(group), {"format": "pt"})
        weight_map |= dict.fromkeys(group, name)
    index = {"metadata": {"total_size": sum(map(len, files.values()))}, "weight_map": weight_map}
    return files | {f"{stem}.safetensors.index.json": json.dumps(index).encode()}


def folder_of(name: str) -> dict[str, bytes]:
    part = GOLDEN / ("weights" if name in ("transformer", "vae") else "encoders") / name
    return {path.name: path.read_bytes() for path in part.iterdir()}


def transformer() -> dict[str, bytes]:
    """Three files and their index, at the root of the repository."""
    files = folder_of("transformer")
    tensors = load_file(GOLDEN / "weights" / "transformer" / "diffusion_pytorch_model.safetensors")
    del files["diffusion_pytorch_model.safetensors"]
    keys = sorted(tensors)
    groups = [{key: tensors[key] for key in keys[n::3]} for n in range(3)]
    return files | in_shards("diffusion_pytorch_model", groups) | {"README.md": b"# weights", ".gitattributes": b"*"}


def llama() -> dict[str, bytes]:
    """Three files: one of needed layers, one that holds a layer of each kind, one that nobody reads."""
    files = folder_of("text_encoder")
    tensors = load_file(GOLDEN / "encoders" / "text_encoder" / "model.safetensors")
    del files["model.safetensors"]
    groups: list[dict[str, Tensor]] = [{}, {}, {}]
    for key, tensor in sorted(tensors.items()):
        layer = int(key.split(".")[1]) if key.startswith("layers.") else None
        groups[{None: 0, 0: 0, 1: 1, 2: 1, 3: 2}[layer] if key != "norm.weight" else 2][key] = tensor
    return files | in_shards("model", groups)


def hub_of_golden() -> Hub:
    """What `flipbot download framepack-f1` asks for, in small."""
    parts = {name: folder_of(name) for name in ("vae", "text_encoder_2", "tokenizer", "tokenizer_2")}
    parts["text_encoder"] = llama()
    hunyuan = {f"{part}/{name}": data for part, files in parts.items() for name, data in files.items()}
    hunyuan |= {"transformer/diffusion_pytorch_model-00001-of-00006.safetensors": b"x" * 4096, "README.md": b"hi"}
    redux = {
        f"{part}/{name}": data
        for part in ("image_encoder", "feature_extractor")
        for name, data in folder_of(part).items()
    }
    redux["image_embedder/diffusion_pytorch_model.safetensors"] = b"y" * 4096
    return Hub({F1: Repo(transformer()), HUNYUAN: Repo(hunyuan), REDUX: Repo(redux)})
