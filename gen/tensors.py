"""The tensors of a part, by name: read from safetensors files where they lie, or drawn for those who measure.

A file is mapped, never read as a whole: what a tensor covers of it is in memory for as long as the tensor is looked at.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from db.said import said
from gen.errors import CheckpointCorrupt

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Shape = tuple[int, ...]
Merge = Callable[[str, "Tensor"], "Tensor"]  # (name, tensor as in the file) -> tensor with a LoRA in it

HEADER_MOST = 100_000_000  # bytes; the format's own limit
KINDS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "I64": 8, "I32": 4, "U8": 1}  # bytes of a value


class Source(Protocol):
    """Something that has tensors by name."""

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """The shape of each."""

    def read(self, name: str) -> Tensor:
        """One of them, on the CPU or a device; not to be written to. raises: KeyError."""


@dataclass(frozen=True)
class Where:
    """Where one tensor lies: its file, the first byte in it, and what its bytes mean."""

    file: Path
    offset: int
    kind: str
    shape: Shape

    @property
    def size(self) -> int:
        """In bytes."""
        return math.prod(self.shape) * KINDS[self.kind]


def read_index(files: list[Path]) -> dict[str, Where]:
    """Where each tensor of these files lies, from their headers alone. raises: CheckpointCorrupt."""
    found: dict[str, Where] = {}
    for file in files:
        try:
            found |= read_header(file)
        except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
            raise CheckpointCorrupt(file=str(file), why=said("is cut off or no safetensors file")) from error
    return found


def read_header(file: Path) -> dict[str, Where]:
    """The tensors of one file; raises ValueError and its like where it is none.

    source: the format's page, https://github.com/huggingface/safetensors#format
    """
    with file.open("rb") as opened:
        (length,) = struct.unpack("<Q", opened.read(8))
        if length > HEADER_MOST:
            raise ValueError("the header is too long")
        header = json.loads(opened.read(length))
    header.pop("__metadata__", None)
    whole, found = file.stat().st_size, {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        where = Where(file, 8 + length + begin, entry["dtype"], tuple(entry["shape"]))
        if where.size != end - begin or where.offset + where.size > whole:
            raise ValueError("a tensor does not fit into its place")
        found[name] = where
    return found


class Files:
    """The tensors of safetensors files."""

    def __init__(self, files: list[Path], merge: Merge | None = None) -> None:
        """merge: changes a tensor as it is read, such as for a LoRA. raises: CheckpointCorrupt."""
        self.index = read_index(files)
        self.merge = merge

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """The shape of each tensor."""
        return {name: where.shape for name, where in self.index.items()}

    def read(self, name: str) -> Tensor:
        """One tensor: a view of the mapped file, which is unmapped when the view is gone."""
        tensor = view_of(self.index[name])
        return tensor if self.merge is None else self.merge(name, tensor)


def view_of(where: Where) -> Tensor:
    """A tensor over a mapped part of its file; what is written to it stays in memory."""
    import torch

    dtype = dtypes()[where.kind]
    if not math.prod(where.shape):
        return torch.zeros(where.shape, dtype=dtype)
    before = where.offset % mmap.ALLOCATIONGRANULARITY  # a mapping begins on a page
    with where.file.open("rb") as opened:
        mapped = mmap.mmap(opened.fileno(), before + where.size, access=mmap.ACCESS_COPY, offset=where.offset - before)
    count = math.prod(where.shape)
    return torch.frombuffer(mapped, dtype=dtype, count=count, offset=before).view(where.shape)


def dtypes() -> dict[str, torch.dtype]:
    """torch's name of each kind of value."""
    import torch

    return {
        "F64": torch.float64,
        "F32": torch.float32,
        "F16": torch.float16,
        "BF16": torch.bfloat16,
        "F8_E4M3": torch.float8_e4m3fn,
        "I64": torch.int64,
        "I32": torch.int32,
        "U8": torch.uint8,
    }


class Drawn:
    """Random weights of given shapes, the same for the same name: for those who measure without a checkpoint."""

    def __init__(self, shapes: Mapping[str, Shape], dtype: torch.dtype, device: str | torch.device = "cpu") -> None:
        self._shapes = shapes
        self.dtype = dtype
        self.device = device

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """The shape of each tensor."""
        return self._shapes

    def read(self, name: str) -> Tensor:
        """A weight with a spread that keeps activations near one; norms are ones, biases near nothing."""
        import torch

        shape = self._shapes[name]
        if len(shape) == 1 and name.endswith("weight"):
            return torch.ones(shape, dtype=self.dtype, device=self.device)
        seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")
        generator = torch.Generator(self.device).manual_seed(seed)
        spread = 0.02 if len(shape) == 1 else math.prod(shape[1:]) ** -0.5
        values = torch.randn(shape, generator=generator, device=self.device, dtype=torch.float32)
        return (values * spread).to(self.dtype)


def held(model: Any) -> Held:
    """The tensors of a model that is in memory."""
    return Held(dict(model.state_dict()))


class Held:
    """Tensors in memory."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.tensors = tensors

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """The shape of each tensor."""
        return {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}

    def read(self, name: str) -> Tensor:
        """One of them."""
        return self.tensors[name]
