"""The engine on a stand-in for a card (tests/fakes/cuda.py): no tensor on the wrong device, no step that waits."""

from __future__ import annotations

import dataclasses
import gc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from rich.console import Console
from torch import Tensor

from db.said import unpacked
from gen import attention, child, weights
from gen.bench import vram
from gen.bench.vram_measured import rehearsal
from gen.cache import Cache
from gen.card import Card, Checkpoint, find_checkpoint
from gen.config import ModelConfig
from gen.device import device_of
from gen.doctor import examine
from gen.engine import Engine
from gen.errors import DeviceMissing, MemoryTaken
from gen.memory import CONTEXT, GIB, IMAGE_TOKENS, TEXT_TOKENS, Tiles, Wishes, plan_checkpoint, this_machine
from gen.plan import make_plan
from gen.precision import Linear8
from gen.text_child import encoded
from gen.texts import TEXT_PARTS, TextsElsewhere
from gen.transformer import Placement, placement_of
from gen.types import Conditioning, Plan, Text
from tests.fakes.cuda import CUDA, OnCard, a_card

PHOTO = Path(__file__).parents[2] / "examples" / "photo.jpg"


def test_the_stand_in_is_as_strict_as_a_card() -> None:
    near, layer = torch.arange(3.0), torch.nn.Linear(3, 2)
    with a_card() as there:
        far = near.to(CUDA)
        there_too = (far, torch.zeros(2, device=CUDA), torch.tensor([1.0], device=CUDA))
        assert [each.device for each in there_too] == [CUDA] * 3
        mixed: list[Callable[[], Tensor]] = [
            lambda: far + near,
            lambda: layer(far),
            lambda: torch.cat([near, far]),
            lambda: torch.where(far > 1, near, far),
        ]
        for each in mixed:
            with pytest.raises(RuntimeError, match="same device"):
                each()
        with pytest.raises(TypeError, match="numpy"):
            far.numpy()
        layer.weight.data = torch.ones(2, 3, device=CUDA)  # as a streamed block's weights are
        layer.bias.data = torch.zeros(2, device=CUDA)
        assert isinstance(layer(far), OnCard)
        assert there.waits == []
        assert layer(far).cpu().tolist() == [3, 3]
        assert float(far[1]) == 1
        assert len(there.waits) == 2


# What plans for cards choose from. (8, 9): e4m3 products where torch has them; (7, 5): no bfloat16
KINDS = [("bf16", (8, 6)), ("fp16", (7, 5)), ("fp8", (7, 5)), ("fp8", (8, 6)), ("fp8", (8, 9))]


CACHES = ["", "teacache:0.15", "first-block:0.1"]


@pytest.mark.parametrize(
    ("precision", "capability", "step_cache"),
    [(*kind, cache) for n, kind in enumerate(KINDS) for cache in (CACHES if n == 0 else ["", CACHES[1 + n % 2]])],
)
def test_sections_are_the_same_streamed_or_not_and_no_step_waits_for_the_card(
    precision: str,
    capability: tuple[int, int],
    step_cache: str,
    checkpoint: Checkpoint,
    card: Card,
    plan: Plan,
    conditioning: Conditioning,
) -> None:
    order = dataclasses.replace(plan, sampling="inverted", cfg=1.5, step_cache=step_cache)
    before = [torch.randn(1, 16, 2, 4, 6, generator=torch.Generator().manual_seed(n)) for n in range(2)]

    def made(where: str, placement: Placement) -> list[Tensor]:
        with a_card(capability) as there:
            models = weights.load(checkpoint, where, parts=("transformer", "vae"), placement=placement)
            engine = Engine(models, card)
            first = engine.sample(order, conditioning, before, 2)
            there.waits.clear()
            found = [first, engine.sample(order, conditioning, [*before, first], 3)]  # of the same prompt
        caches = {"cache._change": 4} if step_cache else {}
        once = {"modulation.fingerprint": 2, "engine.sample": 1}
        assert Counter(there.waits) == ({} if where == "cpu" else {**once, **caches})
        streams = placement.resident is not None
        assert (models.streamer is not None and models.streamer.pinned) is streams
        layers = [module for module in models.transformer.modules() if isinstance(module, Linear8)]
        assert bool(layers) is (precision == "fp8")
        assert all(layer.fast is (capability == (8, 9)) for layer in layers)
        return found

    streamed = made("cuda:0", Placement(precision, resident=(0,), aside=True))
    resident = made("cuda:0", Placement(precision))
    assert all(torch.equal(*each) for each in zip(streamed, resident, strict=True))
    if precision != "fp8":  # which a CPU computes in float32
        here = made("cpu", Placement(precision))
        assert all(torch.equal(*each) for each in zip(here, resident, strict=True))


