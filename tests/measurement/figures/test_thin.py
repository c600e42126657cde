import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from known_shapes import arc, bar, cross, ring, sine, zigzag
from scipy import ndimage
from shape_errors import poses

from maskwright.data.georef.pixel_scale import PixelSize
from maskwright.measurement.figures.thin import measure_thin

PX = PixelSize.pixels()
MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12))


def padded(mask_HW):
    return np.pad(mask_HW, 5)


def test_an_upright_bar_of_forty_by_five_has_its_size():
    thin = measure_thin(padded(np.ones((5, 40), bool)), PX)
    assert thin.length == pytest.approx(40, abs=0.2)
    assert thin.mean_width == pytest.approx(5, abs=0.03)
    assert thin.max_width == pytest.approx(5)
    assert thin.max_width_px[1] == pytest.approx(7.5)
    assert (thin.num_branch_points, thin.num_pieces) == (0, 1)
    assert thin.skeleton_HW[7].sum() == thin.skeleton_HW.sum() > 30


def test_length_and_width_are_swapped_where_pixels_are_high():
    scale = PixelSize("mm", (2.0, 0.5))
    thin = measure_thin(padded(np.ones((40, 5), bool)), scale)
    assert thin.length == pytest.approx(80, abs=2)
    assert thin.mean_width == pytest.approx(2.5, abs=0.1)
    assert thin.max_width == pytest.approx(2.5)


def test_the_widest_place_is_found():
    mask_HW = padded(np.ones((5, 80), bool))
    mask_HW[3:14, 50:61] = True
    thin = measure_thin(mask_HW, PX)
    assert thin.max_width == pytest.approx(11, abs=1.5)
    assert thin.max_width_px == pytest.approx((55.5, 8.5), abs=1)


def test_a_short_bump_is_a_spur_and_a_long_one_a_branch():
    mask_HW = np.zeros((60, 100), bool)
    mask_HW[40:50, 5:95] = True
    plain = measure_thin(mask_HW, PX)
    bump_HW, branch_HW = mask_HW.copy(), mask_HW.copy()
    bump_HW[38:40, 50:52] = True
    branch_HW[10:40, 48:52] = True
    assert measure_thin(bump_HW, PX).num_branch_points == 0
    assert measure_thin(bump_HW, PX).length == pytest.approx(plain.length, abs=1)
    branched = measure_thin(branch_HW, PX)
    assert branched.num_branch_points == 1
    assert branched.length == pytest.approx(plain.length + 35, abs=2)


def test_two_junctions_far_apart_are_two_branch_points():
    mask_HW = np.zeros((50, 120), bool)
    mask_HW[20:24, 5:115] = True
    mask_HW[24:45, 30:34] = mask_HW[2:20, 80:84] = True
    assert measure_thin(mask_HW, PX).num_branch_points == 2


def test_an_empty_mask_has_length_zero_and_no_width():
    thin = measure_thin(np.zeros((4, 5), bool), PX)
    assert (thin.length, thin.num_branch_points, thin.num_pieces) == (0, 0, 0)
    assert np.isnan([thin.mean_width, thin.max_width, *thin.max_width_px]).all()
    assert not thin.skeleton_HW.any()


def test_one_pixel_is_as_long_as_wide():
    thin = measure_thin(padded(np.ones((1, 1), bool)), PX)
    assert (thin.length, thin.mean_width, thin.max_width) == pytest.approx((1, 1, 1))


@settings(deadline=None, max_examples=50)
@given(MASKS)
def test_length_times_mean_width_is_the_area(mask_HW):
    thin = measure_thin(mask_HW, PX)
    assert thin.num_pieces == ndimage.label(mask_HW, np.ones((3, 3)))[1]
    if thin.num_pieces:
        assert thin.length > 0
        assert thin.length * thin.mean_width == pytest.approx(mask_HW.sum())
        assert 1 <= thin.max_width <= min(mask_HW.shape) + 1
    assert not (thin.skeleton_HW & ~mask_HW).any()


@settings(deadline=None, max_examples=30)
@given(MASKS)
def test_figures_grow_with_the_pixel(mask_HW):
    in_px, in_mm = (
        measure_thin(mask_HW, PX),
        measure_thin(mask_HW, PixelSize.square("mm", 0.05)),
    )
    assert in_mm.length == pytest.approx(0.05 * in_px.length)
    assert in_mm.num_branch_points == in_px.num_branch_points
    np.testing.assert_allclose(in_mm.max_width, 0.05 * in_px.max_width)


