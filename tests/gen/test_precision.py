"""Layers kept in fewer bits: what they compute, and that rounding their input takes little memory."""

from __future__ import annotations

import sys
import types

import pytest
import torch
from torch import Tensor, nn

from gen import precision
from gen.bench.live import peak_of

META = torch.device("meta")
MANY = 2 * precision.ROWS + 5  # rows of an input: two whole pieces, and one that is not


def packed(kind: type[precision.Packed], weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> precision.Packed:
    layer = kind(weight.shape[1], weight.shape[0], bias is not None, dtype)
    for name, tensor in layer.pack(weight).items():
        setattr(layer, name, precision.frozen(tensor))
    layer.bias = None if bias is None else precision.frozen(bias.to(dtype))
    return layer


def off(made: Tensor, right: Tensor) -> float:
    return float((made.float() - right).norm() / right.norm())


@pytest.mark.parametrize("bias", [True, False])
def test_a_product_in_fp8_is_near_the_wide_one_and_rows_do_not_hear_of_each_other(bias: bool) -> None:
    torch.manual_seed(1)
    weight, added = torch.randn(32, 64) / 8, torch.randn(32) if bias else None
    x = torch.randn(1, MANY, 64, dtype=torch.bfloat16) * torch.logspace(-3, 3, MANY)[None, :, None].bfloat16()
    layer = packed(precision.Linear8, weight, added, torch.bfloat16)
    wide = nn.functional.linear(x.float(), weight, added)
    assert off(layer(x), wide) < 0.05
    assert isinstance(layer, precision.Linear8)
    layer.fast = True
    made = layer(x)
    assert (made.dtype, made.shape) == (torch.bfloat16, wide.shape)
    assert off(made[:, : MANY // 2], wide[:, : MANY // 2]) < 0.06  # the small ones have a scale of their own
    pieces = torch.cat([layer(some) for some in precision.pieces(x[0])])[None]
    assert torch.equal(made, pieces)


def test_an_input_is_rounded_once_for_all_of_its_products(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(5)
    layers = [packed(precision.Linear8, torch.randn(32, 32), None, torch.bfloat16) for _ in range(3)]
    seen: list[Tensor] = []
    rounds = precision.rounded
    monkeypatch.setattr(precision, "rounded", lambda x: seen.append(x.clone()) or rounds(x))

    def products(x: Tensor) -> list[Tensor]:
        return [precision.scaled_product(x, layer.weight, layer.scale, None) for layer in layers]

    x, other = torch.randn(2, 1, 9, 32, dtype=torch.bfloat16)
    first = products(x)
    assert len(seen) == 1
    products(other)
    assert all(torch.equal(*each) for each in zip(products(x), first, strict=True))
    assert len(seen) == 3
    x.mul_(2)  # the same tensor, but not the same values
    assert torch.equal(products(x)[0], 2 * first[0])
    assert len(seen) == 4
    del x
    assert precision.LAST.made is None, "what was rounded goes with what it was made of"


def test_what_is_rounded_to_fp8_gets_neither_larger_nor_smaller() -> None:
    torch.manual_seed(6)
    x = torch.randn(64, 8192, dtype=torch.bfloat16) * torch.linspace(1, 2, 64, dtype=torch.bfloat16)[:, None]
    narrow, scale = precision.rounded(x)
    wide, given = narrow.float() * scale, x.float()
    gain = (wide * given).sum(1) / given.square().sum(1)
    assert float((gain - 1).abs().max()) < 3e-3
    most = torch.full((512, 16), 1.0, dtype=torch.bfloat16) * torch.linspace(1, 2, 512).bfloat16()[:, None]
    assert precision.rounded(most)[0].float().isfinite().all()  # none is above the largest e4m3
    assert precision.rounded(torch.zeros(2, 16))[0].float().abs().max() == 0


def test_a_product_in_fp16_bears_what_float16_cannot_hold() -> None:
    torch.manual_seed(2)
    weight, added = torch.randn(16, 48) / 7, torch.randn(16)
    layer = packed(precision.Linear16, weight, added, torch.float32)
    for most in (1.0, 3e5):
        x = torch.randn(2, MANY, 48)
        x[0, 3, 5] = -most  # the largest may be below nothing
        made = layer(x)
        assert (made.dtype, made.shape) == (torch.float32, (2, MANY, 16))
        assert off(made, nn.functional.linear(x, weight, added)) < 2e-3


FEWER_BITS = [precision.Linear8, *([precision.Linear4] if precision.has_four_bit() else [])]


@pytest.mark.parametrize("kind", FEWER_BITS)
def test_fewer_bits_multiplied_as_fp16_are_what_they_are_multiplied_wide(kind: type[precision.Packed]) -> None:
    torch.manual_seed(4)
    weight = torch.randn(16, 64) * torch.logspace(-6, 0, 16)[:, None]  # scales that float16 could not hold
    layer = packed(kind, weight, torch.randn(16), torch.float32)
    for most in (1.0, 3e5):
        x = torch.randn(2, MANY, 64)
        x[0, 3, 5] = -most
        layer.in_half = False
        wide = layer(x)
        layer.in_half = True
        made = layer(x)
        assert (made.dtype, made.shape) == (torch.float32, wide.shape)
        assert off(made, wide) < 2e-3
        for row in (0, 15):  # one whose weights are small, and one whose weights are not
            assert off(made[..., row], wide[..., row]) < 5e-3
    layer.narrow = True
    assert layer(torch.randn(1, 3, 64)).dtype == torch.float16


@pytest.mark.parametrize("kind", ["fp16", "fp8"])
def test_rounding_an_input_takes_a_piece_of_it_at_a_time(kind: str) -> None:
    rows, inputs, outputs = 16_000, 15_360, 3072  # the largest product of the 13 B model
    with META:
        layer = precision.KINDS[kind](inputs, outputs, True, torch.bfloat16)
        x = torch.empty(1, rows, inputs, dtype=torch.float16 if kind == "fp16" else torch.bfloat16)
    if isinstance(layer, precision.Linear8):
        layer.fast = True
    made = rows * outputs * (4 if kind == "fp16" else 2)
    rounded = 0 if kind == "fp16" else rows * inputs  # a byte each: the product wants them all
    assert peak_of(lambda: layer(x)) < made + rounded + 4 * precision.ROWS * inputs * 2


@pytest.mark.skipif(not precision.has_four_bit(), reason="bitsandbytes is not installed")
def test_a_product_in_four_bits_is_near_the_wide_one() -> None:
    torch.manual_seed(3)
    weight, added, x = torch.randn(32, 128) / 11, torch.randn(32), torch.randn(1, 9, 128)
    layer = packed(precision.Linear4, weight, added, torch.float32)
    assert off(layer(x), nn.functional.linear(x, weight, added)) < 0.12
    assert precision.four_bit_works("cpu")


def test_four_bits_that_cannot_be_computed_are_not_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def quantize_4bit(self, *_: object, **__: object) -> object:
            raise RuntimeError("Configured CUDA binary not found")

    precision.four_bit.cache_clear()
    monkeypatch.setitem(sys.modules, "bitsandbytes", types.SimpleNamespace(functional=Broken()))
    monkeypatch.setitem(sys.modules, "bitsandbytes.functional", Broken())
    assert not precision.four_bit_works("cpu")
    precision.four_bit.cache_clear()
