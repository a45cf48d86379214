"""The making of the tiny checkpoint: what its parts promise one another."""

import json
import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLHunyuanVideo
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, CLIPTokenizer

from gen.bench.tiny import SHIPPED
from gen.context import pack_f1
from gen.train import fastvae, linear, tokens
from gen.train.captions import PHRASES, SLOWLY_AFTER, SLOWLY_AFTER_ZH, SLOWLY_BEFORE, SLOWLY_ZH, caption
from gen.train.clips import SECTION, encode_stills, load_vae
from gen.train.effects import DEGREES, EFFECTS, LASTING, PASSING, UNLEARNED, Film, State, step
from gen.train.flow import OFTEN, Light, draw_sigma, section, shares, shifted
from gen.train.muon import orthogonal
from gen.train.photos import HELD_OUT, Stills, procedural
from gen.train.text import codes

SLOWLY = [*SLOWLY_BEFORE, *SLOWLY_AFTER, *SLOWLY_ZH, *SLOWLY_AFTER_ZH, "缓缓"]

effects = st.lists(st.sampled_from(EFFECTS), min_size=1, max_size=60)


@pytest.mark.parametrize("frames", [1, 5, 17])
def test_the_fast_vae_gives_what_the_real_one_gives(vae: AutoencoderKLHunyuanVideo, frames: int) -> None:
    vae.use_framewise_encoding = vae.use_framewise_decoding = False
    video = torch.randn(1, 3, frames, 16, 24, generator=torch.Generator().manual_seed(frames))
    with torch.inference_mode():
        mean = vae.encode(video).latent_dist.mean
        assert torch.allclose(fastvae.encode_mean(vae, video), mean, atol=1e-4)
        assert torch.allclose(fastvae.decode(vae, mean), vae.decode(mean).sample, atol=1e-4)


def test_a_vae_that_learned_from_stills_codes_them_alike_once_it_knows_time(vae: AutoencoderKLHunyuanVideo) -> None:
    model = AutoencoderKLHunyuanVideo.from_config(vae.config).eval()
    picture = torch.randn(2, 3, 1, 16, 16)
    with torch.inference_mode():
        fastvae.without_time(model)
        flat = fastvae.encode_mean(model, picture)
        fastvae.with_time(model)
        assert torch.allclose(fastvae.encode_mean(model, picture), flat, atol=1e-5)


def test_the_stock_layers_compute_what_the_linear_code_does(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    np.savez(
        tmp_path / "photos.npz", **{f"{kind}{n}": procedural(draw) for kind in ("photo", "drawn") for n in range(3)}
    )
    torch.manual_seed(0)
    torch.set_num_threads(1)
    widths, stills = (12, 24, 36, 48), Stills(tmp_path / "photos.npz", seed=0)
    code = linear.learn(stills, 8, widths, minutes=0, pictures=40, steps=220)
    model = AutoencoderKLHunyuanVideo(
        latent_channels=8,
        block_out_channels=widths,
        layers_per_block=1,
        norm_num_groups=2,
        mid_block_add_attention=False,
    ).eval()
    fastvae.without_time(model)
    linear.write(code, model, stills)
    seen = torch.stack([stills.crop(128, 128) for _ in range(8)]) * 2 - 1
    with torch.inference_mode():
        z = code.encode(seen)
        wanted, got = code.decode(z), fastvae.decode(model, z.unsqueeze(2))[:, :, 0]
        assert (got - wanted).std() < 0.03 * wanted.std()
        coded = fastvae.encode_mean(model, seen.unsqueeze(2))[:, :, 0]
        assert (coded - z).std() < 0.3 * z.std()  # what the thin levels cannot carry is missing


@given(asked=effects)
def test_a_film_never_leaves_the_range_of_its_state(asked: list[str]) -> None:
    state = State()
    for effect in asked:
        state = step(state, effect)
    assert all(0 <= getattr(state, name) <= 1 for name in (*LASTING, *PASSING, "heavy"))
    assert -0.2 - 1e-6 <= state.spot_x <= 1.2 + 1e-6


@pytest.mark.parametrize("effect", ["night", "sunrise", "fog", "bw"])
def test_what_lasts_reaches_its_end_and_holds(effect: str) -> None:
    still = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(1))
    film = Film(still, np.random.default_rng(0)).frames([effect] * 120)
    assert torch.equal(film[-1], film[-2])
    assert not torch.allclose(film[-1], still, atol=0.02)


def test_what_passes_is_gone_a_second_after_the_next_prompt() -> None:
    state = State()
    for effect in ["snow"] * 40 + ["fog"] * 30:
        state = step(state, effect)
    assert state.snow == pytest.approx(0, abs=1e-6)
    assert state.fog > 0.3


