"""`flipbot download` in the terminal: the licence is shown and accepted, and a bar grows."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from bot import words
from bot.errors import Refused
from bot.terminal import tell
from db.said import of_system

ACCEPTED = "licence-accepted.txt"  # in models_dir: who has accepted once is not asked again when a download goes on


def agree(
    console: Console, locale: str, *, models_dir: Path, accepted: bool, licence: str, at: str, where_not: str
) -> None:
    """Show the licence and hear that it is accepted, once per models_dir.

    accepted:  whether the command line says so
    where_not: countries in which nobody is granted it
    raises:    Refused, where it is not accepted, or nobody can be asked
    """
    note = models_dir / ACCEPTED
    if note.is_file():
        return
    tell(console, words.say(locale, "terminal.licence", licence=licence, at=at, where=where_not))
    if not accepted:
        if not sys.stdin.isatty():
            raise Refused("refused.licence_unasked")
        console.print(words.say(locale, "terminal.licence_ask"), end=" ")
        if sys.stdin.readline().strip().lower() not in ("y", "yes", "j", "是", "同意"):
            raise Refused("refused.licence")
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        note.write_text(f"{licence} ({at}) accepted {time.strftime('%Y-%m-%d %H:%M:%S %z')}\n", encoding="utf-8")
    except OSError as error:
        raise Refused("refused.data_dir", path=str(models_dir), why=of_system(error)) from error


def sentence(locale: str, reason: str, facts: Mapping[str, object], own: str) -> str:
    """What went wrong and what to do, in this language: the error's own sentence, but where a download knows better."""
    key = f"download.{reason}"
    if key in words.LANGUAGES[words.DEFAULT]:
        return words.say(locale, key, **dict(facts))
    return words.translate(locale, own)


class Bar:
    """What the download tells, as one line."""

    def __init__(self, progress: Progress, locale: str) -> None:
        self.progress = progress
        self.locale = locale
        self.task = progress.add_task(words.say(locale, "terminal.download_asking"), total=None)

    def begin(self, total: int) -> None:
        """So many bytes belong to the model in all."""
        self.progress.update(self.task, total=total)

    def at(self, done: int, file: str) -> None:
        """So many of them are here; this file is being fetched."""
        self.progress.update(self.task, completed=done, description=file)

    def checking(self, file: str) -> None:
        """This file is being read for its hash."""
        said = words.say(self.locale, "terminal.download_checking", file=file)
        self.progress.update(self.task, description=said)


@contextmanager
def bar(console: Console, locale: str) -> Iterator[Bar]:
    """One line: the file, bytes of all, speed, time left."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Bar(progress, locale)
