"""The memory plan: arithmetic that agrees with what is built, and with what engine counts give."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gen import decode, memory, precision
from gen.bench.vram_planned import FEW, calls, count_activations, count_decode
from gen.card import PRESETS, find_checkpoint
from gen.engine import Engine
from gen.errors import BadPrecision, MemoryTaken, SizeNotSupported, TooLargeSize, TooLittleMemory
from gen.memory import GB, GIB, Decoder, Machine, MemoryPlan, Tiles, Wishes, make_memory_plan, memory_table, tokens
from gen.modulation import KEPT
from gen.sources import FRAMEPACK
from gen.stream import blocks_of, layout_of
from gen.transformer import Placement, assemble, empty, load_transformer, placement_of, shapes_of
from gen.types import Conditioning, Plan
from gen.weights import Models

GOLDEN = Path(__file__).parents[1] / "golden" / "weights"
CARD = PRESETS["framepack-f1"]
VAE = Decoder(round(0.493 * GB))
CPU = torch.device("cpu")


def card_of(gib: float, ram_gib: float = 64, capability: tuple[int, int] = (8, 9), four_bit: bool = True) -> Machine:
    free = int(gib * GIB)
    ram = int(ram_gib * GIB)
    return Machine("cuda", "a card", free, free, ram, ram, capability, four_bit)


@functools.cache
def framepack_shapes() -> dict[str, tuple[int, ...]]:
    return shapes_of(FRAMEPACK)


@pytest.fixture
def shapes() -> dict[str, tuple[int, ...]]:
    return framepack_shapes()


def plan(shapes: dict[str, tuple[int, ...]], machine: Machine, **wishes: Any) -> MemoryPlan:
    return make_memory_plan(shapes, VAE, CARD, machine, Wishes(**wishes))


def test_the_13_b_model_weighs_what_is_known_of_it(shapes: dict[str, tuple[int, ...]]) -> None:
    found = {kind: memory.parts_of(shapes, kind, card_of(8), 25) for kind in ("bf16", "fp8", "nf4")}
    assert [round(sum(parts.blocks) / GB, 2) for parts in found.values()] == [18.12, 9.07, 5.1]
    assert round(found["bf16"].modulation / 2 / GB, 3) == 3.417  # 27 % of 12.874
    assert len(found["bf16"].blocks) == 60
    assert 55.6e6 + 39e6 < found["bf16"].table < 96e6
    assert tokens(CARD, 608, 640) == 13_680 + 3_820 + 729 + 256


@pytest.mark.parametrize("capability", [(8, 9), (7, 5)])
@pytest.mark.parametrize("kind", memory.PRECISIONS)
def test_each_block_is_as_large_as_planned(kind: str, capability: tuple[int, int]) -> None:
    config = FRAMEPACK | {"num_attention_heads": 2, "num_layers": 1, "num_single_layers": 2}
    dtype = {2: torch.bfloat16, 4: torch.float32}
    card = dataclasses.replace(card_of(8), capability=capability)
    value, half = memory.value_bytes(kind, card), memory.halves(kind, card)
    planned = memory.parts_of(shapes_of(config), kind, card, 25).blocks
    model = empty(config)
    for name in ("norm1", "norm1_context"):
        getattr(model.transformer_blocks[0], name).linear = torch.nn.Identity()
    for block in model.single_transformer_blocks:
        block.norm.linear = torch.nn.Identity()
    for _, block in blocks_of(model):
        precision.convert(block, kind, dtype[value], half)
    assert planned == tuple(layout_of(block).size for _, block in blocks_of(model))


def test_a_6_gib_card_gets_everything_at_640(shapes: dict[str, tuple[int, ...]]) -> None:
    made = plan(shapes, card_of(6, 24.5))
    assert made.precision == "bf16"
    assert made.vram <= 6 * GIB
    assert made.ram <= 24 * GB
    assert made.tiles.side
    assert made.decode < made.decoding <= made.activations + made.cached == made.once
    assert plan(shapes, card_of(6), precision="fp8").ram <= 14 * GB
    assert plan(shapes, card_of(6), precision="nf4").ram <= 9 * GB


def test_the_process_that_reads_a_prompt_has_room_beside_the_engine(shapes: dict[str, tuple[int, ...]]) -> None:
    made = plan(shapes, card_of(6), precision="fp8")
    reads = 2.13 * GB  # at its peak, measured with files of the full size
    assert made.ram >= memory.RUNTIME_RAM + memory.TABLES * made.parts.table + made.streamed + reads
    with pytest.raises(TooLittleMemory, match="of RAM"):
        plan(shapes, card_of(6, 11.7), precision="fp8")


def test_engines_of_one_machine_share_its_ram(shapes: dict[str, tuple[int, ...]]) -> None:
    """The first to load leaves as much to the others, and who comes after leaves what those take now and then."""
    alone, first, last = (plan(shapes, card_of(6, 32), beside=beside) for beside in ((0, 0), (0, 1), (1, 0)))
    assert (alone.precision, first.precision, last.precision) == ("bf16", "fp8", "bf16")
    assert first.ram_limit == alone.ram_limit // 2
    assert alone.ram_limit - last.ram_limit == pytest.approx(memory.ENCODERS_RAM, abs=2)
    capped = plan(shapes, card_of(6, 64), ram_limit_gib=26, beside=(1, 0))
    assert (capped.precision, capped.ram_limit) == ("fp8", 13 * GIB), "the limit is for both"
    assert plan(shapes, card_of(24, 12), beside=(0, 1)).precision == "bf16", "where nothing travels, little is enough"


@pytest.mark.parametrize(("free", "kind"), [(5.5, "bf16"), (5.0, "bf16"), (4.6, "fp8"), (4.35, "nf4")])
def test_a_6_gib_card_that_others_use_too_still_makes_films(
    shapes: dict[str, tuple[int, ...]], free: float, kind: str
) -> None:
    busy = dataclasses.replace(card_of(6, 24.5), vram_free=int(free * GIB))
    made = plan(shapes, busy)
    assert made.precision == kind
    assert made.vram <= free * GIB
    # Once memory ran out all the same: smaller tiles, and a smaller plan as long as there is one
    again = plan(shapes, busy, tighter=1)
    assert again.vram <= free * GIB
    assert again.decode < made.decode
    assert len(again.resident) == 0 or again.precision != made.precision
    with pytest.raises(TooLittleMemory, match="even in nf4"):
        plan(shapes, dataclasses.replace(busy, vram_free=4 * GIB), tighter=1)


def test_an_8_gib_card_of_turing_computes_in_fp16(shapes: dict[str, tuple[int, ...]]) -> None:
    busy = dataclasses.replace(card_of(8, 32, (7, 5)), vram_free=int(6.5 * GIB))
    assert plan(shapes, busy).precision == "fp16"
    # With little RAM in fewer bits, multiplied as fp16 all the same
    little = card_of(6, 13.2, (7, 5), four_bit=False)
    made, wide = plan(shapes, little, sizes=("512",)), plan(shapes, card_of(6, 64, (7, 5)), sizes=("512",))
    assert (made.precision, wide.precision) == ("fp8", "fp16")
    assert wide.activations < made.activations < 1.2 * wide.activations
    assert sum(made.parts.blocks) < 0.51 * sum(wide.parts.blocks)


@given(gib=st.floats(3, 90), used=st.floats(0, 3), limit=st.one_of(st.just(0.0), st.floats(3, 30)))
def test_the_allocator_keeps_within_what_may_be_taken(gib: float, used: float, limit: float) -> None:
    machine = dataclasses.replace(card_of(gib), vram_free=int((gib - used) * GIB))
    share = memory.share_of(machine, Wishes(vram_limit_gib=limit, tighter=1))
    assert 0 <= share <= 1
    most = min(gib - used, limit or gib) * GIB  # a tighter plan is a plan; what may be taken stays
    assert share * machine.vram_total + memory.CONTEXT <= max(most, memory.CONTEXT) + 1


def test_a_24_gib_card_keeps_the_whole_core_and_a_12_gib_card_most_of_fp8(shapes: dict[str, tuple[int, ...]]) -> None:
    whole = plan(shapes, card_of(24))
    assert not whole.streams
    # what is needed once a prompt stays in its file, and the picture's encoder beside the card: the plan has neither
    assert placement_of(whole) == Placement("bf16", None, 2, aside=True)
    assert len(plan(shapes, card_of(16)).resident) >= 28
    twelve = plan(shapes, card_of(12), precision="fp8")
    assert 40 <= len(twelve.resident) <= 60


def test_with_little_ram_the_weights_get_narrower_before_it_is_refused(shapes: dict[str, tuple[int, ...]]) -> None:
    chosen = {ram: plan(shapes, card_of(6, ram)).precision for ram in (32, 16, 9)}
    assert chosen == {32: "bf16", 16: "fp8", 9: "nf4"}
    with pytest.raises(TooLittleMemory, match=r"GiB of RAM even in nf4, and 4\.0 GiB may be taken"):
        plan(shapes, card_of(6, 4))
    with pytest.raises(TooLittleMemory, match="of VRAM even in fp8"):
        plan(shapes, card_of(3, 64, four_bit=False))
    without = {ram: Machine("cpu", "CPU", ram_total=ram * GIB, ram_free=ram * GIB) for ram in (64, 24, 12)}
    assert [plan(shapes, without[ram]).precision for ram in (64, 24)] == ["fp32", "fp8"]
    with pytest.raises(TooLittleMemory, match="of RAM even in fp8"):
        plan(shapes, without[12])


def test_what_does_not_fit_is_said_with_every_way_out(shapes: dict[str, tuple[int, ...]]) -> None:
    wsl = dataclasses.replace(card_of(6, 4, four_bit=False), wsl=True)
    for machine, wishes, said in (
        (wsl, {}, "close what else uses it, give WSL more of it (memory= in .wslconfig), or choose a smaller model."),
        (card_of(6, 9, four_bit=False), {}, "in which it fits (pip install 'flipbot[nf4]'), or choose"),
        (card_of(6, 64), {"ram_limit_gib": 5.0}, "raise [model] ram_limit_gib, or choose a smaller model."),
        (card_of(8), {"vram_limit_gib": 2.0}, "raise [model] vram_limit_gib, or choose a smaller model."),
    ):
        with pytest.raises(TooLittleMemory) as caught:
            plan(shapes, machine, **wishes)
        assert said in str(caught.value)


def test_memory_that_others_hold_is_told_from_memory_that_is_not_there(shapes: dict[str, tuple[int, ...]]) -> None:
    tiny = find_checkpoint("tiny")

    def cpu(total: float, free: float) -> Machine:
        return Machine("cpu", "CPU", ram_total=int(total * GIB), ram_free=int(free * GIB))

    assert memory.plan_now(tiny, cpu(8, 4)) == memory.plan_checkpoint(tiny, cpu(8, 4))
    with pytest.raises(
        MemoryTaken, match=r"Other programs hold .* 0\.\d GiB of RAM are needed \(fp8\), and 0\.1 GiB can be had"
    ):
        memory.plan_now(tiny, cpu(8, 0.1))
    with pytest.raises(TooLittleMemory):
        memory.plan_now(tiny, cpu(3, 0.1))
    with pytest.raises(TooLittleMemory):
        memory.plan_now(tiny, cpu(8, 4), Wishes(ram_limit_gib=0.1))
    card = dataclasses.replace(card_of(8), vram_free=2 * GIB, ram_free=3 * GIB)
    alone = memory.alone(card)
    assert (alone.vram_total - alone.vram_free, alone.ram_total - alone.ram_free) == (memory.DESKTOP, memory.SYSTEM_RAM)
    assert plan(shapes, alone).precision == "bf16"
    assert memory.alone(card_of(8)).vram_free == card_of(8).vram_free, "what is free is free"


def test_a_precision_that_cannot_be_is_said(shapes: dict[str, tuple[int, ...]]) -> None:
    turing = card_of(11, 64, (7, 5))
    assert plan(shapes, turing).precision == "fp16"
    with pytest.raises(BadPrecision, match="only imitates bfloat16"):
        plan(shapes, turing, precision="bf16")
    with pytest.raises(BadPrecision, match="bitsandbytes is not installed"):
        plan(shapes, card_of(8, four_bit=False), precision="nf4")


def test_memory_is_planned_for_the_sizes_that_may_be_asked_for(shapes: dict[str, tuple[int, ...]]) -> None:
    small, both, default = (plan(shapes, card_of(8), sizes=sizes) for sizes in (("384",), ("384", "640"), ("",)))
    assert small.activations < both.activations / 2
    assert both == default == plan(shapes, card_of(8))
    assert plan(shapes, card_of(8), sizes=("384",), tighter=1).activations == both.activations  # a film of before
    with pytest.raises(SizeNotSupported, match=r"no size 500; .* can be 640, 512, 384"):
        plan(shapes, card_of(8), sizes=("500",))


def test_a_size_that_fits_is_named_where_the_one_asked_for_does_not(shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(TooLargeSize, match=r'At 640 .* fits at 512 \(write size = "512"'):
        plan(shapes, card_of(4))
    with pytest.raises(TooLargeSize, match=r"At 512 .* fits at 384 "):
        plan(shapes, card_of(3), sizes=("512",))
    with pytest.raises(TooLittleMemory) as none:
        plan(shapes, card_of(2))
    assert type(none.value) is TooLittleMemory


@given(gib=st.floats(3, 40), ram=st.floats(8, 80), tighter=st.integers(0, 5), limit=st.floats(0, 30))
def test_a_plan_keeps_its_limits_and_a_tighter_one_is_smaller(
    gib: float, ram: float, tighter: int, limit: float
) -> None:
    shapes, machine = framepack_shapes(), card_of(gib, ram)
    try:
        made = plan(shapes, machine, tighter=tighter, vram_limit_gib=limit, precision="fp8")
    except TooLittleMemory:
        return
    assert made.vram <= min(gib, limit or gib) * GIB + 1
    assert made.vram <= min(gib, limit or gib) * GIB * memory.TIGHTER**tighter + 1 or (tighter and not made.resident)
    assert made.ram <= ram * GIB
    assert made.streamed + sum(made.parts.blocks[n] for n in made.resident) == sum(made.parts.blocks)
    if tighter:
        wider = plan(shapes, machine, tighter=tighter - 1, vram_limit_gib=limit, precision="fp8")
        assert wider.decode >= made.decode
        if wider.decode == made.decode:  # smaller tiles may leave room for more blocks
            assert len(wider.resident) >= len(made.resident)


def test_tiles_follow_from_the_machine_and_not_from_what_is_free(shapes: dict[str, tuple[int, ...]]) -> None:
    busy = dataclasses.replace(card_of(12), vram_free=7 * GIB)
    assert plan(shapes, busy).tiles == plan(shapes, card_of(12)).tiles
    assert len(plan(shapes, busy).resident) < len(plan(shapes, card_of(12)).resident)


@pytest.mark.parametrize("sizes", [("384",), ("512",), ("640",)])
def test_no_tile_is_larger_than_cuda_s_padding_can_count(
    shapes: dict[str, tuple[int, ...]], sizes: tuple[str, ...]
) -> None:
    made = make_memory_plan(shapes, VAE, CARD, card_of(139), Wishes(sizes=sizes))
    h, w = memory.largest(CARD, sizes)
    side, frames = made.tiles.side, made.tiles.frames + 1  # one more is decoded, and one on either side is padding
    assert VAE.channels * (frames + 2) * (min(h, side or h) + 2) * (min(w, side or w) + 2) < 1 << 31


def test_the_constants_are_those_that_counting_gives() -> None:
    h, w = 608, 640  # nothing is computed: a large picture costs no more than a small one
    for kind, fast, card in calls():
        counted = count_activations(FRAMEPACK, CARD, h, w, kind, card, fast=fast)
        planned = memory.activation_bytes(tokens(CARD, h, w), 3072, kind, card)
        assert counted <= planned <= 1.25 * counted, (kind, card.capability)
    for tiles, window in ((Tiles(0), 3), (Tiles(128), 2), (Tiles(128, 8), 1)):  # more tiles in time say nothing more
        short = dataclasses.replace(CARD, window=window)
        planned = memory.decode_bytes(short, VAE, *FEW, tiles, 2)
        for copies, scratch in ((False, 1), (True, memory.SCRATCH_GPU)):
            counted = count_decode(short, *FEW, tiles, copies=copies)
            assert counted <= scratch * planned <= 1.25 * counted, (tiles, copies)


def test_what_is_loaded_is_what_was_planned() -> None:
    shapes = {
        name: tuple(p.shape)
        for name, p in load_transformer(GOLDEN / "transformer", Placement(), CPU).transformer.named_parameters()
    }
    parts = memory.parts_of(shapes, "fp8", Machine(), 25)
    assembled = load_transformer(GOLDEN / "transformer", Placement("fp8", (0, 2), 2), CPU)
    assert assembled.streamer is not None
    assert assembled.streamer.bytes_per_step == parts.blocks[1] + parts.blocks[3]
    assert assembled.streamer.slot_bytes == memory.slot_bytes(parts, 2) or assembled.streamer.slot_bytes == 2 * max(
        parts.blocks[1], parts.blocks[3]
    )
    assert memory.TABLES == KEPT


@pytest.mark.parametrize(
    ("ram", "free", "tiles"), [(2, 1, Tiles(0, 16)), (8, 1, Tiles(0, 16)), (8, 3, Tiles(0, 64)), (64, 40, Tiles(0, 64))]
)
def test_the_tiny_checkpoint_is_whole_in_memory_anywhere(ram: int, free: int, tiles: Tiles) -> None:
    machine = Machine("cpu", "CPU", ram_total=ram * GIB, ram_free=free * GIB)
    made = memory.plan_checkpoint(find_checkpoint("tiny"), machine, Wishes(sizes=("",)))
    assert (made.precision, made.streams, made.tiles) == ("fp32", False, tiles)
    assert placement_of(made) == Placement("fp32", None, 2)
    assert f"memory plan precision=fp32 resident=7/7 tiles={tiles}" in memory.summary(made)
    told = json.loads(json.dumps(memory.told(made)))
    assert (told["gpu"], told["blocks"], told["resident"], told["streamed"]) == (False, 7, 7, 0)
    assert 0 < sum(told["parts"].values()) < told["ram"] <= told["ram_limit"]


def test_a_film_keeps_its_tiles(
    models: Models, plan: Plan, engine: Engine, conditioning: Conditioning, tmp_path: Path
) -> None:
    card = engine.card
    other = Engine(models, card, tiles=Tiles(16, 8))
    latents = [torch.randn(1, 16, plan.window, plan.height // 8, plan.width // 8) for _ in range(2)]
    begun = dataclasses.replace(conditioning, tiles="0/16")
    begun.save(tmp_path / "c.safetensors")
    begun = Conditioning.load(tmp_path / "c.safetensors")
    assert begun.tiles == "0/16"
    whole = engine.pixels(plan, begun, latents, 1)[0]
    assert torch.equal(other.pixels(plan, begun, latents, 1)[0], whole)
    forced = Engine(models, card, tiles=Tiles(16, 8), forced=True)
    assert not torch.equal(forced.pixels(plan, begun, latents, 1)[0], whole)
    assert torch.equal(
        other.pixels(plan, dataclasses.replace(conditioning, tiles=""), latents, 1)[0],
        forced.pixels(plan, begun, latents, 1)[0],
    )
    assert models.vae.use_tiling is False
    assert Tiles.of("0/16") == decode.WHOLE


def test_the_table_adds_up(shapes: dict[str, tuple[int, ...]]) -> None:
    from rich.console import Console

    console = Console(width=120, file=io.StringIO())
    with console.capture() as captured:
        console.print(memory_table(plan(shapes, card_of(6, 24.5)), "6 GiB"))
    text = captured.get()
    for word in ("travel every step", "modulation layers", "peak of the GPU's memory", "peak of RAM"):
        assert word in text


def test_the_plan_in_words(shapes: dict[str, tuple[int, ...]]) -> None:
    six, all_stay = memory.sentence(plan(shapes, card_of(6, 24.5))), memory.sentence(plan(shapes, card_of(24, 32)))
    assert six.startswith("In bf16 3 of 60 blocks stay on the card, and 17.2 GB are copied to it in each step.")
    assert "It takes at most 5.6 of 6.0 GiB of its memory and 20.8 of 24.5 GiB of RAM." in six
    assert all_stay.startswith("In bf16 all blocks stay on the card. It takes at most")
    tiny = memory.plan_checkpoint(find_checkpoint("tiny"), Machine(ram_total=8 * GIB, ram_free=8 * GIB))
    assert memory.sentence(tiny).startswith("It works in fp32 and takes at most")


def test_published_weights_are_planned_before_they_are_fetched(shapes: dict[str, tuple[int, ...]]) -> None:
    made = memory.plan_published(CARD, card_of(6, 24.5))
    assert made.parts == plan(shapes, card_of(6, 24.5)).parts
    with pytest.raises(TooLittleMemory, match=r"3\.9 GiB may be taken"):
        memory.plan_published(CARD, card_of(3.9))


def test_an_assembled_model_needs_no_more_than_its_source(shapes: dict[str, tuple[int, ...]]) -> None:
    """A tensor that the class has and the files lack is said by name."""
    from gen.errors import CheckpointCorrupt
    from gen.tensors import Held
    from gen.transformer import fits

    model = empty(FRAMEPACK | {"num_layers": 1, "num_single_layers": 1})
    with pytest.raises(CheckpointCorrupt, match="missing: x_embedder"):
        fits(model, {}, GOLDEN)
    with pytest.raises(KeyError):
        assemble(model, Held({}), Placement(), CPU)


def test_the_same_conditioning_is_the_same_file(conditioning: Conditioning, tmp_path: Path) -> None:
    """A file that is lost is made again under the hash it had."""
    written = set()
    for n in range(20):
        dataclasses.replace(conditioning, tiles="256/16").save(tmp_path / f"{n}.safetensors")
        written.add((tmp_path / f"{n}.safetensors").read_bytes())
    assert len(written) == 1
    assert Conditioning.load(tmp_path / "0.safetensors").tiles == "256/16"
