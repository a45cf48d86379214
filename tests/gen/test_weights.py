"""Checkpoints as they are found, whole and damaged."""

from __future__ import annotations

import gc
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, SiglipVisionModel

from gen.card import PARTS, PRESETS, UNTRAINED, Checkpoint, find_checkpoint, find_tiny
from gen.encode import encode_picture
from gen.errors import (
    CheckpointCorrupt,
    CheckpointIncomplete,
    CheckpointMissing,
    DeviceMissing,
    FolderMissing,
    GenError,
    UnknownModel,
)
from gen.files import check, identity, present
from gen.tensors import Files
from gen.transformer import Placement
from gen.weights import Models, load, load_part

CARD = {
    "format": 1,
    "name": "golden",
    "version": "1",
    "trained": False,
    "latent_window_size": 4,
    "samplings": ["inverted", "f1"],
    "fps": 24,
    "size": "s",
    "sizes": {"s": [[32, 48], [48, 32]], "m": [[64, 64]]},
    "steps": 3,
    "guidance": 6,
    "cfg": 1.0,
    "rescale": 0.0,
    "step_cache": 0.1,
    "preview": {"factors": [[0.1, 0.2, 0.3]] * 16, "bias": [0, 0.5, 1]},
    "prompt_template": {"template": "<{}>", "crop_start": 1, "max_length": 9},
    "understands": [{"en": "night falls", "zh": "夜幕降临", "kind": "light"}],
    "licence": "Apache-2.0",
}
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(tmp_path: Path, checkpoint: Checkpoint) -> Path:
    """A whole checkpoint of our format."""
    for part, path in checkpoint.parts.items():
        shutil.copytree(path, tmp_path / "made" / part, copy_function=shutil.copyfile)
    write_card(tmp_path / "made", CARD)
    return tmp_path / "made"


def write_card(folder: Path, card: dict[str, object]) -> None:
    (folder / "flipbot.json").write_text(json.dumps(card), encoding="utf-8")


def test_a_folder_is_found_with_its_card(folder: Path) -> None:
    card = find_checkpoint(str(folder)).card
    assert (card.window, card.samplings, card.fps, card.step_cache) == (4, ("inverted", "f1"), 24, "teacache:0.1")
    assert card.sizes == {"s": ((32, 48), (48, 32)), "m": ((64, 64),)}
    assert (card.latent_channels, card.space_compression, card.time_compression) == (16, 8, 4)
    assert card.preview_bias == (0.0, 0.5, 1.0)
    assert (card.prompt_template.template, card.prompt_template.max_length) == ("<{}>", 9)
    assert card.understands[0]["zh"] == "夜幕降临"
    assert card.identity == "golden@1"


def test_every_part_is_loaded(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    models = load(find_checkpoint(str(folder)))
    assert all(getattr(models, part) is not None for part in PARTS)
    assert models.transformer.x_embedder.proj.weight.dtype == torch.float32
    assert not any(p.requires_grad for part in ("transformer", "vae") for p in getattr(models, part).parameters())
    assert load(find_checkpoint(str(folder)), dtype=torch.bfloat16, parts=("vae",)).vae.dtype == torch.bfloat16
    out, err = capfd.readouterr()
    assert out == ""
    assert "Loading weights" not in err


def test_spaces_and_line_breaks_reach_the_model_whatever_class_a_tokenizer_names(tmp_path: Path) -> None:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(["a red boat"], trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet))
    made.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer"}))
    loaded = load_part(tmp_path, "tokenizer", torch.device("cpu"), None)
    assert isinstance(loaded, PreTrainedTokenizerFast)
    words = "a red  boat\n\nat night"
    assert loaded(words).input_ids == made.encode(words).ids
    assert loaded.decode(loaded(words).input_ids) == words


def test_the_untrained_one_of_set_up_stands_in_for_tiny(folder: Path, tmp_path: Path) -> None:
    made, nowhere = folder.rename(folder.with_name(UNTRAINED)), tmp_path / "nowhere"
    assert find_tiny(tmp_path, nowhere) == made
    assert find_tiny(tmp_path, made) == find_tiny(None, made) == made
    for models_dir in (nowhere, None):
        with pytest.raises(CheckpointMissing, match="tiny"):
            find_tiny(models_dir, nowhere)


