"""Whole sections through the engine: pure, resumable, and joined without a seam."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLHunyuanVideo, HunyuanVideoFramepackTransformer3DModel
from PIL import Image
from torch import Tensor

from gen.card import PRESETS
from gen.decode import decode_latents, overlap_of
from gen.encode import start_latent
from gen.engine import Engine, animate
from gen.errors import (
    BadPlan,
    Cancelled,
    EncoderFailed,
    NanLatents,
    OutOfMemory,
    PictureUnreadable,
    SectionsMissing,
    memory,
)
from gen.plan import make_plan
from gen.types import Conditioning, Plan, Section, Step, Text
from gen.weights import Models


def sections_of(engine: Engine, plan: Plan, conditioning: Conditioning, **more: object) -> list[Section]:
    picture = Image.new("RGB", (8, 8))  # not looked at: the conditioning is there already
    return list(animate(engine, plan, picture, conditioning=conditioning, **more))  # type: ignore[arg-type]


def film_of(plan: Plan, sections: list[Section]) -> np.ndarray:
    """All frames in viewing order, with the last section's provisional ones."""
    finals = [section.final for section in sections]
    if plan.sampling == "f1":
        return np.concatenate([*finals, sections[-1].provisional])
    return np.concatenate([sections[-1].provisional, *reversed(finals)])


def changed(plan: Plan, **changes: object) -> Plan:
    sections = changes.get("sections", plan.sections)
    assert isinstance(sections, int)
    return dataclasses.replace(plan, prompts=(plan.prompts * 9)[:sections], **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=["f1", "inverted"])
def unbroken(request: pytest.FixtureRequest, engine: Engine, plan: Plan, conditioning: Conditioning):
    order = dataclasses.replace(plan, sampling=request.param, cfg=1.5, step_cache="teacache:0.15")
    return order, sections_of(engine, order, conditioning)


def test_a_film_taken_up_after_any_section_is_the_same_to_the_bit(unbroken, engine, conditioning) -> None:
    plan, sections = unbroken
    for done in range(1, plan.sections):
        made = [section.latents for section in sections[:done]]
        rest = sections_of(engine, plan, conditioning, history=made)
        assert [section.n for section in rest] == list(range(done, plan.sections))
        for one, other in zip(sections[done:], rest, strict=True):
            assert torch.equal(one.latents, other.latents)
            assert np.array_equal(one.final, other.final)
            assert np.array_equal(one.provisional, other.provisional)
            assert torch.equal(one.tail, other.tail)


def test_two_films_made_in_turns_are_those_made_one_after_the_other(unbroken, engine, conditioning) -> None:
    plan, sections = unbroken
    other = dataclasses.replace(plan, seed=plan.seed + 1, sampling="f1", window=3, step_cache="first-block:0.3")
    alone = sections_of(engine, other, conditioning)
    picture = Image.new("RGB", (8, 8))
    turns = zip(*[animate(engine, p, picture, conditioning=conditioning) for p in (plan, other)], strict=True)
    for (one, two), first, second in zip(turns, sections, alone, strict=True):
        assert torch.equal(one.latents, first.latents)
        assert torch.equal(two.latents, second.latents)


def test_a_history_may_be_whole_cut_or_padded(unbroken, engine, conditioning) -> None:
    plan, sections = unbroken
    long = dataclasses.replace(plan, sections=15, prompts=plan.prompts[:1] * 15)
    made = [torch.roll(sections[k % 4].latents, k, -1) for k in range(12)]
    whole = engine.sample(long, conditioning, made, 12)
    needed = engine.needed_history(long)
    assert needed == 10
    assert torch.equal(engine.sample(long, conditioning, made[-needed:], 12), whole)
    assert torch.equal(engine.sample(long, conditioning, [None, None, *made[-needed:]], 12), whole)
    with pytest.raises(SectionsMissing):
        engine.sample(long, conditioning, made[-needed + 1 :], 12)
    with pytest.raises(SectionsMissing):
        engine.sample(long, conditioning, [*made[:-1], None], 12)


@pytest.mark.parametrize(
    ("sampling", "window", "sections"),
    [*itertools.product(["f1", "inverted"], [1, 2, 5], [1, 2, 3]), ("inverted", 1, 6)],
)
def test_a_film_has_every_frame_once(engine, plan, conditioning, sampling: str, window: int, sections: int) -> None:
    asked = changed(plan, sampling=sampling, window=window, sections=sections, steps=1)
    made = sections_of(engine, asked, conditioning)
    overlap = overlap_of(window, 4)
    for section in made:
        assert len(section.provisional) == overlap == section.tail.shape[2]
        assert section.latents.shape == (1, 16, window, 4, 6)
        assert section.latents.dtype == torch.float32
        assert section.final.dtype == np.uint8
    assert film_of(asked, made).shape == (4 * window * sections + 1, 32, 48, 3)
    if sampling == "f1":  # after every section the film so far is whole
        assert film_of(asked, made[:1]).shape[0] == 4 * window + 1


