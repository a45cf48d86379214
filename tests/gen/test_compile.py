"""torch.compile of the blocks: traced once for blocks of a kind, the same numbers; where it fails, one sentence."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gen.child import compiled
from gen.stream import HostBuffer, Streamed, Streamer, fill, layout_of, settle
from gen.transformer import Compiled, compile_blocks
from gen.weights import Models


class Block(nn.Module):
    """A layer that asks for a row as the modulated ones do."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.row = nn.Linear(8, 8), torch.zeros(1, 8)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.tanh(self.layer(x) * self.row)


def stack() -> list[Block]:
    torch.manual_seed(1)
    return [Block().requires_grad_(False) for _ in range(4)]


def through(blocks: list[Block], row: float) -> Tensor:
    x = torch.linspace(-1, 1, 24).view(3, 8)
    for block in blocks:
        block.row = torch.full((1, 8), row)
        x = block(x)
    return x


def test_streamed_blocks_compile_once_and_hear_every_row() -> None:
    graphs = []

    def backend(graph: Any, inputs: list[Tensor]) -> Any:
        graphs.append(graph)
        return graph.forward

    blocks = stack()
    expected = [through(blocks, row) for row in (0.5, 2.0)]
    streamed = []
    for block in blocks:
        layout = layout_of(block)
        host = HostBuffer(layout.size)
        fill(layout, ((name, p.data) for name, p in block.named_parameters()), host.bytes)
        settle(block, layout, host.bytes)
        streamed.append(Streamed(block, layout, host))
    compile_blocks(blocks, backend)
    streamer = Streamer(streamed, 2, torch.device("cpu"))
    assert all(torch.equal(through(blocks, row), one) for row, one in zip((0.5, 2.0), expected, strict=True))
    assert len(graphs) == 1
    streamer.close()


def test_where_compiling_fails_it_says_so_once_and_computes_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    def backend(graph: Any, inputs: list[Tensor]) -> Any:
        raise RuntimeError("no compiler is here\nand a long story")

    blocks = stack()
    expected = through(blocks, 0.5)
    compile_blocks(blocks, backend)
    with caplog.at_level(logging.WARNING, "flipbot"):
        assert torch.equal(through(blocks, 0.5), expected)
        assert torch.equal(through(blocks, 0.5), expected)
    (record,) = [record for record in caplog.records if record.name == "flipbot.transformer"]
    assert "compile is off" in record.getMessage()
    assert "long story" not in record.getMessage()


def test_running_out_of_memory_is_no_failure_to_compile() -> None:
    def backend(graph: Any, inputs: list[Tensor]) -> Any:
        def run(*_: Tensor) -> Any:
            raise torch.OutOfMemoryError("CUDA out of memory")

        return run

    blocks = stack()
    compile_blocks(blocks, backend)
    with pytest.raises(torch.OutOfMemoryError):
        through(blocks, 0.5)


def test_latents_say_that_compiled_blocks_made_them_only_where_they_did() -> None:
    cpu = torch.device("cpu")
    assert compiled(Models(cpu)) == {}
    assert compiled(Models(cpu, compiled=Compiled())) == {"compiled": True}
    assert compiled(Models(cpu, compiled=Compiled(works=False))) == {}
