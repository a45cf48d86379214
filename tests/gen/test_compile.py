"""torch.compile of the blocks: traced once for blocks of a kind, the same numbers; where it fails, one sentence."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gen.bench.vram_planned import SMALL, inputs, rows_for
from gen.card import PRESETS
from gen.child import compiled
from gen.precision import Linear8
from gen.stream import HostBuffer, Streamed, Streamer, blocks_of, fill, layout_of, settle
from gen.tensors import Drawn
from gen.transformer import Compiled, Placement, assemble, compile_blocks, empty, shapes_of
from gen.velocity import walk
from gen.weights import Models

CPU = torch.device("cpu")


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


@pytest.mark.parametrize("kind", ["fp16", "fp8"])
def test_a_prompt_of_another_length_compiles_nothing_anew(kind: str) -> None:
    graphs, lengths = [], range(256, 156, -10)

    def backend(graph: Any, inputs: list[Tensor]) -> Any:
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    config, card = {**SMALL, "num_layers": 1, "num_single_layers": 1}, PRESETS["framepack-f1"]
    assembled = assemble(empty(config), Drawn(shapes_of(config), torch.float32), Placement(kind), CPU)
    blocks = [block for _, block in blocks_of(assembled.transformer)]
    for layer in (layer for block in blocks for layer in block.modules() if isinstance(layer, Linear8)):
        layer.fast = True
    fixed, words, temb, x = inputs(assembled.transformer, replace(card, window=2), 32, 48, torch.float32, CPU)
    with torch.no_grad(), assembled.modulation.at(rows_for(assembled, 1, CPU), 0):
        lasts = {n: walk(assembled.transformer, fixed, words[:, :n], temb, x, None) for n in (lengths[0], lengths[-1])}
        made = compile_blocks(blocks, backend)
        counts = []
        for n in lengths:
            out = walk(assembled.transformer, fixed, words[:, :n], temb, x, None)
            assert n not in lasts or torch.equal(out, lasts[n])
            counts.append(len(graphs))
    assert made.works
    assert counts[1:] == [counts[1]] * (len(lengths) - 1), counts  # the second length makes it one for all


def test_what_is_compiled_anew_again_and_again_is_not_called_compiled(caplog: pytest.LogCaptureFixture) -> None:
    class Loops(Block):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([super(Loops, self).forward(row) for row in x])

    torch.compiler.reset()
    block = Loops().requires_grad_(False)
    made = compile_blocks([block], "eager")
    with caplog.at_level(logging.WARNING, "flipbot"):
        for rows in range(2, 14):
            assert block(torch.ones(rows, 8)).shape == (rows, 1, 8)
    assert not made.works
    assert len([record for record in caplog.records if "compile is off" in record.getMessage()]) == 1


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
