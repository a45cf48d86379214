"""What a checkpoint is and where its parts lie. Reads JSON, never weights; no torch.

A checkpoint is a folder in diffusers' layout with one file of our own, flipbot.json, the card. For the published
FramePack weights, which have none, the card stands here; gen/sources.py says where their files come from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from db.said import Said, said
from gen.errors import CheckpointCorrupt, CheckpointIncomplete, CheckpointMissing, FolderMissing, UnknownModel
from gen.sources import CONFIGS, SOURCES
from gen.types import FIRST_BLOCK, SAMPLINGS, TEACACHE, cache_as_written, step_cache_of

CARD = "flipbot.json"
SHIPPED = Path(__file__).parent / "checkpoints" / "tiny"
UNTRAINED = "tiny-untrained"  # in models_dir; set-up makes it where no trained checkpoint is shipped

PARTS = (
    "transformer",
    "vae",
    "text_encoder",
    "text_encoder_2",
    "tokenizer",
    "tokenizer_2",
    "image_encoder",
    "feature_extractor",
)


@dataclass(frozen=True)
class PromptTemplate:
    """The words around a prompt for the Llama encoder.

    template:   with {} where the prompt goes; None is diffusers' template for HunyuanVideo
    crop_start: tokens of the template before the prompt, cut off after encoding
    max_length: most tokens that are left then
    """

    template: str | None = None
    crop_start: int = 95
    max_length: int = 256


@dataclass(frozen=True)
class Card:
    """What a checkpoint says of itself (flipbot.json), with the three ratios of its VAE.

    window:     latent frames per section        samplings: orders it was made for, the first is the default
    sizes:      key → buckets (h, w) in pixels   size: the default key
    preview_factors: one (r, g, b) per latent channel, preview_bias: (r, g, b); latents → RGB 0..1
    step_cache:  its own, as types.Plan has it; step_caches: what "careful" and "fast" mean for it
    note:        for people, by language
    understands: for people, {"en", "zh", "kind"} each, and "film", a file of the checkpoint, where there is an example
    latent_channels, space_compression, time_compression: from vae/config.json
    """

    name: str
    version: str
    trained: bool
    window: int
    samplings: tuple[str, ...]
    fps: int
    size: str
    sizes: Mapping[str, tuple[tuple[int, int], ...]]
    steps: int
    guidance: float
    cfg: float
    rescale: float
    step_cache: str
    preview_factors: tuple[tuple[float, float, float], ...]
    preview_bias: tuple[float, float, float]
    prompt_template: PromptTemplate
    understands: tuple[Mapping[str, str], ...]
    licence: str
    note: Mapping[str, str]
    latent_channels: int
    space_compression: int
    time_compression: int
    step_caches: Mapping[str, str] = field(default_factory=lambda: dict(FIRST_BLOCK))

    @property
    def identity(self) -> str:
        """name@version, as plans name their model."""
        return f"{self.name}@{self.version}"

    def cache_of(self, name: str) -> str:
        """The step cache of this name (types.CACHE_NAMES), as a plan writes it."""
        kinds = {"teacache": TEACACHE["fast"], "first-block": FIRST_BLOCK["fast"]}
        return {"none": "", **kinds, **self.step_caches}[name]


@dataclass(frozen=True)
class Checkpoint:
    """A card and the folder of each of its PARTS (or of those that are needed)."""

    card: Card
    parts: Mapping[str, Path]

    @property
    def folder(self) -> Path:
        """Where the parts lie, and what the card names beside them."""
        return next(iter(self.parts.values())).parent


def find_checkpoint(name: str, models_dir: Path | None = None) -> Checkpoint:
    """The checkpoint of this name: "tiny", "framepack", "framepack-f1", or the path of a folder.

    models_dir: where `flipbot download` puts them, and set-up those of its own making ("tiny-untrained")
    raises:     UnknownModel, CheckpointMissing, CheckpointIncomplete, CheckpointCorrupt
    """
    if name == "tiny":
        return read_checkpoint(find_tiny(models_dir))
    if name in PRESETS:
        return Checkpoint(PRESETS[name], downloaded(name, models_dir))
    folder = Path(name)
    if not folder.is_dir():
        kind = FolderMissing if folder.is_absolute() or len(folder.parts) > 1 else UnknownModel
        raise kind(name=name, known=", ".join(("tiny", *PRESETS)))
    return read_checkpoint(folder)


def find_tiny(models_dir: Path | None, shipped: Path = SHIPPED) -> Path:
    """The folder of the tiny checkpoint: the shipped one, else the untrained one of set-up."""
    places = [shipped] + ([models_dir / UNTRAINED] if models_dir else [])
    for place in places:
        if (place / CARD).is_file():
            return place
    where: str = said("no {file}", file=places[0] / CARD)
    for place in places[1:]:
        where = said("{first} nor {second}", first=where, second=said("no {file}", file=place / CARD))
    raise CheckpointMissing(name="tiny", where=where)


def read_checkpoint(folder: Path) -> Checkpoint:
    """The checkpoint in a folder; every part must at least have its config."""
    for part in PARTS:
        need_file(folder / part / CONFIGS.get(part, "config.json"))
    return Checkpoint(read_card(folder), {part: folder / part for part in PARTS})


def need_file(path: Path) -> Path:
    """The path itself; raises CheckpointIncomplete where nothing lies there."""
    if not path.is_file():
        raise CheckpointIncomplete(file=str(path))
    return path


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of a checkpoint."""
    try:
        values = json.loads(need_file(path).read_bytes())
    except (ValueError, OSError) as error:
        raise CheckpointCorrupt(file=str(path), why=said("is not readable JSON")) from error
    if not isinstance(values, dict):
        raise CheckpointCorrupt(file=str(path), why=said("holds no JSON object"))
    return values


