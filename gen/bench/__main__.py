"""`python -m gen.bench NAME`: a bench of the engine from a bare checkout, where Flipbot is not installed.

`vram` and `ram` need PyTorch, diffusers, transformers, accelerate, rich and psutil then, and nothing else of Flipbot's.
"""

import argparse
import importlib
import sys

from gen.bench import BENCHES


def main() -> int:
    """Run it; returns its exit status."""
    epilog = "\n".join(["NAME is one of:", *(f"  {name:10}  {what}" for name, what in BENCHES.items())])
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m gen.bench", epilog=epilog, formatter_class=plain)
    parser.add_argument("name", choices=BENCHES, metavar="NAME", help="what to measure")
    name = parser.parse_args(sys.argv[1:2]).name
    try:
        bench = importlib.import_module(f"gen.bench.{name}")
    except ModuleNotFoundError as error:
        parser.error(f"{name} needs {error.name}, which is not installed; pip install . brings it")
    own = argparse.ArgumentParser(prog=f"python -m gen.bench {name}", description=bench.__doc__)
    bench.add_arguments(own)
    code: int = bench.run(own.parse_args(sys.argv[2:]))
    return code


if __name__ == "__main__":
    sys.exit(main())
