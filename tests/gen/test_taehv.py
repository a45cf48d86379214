"""The decoder of previews: the published format, read and run; what does not fit is one sentence, and a rough look."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from gen.card import Card
from gen.child import Child
from gen.config import ModelConfig
from gen.doctor import previews
from gen.engine import Engine
from gen.errors import PreviewUnusable
from gen.taehv import load_taehv
from gen.types import Conditioning, Plan, Step
from tests.fakes.cuda import CUDA, a_card

CPU = torch.device("cpu")
# Layers of the published decoder that have weights: its number → (out, in, side, bias)
CONVS = {1: (256, 16, 3, True), 8: (128, 256, 3, False), 14: (64, 128, 3, False), 20: (64, 64, 3, False)}
CONVS |= {22: (3, 64, 3, True)}
GROWS = {7: (256, 1), 13: (128, 2), 19: (64, 2)}  # width, frames out of one
BLOCKS = {3: 256, 4: 256, 5: 256, 9: 128, 10: 128, 11: 128, 15: 64, 16: 64, 17: 64}


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    """Random weights under the names and in the shapes of taehv.pth, the encoder's first layer among them."""
    drawn = torch.Generator().manual_seed(1)

    def some(*shape: int) -> Tensor:
        return torch.randn(shape, generator=drawn) * (2 / shape[1] / shape[-1] ** 2) ** 0.5

    tensors = {"encoder.0.weight": torch.zeros(64, 3, 3, 3)}
    for n, (out, inside, side, bias) in CONVS.items():
        tensors[f"decoder.{n}.weight"] = some(out, inside, side, side)
        if bias:
            tensors[f"decoder.{n}.bias"] = 0.1 * torch.ones(out)
    for n, (width, frames) in GROWS.items():
        tensors[f"decoder.{n}.conv.weight"] = some(width * frames, width, 1, 1)
    for n, width in BLOCKS.items():
        for part, inside in ((0, 2 * width), (2, width), (4, width)):
            tensors[f"decoder.{n}.conv.{part}.weight"] = 0.3 * some(width, inside, 3, 3)
            tensors[f"decoder.{n}.conv.{part}.bias"] = torch.zeros(width)
    return tensors


