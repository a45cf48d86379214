"""`python -m gen.bench NAME`: a bench of the engine from a bare checkout, where Flipbot is not installed.

`vram` needs PyTorch, diffusers, transformers, accelerate, rich and psutil then, and nothing else of Flipbot's.
"""

import argparse
import importlib
import pkgutil
import sys

import gen.bench

ASIDE = ("__main__",)


def main() -> int:
    """Run it; returns its exit status."""
    found = sorted(each.name for each in pkgutil.iter_modules(gen.bench.__path__) if each.name not in ASIDE)
    parser = argparse.ArgumentParser(prog="python -m gen.bench")
    parser.add_argument("name", choices=found, metavar="NAME")
    name = parser.parse_args(sys.argv[1:2]).name
    bench = importlib.import_module(f"gen.bench.{name}")
    own = argparse.ArgumentParser(prog=f"python -m gen.bench {name}", description=bench.__doc__)
    bench.add_arguments(own)
    code: int = bench.run(own.parse_args(sys.argv[2:]))
    return code


if __name__ == "__main__":
    sys.exit(main())
