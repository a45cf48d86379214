"""What `flipbot bench tiny` measures with, on films whose answer is known."""

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch

from gen.bench.tiny import ASKED, SHIPPED, Frames, add_arguments, nearest, psnr, run, sharpness
from gen.card import read_checkpoint
from gen.film import probe
from gen.train.effects import EFFECTS, Film
from gen.train.export import NOTE, SAID


def true_films(side: int = 32, frames: int = 72) -> dict[str, Frames]:
    still = torch.rand(3, side, side, generator=torch.Generator().manual_seed(0))
    films = {name: Film(still, np.random.default_rng(0)).frames([name] * frames) for name in EFFECTS}
    return {name: (film.permute(0, 2, 3, 1) * 255).to(torch.uint8).numpy() for name, film in films.items()}


def test_every_true_film_is_told_from_the_others_even_under_noise() -> None:
    truths = true_films()
    draw = np.random.default_rng(1)
    for name, film in truths.items():
        noisy = (film + draw.normal(0, 12, film.shape)).clip(0, 255).astype(np.uint8)
        assert nearest(noisy, truths) == name


def test_what_the_card_tells_people_is_what_the_next_one_will() -> None:
    assert read_checkpoint(SHIPPED).card.note == NOTE


def test_psnr_of_a_known_error() -> None:
    black = np.zeros((2, 4, 4, 3), np.uint8)
    assert psnr(black, black + np.uint8(255)) == pytest.approx(0)
    assert psnr(black, black + np.uint8(16)) == pytest.approx(24.05, abs=0.01)


def test_blur_lowers_sharpness_and_dimming_hardly_does() -> None:
    film = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    wide = film.astype(float)
    blurred = ((wide + np.roll(wide, 1, 1) + np.roll(wide, 1, 2) + np.roll(wide, (1, 1), (1, 2))) / 4).astype(np.uint8)
    dimmed = (film * 0.5).astype(np.uint8)
    assert sharpness(blurred) < 0.8 * sharpness(film)
    assert sharpness(dimmed) > 0.8 * sharpness(film)


def test_without_a_checkpoint_the_bench_says_so(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert run(parser.parse_args(["--checkpoint", str(tmp_path)])) == 2


def test_the_shipped_checkpoint_is_small_and_lists_only_effects_that_exist() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) <= 25_000_000
    held = read_checkpoint(SHIPPED)
    for entry in held.card.understands:
        assert probe(held.folder / entry["film"]).seconds > 4
    known = {english for english, _, _ in SAID.values()}
    assert {entry["en"] for entry in held.card.understands} <= known
    assert set(SAID) == set(EFFECTS) == set(ASKED)
