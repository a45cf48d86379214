"""How every room's events are logged: to stderr, for people or for programs."""

import json
import logging
import os

from db.config import ServiceConfig

TOLD = "FLIPBOT_LOG"  # in the environment: level and format


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's time, level, logger and message, and its exception if it has one."""
        line = {"at": self.formatTime(record), "level": record.levelname.lower(), "logger": record.name}
        line["message"] = record.getMessage()
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def start_log(config: ServiceConfig, *, quiet: bool = False) -> None:
    """Log to stderr as configured, and let processes that are started from here do the same.

    quiet: errors only, unless everything was asked for: what a film meets is told in sentences
    """
    level = "error" if quiet and config.log_level != "debug" else config.log_level
    os.environ[TOLD] = f"{level} {config.log_format}"
    join_log()


def join_log() -> None:
    """Log to stderr as the process that started this one does."""
    level, form = os.environ.get(TOLD, "info text").split()
    handler = logging.StreamHandler()
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    handler.setFormatter(JsonLines() if form == "json" else text)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("flipbot").setLevel(level.upper())
