"""The block streamer, synchronously: order, reuse of slots, the same bits, and bytes as arithmetic says."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from gen.bench.live import Live
from gen.memory import spread
from gen.stream import CudaLane, HostBuffer, Layout, Place, Streamed, Streamer, fill, layout_of, settle
from tests.fakes.cuda import Runtime

CPU = torch.device("cpu")


class Block(nn.Module):
    """Two layers, so that a block has several tensors; `wide` ones stand for the double blocks."""

    def __init__(self, wide: bool) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(8, 24 if wide else 16), nn.Linear(24 if wide else 16, 8, bias=wide)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(torch.tanh(self.up(x)))


def stack(count: int) -> list[Block]:
    torch.manual_seed(count)
    return [Block(wide=n < count // 3).requires_grad_(False) for n in range(count)]


def streamed(blocks: Sequence[nn.Module], which: Sequence[int]) -> list[Streamed]:
    out = []
    for n in which:
        layout = layout_of(blocks[n])
        host = HostBuffer(layout.size)
        fill(layout, ((name, p.data) for name, p in blocks[n].named_parameters()), host.bytes)
        for p in blocks[n].parameters():
            p.data = torch.empty(0)  # only the buffer has the weights now
        out.append(Streamed(blocks[n], layout, host))
    return out


def run(blocks: Sequence[nn.Module], x: Tensor) -> Tensor:
    for block in blocks:
        x = block(x)
    return x


@given(st.integers(1, 12), st.integers(1, 4), st.data())
def test_streamed_is_resident_to_the_bit_and_moves_what_arithmetic_says(
    count: int, slots: int, data: st.DataObject
) -> None:
    which = sorted(data.draw(st.sets(st.integers(0, count - 1), min_size=1)))
    x, blocks = torch.randn(3, 8), stack(count)
    expected = run(blocks, x)
    parts = streamed(blocks, which)
    streamer, sizes, calls = Streamer(parts, slots, CPU), [part.layout.size for part in parts], 3
    assert all(torch.equal(run(blocks, x), expected) for _ in range(calls))
    ahead = min(slots, len(which))  # after the last block the first ones of the next call are on their way
    moved = sizes * calls + sizes[:ahead] if len(which) > slots else sizes
    assert streamer.traffic.bytes == sum(moved)
    assert streamer.traffic.copies == len(moved)
    assert streamer.traffic.restarts == 1
    assert streamer.bytes_per_step == sum(sizes)
    assert streamer.slot_bytes == ahead * max(sizes)


class Log:
    """A lane that writes down what it is asked."""

    def __init__(self) -> None:
        self.said: list[tuple[str, int]] = []

    def copy(self, slot: int, source: Tensor, target: Tensor) -> None:
        self.said.append(("copy", slot))
        target.copy_(source)

    def filled(self, slot: int) -> None:
        self.said.append(("filled", slot))

    def read(self, slot: int) -> None:
        self.said.append(("read", slot))


def test_a_slot_is_filled_again_only_after_its_reader_and_the_next_copy_runs_ahead() -> None:
    blocks = stack(5)
    streamer = Streamer(streamed(blocks, range(5)), 2, CPU)
    streamer.lane = log = Log()
    run(blocks, torch.randn(1, 8))
    first = [("read", 0), ("copy", 0), ("read", 1), ("copy", 1)]
    per_block = [[("filled", n % 2), ("read", n % 2), ("copy", n % 2)] for n in range(5)]
    assert log.said == first + [said for block in per_block for said in block]
    # while a block computes, the one after it is in the other slot or on its way, over the end of the call too
    assert [n for n, _ in streamer.ring] == [0, 1]


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_a_copy_that_holds_the_processor_is_asked_for_once_the_next_block_is_queued(slots: int) -> None:
    x, blocks = torch.randn(1, 8), stack(5)
    expected = run(blocks, x)
    streamer = Streamer(streamed(blocks, range(5)), slots, CPU)
    streamer.device = torch.device("cuda")  # whose buffers nobody pinned
    streamer.lane = log = Log()
    for block in blocks:
        block.up.register_forward_pre_hook(lambda *_: log.said.append(("computes", 0)))
    assert all(torch.equal(run(blocks, x), expected) for _ in range(3))
    calls = [what for what, _ in log.said[2 * slots :]]  # behind those of the start
    if slots == 1:  # where nothing can be ahead
        assert calls == ["filled", "computes", "read", *["copy", "filled", "computes", "read"] * 14]
    else:
        assert calls == ["filled", "computes", "read", *["filled", "computes", "read", "copy"] * 14]
        assert streamer.traffic.copies == slots + 14


@pytest.mark.parametrize("pinned", [range(0), range(2), range(1, 5, 2), range(5)])
def test_a_call_that_broke_off_while_a_copy_was_late_is_started_over(pinned: range) -> None:
    x, blocks = torch.randn(2, 8), stack(6)
    expected = run(blocks, x)
    streamer = Streamer(streamed(blocks, range(6)), 2, CPU)
    streamer.device = torch.device("cuda")
    for n in pinned:
        streamer.streamed[n].host.pinned = True
    for count in range(1, 6):
        run(blocks[:count], x)
        assert torch.equal(run(blocks, x), expected)
    streamer.device = CPU
    for n in pinned:
        streamer.streamed[n].host.pinned = False


def test_pinned_memory_that_is_dropped_is_taken_back_from_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Runtime()
    monkeypatch.setattr(torch.cuda, "cudart", lambda: runtime)
    closed, dropped = HostBuffer(512), HostBuffer(512)
    assert closed.pin()
    assert dropped.pin()
    assert len(runtime.pinned) == 2
    closed.unpin()
    assert list(runtime.pinned) == [dropped.bytes.data_ptr()]
    del dropped, closed  # as where a part of a bench failed before anybody could close it
    gc.collect()
    assert runtime.pinned == {}


def test_nothing_is_allocated_and_slots_stay_where_they_are() -> None:
    blocks = stack(7)
    streamer = Streamer(streamed(blocks, range(1, 7)), 2, CPU)
    run(blocks, torch.randn(1, 8))
    where = [slot.data_ptr() for slot in streamer.slots]
    seen = set()
    with Live() as live:
        for _ in range(3):
            for n in range(6):
                streamer.before(n)
                seen |= {p.untyped_storage().data_ptr() for p in streamer.parameters[n]}
                streamer.after(n)
    assert live.made == 0
    assert seen == set(where) == {slot.data_ptr() for slot in streamer.slots}


def test_a_call_that_broke_off_is_started_over() -> None:
    x, blocks = torch.randn(2, 8), stack(6)
    expected = run(blocks, x)
    streamer = Streamer(streamed(blocks, range(6)), 2, CPU)
    run(blocks[:3], x)
    assert torch.equal(run(blocks, x), expected)
    blocks[2].register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(KeyError()))
    with pytest.raises(KeyError):
        run(blocks, x)
    blocks[2]._forward_pre_hooks.popitem()
    assert torch.equal(run(blocks, x), expected)
    assert streamer.traffic.restarts == 3


def test_the_order_may_be_any_other_one() -> None:
    x, blocks = torch.randn(2, 8), stack(6)
    order = [0, 3, 3, 1, 5, 0, 2, 4]
    expected = run([blocks[n] for n in order], x)
    Streamer(streamed(blocks, range(6)), 3, CPU)
    assert torch.equal(run([blocks[n] for n in order], x), expected)


def test_after_closing_nothing_moves() -> None:
    blocks = stack(4)
    streamer = Streamer(streamed(blocks, range(4)), 2, CPU)
    run(blocks, torch.randn(1, 8))
    streamer.close()
    before = streamer.traffic.copies
    run(blocks, torch.randn(1, 8))
    assert streamer.traffic.copies == before


def test_a_buffer_has_the_exact_size_and_its_tensors_do_not_overlap() -> None:
    block = Block(wide=True)
    layout = layout_of(block)
    assert layout.size == sum(-(-4 * p.numel() // 256) * 256 for p in block.parameters())
    host = HostBuffer(layout.size)
    assert (host.bytes.nbytes, len(host.memory), host.pinned) == (layout.size, layout.size, False)
    fill(layout, ((name, p.data) for name, p in block.named_parameters()), host.bytes)
    expected = block(torch.ones(1, 8))
    settle(block, layout, host.bytes)
    assert torch.equal(block(torch.ones(1, 8)), expected)
    assert {p.untyped_storage().data_ptr() for p in block.parameters()} == {host.bytes.untyped_storage().data_ptr()}


class Device:
    """CUDA's streams and events: what is queued waits for the events that its stream was told of before."""

    def __init__(self) -> None:
        self.queues: dict[str, list[tuple[str, Any]]] = {"compute": [], "copy": []}
        self.current = "compute"

    def stream(self, name: str) -> DeviceStream:
        return DeviceStream(self, name)


