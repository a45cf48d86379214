"""What a step needs before it begins, and what it writes: whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Unready(Exception):
    """A step cannot begin. The message is the sentence for whoever called it."""


def need(path: Path, first: str) -> None:
    """See that a file or folder is there, or say what makes it."""
    if not path.exists():
        raise Unready(f"There is no {path}: {first} first.")


def say_if_spent(step: str, option: str, spent_s: float, budget_s: float) -> None:
    """Say that nothing is left to do of a training whose budget counts earlier runs."""
    if budget_s and spent_s >= budget_s:
        spent, budget = round(spent_s / 60, 1), round(budget_s / 60, 1)
        print(f"{step}: nothing to do, {spent} of {budget} minutes are spent; a larger {option} goes on.")  # noqa: T201


@contextmanager
def aside(directory: Path) -> Iterator[Path]:
    """An empty folder beside `directory`; what lies in it at the end takes the place of what has its name there.

    The folder is exchanged in two moves of a whole copy, and not touched at all after an error. Should the process end
    between these two, the next call puts the old one back.
    """
    directory = directory.resolve()
    made, new, old = (directory.with_name(f"{directory.name}.{end}") for end in ("made", "new", "old"))
    if old.exists() and not directory.exists():
        old.rename(directory)
    for left in (made, new, old):
        shutil.rmtree(left, ignore_errors=True)
    made.mkdir(parents=True)
    try:
        yield made
        _exchange(directory, made, new, old)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _exchange(directory: Path, made: Path, new: Path, old: Path) -> None:
    if directory.exists():
        shutil.copytree(directory, new)
    for part in made.iterdir():
        shutil.rmtree(new / part.name, ignore_errors=True)
    shutil.copytree(made, new, dirs_exist_ok=True)
    if directory.exists():
        directory.rename(old)
    new.rename(directory)
    shutil.rmtree(old, ignore_errors=True)
