"""The memory plan where one thing takes over from another."""

from __future__ import annotations

import dataclasses

import pytest
from test_memory import CARD, card_of, framepack_shapes, plan

from gen import memory


@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_on_an_old_card_at_the_smallest_size_nothing_takes_as_much_as_making_a_table(precision: str) -> None:
    made = plan(framepack_shapes(), card_of(6, 64, (7, 5)), sizes=("384",), precision=precision)
    assert made.decoding < made.activations + made.cached < made.once == made.parts.aside + 2 * made.parts.layer


def test_the_first_of_ampere_computes_in_bf16() -> None:
    card = card_of(8, capability=(8, 0))
    assert memory.candidates(card, "auto")[0] == memory.candidates(card, "bf16")[0] == "bf16"
    assert memory.value_bytes("fp8", card) == 2 and not memory.halves("fp8", card)


def test_the_largest_bucket_has_the_most_pixels_and_need_not_be_the_tallest() -> None:
    card = dataclasses.replace(CARD, sizes={"640": ((960, 64), (608, 640), (64, 960))})
    assert memory.largest(card) == (608, 640)