@pytest.mark.parametrize("tiles", [Tiles(), Tiles(16, 16)])
def test_a_picture_and_its_film_are_the_same_on_a_card(
    checkpoint: Checkpoint, card: Card, plan: Plan, picture: Image.Image, tiles: Tiles
) -> None:
    order, half = dataclasses.replace(plan, sections=1, prompts=plan.prompts[:1]), torch.float16
    latents = torch.randn(1, 16, 2, 4, 6, generator=torch.Generator().manual_seed(1))
    found = []
    for where in ("cuda:0", "cpu"):
        with a_card():
            models = weights.load(checkpoint, where, dtype=half, placement=Placement("fp16"))
            engine = Engine(models, card, tiles=tiles)
            known = engine.encode(order, picture)
            found.append((known, engine.decode(order, known, [latents], 0)))
    (there, film_there), (here, film_here) = found
    assert torch.equal(there.start, here.start)
    assert torch.equal(there.image_embeds, here.image_embeds)
    for prompt, text in there.texts.items():
        assert torch.equal(text.prompt_embeds, here.texts[prompt].prompt_embeds)
        assert torch.equal(text.pooled, here.texts[prompt].pooled)
    assert all((one == other).all() for one, other in zip(film_there, film_here, strict=True))


def test_prompts_are_encoded_the_same_on_a_card_layer_by_layer(checkpoint: Checkpoint) -> None:
    asked = {
        "parts": {part: str(checkpoint.parts[part]) for part in TEXT_PARTS},
        "template": dataclasses.asdict(checkpoint.card.prompt_template),
        "prompts": ["A red boat drifts slowly."],
        "dtype": "float16",
        "threads": 0,
    }
    with a_card():
        there, here = (encoded({**asked, "device": device}) for device in ("cuda:0", "cpu"))
    assert there.keys() == here.keys()
    assert all(torch.equal(there[name], here[name]) for name in here)


@pytest.mark.parametrize(("total", "place"), [(6 << 30, "cuda:0"), (1 << 30, "cpu")])
def test_prompts_are_encoded_on_the_card_where_it_has_room(
    checkpoint: Checkpoint, tmp_path: Path, total: int, place: str
) -> None:
    with a_card(total=total):
        assert TextsElsewhere(checkpoint, tmp_path, device="cuda:0").place() == place