STATED = [
    (bar(60, 3), 1, 0.2, 0.7),
    (bar(60, 6), 1.2, 0.2, 0.8),
    (bar(60, 10), 1.5, 0.3, 0.8),
    (bar(25, 4), 2, 0.2, 0.6),
    (arc(60, 120, 5), 0.6, 0.1, 0.6),
    (arc(15, 180, 3), 1.5, 0.1, 0.6),
    (ring(50, 44), 0.4, 0.1, 0.1),
]
"""Shape; mean error of length in percent, of mean width and of maximum width in pixels."""


@pytest.mark.parametrize("pixel_HW", [(1.0, 1.0), (1.0, 0.6)], ids=str)
@pytest.mark.parametrize(
    ("shape", "length", "mean_width", "max_width"), STATED, ids=lambda v: getattr(v, "name", "")
)
def test_mean_errors_at_all_turns_are_as_stated(shape, length, mean_width, max_width, pixel_HW):
    scale, true = PixelSize("mm", pixel_HW), shape.true
    thin = [measure_thin(drawn.mask_HW, scale) for drawn in poses(shape, scale)]
    lengths = np.array([100 * (thin.length / true["length"] - 1) for thin in thin])
    assert np.abs(lengths).mean() <= length
    assert np.abs(lengths).max() <= 6.5
    for name, allowed in (("mean_width", mean_width), ("max_width", max_width)):
        off = [getattr(thin, name) - true["width"] for thin in thin]
        assert np.abs(off).mean() <= allowed
    assert all(thin.num_branch_points == 0 for thin in thin)


WINDING = [
    (ring(2.5, 1.5), 5.5),  # a ring of 12 pixels is 7 % larger than its circle
    (ring(3.5, 2.5), 2),
    (ring(4.5, 3.5), 2.2),
    (zigzag(21, 6, 1.5), 1.5),
    (zigzag(21, 6, 3), 1.5),
    (zigzag(21, 6, 5), 1.5),
    (zigzag(12, 6, 3, 120), 1.5),
    (sine(6, 20, 4, 1.5), 2),
    (sine(6, 20, 4, 3), 2),
]


@pytest.mark.parametrize(("shape", "length"), WINDING, ids=lambda v: getattr(v, "name", ""))
def test_winding_lines_and_small_rings_are_not_short(shape, length):
    thin = [measure_thin(drawn.mask_HW, PX) for drawn in list(poses(shape, PX))[::4]]
    lengths = np.array([100 * (thin.length / shape.true["length"] - 1) for thin in thin])
    assert abs(lengths.mean()) <= length
    assert np.abs(lengths).max() <= length + 3


def test_the_smallest_ring_is_as_long_as_its_circle():
    """Eight pixels around one: between a circle of radius 1 and the eight pixels."""
    mask_HW = padded(np.ones((3, 3), bool))
    mask_HW[6, 6] = False
    thin = measure_thin(mask_HW, PX)
    assert 2 * np.pi <= thin.length <= 8
    assert 1 <= thin.mean_width <= thin.max_width <= 1.3


@pytest.mark.parametrize("width_px", [1, 3, 5])
def test_the_largest_disc_of_an_upright_crossing_touches_its_four_inner_corners(width_px):
    mask_HW = np.zeros((61, 61), bool)
    middle = slice(30 - width_px // 2, 31 + width_px // 2)
    mask_HW[middle] = mask_HW[:, middle] = True
    thin = measure_thin(mask_HW, PX)
    assert thin.max_width == pytest.approx(np.sqrt(2) * width_px)
    assert thin.max_width_px == (30.5, 30.5)
    assert thin.length == pytest.approx(122, abs=0.2)


@settings(deadline=None)
@given(MASKS, st.sampled_from([(1.0, 1.0), (1.0, 0.6), (0.2, 1.0)]))
def test_no_shape_is_wider_in_the_mean_than_at_most(mask_HW, pixel_HW):
    mask_HW[0, 0] = True
    thin = measure_thin(mask_HW, PixelSize("px", pixel_HW))
    assert thin.length > 0
    assert thin.mean_width <= thin.max_width


@pytest.mark.parametrize("shape", [cross(60, 4), cross(60, 8)], ids=lambda shape: shape.name)
def test_a_cross_has_one_branch_point_at_all_turns(shape):
    thin = [measure_thin(drawn.mask_HW, PX) for drawn in poses(shape, PX)]
    assert all(thin.num_branch_points == 1 for thin in thin)
    lengths = [100 * (thin.length / shape.true["length"] - 1) for thin in thin]
    assert np.abs(lengths).mean() <= 1
