"""How flipbot was called: what it tells people to type is said the same way, so that it works as it is pasted."""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

COMMANDS = (  # that take -c and --data-dir; a worker is told of as something for other machines
    *("run", "front", "animate", "queue", "pause", "resume", "drain", "first", "ban", "unban", "audit"),
    *("cancel", "film", "move", "doctor", "download", "autostart"),
)
WITH_MODELS = ("run", "front", "animate", "doctor", "download")


@dataclass(frozen=True)
class Called:
    """program: as a shell takes it; options: what says which service is meant."""

    program: str = "flipbot"
    options: tuple[str, ...] = ()
    of_models: tuple[str, ...] = ()  # for those commands that look for checkpoints

    def command(self, name: str) -> str:
        """`flipbot NAME`, to be typed; of what is no command, as it stands."""
        if name not in COMMANDS:
            return f"flipbot {name}"
        options = self.options + (self.of_models if name in WITH_MODELS else ())
        return " ".join([self.program, name, *([quoted(options)] if options else [])])


def called(args: argparse.Namespace, argv0: str) -> Called:
    """How the command was called that is carried out. argv0: the program, as Python names it"""
    options: list[str] = []
    if getattr(args, "config", None):
        options += ["-c", str(args.config)]
    if getattr(args, "data_dir", None):
        options += ["--data-dir", str(args.data_dir)]
    models_dir = getattr(args, "models_dir", None)
    return Called(program_of(argv0), tuple(options), ("--models-dir", str(models_dir)) if models_dir else ())


def program_of(argv0: str) -> str:
    """The program as it was called; plain `flipbot` where a shell finds it by that name."""
    path = Path(argv0)
    if path.name == "__main__.py" and path.parent.name == "flipbot":
        return quoted([sys.executable, "-m", "flipbot"])
    if path.stem != "flipbot":  # somebody else's program, which calls main()
        return "flipbot"
    here = next((each for each in (path, path.with_suffix(".exe")) if each.is_file()), None)
    if here is None:
        return "flipbot"
    found = shutil.which("flipbot")
    return "flipbot" if found and here.samefile(found) else quoted([argv0])


def quoted(words: Sequence[str]) -> str:
    """Words as this system's shell takes them."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
