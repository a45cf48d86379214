"""The steps of `python -m gen.train`: what they need, what they refuse, and that they write whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gen.bench.tiny import SHIPPED
from gen.train.__main__ import main
from gen.train.export import resume
from gen.train.photos import EXPECTED, Stills, enough, gather
from gen.train.vae import Stretch, VaeRun, train_vae
from gen.train.whole import Unready, aside


def test_what_is_made_aside_takes_its_place_and_leaves_the_rest(tmp_path: Path) -> None:
    place = tmp_path / "tiny"
    (place / "vae").mkdir(parents=True)
    (place / "text").mkdir()
    (place / "text" / "old").touch()
    with aside(place) as made:
        (made / "text").mkdir()
        (made / "text" / "new").touch()
        assert (place / "text" / "old").exists()
    assert sorted(path.relative_to(place).as_posix() for path in place.rglob("*")) == ["text", "text/new", "vae"]
    assert list(tmp_path.iterdir()) == [place]


def test_an_error_leaves_everything_as_it_was(tmp_path: Path) -> None:
    place = tmp_path / "tiny"
    place.mkdir()
    (place / "card").write_text("old")
    with pytest.raises(RuntimeError), aside(place) as made:
        (made / "card").write_text("new")
        raise RuntimeError
    assert (place / "card").read_text() == "old"
    assert list(tmp_path.iterdir()) == [place]


def test_a_folder_that_a_crash_left_between_two_moves_comes_back(tmp_path: Path) -> None:
    (tmp_path / "tiny.old").mkdir()
    (tmp_path / "tiny.old" / "card").touch()
    with aside(tmp_path / "tiny"):
        pass
    assert (tmp_path / "tiny" / "card").exists()


def test_a_training_is_never_overwritten_by_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resume(SHIPPED, tmp_path, encoder=False)
    flow = (tmp_path / "flow.pt").read_bytes()
    assert main(["resume", "--checkpoint", str(SHIPPED), "--work", str(tmp_path)]) == 2
    assert "flow.pt is there already" in capsys.readouterr().err
    assert (tmp_path / "flow.pt").read_bytes() == flow


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["vae"], "run `data` first"),
        (["clips"], "run `data` first"),
        (["transformer"], "run `text` first"),
        (["export"], "run `data` first"),
        (["text", "--on"], "without --on"),
        (["unheard"], "run `text` first"),
        (["resume"], "name a checkpoint"),
        (["sheet", "sheet.png"], "run `export` first"),
        (["examples"], "run `export` first"),
        (["vae", "--device", "gpu"], "--device is cpu or cuda"),
        (["clips", "--device", "cuda:99"], "There is no cuda:99 here"),
    ],
)
def test_a_step_says_in_one_sentence_what_it_lacks(
    command: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    assert main([*command, "--work", str(work)]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert not work.exists()


def test_an_effect_that_does_not_exist_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["export", "--understands", "night", "sunst", "--work", str(tmp_path)])
    assert stopped.value.code == 2
    assert not list(tmp_path.iterdir())


def test_missing_photographs_are_named_and_too_few_refused() -> None:
    found = {package: [Path(f"{n}.jpg") for n in range(count)] for package, count in EXPECTED.items()}
    assert enough(found, 50) == "66 of 66 photographs"
    found |= {"mate-backgrounds": [], "ukui-wallpapers": [Path("city.png")]}
    said = enough(found, 49)
    assert said.startswith("49 of 66 photographs; missing: ukui-wallpapers (1 of 6), mate-backgrounds (0 of 12)")
    with pytest.raises(Unready, match="too few to train on: --least 49 does it"):
        enough(found, 50)
    with pytest.raises(Unready, match="nothing to train on"):
        enough({}, 0)


def test_pictures_take_the_place_of_older_ones_whole(tmp_path: Path) -> None:
    cache, photo = tmp_path / "work" / "photos.npz", tmp_path / "city.png"
    Image.new("RGB", (64, 48), "red").save(photo)
    for drawn in (1, 2):
        said = gather(cache, {"ukui-wallpapers": [photo]}, least=1, drawn=drawn)
        assert said.startswith("1 of 66 photographs; missing: ")
        assert said.endswith(f"; {drawn} pictures drawn by code")
    assert len(Stills(cache, seed=0).drawn) == 2
    assert [path.name for path in cache.parent.iterdir()] == ["photos.npz"]
    photo.write_bytes(b"no picture")
    with pytest.raises(OSError, match="cannot identify"):
        gather(cache, {"ukui-wallpapers": [photo]}, least=1)
    assert len(Stills(cache, seed=0).photos) == 1


def test_a_spent_budget_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(SHIPPED, tmp_path / "checkpoint")
    resume(tmp_path / "checkpoint", tmp_path, encoder=False)
    held = torch.load(tmp_path / "vae.pt", weights_only=True)
    np.savez(tmp_path / "photos.npz", photo0=np.zeros((64, 64, 3), np.uint8))
    stretch = Stretch(VaeRun(tmp_path, 0.0, 1.0), True, 60.0)
    torch.save(held | {"spent": 90.0, "optimiser": stretch.optimiser.state_dict()}, tmp_path / "vae.pt")
    train_vae(VaeRun(tmp_path, 0.0, 1.0))
    assert (
        "vae: nothing to do, 1.5 of 1.0 minutes are spent; a larger --clip-minutes goes on." in capsys.readouterr().out
    )
