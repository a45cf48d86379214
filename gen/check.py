"""A classifier of the owner's looks at pictures and films first, and holds back what is of some of its kinds.

No torch until it looks: whether its files will do is found out before anything starts. On the processor, since a card
is full by plan, and a look takes a fraction of a second beside a section's minutes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db.said import listed, of_system, said
from gen.errors import CheckUnusable, FilmHeldBack, PictureHeldBack, first_line

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger("flipbot.check")

CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"
FRAMES = 3  # of a section that are looked at: a third, two thirds and the end of it


@dataclass(frozen=True)
class Check:
    """What looks, and what it holds back.

    folder: of an image classifier, as transformers saves one
    labels: of its own those that are held back, in whatever case
    least:  how probable they have to be together, 0 to 1
    films:  whether frames of each section are looked at, too
    """

    folder: str
    labels: tuple[str, ...]
    least: float
    films: bool

    def to_json(self) -> dict[str, Any]:
        """For a message to the child."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Check:
        """What to_json made."""
        return cls(**{**told, "labels": tuple(told["labels"])})


def outputs(check: Check) -> dict[int, str]:
    """Which of the classifier's outputs hold back, with their labels.

    raises: CheckUnusable, where it cannot be used as it is set up
    """
    folder = Path(check.folder)
    for name in (CONFIG, PROCESSOR):
        if not (folder / name).is_file():
            raise CheckUnusable(file=str(folder / name), why=said("is not there"))
    if not any(folder.glob("*.safetensors")):
        raise CheckUnusable(file=str(folder / "model.safetensors"), why=said("is not there"))
    try:
        named = json.loads((folder / CONFIG).read_text("utf-8"))["id2label"]
        labels = {int(number): str(label) for number, label in named.items()}
    except OSError as error:
        raise CheckUnusable(file=str(folder / CONFIG), why=of_system(error)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckUnusable(file=str(folder / CONFIG), why=said("is no image classifier's")) from error
    wanted = {label.casefold() for label in check.labels}
    if not (found := {number: label for number, label in labels.items() if label.casefold() in wanted}):
        knows = said("knows {labels}: name one of them in [safety] check_labels", labels=listed(labels.values()))
        raise CheckUnusable(file=str(folder), why=knows)
    return found


class Classifier:
    """The classifier, loaded."""

    def __init__(self, check: Check) -> None:
        """raises: CheckUnusable."""
        found = outputs(check)
        self.check, self.outputs, self.labels = check, list(found), list(found.values())
        import torch
        from safetensors import SafetensorError
        from transformers import AutoImageProcessor, AutoModelForImageClassification
        from transformers.utils import logging as transformers_logging

        here = {"local_files_only": True, "trust_remote_code": False}
        processor: Any = AutoImageProcessor
        bars: Any = transformers_logging
        bars.disable_progress_bar()
        try:
            self.processor = processor.from_pretrained(check.folder, backend="pil", **here)
            self.model, loaded = AutoModelForImageClassification.from_pretrained(
                check.folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **here
            )
        except (OSError, ValueError, KeyError, TypeError, ImportError, RuntimeError, SafetensorError) as error:
            why = said("cannot be loaded: {why}", why=first_line(error))
            raise CheckUnusable(file=check.folder, why=why) from error
        if loaded["missing_keys"] or loaded["mismatched_keys"]:  # they would be random numbers
            raise CheckUnusable(file=check.folder, why=said("lacks some of its weights"))
        self.model.eval()

    def scores(self, pictures: Sequence[Image]) -> list[float]:
        """For each picture how probable it is that it is of a kind to be held back, 0 to 1."""
        import torch

        with torch.no_grad():
            given = self.processor(images=[picture.convert("RGB") for picture in pictures], return_tensors="pt")
            logits = self.model(**given).logits.float()
        if self.model.config.problem_type == "multi_label_classification":
            return [float(score) for score in logits.sigmoid()[:, self.outputs].amax(1)]
        return [float(score) for score in logits.softmax(-1)[:, self.outputs].sum(1)]

    def look(self, pictures: Sequence[Image], held_back: type[PictureHeldBack | FilmHeldBack]) -> None:
        """raises: held_back, if any of them is to be."""
        for score in self.scores(pictures):
            if not score < self.check.least:  # what is no number is no acquittal
                log.warning("%s score=%.2f least=%.2f", held_back.reason, score, self.check.least)
                raise held_back
