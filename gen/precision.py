"""How the weights of the blocks are kept: as they are, or in fewer bits with scales, and what computes with them.

    fp32, bf16  the layers as they are
    fp16        weights and matrix products in float16, what flows between the layers in float32: FramePack's residuals
                exceed what float16 can hold (black films), and cards before Ampere have no bfloat16
    fp8         e4m3 with one scale for each output channel; a real fp8 product where the card has one (sm89 and later),
                elsewhere the weight is widened for the product
    nf4         4 bits, NormalFloat with one scale for 64 values, by bitsandbytes (the extra `flipbot[nf4]`)

On cards before Ampere fp8 and nf4 are kept so and multiplied as fp16: float32 products are many times slower there.

All linear layers of the 60 blocks are kept so; the embedders, the refiner and the output head stay as they are, and the
modulation, which usual tools leave wide and resident, is computed from the file's own values (gen/modulation.py).
"""

from __future__ import annotations

import importlib.util
import weakref
from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gen.tensors import Source

E4M3_MOST = 448.0  # the largest float8_e4m3fn
ROWS = 2048  # of a product's input that are rounded at once: a copy of all of them would be the largest tensor there is
NF4_BLOCK = 64  # values that share a scale
NAMES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def compute_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The dtype that flows between the blocks, and that of the weights which are kept as they are."""
    if precision in NAMES:
        return NAMES[precision]
    if precision == "fp16" or device.type != "cuda" or not has_bf16(device):
        return torch.float32
    return torch.bfloat16


def has_bf16(device: torch.device) -> bool:
    """Whether the card multiplies bfloat16 itself (Ampere and later) and does not only imitate it, 20 times slower."""
    return torch.cuda.get_device_capability(device) >= (8, 0)


def halves(precision: str, device: torch.device) -> bool:
    """Whether matrices are multiplied in float16, while float32 flows between the layers."""
    return precision == "fp16" or (precision in KINDS and device.type == "cuda" and not has_bf16(device))


class Packed(nn.Module):
    """A linear layer whose weight is kept in another form, and widened for its product.

    in_half: the product is one of float16    narrow: and float16 goes out, too
    """

    def __init__(self, inputs: int, outputs: int, bias: bool, dtype: torch.dtype) -> None:
        super().__init__()
        self.inputs, self.outputs = inputs, outputs
        self.bias = nn.Parameter(torch.empty(outputs, dtype=dtype), requires_grad=False) if bias else None
        self.in_half = self.narrow = False

    def pack(self, weight: Tensor) -> dict[str, Tensor]:
        """The tensors that this layer keeps of a weight (out, in)."""
        raise NotImplementedError

    def widened(self, dtype: torch.dtype) -> Tensor:
        """The weight (out, in) as a product wants it."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in) to (..., out)."""
        if not self.in_half:
            return F.linear(x, self.widened(x.dtype), self.bias)
        weight = self.widened(torch.float16)
        if self.narrow:
            bias = None if self.bias is None else self.bias.to(torch.float16)
            return F.linear(x.to(torch.float16), weight, bias)
        return half_product(x, weight, self.bias)

    def extra_repr(self) -> str:
        """As nn.Linear has it."""
        return f"in_features={self.inputs}, out_features={self.outputs}, bias={self.bias is not None}"


