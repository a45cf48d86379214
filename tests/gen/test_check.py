"""What an owner's classifier holds back: no film is begun with it, and no second of one is shown."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import ViTConfig, ViTForImageClassification
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from bot.words import why
from db.config import load
from flipbot.model import model_trouble
from flipbot.settings import SECTIONS, Settings
from gen import child
from gen.card import find_checkpoint
from gen.check import Check, Classifier, outputs
from gen.doctor import looks
from gen.errors import CheckUnusable, FilmHeldBack, PictureHeldBack
from gen.plan import make_plan
from tests.e2e.conftest import CARD, GOLDEN, run

SIDE = 32
BLUE, RED = (0, 0, 255), (255, 0, 0)
Made = Callable[..., Check]


def flat(colour: tuple[int, int, int]) -> Image.Image:
    return Image.new("RGB", (96, 64), colour)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier to which a blue picture is "safe", and any other is "Lewd" or "naked"."""
    torch.manual_seed(0)
    labels = {0: "safe", 1: "Lewd", 2: "naked"}
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model = ViTForImageClassification(ViTConfig(**size, image_size=SIDE, patch_size=8, id2label=labels))  # type: ignore[arg-type]
    steps = torch.optim.Adam(model.parameters(), lr=0.005)
    for step in range(300):
        pictures = torch.rand(24, 3, 1, 1).expand(24, 3, SIDE, SIDE) * 2 - 1 + 0.3 * torch.randn(24, 3, SIDE, SIDE)
        pictures[::2] = torch.tensor([-1.0, -1.0, 1.0]).view(3, 1, 1) + 0.02 * torch.randn(12, 3, SIDE, SIDE)
        wanted = torch.full((24,), 1 + step % 2)
        wanted[::2] = 0
        steps.zero_grad()
        torch.nn.functional.cross_entropy(model(pixel_values=pictures).logits, wanted).backward()  # type: ignore[no-untyped-call]
        steps.step()
    folder = tmp_path_factory.mktemp("classifier")
    model.save_pretrained(folder)
    ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return folder


@pytest.fixture
def check(trained: Path, tmp_path: Path) -> Made:
    """A copy that may be spoilt, and what it holds back."""
    folder = shutil.copytree(trained, tmp_path / "classifier")

    def made(**changed: Any) -> Check:
        usual = Check(str(folder), ("nsfw", "LEWD", "naked"), 0.5, films=False)
        return dataclasses.replace(usual, **changed)

    return made


def test_scores_are_the_sum_of_the_labels_that_are_held_back(check: Made) -> None:
    both, one = Classifier(check()), Classifier(check(labels=("lewd",)))
    blue, red = both.scores([flat(BLUE), flat(RED)])
    assert blue < 0.4 and red > 0.6
    assert 0.1 < one.scores([flat(RED)])[0] < red - 0.1, "two labels share it"
    both.look([flat(BLUE)], PictureHeldBack)
    with pytest.raises(PictureHeldBack):
        both.look([flat(BLUE), flat(RED)], PictureHeldBack)
    Classifier(check(least=0.999)).look([flat(RED).convert("L").convert("RGBA")], FilmHeldBack)


def test_what_is_no_number_is_held_back(check: Made) -> None:
    classifier = Classifier(check())
    with torch.no_grad():
        classifier.model.classifier.weight.fill_(float("nan"))
    with pytest.raises(FilmHeldBack):
        classifier.look([flat(BLUE)], FilmHeldBack)


