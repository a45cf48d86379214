from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gen.types import Conditioning, Text

TEXT = Text(torch.randn(1, 3, 4), torch.randn(1, 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_conditioning_comes_back_from_its_file_to_the_bit(tmp_path: Path, dtype: torch.dtype) -> None:
    texts = {'夜 \n"x"': TEXT, "": Text(torch.randn(1, 1, 4).to(dtype), torch.randn(1, 2).to(dtype))}
    start = torch.randn(1, 2, 1, 4, 4)
    before = Conditioning(texts, TEXT, torch.randn(1, 9, 4).to(dtype), start, start)
    before.save(tmp_path / "c.safetensors")
    after = Conditioning.load(tmp_path / "c.safetensors")
    assert list(after.texts) == list(texts)
    assert after.negative is not None
    pairs = [(before.image_embeds, after.image_embeds), (before.start, after.start), (before.end, after.end)]
    for one, other in zip([*texts.values(), TEXT], [*after.texts.values(), after.negative], strict=True):
        pairs += [(one.prompt_embeds, other.prompt_embeds), (one.pooled, other.pooled)]
    for one, other in pairs:
        assert one is not None
        assert other is not None
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


def test_the_same_conditioning_makes_the_same_file(tmp_path: Path) -> None:
    before = Conditioning({"a": TEXT, "b": TEXT}, None, torch.zeros(1, 9, 4), torch.ones(1, 2, 1, 4, 4))
    for name in ("one", "two"):
        before.save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    after = Conditioning.load(tmp_path / "one")
    assert after.negative is None
    assert after.end is None


@pytest.mark.parametrize("length", range(8))
def test_what_is_read_lies_where_the_allocator_would_put_it(tmp_path: Path, length: int) -> None:
    """Whatever else stands in the file: at other addresses a CPU's matrix product may round otherwise."""
    Conditioning({"a" * length: TEXT}, None, torch.zeros(1, 9, 4), torch.ones(1, 2, 1, 4, 4)).save(tmp_path / "c")
    read = Conditioning.load(tmp_path / "c")
    (text,) = read.texts.values()
    tensors = (text.prompt_embeds, text.pooled, read.image_embeds, read.start)
    assert {tensor.data_ptr() % 64 for tensor in tensors} == {0}
