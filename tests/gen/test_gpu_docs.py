"""docs/gpu.md and README.md promise what the memory plan says today."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from gen.bench.vram_planned import example, plans
from gen.card import PRESETS
from gen.errors import TooLittleMemory
from gen.hub import gib_of
from gen.memory import GB, GIB, Decoder, MemoryPlan, Wishes, largest, make_memory_plan
from gen.roofline import step_tflop
from gen.sources import FRAMEPACK, VAE_BYTES
from gen.transformer import shapes_of

ROOT = Path(__file__).parents[2]
CARD, VAE = PRESETS["framepack-f1"], Decoder(VAE_BYTES)
NAMES = {"bf16": "bf16", "fp8": "fp8", "nf4": "4 bit"}
SHAPES = shapes_of(FRAMEPACK)


@pytest.fixture(scope="module")
def guide() -> str:
    """docs/gpu.md in one line of single blanks, and its tables as they are."""
    text = (ROOT / "docs" / "gpu.md").read_text("utf-8")
    return text + " ".join(text.split())


def shown() -> Iterator[tuple[int, str, MemoryPlan]]:
    """The plans worth a row: up to the widest precision that needs no copies."""
    whole: set[int] = set()
    for gib, kind, made in plans(SHAPES):
        if gib not in whole and not (gib == 12 and kind == "nf4"):
            yield gib, kind, made
        if not made.streams:
            whole.add(gib)


def rows() -> list[str]:
    """The rows of docs/gpu.md."""
    found, before = [], 0
    for gib, kind, made in shown():
        card = f" {gib} GB " if gib != before else " "
        travels = f"{made.streamed / GB:.1f} GB | {made.streamed / 25e9:.2f} s" if made.streams else "nothing | 0"
        stay = len(made.resident) if made.streams else "all"
        found.append(f"|{card}| {NAMES[kind]} | {stay} | {travels} | {made.ram / GB:.1f} GB |")
        before = gib
    return found


def test_the_table_of_cards_is_the_plan(guide: str) -> None:
    for row in rows():
        assert row in guide, f"docs/gpu.md lacks\n{row}"


def test_readme_says_the_same() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    for gib in dict.fromkeys(gib for gib, _, _ in shown()):
        some = [(kind, made) for each, kind, made in shown() if each == gib]
        names = " · ".join(NAMES[kind] for kind, _ in some)
        copied = " · ".join(f"{made.streamed / GB:.1f}" if made.streams else "nothing" for _, made in some)
        ram = " · ".join(f"{made.ram / GB:.1f}" for _, made in some)
        unit = "" if copied.endswith("nothing") else " GB"
        row = f"| {gib} GB | {names} | {copied}{unit} | {ram} GB |"
        assert row in text, f"README.md lacks\n{row}"


def plan_with(
    free_gib: float, kind: str = "auto", total: float = 0.0, size: str = "640", **machine: object
) -> MemoryPlan:
    there = dataclasses.replace(example(total or free_gib), vram_free=int(free_gib * GIB), **machine)  # type: ignore[arg-type]
    return make_memory_plan(SHAPES, VAE, CARD, there, Wishes(precision=kind, sizes=(size,)))


def least(kind: str, size: str = "640", **machine: object) -> str:
    """GiB that must be free, to the next tenth; in brackets where freed memory is not joined, as on Windows."""

    def tenths(**machine: object) -> float:
        return next(n for n in range(20, 100) if fits(n / 10, kind, size, **machine)) / 10

    return f"{tenths(**machine):.1f} GiB ({tenths(expandable=False, **machine):.1f})"


def fits(free: float, kind: str, size: str, **machine: object) -> bool:
    try:
        plan_with(free, kind, 6.0, size, **machine)
    except TooLittleMemory:
        return False
    return True


def test_what_is_needed_at_least_is_what_the_plan_needs(guide: str) -> None:
    for size in CARD.sizes:
        h, w = largest(CARD, (size,))
        said = [least(kind, size) for kind in ("bf16", "fp8", "nf4")] + [least("fp16", size, capability=(7, 5))]
        assert f"| {size} | {step_tflop(w, h):.0f} TFLOP | {' | '.join(said)} |" in guide


def test_small_cards_do_what_it_says(guide: str) -> None:
    for gib, size in ((8.0, "640"), (6.0, "512")):
        old = plan_with(gib, size=size, capability=(7, 5))
        figures = f"({len(old.resident)} blocks stay, {old.streamed / GB:.1f} GB are copied each step, "
        assert f"{figures}{old.ram / GB:.1f} GB of RAM)" in guide
    little = plan_with(6.0, size="512", ram_free=int(13.2 * GIB), capability=(7, 5), four_bit=False)
    assert little.precision == "fp8"
    figures = f"{len(little.resident)} blocks stay, {little.streamed / GB:.1f} GB are copied each step, "
    assert f"13.2 GiB of RAM free: {figures}{little.ram / GB:.1f} GB of RAM)" in guide
    four = plan_with(4.0, "bf16", size="384")
    assert f"({len(four.resident)} blocks stay in bf16, {four.streamed / GB:.1f} GB are copied each step)" in guide
    assert plan_with(3.6, total=4.0, size="512").precision == "nf4"
    windows = plan_with(4.0, "bf16", size="384", expandable=False)
    copied = f"{windows.streamed / GB:.1f} GB are copied each step"
    assert f"(where {len(windows.resident)} block stays at 384, {copied})" in guide
    assert plan_with(3.7, total=4.0, size="512", expandable=False).precision == "nf4"
    for expandable in (True, False):
        with pytest.raises(TooLittleMemory):
            plan_with(4.0, expandable=expandable)


def test_what_a_desktop_takes_is_what_it_says(guide: str) -> None:
    words = {1: "a block", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}
    fewer = {}
    for kind in ("bf16", "fp8", "nf4"):
        fewer[kind] = len(plan_with(6, kind).resident) - len(plan_with(5.5, kind, 6.0).resident)
    counts = [words[each] for each in fewer.values()]
    assert f"{counts[0]} fewer stays in bf16, {counts[1]} in fp8, {counts[2]} in 4 bit" in guide


def test_the_weights_weigh_what_it_says(guide: str) -> None:
    core = {kind: sum(made.parts.blocks) / GB for _, kind, made in plans(SHAPES)}
    assert (
        f"{core['bf16']:.1f} GB are left that every step needs ({core['fp8']:.1f} GB in fp8, {core['nf4']:.1f} GB"
        in guide
    )
    six = plan_with(6, "bf16")
    assert f"works on about {six.activations / GB:.1f} GB beside the weights" in guide
    assert f"with a step cache on {six.once / GB:.1f} GB" in guide
    assert f"about {gib_of('framepack-f1'):.0f} GiB" in guide
