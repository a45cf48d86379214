"""The 13 B model's shapes with random weights on a GPU: memory under a cap, traffic, a step streamed and resident."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor

from gen import decode, precision
from gen.bench.vram_planned import META, SMALL, STEPS, inputs, rows_for
from gen.cache import StepCache, TeaCache
from gen.card import PRESETS, Card
from gen.driver import asked_of_driver, numbered
from gen.memory import CONTEXT, GB, GIB, MemoryPlan, largest, parts_of, share, this_machine
from gen.stream import cuda
from gen.tensors import Drawn
from gen.transformer import Assembled, Placement, assemble, empty, place, shapes_of
from gen.velocity import velocity_by

PUBLISHED = (128, 256, 512, 512)  # widths of HunyuanVideo's VAE
RAM_MOST = {"bf16": 24.0, "fp8": 14.0, "nf4": 14.0}  # GB, to reach
NO_FOUR_BIT = "not here: bitsandbytes is not installed (pip install 'flipbot[nf4]')"
ROW = 2  # steps in a row, as a film has them: behind the last, copies for the next one are on their way for nothing
SLOW_S = 20.0  # what is measured several times takes no longer in all


@dataclass(frozen=True)
class Setup:
    """What is measured: shapes, sizes, the device and its cap."""

    config: Mapping[str, Any]
    card: Card
    device: torch.device
    vram_gib: float
    ram_gib: float
    steps: int
    vae: Callable[[torch.device], Any] = field(default=lambda device: random_vae(device))
    compiles: bool = True

    @property
    def wide(self) -> str:
        """The precision of 16 bits that the device computes in: it is what others are compared with."""
        return "bf16" if self.device.type != "cuda" or precision.has_bf16(self.device) else "fp16"


@dataclass(frozen=True)
class Line:
    """One figure. ok: None where nothing is to be reached."""

    group: str
    what: str
    figure: str
    reach: str = ""
    ok: bool | None = None


class Meter:
    """The device's clock and memory; on a CPU the clock alone."""

    def __init__(self, device: torch.device, others: int | None = None) -> None:
        """others: bytes on the card before this process touched it; None: not known."""
        self.device = device
        self.gpu = device.type == "cuda"
        self.others = others

    def wait(self) -> None:
        """Until the device has done what it was given."""
        if self.gpu:
            torch.cuda.synchronize(self.device)

    def lost(self) -> bool:
        """Whether the card answers with errors from now on, as after a fault in a kernel."""
        try:
            self.wait()
        except RuntimeError:
            return True
        return False

    def seconds(self, work: Callable[[], object], times: int = 1) -> float:
        """Wall seconds of some work, once; on average where it is done so many times without waiting in between."""
        self.wait()
        started = time.perf_counter()
        for _ in range(times):
            work()
        self.wait()
        return (time.perf_counter() - started) / times

    def reset(self) -> None:
        """Forget the peaks, and give back what is free."""
        if self.gpu:
            gc.collect()  # models are full of cycles: without it the last one would still be there
            self.wait()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        forget_peak_ram()

    def reserved(self) -> int:
        """The most that torch's allocator held since the reset."""
        return torch.cuda.max_memory_reserved(self.device) if self.gpu else 0

    def by_driver(self) -> int:
        """What the driver counts as taken by this process: torch's memory, and CUDA's own where `others` is known."""
        if not self.gpu:
            return 0
        free, total = torch.cuda.mem_get_info(self.device)
        return total - free - (self.others or 0)

    def allocator(self) -> dict[str, int]:
        """How often the allocator has gone to the driver, been at its limit, and had nothing for who asked.

        Each piece that is mapped into an expandable segment counts as one of the first: the card goes on meanwhile. At
        the limit (num_alloc_retries) it is waited for, until what is free was given back.
        """
        stats = torch.cuda.memory_stats(self.device) if self.gpu else {}
        return {name: int(stats.get(name, 0)) for name in ("num_device_alloc", "num_alloc_retries", "num_ooms")}

    def cap(self, gib: float) -> None:
        """Let torch take no more than so much, the driver's own share counted in."""
        if self.gpu:
            total = torch.cuda.get_device_properties(self.device).total_memory
            torch.cuda.set_per_process_memory_fraction(share(gib * GIB, total), self.device)

    def allocated(self) -> int:
        """What tensors hold now."""
        return torch.cuda.memory_allocated(self.device) if self.gpu else 0

    def beside(self, held: int) -> int:
        """The most that tensors held since the last `begin`, beside what they held before."""
        return torch.cuda.max_memory_allocated(self.device) - held if self.gpu else 0

    def begin(self) -> int:
        """Forget the peaks of torch's memory, but give nothing back; returns what tensors hold now."""
        if self.gpu:
            torch.cuda.reset_peak_memory_stats(self.device)
        return self.allocated()