def test_the_spotlights_sweep_opposite_ways() -> None:
    still = torch.ones(3, 16, 32)
    right = Film(still, np.random.default_rng(0)).frames(["spot_right"] * 48)[-1].mean((0, 1))
    left = Film(still, np.random.default_rng(0)).frames(["spot_left"] * 48)[-1].mean((0, 1))
    assert torch.allclose(right, left.flip(0), atol=0.05)
    early = Film(still, np.random.default_rng(0)).frames(["spot_right"] * 30)[-1].mean((0, 1))
    assert int(early.argmax()) < int(right.argmax())


@pytest.mark.parametrize(("effect", "turn"), [("ripples", 36), ("sway", 36), ("breathing", 36), ("zoom_in", 144)])
def test_what_moves_comes_back_after_whole_sections(effect: str, turn: int) -> None:
    assert turn % SECTION == 0
    still = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1))
    film = Film(still, np.random.default_rng(0)).frames([effect] * (2 * turn))
    assert torch.allclose(film[-1], film[turn - 1], atol=1e-3)  # the first turn may still fade in
    assert (film[turn + turn // 4] - film[-1]).abs().mean() > 0.01
    if effect not in ("ripples", "sway"):  # waves are never flat
        assert torch.allclose(film[-1], still, atol=1e-3)


@pytest.mark.parametrize(
    ("effect", "axis", "sign"), [("pan_left", 2, 1), ("pan_right", 2, -1), ("pan_up", 1, 1), ("pan_down", 1, -1)]
)
def test_what_is_seen_moves_against_the_camera(effect: str, axis: int, sign: int) -> None:
    still = torch.zeros(3, 64, 64)
    still[:, 28:36, 28:36] = 1
    far = Film(still, np.random.default_rng(0)).frames([effect] * 72)[-1]
    at = [float((far[0].sum(1 - side) * torch.arange(64)).sum() / far[0].sum()) for side in (0, 1)]
    assert at[axis - 1] - 31.5 == pytest.approx(sign * 0.06 * 63, abs=0.1)
    assert at[2 - axis] == pytest.approx(31.5, abs=0.1)


@given(st.lists(st.sampled_from(range(len(EFFECTS))), min_size=1, max_size=60))
def test_an_effect_is_learned_as_often_however_many_films_there_are_of_it(effects: list[int]) -> None:
    drawn = shares([{"effect": effect} for effect in effects])
    for effect in set(effects):
        share = sum(weight for weight, of in zip(drawn, effects, strict=True) if of == effect)
        assert share == pytest.approx(OFTEN.get(EFFECTS[effect], 1.0))


ONE_OF_TWO = """
import torch
from gen.train.flow import Together

together = Together()
model = torch.nn.Linear(2, 1)
torch.nn.init.ones_(model.weight)
model(torch.full((1, 2), 1.0 + 2 * together.rank)).sum().backward()
together.average(model)
print(together.rank, model.weight.grad.tolist(), model.bias.grad.tolist(), together.first(10.0 + together.rank))
together.part()
"""


def test_two_processes_learn_as_one() -> None:
    """Each saw a sample of its own, 1 and 3: both go by the mean of the two gradients, and by the first one's clock."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    where = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    where["PYTHONPATH"] = str(Path(__file__).parents[2])
    two = [
        subprocess.Popen(
            [sys.executable, "-c", ONE_OF_TWO], env={**where, "RANK": str(rank)}, stdout=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    told = [process.communicate(timeout=120)[0].strip() for process in two]
    assert told == ["0 [[2.0, 2.0]] [1.0] 10.0", "1 [[2.0, 2.0]] [1.0] 10.0"]


def test_slowly_takes_twice_as_long_and_heavy_hides_more() -> None:
    still = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1))
    fast, slow = (Film(still, np.random.default_rng(0)) for _ in range(2))
    assert torch.allclose(fast.frames(["night"] * 30)[-1], slow.frames(["night_slowly"] * 60)[-1], atol=1e-5)
    for effect in ("snow", "rain"):
        usual, heavy = (
            Film(still, np.random.default_rng(0)).frames([name] * 40)[-1] for name in (effect, f"{effect}_heavy")
        )
        assert heavy.std() < 0.85 * usual.std()


def test_every_effect_can_be_asked_for_in_english_and_chinese() -> None:
    slowly = {name for name, (_, degree) in DEGREES.items() if degree == "slowly"}
    assert set(PHRASES) | slowly == set(EFFECTS)
    assert all(any(word in caption("fog_slowly", random.Random(n)).lower() for word in SLOWLY) for n in range(50))
    for phrases in PHRASES.values():
        assert any(phrase.isascii() for phrase in phrases)
        assert any(not phrase.isascii() for phrase in phrases)
    drawn = {caption("night", random.Random(n)) for n in range(50)}
    assert len(drawn) > 25


def test_the_codes_of_the_effects_stand_apart() -> None:
    made = codes()
    assert made.shape[0] == len(EFFECTS)
    near = made @ made.T / 64
    assert torch.allclose(near.diag(), torch.ones(len(EFFECTS)))
    plain = [n for n, name in enumerate(EFFECTS) if name not in (*DEGREES, *UNLEARNED)]
    assert torch.equal(near[plain][:, plain], torch.eye(len(plain)))
    assert all(torch.equal(made[EFFECTS.index(name)], made[EFFECTS.index("calm")]) for name in UNLEARNED)
    for name, (kind, _) in DEGREES.items():
        assert float(near[EFFECTS.index(name), EFFECTS.index(kind)]) == pytest.approx(0.5**0.5)
    known = [n for n, name in enumerate(EFFECTS) if name not in UNLEARNED]
    assert float((near - near.diag().diag())[known][:, known].max()) < 0.75


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="<"), max_size=40))  # "<unk>" is a token of its own
def test_every_prompt_has_tokens_of_its_own_in_both_tokenizers(
    tokenizers: tuple[AutoTokenizer, CLIPTokenizer], text: str
) -> None:
    llama, clip = tokenizers
    ids = llama(tokens.TEMPLATE.format(text)).input_ids
    assert ids[0] == llama.bos_token_id
    assert ids[-1] == llama.eos_token_id
    assert llama.unk_token_id not in ids
    assert clip(text).input_ids[0] == clip.bos_token_id


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> tuple[AutoTokenizer, CLIPTokenizer]:
    folder = tmp_path_factory.mktemp("tokenizers")
    tokens.save_llama_tokenizer(folder / "tokenizer")
    tokens.save_clip_tokenizer(folder / "tokenizer_2")
    llama = AutoTokenizer.from_pretrained(folder / "tokenizer")
    return llama, CLIPTokenizer.from_pretrained(folder / "tokenizer_2")


def test_the_tokenizers_come_out_the_same_every_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        tokens.save_clip_tokenizer(tmp_path / name)
    assert (tmp_path / "a" / "vocab.json").read_bytes() == (tmp_path / "b" / "vocab.json").read_bytes()
    vocabulary = json.loads((tmp_path / "a" / "vocab.json").read_text(encoding="utf-8"))
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))


@pytest.mark.parametrize("begin", [0, 9, 18])
def test_training_packs_the_history_that_the_engine_packs(begin: int) -> None:
    clip = {"start": torch.randn(4, 1, 2, 2), "latents": torch.randn(4, 28, 2, 2), "image": torch.zeros(9, 32)}
    _, start, recent, _, _ = section(clip | {"fresh": True, "effect": 0}, begin)
    made = [part[None] for part in clip["latents"][:, :begin].split(9, 1)] if begin else []
    context = pack_f1(start[None], [start[None], *made], 9)
    packed = torch.cat([context.clean_4x, context.clean_2x, context.clean[:, :, 1:]], 2)
    assert torch.equal(packed[0], recent)


def test_noise_levels_lie_between_nothing_and_all_and_often_at_all() -> None:
    sigma = draw_sigma(2000, 576)
    assert float(sigma.min()) > 0
    assert float(sigma.max()) == 1
    assert 0.25 < float((sigma == 1).float().mean()) < 0.35
    assert float(shifted(torch.tensor(0.5), 576)) > 0.5


def test_muon_makes_updates_of_even_size_in_every_direction() -> None:
    update = orthogonal(torch.randn(16, 64, generator=torch.Generator().manual_seed(0)))
    sizes = torch.linalg.svdvals(update)
    assert float(sizes.min()) > 0.5
    assert float(sizes.max()) < 1.5


def test_no_held_out_photograph_is_learned_from() -> None:
    from gen.train.photos import LOMIRI_16, LOMIRI_20, SCIKIT_IMAGE, UKUI

    assert not HELD_OUT & {*LOMIRI_16, *LOMIRI_20, *SCIKIT_IMAGE, *UKUI}
    assert len(HELD_OUT) == 9


def test_a_picture_drawn_by_code_has_colours_and_edges() -> None:
    picture = procedural(np.random.default_rng(3), 64).astype(float)
    assert picture.shape == (64, 64, 3)
    assert picture.std() > 5


def test_a_wrong_light_of_codes_is_that_of_the_picture() -> None:
    light, vae = Light(SHIPPED), load_vae(SHIPPED / "vae")
    still = torch.from_numpy(procedural(np.random.default_rng(3))[:96, :96].copy()).permute(2, 0, 1).float() / 255
    gain, offset = torch.tensor([[0.9]]), torch.tensor([[0.05, 0.02, -0.01]])
    wanted = encode_stills(vae, (still * gain + offset.view(3, 1, 1))[None])[None]
    codes = encode_stills(vae, still[None])[None]
    assert (light.lit(codes, gain, offset) - wanted).norm() < 0.05 * (codes - wanted).norm()
    assert torch.allclose(light.lit(codes, torch.ones(1, 1), torch.zeros(1, 3)), codes, atol=1e-5)
