"""What the engine is asked for and what it gives. Importing this module does not import torch.

Axes: B batch (always 1) · C latent channels · T latent frames · h, w latent rows and columns · F pixel frames ·
H, W pixel rows and columns · n text tokens, or the number of a section, counted from 0 in the order of making.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gen.errors import BadPlan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image
    from torch import Tensor

    Frames = NDArray[np.uint8]  # (F, H, W, 3)

SAMPLINGS = ("f1", "inverted")
NOISES = ("keyed", "reference")
FLOATS = ("guidance", "cfg", "rescale")
COUNTS = ("width", "height", "window", "sections", "steps", "fps")
TEXTS = ("sampling", "negative", "noise", "model")
LISTS = ("prompts", "seeds")
# Step caches as plans write them: kind and threshold (gen/cache.py). TeaCache's thresholds are FramePack's own, its fit
# is made for that model; the other kind works with any, its thresholds were chosen by `flipbot bench parity --caches`.
TEACACHE = {"careful": "teacache:0.1", "fast": "teacache:0.15"}
FIRST_BLOCK = {"careful": "first-block:0.08", "fast": "first-block:0.15"}
KINDS_OF_CACHE = ("teacache", "first-block")
# What a quality may name: "careful" and "fast" are of the kind that suits the checkpoint.
CACHE_NAMES = ("none", "careful", "fast", "teacache", "first-block")


@dataclass(frozen=True)
class Plan:
    """Everything a film follows from, beside the picture: numbers and words, no tensors.

    sampling:   "f1" (seconds in viewing order) or "inverted" (the end is made first)
    width, height: pixels of the bucket
    window:     latent frames a section makes
    guidance:   the distilled scale, an input of the model; cfg: the true one, 1.0 = one model call a step
    rescale:    0..1, how far the spread of a cfg prediction is drawn back to that of the positive one
    step_cache: kind and threshold of the cache, such as "teacache:0.15"; empty: every step is computed
    prompts:    one per section, in viewing order
    noise:      "keyed" by (seed, section), or "reference": drawn section by section from one generator, with the
                reference's single TeaCache counter for both cfg branches
    model:      name@version of the checkpoint
    seeds:      of the first sections made, where these had others than `seed`: a film that was gone on with anew
    """

    sampling: str
    width: int
    height: int
    window: int
    sections: int
    steps: int
    guidance: float
    cfg: float
    rescale: float
    step_cache: str
    prompts: tuple[str, ...]
    negative: str
    seed: int
    fps: int
    model: str
    noise: str = "keyed"
    seeds: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for key in COUNTS:
            _expect(self, key, type(getattr(self, key)) is int and getattr(self, key) >= 1, "a whole number from 1")
        for key in FLOATS:
            _expect(self, key, _is_number(getattr(self, key)), "a number")
        for key in TEXTS:
            _expect(self, key, isinstance(getattr(self, key), str), "a text")
        _expect(self, "sampling", self.sampling in SAMPLINGS, " or ".join(SAMPLINGS))
        _expect(self, "noise", self.noise in NOISES, " or ".join(NOISES))
        _expect(self, "step_cache", _is_cache(self.step_cache), "nothing, or one of those there are with its threshold")
        _expect(self, "seed", _is_seed(self.seed), "a whole number from 0 below 2**63")
        seeds = isinstance(self.seeds, tuple) and all(map(_is_seed, self.seeds))
        _expect(self, "seeds", seeds and len(self.seeds) <= self.sections, "such numbers, one per section at most")
        _expect(self, "seeds", not self.seeds or self.noise == "keyed", "none, unless the noise is keyed")
        texts = isinstance(self.prompts, tuple) and all(isinstance(prompt, str) for prompt in self.prompts)
        _expect(self, "prompts", texts and len(self.prompts) == self.sections, "one text per section")

    def prompt_of(self, n: int) -> str:
        """The prompt of section n, counted in the order of making."""
        return self.prompts[n if self.sampling == "f1" else self.sections - 1 - n]

    def seed_of(self, n: int) -> int:
        """The seed of section n, counted in the order of making."""
        return self.seeds[n] if n < len(self.seeds) else self.seed

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; from_json gives the same plan back."""
        return asdict(self) | {"prompts": list(self.prompts), "seeds": list(self.seeds)}

    @classmethod
    def from_json(cls, mapping: Mapping[str, Any]) -> Plan:
        """The plan of to_json; raises BadPlan for a key too many, too few, or of the wrong kind."""
        known = {field.name for field in fields(cls)}
        mapping = {"seeds": [], **mapping}  # plans kept by 0.1 had none
        if "step_cache" in mapping:
            mapping["step_cache"] = cache_as_written(mapping["step_cache"])
        if odd := sorted(set(mapping) ^ known):
            raise BadPlan(key=odd[0], got="there" if odd[0] in mapping else "not there", expected="the opposite")
        values = {key: float(mapping[key]) if _is_number(mapping[key]) else mapping[key] for key in FLOATS}
        lists = {key: tuple(mapping[key]) if isinstance(mapping[key], list) else mapping[key] for key in LISTS}
        return cls(**{**mapping, **values, **lists})