def taken_before(device: torch.device) -> int | None:
    """Bytes in use on the card by the driver's own tool, before CUDA is started here; None where it does not say."""
    if device.type != "cuda" or cuda().is_initialized():
        return None
    said = asked_of_driver(numbered(device.index or 0), "memory.used")
    return int(said) << 20 if said.isdigit() else None


def forget_peak_ram() -> None:
    """Let the peak of this process's RAM begin anew, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_ram() -> int:
    """The most RAM that this process has held since, in bytes; what it holds now where the system does not say."""
    now: int = psutil.Process().memory_info().rss
    return max(now, memory_of(os.getpid()).get("VmHWM", 0))


def memory_of(pid: int) -> dict[str, int]:
    """A process's memory in bytes, by the system's names for its kinds (Linux); nothing where it does not say."""
    if sys.platform != "linux":
        return {}
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) << 10 for words in lines if words[-1:] == ["kB"]}


def rehearsal(device: torch.device) -> Setup:
    """Every measurement with narrow layers and a small picture."""
    card = replace(PRESETS["framepack-f1"], window=2, sizes={"s": ((32, 48),)})
    return Setup(SMALL, card, device, 6.0, 0.0, steps=1, vae=lambda device: random_vae(device, (8, 8, 16, 16)))


def build(setup: Setup, placement: Placement) -> Assembled:
    """The transformer with random weights, made on the device and kept as the placement says."""
    source = Drawn(shapes_of(setup.config), torch.bfloat16, setup.device)
    return assemble(empty(setup.config), source, placement, setup.device)


@contextlib.contextmanager
def stepper(
    setup: Setup, assembled: Assembled, steps: int, cache: StepCache | None = None
) -> Iterator[Callable[[], object]]:
    """A call that makes the next step, for ever."""
    h, w = largest(setup.card)
    dtype = assembled.transformer.x_embedder.proj.weight.dtype
    with torch.no_grad():
        rows = rows_for(assembled, steps, setup.device)
        fixed, _, _, x = inputs(assembled.transformer, setup.card, h, w, dtype, setup.device)
        count = [0]

        def step() -> object:
            count[0] += 1
            return velocity_by(assembled.modulation, rows, count[0] % steps, fixed, x, cache)

        try:
            yield step
        finally:  # pinned memory is let go of before it is unmapped
            if assembled.streamer is not None:
                assembled.streamer.close()


def streamed_lines(setup: Setup, planned: MemoryPlan, placement: Placement, meter: Meter, group: str) -> list[Line]:
    """Under the cap, with all that a film needs on the card: peaks, bytes over the bus, allocations, decode, RAM."""
    cap, ram_most = setup.vram_gib * GIB, RAM_MOST.get(placement.precision, 24.0)
    assembled, vae = build(setup, placement), setup.vae(setup.device)
    assert assembled.streamer is not None
    traffic = assembled.streamer.traffic
    never_skips = TeaCache(-math.inf, 1 << 30)  # it holds what a step cache holds, and computes each step
    with stepper(setup, assembled, STEPS, never_skips) as step:  # a table as large as a film's
        held = meter.begin()
        meter.seconds(step)  # warms up: kernels are loaded, the allocator takes what it needs
        steps = repeats(setup, meter.seconds(step))
        before = (traffic.bytes, meter.allocator())
        per_step = meter.seconds(step, steps)
        moved, counts = traffic.bytes - before[0], meter.allocator()
        asked, *waits = (count - before[1][name] for name, count in counts.items())
        sampling_peak, sampling = meter.reserved(), meter.beside(held)
    del step, never_skips
    h, w = largest(setup.card)
    latents = torch.randn(1, setup.card.latent_channels, 2 * setup.card.window, h // 8, w // 8)
    held = meter.begin()
    seconds = meter.seconds(lambda: decode.decode_latents(vae, latents, planned.tiles))
    peak, decoding, driver, ram = (
        max(meter.reserved(), sampling_peak),
        meter.beside(held),
        meter.by_driver(),
        peak_ram(),
    )
    expected = steps * assembled.streamer.bytes_per_step
    usual = 0 < planned.machine.vram_total < 4 * cap  # CUDA takes more for a card of 140 GB than for one of 6
    own = "with CUDA's own" if meter.others is not None else "others' included"

    def within(what: str, size: float, most: float, unit: int, *, counts: bool = meter.gpu) -> Line:
        return Line(group, what, f"{size / unit:.2f}", f"<= {most / unit:.3g}", size <= most if counts else None)

    return [
        Line(group, "s a step, streamed", f"{per_step:.3f}"),
        Line(
            group,
            "GB a step over the bus",
            f"{moved / steps / GB:.3f}",
            f"= {expected / steps / GB:.3f}",
            moved == expected,
        ),
        Line(group, "buffers pinned at their exact size", "yes" if assembled.streamer.pinned else "no"),
        Line(group, "waits in the loop: the allocator at its limit", str(sum(waits)), "0", not any(waits)),
        Line(group, "times the allocator asked the driver for more in the loop", str(asked)),
        Line(group, "times it was at its limit until now, in all", str(meter.allocator()["num_alloc_retries"])),
        within("peak while sampling, reserved, GiB", sampling_peak, cap, GIB),
        within("peak with decode, reserved, GiB", peak, cap, GIB),
        within(f"the driver's count, {own}, GiB", driver, cap, GIB),
        within("planned peak, GiB", planned.vram, cap, GIB, counts=False),
        within("a step and its cache alone, GB; as planned", sampling, planned.activations + planned.cached, GB),
        within("a decode alone, GB; as planned", decoding, planned.decoding, GB),
        within("CUDA's own, GB; as planned", driver - peak, CONTEXT, GB, counts=usual and meter.others is not None),
        Line(group, f"s for a decode, tiles {planned.tiles}", f"{seconds:.2f}"),
        within("RAM at its peak, whole process, GB", ram, ram_most * GB, GB, counts=True),
        within("planned RAM, GB", planned.ram, ram_most * GB, GB, counts=False),
    ]


def repeats(setup: Setup, seconds: float) -> int:
    """How often something that takes so long is measured: a slow card less often, or ten minutes would not do."""
    return max(1, min(setup.steps, int(SLOW_S / max(seconds, 1e-6))))


def few_blocks(setup: Setup, double: int, single: int) -> Setup:
    """The same shapes with few blocks: they are all alike, and what fits a card then is the same everywhere."""
    return replace(setup, config={**setup.config, "num_layers": double, "num_single_layers": single})


def resident_lines(setup: Setup, placement: Placement, meter: Meter, group: str) -> list[Line]:
    """Streamed against resident, in turns, without the cap: with all blocks, or with few where a card holds no more."""
    here = this_machine(str(setup.device))
    core = sum(parts_of(shapes_of(setup.config), placement.precision, here, STEPS).blocks)
    whole_fits = not meter.gpu or torch.cuda.mem_get_info(setup.device)[0] > 1.1 * core + 5 * GB
    some = setup if whole_fits else few_blocks(setup, 2, 4)
    kept = placement if whole_fits else replace(placement, resident=(0,))
    whole, travelling = build(some, replace(placement, resident=None)), build(some, kept)
    with stepper(some, whole, 2) as resident, stepper(some, travelling, 2) as streamed:
        resident(), streamed()
        turns = repeats(setup, 2 * ROW * meter.seconds(resident))
        pairs = [(meter.seconds(streamed, ROW), meter.seconds(resident, ROW)) for _ in range(turns)]
    ratio = statistics.median(a / b for a, b in pairs)
    which = "all blocks" if whole_fits else "2 + 4 blocks, as the card cannot hold all"
    return [
        Line(
            group,
            f"s a step, resident, {placement.precision}, {which}",
            f"{statistics.median(b for _, b in pairs):.3f}",
        ),
        Line(group, "s a step, streamed", f"{statistics.median(a for a, _ in pairs):.3f}"),
        Line(group, "ratio", f"{ratio:.3f}", "<= 1.05", ratio <= 1.05 if meter.gpu else None),
    ]


@dataclass(frozen=True)
class Stepped:
    """A model's second step, on the CPU; seconds of a later one, and of the first; whether what was compiled ran."""

    out: Tensor
    seconds: float
    first: float
    compiled: bool