def read_card(folder: Path) -> Card:
    """The card of a folder: flipbot.json with what vae/config.json says."""
    path, vae = folder / CARD, read_json(folder / "vae" / "config.json")
    values = read_json(path)
    if values.get("format") != 1:
        why = said("has format {format!r}, this version reads 1", format=values.get("format"))
        raise CheckpointCorrupt(file=str(path), why=why)
    try:
        card = card_of(values, vae)
    except (KeyError, TypeError, ValueError) as error:
        lacks = isinstance(error, KeyError)
        why = said("lacks {error}" if lacks else "has a value that does not fit ({error})", error=str(error))
        raise CheckpointCorrupt(file=str(path), why=why) from error
    check_card(card, read_json(folder / "transformer" / "config.json"), path)
    return card


def card_of(values: Mapping[str, Any], vae: Mapping[str, Any]) -> Card:
    """A card from the two JSON objects; raises KeyError, TypeError, ValueError for what is not there or not fit."""
    template = values.get("prompt_template") or {}
    step_cache, preview = cache_as_written(values.get("step_cache")), values["preview"]
    step_caches = {**FIRST_BLOCK, **values.get("step_caches", {})}
    for cache in (step_cache, *step_caches.values()):
        if cache:
            step_cache_of(cache)
    return Card(
        name=str(values["name"]),
        version=str(values["version"]),
        trained=bool(values["trained"]),
        window=int(values["latent_window_size"]),
        samplings=tuple(map(str, values["samplings"])),
        fps=int(values["fps"]),
        size=str(values["size"]),
        sizes={str(key): tuple((int(h), int(w)) for h, w in rows) for key, rows in values["sizes"].items()},
        steps=int(values["steps"]),
        guidance=float(values["guidance"]),
        cfg=float(values["cfg"]),
        rescale=float(values["rescale"]),
        step_cache=step_cache,
        step_caches=step_caches,
        preview_factors=tuple(rgb(row) for row in preview["factors"]),
        preview_bias=rgb(preview["bias"]),
        prompt_template=PromptTemplate(**template),
        understands=tuple({str(k): str(v) for k, v in row.items()} for row in values.get("understands", ())),
        licence=str(values.get("licence", "")),
        note=note_of(values.get("note", "")),
        latent_channels=int(vae.get("latent_channels", 16)),  # diffusers leaves no default out; older configs may
        space_compression=int(vae.get("spatial_compression_ratio", 8)),
        time_compression=int(vae.get("temporal_compression_ratio", 4)),
    )


def note_of(written: Any) -> dict[str, str]:
    """A card's note, which is a text in English or one for each language."""
    return {str(k): str(v) for k, v in ({"en": written} if isinstance(written, str) else written).items() if v}


def rgb(row: Any) -> tuple[float, float, float]:
    """Three floats from a JSON list."""
    r, g, b = map(float, row)
    return r, g, b