def test_labels_that_do_not_exclude_each_other_count_one_by_one(check: Made) -> None:
    config = Path(check().folder) / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "problem_type": "multi_label_classification"}))
    classifier = Classifier(check())
    with torch.no_grad():
        classifier.model.classifier.weight.zero_()
        classifier.model.classifier.bias.copy_(torch.tensor([9.0, -2.0, 2.0]))
    assert classifier.scores([flat(BLUE)]) == [pytest.approx(torch.sigmoid(torch.tensor(2.0)).item())]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        ("config.json", "config.json is not there"),
        ("preprocessor_config.json", "preprocessor_config.json is not there"),
        ("model.safetensors", "model.safetensors is not there"),
        ("no json", "config.json is no image classifier's"),
        ("no labels", "config.json is no image classifier's"),
        ("other labels", "knows safe, Lewd, naked: name one of them in [safety] check_labels"),
    ],
)
def test_what_cannot_look_is_one_sentence_before_anything_is_loaded(check: Made, spoil: str, says: str) -> None:
    asked = check()
    config = Path(asked.folder) / "config.json"
    match spoil:
        case "no json":
            config.write_text("{")
        case "no labels":
            config.write_text(json.dumps({"model_type": "vit"}))
        case "other labels":
            asked = check(labels=("violence",))
        case _:
            (Path(asked.folder) / spoil).unlink()
    with pytest.raises(CheckUnusable) as refused:
        outputs(asked)
    assert says in str(refused.value)
    (finding,) = looks(asked)
    assert finding.fine is False and says in finding.sentence


@pytest.mark.parametrize("spoil", ["a weight is missing", "a weight has another shape", "the file is cut"])
def test_weights_that_would_be_random_numbers_look_at_nothing(check: Made, spoil: str) -> None:
    asked = check()
    file = Path(asked.folder) / "model.safetensors"
    weights = load_file(file)
    match spoil:
        case "a weight is missing":
            del weights["classifier.weight"]
        case "a weight has another shape":
            weights["classifier.weight"] = torch.zeros(2, 16)
    save_file(weights, file, {"format": "pt"})
    if spoil == "the file is cut":
        file.write_bytes(file.read_bytes()[:-200])
    assert outputs(asked), "which the headers do not show"
    with pytest.raises(CheckUnusable):
        Classifier(asked)
    (finding,) = looks(asked)
    assert finding.fine is False


def test_the_doctor_says_what_is_held_back(check: Made) -> None:
    (pictures,) = looks(check())
    assert pictures.fine and pictures.sentence == "Pictures are looked at first: Lewd, naked from 50% on is held back."
    (both,) = looks(check(films=True))
    assert both.fine and both.sentence.startswith("Pictures and films are looked at first")
    assert looks(None) == []


def small(folder: Path) -> Path:
    """A small model, in that folder."""
    model = folder / "small"
    for part in ("weights", "encoders"):
        shutil.copytree(GOLDEN / part, model, dirs_exist_ok=True)
    (model / "flipbot.json").write_text(json.dumps(CARD))
    return model


class Engine:
    """A child with a small model."""

    def __init__(self, folder: Path, asked: Check | None) -> None:
        self.folder, self.said = folder, list[dict[str, Any]]()
        model = small(folder)
        self.card = find_checkpoint(str(model)).card
        self.child = child.Child(self.said.append, lambda id: False)
        load = {"device": "cpu", "precision": "auto", "threads": 1, "texts_dir": str(folder), "models_dir": None}
        self.child.answer(
            {
                "do": "load",
                "model": str(model),
                **load,
                "check": json.loads(json.dumps(asked.to_json() if asked else None)),
            }
        )

    def section(self, colour: tuple[int, int, int], n: int = 0, **changed: Any) -> list[dict[str, Any]]:
        """What the child says of a section of a film of that picture."""
        picture, out = self.folder / f"{colour}.png", self.folder / "out"
        flat(colour).save(picture)
        out.mkdir(exist_ok=True)
        plan = make_plan(self.card, picture_size=(96, 64), seconds=1.2, prompts=[(0.0, "fog")], seed=7)
        nothing = {"latents": [], "clips": [], "tail": None, "conditioning": None, "end_picture": None}
        self.said.clear()
        order = {"id": 1, "plan": plan.to_json(), "n": n, "out": str(out), "picture": str(picture)}
        self.child.answer({"do": "section", **order, **nothing, **changed})
        return self.said


def outcome(said: list[dict[str, Any]]) -> str:
    """The event that ended it, with its reason."""
    return str(said[-1].get("reason", said[-1]["event"]))


