"""Histograms: shares that sum to 1, the window, and pictures that are read without colours."""

import re

import numpy as np
import pytest

from maskwright.core.histogram import NUM_BINS, Histogram, Intensities
from maskwright.pages.histogram import draw_histogram, render_intensities

VALUES = np.repeat(np.arange(0, 640, 10, dtype=np.float32), 5)


def make(**options):
    return Histogram.from_values(
        "B04", VALUES, {"<b>": VALUES[:5], "none": VALUES[:0]}, **options
    )


def test_shares_sum_to_1_and_a_class_without_pixels_is_left_out():
    histogram = make(window=(100, 300), unit="HU")
    assert sum(histogram.shares) == pytest.approx(1)
    assert len(histogram.shares) == NUM_BINS
    assert histogram.by_class.keys() == {"<b>"}
    assert histogram.by_class["<b>"][0] == 1
    assert (histogram.low, histogram.high) == (0, 630)
    assert Histogram.from_json(histogram.to_json()) == histogram


def test_the_ends_hold_the_window_and_one_value_has_a_width():
    assert make(window=(-50, 900)).high == 900
    flat = Histogram.from_values("a", np.full(9, 7.0), {})
    assert (flat.low, flat.high) == (6.5, 7.5)
    assert sum(flat.shares) == 1


def test_the_picture_names_classes_ends_and_window():
    drawn = draw_histogram(make(window=(100, 300), unit="HU"), {"<b>": (1, 2, 3)})
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)
    assert texts == ["all pixels", "&lt;b&gt;", "0", "315", "630", "HU"]
    assert drawn.count('class="clipped"') == 2
    assert "Clipped to 100 to 300 HU" in drawn
    assert "fill:rgb(1,2,3)" in drawn


def test_channels_that_are_not_shown_are_counted():
    many = Intensities(kind="reflectance", reason="bands", channels=(make(),) * 20)
    page = render_intensities(many, {})
    assert page.count("<svg") == 16
    assert "4 more channels are not shown." in page
    assert Intensities.from_json(many.to_json()) == many
