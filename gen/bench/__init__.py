"""The benchmarks: every figure has a command, `flipbot bench NAME`, that prints a small table."""

import argparse
import importlib
import math
from collections.abc import Mapping, Sequence

BENCHES = {
    "parity": "the engine's numbers against the published code's",
    "overhead": "what a section takes beside the calls of its model",
    "vram": "a GPU's memory and traffic; with --plan, planned on any machine",
    "ram": "the RAM that the 13 B model takes, from files of its full size",
    "growth": "a long film's last section against its second",
    "publish": "how soon the film so far is a file",
    "resume": "films that are killed again and again, against unbroken ones",
    "tiny": "what the tiny model can do, on photographs that it never saw",
    "renditions": "films made to fit a platform's limit",
    "fairness": "who waits how long where many share one GPU",
    "machines": "turns of several machines on one PostgreSQL",
    "queue": "enqueue and claim, with few and with very many waiting",
}


def listed(benches: Mapping[str, str]) -> str:
    """What there is to measure, for the end of a help text."""
    return "\n".join(["NAME is one of:", *(f"  {name:10}  {what}" for name, what in benches.items())])


def above_zero(word: str) -> float:
    """An argument that is a number above 0."""
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {word}")
    return number


def start(module: str, prog: str, words: Sequence[str]) -> int:
    """Run a bench with the words that follow its name; returns its exit status. raises: ModuleNotFoundError."""
    bench = importlib.import_module(module)
    parser = argparse.ArgumentParser(prog=prog, description=bench.__doc__)
    bench.add_arguments(parser)
    code: int = bench.run(parser.parse_args(words))
    return code
