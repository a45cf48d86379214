"""Which device is taken, and what the doctor says of it: cards of every age, several, none, and other makers'."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from db.finding import Finding
from gen.attention import capability_of
from gen.config import ModelConfig
from gen.device import device_of, expands, half_convolves, has_kernels, set_allocator, usual_device
from gen.doctor import device, examine, this_gpu
from gen.errors import DeviceMissing
from gen.memory import FRAGMENTS, FRAGMENTS_FIXED, Wishes, make_memory_plan, this_machine
from gen.roofline import Gpu
from gen.transformer import placement_of
from tests.fakes.cuda import a_card
from tests.gen.test_memory import CARD, VAE, card_of, framepack_shapes

PASCAL, TURING, AMPERE = (6, 1), (7, 5), (8, 6)
HERE = torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def tried_anew() -> None:
    half_convolves.cache_clear()


def of(asked: str) -> list[Finding]:
    """What the doctor says of the device."""
    return device(ModelConfig(device=asked))


def test_a_card_that_pytorch_has_no_kernels_for_leaves_the_work_to_the_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with a_card(PASCAL):
        assert usual_device() == "cpu"
        (told,) = of("auto")
    assert told.fine is None
    assert "6.1" in told.sentence and "CUDA 12.6" in told.sentence and "tiny" in told.sentence
    with a_card(AMPERE):
        assert usual_device() == "cuda"
        assert has_kernels((9, 0)) and not has_kernels((12, 0))
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_80", "compute_90"])
        assert has_kernels((8, 6)) and has_kernels((12, 0)) and not has_kernels((7, 5))
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_90a", "compute_120f"])
        assert has_kernels((9, 0)) and has_kernels((12, 0)) and not has_kernels((8, 6))
    assert usual_device() == "cpu"


@pytest.mark.skipif(torch.version.cuda is not None or torch.version.hip is not None, reason="this PyTorch knows cards")
@pytest.mark.parametrize("listed", ["GPU 0: NVIDIA GeForce RTX 3060 (UUID: GPU-0)", ""])
def test_a_card_that_a_pytorch_for_the_processor_leaves_unused_is_told_with_what_mends_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, listed: str
) -> None:
    asked = tmp_path / "nvidia-smi"
    asked.write_text(f"#!/bin/sh\necho '{listed}'\n")
    asked.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    (told,) = of("auto")
    version = torch.__version__.partition("+")[0]
    mends = f"-m pip install --force-reinstall torch=={version} --index-url https://download.pytorch.org/whl/cu1"
    assert ("an NVIDIA card is here" in told.sentence and mends in told.sentence) is bool(listed)
    assert ("build for the CPU only" in told.sentence) is not bool(listed)


def test_a_device_that_is_not_there_is_in_the_way() -> None:
    for asked, why in (("cuda", "PyTorch"), ("cuda:1", "PyTorch"), ("mps", "cannot use one")):
        with pytest.raises(DeviceMissing):
            device_of(asked)
        (told,) = of(asked)
        assert told.fine is False
        assert f"device is {asked}" in told.sentence and why in told.sentence
    (told,) = of("cpu")
    assert told.fine is None


def test_of_two_cards_the_one_that_is_asked_for_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    ages = {0: PASCAL, 1: AMPERE}

    def age(which: Any = None) -> tuple[int, int]:
        return ages[which if isinstance(which, int) else torch.device(which or "cuda").index or 0]

    with a_card(AMPERE):
        monkeypatch.setattr(torch.cuda, "get_device_capability", age)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
        told = of("cuda:1")
        assert [each.fine for each in told] == [True, True]
        assert "8.6" in told[1].sentence

        def no_kernel(*_: object, **__: object) -> Tensor:
            raise RuntimeError("CUDA error: no kernel image is available for execution on the device")

        monkeypatch.setattr(torch, "zeros", no_kernel)
        assert "CUDA 12.6" in of("cuda:0")[0].sentence
        assert "there are 2 cards" in of("cuda:2")[0].sentence

        def full(*_: object, **__: object) -> Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB.")

        monkeypatch.setattr(torch, "zeros", full)
        assert of("cuda:1")[0].sentence.startswith("[model] device is cuda:1, but its memory is full")
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_61"])
        assert of("auto")[0].sentence.endswith("close what else uses it. Or set it to cpu.")


def test_the_doctor_looks_at_each_card_that_computes_and_tells_of_one_that_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = {0: "RTX 4090", 1: "RTX 3060"}
    with a_card(AMPERE, total=24 << 30):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda which: names[torch.device(which).index or 0])
        (idle,) = (each for each in of("auto") if "2 cards" in each.sentence)
        assert idle.fine is None and '[model] device = "cuda:0, cuda:1"' in idle.sentence
        found = examine(ModelConfig(name="framepack", device="cuda:0, cuda:1"), Path("nowhere"))
    told = [each.sentence for each in found]
    assert [line.split(",")[0] for line in told if line.startswith("GPU")] == ["GPU: RTX 4090", "GPU: RTX 3060"]
    assert not any("2 cards" in line for line in told)
    (first, other) = (line for line in told if line.startswith("Memory:"))
    assert "Memory plan of framepack on RTX 4090 (cuda:0)" in first
    assert "Memory plan of framepack on RTX 3060 (cuda:1)" in other
    assert sum(line.startswith("PyTorch") for line in told) == sum(line.startswith("Attention") for line in told) == 1


def test_amd_s_cards_are_not_judged_by_what_is_known_of_nvidia_s(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_card((11, 0)):
        monkeypatch.setattr(torch.version, "hip", "6.4")
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["gfx1101"])
        assert usual_device() == "cuda"
        told = of("auto")
    assert [each.fine for each in told] == [True, None]
    assert "AMD" in told[1].sentence


def test_an_amd_card_s_speed_and_kernels_are_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_card((9, 0)):
        assert this_gpu("cuda").capability == capability_of("cuda") == (9, 0)
        monkeypatch.setattr(torch.version, "hip", "6.4")
        assert (this_gpu("cuda"), capability_of("cuda")) == (Gpu(), None)


def of_nans(plain: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A convolution that float16 breaks, as that of some of Turing's cards."""

    def convolve(x: Tensor, *others: Any) -> Tensor:
        made = plain(x, *others)
        return made * float("nan") if x.dtype == torch.float16 else made

    return convolve


