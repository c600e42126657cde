"""The confusion matrix as a picture: well-formed, with a square for every pair that occurs."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from maskwright.core import Confusion, LabelSpec
from maskwright.evaluation.report.matrix import draw_confusion


def drawn(counts_CC, names=None):
    names = names or tuple(f"class {i}" for i in range(len(counts_CC)))
    return ET.fromstring(
        draw_confusion(Confusion(np.array(counts_CC)), LabelSpec.from_names(names))
    )


def tips(svg):
    return [t.text for t in svg.iter("title")]


def test_a_cell_tells_its_share_of_the_row_and_its_pixels():
    svg = drawn([[75, 25], [0, 1000]], ("road", "car"))
    assert tips(svg) == [
        "truth road, prediction road: 75.00 % of the row, 75 px",
        "truth road, prediction car: 25.00 % of the row, 25 px",
        "truth car, prediction car: 100.00 % of the row, 1,000 px",
    ]
    assert [t.text for t in svg.iter("text")] == [
        *("75", "25", "100"),
        *("road", "road", "car", "car"),
    ]


def test_more_of_a_row_is_darker():
    squares = list(drawn([[60, 30, 10]] + [[0, 0, 0]] * 2).iter("rect"))[:3]
    fills = [float(square.get("fill-opacity")) for square in squares]
    assert fills == sorted(fills, reverse=True)
    assert fills == pytest.approx([0.755, 0.516, 0.282])


@pytest.mark.parametrize("num_classes", [1, 24, 60, 133])
def test_any_number_of_classes_fits_on_the_picture(num_classes):
    svg = drawn(
        np.eye(num_classes, dtype=int),
        tuple(f"a rather long name {i}" for i in range(num_classes)),
    )
    width, height = float(svg.get("width")), float(svg.get("height"))
    for rect in svg.iter("rect"):
        assert float(rect.get("x")) + float(rect.get("width")) <= width
        assert float(rect.get("y")) + float(rect.get("height")) <= height
    assert width < 1500


def test_names_are_escaped():
    svg = drawn([[1, 1], [1, 1]], ("<b>", "a & b"))
    assert "truth <b>, prediction a & b: 50.00 % of the row, 1 px" in tips(svg)
