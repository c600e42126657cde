import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from maskwright.pages.plot import Curve, draw_plot, draw_plot_file, draw_spark

BLUE = (0, 114, 178)


def curve(values, steps=None, name="loss"):
    steps = range(len(values)) if steps is None else steps
    return Curve(name, BLUE, np.array(steps, float), np.array(values, float))


def read_points(svg):
    """x, y in pixels of the first line for wide windows."""
    path = re.search(r' d="M([^"]+)"', svg)[1]
    return [tuple(map(float, point.split(","))) for point in path.split(" L")]


def list_texts(svg):
    return [node.text for node in ET.fromstring(f"<div>{svg}</div>")[0].iter("text")]


def test_points_lie_where_their_steps_are_on_an_axis_to_the_last_step():
    svg = draw_plot("Loss", [curve([4.0, 2.0, 0.0], [0, 10, 40])], num_steps=80)
    (x0, y0), (x1, y1), (x2, y2) = read_points(svg)
    assert (x1 - x0) * 3 == pytest.approx(x2 - x1, abs=0.4)
    assert (x2 - x0) * 2 == pytest.approx(520 - 28 - 7 * 4 - x0, abs=0.4)
    assert y2 - y1 == pytest.approx(y1 - y0, abs=0.11)
    assert list_texts(svg) == ["0", "1", "2", "3", "4", "step 0", "80", "loss"]


def test_shares_are_shown_in_percent():
    svg = draw_plot("mIoU", [curve([0.2, 0.55])], num_steps=1, is_share=True)
    assert {"0\u00a0%", "45\u00a0%", "60\u00a0%"} <= set(list_texts(svg))


def test_values_of_several_tens_have_a_logarithmic_axis():
    """Equal ratios are equal distances."""
    svg = draw_plot("Loss", [curve([20.0, 2.0, 0.2])], num_steps=2, can_be_log=True)
    ys = [y for _, y in read_points(svg)]
    assert ys[2] - ys[1] == pytest.approx(ys[1] - ys[0], abs=0.11)
    assert list_texts(svg)[:8] == ["0.1", "0.2", "0.5", "1", "2", "5", "10", "20"]


def test_unknown_values_leave_a_hole_and_a_line_without_any_is_left_out():
    gpu = curve([np.nan, np.nan, np.nan, np.nan], name="GPU")
    svg = draw_plot("Use", [curve([1, np.nan, 3, 4]), gpu], num_steps=3)
    assert "GPU" not in svg
    assert svg.count("NaN") == svg.count("nan") == 0
    assert re.search(r' d="([^"]+)"', svg)[1].count("M") == 1  # the two values at the end
    assert "<circle" in svg  # the first one
    assert draw_plot("Use", [gpu], num_steps=3) == draw_plot_file("Use", [], num_steps=3) == ""


def test_a_long_line_is_averaged():
    svg = draw_plot("Loss", [curve(np.linspace(9, 1, 5000))], num_steps=5000)
    assert len(read_points(svg)) == 300


def test_a_file_is_xml_with_a_style_of_its_own():
    svg = draw_plot_file("Loss", [curve([1, 2], name="<loss>")], num_steps=1)
    root = ET.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "prefers-color-scheme:dark" in root[0].text


@pytest.mark.parametrize("values", [[], [0.0], [np.nan], [1.0, 0.5]])
def test_a_small_line_is_drawn_of_any_values(values):
    ET.fromstring(draw_spark(curve(values), num_steps=4))