@pytest.mark.parametrize("broken", ["conv2d", "conv3d"])
def test_a_card_whose_convolutions_in_float16_are_wrong_decodes_in_float32(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    with a_card(TURING):
        assert this_machine("cuda:0").half
        half_convolves.cache_clear()
        monkeypatch.setattr(F, broken, of_nans(getattr(F, broken)))
        machine = this_machine("cuda:0")
        assert not machine.half
        assert "decoded in fp32" in of("auto")[1].sentence
    assert "convolutions in float16 are wrong" in caplog.text
    half_convolves.cache_clear()
    with a_card(AMPERE):  # where nobody knows of such a thing
        assert half_convolves(HERE)


def test_a_vae_in_float32_is_planned_and_loaded_so() -> None:
    machine = card_of(8, capability=TURING)
    plans = [
        make_memory_plan(framepack_shapes(), VAE, CARD, dataclasses.replace(machine, half=half), Wishes())
        for half in (True, False)
    ]
    narrow, wide = plans
    assert (placement_of(narrow).wide_vae, placement_of(wide).wide_vae) == (False, True)
    assert wide.tiles.side < narrow.tiles.side or wide.decode > narrow.decode


def test_without_expandable_segments_more_is_left_for_what_cannot_be_given() -> None:
    before = torch._C._accelerator_getAllocatorSettings()  # type: ignore[attr-defined]
    try:
        set_allocator("expandable_segments:False")  # as where it was tried and is not known
        assert not expands()
        with a_card():
            assert this_machine("cuda:0").fragments == FRAGMENTS_FIXED
        set_allocator("expandable_segments:True")
        assert expands()
        with a_card():
            assert this_machine("cuda:0").fragments == FRAGMENTS
    finally:
        set_allocator(before)
