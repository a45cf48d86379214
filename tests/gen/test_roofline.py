"""What a step costs, against the table that was worked out by hand, and what the doctor makes of the speed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gen.config import ModelConfig
from gen.doctor import computes, convolves, speed, too_old
from gen.roofline import Gpu, Pace, step_tflop, verdict


@pytest.mark.parametrize(
    ("width", "height", "tflop"), [(640, 608, 503), (512, 512, 293), (384, 384, 146), (320, 320, 99), (256, 256, 65)]
)
def test_a_step_costs_what_the_table_says(width: int, height: int, tflop: float) -> None:
    assert step_tflop(width, height) == pytest.approx(tflop, rel=0.03)


def test_the_speed_is_judged_and_what_holds_it_back_is_named() -> None:
    def at(step_s: float, decode_s: float = 10) -> list[Pace]:
        return [Pace(640, 608, 25, round(25_000 * step_s), round(1000 * decode_s))] * 3

    card = Gpu("NVIDIA GeForce RTX 3060", (8, 6), 28, 1.777e9)
    fine, said = verdict(at(32), card, "native")  # what a 3060 was seen to do
    assert fine is True
    assert "62% of what NVIDIA GeForce RTX 3060 can do in 16 bits at most (25.5)" in said
    assert "products of 8 bits do more" in verdict(at(15), card, "sage")[1]  # 130 %
    assert "kernel" in verdict(at(64), card, "native", 8_000_000_000)[1]  # so little travels in no time
    slow, said = verdict(at(64), card, "sage", 18_000_000_000)
    assert slow is None
    assert "waits for weights (18.0 GB a step)" in said
    fast = Gpu("NVIDIA GeForce RTX 4090", (8, 9), 128, 2.52e9)
    assert "waits for weights" in verdict(at(5.6), fast, "native", 18_000_000_000)[1]
    assert "neither weights nor attention" in verdict(at(64), card, "sage")[1]
    assert "Decoding takes 50%" in verdict(at(32, decode_s=800), card, "sage")[1]
    assert "not known" in verdict(at(5), Gpu("a card"), "native")[1]
    old = Gpu("NVIDIA GeForce RTX 2060", (7, 5), 30, 1.68e9)
    assert "a faster kernel (xformers) helps" in verdict(at(60), old, "native")[1]  # the others want Ampere


@pytest.mark.parametrize(
    ("gpu", "tflops"),  # as their makers publish them
    [
        (Gpu("NVIDIA GeForce RTX 3090", (8, 6), 82, 1.695e9), 71),
        (Gpu("NVIDIA GeForce RTX 4090", (8, 9), 128, 2.52e9), 165.2),
        (Gpu("NVIDIA GeForce RTX 5090", (12, 0), 170, 2.407e9), 209.5),
        (Gpu("NVIDIA RTX A6000", (8, 6), 84, 1.8e9), 154.8),
        (Gpu("NVIDIA A100-SXM4-80GB", (8, 0), 108, 1.41e9), 312),
        (Gpu("NVIDIA H100 80GB HBM3", (9, 0), 132, 1.83e9), 989),
        (Gpu("NVIDIA GeForce RTX 2080", (7, 5), 46, 1.71e9), 40.3),
        (Gpu("NVIDIA GeForce GTX 1660 Ti", (7, 5), 24, 1.77e9), 10.9),
        (Gpu("NVIDIA GeForce GTX 1080", (6, 1), 20, 1.7e9), 0),
    ],
)
def test_what_a_card_can_do_at_most_is_what_its_maker_says(gpu: Gpu, tflops: float) -> None:
    assert gpu.peak == pytest.approx(tflops, rel=0.02)


def test_the_doctor_says_what_a_card_s_generation_means() -> None:
    said = {at: computes(at, fp8=at >= (8, 9), half=at >= (7, 5)) for at in ((6, 1), (7, 5), (8, 6), (8, 9), (12, 0))}
    assert [finding.fine for finding in said.values()] == [None, None, True, True, True]
    assert "in fp16" in said[7, 5].sentence and "7.5" in said[7, 5].sentence
    assert "decoded in fp32" in said[6, 1].sentence and "decoded in fp32" not in said[7, 5].sentence
    assert "no tensor cores" in said[6, 1].sentence
    assert "widened" in said[8, 6].sentence
    assert "fp8 products" in said[8, 9].sentence
    assert "widened" in computes((12, 0), fp8=False, half=True).sentence  # Windows has no such product
    assert "CUDA 12.6" in too_old((6, 1))
    assert "pytorch.org" in too_old((12, 1))


def test_the_doctor_knows_the_versions_of_cudnn_that_pytorch_passes_over() -> None:
    assert [convolves(version) for version in (0, 90701, 91500, 92400)] == [[]] * 4
    for version, name in ((90800, "cuDNN 9.8:"), (91002, "cuDNN 9.10:"), (91400, "cuDNN 9.14:")):
        (found,) = convolves(version)
        assert found.fine is None
        assert found.sentence.startswith(name)
        assert "nvidia-cudnn-cu12>=9.15" in found.sentence


def test_the_doctor_judges_the_speed_of_the_large_models_alone() -> None:
    pace = [Pace(640, 608, 25, 800_000, 10_000)] * 3
    assert speed(ModelConfig(name="tiny"), pace, Path()) == []
    assert speed(ModelConfig(name="framepack"), [], Path()) == []
    (finding,) = speed(ModelConfig(name="framepack", device="cpu"), pace, Path())
    assert finding.fine is None
    assert finding.sentence.startswith("Speed: 32.0 s a step over the last 3 sections, 15.7 TFLOP/s")


def test_each_card_is_judged_by_the_sections_that_it_made(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = {"cuda:0": Gpu("slow", (8, 6), 28, 1.8e9), "cuda:1": Gpu("fast", (8, 9), 128, 2.5e9)}
    monkeypatch.setattr("gen.doctor.this_gpu", cards.__getitem__)
    monkeypatch.setattr("gen.attention.capability_of", lambda where: cards[where].capability)
    paces = [Pace(640, 608, 25, 800_000, 10_000, card="slow"), Pace(640, 608, 25, 100_000, 10_000, card="fast")]
    model = ModelConfig(name="framepack", device="cuda:0, cuda:1")
    slow, fast = speed(model, paces, Path())
    assert slow.sentence.startswith("Speed: 32.0 s a step over the last 1 sections") and "slow" in slow.sentence
    assert fast.sentence.startswith("Speed: 4.0 s a step over the last 1 sections") and "fast" in fast.sentence
    (only,) = speed(model, paces[:1], Path())
    assert only == slow, "nothing is known of the other one yet"
