"""`python -m gen.train COMMAND`: what makes the tiny checkpoint, step by step."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run one step of the making."""
    parser = argparse.ArgumentParser(prog="python -m gen.train", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    untrained = commands.add_parser("untrained", help="write a checkpoint with random weights")
    untrained.add_argument("directory", type=Path)
    untrained.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    if args.command == "untrained":
        from gen.train.untrained import make_untrained

        make_untrained(args.directory, args.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
