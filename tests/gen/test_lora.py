"""LoRAs of every habit, merged: compared with W + weight · alpha/rank · B A written out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers.loaders.lora_conversion_utils import _convert_hunyuan_video_lora_to_diffusers
from safetensors.torch import save_file
from torch import Tensor

from gen.errors import LoraUnusable
from gen.files import weight_files
from gen.lora import identity_of_loras, merge_of, read_lora
from gen.tensors import Files, Shape
from gen.transformer import Placement, load_transformer

GOLDEN = Path(__file__).parents[1] / "golden" / "weights" / "transformer"
RANK = 3


@pytest.fixture(scope="module")
def source() -> Files:
    return Files(weight_files(GOLDEN, "transformer"))


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def pair(rows: int, columns: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A (rank, columns) and B (rows, rank)."""
    return drawn(RANK, columns, seed=seed), drawn(rows, RANK, seed=seed + 1)


def merged(file: Path, source: Files, weight: float = 1.0) -> dict[str, Tensor]:
    merge = merge_of([(file, weight)], source.shapes)
    assert merge is not None
    return {name: merge(name, source.read(name)) for name in source.shapes}


def differences(ours: dict[str, Tensor], source: Files) -> dict[str, Tensor]:
    """What was added, for the weights that changed."""
    added = {name: ours[name].float() - source.read(name).float() for name in ours}
    return {name: delta for name, delta in added.items() if delta.abs().max() > 0}


def close(ours: Tensor, wanted: Tensor) -> bool:
    return torch.allclose(ours, wanted, rtol=1e-3, atol=2e-3)  # the golden weights are float16


def test_diffusers_names_with_an_alpha_in_the_header(source: Files, tmp_path: Path) -> None:
    name = "transformer_blocks.1.attn.to_q"
    rows, columns = source.shapes[f"{name}.weight"]
    a, b = pair(rows, columns)
    tensors = {f"transformer.{name}.lora_A.weight": a, f"transformer.{name}.lora_B.weight": b}
    save_file(tensors, tmp_path / "plain.safetensors")
    header = {"lora_adapter_metadata": json.dumps({"transformer.lora_alpha": 6, "transformer.r": RANK})}
    save_file(tensors, tmp_path / "header.safetensors", header)
    for file, scale in (("plain", 0.5), ("header", 0.5 * 6 / RANK)):
        found = differences(merged(tmp_path / f"{file}.safetensors", source, weight=0.5), source)
        assert list(found) == [f"{name}.weight"]
        assert close(found[f"{name}.weight"], scale * (b @ a))


@pytest.mark.parametrize(
    ("said", "scale"),
    [
        ({"lora_alpha": 6, "use_rslora": True}, 6 / RANK**0.5),
        (
            {
                "lora_alpha": 6,
                "use_rslora": False,
                "alpha_pattern": {"attn.to_k": 9, r"^transformer_blocks\.1\.attn.to_q": 2},
            },
            2 / RANK,
        ),
        ({"lora_alpha": 6, "alpha_pattern": {"to_k": 9, "q": 2}}, 6 / RANK),  # whole names only
    ],
)
def test_the_header_says_how_strong_each_layer_is(
    source: Files, tmp_path: Path, said: dict[str, object], scale: float
) -> None:
    name = "transformer_blocks.1.attn.to_q"
    a, b = pair(*source.shapes[f"{name}.weight"])
    tensors = {f"transformer.{name}.lora_A.weight": a, f"transformer.{name}.lora_B.weight": b}
    values = json.dumps({f"transformer.{key}": value for key, value in said.items()})
    save_file(tensors, tmp_path / "lora.safetensors", {"lora_adapter_metadata": values})
    (delta,) = read_lora(tmp_path / "lora.safetensors", 1.0, source.shapes)
    assert delta.scale == pytest.approx(scale)


def test_onetrainers_names_are_understood(source: Files, tmp_path: Path) -> None:
    name = "single_transformer_blocks.0.attn.to_q"
    a, b = pair(*source.shapes[f"{name}.weight"])
    module = f"lora_transformer_{name.replace('.', '_')}"
    tensors = {f"{module}.lora_down.weight": a, f"{module}.lora_up.weight": b, f"{module}.alpha": torch.tensor([2.0])}
    save_file(tensors, tmp_path / "lora.safetensors")
    (delta,) = read_lora(tmp_path / "lora.safetensors", 1.0, source.shapes)
    assert (delta.target.name, delta.scale) == (f"{name}.weight", pytest.approx(2 / RANK))


