"""Whether the speed seen is normal: what a section's arithmetic needs, against what the card can do at most. No torch.

Only for FramePack's 13 B transformer: the numbers below are its own.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from db.said import Said, said, together
from gen.attention import KERNELS, NATIVE

# FLOP of a multiprocessor in each clock: dense products of 16 bits with float32 sums, which GeForce cards make at half
# the rate of other ones. source: NVIDIA's whitepapers of each architecture
PER_CLOCK = {(7, 0): 1024, (7, 5): 1024, (8, 0): 2048, (8, 6): 1024, (8, 9): 1024, (9, 0): 4096, (10, 0): 4096}
PER_CLOCK |= {(12, 0): 1024}
NO_TENSOR_CORES = 256
PER_TOKEN = 13.57e9  # FLOP of all matrices of a step, per token: 251e12 at the 18 500 tokens of 640 x 608
PER_PAIR = 4 * 60 * 3072  # FLOP of attention, per pair of tokens: 60 blocks, width 3072
BESIDE = 985  # tokens of text and picture
NORMAL = 0.55  # of the peak: other people's runs of the same model reach 62 % on a 3060, 85 % on a 4090
DECODE_SHARE = 0.25  # of a section's time; more is not normal
SLOW_BUS = 6e9  # bytes a second of copies that do not overlap: from memory that is not pinned


@dataclass(frozen=True)
class Pace:
    """One finished section: its size in pixels, the steps that all blocks computed, and milliseconds.

    card: that made it, "" where that is not known
    """

    width: int
    height: int
    steps: int
    sampling_ms: int
    decode_ms: int
    card: str = ""


def tokens(width: int, height: int) -> int:
    """Tokens of a step at window 9: nine noisy frames, two clean ones, two at 2x, sixteen at 4x, text and picture."""
    rows, columns = height // 16, width // 16
    context = 2 * rows * columns + -(-rows // 2) * -(-columns // 2) + 4 * -(-rows // 4) * -(-columns // 4)
    return 9 * rows * columns + context + BESIDE


def step_tflop(width: int, height: int) -> float:
    """10^12 floating-point operations of one step."""
    count = tokens(width, height)
    return (PER_TOKEN * count + PER_PAIR * count**2) / 1e12


@dataclass(frozen=True)
class Gpu:
    """What of a card bounds its speed.

    name:    as the driver calls it   capability: compute capability
    units:   multiprocessors          clock_hz: the highest of their clock, 0: not known
    """

    name: str = ""
    capability: tuple[int, int] = (0, 0)
    units: int = 0
    clock_hz: float = 0.0

    @property
    def peak(self) -> float:
        """The most it can do, in 10^12 floating-point operations a second; 0: not known."""
        rate = PER_CLOCK.get(self.capability, 0) / (2 if "GeForce" in self.name else 1)
        if "GTX" in self.name:  # Turing without tensor cores: float16 at twice the rate of float32
            rate = min(rate, NO_TENSOR_CORES)
        return rate * self.units * self.clock_hz / 1e12


def verdict(paces: Sequence[Pace], gpu: Gpu, attention: str, streamed: int = 0) -> tuple[bool | None, str]:
    """(True: normal, None: worth a look, and the sentence).

    attention: the backend that is used; streamed: bytes of weights that travel to the card in each step
    """
    per_step = statistics.median(pace.sampling_ms / pace.steps for pace in paces) / 1000
    reached = statistics.median(
        step_tflop(pace.width, pace.height) * pace.steps / (pace.sampling_ms / 1000) for pace in paces
    )
    decode = statistics.median(pace.decode_ms / (pace.decode_ms + pace.sampling_ms) for pace in paces)
    pace = said(
        "Speed: {step:.1f} s a step over the last {count} sections, {reached:.1f} TFLOP/s",
        step=per_step,
        count=len(paces),
        reached=reached,
    )
    if not gpu.peak:
        name = gpu.name or said("this machine")
        return None, said("{pace}. What {name} can do at most is not known here.", pace=pace, name=name)
    share = reached / gpu.peak
    pace = said(
        "{pace}, {share:.0%} of what {name} can do in 16 bits at most ({peak:.1f}).",
        pace=pace,
        share=share,
        name=gpu.name,
        peak=gpu.peak,
    )
    fine, judged = judgement(share, decode, per_step, gpu, attention, streamed)
    return fine, together(pace, judged)


def judgement(
    share: float, decode: float, per_step: float, gpu: Gpu, attention: str, streamed: int
) -> tuple[bool | None, Said]:
    """What to make of it. share: of the card's peak; decode: of the time; per_step: seconds."""
    if decode > DECODE_SHARE:
        return (
            None,
            said("Decoding takes {decode:.0%} of the time: it needs more of the card's memory.", decode=decode),
        )
    if share > 1:
        return True, said("That is normal: products of 8 bits do more.")
    if share >= NORMAL:
        return True, said("That is normal.")
    copying = streamed / SLOW_BUS  # seconds of a step, where copies and computing take turns
    if copying > per_step / 2 or (streamed and attention != NATIVE):
        return None, said(
            "That is slow. It waits for weights ({gb:.1f} GB a step): more of them on the card, fp8, or more free RAM.",
            gb=streamed / 1e9,
        )
    faster = ", ".join(kernel.name for kernel in KERNELS if gpu.capability >= kernel.card)
    if attention == NATIVE and faster:
        return None, said(
            "That is slow. Attention is half of the work: a faster kernel ({kernels}) helps most.", kernels=faster
        )
    return None, said(
        "That is slow, and neither weights nor attention hold it back: "
        "look for a power limit, heat, or another program on the card."
    )
