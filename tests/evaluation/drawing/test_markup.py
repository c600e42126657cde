"""Scores and intervals as people read them."""

import math

import pytest

from maskwright.core.report import Estimate
from maskwright.evaluation.drawing.markup import render_estimate, render_interval, render_score


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.12345, "%", "12.3&nbsp;%"),
        (3.14159, "mm", "3.14&nbsp;mm"),
        (12034.0, "n", "12,034"),
        (0.75, "", "0.750"),
        (math.nan, "%", "–"),
        (math.nan, "mm", "–"),
    ],
)
def test_numbers_have_their_unit(value, unit, text):
    assert render_score(value, unit) == text


def test_an_interval_stands_in_small_type_without_unit():
    score = Estimate(0.2, 0.1, 0.25)
    assert render_interval(score) == '<span class="spread">10.0 to 25.0</span>'
    assert render_interval(Estimate(0.2)) == ""
    assert render_estimate(score) == "20.0&nbsp;%" + render_interval(score)
