"""Commands in processes of their own that need not import anything: each is a copy of one that has imported flipbot.

Importing takes a command longer than refusing does. What an import itself may do wrong shows where `run` and `start`
begin real ones.
"""

import atexit
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import flipbot

COPIES = multiprocessing.get_context("forkserver")
COPIES.set_forkserver_preload([__name__])
PATIENCE_S = 240.0


def answer(words: Sequence[str], environment: dict[str, str], cwd: Path | None, said: Path) -> None:
    """Be the command, to its exit code; what it says on 1 and 2 goes into the files of that folder."""
    for number in (1, 2):
        file = os.open(said / str(number), os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd or Path.cwd())
    sys.argv = ["flipbot", *words]
    try:
        sys.exit(flipbot.main())
    finally:
        atexit._run_exitfuncs()  # as an interpreter that ends does, and a copy does not


def ended(
    words: Sequence[str], environment: dict[str, str], cwd: Path | None, said: Path
) -> "subprocess.CompletedProcess[str]":
    """Run a command in a copy, until its end. said: an empty folder"""
    copy = COPIES.Process(target=answer, args=(words, environment, cwd or Path.cwd(), said))
    copy.start()
    copy.join(PATIENCE_S)
    if copy.exitcode is None:
        copy.kill()
        raise subprocess.TimeoutExpired(list(words), PATIENCE_S)
    out, errors = ((said / str(number)).read_text() for number in (1, 2))
    return subprocess.CompletedProcess(list(words), copy.exitcode, out, errors)
