"""Which device computes, tried out, and what only a trial tells of it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F

from gen.errors import DeviceMissing
from gen.process import segments

log = logging.getLogger("flipbot.device")

EXPANDABLE = "expandable_segments"
HALF_LEAST = (7, 5)  # cards before Turing: cuDNN's kernels in float16 for them went with version 9.8 of it
HALF_TRIED = (8, 0)  # cards before Ampere: some of Turing's are known to give NaN (issue 58123 of pytorch/pytorch)


def set_allocator(settings: str) -> None:
    """Change torch's allocator of a running process; settings: as in PYTORCH_ALLOC_CONF."""
    plain: Any = torch._C
    plain._accelerator_setAllocatorSettings(settings)


def expands() -> bool:
    """Whether torch's allocator joins what was freed (expandable segments), or would in the engine's own process."""
    plain: Any = torch._C
    said = str(plain._accelerator_getAllocatorSettings())
    return f"{EXPANDABLE}:True" in said if EXPANDABLE in said else bool(segments(sys.platform, os.environ))


def usual_device() -> str:
    """The card, where there is one that this PyTorch has kernels for; else the processor."""
    return "cuda" if torch.cuda.is_available() and has_kernels(torch.cuda.get_device_capability()) else "cpu"


def has_kernels(capability: tuple[int, int]) -> bool:
    """Whether this PyTorch has kernels for cards of this compute capability, or what the driver makes some of (PTX).

    AMD's builds are not asked.
    """
    if torch.version.hip is not None:
        return True
    built, translated = built_for("sm_"), built_for("compute_")
    return any(major == capability[0] and minor <= capability[1] for major, minor in built) or any(
        least <= capability for least in translated
    )


def built_for(kind: str) -> Sequence[tuple[int, int]]:
    """The compute capabilities that this PyTorch was built for. kind: "sm_" (code) or "compute_" (PTX)."""
    names = [name.removeprefix(kind).rstrip("af") for name in torch.cuda.get_arch_list() if name.startswith(kind)]
    return [(int(digits[:-1]), int(digits[-1])) for digits in names if digits.isdigit()]


def device_of(name: str) -> torch.device:
    """The device of this name, tried out; raises DeviceMissing."""
    try:
        device = torch.device(name)
        try:
            torch.zeros(1, device=device).item()
        except RuntimeError:
            if device.type != "cuda" or not torch.cuda.is_available():
                raise
            set_allocator(f"{EXPANDABLE}:False")  # virtual cards know none
            torch.zeros(1, device=device).item()
    except (
        RuntimeError,
        AssertionError,
        NotImplementedError,
    ) as error:  # torch without CUDA answers with an AssertionError
        raise DeviceMissing(device=name) from error
    if device.type == "cuda" and device.index:
        torch.cuda.set_device(device)  # what asks for no card in particular (pinned memory, kernels) means this one
    return device


def uuid_of(device: torch.device) -> str:
    """A card's UUID as the driver's own tool takes it, "GPU-…"; empty where it is not told."""
    if device.type != "cuda":
        return ""
    try:
        told = str(getattr(torch.cuda.get_device_properties(device), "uuid", ""))
    except (RuntimeError, AssertionError):  # a card without room for CUDA may not even say this
        return ""
    return f"GPU-{told.removeprefix('GPU-')}" if told else ""


@cache
def half_convolves(device: torch.device) -> bool:
    """Whether a card's convolutions in float16 are what those in float32 are: of old ones tried out."""
    capability = torch.cuda.get_device_capability(device)
    if capability >= HALF_TRIED or capability < HALF_LEAST:
        return capability >= HALF_TRIED
    generator = torch.Generator("cpu").manual_seed(1)
    # (1, 64, 4, 24, 24) by (64, 64, 3, 3, 3), as the VAE has them, and a picture of it as TAEHV has it
    x = torch.randn(1, 64, 4, 24, 24, generator=generator)
    weight = torch.randn(64, 64, 3, 3, 3, generator=generator) / 40
    for convolve, given, by in ((F.conv3d, x, weight), (F.conv2d, x[:, :, 0], weight[:, :, 0])):
        try:
            made = convolve(given.to(device, torch.float16), by.to(device, torch.float16)).float().cpu()
        except RuntimeError:
            return False
        right = convolve(given, by)
        if not bool((made - right).norm() < 0.02 * right.norm()):  # NaN is not
            log.warning("convolutions in float16 are wrong on this card; films are decoded in float32")
            return False
    return True