@pytest.mark.parametrize(
    "values", ["{", "[]", '{"lora_alpha": "much"}', '{"alpha_pattern": {"(": 1}}', '{"alpha_pattern": {"a": []}}']
)
def test_a_header_that_makes_no_sense_is_one_sentence(source: Files, tmp_path: Path, values: str) -> None:
    name = "transformer_blocks.1.attn.to_q"
    a, b = pair(*source.shapes[f"{name}.weight"])
    tensors = {f"{name}.lora_A.weight": a, f"{name}.lora_B.weight": b}
    save_file(tensors, tmp_path / "odd.safetensors", {"lora_adapter_metadata": values})
    with pytest.raises(LoraUnusable, match="header"):
        read_lora(tmp_path / "odd.safetensors", 1.0, source.shapes)


@pytest.mark.parametrize("spelling", ["musubi", "original", "comfy"])
def test_one_layer_for_three_is_cut_by_rows(source: Files, tmp_path: Path, spelling: str) -> None:
    parts = [f"transformer_blocks.0.attn.{part}.weight" for part in ("to_q", "to_k", "to_v")]
    rows, columns = source.shapes[parts[0]]
    a, b = pair(3 * rows, columns)
    tensors = {
        "musubi": {
            "lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": a,
            "lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight": b,
            "lora_unet_double_blocks_0_img_attn_qkv.alpha": torch.tensor(1.0),
        },
        "original": {
            "transformer.double_blocks.0.img_attn_qkv.lora_A.weight": a,
            "transformer.double_blocks.0.img_attn_qkv.lora_B.weight": b,
        },
        "comfy": {
            "diffusion_model.double_blocks.0.img_attn.qkv.lora_A.weight": a,
            "diffusion_model.double_blocks.0.img_attn.qkv.lora_B.weight": b,
        },
    }[spelling]
    save_file(tensors, tmp_path / "lora.safetensors")
    found = differences(merged(tmp_path / "lora.safetensors", source), source)
    scale = 1 / RANK if spelling == "musubi" else 1.0
    assert set(found) == set(parts)
    for n, part in enumerate(parts):
        assert close(found[part], scale * (b @ a)[n * rows : (n + 1) * rows])


def test_every_layer_of_a_single_block_and_of_the_refiner_finds_its_place(source: Files, tmp_path: Path) -> None:
    width = source.shapes["proj_out.weight"][1]
    mlp = source.shapes["single_transformer_blocks.0.proj_mlp.weight"][0]
    layers = {
        "single_blocks.1.linear1": (3 * width + mlp, width),
        "single_blocks.1.linear2": (width, width + mlp),
        "single_blocks.1.modulation.linear": (3 * width, width),
        "double_blocks.1.img_mlp.0": (4 * width, width),
        "double_blocks.1.txt_mod.lin": (6 * width, width),
        "txt_in.individual_token_refiner.blocks.0.self_attn_qkv": (3 * width, width),
        "final_layer.adaLN_modulation.1": (2 * width, width),
    }
    tensors = {}
    for name, (rows, columns) in layers.items():
        a, b = pair(rows, columns, seed=len(name))
        tensors |= {f"{name}.lora_A.weight": a, f"{name}.lora_B.weight": b}
    save_file(tensors, tmp_path / "lora.safetensors")
    found = differences(merged(tmp_path / "lora.safetensors", source), source)

    def product(name: str) -> Tensor:
        return tensors[f"{name}.lora_B.weight"] @ tensors[f"{name}.lora_A.weight"]

    linear1 = product("single_blocks.1.linear1")
    assert close(found["single_transformer_blocks.1.attn.to_v.weight"], linear1[2 * width : 3 * width])
    assert close(found["single_transformer_blocks.1.proj_mlp.weight"], linear1[3 * width :])
    assert close(found["single_transformer_blocks.1.proj_out.weight"], product("single_blocks.1.linear2"))
    assert close(found["single_transformer_blocks.1.norm.linear.weight"], product("single_blocks.1.modulation.linear"))
    assert close(found["transformer_blocks.1.ff.net.0.proj.weight"], product("double_blocks.1.img_mlp.0"))
    assert close(found["transformer_blocks.1.norm1_context.linear.weight"], product("double_blocks.1.txt_mod.lin"))
    refiner = "txt_in.individual_token_refiner.blocks.0.self_attn_qkv"
    ours = "context_embedder.token_refiner.refiner_blocks.0.attn.to_k.weight"
    assert close(found[ours], product(refiner)[width : 2 * width])
    last = product("final_layer.adaLN_modulation.1")
    assert close(found["norm_out.linear.weight"], torch.cat([last[width:], last[:width]]))
    assert len(found) == 4 + 1 + 1 + 1 + 1 + 3 + 1


