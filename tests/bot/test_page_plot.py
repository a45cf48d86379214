"""Plots: axes that end on round numbers, shapes inside them, words for those who cannot see them."""

import re
from xml.etree import ElementTree

import pytest

from bot import page_plot as plot


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (1, 1), (1.1, 2), (4.9, 5), (5.1, 10), (11, 20), (499, 500), (501, 1000)]
)
def test_an_axis_ends_on_the_next_round_number(value: float, top: float) -> None:
    assert plot.nice(value) == top


def test_areas_stand_upon_one_another_and_inside_the_frame() -> None:
    drawn = plot.stacked("Seconds", "s", [("a", [1.0, 2.0, 3.0]), ("b", [1.0, 1.0, 2.0])], ("<then>", "now"))
    svg = ElementTree.fromstring(drawn)
    assert svg.attrib["aria-label"] == "Seconds: 5.0 s"
    shapes = [shape.attrib["points"] for shape in svg.iter("polygon")]
    points = [[tuple(map(float, point.split(","))) for point in shape.split()] for shape in shapes]
    assert all(0 <= x <= plot.WIDTH and 0 <= y <= plot.HEIGHT for shape in points for x, y in shape)
    low, high = points
    assert high[3:] == low[2::-1]  # the upper one begins where the lower one ends
    assert min(y for _, y in high) == plot.TOP


@pytest.mark.parametrize("values", [[], [3.0]])
def test_nothing_and_one_point_are_drawn_too(values: list[float]) -> None:
    for drawn in (plot.stacked("Seconds", "s", [("a", values)], ("", "")), plot.steps("Films", values, ("", ""))):
        assert not re.search("nan|inf", drawn)
        ElementTree.fromstring(drawn)


def test_a_count_over_time_is_a_line_of_steps() -> None:
    drawn = ElementTree.fromstring(plot.steps("Films", [0, 2, 1], ("a", "b")))
    (line,) = drawn.iter("path")
    assert [float(y) for y in re.findall(r"[ML][0-9.]+ ([0-9.]+)", line.attrib["d"])] == [178.0, 10.0, 94.0]