def half_product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A product in float16 of x (..., in) as wide as it comes; float32 (..., out).

    x is scaled into float16's range, so that no product overflows: the scale is a power of two.
    """
    lowest, highest = x.aminmax()
    most = torch.maximum(-lowest, highest).float()
    scale = torch.exp2(torch.ceil(torch.log2((most / HALF_SAFE).clamp(min=1.0))))
    rows = x.reshape(-1, x.shape[-1])
    out = rows.new_empty(rows.shape[0], weight.shape[0], dtype=torch.float32)
    for some, made in zip(pieces(rows), pieces(out), strict=True):
        made.copy_(F.linear((some / scale).to(torch.float16), weight)).mul_(scale)
        if bias is not None:
            made.add_(bias)
    return out.view(*x.shape[:-1], -1)


class Linear16(Packed):
    """float16 weight."""

    def __init__(self, inputs: int, outputs: int, bias: bool, dtype: torch.dtype) -> None:
        super().__init__(inputs, outputs, bias, dtype)
        self.weight = frozen(torch.empty(outputs, inputs, dtype=torch.float16))
        self.in_half = True

    def pack(self, weight: Tensor) -> dict[str, Tensor]:
        """Rounded."""
        return {"weight": weight.to(torch.float16)}

    def widened(self, dtype: torch.dtype) -> Tensor:
        """As it is."""
        return self.weight


def pieces(rows: Tensor) -> list[Tensor]:
    """ROWS rows after the other; not copied. All at once for a compiler, which fuses what is done to them.

    A loop over them would be compiled anew for each number of tokens.
    """
    if torch.compiler.is_compiling():
        return [rows]
    return [rows[n : n + ROWS] for n in range(0, len(rows), ROWS)]


# Layers whose input is a modulated norm, so bounded, and whose output stays within the block: float16 all through, and
# so the attention between them. What adds to the residual comes out as float32.
NARROW = ("to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj", "proj_mlp", "proj")
HALF_SAFE = 256.0  # largest input of a float16 product: sums of 15 360 stay far below float16's 65 504


class Linear8(Packed):
    """e4m3 weight with a float32 scale for each output."""

    def __init__(self, inputs: int, outputs: int, bias: bool, dtype: torch.dtype) -> None:
        super().__init__(inputs, outputs, bias, dtype)
        self.weight = frozen(torch.empty(outputs, inputs, dtype=torch.float8_e4m3fn))
        self.scale = frozen(torch.empty(outputs, 1, dtype=torch.float32))
        self.fast = False

    def pack(self, weight: Tensor) -> dict[str, Tensor]:
        """The largest value of a row becomes the largest e4m3."""
        wide = weight.float()
        scale = wide.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / E4M3_MOST
        return {"weight": (wide / scale).to(torch.float8_e4m3fn), "scale": scale}

    def widened(self, dtype: torch.dtype) -> Tensor:
        """Each row times its scale, which float16 could not hold beside a small weight."""
        if dtype != torch.float16:
            return self.weight.to(dtype) * self.scale.to(dtype)
        wide = torch.empty_like(self.weight, dtype=dtype)
        for some, scale, made in zip(pieces(self.weight), pieces(self.scale), pieces(wide), strict=True):
            made.copy_(some.float() * scale)
        return wide

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in) to (..., out)."""
        return scaled_product(x, self.weight, self.scale, self.bias) if self.fast else super().forward(x)


def scaled_product(x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor | None) -> Tensor:
    """A product of e4m3 by e4m3, x rounded with a scale for each of its rows; the sum in float32, the result as x."""
    narrow, of_rows = LAST.rounded(x)
    added = None if bias is None else bias.to(torch.bfloat16)  # as it is: cards with such products have bfloat16
    out = torch._scaled_mm(narrow, weight.t(), bias=added, scale_a=of_rows, scale_b=scale.t(), out_dtype=torch.bfloat16)
    if x.shape[-1] != weight.shape[0]:  # what is no query, key or value has its input for itself, and needs the room
        LAST.forget()
    return out.to(x.dtype).reshape(*x.shape[:-1], -1)


def rounded(x: Tensor) -> tuple[Tensor, Tensor]:
    """x (..., in) as e4m3 (rows, in), and the scale of each row, float32 (rows, 1)."""
    rows = x.reshape(-1, x.shape[-1])
    of_rows = rows.new_empty(rows.shape[0], 1, dtype=torch.float32)
    narrow = rows.new_empty(rows.shape, dtype=torch.float8_e4m3fn)
    for some, scale, kept in zip(pieces(rows), pieces(of_rows), pieces(narrow), strict=True):
        largest = torch.linalg.vector_norm(some, torch.inf, dim=1, keepdim=True)
        # In x's dtype: it is divided by what the product is multiplied by. Where that was rounded down, the largest
        # comes out above 448 by less than the 16 from which on e4m3 has no number.
        least = largest.clamp_(min=1e-12).div_(E4M3_MOST)
        scale.copy_(least)
        kept.copy_(some / least)
    return narrow, of_rows


class Last:
    """The input that was rounded last, and what came of it: queries, keys and values are products of one tensor.

    It is forgotten with its tensor, and before the next one is rounded.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self, _: object = None) -> None:
        """Nothing is kept."""
        self.x: weakref.ref[Tensor] | None = None
        self.version = -1
        self.made: tuple[Tensor, Tensor] | None = None

    def rounded(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """As the function does it; once for a tensor that was not changed since."""
        # A compiler sees by itself what is computed twice; what is made for inference alone does not know its changes
        if torch.compiler.is_compiling() or x.is_inference():
            return rounded(x)
        if self.made is None or self.x is None or self.x() is not x or self.version != x._version:
            self.forget()
            self.made = rounded(x)
            self.x, self.version = weakref.ref(x, self.forget), x._version
        return self.made


LAST = Last()


@cache
def has_fp8_product(device: torch.device) -> bool:
    """Whether this card and this PyTorch multiply e4m3 with scales by row: tried out, not looked up."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < (8, 9):
        return False
    x = torch.ones(32, 64, device=device, dtype=torch.bfloat16)
    weight = torch.ones(16, 64, device=device).to(torch.float8_e4m3fn)
    try:
        out = scaled_product(x, weight, torch.ones(16, 1, device=device), x.new_ones(16))
    except (RuntimeError, ValueError, NotImplementedError):
        return False
    return bool((out.float() - 65).abs().max() < 1)