def test_where_diffusers_converter_is_right_it_says_the_same(tmp_path: Path) -> None:
    width = 3072  # the only one that it knows
    shapes: dict[str, Shape] = {}
    for block in ("transformer_blocks.0", "single_transformer_blocks.0"):
        for part in ("attn.to_q", "attn.to_k", "attn.to_v"):
            shapes[f"{block}.{part}.weight"] = (width, width)
    shapes["single_transformer_blocks.0.proj_mlp.weight"] = (64, width)
    shapes["transformer_blocks.0.norm1.linear.weight"] = (6 * width, width)
    tensors = {}
    for name, rows in (
        ("double_blocks.0.img_attn_qkv", 3 * width),
        ("single_blocks.0.linear1", 3 * width + 64),
        ("double_blocks.0.img_mod.linear", 6 * width),
    ):
        tensors[f"{name}.lora_A.weight"], tensors[f"{name}.lora_B.weight"] = drawn(1, width), drawn(rows, 1)
    save_file(tensors, tmp_path / "lora.safetensors")
    theirs = _convert_hunyuan_video_lora_to_diffusers(dict(tensors))
    ours = {delta.target.name: delta for delta in read_lora(tmp_path / "lora.safetensors", 1.0, shapes)}
    assert {f"transformer.{name.removesuffix('.weight')}" for name in ours} == {
        key.removesuffix(".lora_B.weight") for key in theirs if key.endswith("lora_B.weight")
    }
    for name, delta in ours.items():
        module = f"transformer.{name.removesuffix('.weight')}"
        wanted = theirs[f"{module}.lora_B.weight"][:, 0] * theirs[f"{module}.lora_A.weight"][0, 5]
        assert torch.equal(delta.product()[:, 5], wanted)


def test_the_transformer_is_loaded_with_it_and_several_add_up(source: Files, tmp_path: Path) -> None:
    name = "transformer_blocks.0.ff.net.2"
    rows, columns = source.shapes[f"{name}.weight"]
    wanted = source.read(f"{name}.weight").float()
    files = []
    for n, weight in enumerate((1.0, -0.25)):
        a, b = pair(rows, columns, seed=100 * n)
        files.append((tmp_path / f"{n}.safetensors", weight))
        save_file({f"{name}.lora_A.weight": a, f"{name}.lora_B.weight": b}, files[-1][0])
        wanted = wanted + weight * (b @ a)
    merge = merge_of(files, source.shapes)
    made = load_transformer(GOLDEN, Placement("fp32"), torch.device("cpu"), merge)
    got = made.transformer.transformer_blocks[0].ff.net[2].weight
    assert torch.allclose(got, wanted.to(torch.float16).float(), rtol=1e-3, atol=1e-3)
    assert merge_of([], source.shapes) is None


def test_the_identity_changes_with_file_and_weight(tmp_path: Path) -> None:
    for n in range(2):
        save_file({"x.lora_A.weight": torch.full((1, 1), float(n))}, tmp_path / f"{n}.safetensors")
    said = {identity_of_loras([(tmp_path / f"{n}.safetensors", weight)]) for n in (0, 1) for weight in (1.0, 0.5)}
    assert len(said) == 4
    assert identity_of_loras([]) == ""
    with pytest.raises(LoraUnusable, match="not there"):
        identity_of_loras([(tmp_path / "none.safetensors", 1.0)])


QKV = "double_blocks.0.img_attn_qkv"


@pytest.mark.parametrize(
    ("tensors", "why"),
    [
        ({"lora_te1_layers_0.lora_down.weight": drawn(1, 2)}, "without its other half"),
        ({f"te.{end}.weight": drawn(2, 2) for end in ("lora_A", "lora_B")}, r"no layer for te\.lora_A\.weight"),
        ({f"{QKV}.{end}.weight": drawn(2, 2) for end in ("lora_A", "lora_B")}, r"img_attn_qkv\.lora_A.* makes 2 by 2"),
        ({f"{QKV}.hada_w1_a": drawn(2, 2)}, "hada_w1_a, which is no part"),
        (
            {
                "proj_out.lora_down.weight": drawn(1, 48),
                "proj_out.lora_up.weight": drawn(64, 1),
                "proj_out.alpha": drawn(2),
            },
            r"proj_out\.alpha with 2 values",
        ),
        ({}, "no LoRA layers"),
    ],
)
def test_a_file_that_does_not_fit_is_one_sentence(
    source: Files, tmp_path: Path, tensors: dict[str, Tensor], why: str
) -> None:
    save_file(tensors, tmp_path / "odd.safetensors")
    with pytest.raises(LoraUnusable, match=rf"odd\.safetensors.*{why}"):
        merge_of([(tmp_path / "odd.safetensors", 1.0)], source.shapes)


def test_a_file_that_is_none_is_one_sentence(source: Files, tmp_path: Path) -> None:
    (tmp_path / "odd.safetensors").write_bytes(b"<html>")
    with pytest.raises(LoraUnusable, match="no safetensors file"):
        merge_of([(tmp_path / "odd.safetensors", 1.0)], source.shapes)
    with pytest.raises(LoraUnusable, match="is not there"):
        merge_of([(tmp_path / "none.safetensors", 1.0)], source.shapes)
