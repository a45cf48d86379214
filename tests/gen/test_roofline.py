"""What a step costs, against the table that was worked out by hand, and what the doctor makes of the speed."""

from __future__ import annotations

import pytest

from gen.roofline import Pace, step_tflop, verdict


@pytest.mark.parametrize(
    ("width", "height", "tflop"), [(640, 608, 503), (512, 512, 293), (384, 384, 146), (320, 320, 99), (256, 256, 65)]
)
def test_a_step_costs_what_the_table_says(width: int, height: int, tflop: float) -> None:
    assert step_tflop(width, height) == pytest.approx(tflop, rel=0.03)


def test_the_speed_is_judged_and_what_holds_it_back_is_named() -> None:
    def at(step_s: float, decode_s: float = 10) -> list[Pace]:
        return [Pace(640, 608, 25, round(25_000 * step_s), round(1000 * decode_s))] * 3

    card = "NVIDIA GeForce RTX 3060"
    fine, said = verdict(at(32), card, "native")  # what a 3060 was seen to do
    assert fine is True
    assert "62% of what NVIDIA GeForce RTX 3060 can do" in said
    assert "kernel" in verdict(at(64), card, "native")[1]
    slow, said = verdict(at(64), card, "sage")
    assert slow is None
    assert "waits for weights" in said
    assert "Decoding takes 50%" in verdict(at(32, decode_s=800), card, "sage")[1]
    assert "not known" in verdict(at(5), "NVIDIA H100", "native")[1]
