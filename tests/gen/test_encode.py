from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gen.card import PromptTemplate
from gen.encode import encode_text, fit, in_template, start_latent
from gen.weights import Models


@settings(max_examples=30)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 80), st.integers(1, 80))
def test_a_picture_of_any_shape_covers_the_bucket(width: int, height: int, w: int, h: int) -> None:
    fitted = fit(Image.new("RGB", (width, height), (9, 200, 30)), w, h)
    assert fitted.size == (w, h)
    assert fitted.getextrema() == ((9, 9), (200, 200), (30, 30))  # no border of another colour crept in


def test_a_picture_that_fits_is_not_touched(picture: Image.Image) -> None:
    assert fit(picture, *picture.size).tobytes() == picture.tobytes()


def test_braces_in_a_prompt_are_letters() -> None:
    assert in_template("a {0} {}", PromptTemplate("<{}>")) == "<a {0} {}>"
    assert in_template("x", PromptTemplate()).endswith("\n\nx<|eot_id|>")


@pytest.mark.parametrize("prompt", ["", "夜幕降临 🌒", "word " * 900, "<|eot_id|>{}"])
def test_any_prompt_is_encoded(models: Models, prompt: str) -> None:
    text = encode_text(models, PromptTemplate(), prompt)
    assert 1 <= text.prompt_embeds.shape[1] <= 256
    assert bool(text.prompt_embeds.isfinite().all())
    assert text.pooled.shape == (1, 32)


def test_a_template_of_a_card_is_obeyed(models: Models) -> None:
    long = encode_text(models, PromptTemplate("<|begin_of_text|>{}", crop_start=1, max_length=7), "word " * 50)
    assert long.prompt_embeds.shape[1] == 7


def test_the_start_latent_is_the_mean_unless_a_draw_is_given(models: Models, picture: Image.Image) -> None:
    crop = fit(picture, 48, 32)
    torch.manual_seed(1)
    first = start_latent(models.vae, crop)
    torch.manual_seed(2)
    assert torch.equal(start_latent(models.vae, crop), first)
    assert torch.equal(start_latent(models.vae, crop, torch.zeros_like(first)), first)
    assert not torch.equal(start_latent(models.vae, crop, torch.ones_like(first)), first)