class Linear4(Packed):
    """NF4 weight: two values a byte, a float32 scale for 64 of them."""

    def __init__(self, inputs: int, outputs: int, bias: bool, dtype: torch.dtype) -> None:
        super().__init__(inputs, outputs, bias, dtype)
        values = inputs * outputs
        self.weight = frozen(torch.empty(-(-values // 2), 1, dtype=torch.uint8))
        self.absmax = frozen(torch.empty(-(-values // NF4_BLOCK), dtype=torch.float32))

    def pack(self, weight: Tensor) -> dict[str, Tensor]:
        """As bitsandbytes quantises it."""
        kept, state = four_bit().quantize_4bit(
            weight.float().contiguous(), blocksize=NF4_BLOCK, quant_type="nf4", compress_statistics=False
        )
        return {"weight": kept, "absmax": state.absmax}

    def widened(self, dtype: torch.dtype) -> Tensor:
        """As bitsandbytes widens it."""
        state = four_bit().QuantState(
            absmax=self.absmax,
            shape=torch.Size((self.outputs, self.inputs)),
            code=nf4_levels(self.weight.device),
            blocksize=NF4_BLOCK,
            quant_type="nf4",
            dtype=dtype,
        )
        wide: Tensor = four_bit().dequantize_4bit(self.weight, state)
        return wide


@cache
def nf4_levels(device: torch.device) -> Tensor:
    """The sixteen levels of NormalFloat, float32, once a device."""
    levels: Tensor = four_bit().get_4bit_type("nf4", device=device)
    return levels


@cache
def four_bit() -> Any:
    """bitsandbytes' functions; imported late, it looks for a card when imported."""
    import bitsandbytes.functional

    return bitsandbytes.functional


def has_four_bit() -> bool:
    """Whether bitsandbytes is installed."""
    return importlib.util.find_spec("bitsandbytes") is not None


def four_bit_works(device: str) -> bool:
    """Whether it packs and widens on this device: it brings libraries of its own for each version of CUDA."""
    levels = torch.linspace(-1, 1, NF4_BLOCK, device=device)
    try:
        kept, state = four_bit().quantize_4bit(levels, blocksize=NF4_BLOCK, quant_type="nf4", compress_statistics=False)
        return bool((four_bit().dequantize_4bit(kept, state) - levels).abs().max() < 0.3)
    except Exception:  # noqa: BLE001  a library that is not there fails in its own ways
        return False


def frozen(tensor: Tensor) -> nn.Parameter:
    """A parameter that is not trained."""
    return nn.Parameter(tensor, requires_grad=False)


KINDS: dict[str, type[Packed]] = {"fp16": Linear16, "fp8": Linear8, "nf4": Linear4}


def convert(block: nn.Module, precision: str, dtype: torch.dtype, half: bool) -> None:
    """Put packed layers in the place of a block's linear layers, without values (device meta).

    half: as `halves` says
    """
    block.to(dtype)
    kind = KINDS.get(precision)
    if kind is None:
        return
    for module in list(block.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                with torch.device("meta"):
                    packed = kind(child.in_features, child.out_features, child.bias is not None, dtype)
                packed.in_half, packed.narrow = half, half and name in NARROW
                setattr(module, name, packed)
            elif half and name in ("norm_q", "norm_k", "norm_added_q", "norm_added_k"):
                child.to(torch.float16)


def quicken(block: nn.Module, device: torch.device) -> None:
    """Let the fp8 layers of a block multiply as fp8, where the device can."""
    fast = has_fp8_product(device)
    for module in block.modules():
        if isinstance(module, Linear8):
            module.fast = fast


def packed_tensors(block: nn.Module, prefix: str, source: Source, work: torch.device) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a block in the form it is kept in: its name within the block, and its values from the source.

    prefix: of the block's names in the source, with its dot
    work:   where values are converted; what comes out may lie there
    """
    for path, module in block.named_modules():
        inside = f"{path}." if path else ""
        if isinstance(module, Packed):
            weight = source.read(f"{prefix}{inside}weight").to(work)
            yield from ((f"{inside}{name}", tensor) for name, tensor in module.pack(weight).items())
            if module.bias is not None:
                yield f"{inside}bias", source.read(f"{prefix}{inside}bias").to(module.bias.dtype)
            continue
        for name, parameter in module.named_parameters(recurse=False):
            yield f"{inside}{name}", source.read(f"{prefix}{inside}{name}").to(parameter.dtype)
