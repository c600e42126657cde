import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from maskwright.pages.chart import ChartLine, draw_chart

from ..browser import find_contrast


def lines(num_images, *names):
    rng = np.random.default_rng(0)
    return [
        ChartLine(n, (10 * i, 200, 90), rng.uniform(1, 30, num_images))
        for i, n in enumerate(names)
    ]


def drawn(svg):
    """The chart for wide windows."""
    return ET.fromstring(f"<div>{svg}</div>")[0]


def test_every_class_is_named_and_escaped_and_the_axis_starts_at_0():
    svg = draw_chart(["a", "b", "c"], lines(3, "<soil>", "crop"))
    texts = [node.text for node in drawn(svg).iter("text")]
    assert {"<soil>", "crop", "0\u00a0%", "40\u00a0%", "a", "c"} <= set(texts)


def test_a_line_has_one_point_per_image_and_a_hole_without_labelled_pixels():
    values = np.array([1.0, 2.0, np.nan, 4.0, 3.0])
    svg = draw_chart(list("abcde"), [ChartLine("soil", (0, 0, 0), values)])
    (path,) = {node.get("d") for node in drawn(svg).iter("path")}
    assert [piece.count(",") for piece in path.split("M")[1:]] == [2, 2]


def test_a_value_without_neighbours_is_a_dot():
    values = np.array([np.nan, 2.0, np.nan, 4.0, 3.0, np.nan])
    chart = drawn(draw_chart(list("abcdef"), [ChartLine("soil", (0, 0, 0), values)]))
    (dot,) = chart.iter("circle")
    grid = [float(line.get("y1")) for line in chart.iter("line")]
    assert float(dot.get("cy")) == pytest.approx(sorted(grid)[2])  # 2 of 0, 1, 2, 3, 4 %
    (path,) = {node.get("d") for node in chart.iter("path")}
    assert path.count("M") == 1


def test_a_long_series_is_averaged_and_keeps_its_mean():
    num = 5000
    (one,) = lines(num, "soil")
    path = re.search(r'd="([^"]+)"', draw_chart([str(i) for i in range(num)], [one]))[1]
    assert path.count(",") == 400


def test_the_eight_classes_that_cover_most_are_shown_and_none_that_is_absent():
    shown = lines(4, *(f"class_{i}" for i in range(12)))
    shown[3] = ChartLine("none", (0, 0, 0), np.zeros(4))
    names = {n.text for n in drawn(draw_chart(list("abcd"), shown)).iter("title")}
    assert len(names) == 8
    assert "none" not in names


@pytest.mark.parametrize("values", [[np.nan, np.nan], [0.0, 0.0], [100.0, 0.001]])
def test_series_at_the_edges_can_be_drawn(values):
    svg = draw_chart(["a", "b"], [ChartLine("soil", (255, 255, 255), np.array(values))])
    assert "nan" not in svg
    drawn(svg)


def test_names_stay_inside_and_apart_where_many_lines_end_at_the_bottom():
    low = [ChartLine(f"low {i}", (0, 0, 0), np.array([1.0, 0.1 * i])) for i in range(7)]
    high = ChartLine("high", (9, 9, 9), np.array([90.0, 93.0]))
    texts = list(drawn(draw_chart(["a", "b"], [high, *low])).iter("text"))
    at = sorted(float(t.get("y")) for t in texts if t.text.startswith(("low", "high")))
    assert len(at) == 8
    assert 0 < at[0] < 60
    assert at[-1] < 300
    assert min(np.diff(at)) >= 15.9


def test_a_narrow_window_has_a_chart_of_its_own_with_shorter_names():
    svg = draw_chart(["an/image/of/a/long/name", "b"], lines(2, "a class of a long name"))
    large, small = ET.fromstring(f"<div>{svg}</div>")
    assert [large.get("class"), small.get("class")] == [
        "chart series large",
        "chart series small",
    ]
    assert [large.get("viewBox"), small.get("viewBox")] == ["0 0 1040 300", "0 0 380 300"]
    assert {"a class of …", "…/a/long/name"} <= {node.text for node in small.iter("text")}


@pytest.mark.parametrize("color", [(0, 0, 0), (128, 0, 0), (0, 0, 255), (255, 255, 255)])
def test_lines_stand_out_from_light_and_from_dark_paper(color):
    """WCAG 2.2, 1.4.11: 3 to 1 between a graphic and what lies behind it."""
    svg = draw_chart(["a", "b"], [ChartLine("soil", color, np.array([1.0, 2.0]))])
    for name, paper in (("on-light", (255, 255, 255)), ("on-dark", (24, 29, 38))):
        found = re.search(rf"--{name}:rgb\((\d+),(\d+),(\d+)\)", svg)
        assert find_contrast(tuple(map(int, found.groups())), paper) >= 3