def test_the_engines_process_makes_a_film_on_a_card(tmp_path: Path) -> None:
    said: list[dict[str, Any]] = []
    caches: dict[str, list[object]] = {}  # that are there when a phase begins; other tests may have left some

    def say(event: dict[str, Any]) -> None:
        said.append(event)
        if event["event"] == "phase":
            caches[event["phase"]] = [each for each in gc.get_objects() if issubclass(type(each), Cache)]

    tiny = find_checkpoint("tiny", None)
    prompts = [(0.0, "the sun rises")]
    plan = make_plan(tiny.card, picture_size=(640, 480), seconds=1.2, prompts=prompts, seed=7, size="96", steps=2)
    plan = dataclasses.replace(plan, step_cache="first-block:0.1")
    asked = {"device": "cuda:0", "precision": "auto", "threads": 1, "texts_dir": str(tmp_path), "models_dir": None}
    nothing = {"latents": [], "clips": [], "tail": None, "conditioning": None, "end_picture": None}
    with a_card():
        process = child.Child(say, lambda id: False)
        process.answer({"do": "load", "model": "tiny", **asked})
        order = {"id": 1, "plan": plan.to_json(), "n": 0, "out": str(tmp_path), "picture": str(PHOTO)}
        process.answer({"do": "section", **order, **nothing})
    assert [each["event"] for each in said if each["event"] != "phase"] == ["ready", "step", "step", "section"]
    assert (said[0]["device"], said[0]["memory"]["gpu"]) == ("cuda:0", True)
    assert any(each.get("preview") for each in said)
    earlier = {id(each) for each in caches["sampling"]}
    assert [each for each in caches["decoding"] if id(each) not in earlier] == [], "a decode has no room for them"


@pytest.mark.parametrize("others", [True, False])
def test_memory_that_other_programs_took_meanwhile_is_no_fault_of_the_plan(tmp_path: Path, others: bool) -> None:
    said: list[dict[str, Any]] = []
    tiny = find_checkpoint("tiny", None)
    plan = make_plan(tiny.card, picture_size=(64, 48), seconds=1.2, prompts=[(0.0, "")], seed=7, size="96", steps=2)
    asked = {"device": "cuda:0", "precision": "auto", "threads": 1, "texts_dir": str(tmp_path), "models_dir": None}
    order = {"id": 1, "plan": plan.to_json(), "n": 0, "out": str(tmp_path), "picture": str(PHOTO)}
    nothing = {"latents": [], "clips": [], "tail": None, "conditioning": None, "end_picture": None}

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    with a_card(total=4 * GIB):
        process = child.Child(said.append, lambda id: False)
        process.answer({"do": "load", "model": "tiny", **asked})
        assert process.planned is not None
        with pytest.MonkeyPatch.context() as patch:  # undone before the card is gone
            patch.setattr(torch.nn.functional, "scaled_dot_product_attention", full)
            if others:
                patch.setattr(torch.cuda, "mem_get_info", lambda device=None: (100 << 20, 4 * GIB))
                patch.setattr(torch.cuda, "memory_reserved", lambda device=None: 200 << 20)
            process.answer({"do": "section", **order, **nothing})
    assert (said[-1]["event"], said[-1]["reason"]) == ("error", "memory_taken" if others else "out_of_memory")
    if others:
        facts = unpacked(said[-1]["facts"])
        assert (facts["kind"], facts["have"]) == ("VRAM", f"{(300 * (1 << 20) + CONTEXT) / GIB:.1f}")
        assert facts["card"] == "GPU-0a1b2c3d", "by its UUID: CUDA and the driver's tool count cards differently"
        assert float(facts["need"]) > float(facts["have"])
        assert "Other programs hold too much memory now" in str(MemoryTaken(**facts))


def test_a_card_that_others_have_filled_is_no_card_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: out of memory")

    with pytest.raises(DeviceMissing):
        child.tried("cuda:7")
    monkeypatch.setattr(torch, "zeros", full)
    with pytest.raises(MemoryTaken, match=r"0.7 GiB of VRAM are needed \(CUDA\), and 0.0 GiB"):
        child.tried("cuda")


def test_the_bench_runs_on_a_card() -> None:
    setup = dataclasses.replace(rehearsal(CUDA), compiles=False)
    with a_card(total=6 << 30):
        found = [line for lines in vram.measure(setup, Console(quiet=True)) for line in lines]
    assert [line for line in found if line.what == "failed"] == []
    pinned = [line.figure for line in found if line.what.startswith("buffers pinned")]
    assert pinned == ["yes", "yes"]


class Dead:
    """A card after a fault in a kernel: everything it is asked ends in the same error."""

    def __init__(self) -> None:
        self.dead = False

    def __call__(self, device: object = None) -> None:
        if self.dead:
            raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")