@pytest.fixture(scope="module")
def file(published: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("taehv") / "taehv.safetensors"
    save_file(published, path)
    return path


@torch.no_grad()
def by_hand(tensors: dict[str, Tensor], latents: Tensor) -> Tensor:
    """The published decoder with its growth of time switched off, written out frame by frame."""
    frames = []
    past: dict[int, Tensor] = {}
    for latent in latents[0].unbind(1):
        x = torch.tanh(latent[None] / 3) * 3
        for n in range(1, 23):
            name = f"decoder.{n}"
            if n in CONVS:
                x = F.conv2d(x, tensors[f"{name}.weight"], tensors.get(f"{name}.bias"), padding=1)
            elif n in GROWS:
                x = F.conv2d(x, tensors[f"{name}.conv.weight"][-GROWS[n][0] :])
            elif n in BLOCKS:
                y = torch.cat([x, past.get(n, torch.zeros_like(x))], 1)
                past[n] = x
                for part in (0, 2, 4):
                    y = F.conv2d(
                        y, tensors[f"{name}.conv.{part}.weight"], tensors[f"{name}.conv.{part}.bias"], padding=1
                    )
                    y = F.relu(y) if part < 4 else y
                x = F.relu(y + x)
            elif n in (6, 12, 18):
                x = F.interpolate(x, scale_factor=2)
            else:
                x = F.relu(x)
        frames.append(x.clamp(0, 1))
    return torch.stack(frames, dim=2)


def test_it_decodes_as_the_published_layers_do(published: dict[str, Tensor], file: Path, tmp_path: Path) -> None:
    latents = torch.randn(1, 16, 3, 4, 5, generator=torch.Generator().manual_seed(2))
    expected = by_hand(published, latents)
    out = load_taehv(file, 16, 8, CPU)(latents)
    assert out.shape == (1, 3, 3, 32, 40)
    assert torch.allclose(out, expected, atol=1e-4)
    assert float(out.std()) > 0.05  # not all black or white, which would be equal to anything
    torch.save(published, tmp_path / "taehv.pth")
    assert torch.equal(load_taehv(tmp_path / "taehv.pth", 16, 8, CPU)(latents), out)


def test_the_steps_are_shown_by_it_and_the_film_is_not(
    engine: Engine, plan: Plan, conditioning: Conditioning, file: Path
) -> None:
    def shown(engine: Engine) -> tuple[Tensor, list[Image.Image]]:
        pictures: list[Image.Image] = []

        def on_step(step: Step) -> None:
            pictures.append(step.preview())

        latents = engine.sample(plan, conditioning, [], 0, on_step)
        return latents, pictures

    decoder = load_taehv(file, engine.card.latent_channels, engine.card.space_compression, CPU)
    fine = Engine(engine.models, engine.card, previewer=decoder.picture)
    plain, rough = shown(engine)
    latents, pictures = shown(fine)
    assert torch.equal(latents, plain)
    assert [picture.size for picture in pictures] == [(plan.width, plan.height)] * plan.steps
    assert rough[0].size == (plan.width // 8, plan.height // 8)
    assert torch.equal(*(torch.from_numpy(each.decode(plan, conditioning, [plain], 0)[0]) for each in (engine, fine)))


def test_what_does_not_fit_is_a_sentence_and_the_rough_look_stays(
    published: dict[str, Tensor], file: Path, tmp_path: Path, card: Card, caplog: pytest.LogCaptureFixture
) -> None:
    odd = {name: tensor for name, tensor in published.items() if name != "decoder.9.conv.2.bias"}
    save_file(odd, tmp_path / "odd.safetensors")
    (tmp_path / "text.pth").write_text("no weights")
    torch.save([1, 2], tmp_path / "list.pth")
    for path, channels, scale, why in (
        (tmp_path / "gone.pth", 16, 8, "is not there"),
        (tmp_path / "text.pth", 16, 8, "cannot be read"),
        (tmp_path / "list.pth", 16, 8, "holds no tensors"),
        (tmp_path / "odd.safetensors", 16, 8, "it has no decoder.9.conv.2.bias"),
        (file, 32, 8, r"decoder.1.weight is \(256, 16, 3, 3\), expected \(256, 32, 3, 3\)"),
        (file, 16, 16, "this checkpoint needs 16"),
    ):
        with pytest.raises(PreviewUnusable, match=why) as raised:
            load_taehv(path, channels, scale, CPU)
        assert str(raised.value).endswith("films are the same.")
    child = Child(lambda _: None, lambda _: False)
    with caplog.at_level(logging.WARNING):
        assert child.previewer(str(tmp_path / "gone.pth"), card, CPU) is None
    assert "is not there" in caplog.text
    assert child.previewer("", card, CPU) is None
    assert child.previewer(str(file), card, CPU) is not None


def test_the_doctor_says_whether_it_can_be_used(published: dict[str, Tensor], file: Path, tmp_path: Path) -> None:
    save_file(published | {"decoder.1.weight": torch.zeros(256, 32, 3, 3)}, tmp_path / "wide.safetensors")  # as tiny
    for name, fine, said in (
        ("wide.safetensors", True, "Previews: by wide.safetensors"),
        ("gone.pth", None, f"{tmp_path / 'gone.pth'} is not there"),
        (str(file), None, "expected (256, 32, 3, 3)"),
    ):
        (finding,) = previews(replace(ModelConfig(), preview_decoder=name), tmp_path)
        assert finding.fine is fine
        assert said in finding.sentence
    assert previews(ModelConfig(), tmp_path) == []


def test_it_shows_what_lies_on_a_card(file: Path) -> None:
    latents = torch.randn(1, 16, 3, 4, 6, generator=torch.Generator().manual_seed(1))
    with a_card():
        shown = load_taehv(file, 16, 8, CUDA).picture(latents.to(CUDA))
    plain = load_taehv(file, 16, 8, CPU).picture(latents)
    assert shown.size == plain.size == (48, 32)
    assert np.abs(np.asarray(shown, "i4") - np.asarray(plain, "i4")).max() <= 4  # float16 there
