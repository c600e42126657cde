"""Components of all classes in one pass, against SciPy class by class."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from maskwright.core.labels import IGNORE
from maskwright.metrics.components import find_components

small_maps = arrays(
    np.uint8,
    array_shapes(min_dims=2, max_dims=2, max_side=24),
    elements=st.sampled_from([0, 1, 2, 254, IGNORE]),
    fill=st.sampled_from([0, 1, IGNORE]),
)


def by_scipy(labels_HW):
    """(first flat position, class, area) of each component, by first position."""
    found = []
    for index in np.unique(labels_HW[labels_HW != IGNORE]):
        number_HW, count = ndimage.label(labels_HW == index, structure=np.ones((3, 3)))
        for n in range(1, count + 1):
            places = np.flatnonzero(number_HW == n)
            found.append((int(places[0]), int(index), len(places)))
    return sorted(found)


def by_runs(labels_HW):
    found = find_components(labels_HW)
    first = [int(found.starts_R[found.component_R == n][0]) for n in range(len(found.class_N))]
    return list(zip(first, found.class_N.tolist(), found.area_px_N.tolist(), strict=True))


@given(small_maps)
def test_components_are_those_of_scipy(labels_HW):
    assert by_runs(labels_HW) == by_scipy(labels_HW)


@pytest.mark.parametrize("num_classes", [2, 3, 19, 255])
def test_components_of_larger_maps_are_those_of_scipy(num_classes):
    rng = np.random.default_rng(num_classes)
    coarse = rng.integers(0, num_classes, (40, 50)).astype(np.uint8)
    labels_HW = np.kron(coarse, np.ones((3, 2), np.uint8))
    speckled = rng.random(labels_HW.shape) < 0.1
    labels_HW[speckled] = rng.choice([0, num_classes - 1, IGNORE], speckled.sum())
    assert by_runs(labels_HW) == by_scipy(labels_HW)


def test_corners_join_and_row_ends_do_not():
    assert by_runs(np.uint8([[1, 0], [0, 1]])) == [(0, 1, 2), (1, 0, 2)]
    assert by_runs(np.uint8([[0, 0, 1], [1, 0, 0]])) == [(0, 0, 4), (2, 1, 1), (3, 1, 1)]


def test_a_spiral_is_one_component():
    spiral_HW = np.ones((41, 41), np.uint8)
    y = x = 0
    dy, dx = 0, 1
    for length in [40, *(n for k in range(40, 1, -2) for n in (k, k))]:
        for _ in range(length):
            spiral_HW[y, x] = 0
            y, x = y + dy, x + dx
        dy, dx = dx, -dy
    assert by_runs(spiral_HW) == by_scipy(spiral_HW)


def test_a_total_counts_true_pixels_of_each_component():
    labels_HW = np.uint8([[0, 0, 1], [IGNORE, 0, 1]])
    marked_HW = np.array([[True, False, True], [True, True, True]])
    assert find_components(labels_HW).total(marked_HW).tolist() == [2, 2]


@pytest.mark.parametrize("size_HW", [(0, 0), (0, 4), (4, 0)])
def test_a_map_without_pixels_has_no_component(size_HW):
    found = find_components(np.zeros(size_HW, np.uint8))
    assert len(found.class_N) == len(found.total(np.zeros(size_HW, bool))) == 0


def test_a_map_of_ignore_has_no_component():
    found = find_components(np.full((3, 4), IGNORE, np.uint8))
    assert len(found.area_px_N) == len(found.total(np.ones((3, 4), bool))) == 0