def stepped(setup: Setup, placement: Placement, meter: Meter) -> Stepped:
    """Some steps of a model.

    A function of its own: when it returns the model is gone, so that two are never on a small card.
    """
    meter.reset()
    torch.manual_seed(0)
    assembled = build(setup, placement)
    with stepper(setup, assembled, 2) as step:
        first = meter.seconds(step)
        second: list[object] = []
        some = repeats(setup, meter.seconds(lambda: second.append(step())))
        seconds = statistics.median(meter.seconds(step) for _ in range(some))
        out = torch.as_tensor(second[0]).float().cpu()
        return Stepped(out, seconds, first, assembled.compiled is not None and assembled.compiled.works)


def random_vae(device: torch.device, channels: tuple[int, ...] = PUBLISHED) -> Any:
    """HunyuanVideo's VAE with random weights, made where it works: float16 on a GPU."""
    vae = empty_vae(channels)
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    shapes = {name: tuple(parameter.shape) for name, parameter in vae.named_parameters()}
    drawn = Drawn(shapes, dtype, device)
    for name in shapes:
        place(vae, name, drawn.read(name))
    return vae


def empty_vae(channels: tuple[int, ...]) -> Any:
    """The class of HunyuanVideo's VAE, without weights."""
    from diffusers import AutoencoderKLHunyuanVideo

    kind: Any = AutoencoderKLHunyuanVideo
    with META:
        made: Any = kind(block_out_channels=channels, norm_num_groups=min(32, *channels))
    return made.eval().requires_grad_(False)
