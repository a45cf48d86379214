"""The Llama without its end: the same numbers as the whole one, loaded whole and layer by layer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaModel

from gen.errors import CheckpointCorrupt
from gen.llama import StreamedLlama, empty, load_llama

LAYERS = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of six layers in float16, as it is published."""
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=300,
        hidden_size=64,
        intermediate_size=160,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
    )
    folder = tmp_path_factory.mktemp("llama")
    LlamaModel(config).half().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def ids() -> torch.Tensor:
    return torch.randint(0, 300, (1, 57), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_equals_the_third_hidden_state_of_the_whole_one(folder: Path, ids: torch.Tensor, dtype: torch.dtype) -> None:
    whole = LlamaModel.from_pretrained(folder, dtype=dtype).eval()
    with torch.no_grad():
        wanted = whole(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states[-3]
        ours = load_llama(folder, dtype)(input_ids=ids, use_cache=False).last_hidden_state
    assert wanted.dtype == ours.dtype == dtype
    assert torch.equal(ours, wanted)
    streamed = StreamedLlama(folder, torch.device("cpu"), dtype)
    for _ in range(2):  # the layers come a second time
        assert torch.equal(streamed(input_ids=ids, use_cache=False).last_hidden_state, wanted)


def test_no_layer_stays_when_it_is_streamed(folder: Path, ids: torch.Tensor) -> None:
    streamed = StreamedLlama(folder, torch.device("cpu"), torch.float32)
    held: list[int] = []
    for layer in streamed.model.layers:
        layer.register_forward_hook(
            lambda *_: held.append(sum(not p.is_meta for layer in streamed.model.layers for p in layer.parameters()))
        )
    streamed(input_ids=ids, use_cache=False)
    assert held == [0] * (LAYERS - 2)
    assert all(p.is_meta for p in streamed.model.parameters())


def test_what_is_not_needed_need_not_be_there(folder: Path, ids: torch.Tensor, tmp_path: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    kept = {
        key: x for key, x in tensors.items() if not key.startswith((f"layers.{LAYERS - 1}", f"layers.{LAYERS - 2}"))
    }
    del kept["norm.weight"]
    save_file(kept, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    for load in (
        lambda at: load_llama(at, torch.float32),
        lambda at: StreamedLlama(at, torch.device("cpu"), torch.float32),
    ):
        ours, theirs = load(tmp_path), load(folder)
        with torch.no_grad():
            assert torch.equal(ours(input_ids=ids)[0], theirs(input_ids=ids)[0])


def test_a_tensor_that_lacks_or_does_not_fit_is_named(folder: Path, tmp_path: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    name = "layers.2.mlp.up_proj.weight"
    for changed in ({name: torch.zeros(3, 3)}, {}):
        rest = {key: x for key, x in tensors.items() if key != name}
        save_file(rest | changed, tmp_path / "model.safetensors")
        with pytest.raises(CheckpointCorrupt, match=r"layers\.2\.mlp\.up_proj"):
            load_llama(tmp_path, torch.float32)
        with pytest.raises(CheckpointCorrupt, match=r"layers\.2\.mlp\.up_proj"):
            StreamedLlama(tmp_path, torch.device("cpu"), torch.float32)


def test_a_tower_of_two_layers_is_none(folder: Path, tmp_path: Path) -> None:
    config = json.loads((folder / "config.json").read_text()) | {"num_hidden_layers": 2}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointCorrupt, match="no more than 2 layers"):
        empty(tmp_path)
