"""The front-ends' sections of the configuration: [web], [limits] and [safety]."""

from dataclasses import dataclass

from db.config import key


@dataclass(frozen=True)
class WebConfig:
    """[web]"""

    host: str = key("127.0.0.1", "Address the page is served at; 127.0.0.1 is for this machine only.")
    port: int = key(8765, "Its port; 0: any that is free.", least=0, most=65535)


@dataclass(frozen=True)
class LimitsConfig:
    """[limits]"""

    queued_per_user: int = key(5, "Of one person, waiting or running.", unit="jobs", least=1, most=100_000)
    queued_per_chat: int = key(20, "Of one chat, waiting or running.", unit="jobs", least=1, most=100_000)
    queued_in_all: int = key(500, "Of everybody, waiting or running.", unit="jobs", least=1, most=1_000_000)
    image_max_mib: int = key(20, "The largest file of a picture.", unit="MiB", least=1, most=1024)
    image_max_megapixels: int = key(64, "The largest picture.", unit="megapixels", least=1, most=1000)


@dataclass(frozen=True)
class SafetyConfig:
    """[safety]"""

    keep_days: int = key(
        0,
        "How long pictures, films and jobs are kept after a job ended; 0: for ever.",
        unit="days",
        least=0,
        most=36500,
    )
