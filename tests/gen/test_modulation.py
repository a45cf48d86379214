"""The modulation table: the same bits without the layers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gen.context import pack_f1
from gen.modulation import KEPT, Aside, Looked, Modulation, Recent, is_modulation
from gen.schedule import make_sigmas
from gen.tensors import Drawn, Shape, Source
from gen.transformer import Assembled, Placement, assemble, empty, load_transformer
from gen.types import Text
from gen.velocity import prepare, velocity, velocity_by
from gen.weights import load_model

GOLDEN = Path(__file__).parents[1] / "golden" / "weights" / "transformer"
CPU = torch.device("cpu")
# The widths of the 13 B model's layers at a quarter of its heads, with few of them: 6 heads of 128
WIDE = {
    "num_attention_heads": 6,
    "attention_head_dim": 128,
    "num_layers": 1,
    "num_single_layers": 2,
    "num_refiner_layers": 1,
    "has_image_proj": True,
    "image_proj_dim": 1152,
    "has_clean_x_embedder": True,
    "image_condition_type": "none",
}


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def stock(dtype: torch.dtype) -> Any:
    return load_model(GOLDEN, "transformer", dtype).eval().requires_grad_(False)


def call(transformer: Any, assembled: Assembled | None) -> list[Tensor]:
    """Every step of a short schedule: of a stock model by its own layers, of an assembled one by the table."""
    config, window = transformer.config, 2
    text = Text(drawn(1, 7, config.text_embed_dim), drawn(1, config.pooled_projection_dim))
    start, image = drawn(1, config.in_channels, 1, 6, 10), drawn(1, 9, config.image_proj_dim)
    context, x = pack_f1(start, [start] * 4, window), drawn(1, config.in_channels, window, 6, 10)
    sigmas, guidance = list(make_sigmas(4, 30)[:-1]), torch.tensor([6000.0])
    with torch.no_grad():
        if assembled is None:
            fixed = prepare(transformer, context, image, CPU)
            times = [(1000 * sigma).reshape(1) for sigma in sigmas]
            return [velocity(transformer, fixed, text, x, time, guidance, None) for time in times]
        modulation = assembled.modulation
        table = modulation.table(text, sigmas, guidance)
        fixed = prepare(transformer, context, image, CPU, modulation)
        return [velocity_by(modulation, table, n, fixed, x, None) for n in range(len(sigmas))]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_table_changes_no_bit(precision: str) -> None:
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    theirs = call(model := stock(dtype), None)
    assembled = load_transformer(GOLDEN, Placement(precision), CPU)
    ours = call(assembled.transformer, assembled)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert not torch.equal(ours[0], ours[1])
    names = {name for name, _ in model.named_parameters()}
    left = {name for name, _ in assembled.transformer.named_parameters()}
    assert names - left == {name for name in names if is_modulation(name)}
    assert len(names - left) == 2 * len(assembled.modulation.looked) > 8


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16", "fp8"])
def test_times_are_rounded_in_each_precision_but_float32(precision: str) -> None:
    assembled = load_transformer(GOLDEN, Placement(precision), CPU)
    config = assembled.transformer.config
    text = Text(drawn(1, 7, config.text_embed_dim), drawn(1, config.pooled_projection_dim))

    def of(time: float, guidance: float) -> Tensor:
        sigmas = [torch.tensor(time / 1000)]
        return assembled.modulation.table(text, sigmas, torch.tensor([guidance])).temb

    assert torch.equal(of(965.5, 10_000.0), of(964.0, 9984.0)) is (precision != "fp32")
    assert not torch.equal(of(965.5, 10_000.0), of(968.0, 10_000.0))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_nor_does_it_at_the_width_of_real_layers(precision: str) -> None:
    config = {key: value for key, value in WIDE.items() if key != "image_condition_type"}
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    bare = empty(config)
    source = Drawn({name: tuple(p.shape) for name, p in bare.named_parameters()}, torch.bfloat16)
    whole = empty(config).to(dtype).to_empty(device="cpu")
    whole.load_state_dict({name: source.read(name).to(dtype) for name in source.shapes})
    theirs = call(whole, None)
    assembled = assemble(bare, source, Placement(precision, resident=(0,), slots=2, aside=True), CPU)
    ours = call(assembled.transformer, assembled)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_the_class_s_own_forward_still_works_without_a_table() -> None:
    assembled = load_transformer(GOLDEN, Placement(), CPU)
    ours, theirs = call(assembled.transformer, None), call(stock(torch.float32), None)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    again = copy.deepcopy(assembled.transformer)
    assert torch.equal(call(again, None)[0], call(assembled.transformer, None)[0])


def test_a_table_is_made_once_for_a_prompt_and_its_steps() -> None:
    assembled = load_transformer(GOLDEN, Placement(aside=True), CPU)
    modulation, config = assembled.modulation, assembled.transformer.config
    text = Text(drawn(1, 7, config.text_embed_dim), drawn(1, config.pooled_projection_dim))
    sigmas, guidance = list(make_sigmas(3, 30)[:-1]), torch.tensor([6000.0])
    table = modulation.table(text, sigmas, guidance)
    same = Text(text.prompt_embeds.clone(), text.pooled.clone())
    assert modulation.table(same, sigmas, guidance) is table
    others = [
        modulation.table(Text(text.prompt_embeds + 1, text.pooled), sigmas, guidance),
        modulation.table(Text(text.prompt_embeds, text.pooled + 1), sigmas, guidance),
        modulation.table(text, list(make_sigmas(2, 30)[:-1]), guidance),
        modulation.table(text, sigmas, guidance + 1),
    ]
    assert modulation.tables.made == 5
    assert len(modulation.tables) == KEPT
    assert all(other is not table for other in others)
    # silu → linear of every block for three steps, the time embedding, and the refined text
    dim = config.num_attention_heads * config.attention_head_dim
    double, single = config.num_layers, config.num_single_layers
    assert table.bytes == 3 * 4 * (dim * (12 * double + 3 * single + 2) + dim + 7 * dim)
    image = drawn(1, 9, config.image_proj_dim)
    assert modulation.image(image) is modulation.image(image.clone())
    assert modulation.images.made == 1


def test_a_table_that_was_brought_to_a_device_says_the_same() -> None:
    assembled = load_transformer(GOLDEN, Placement(), CPU)
    modulation, config = assembled.modulation, assembled.transformer.config
    text = Text(drawn(1, 7, config.text_embed_dim), drawn(1, config.pooled_projection_dim))
    table = modulation.table(text, list(make_sigmas(3, 30)[:-1]), torch.tensor([6000.0]))
    brought = table.on(CPU)
    assert brought.steps == table.steps
    assert brought.bytes == table.bytes
    for there, here in zip(brought.rows, table.rows, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(there, here, strict=True))
    assert torch.equal(brought.temb, table.temb) and torch.equal(brought.words, table.words)
    assert {row.device.type for row in table.on(torch.device("meta")).rows[2]} == {"meta"}


def test_a_device_has_the_table_under_way_and_ram_the_others() -> None:
    assembled = load_transformer(GOLDEN, Placement(), CPU)
    config = assembled.transformer.config
    modulation = Modulation(
        assembled.transformer, torch.device("meta")
    )  # stands for a card: what is there has no values
    sigmas, guidance = list(make_sigmas(2, 30)[:-1]), torch.tensor([6000.0])
    texts = [Text(drawn(1, n, config.text_embed_dim), drawn(1, config.pooled_projection_dim)) for n in (5, 6)]
    near = [modulation.table(text, sigmas, guidance) for text in (*texts, texts[0], texts[0])]
    assert {table.temb.device.type for table in near} == {"meta"}
    assert {table.temb.device.type for table in modulation.tables} == {"cpu"}
    assert (modulation.tables.made, modulation.near.made, len(modulation.near)) == (2, 3, 1)
    assert near[2] is near[3]


def test_a_lora_of_the_modulation_is_in_the_table() -> None:
    def merge(name: str, tensor: Tensor) -> Tensor:
        return tensor * 2 if name == "transformer_blocks.0.norm1.linear.weight" else tensor

    tables = []
    for each in (None, merge):
        assembled = load_transformer(GOLDEN, Placement(), CPU, each)
        config = assembled.transformer.config
        text = Text(drawn(1, 7, config.text_embed_dim), drawn(1, config.pooled_projection_dim))
        tables.append(assembled.modulation.table(text, list(make_sigmas(2, 30)[:-1]), torch.tensor([6000.0])))
        names = [looked.name for looked in assembled.modulation.looked]
    changed = [name for name, a, b in zip(names, tables[0].rows[0], tables[1].rows[0], strict=True) if not a.equal(b)]
    assert changed == ["transformer_blocks.0.norm1.linear"]


def test_between_two_peoples_sections_no_weight_is_read() -> None:
    assembled = load_transformer(GOLDEN, Placement(resident=(0,), aside=True), CPU)
    modulation, config = assembled.modulation, assembled.transformer.config
    reads: list[str] = []
    source = modulation.looked[0].source
    counted = Counted(source, reads)
    for looked in modulation.looked:
        looked.source = counted
    assert isinstance(modulation.aside, Aside)
    modulation.aside.source = counted
    start = drawn(1, config.in_channels, 1, 6, 10)
    people = [
        (
            Text(drawn(1, n, config.text_embed_dim), drawn(1, config.pooled_projection_dim)),
            drawn(1, n, config.image_proj_dim),
        )
        for n in (5, 9)
    ]

    def turns() -> None:
        for text, image in people:
            prepare(assembled.transformer, pack_f1(start, [start] * 4, 2), image, CPU, modulation)
            modulation.table(text, list(make_sigmas(2, 30)[:-1]), torch.tensor([6000.0]))

    with torch.no_grad():
        turns()
        first = len(reads)
        turns()
    assert len(reads) == first > len(modulation.looked)


class Counted:
    """A source that writes down what is read of it."""

    def __init__(self, source: Source, reads: list[str]) -> None:
        self.source = source
        self.reads = reads

    @property
    def shapes(self) -> Mapping[str, Shape]:
        return self.source.shapes

    def read(self, name: str) -> Tensor:
        self.reads.append(name)
        return self.source.read(name)


def test_rows_are_gone_after_a_call_that_broke_off() -> None:
    assembled = load_transformer(GOLDEN, Placement(), CPU)
    modulation: Modulation = assembled.modulation
    config = assembled.transformer.config
    text = Text(drawn(1, 7, config.text_embed_dim), drawn(1, config.pooled_projection_dim))
    table = modulation.table(text, list(make_sigmas(2, 30)[:-1]), torch.tensor([6000.0]))
    with pytest.raises(KeyError), modulation.at(table, 0):
        assert all(looked.row is not None for looked in modulation.looked)
        raise KeyError
    assert all(looked.row is None for looked in modulation.looked)


def test_only_the_blocks_and_the_head_are_modulated() -> None:
    assert is_modulation("transformer_blocks.3.norm1_context.linear.weight")
    assert is_modulation("single_transformer_blocks.39.norm.linear.bias")
    assert is_modulation("norm_out.linear.weight")
    for other in ("transformer_blocks.3.attn.norm_q.weight", "proj_out.weight", "x_embedder.proj.weight"):
        assert not is_modulation(other)
    assert not is_modulation("context_embedder.token_refiner.refiner_blocks.0.norm_out.linear.weight")


def test_the_longest_unasked_goes_first() -> None:
    recent: Recent[int] = Recent(2)
    assert [recent.get(key, lambda key=key: ord(key)) for key in "abacb"] == [97, 98, 97, 99, 98]
    assert recent.made == 4
    assert list(recent) == [99, 98]


def test_the_layers_are_stood_in_for(tmp_path: Path) -> None:
    assembled = load_transformer(GOLDEN, Placement(), CPU)
    block = assembled.transformer.transformer_blocks[0]
    assert isinstance(block.norm1.linear, Looked)
    assert isinstance(block.attn.to_q, nn.Linear)