class DeviceStream:
    """One queue."""

    def __init__(self, device: Device, name: str) -> None:
        self.device, self.name = device, name

    def wait_event(self, event: DeviceEvent) -> None:
        if event.at is not None:  # one that was never recorded lets everything pass
            self.device.queues[self.name].append(("wait", event.at))

    def __enter__(self) -> None:
        self.before, self.device.current = self.device.current, self.name

    def __exit__(self, *_: object) -> None:
        self.device.current = self.before


class DeviceEvent:
    """A place in a queue."""

    def __init__(self) -> None:
        self.at: tuple[str, int] | None = None

    def record(self, stream: DeviceStream) -> None:
        self.at = (stream.name, len(stream.device.queues[stream.name]))


def test_on_a_card_no_slot_is_read_before_it_is_filled_or_filled_while_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device, blocks = Device(), stack(6)
    monkeypatch.setattr(torch.cuda, "Stream", lambda _: device.stream("copy"))
    monkeypatch.setattr(torch.cuda, "Event", DeviceEvent)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: device.stream(device.current))
    streamer = Streamer(streamed(blocks, range(6)), 2, CPU)
    lane = CudaLane(2, CPU)
    plain = lane.copy

    def copy(slot: int, source: Tensor, target: Tensor) -> None:
        plain(slot, source, target)
        queue = device.queues["copy"]
        queue.append(("copy", slot))
        lane.copied[slot].record(lane.stream)  # as the lane did behind the copy, which this queue only now holds

    monkeypatch.setattr(lane, "copy", copy)
    streamer.lane = lane
    slots = {streamer.slots[n].data_ptr(): n for n in range(2)}
    for n, block in enumerate(blocks):
        block.up.register_forward_pre_hook(
            lambda *_, n=n: device.queues["compute"].append(
                ("read", slots[streamer.parameters[n][0].untyped_storage().data_ptr()])
            )
        )
    for _ in range(3):
        run(blocks, torch.randn(1, 8))
    for first in (("copy", "compute"), ("compute", "copy")):
        done = played(device.queues, first)
        assert done.count("copy 0") == done.count("copy 1") == 10
        assert done.count("read 0") + done.count("read 1") == 18


