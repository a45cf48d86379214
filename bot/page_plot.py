"""Plots as SVG, drawn here: a line over time, or the parts of something stacked. Colours come from the page's style."""

import html
from collections.abc import Sequence
from typing import Final

WIDTH, HEIGHT = 640, 200
LEFT, RIGHT, TOP, BOTTOM = 60, 8, 10, 22
TICKS: Final = 4


def stacked(title: str, unit: str, series: Sequence[tuple[str, Sequence[float]]], ends: tuple[str, str]) -> str:
    """Areas upon one another, each a share of every point.

    series: (name, its value at each point), the lowest first; ends: what stands under the first and the last point
    returns: an SVG with its title and numbers for those who cannot see it
    """
    count = len(series[0][1]) if series else 0
    totals = [sum(values[n] for _, values in series) for n in range(count)]
    top = nice(max(totals, default=0.0))
    xs = [LEFT + (WIDTH - LEFT - RIGHT) * (n / (count - 1) if count > 1 else 0.5) for n in range(count)]
    below = [0.0] * count
    shapes = []
    for number, (_, values) in enumerate(series):
        above = [low + value for low, value in zip(below, values, strict=True)]
        edge = [*zip(xs, above, strict=True), *reversed(list(zip(xs, below, strict=True)))]
        points = " ".join(f"{x:.1f},{_y(value, top):.1f}" for x, value in edge)
        shapes.append(f'<polygon class="area area{number}" points="{points}"/>')
        below = above
    last = f"{totals[-1]:.1f} {unit}" if totals else "–"
    return _frame(title, f"{title}: {last}", top, unit, shapes, ends)


def steps(title: str, points: Sequence[float], ends: tuple[str, str]) -> str:
    """A count over time as a line of steps, at even distances. As `stacked`."""
    top = nice(max(points, default=0.0))
    wide = (WIDTH - LEFT - RIGHT) / max(1, len(points))
    path = "".join(
        f"{'L' if n else 'M'}{LEFT + n * wide:.1f} {_y(value, top):.1f}H{LEFT + (n + 1) * wide:.1f}"
        for n, value in enumerate(points)
    )
    now = f"{points[-1]:g}" if points else "–"
    return _frame(title, f"{title}: {now}", top, "", [f'<path class="line" d="{path}"/>'], ends)


def nice(value: float) -> float:
    """A round number not below the value, at least TICKS / 4: the top of an axis."""
    top = 1.0
    while top < value:
        for factor in (2, 2.5, 2):
            top *= factor
            if top >= value:
                break
    return top


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top


def _frame(title: str, told: str, top: float, unit: str, shapes: Sequence[str], ends: tuple[str, str]) -> str:
    lines = []
    for tick in range(TICKS + 1):
        value = top * tick / TICKS
        y = _y(value, top)
        lines.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        if tick % 2 == 0:
            lines.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}{unit}</text>')
    for x, anchor, text in ((LEFT, "start", ends[0]), (WIDTH - RIGHT, "end", ends[1])):
        lines.append(f'<text x="{x}" y="{HEIGHT - 5}" text-anchor="{anchor}">{html.escape(text)}</text>')
    head = f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(told)}">'
    return f"{head}<title>{html.escape(title)}</title>{''.join(lines)}{''.join(shapes)}</svg>"