def test_a_name_that_is_none_is_answered_with_those_that_are() -> None:
    with pytest.raises(UnknownModel, match="tiny, framepack, framepack-f1"):
        find_checkpoint("no-such-model")
    with pytest.raises(FolderMissing, match="There is no folder /no/such/folder"):
        find_checkpoint("/no/such/folder")


def test_published_weights_are_looked_for_in_models_dir_alone(tmp_path: Path) -> None:
    for name, card in PRESETS.items():
        for models_dir in (tmp_path, None):
            with pytest.raises(CheckpointMissing, match=f"flipbot download {name}"):
                find_checkpoint(name, models_dir)
        assert card.latent_channels == len(card.preview_factors) == 16
        for size, buckets in card.sizes.items():
            assert len(set(buckets)) == 14
            assert all(h % 16 == w % 16 == 0 for h, w in buckets)
            assert all(0.9 < h * w / (608 * 640) * (640 / int(size)) ** 2 < 1.1 for h, w in buckets)


def cut(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])


def without_a_tensor(path: Path) -> None:
    tensors = load_file(path)
    tensors.pop(sorted(tensors)[3])
    save_file(tensors, path)


def of_another_shape(path: Path) -> None:
    tensors = load_file(path)
    key = next(key for key, x in sorted(tensors.items()) if x.ndim == 2)
    save_file(tensors | {key: torch.zeros(3, 5)}, path)


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        (f"transformer/{WEIGHTS}", lambda path: cut(path, 0)),
        (f"transformer/{WEIGHTS}", lambda path: cut(path, 20_000)),
        (f"vae/{WEIGHTS}", lambda path: path.write_bytes(b"<html>404</html>" * 99)),
        ("text_encoder/model.safetensors", lambda path: cut(path, path.stat().st_size - 1)),
        ("transformer", lambda path: without_a_tensor(path / WEIGHTS)),
        ("vae", lambda path: without_a_tensor(path / WEIGHTS)),
        ("image_encoder", lambda path: without_a_tensor(path / "model.safetensors")),
        ("transformer", lambda path: of_another_shape(path / WEIGHTS)),
        ("text_encoder_2", lambda path: of_another_shape(path / "model.safetensors")),
        ("transformer/config.json", lambda path: cut(path, 30)),
        ("vae/config.json", lambda path: path.write_text("[]")),
        ("text_encoder/config.json", lambda path: cut(path, 30)),
        ("tokenizer/tokenizer.json", lambda path: cut(path, 100)),
        ("tokenizer", lambda path: (path / "tokenizer.json").write_text("{}")),
        ("feature_extractor/preprocessor_config.json", lambda path: path.write_text("{")),
        ("flipbot.json", lambda path: cut(path, 60)),
    ],
)
@pytest.mark.filterwarnings("ignore")  # the stock loaders may warn before they fail
def test_a_damaged_file_is_named(folder: Path, file: str, damage: Callable[[Path], object]) -> None:
    damage(folder / file)
    with pytest.raises(CheckpointCorrupt) as caught:
        load(find_checkpoint(str(folder)))
    assert str(caught.value.facts["file"]) == str(folder / file)
    json.dumps(caught.value.facts)


@pytest.mark.parametrize(
    "file",
    [
        f"transformer/{WEIGHTS}",
        f"vae/{WEIGHTS}",
        "text_encoder/model.safetensors",
        "image_encoder/config.json",
        "tokenizer/tokenizer.json",
        "tokenizer_2/tokenizer_config.json",
        "tokenizer_2/vocab.json",
        "tokenizer_2/merges.txt",
        "feature_extractor/preprocessor_config.json",
        "flipbot.json",
    ],
)
def test_an_absent_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(CheckpointIncomplete) as caught:
        load(find_checkpoint(str(folder)))
    assert str(caught.value.facts["file"]) == str(folder / file)


