"""Whether the speed seen is normal: what a section's arithmetic needs, against what the card can do at most. No torch.

Only for FramePack's 13 B transformer: the numbers below are its own.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from gen.attention import NATIVE

# Dense bf16 with float32 sums, 10^12 a second, by a part of the card's name; the longest name that fits counts
PEAK = {
    "RTX 5090": 210.0,
    "RTX 4090": 165.0,
    "RTX 3090": 71.0,
    "RTX 3060": 25.5,
}
PER_TOKEN = 13.57e9  # FLOP of all matrices of a step, per token: 251e12 at the 18 500 tokens of 640 x 608
PER_PAIR = 4 * 60 * 3072  # FLOP of attention, per pair of tokens: 60 blocks, width 3072
BESIDE = 985  # tokens of text and picture
NORMAL = 0.55  # of the peak: other people's runs of the same model reach 62 % on a 3060, 85 % on a 4090
DECODE_SHARE = 0.25  # of a section's time; more is not normal


@dataclass(frozen=True)
class Pace:
    """One finished section: its size in pixels, sampling steps, and milliseconds."""

    width: int
    height: int
    steps: int
    sampling_ms: int
    decode_ms: int


def tokens(width: int, height: int) -> int:
    """Tokens of a step at window 9: nine noisy frames, two clean ones, two at 2x, sixteen at 4x, text and picture."""
    rows, columns = height // 16, width // 16
    context = 2 * rows * columns + -(-rows // 2) * -(-columns // 2) + 4 * -(-rows // 4) * -(-columns // 4)
    return 9 * rows * columns + context + BESIDE


def step_tflop(width: int, height: int) -> float:
    """10^12 floating-point operations of one step."""
    count = tokens(width, height)
    return (PER_TOKEN * count + PER_PAIR * count**2) / 1e12


def verdict(paces: Sequence[Pace], card: str, attention: str) -> tuple[bool | None, str]:
    """(True: normal, None: worth a look, and the sentence). card: its name; attention: the backend that is used."""
    per_step = statistics.median(pace.sampling_ms / pace.steps for pace in paces) / 1000
    reached = statistics.median(
        step_tflop(pace.width, pace.height) * pace.steps / (pace.sampling_ms / 1000) for pace in paces
    )
    decode = statistics.median(pace.decode_ms / (pace.decode_ms + pace.sampling_ms) for pace in paces)
    said = f"Speed: {per_step:.1f} s a step over the last {len(paces)} sections, {reached:.1f} TFLOP/s"
    peak = max(((len(name), value) for name, value in PEAK.items() if name in card), default=(0, 0.0))[1]
    if not peak:
        return None, f"{said}. What {card or 'this machine'} can do at most is not known here."
    share = reached / peak
    said = f"{said}, {share:.0%} of what {card} can do at most ({peak:g})."
    if decode > DECODE_SHARE:
        return (
            None,
            f"{said} Decoding takes {decode:.0%} of the time: it needs more of the card's memory.",
        )
    if share >= NORMAL:
        return True, f"{said} That is normal."
    if attention == NATIVE:
        return None, f"{said} That is slow. Attention is half of the work: a faster kernel (sage, flash) helps most."
    return (
        None,
        f"{said} That is slow. It waits for weights: more of them on the card, fp8, or more free RAM.",
    )
