"""The blocks' weights on their way: a contiguous buffer for each block in RAM, a few slots on the device.

What fits stays on the device; the rest is copied, block by block, into two or three slots that were made once. While
one block computes, the next ones are on their way by a stream of their own; events in both directions keep a slot from
being read before it is filled and from being filled while it is read. The processor only queues: it waits for nothing,
and nothing is allocated. Where there is no CUDA the same code copies at once.

The model is diffusers' own: each block's parameters are pointed at the slot that holds them, by a hook before its
forward. The buffers are mapped memory of the exact size, registered with CUDA (cudaHostRegister): PyTorch's allocator
of pinned memory would round each up to a power of two, 25.75 GB to 40.33. Where the system refuses that, CUDA holds the
processor until such a copy is done, and such a copy waits for its slot's last reader: it is asked for one block later,
when the next one's kernels are queued, so that the card computes meanwhile.
"""

from __future__ import annotations

import logging
import mmap
import weakref
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

log = logging.getLogger("flipbot.stream")

ALIGN = 256  # bytes: where tensors begin, as CUDA's own allocations do


@dataclass(frozen=True)
class Place:
    """One tensor within a block's buffer."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    offset: int


@dataclass(frozen=True)
class Layout:
    """How a block's tensors lie in its buffer; blocks of one kind have the same."""

    places: tuple[Place, ...]
    size: int

    def views(self, buffer: Tensor) -> list[Tensor]:
        """The tensors of a buffer of bytes, in the order of places."""
        return [view(buffer, place) for place in self.places]


def view(buffer: Tensor, place: Place) -> Tensor:
    """A tensor over some bytes of a buffer."""
    count = torch.Size(place.shape).numel() * place.dtype.itemsize
    return buffer[place.offset : place.offset + count].view(place.dtype).view(place.shape)