def test_a_film_of_one_section_is_the_plain_decode(engine, models, plan, conditioning) -> None:
    for sampling in ("f1", "inverted"):
        asked = changed(plan, sampling=sampling, sections=1)
        made = sections_of(engine, asked, conditioning)
        pixels = decode_latents(models.vae, torch.cat([conditioning.start, made[0].latents], dim=2))
        levels = (pixels[0].clamp(-1, 1) * 127.5 + 127.5).to(torch.uint8)
        assert np.array_equal(film_of(asked, made), levels.permute(1, 2, 3, 0).numpy())


def test_a_missing_tail_is_made_again_to_the_bit(unbroken, engine, conditioning) -> None:
    plan, sections = unbroken
    made = [section.latents for section in sections]
    for n in range(1, plan.sections):
        given = engine.decode(plan, conditioning, made[: n + 1], n, sections[n - 1].tail)
        again = engine.decode(plan, conditioning, made[max(n - 2, 0) : n + 1], n)
        assert np.array_equal(given[0], again[0])
        assert np.array_equal(given[1], again[1])
        assert torch.equal(given[2], again[2])


def test_inverted_sections_before_the_last_do_not_know_how_the_film_begins(engine, plan, conditioning) -> None:
    asked = changed(plan, sampling="inverted", sections=6)
    made = sections_of(engine, asked, conditioning)
    frames = [len(section.final) + len(section.provisional) for section in made]
    assert frames == [5, 13, 13, 13, 13, 17]  # the last one also shows the start picture's latent


def test_an_end_picture_stands_behind_the_first_section_made(engine, plan, conditioning) -> None:
    asked = changed(plan, sampling="inverted", sections=2)
    ended = dataclasses.replace(conditioning, end=torch.ones_like(conditioning.start))
    assert not torch.equal(engine.sample(asked, ended, [], 0), engine.sample(asked, conditioning, [], 0))
    forward = changed(plan, sections=2)
    assert torch.equal(engine.sample(forward, ended, [], 0), engine.sample(forward, conditioning, [], 0))


def test_a_cancel_ends_the_section_at_the_step_it_is_heard(engine, plan, conditioning) -> None:
    heard: list[int] = []

    def on_step(step: Step) -> None:
        heard.append(step.n)
        if step.n == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        engine.sample(plan, conditioning, [], 0, on_step)
    assert heard == [1, 2]


def test_steps_are_told_with_a_small_picture(engine, plan, conditioning) -> None:
    steps: list[Step] = []
    engine.sample(plan, conditioning, [], 0, steps.append)
    assert [(step.n, step.of) for step in steps] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert steps[0].preview().size == (6, 4)
    assert steps[0].preview().tobytes() != steps[-1].preview().tobytes()


def test_another_prompt_seed_or_section_makes_another_one(engine, plan, conditioning) -> None:
    made = engine.sample(plan, conditioning, [], 0)
    assert torch.equal(engine.sample(plan, conditioning, [], 0), made)
    others = [
        engine.sample(changed(plan, seed=8), conditioning, [], 0),
        engine.sample(dataclasses.replace(plan, prompts=plan.prompts[::-1]), conditioning, [], 0),
        engine.sample(plan, conditioning, [made], 1),
    ]
    assert not any(torch.equal(made, other) for other in others)


def test_prompts_are_encoded_once_each_and_the_negative_one_only_for_cfg(engine, plan, picture) -> None:
    made = engine.encode(plan, picture)
    assert list(made.texts) == list(dict.fromkeys(plan.prompts))
    assert made.negative is None
    assert made.start.shape == (1, 16, 1, 4, 6)
    assert made.start.dtype == torch.float32
    assert engine.encode(dataclasses.replace(plan, cfg=2.0), picture, end=picture).negative is not None


def test_a_picture_without_pixels_is_a_sentence(engine, plan, tmp_path) -> None:
    path = tmp_path / "cut.png"
    Image.effect_noise((64, 64), 80).save(path)
    path.write_bytes(path.read_bytes()[:700])
    with Image.open(path) as cut, pytest.raises(PictureUnreadable, match="cannot be read"):
        engine.encode(plan, cut)


