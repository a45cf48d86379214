"""Which attention kernel the blocks use: of diffusers' backends, what imports and what the card can do. No torch.

The two blocks that refine the text need a mask, which not every kernel takes: they stay with PyTorch's own. At batch 1
the others need none.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from gen.errors import AttentionMissing

NATIVE = "native"
Capability = tuple[int, int]


@dataclass(frozen=True)
class Kernel:
    """One backend: its name here and in diffusers, the package, the least version and card (compute capability)."""

    name: str
    package: str
    module: str
    version: tuple[int, ...]
    card: Capability
    why_card: str


# The fastest first. source: diffusers' attention_dispatch (versions), the packages' own pages (cards)
KERNELS = (
    Kernel("sage", "sageattention", "sageattention", (2, 1, 1), (8, 0), "its int8 kernels need Ampere or newer"),
    Kernel("flash", "flash-attn", "flash_attn", (2, 6, 3), (8, 0), "it needs Ampere or newer"),
    Kernel("xformers", "xformers", "xformers", (0, 0, 29), (7, 0), "it needs Volta or newer"),
)
NAMES = ("auto", NATIVE, *(kernel.name for kernel in KERNELS))


@dataclass(frozen=True)
class Choice:
    """The backend, and why it and not a faster one, as sentences."""

    backend: str
    why: str


def choose(asked: str, capability: Capability | None) -> Choice:
    """The backend for a card; capability None: there is none.

    raises: AttentionMissing, where one is asked for by name and cannot be used
    """
    if asked == NATIVE:
        return Choice(NATIVE, "It is what the configuration asks for.")
    reasons = {kernel.name: obstacle(kernel, capability) for kernel in KERNELS}
    if asked != "auto":
        if why := reasons[asked]:
            raise AttentionMissing(name=asked, why=why)
        return Choice(asked, "It is what the configuration asks for.")
    if capability is None:
        return Choice(NATIVE, "Without a card of NVIDIA's the others do not run.")
    for kernel in KERNELS:
        if reasons[kernel.name] is None:
            return Choice(kernel.name, "It is the fastest of those that work here.")
    return Choice(NATIVE, " ".join(f"Not {name}: {why}." for name, why in reasons.items()))


def obstacle(kernel: Kernel, capability: Capability | None) -> str | None:
    """Why a kernel cannot be used here; None where it can."""
    if capability is None:
        return "there is no card that it could run on"
    if capability < kernel.card:
        return f"{kernel.why_card}, this card has {capability[0]}.{capability[1]}"
    if importlib.util.find_spec(kernel.module) is None:
        return f"{kernel.package} is not installed"
    try:
        found = version(kernel.package)
    except PackageNotFoundError:
        return f"{kernel.package} is there without saying its version"
    numbers = tuple(int(part) for part in found.split("+")[0].split(".")[:3] if part.isdigit())
    if numbers < kernel.version:
        return f"{kernel.package} {found} is older than {'.'.join(map(str, kernel.version))}"
    return None


def capability_of(device: str) -> Capability | None:
    """The compute capability of a CUDA device; None for any other."""
    import torch

    if not device.startswith("cuda") or not torch.cuda.is_available():
        return None
    return torch.cuda.get_device_capability(torch.device(device))


def use(transformer: Any, backend: str) -> None:
    """Let the blocks use a backend. Not by set_attention_backend: that would also change it for every other model."""
    from diffusers.models.attention_dispatch import AttentionBackendName

    for block in (*transformer.transformer_blocks, *transformer.single_transformer_blocks):
        block.attn.processor._attention_backend = AttentionBackendName(backend)