def layout_of(block: nn.Module) -> Layout:
    """The layout of a block's parameters, one behind the other."""
    places, offset = [], 0
    for name, parameter in block.named_parameters():
        places.append(Place(name, tuple(parameter.shape), parameter.dtype, offset))
        offset += -(-parameter.numel() * parameter.element_size() // ALIGN) * ALIGN
    return Layout(tuple(places), offset)


class HostBuffer:
    """Mapped memory of exactly so many bytes; pinned where CUDA takes it."""

    def __init__(self, size: int) -> None:
        private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
        self.memory = mmap.mmap(-1, max(size, 1), **private)
        self.bytes = torch.frombuffer(self.memory, dtype=torch.uint8)[:size]
        self.pinned = False
        self.registered: weakref.finalize[..., HostBuffer] | None = None

    def pin(self) -> bool:
        """Register it with CUDA; False where the system refuses (WSL and Windows allow only so much).

        Whoever drops it takes that back, as unpin does: before the memory goes.
        """
        runtime, pointer = cuda().cudart(), self.bytes.data_ptr()
        self.pinned = int(runtime.cudaHostRegister(pointer, self.bytes.nbytes, 0)) == 0
        if self.pinned:
            self.registered = weakref.finalize(self, runtime.cudaHostUnregister, pointer)
            self.registered.atexit = False  # a process that ends gives back everything by itself
        return self.pinned

    def unpin(self) -> None:
        """Take that back."""
        if self.registered is not None:
            self.registered()
        self.pinned = False


def cuda() -> Any:
    """torch.cuda, parts of which have no types."""
    return torch.cuda


def forget_error(device: torch.device) -> None:
    """CUDA keeps an error until somebody asks, and torch asks after each kernel: let it blame one that nobody needs."""
    with suppress(RuntimeError):
        torch.ones(1, device=device).add_(1)


class Lane(Protocol):
    """How copies travel."""

    def copy(self, slot: int, source: Tensor, target: Tensor) -> None:
        """Copy once the slot is not read any more."""

    def filled(self, slot: int) -> None:
        """What is computed from now on waits for the slot's copy."""

    def read(self, slot: int) -> None:
        """What was computed until now is the slot's last reader."""


class AtOnce:
    """Without CUDA: a copy is done when it returns."""

    def copy(self, slot: int, source: Tensor, target: Tensor) -> None:
        """Copy now."""
        target.copy_(source)

    def filled(self, slot: int) -> None:
        """It is."""

    def read(self, slot: int) -> None:
        """It was."""


class CudaLane:
    """A stream of its own, with two events for each slot."""

    def __init__(self, slots: int, device: torch.device) -> None:
        self.device = device
        self.stream = cuda().Stream(device)
        self.copied = [cuda().Event() for _ in range(slots)]
        self.free = [cuda().Event() for _ in range(slots)]

    def copy(self, slot: int, source: Tensor, target: Tensor) -> None:
        """Queue the copy behind the slot's last reader; an event that was never recorded lets everything pass."""
        self.stream.wait_event(self.free[slot])
        with torch.cuda.stream(self.stream):
            target.copy_(source, non_blocking=True)
            self.copied[slot].record(self.stream)

    def filled(self, slot: int) -> None:
        """The computing stream waits, not the processor."""
        torch.cuda.current_stream(self.device).wait_event(self.copied[slot])

    def read(self, slot: int) -> None:
        """Mark the place in the computing stream."""
        self.free[slot].record(torch.cuda.current_stream(self.device))


@dataclass
class Traffic:
    """Copies and bytes from RAM to the device, and how often another block was called than the one expected."""

    copies: int = 0
    bytes: int = 0
    restarts: int = 0


@dataclass
class Streamed:
    """A block whose weights travel."""

    block: nn.Module
    layout: Layout
    host: HostBuffer

    @property
    def parameters(self) -> list[nn.Parameter]:
        """In the order of the layout."""
        found = dict(self.block.named_parameters())
        return [found[place.name] for place in self.layout.places]


class Streamer:
    """Brings the weights of some blocks to the device in time, in the order in which they are called."""

    def __init__(self, streamed: Sequence[Streamed], slots: int, device: torch.device) -> None:
        """streamed: in the order of their calls; slots: buffers on the device, at least 1."""
        self.traffic = Traffic()
        self.device = device
        self.streamed = list(streamed)
        self.parameters = [each.parameters for each in self.streamed]
        size = max((each.layout.size for each in self.streamed), default=0)
        count = min(slots, len(self.streamed))
        self.slots = [torch.empty(size, dtype=torch.uint8, device=device) for _ in range(count)]
        self.lane: Lane = CudaLane(count, device) if device.type == "cuda" else AtOnce()
        # Made once: pointing a parameter at a slot then allocates nothing.
        layouts = {each.layout for each in self.streamed}
        self.views = [{layout: layout.views(slot) for layout in layouts} for slot in self.slots]
        # (block, slot) in the order they will be used: a ring, so that behind the last block the first is on its way.
        self.ring: deque[tuple[int, int]] = deque()
        self.holds: list[int | None] = [None] * count
        self.late: tuple[int, int] | None = None  # the end of the ring, where its copy is still to be asked for
        self.hooks = [self.hook(n) for n in range(len(self.streamed))]
        self.pinned = self.pin()

    @property
    def bytes_per_step(self) -> int:
        """What one pass through all blocks moves."""
        return sum(each.layout.size for each in self.streamed)

    @property
    def slot_bytes(self) -> int:
        """What the slots take on the device."""
        return sum(slot.nbytes for slot in self.slots)

    def pin(self) -> bool:
        """Register all buffers with CUDA, if there is any; says once where that is refused."""
        if self.device.type != "cuda":
            return False
        for n, each in enumerate(self.streamed):
            if not each.host.pin():
                log.warning(
                    "pinned memory refused blocks=%d/%d; copies of the others are slow, and hold the processor",
                    n,
                    len(self.streamed),
                )
                forget_error(self.device)
                return False
        return True

    def hook(self, n: int) -> list[Any]:
        """Fill a slot before a block's forward, and let it go after."""
        block = self.streamed[n].block
        return [
            block.register_forward_pre_hook(lambda *_: self.before(n)),
            block.register_forward_hook(lambda *_: self.after(n)),
        ]

    def before(self, n: int) -> None:
        """The block is about to compute: its weights are there, or are waited for by the stream that computes."""
        if not self.ring or self.ring[0][0] != n:
            self.restart(n)
        elif self.late == self.ring[0]:  # there is one slot only
            self.catch_up()
        slot = self.ring[0][1]
        self.lane.filled(slot)
        for parameter, tensor in zip(self.parameters[n], self.views[slot][self.streamed[n].layout], strict=True):
            parameter.data = tensor

    def after(self, n: int) -> None:
        """The block has computed (or its kernels are queued): its slot takes the next one in the ring."""
        _, slot = self.ring.popleft()
        self.lane.read(slot)
        last = self.ring[-1][0] if self.ring else n
        self.catch_up()
        self.late = ((last + 1) % len(self.streamed), slot)
        self.ring.append(self.late)
        if self.device.type != "cuda" or self.streamed[self.late[0]].host.pinned:
            self.catch_up()

    def catch_up(self) -> None:
        """Ask for the copy that is still to be asked for."""
        if self.late is not None:
            self.fetch(*self.late)
            self.late = None

    def fetch(self, n: int, slot: int) -> None:
        """Send block n's weights on their way into a slot, unless they are there."""
        if self.holds[slot] == n:
            return
        size = self.streamed[n].layout.size
        self.lane.copy(slot, self.streamed[n].host.bytes, self.slots[slot][:size])
        self.holds[slot] = n
        self.traffic.copies += 1
        self.traffic.bytes += size

    def restart(self, n: int) -> None:
        """Another block was called than the one expected: at the very start, or after a call that broke off."""
        self.traffic.restarts += 1
        self.ring.clear()
        self.late = None
        for slot in range(len(self.slots)):
            self.lane.read(slot)  # a call that broke off may still be reading
            self.ring.append(((n + slot) % len(self.streamed), slot))
            self.fetch(*self.ring[-1])

    def close(self) -> None:
        """Let go of the hooks and of the pinned memory."""
        for hooks in self.hooks:
            for hook in hooks:
                hook.remove()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        for each in self.streamed:
            each.host.unpin()


def fill(layout: Layout, tensors: Iterable[tuple[str, Tensor]], buffer: Tensor) -> None:
    """Write a block's tensors into its buffer. raises: ValueError where they do not fit the layout."""
    views = dict(zip((place.name for place in layout.places), layout.views(buffer), strict=True))
    for name, tensor in tensors:
        target = views.pop(name)
        if target.shape != tensor.shape:
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}, expected {tuple(target.shape)}")
        target.copy_(tensor)
    if views:
        raise ValueError(f"{next(iter(views))} was not given")


def settle(block: nn.Module, layout: Layout, buffer: Tensor) -> None:
    """Point a block's parameters at a buffer for good."""
    for place, tensor in zip(layout.places, layout.views(buffer), strict=True):
        owner, _, name = place.name.rpartition(".")
        module = block.get_submodule(owner) if owner else block
        setattr(module, name, nn.Parameter(tensor, requires_grad=False))


def blocks_of(transformer: Any) -> list[tuple[str, nn.Module]]:
    """The blocks of diffusers' transformer in the order they run, with the prefix of their names."""
    return [
        (f"{kind}.{n}.", block)
        for kind in ("transformer_blocks", "single_transformer_blocks")
        for n, block in enumerate(getattr(transformer, kind))
    ]