def played(queues: dict[str, list[tuple[str, Any]]], first: tuple[str, str]) -> list[str]:
    """The order in which a card does what is queued, one queue running ahead of the other as far as it is let; checked.

    A slot that is read must hold a copy that nobody has read yet.
    """
    at, fresh = {"compute": 0, "copy": 0}, {0: False, 1: False}
    done: list[str] = []
    while any(at[name] < len(queue) for name, queue in queues.items()):
        for name in first:
            if at[name] == len(queues[name]):
                continue
            what, which = queues[name][at[name]]
            if what == "wait":
                other, place = which
                if at[other] < place:
                    continue
            elif what == "copy":
                assert not fresh[which], "filled before it was read"
                fresh[which] = True
                done.append(f"copy {which}")
            else:
                assert fresh[which], "read before it was filled"
                fresh[which] = False
                done.append(f"read {which}")
            at[name] += 1
            break
        else:
            raise AssertionError("each waits for the other")
    return done


class Refuses:
    """CUDA's runtime on a system that pins two buffers and no more (WSL, Windows), and blames the next kernel then."""

    def __init__(self) -> None:
        self.pinned: list[int] = []
        self.blamed: list[torch.device] = []

    def cudaHostRegister(self, pointer: int, size: int, flags: int) -> int:
        if len(self.pinned) == 2:
            return 2
        self.pinned.append(pointer)
        return 0

    def cudaHostUnregister(self, pointer: int) -> int:
        self.pinned.remove(pointer)
        return 0

    def kernel(self, *_: object, device: torch.device) -> None:
        self.blamed.append(device)
        raise RuntimeError("CUDA error: out of memory")


def test_a_refusal_to_pin_is_said_once_and_no_kernel_is_blamed_for_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    driver = Refuses()
    monkeypatch.setattr(torch.cuda, "cudart", lambda: driver)
    streamer = Streamer(streamed(stack(4), range(4)), 2, CPU)
    assert (streamer.pinned, driver.pinned) == (False, [])  # without a card nothing is asked of it
    streamer.device = torch.device("cuda")
    monkeypatch.setattr(torch, "ones", driver.kernel)
    assert streamer.pin() is False
    assert driver.pinned == [each.host.bytes.data_ptr() for each in streamer.streamed[:2]]
    assert driver.blamed == [torch.device("cuda")]
    assert "pinned memory refused blocks=2/4" in caplog.text
    for each in streamer.streamed:
        each.host.unpin()
    assert driver.pinned == []


def test_what_does_not_fit_its_place_is_refused() -> None:
    layout = Layout((Place("a", (2,), torch.float32, 0), Place("b", (1,), torch.float32, 256)), 512)
    buffer = torch.zeros(512, dtype=torch.uint8)
    with pytest.raises(ValueError, match="a has shape"):
        fill(layout, [("a", torch.ones(3))], buffer)
    with pytest.raises(ValueError, match="b was not given"):
        fill(layout, [("a", torch.ones(2))], buffer)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.integers(0, 400))
def test_as_many_stay_as_fit_evenly_spread(sizes: list[int], room: int) -> None:
    stay = spread(sizes, room)
    assert sum(sizes[n] for n in stay) <= max(room, 0)
    assert len(set(stay)) == len(stay)
    if stay:
        assert stay[0] == 0
    if sum(sizes) <= room:
        assert stay == tuple(range(len(sizes)))
    if len(set(sizes)) == 1:
        assert len(stay) == min(room // sizes[0], len(sizes))
        gaps = [b - a for a, b in zip(stay, [*stay[1:], len(sizes)], strict=True)] if stay else [0]
        assert max(gaps) - min(gaps) <= 1
