"""Which attention kernel the blocks use: of diffusers' backends, what imports and what the card can do. No torch.

The two blocks that refine the text need a mask, which not every kernel takes: they stay with PyTorch's own. At batch 1
the others need none.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from db.said import Said, said, together
from gen.errors import AttentionMissing, first_line

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
    why_card: Said
    functions: tuple[str, ...]  # that diffusers takes from the module


# The fastest first. source: diffusers' attention_dispatch (versions), the packages' own pages (cards)
SAGE = ("sageattn", "sageattn_varlen", "sageattn_qk_int8_pv_fp16_cuda", "sageattn_qk_int8_pv_fp8_cuda")
KERNELS = (
    Kernel(
        "sage", "sageattention", "sageattention", (2, 1, 1), (8, 0), said("its int8 kernels need Ampere or newer"), SAGE
    ),
    Kernel(
        "flash", "flash-attn", "flash_attn", (2, 6, 3), (8, 0), said("it needs Ampere or newer"), ("flash_attn_func",)
    ),
    Kernel("xformers", "xformers", "xformers.ops", (0, 0, 29), (7, 0), said("it needs Volta or newer"), ()),
)
NAMES = ("auto", NATIVE, *(kernel.name for kernel in KERNELS))


@dataclass(frozen=True)
class Choice:
    """The backend, and why it and not a faster one, as sentences."""

    backend: str
    why: str


Trial = Callable[[str], str | None]  # why a kernel does not compute here; None: it does


def choose(asked: str, capability: Capability | None, trial: Trial = lambda _: None) -> Choice:
    """The backend for a card; capability None: there is none. trial: runs a kernel that seems fit.

    raises: AttentionMissing, where one is asked for by name and cannot be used
    """
    if asked == NATIVE:
        return Choice(NATIVE, said("It is what the configuration asks for."))
    if asked != "auto":
        kernel = next(kernel for kernel in KERNELS if kernel.name == asked)
        if why := obstacle(kernel, capability) or trial(asked):
            raise AttentionMissing(name=asked, why=why)
        return Choice(asked, said("It is what the configuration asks for."))
    if capability is None:
        return Choice(NATIVE, said("The others need an NVIDIA card."))
    reasons = []
    for kernel in KERNELS:
        why = obstacle(kernel, capability) or trial(kernel.name)
        if why is None:
            return Choice(kernel.name, said("It is the fastest of those that work here."))
        reasons.append(said("Not {name}: {why}.", name=kernel.name, why=why))
    return Choice(NATIVE, together(*reasons))


def trial_on(device: str, precision: str = "auto") -> Trial:
    """Tries a kernel on a device, against PyTorch's own: some are built for other cards, or another PyTorch.

    precision: of the blocks; in "fp32" what the kernel gets is as wide, which most refuse
    """

    def tried(name: str) -> str | None:
        import torch
        from diffusers.models.attention_dispatch import dispatch_attention_fn

        attend: Any = dispatch_attention_fn
        # (1, tokens, heads, width of a head), as the blocks have them; more than one tile of each kernel
        shape, dtype = (1, 300, 2, 128), torch.float32 if precision == "fp32" else torch.float16
        generator = torch.Generator("cpu").manual_seed(1)
        q, k, v = (torch.randn(shape, generator=generator).to(device, dtype) for _ in range(3))
        try:
            with torch.no_grad():
                made, plain = (attend(q, k, v, backend=each).float() for each in (name, NATIVE))
            off = float((made - plain).norm() / plain.norm())
        except Exception as error:  # noqa: BLE001  each fails in its own way
            return said("it does not run on this card ({error})", error=short(error))
        return None if off < 0.1 else said("it computes something else on this card (off by {off:.0%})", off=off)

    return tried


def short(error: Exception) -> str:
    """An error in one short line."""
    first = first_line(error)
    return f"{type(error).__name__}: {first:.120}" if first else type(error).__name__


def obstacle(kernel: Kernel, capability: Capability | None) -> str | None:
    """Why a kernel cannot be used here; None where it can."""
    if capability is None:
        return said("there is no card that it could run on")
    if capability < kernel.card:
        has = f"{capability[0]}.{capability[1]}"
        return said("{needs}, this card has {has}", needs=kernel.why_card, has=has)
    if importlib.util.find_spec(kernel.module.split(".")[0]) is None:
        return said("{package} is not installed", package=kernel.package)
    try:
        found = version(kernel.package)
    except PackageNotFoundError:
        return said("{package} is there without saying its version", package=kernel.package)
    numbers = tuple(int(part) for part in found.split("+")[0].split(".")[:3] if part.isdigit())
    if numbers < kernel.version:
        least = ".".join(map(str, kernel.version))
        return said("{package} {version} is older than {least}", package=kernel.package, version=found, least=least)
    try:
        module = importlib.import_module(kernel.module)
    except Exception as error:  # noqa: BLE001  such as one that was built for another PyTorch
        facts = {"package": kernel.package, "version": found, "error": short(error)}
        return said("{package} {version} cannot be loaded here ({error})", **facts)
    absent = next((name for name in kernel.functions if not hasattr(module, name)), None)
    if absent is None:
        return None
    return said("{package} {version} has no {absent}", package=kernel.package, version=found, absent=absent)


def capability_of(device: str) -> Capability | None:
    """The compute capability of a CUDA device; None for any other, AMD's included."""
    import torch

    if not device.startswith("cuda") or not torch.cuda.is_available() or torch.version.hip is not None:
        return None
    return torch.cuda.get_device_capability(torch.device(device))


def use(transformer: Any, backend: str) -> None:
    """Let the blocks use a backend. Not by set_attention_backend: that would also change it for every other model."""
    from diffusers.models.attention_dispatch import AttentionBackendName

    for block in (*transformer.transformer_blocks, *transformer.single_transformer_blocks):
        block.attn.processor._attention_backend = AttentionBackendName(backend)