def test_the_process_of_a_card_that_is_lost_ends_instead_of_failing_film_after_film(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[dict[str, Any]] = []
    made = child.Child(said.append, lambda id: False)
    with a_card():
        monkeypatch.setattr(torch.cuda, "synchronize", card := Dead())
        made.answer({"do": "load"})  # goes wrong, but the card is well
        assert [event["reason"] for event in said] == ["internal"]
        card.dead = True
        with pytest.raises(SystemExit):
            made.answer({"do": "load"})
    assert len(said) == 1, "the parent hears it from the process's end, and tries again"


def test_a_second_card_is_the_one_that_is_meant_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    meant: list[torch.device] = []
    with a_card():
        monkeypatch.setattr(torch.cuda, "set_device", meant.append)
        device_of("cuda:0")
        assert meant == []
        device_of("cuda:1")
    assert meant == [torch.device("cuda:1")]


def test_a_kernel_is_tried_in_the_width_it_will_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[torch.dtype] = []

    def attend(q: Tensor, k: Tensor, v: Tensor, backend: str) -> Tensor:
        given.append(q.dtype)
        return q

    monkeypatch.setattr("diffusers.models.attention_dispatch.dispatch_attention_fn", attend)
    for precision in ("fp32", "bf16"):
        assert attention.trial_on("cpu", precision)("sage") is None
    assert given == [torch.float32] * 2 + [torch.float16] * 2


def test_the_doctor_knows_the_card() -> None:
    with a_card(total=6 << 30):
        found = examine(ModelConfig(name="framepack-f1"), Path("nowhere"))
    told = "\n".join(finding.sentence for finding in found)
    assert "GPU: a stand-in, 6.0 of 6.0 GiB free." in told
    assert "Compute capability 8.6: computes in bf16" in told
    assert "blocks stay on the card" in told


@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize(("precision", "capability"), KINDS)
def test_the_card_holds_what_was_planned_and_no_more(
    precision: str,
    capability: tuple[int, int],
    few: bool,
    checkpoint: Checkpoint,
    card: Card,
    plan: Plan,
    conditioning: Conditioning,
) -> None:
    """Loading, a prompt's table, steps with a cache, a decode; few: no block has room to stay."""
    order = dataclasses.replace(plan, height=48, width=32, steps=2, step_cache="teacache:0.15")
    before = [torch.randn(1, 16, 2, 6, 4, generator=torch.Generator().manual_seed(n)) for n in range(2)]
    longest = {
        prompt: Text(text.prompt_embeds.repeat(1, TEXT_TOKENS, 1)[:, :TEXT_TOKENS], text.pooled)
        for prompt, text in conditioning.texts.items()
    }
    image = conditioning.image_embeds.repeat(1, IMAGE_TOKENS, 1)[:, :IMAGE_TOKENS]
    known = dataclasses.replace(conditioning, texts=longest, image_embeds=image, start=torch.randn(1, 16, 1, 6, 4))
    with a_card(capability) as there:
        here = dataclasses.replace(this_machine("cuda:0"), ram_free=64 * GIB)
        whole = plan_checkpoint(dataclasses.replace(checkpoint, card=card), here, Wishes(precision))
        planned = dataclasses.replace(whole, resident=()) if few else whole
        parts = ("transformer", "vae")
        models = weights.load(checkpoint, "cuda:0", parts=parts, placement=placement_of(planned))
        loaded = there.memory.peak
        engine = Engine(models, card, tiles=planned.tiles)
        engine.sample(order, known, before, 2)
        sampled = there.memory.peak
        there.memory.forget()
        engine.decode(order, known, before, 1)
        decoded = there.memory.peak
    held = planned.weights + planned.vae.bytes
    assert loaded == held
    held += planned.parts.table
    assert 0.75 < sampled / (held + planned.activations + planned.cached) <= 1
    assert 0.6 < decoded / (held + planned.decode) <= 1