def test_an_absent_shard_is_named(folder: Path) -> None:
    weights = folder / "transformer" / WEIGHTS
    shard = weights.with_name("shard-1-of-2.safetensors")
    weights.rename(shard)
    index = {"metadata": {}, "weight_map": {"a": shard.name, "b": "shard-2-of-2.safetensors"}}
    weights.with_name(f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointIncomplete, match=r"shard-2-of-2"):
        load(find_checkpoint(str(folder)))


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"samplings": []},
        {"samplings": ["sideways"]},
        {"size": "xl"},
        {"sizes": {"s": [[30, 48]]}},
        {"sizes": {"s": []}},
        {"steps": 0},
        {"fps": "many"},
        {"latent_window_size": None},
        {"preview": {"factors": [[0, 0, 0]] * 15, "bias": [0, 0, 0]}},
        {"preview": {"factors": [[0, 0]] * 16, "bias": [0, 0, 0]}},
        {"prompt_template": {"words": "{}"}},
    ],
)
def test_a_card_that_does_not_fit_is_refused(folder: Path, change: dict[str, object]) -> None:
    write_card(folder, CARD | change)
    with pytest.raises(CheckpointCorrupt, match=r"flipbot\.json"):
        find_checkpoint(str(folder))


def test_a_card_without_a_key_is_refused_by_its_name(folder: Path) -> None:
    write_card(folder, {key: value for key, value in CARD.items() if key != "guidance"})
    with pytest.raises(CheckpointCorrupt, match="guidance"):
        find_checkpoint(str(folder))


def test_the_identity_changes_with_any_weight(folder: Path) -> None:
    checkpoint = find_checkpoint(str(folder))
    before = identity(checkpoint)
    assert before.startswith("golden@1+")
    assert identity(checkpoint) == before
    path = folder / "vae" / WEIGHTS
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert identity(checkpoint) != before


@pytest.mark.parametrize("device", ["cuda:97", "nonsense", "meta"])
def test_a_device_that_is_not_there_is_said(checkpoint: Checkpoint, device: str) -> None:
    with pytest.raises(DeviceMissing, match=device):
        load(checkpoint, device=device)


def test_every_error_has_a_reason_of_its_own_and_a_sentence() -> None:
    kinds = GenError.__subclasses__()
    assert len({kind.reason for kind in kinds}) == len(kinds) > 10
    assert all(str(kind()) for kind in kinds)  # facts absent: still no KeyError


def test_a_weight_file_that_goes_is_missed(folder: Path) -> None:
    checkpoint = find_checkpoint(str(folder))
    present(checkpoint)
    check(checkpoint)
    (folder / "vae" / WEIGHTS).unlink()
    for look in (present, check):
        with pytest.raises(CheckpointIncomplete) as missed:
            look(checkpoint)
        assert missed.value.facts["file"] == str(folder / "vae" / WEIGHTS)


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not list what is mapped")
def test_a_tensor_is_mapped_from_its_file_and_let_go_of(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    save_file({"a": torch.arange(1 << 20, dtype=torch.float32), "b": torch.ones(3)}, file)

    def mapped() -> bool:
        return str(file) in Path("/proc/self/maps").read_text()

    tensor = Files([file]).read("a")
    assert mapped()
    assert float(tensor[-1]) == (1 << 20) - 1
    del tensor
    assert not mapped()


def test_where_room_is_short_the_picture_s_encoder_is_there_only_while_it_is_called(
    checkpoint: Checkpoint, picture: Image.Image
) -> None:
    parts = ("transformer", "image_encoder", "feature_extractor")

    def loaded(*, aside: bool) -> Models:
        return load(checkpoint, parts=parts, placement=Placement(aside=aside))

    expected = encode_picture(loaded(aside=False), picture)
    gc.collect()
    before = sum(type(each) is SiglipVisionModel for each in gc.get_objects())
    models = loaded(aside=True)
    assert torch.equal(encode_picture(models, picture), expected)
    assert sum(type(each) is SiglipVisionModel for each in gc.get_objects()) == before