def test_no_film_is_begun_with_a_picture_that_is_held_back(check: Made, tmp_path: Path) -> None:
    engine = Engine(tmp_path, check())
    assert outcome(engine.said) == "ready"
    said = engine.section(RED)
    assert [each["event"] for each in said] == ["error"] and outcome(said) == "picture_held_back"
    said = engine.section(BLUE)
    assert outcome(said) == "section"
    assert any(each.get("preview") for each in said)
    ending = engine.section(BLUE, end_picture=str(tmp_path / f"{RED}.png"))
    assert outcome(ending) == "picture_held_back", "the end picture, too"


def test_a_picture_is_looked_at_once_and_one_that_is_gone_was(check: Made, tmp_path: Path) -> None:
    engine = Engine(tmp_path, check())
    made = engine.section(BLUE)[-1]
    assert engine.child.classifier is not None
    engine.child.classifier.scores = None  # type: ignore[assignment,method-assign]
    assert outcome(engine.section(BLUE)) == "section"
    kept = Path(made["conditioning"])
    kept = kept.rename(tmp_path / hashlib.sha256(kept.read_bytes()).hexdigest())
    gone = {"picture": str(tmp_path / "gone.png"), "conditioning": str(kept)}
    assert outcome(engine.section(BLUE, **gone)) == "section"
    assert outcome(engine.section(BLUE, picture=gone["picture"])) == "picture_unreadable"


def test_no_second_is_handed_out_and_no_step_is_shown_where_films_are_looked_at(check: Made, tmp_path: Path) -> None:
    engine = Engine(tmp_path, check(films=True))
    said = engine.section(BLUE)
    assert outcome(said) == "film_held_back", "what random weights make is not blue"
    assert not any(each.get("preview") for each in said)
    assert not list((tmp_path / "out").glob("*.mp4"))


def test_frames_are_looked_at_to_the_end(check: Made, tmp_path: Path) -> None:
    engine = Engine(tmp_path, check(films=True))
    blue = np.broadcast_to(np.array(BLUE, np.uint8), (36, 48, 48, 3))
    red = np.broadcast_to(np.array(RED, np.uint8), (1, 48, 48, 3))
    engine.child.look_at_film(blue, blue[:1])
    engine.child.look_at_film(red[:0], blue[:1])
    with pytest.raises(FilmHeldBack):
        engine.child.look_at_film(blue, red)


def test_a_stranger_hears_that_a_picture_is_held_back(check: Made, tmp_path: Path) -> None:
    config, data_dir = tmp_path / "config.toml", tmp_path / "data"
    asked = check()
    settings = {"image_check": asked.folder, "check_labels": list(asked.labels)}
    lines = (f"{name} = {json.dumps(value)}" for name, value in settings.items())
    config.write_text("\n".join(["[model]", "threads = 1", "[web]", "port = 0", "[safety]", *lines]))
    target = tmp_path / "film.mp4"
    common = ("--seconds", 1, "--model", small(tmp_path), "-c", config, "--data-dir", data_dir, "-o", target)
    for name, colour in (("red.png", RED), ("blue.png", BLUE)):
        flat(colour).save(tmp_path / name)
    done = run("animate", tmp_path / "red.png", "fog", *common)
    assert done.returncode == 1
    assert "held this one back" in done.stderr and "Traceback" not in done.stderr
    assert not target.exists()
    done = run("animate", tmp_path / "blue.png", "fog", *common)
    assert done.returncode == 0, done.stderr
    assert target.exists()


def test_a_page_says_that_nothing_can_look_any_more(check: Made, tmp_path: Path) -> None:
    asked = check()
    config = tmp_path / "config.toml"
    config.write_text(f"[safety]\nimage_check = {json.dumps(asked.folder)}\ncheck_labels = ['naked']\n")
    settings = Settings(**load(config, SECTIONS))
    assert model_trouble(settings) is None
    (Path(asked.folder) / "preprocessor_config.json").unlink()
    trouble = model_trouble(settings)
    assert trouble is not None
    assert "preprocessor_config.json is not there" in why("en", trouble.key.removeprefix("failed."), trouble.facts)


def test_what_cannot_look_makes_no_film(check: Made, tmp_path: Path) -> None:
    asked = check()
    (Path(asked.folder) / "model.safetensors").unlink()
    engine = Engine(tmp_path, asked)
    assert outcome(engine.said) == "check_unusable"
    assert engine.child.engine is None
