"""`flipbot bench parity`: the engine's numbers against those of the published FramePack code, in float32 on the CPU.

The cases lie in tests/golden of the checkout (its README says how they came about), or in the folder named.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from safetensors import SafetensorError

from gen.bench.golden import EXACT, Check, find_cases, run_case
from gen.errors import GenError

GOLDEN = Path(__file__).parents[2] / "tests" / "golden"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this bench."""
    parser.add_argument("--golden", type=Path, default=GOLDEN, help="folder of cases (default: the checkout's)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    parser.add_argument("--precision", action="store_true", help="each precision against float32 instead")
    parser.add_argument("--caches", action="store_true", help="each step cache against none skipped instead")
    parser.add_argument("--all", action="store_true", help="a row for every tensor, not for every kind of them")


def run(args: argparse.Namespace) -> int:
    """Print the table; 0 where every number is within its limit, 1 where one is not, 2 where there are no cases."""
    console = Console()
    cases = find_cases(args.golden)
    if not cases:
        console.print(f"There are no golden cases in {args.golden}; name their folder with --golden.", soft_wrap=True)
        return 2
    torch.set_num_threads(args.threads)
    if args.precision:
        from gen.bench.precisions import precision_table

        console.print(precision_table(args.golden))
        return 0
    if args.caches:
        from gen.bench.caches import cache_table

        console.print(cache_table(args.golden))
        return 0
    checks = [check for case in cases for check in checks_of(case)]
    console.print(table_of(checks if args.all else worst_of_kinds(checks)))
    for check in checks:
        if not check.ok:
            console.print(f"off: {check.case} {check.what}", soft_wrap=True, highlight=False)
    return 0 if all(check.ok for check in checks) else 1


def checks_of(case: Path) -> list[Check]:
    """All checks of a case; one that cannot be run is one that failed."""
    try:
        return run_case(case)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError, GenError) as error:
        what = f"cannot be run ({type(error).__name__}: {error})"
        return [Check(case.name, what, float("nan"), float("nan"), EXACT)]


def kind_of(check: Check) -> str:
    """What a check is about, without its numbers: latents.2 is latents, run.4.x.1 is run.x."""
    return ".".join(part for part in check.what.split(" of ")[0].split(".") if not part.isdigit())


def worst_of_kinds(checks: Iterable[Check]) -> list[Check]:
    """One check for every case and kind: the largest difference, and the largest mean."""
    kinds: dict[tuple[str, str], list[Check]] = {}
    for check in checks:
        kinds.setdefault((check.case, kind_of(check)), []).append(check)
    return [
        Check(case, kind, max_of(c.worst for c in some), max_of(c.mean for c in some), some[0].limit)
        for (case, kind), some in kinds.items()
    ]


def max_of(values: Iterable[float]) -> float:
    """The largest; nan where there is one."""
    found = list(values)
    return float("nan") if any(value != value for value in found) else max(found)


def table_of(checks: Iterable[Check]) -> Table:
    """The table to print."""
    table = Table(title="parity with the FramePack reference", box=SIMPLE_HEAD)
    for column in ("case", "what", "max error", "mean error", "limits", "ok"):
        table.add_column(column, justify="right" if "error" in column else "left", overflow="fold")
    for check in checks:
        worst, mean = (f"{value:.1e}" if value else "0" for value in (check.worst, check.mean))
        limit = "exact" if check.limit == EXACT else f"{check.limit[0]:.0e}, {check.limit[1]:.0e}"
        table.add_row(check.case, check.what, worst, mean, limit, "yes" if check.ok else "NO")
    return table
