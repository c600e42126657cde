"""Charts are well-formed, stay in their frame, and say every number as text."""

import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.core.report import CurveReport, Estimate
from maskwright.evaluation.drawing.charts import (
    draw_bar,
    draw_difference_bar,
    draw_line,
    draw_reliability,
    draw_share_bars,
)

SHARE = st.one_of(st.just(math.nan), st.floats(0, 1))


def curve(values, at=None, *, spread=0.0):
    """Points of the given values; `spread` of each below it is its interval."""
    points = [Estimate(v, v * (1 - spread), v) if spread else Estimate(v) for v in values]
    return CurveReport(
        axis="area <px>",
        at=at or tuple(f"bin {i}" for i in range(len(values))),
        points=tuple(points),
    )


def drawn(text):
    return ET.fromstring(text)


def texts(svg):
    return [t.text for t in svg.iter("text")]


def numbers_in(svg):
    """All coordinates, as (x or y, value)."""
    for element in svg.iter():
        for name in ("x", "cx", "y", "cy"):
            if name in element.attrib:
                yield name[-1], float(element.get(name))


@given(st.lists(SHARE, min_size=1, max_size=20))
def test_whatever_the_shares_everything_is_in_the_frame(values):
    for draw in (draw_line, draw_share_bars):
        svg = drawn(draw("Found", curve(values, spread=0.1)))
        _, _, width, height = map(float, svg.get("viewBox").split())
        for axis, value in numbers_in(svg):
            assert 0 <= value <= (width if axis == "x" else height)


def test_each_point_has_its_number_and_its_place():
    svg = drawn(draw_line("Found", curve([0.254, 0.5, math.nan], at=(1, 2.5, 4))))
    assert {"25", "50", "1", "2.5", "4", "area <px>"} <= set(texts(svg))
    assert svg.get("aria-label") == ("Found, by area <px>. 1: 25.4 %, 2.5: 50.0 %, 4: no score")
    assert len(list(svg.iter("circle"))) == 2


def test_a_missing_score_breaks_the_line():
    chart = draw_line("Found", curve([0.1, 0.2, math.nan, 0.3]))
    lines = re.findall(r'class="line" d="([^"]+)"', chart)
    assert [line.count("L") for line in lines] == [1, 0]


def test_what_was_missed_is_an_empty_outline_and_not_only_a_colour():
    svg = drawn(draw_share_bars("Found", curve([0.25])))
    boxes = {r.get("class"): float(r.get("height")) for r in svg.iter("rect")}
    assert boxes["fill"] == pytest.approx(boxes["rest"] / 4)


def test_a_bar_is_as_long_as_its_share_and_the_whisker_as_its_interval():
    svg = drawn(draw_bar(Estimate(0.5, 0.4, 0.6)))
    widths = [float(r.get("width")) for r in svg.iter("rect")]
    assert widths == [150, 75]
    (path,) = svg.iter("path")
    assert path.get("d") == "M60.0 3.5v9M90.0 3.5v9M60.0 8H90.0"


def test_a_bar_without_score_or_interval_is_an_empty_track():
    svg = drawn(draw_bar(Estimate(math.nan)))
    assert [r.get("class") for r in svg.iter("rect")] == ["track"]
    assert not list(svg.iter("path"))


@pytest.mark.parametrize(
    ("difference", "kind", "left", "width"),
    [(0.1, "fill", 75, 37.5), (-0.2, "lost", 0, 75), (-0.4, "lost", 0, 75)],
)
def test_a_loss_lies_left_of_the_middle_and_a_gain_right(difference, kind, left, width):
    svg = drawn(draw_difference_bar(Estimate(difference), 0.2))
    bar = next(r for r in svg.iter("rect") if r.get("class") == kind)
    assert (float(bar.get("x")), float(bar.get("width"))) == (left, width)


def test_no_difference_at_all_has_no_width():
    svg = drawn(draw_difference_bar(Estimate(0.0, 0.0, 0.0), 0.0))
    assert [float(r.get("width")) for r in svg.iter("rect")] == [150, 0]


def test_reliability_is_drawn_against_the_diagonal():
    values = curve([0.1, math.nan, 0.9], at=(0.1, 0.5, 0.9))
    svg = drawn(draw_reliability("Reliability", values, [0.2, 0, 0.8]))
    circles = [(float(c.get("cx")), float(c.get("cy"))) for c in svg.iter("circle")]
    (x0, y0), (x1, y1) = circles
    ideal = next(p.get("d") for p in svg.iter("path") if p.get("class") == "ideal")
    start, end = (tuple(map(float, p.split())) for p in ideal[1:].split("L"))
    slope = (end[1] - start[1]) / (end[0] - start[0])
    assert (y1 - y0) / (x1 - x0) == pytest.approx(slope)  # both points keep their promise
    assert {"20", "80"} <= set(texts(svg))
    tips = [t.text for t in svg.iter("title")]
    assert tips == ["confidence 10.0 %: 10.0 % right", "confidence 90.0 %: 90.0 % right"]