@dataclass(frozen=True)
class Text:
    """One encoded prompt: prompt_embeds (1, n, D) without padding, pooled (1, P), in the encoders' dtype."""

    prompt_embeds: Tensor
    pooled: Tensor


@dataclass(frozen=True)
class Conditioning:
    """What the encoders made of a plan's words and picture; all on the CPU.

    texts:        one Text for every distinct prompt, by the prompt
    negative:     the encoded negative prompt, None where cfg is 1
    image_embeds: (1, m, E), last hidden state of the image encoder
    start:        (1, C, 1, h, w) float32, the picture's latent times the VAE's scaling factor
    end:          the same of an end picture, or None
    tiles:        how the film is decoded, as gen.memory.Tiles writes it; empty: as the engine would
    """

    texts: Mapping[str, Text]
    negative: Text | None
    image_embeds: Tensor
    start: Tensor
    end: Tensor | None = None
    tiles: str = ""

    def save(self, path: Path) -> None:
        """Write everything to one safetensors file, bit for bit."""
        from safetensors.torch import save_file

        tensors = {"image_embeds": self.image_embeds, "start": self.start}
        if self.end is not None:
            tensors["end"] = self.end
        texts = [(f"text.{i}", text) for i, text in enumerate(self.texts.values())]
        for key, text in texts + ([("negative", self.negative)] if self.negative is not None else []):
            tensors[f"{key}.prompt_embeds"], tensors[f"{key}.pooled"] = text.prompt_embeds, text.pooled
        # clones: two names may share memory, which safetensors refuses
        # one key alone: safetensors writes several in a random order, and the same conditioning must be the same file
        words = {"words": json.dumps({"prompts": [*self.texts], "tiles": self.tiles})}
        save_file({k: v.detach().cpu().clone() for k, v in tensors.items()}, path, words)

    @classmethod
    def load(cls, path: Path) -> Conditioning:
        """What save wrote."""
        from safetensors import safe_open

        # Clones: what is read lies in the file's pages at whatever address its neighbours leave it, and on some of them
        # a CPU's matrix product rounds otherwise. A prompt encoded beside others must say the same to the bit.
        with safe_open(path, "pt") as file:
            written = file.metadata()
            # files of earlier versions have the prompts alone
            words = json.loads(written["words"]) if "words" in written else {"prompts": json.loads(written["prompts"])}
            prompts = words["prompts"]
            tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118

        def text(key: str) -> Text:
            return Text(tensors[f"{key}.prompt_embeds"], tensors[f"{key}.pooled"])

        return cls(
            texts={prompt: text(f"text.{i}") for i, prompt in enumerate(prompts)},
            negative=text("negative") if "negative.pooled" in tensors else None,
            image_embeds=tensors["image_embeds"],
            start=tensors["start"],
            end=tensors.get("end"),
            tiles=words.get("tiles", ""),
        )


@dataclass(frozen=True)
class Step:
    """One step of a section is done: n counts from 1 to `of`.

    preview: makes a rough picture of the section's last frame as it stands, one pixel per latent; costs nothing
             until it is called
    x:       (1, C, window, h, w), the sample itself, corrected by this step; not to be written to
    """

    n: int
    of: int
    preview: Callable[[], Image]
    x: Tensor | None = None


OnStep = Callable[[Step], None]


@dataclass(frozen=True)
class Section:
    """A finished section.

    n:           its number, from 0, in the order of making
    latents:     (1, C, window, h, w) float32 on the CPU, as sampled
    final:       (F, H, W, 3) uint8, frames that no later section changes
    provisional: (F, H, W, 3) uint8, frames that the next section blends with its own
    tail:        (1, 3, F, H, W), the provisional frames as the VAE gave them, in its dtype
    f1: final stands behind all earlier final frames, provisional at the end. inverted: both stand in front of them,
    provisional first.
    """

    n: int
    latents: Tensor
    final: Frames
    provisional: Frames
    tail: Tensor
    sampling_ms: int
    decode_ms: int


def step_cache_of(text: str) -> tuple[str, float]:
    """Kind and threshold of a cache as a plan writes it. raises: ValueError."""
    kind, _, threshold = text.partition(":")
    if kind not in KINDS_OF_CACHE or not 0 <= float(threshold) < math.inf:
        raise ValueError(text)
    return kind, float(threshold)


def cache_as_written(value: object) -> Any:
    """A cache as plans write it now; earlier ones, and checkpoints' cards, have TeaCache's threshold, or none."""
    if value is None:
        return ""
    return f"teacache:{value}" if _is_number(value) else value


def _is_cache(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return not value or bool(step_cache_of(value))
    except ValueError:
        return False


def _is_seed(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _expect(plan: Plan, key: str, holds: bool, expected: str) -> None:
    if not holds:
        raise BadPlan(key=key, got=repr(getattr(plan, key)), expected=expected)
