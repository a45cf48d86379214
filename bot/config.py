"""The front-ends' sections of the configuration: [discord], [telegram], [web], [limits] and [safety]."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from db.config import key
from db.errors import CONFIGURATION, ConfigError
from db.said import of_system, said


def secret_of(section: str, token: str, token_file: str, variable: str, key_of_file: str = "token_file") -> str:
    """A secret from the environment, from a file, or as it stands in the configuration; "" where there is none.

    raises: ConfigError, for a file that cannot be read
    """
    if spoken := os.environ.get(variable, "").strip():
        return spoken
    if token_file:
        try:
            return Path(token_file).expanduser().read_text("utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = of_system(error) if isinstance(error, OSError) else said("it is no text")
            problem = said("cannot be read: {why}", why=why)
            raise ConfigError(CONFIGURATION, f"{section}.{key_of_file}", problem) from None
    return token.strip()


@dataclass(frozen=True)
class DiscordConfig:
    """[discord]"""

    token: str = key("", "The bot's token, from the portal; better in DISCORD_TOKEN or a file.", secret=True)
    token_file: str = key("", "A file that holds the token.")
    guilds: tuple[int, ...] = key(
        (), "Ids of the servers that get the commands at once; empty: all, some minutes later."
    )
    api_base: str = key("", "Another server instead of Discord's API, such as http://127.0.0.1:9000/api/v10.")
    gateway: str = key("", "Its gateway; empty with api_base set: it is asked for.")
    operators: tuple[int, ...] = key((), "User ids of those who may pause, drain and ban everywhere.")
    report_channel: int = key(0, "Id of the channel that hears of reported films; 0: none does.")

    def secret(self) -> str:
        """The token; "" where none is configured. raises ConfigError."""
        return secret_of("discord", self.token, self.token_file, "DISCORD_TOKEN")


@dataclass(frozen=True)
class TelegramConfig:
    """[telegram]"""

    token: str = key("", "The bot's token, from @BotFather; better in TELEGRAM_TOKEN or a file.", secret=True)
    token_file: str = key("", "A file that holds the token.")
    api_base: str = key("https://api.telegram.org", "The Bot API server.")
    local_server: str = key("", "Files folder of an own Bot API server run with --local; empty: there is none.")
    operators: tuple[int, ...] = key((), "User ids of those who may pause, drain, ban and set limits.")
    report_chat: int = key(0, "Id of the chat that hears of reported films; 0: the operators do.")

    def secret(self) -> str:
        """The token; "" where none is configured. raises ConfigError."""
        return secret_of("telegram", self.token, self.token_file, "TELEGRAM_TOKEN")


@dataclass(frozen=True)
class WebConfig:
    """[web]"""

    host: str = key("127.0.0.1", "Address the page is served at; 127.0.0.1 is for this machine only.")
    port: int = key(8765, "Its port; 0: any that is free.", least=0, most=65535)
    password: str = key("", "The owner's; needed beyond this machine; better in FLIPBOT_PASSWORD.", secret=True)
    password_file: str = key("", "A file that holds the password.")
    guest_password: str = key(
        "",
        "Of guests, who make films and see only their own; better in FLIPBOT_GUEST_PASSWORD; empty: there are none.",
        secret=True,
    )
    guest_password_file: str = key("", "A file that holds the guests' password.")
    public_url: str = key("", "Where the world finds the page, which needs a password then; films can be linked to.")

    def __post_init__(self) -> None:
        """raises ValueError: an address that no link could begin with."""
        if self.public_url and not self.public_url.startswith(("https://", "http://")):
            raise ValueError(
                said("public_url has to begin with https:// (or http://), as in https://{got}", got=self.public_url)
            )

    def secret(self) -> str:
        """The password; "" where there is none. raises ConfigError."""
        return secret_of("web", self.password, self.password_file, "FLIPBOT_PASSWORD", "password_file")

    def guest_secret(self) -> str:
        """The guests' password; "" where there is none. raises ConfigError."""
        key = "guest_password_file"
        return secret_of("web", self.guest_password, self.guest_password_file, "FLIPBOT_GUEST_PASSWORD", key)


@dataclass(frozen=True)
class Role:
    """[limits.roles.ID]: what is different for those who have a Discord role, or for one Telegram user."""

    weight: float = key(1.0, "Share of the turns; others have 1.", least=0.1, most=100)
    queued_per_user: int | None = key(None, "Instead of the general one.", unit=said("jobs"), least=1, most=100_000)
    gpu_seconds_per_day: int | None = key(None, "Instead of the general one; 0: no limit.", least=0, most=86400)
    cooldown_s: int | None = key(None, "Instead of the general one.", unit=said("seconds"), least=0, most=86400)
    longest_seconds: float | None = key(None, "Instead of [video]'s.", unit=said("seconds"), least=1, most=600)


@dataclass(frozen=True)
class LimitsConfig:
    """[limits]"""

    queued_per_user: int = key(5, "Of one person, waiting or running.", unit=said("jobs"), least=1, most=100_000)
    queued_per_chat: int = key(20, "Of one chat, waiting or running.", unit=said("jobs"), least=1, most=100_000)
    queued_in_all: int = key(500, "Of everybody, waiting or running.", unit=said("jobs"), least=1, most=1_000_000)
    gpu_seconds_per_day: int = key(
        0, "Of the GPU, for one person within 24 hours; 0: no limit.", unit=said("seconds"), least=0, most=86400
    )
    cooldown_s: int = key(0, "Between two films of one person.", unit=said("seconds"), least=0, most=86400)
    image_max_mib: int = key(20, "The largest file of a picture.", unit="MiB", least=1, most=1024)
    image_max_megapixels: int = key(64, "The largest picture.", unit=said("megapixels"), least=1, most=1000)
    roles: Mapping[str, Role] = key({}, "What is different for some, by a Discord role's or a Telegram user's id.")


@dataclass(frozen=True)
class SafetyConfig:
    """[safety]"""

    consent: bool = key(True, "Whether people in chats have to accept the terms, once.")
    blocked_words: tuple[str, ...] = key((), "Words that no text may hold.")
    image_check: str = key(
        "", "Folder of a classifier that looks at pictures first; a relative path stands in models_dir; empty: none."
    )
    video_check: bool = key(False, "Whether it looks at each second of a film, too, before anybody sees it.")
    check_labels: tuple[str, ...] = key(("nsfw", "porn", "hentai"), "Its labels for what is held back.")
    check_score: float = key(0.5, "How probable these have to be, together.", least=0.01, most=1)
    keep_days: int = key(
        0,
        "How long pictures, films and jobs are kept after a job ended; 0: for ever.",
        unit=said("days"),
        least=0,
        most=36500,
    )
    keep_latents_days: int = key(
        0,
        "How long a film that ended can be gone on with, which needs its latents; 0: as long as it is kept.",
        unit=said("days"),
        least=0,
        most=36500,
    )

    def __post_init__(self) -> None:
        """raises ValueError: keys that do not go together. A check that looks at nothing is worse than none."""
        if self.video_check and not self.image_check:
            raise ValueError(said("video_check needs image_check, the folder of what looks"))
        if self.image_check and not self.check_labels:
            raise ValueError(said("image_check needs check_labels, what is held back"))