def check_card(card: Card, transformer: Mapping[str, Any], path: Path) -> None:
    """Raise CheckpointCorrupt for a card that does not go with itself or with its configs."""
    multiple = card.space_compression * int(transformer.get("patch_size", 2))
    sides = [side for rows in card.sizes.values() for row in rows for side in row]
    rules: list[tuple[Callable[[], bool], Said]] = [
        (
            lambda: bool(card.samplings) and set(card.samplings) <= set(SAMPLINGS),
            said("names an order that does not exist"),
        ),
        (lambda: bool(card.sizes.get(card.size)), said("has a default size without buckets")),
        (
            lambda: min(sides) > 0 and all(side % multiple == 0 for side in sides),
            said("has sides not on {count} pixels", count=multiple),
        ),
        (
            lambda: len(card.preview_factors) == card.latent_channels,
            said("has a preview matrix of another channel count"),
        ),
        (
            lambda: transformer.get("in_channels", 16) == card.latent_channels,
            said("joins parts of different channel counts"),
        ),
        (lambda: min(card.window, card.fps, card.steps) >= 1, said("has a window, fps or steps below 1")),
    ]
    for holds, why in rules:
        if not holds():
            raise CheckpointCorrupt(file=str(path), why=why)


def downloaded(name: str, models_dir: Path | None) -> dict[str, Path]:
    """The folder of each part of a published checkpoint, as `flipbot download` leaves it in models_dir."""
    parts = SOURCES[name]
    if models_dir is None or not (models_dir / parts["transformer"].home).is_dir():
        raise CheckpointMissing(name=name, where=said("nothing of them in {folder}", folder=models_dir or "models_dir"))
    folders = {part: models_dir / parts[part].home / parts[part].folder for part in PARTS}
    for part, folder in folders.items():
        need_file(folder / CONFIGS.get(part, "config.json"))
    return folders


# (h, w) of the reference's 640 set, in its order: bucket_tools.py of lllyasviel/FramePack
LANDSCAPE_640 = ((416, 960), (448, 864), (480, 832), (512, 768), (544, 704), (576, 672), (608, 640))
BUCKETS_640 = LANDSCAPE_640 + tuple((w, h) for h, w in reversed(LANDSCAPE_640))


def smaller(side: int) -> tuple[tuple[int, int], ...]:
    """The 640 set at another size, in steps of 16 pixels: whole patches of the transformer."""
    return tuple((16 * round(h * side / 640 / 16), 16 * round(w * side / 640 / 16)) for h, w in BUCKETS_640)


# The linear map that ComfyUI uses for previews of HunyuanVideo's latents (comfy/latent_formats.py)
HUNYUAN_RGB = (
    (-0.0395, -0.0331, 0.0445),
    (0.0696, 0.0795, 0.0518),
    (0.0135, -0.0945, -0.0282),
    (0.0108, -0.0250, -0.0765),
    (-0.0209, 0.0032, 0.0224),
    (-0.0804, -0.0254, -0.0639),
    (-0.0991, 0.0271, -0.0669),
    (-0.0646, -0.0422, -0.0400),
    (-0.0696, -0.0595, -0.0894),
    (-0.0799, -0.0208, -0.0375),
    (0.1166, 0.1627, 0.0962),
    (0.1165, 0.0432, 0.0407),
    (-0.2315, -0.1920, -0.1355),
    (-0.0270, 0.0401, -0.0821),
    (-0.0616, -0.0997, -0.0727),
    (0.0249, -0.0469, -0.1703),
)
HUNYUAN_RGB_BIAS = (0.0259, -0.0192, -0.0761)


def preset(name: str, version: str, sampling: str) -> Card:
    """The card of a published FramePack checkpoint; the settings are those of its demo."""
    return Card(
        name=name,
        version=version,
        trained=True,
        window=9,
        samplings=(sampling,),
        fps=30,
        size="640",
        sizes={"640": BUCKETS_640, "512": smaller(512), "384": smaller(384)},
        steps=25,
        guidance=10.0,
        cfg=1.0,
        rescale=0.0,
        step_cache=TEACACHE["fast"],  # on in its demo
        step_caches=TEACACHE,
        preview_factors=HUNYUAN_RGB,
        preview_bias=HUNYUAN_RGB_BIAS,
        prompt_template=PromptTemplate(),
        understands=(),
        licence="Tencent Hunyuan Community",
        note={
            "en": "The licence is not granted in the European Union, the United Kingdom and South Korea.",
            "zh": "该许可不授予欧盟、英国和韩国。",
        },
        latent_channels=16,
        space_compression=8,
        time_compression=4,
    )


PRESETS = {
    "framepack": preset("framepack", "2025-04-17", "inverted"),
    "framepack-f1": preset("framepack-f1", "2025-05-03", "f1"),
}