def test_an_engine_without_encoders_says_so(models: Models, engine: Engine, plan: Plan, picture: Image.Image) -> None:
    bare = Engine(Models(models.device, models.transformer, models.vae), engine.card)
    with pytest.raises(EncoderFailed):
        bare.encode(plan, picture)


def test_numbers_that_are_none_are_said(engine: Engine, plan: Plan, conditioning: Conditioning) -> None:
    broken = dataclasses.replace(conditioning, start=torch.full_like(conditioning.start, float("nan")))
    with pytest.raises(NanLatents):
        engine.sample(plan, broken, [], 0)


def test_pixels_that_are_no_numbers_are_no_black_film(
    engine: Engine, models: Models, plan: Plan, conditioning: Conditioning, picture: Image.Image
) -> None:
    made = engine.sample(plan, conditioning, [], 0)
    for layer, work in (
        (models.vae.decoder.conv_out, lambda: engine.decode(plan, conditioning, [made], 0)),
        (models.vae.encoder.conv_out, lambda: engine.encode(plan, picture)),
    ):
        broken = layer.register_forward_hook(lambda _, __, out: out * float("nan"))
        with pytest.raises(NanLatents):
            work()
        broken.remove()


@pytest.mark.parametrize(
    "said",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 512.00 MiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:119] . DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("GET was unable to find an engine to execute this computation"),
        torch.AcceleratorError("CUDA error: out of memory"),
        MemoryError(),
    ],
)
def test_memory_that_ran_out_is_known_by_what_every_library_says_of_it(said: Exception) -> None:
    with pytest.raises(OutOfMemory) as caught, memory("decoding"):
        raise said
    assert caught.value.facts == {"doing": "decoding"}


def test_other_errors_are_none_of_memory_s() -> None:
    with pytest.raises(RuntimeError, match="illegal"), memory("decoding"):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


def test_a_plan_that_was_not_encoded_is_refused(engine: Engine, plan: Plan, conditioning: Conditioning) -> None:
    unlike: list[tuple[Plan, Conditioning, int]] = [
        (changed(plan, width=64), conditioning, 0),
        (dataclasses.replace(plan, prompts=("unheard of",) * 4), conditioning, 0),
        (changed(plan, cfg=2.0), dataclasses.replace(conditioning, negative=None), 0),
        (plan, conditioning, 4),
    ]
    history: list[Tensor] = [conditioning.start.expand(-1, -1, 2, -1, -1)] * 4
    for asked, given, n in unlike:
        with pytest.raises(BadPlan):
            engine.sample(asked, given, history[:n], n)


def test_another_codec_and_another_patch_count_change_every_size() -> None:
    """32 pixels are 8 latents here, of 5 channels: nothing in between may think of 16 and 8."""
    torch.manual_seed(0)
    transformer = HunyuanVideoFramepackTransformer3DModel(
        in_channels=5,
        out_channels=5,
        num_attention_heads=2,
        attention_head_dim=12,
        num_layers=1,
        num_single_layers=1,
        num_refiner_layers=1,
        text_embed_dim=8,
        pooled_projection_dim=6,
        rope_axes_dim=(4, 4, 4),
        has_image_proj=True,
        image_proj_dim=7,
        has_clean_x_embedder=True,
    )
    vae = AutoencoderKLHunyuanVideo(
        latent_channels=5,
        block_out_channels=(4, 4, 4),
        down_block_types=("HunyuanVideoDownBlock3D",) * 3,
        up_block_types=("HunyuanVideoUpBlock3D",) * 3,
        layers_per_block=1,
        norm_num_groups=2,
        spatial_compression_ratio=4,
        mid_block_add_attention=False,
    )
    card = dataclasses.replace(
        PRESETS["framepack-f1"],
        window=3,
        sizes={"640": ((32, 48),)},
        preview_factors=((0.1, 0.2, 0.3),) * 5,
        latent_channels=5,
        space_compression=4,
    )
    small = make_plan(card, picture_size=(3, 2), seconds=0.8, prompts=[(0, "")], seed=0, steps=2)
    text, picture = Text(torch.randn(1, 3, 8), torch.randn(1, 6)), Image.new("RGB", (48, 32))
    given = Conditioning({"": text}, None, torch.randn(1, 4, 7), start_latent(vae, picture))
    seen: list[Step] = []
    made = sections_of(Engine(Models(torch.device("cpu"), transformer, vae), card), small, given, on_step=seen.append)
    assert made[0].latents.shape == (1, 5, 3, 8, 12)
    assert film_of(small, made).shape == (25, 32, 48, 3)
    assert seen[0].preview().size == (12, 8)
