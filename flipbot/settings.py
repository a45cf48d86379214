"""The configuration of every room, and what follows from it."""

import argparse
import os
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bot import control
from bot.config import DiscordConfig, LimitsConfig, SafetyConfig, TelegramConfig, WebConfig
from bot.errors import Refused
from db.config import DatabaseConfig, MediaConfig, ServiceConfig, load
from db.connect import file_of, is_shared
from db.errors import ConfigError
from db.media import Media, open_media
from db.said import of_system, said
from gen.check import Check
from gen.config import ModelConfig, VideoConfig

SECTIONS = {
    "service": ServiceConfig,
    "database": DatabaseConfig,
    "media": MediaConfig,
    "discord": DiscordConfig,
    "telegram": TelegramConfig,
    "web": WebConfig,
    "model": ModelConfig,
    "video": VideoConfig,
    "limits": LimitsConfig,
    "safety": SafetyConfig,
}
CONFIG = Path("config.toml")
MIB = 1 << 20


@dataclass(frozen=True)
class Settings:
    """The configuration of every room, the command line's word included."""

    service: ServiceConfig
    database: DatabaseConfig
    media: MediaConfig
    discord: DiscordConfig
    telegram: TelegramConfig
    web: WebConfig
    model: ModelConfig
    video: VideoConfig
    limits: LimitsConfig
    safety: SafetyConfig
    file: Path | None = None  # that it was read from

    @property
    def data_dir(self) -> Path:
        """Where everything is kept."""
        return self.service.folder()

    def open_media(self) -> Media:
        """Where pictures and films are kept. raises ConfigError."""
        return open_media(self.media, self.data_dir)

    def connect(self, **how: Any) -> AbstractAsyncContextManager[control.Remote | None]:
        """As `control.connect`, for what is configured."""
        return control.connect(self.data_dir, self.database.url, **how)

    @property
    def place(self) -> tuple[str, Path]:
        """Which database it is."""
        url = self.database.url
        return (url if is_shared(url) else "", file_of(url, self.data_dir))

    @property
    def models_dir(self) -> Path:
        """Where checkpoints are kept."""
        return self.model.folder(self.data_dir)

    @property
    def check(self) -> Check | None:
        """What looks at pictures and films first, where the owner has set one up."""
        safety = self.safety
        if not safety.image_check:
            return None
        folder = self.models_dir / Path(safety.image_check).expanduser()
        return Check(str(folder), safety.check_labels, safety.check_score, safety.video_check)

    @property
    def max_bytes(self) -> int:
        """The largest file of a picture."""
        return self.limits.image_max_mib * MIB

    @property
    def min_free(self) -> int:
        """Bytes on the disk below which nothing new is taken in."""
        return self.media.min_free_mib * MIB


def file_of_settings(args: argparse.Namespace) -> Path | None:
    """The configuration file: -c, else ./config.toml where there is one."""
    told: Path | None = getattr(args, "config", None)
    return told or (CONFIG if CONFIG.is_file() else None)


@contextmanager
def naming(file: Path | None) -> Iterator[None]:
    """Let what is found to be wrong with a key name its file, though it is found where no file is known."""
    try:
        yield
    except ConfigError as error:
        raise error.named(file) from None


def settings_of(args: argparse.Namespace) -> Settings:
    """The configuration file, overruled by the command line."""
    path = file_of_settings(args)
    settings = Settings(**load(path, SECTIONS), file=path)
    if args.data_dir:
        settings = replace(settings, service=replace(settings.service, data_dir=str(args.data_dir)))
    if getattr(args, "model", None):
        settings = replace(settings, model=replace(settings.model, name=args.model))
    if getattr(args, "size", None):
        settings = replace(settings, model=replace(settings.model, size=args.size))
    if getattr(args, "models_dir", None):
        settings = replace(settings, model=replace(settings.model, models_dir=str(args.models_dir)))
    return settings


def make_folder(folder: Path) -> None:
    """Make the data folder, readable by its owner only. raises: Refused."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Refused("refused.data_dir", path=str(folder), why=of_system(error)) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Refused("refused.data_dir", path=str(folder), why=said("it may not be written to"))
