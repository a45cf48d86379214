"""`python -m gen.bench NAME`: a bench of the engine from a bare checkout, where Flipbot is not installed.

`vram` and `ram` need PyTorch, diffusers, transformers, accelerate, rich and psutil then, and of the other rooms nothing
but db/said.py, which needs nothing itself.
"""

import argparse
import sys

from gen.bench import BENCHES, listed, start


def main() -> int:
    """Run it; returns its exit status."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m gen.bench", epilog=listed(BENCHES), formatter_class=plain)
    parser.add_argument("name", choices=BENCHES, metavar="NAME", help="what to measure")
    name = parser.parse_args(sys.argv[1:2]).name
    try:
        return start(f"gen.bench.{name}", f"python -m gen.bench {name}", sys.argv[2:])
    except ModuleNotFoundError as error:
        parser.error(f"{name} needs {error.name}, which is not installed; pip install . brings it")


if __name__ == "__main__":
    sys.exit(main())
