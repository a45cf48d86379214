"""The engine's sections of the configuration: [model] and [video]."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from db.config import key
from db.said import said
from gen.hours import Span, hours_of
from gen.types import CACHE_NAMES

CARD = re.compile("cuda:(0|[1-9][0-9]?)")


@dataclass(frozen=True)
class Lora:
    """One of [model] loras."""

    file: str = key("", "Its safetensors file; a relative path stands in models_dir.")
    weight: float = key(1.0, "How strongly it is merged; 1: as it was trained.", least=-10, most=10)


@dataclass(frozen=True)
class ModelConfig:
    """[model]"""

    name: str = key("tiny", 'Checkpoint: "tiny", "framepack", "framepack-f1", or a folder.')
    device: str = key(
        "auto",
        'Where it computes: "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", "mps"; of several cards each, '
        'with commas: "cuda:0, cuda:1".',
    )
    precision: str = key(
        "auto",
        "How the weights are kept; auto: on a GPU bf16, on a CPU fp32, or fp8 where that does not fit.",
        choices=("auto", "fp32", "bf16", "fp16", "fp8", "nf4"),
    )
    size: str = key(
        "",
        'The size of films whose quality names none, one of the checkpoint\'s, such as "640"; empty: its default.',
    )
    attention: str = key(
        "auto",
        "Attention kernel; auto: the fastest that is installed and that the card can run.",
        choices=("auto", "native", "flash", "sage", "xformers"),
    )
    loras: tuple[Lora, ...] = key((), "LoRAs merged into the transformer, in this order.")
    preview_decoder: str = key(
        "", "TAEHV's weights: they show each second while it is drawn; a relative path stands in models_dir."
    )
    vram_limit_gib: float = key(0.0, "The most of the GPU's memory; 0: what is free.", unit="GiB", least=0, most=1024)
    ram_limit_gib: float = key(0.0, "The most RAM for the model; 0: what is free.", unit="GiB", least=0, most=8192)
    compile: bool = key(False, "Compile the blocks when the first section is made: a minute or two, then faster.")
    threads: int = key(0, "CPU threads; 0: as many as there are cores.", least=0, most=1024)
    models_dir: str = key("", "Folder of downloaded checkpoints; empty: models in data_dir.")
    idle_minutes: float = key(
        10.0,
        "With nothing to do for so long, the engine gives its memory back; 0: it never does.",
        unit=said("minutes"),
        least=0,
        most=10_000,
    )
    hours: str = key("", 'When films are made, by this machine\'s clock, such as "22:00-08:00"; empty: always.')
    yields_to: tuple[str, ...] = key(
        (), "Programs that come first: while one of them runs, no film is made and the card is free."
    )

    def __post_init__(self) -> None:
        """raises ValueError: several devices, one of which is a choice of its own, or is there twice; hours that are
        none; a pattern of programs that is every program's."""
        cards = [each for each in self.devices if each != "cpu"]
        if len(self.devices) > 1 and (len(set(cards)) < len(cards) or not all(map(CARD.fullmatch, cards))):
            raise ValueError(
                said('of several devices each is a card with its number, named once: device = "cuda:0, cuda:1"')
            )

        try:
            hours_of(self.hours)
        except ValueError:
            raise ValueError(
                said(
                    'hours are written as "22:00-08:00", several with commas, with days "Mon-Fri 18:00-24:00", '
                    'not as "{hours}"',
                    hours=self.hours,
                )
            ) from None
        if any(not each.strip(" *?") for each in self.yields_to):
            raise ValueError(said('yields_to names programs, such as "blender"; one of them fits every program'))

    @property
    def spans(self) -> tuple[Span, ...]:
        """The hours in which films are made; none: always."""
        return hours_of(self.hours)

    @property
    def devices(self) -> tuple[str, ...]:
        """Each that computes: a process of its own, which takes turns of the same queue."""
        return tuple(each.strip() for each in self.device.split(","))

    def folder(self, data_dir: Path) -> Path:
        """The folder of the checkpoints; it need not exist yet."""
        return Path(self.models_dir).expanduser().absolute() if self.models_dir else data_dir / "models"

    def preview_file(self, models_dir: Path) -> str:
        """The file of the previews' decoder, empty where there is none."""
        return str(models_dir / Path(self.preview_decoder).expanduser()) if self.preview_decoder else ""

    def lora_files(self, models_dir: Path) -> list[tuple[str, float]]:
        """File and weight of each LoRA."""
        return [(str(models_dir / Path(lora.file).expanduser()), lora.weight) for lora in self.loras]


@dataclass(frozen=True)
class Quality:
    """[video.qualities.NAME]: what a preset changes of the checkpoint's own settings, whichever checkpoint it is."""

    steps_percent: int = key(
        100, "Sampling steps, of the checkpoint's own number.", unit=said("percent"), least=10, most=400
    )
    size: str = key("", 'One of the checkpoint\'s sizes, such as "640"; empty: that of [model].')
    step_cache: str = key(
        "",
        "Which steps may be skipped; empty: as the checkpoint's makers do it.",
        choices=("", *CACHE_NAMES),
    )

    def steps(self, own: int) -> int:
        """Sampling steps, where the checkpoint's own number is `own`."""
        return max(1, round(own * self.steps_percent / 100))


QUALITIES = {
    "draft": Quality(steps_percent=60, step_cache="fast"),
    "standard": Quality(),
    "best": Quality(steps_percent=150, step_cache="none"),
}


@dataclass(frozen=True)
class VideoConfig:
    """[video]. Frames per second are the checkpoint's."""

    longest_seconds: float = key(
        60.0, "The longest film that may be asked for.", unit=said("seconds"), least=1, most=600
    )
    default_seconds: float = key(
        5.0, "A film's length where none is asked for.", unit=said("seconds"), least=0.1, most=600
    )
    qualities: Mapping[str, Quality] = key(QUALITIES, "Named presets; those of the file change or join these three.")

    def __post_init__(self) -> None:
        """raises ValueError: two keys that do not go together."""
        if self.default_seconds > self.longest_seconds:
            raise ValueError(said("default_seconds is above longest_seconds; lower the one or raise the other"))

    def sizes(self, model: ModelConfig) -> tuple[str, ...]:
        """The sizes that may be asked for, each once; "" is the checkpoint's default."""
        return tuple(dict.fromkeys(quality.size or model.size for quality in self.qualities.values()))
