"""Specks, pin holes, gaps and names written twice are found, and nothing else is."""

import numpy as np
import pytest

from maskwright.core.labels import IGNORE
from maskwright.data.check.defects import find_alike, find_defects, find_gaps, measure_outside
from maskwright.data.shapes.drawing import Drawing, Shape


@pytest.fixture
def clean():
    """Two halves, a disc-like block in one: nothing to find."""
    labels_HW = np.zeros((40, 60), np.uint8)
    labels_HW[:, 30:] = 1
    labels_HW[10:20, 40:50] = 2
    return labels_HW


def codes(labels_HW):
    return {code: dict(counts) for code, counts in find_defects(labels_HW).by_code()}


def test_a_clean_map_has_none(clean):
    assert codes(clean) == {}


def test_a_hole_in_one_class_is_a_pin_hole_and_between_two_a_speck(clean):
    clean[5, 5:7] = 2
    clean[30, 29:31] = 2
    assert codes(clean) == {"pin-holes": {2: 1}, "specks": {2: 1}}


def test_four_pixels_are_a_speck_and_five_are_not(clean):
    clean[0, 0:4] = 2
    assert codes(clean) == {"specks": {2: 1}}
    clean[0, 4] = 2
    assert codes(clean) == {"gaps": {2: 5}}


def test_an_ignored_strip_is_a_gap_only_where_ignore_is_broad_elsewhere(clean):
    clean[10:30, 29] = IGNORE
    assert codes(clean) == {}
    clean[35:40, 0:5] = IGNORE
    assert codes(clean) == {"gaps": {IGNORE: 20}}


def test_a_class_that_is_thin_throughout_has_no_gaps(clean):
    clean[2:38, 5] = 3
    assert codes(clean) == {}


def test_a_strip_two_pixels_wide_is_none(clean):
    clean[2:38, 5:7] = 1
    assert codes(clean) == {}


def test_noise_ends_soon_and_is_all_specks():
    labels_HW = np.random.default_rng(0).integers(0, 200, (200, 200), np.uint8)
    found = codes(labels_HW)
    assert sum(found["specks"].values()) > 30_000


def test_shapes_past_the_image_are_counted():
    inside = np.array([[0, 0], [10, 0], [10.5, 10]], np.float64)
    beyond = np.array([[-3, 0], [10, 0], [10, 25]], np.float64)
    shapes = tuple(Shape(label="a", rings=(ring,)) for ring in (inside, beyond))
    assert measure_outside(Drawing(size_HW=(10, 10), shapes=shapes)) == (1, 15.0)
    assert measure_outside(Drawing(size_HW=(10, 10), shapes=())) == (0, 0.0)


def test_names_that_differ_in_case_spacing_or_signs_are_alike():
    names = ("traffic light", "car", "Traffic_Light", "Car ", "bus", "traffic-lights")
    assert sorted(find_alike(names)) == [("car", "Car "), ("traffic light", "Traffic_Light")]


def test_values_left_out_are_listed():
    assert find_gaps([0, 1, 4, 6]) == [2, 3, 5]
    assert find_gaps([0, 1, 2]) == find_gaps([]) == []
