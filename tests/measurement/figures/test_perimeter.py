import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from known_shapes import bar, disc
from shape_errors import poses

from maskwright.data.georef.pixel_scale import PixelSize
from maskwright.measurement.figures.outline import trace_edges
from maskwright.measurement.figures.perimeter import measure_edges

PX = PixelSize.pixels()
MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=9))


def perimeter(mask_HW, scale=PX):
    return measure_edges(trace_edges(mask_HW), scale.pixel_HW[::-1]).sum()


@pytest.mark.parametrize("size_HW", [(1, 1), (4, 10), (3, 2), (30, 30), (3, 200)])
def test_an_upright_rectangle_has_its_exact_perimeter(size_HW):
    assert perimeter(np.ones(size_HW, bool)) == pytest.approx(2 * sum(size_HW))


def test_pixels_that_are_high_lengthen_upright_sides_only():
    assert perimeter(np.ones((4, 10), bool), PixelSize("mm", (2.0, 0.5))) == pytest.approx(26)


def test_a_staircase_has_the_length_of_its_slope():
    """A triangle under a slope of 45 degrees, whose staircase is 41 % longer."""
    side = 100
    mask_HW = np.tri(side, dtype=bool)
    assert perimeter(mask_HW) == pytest.approx(side * (2 + np.sqrt(2)), rel=0.005)


@settings(deadline=None, max_examples=50)
@given(MASKS)
def test_no_border_is_longer_than_its_staircase_nor_shorter_than_its_diagonal(mask_HW):
    num_edges = len(trace_edges(mask_HW).direction)
    assert num_edges / np.sqrt(2) - 1e-9 <= perimeter(mask_HW) + 0.3 * num_edges
    assert perimeter(mask_HW) <= num_edges + 1e-9


@settings(deadline=None, max_examples=50)
@given(MASKS, st.floats(0.01, 100))
def test_the_perimeter_is_as_many_times_as_long_as_the_pixel(mask_HW, side):
    assert perimeter(mask_HW, PixelSize.square("mm", side)) == pytest.approx(
        side * perimeter(mask_HW)
    )


@settings(deadline=None, max_examples=50)
@given(MASKS)
def test_turning_and_mirroring_the_mask_changes_nothing(mask_HW):
    for same_HW in (np.rot90(mask_HW), mask_HW[::-1], mask_HW.T):
        assert perimeter(same_HW) == pytest.approx(perimeter(mask_HW))


@pytest.mark.parametrize("pixel_HW", [(1.0, 1.0), (1.0, 0.6)])
@pytest.mark.parametrize(
    ("shape", "mean_percent", "worst_percent"),
    [(disc(5), 1.5, 4), (disc(20), 0.5, 1), (disc(50), 0.2, 0.5), (bar(100, 40), 0.5, 2)],
    ids=lambda value: getattr(value, "name", None),
)
def test_the_error_at_all_turns_and_shifts_is_as_stated(
    shape, mean_percent, worst_percent, pixel_HW
):
    scale = PixelSize("mm", pixel_HW)
    measured = np.array([perimeter(drawn.mask_HW, scale) for drawn in poses(shape, scale)])
    errors = 100 * np.abs(measured / shape.true["perimeter"] - 1)
    assert errors.mean() <= mean_percent
    assert errors.max() <= worst_percent
