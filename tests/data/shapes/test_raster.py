"""Polygons are filled as by each tool."""

import resource

import cv2
import numpy as np
import pycocotools.mask as peer
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw

from maskwright.data.shapes import raster
from maskwright.data.shapes.raster import (
    Crop,
    clip,
    count_different_pixels,
    crop_mask,
    fill,
    unite,
)

RASTERS = ("center", "coco", "pillow")
SQUARE = np.array([[2, 2], [8, 2], [8, 8], [2, 8]], np.float64)
BOW_TIE = np.array([[0, 0], [10, 10], [10, 0], [0, 10]], np.float64)

sides = st.integers(1, 40)
rings = st.integers(3, 9).flatmap(
    lambda n: arrays(
        np.float64, (n, 2), elements=st.floats(-20, 60, width=32) | st.integers(-20, 60)
    )
)


@pytest.mark.parametrize(
    ("raster", "area"),
    [("center", 36), ("coco", 36), ("pillow", 49), ("darwin", 49), ("opencv", 49)],
)
def test_a_square_has_the_pixels_that_the_tool_gives_it(raster, area):
    crop = fill([SQUARE], (12, 12), raster)
    assert (crop.top, crop.left, crop.area_px) == (2, 2, area)
    assert crop.inside_hw.all()


@pytest.mark.parametrize(("raster", "area"), [("center", 50), ("coco", 50), ("pillow", 71)])
def test_a_bow_tie_has_two_wings(raster, area):
    assert fill([BOW_TIE], (12, 12), raster).area_px == area


def test_a_ring_inside_another_is_a_hole_by_centres_and_filled_by_the_others():
    hole = np.array([[4, 4], [6, 4], [6, 6], [4, 6]], np.float64)
    areas = [fill([SQUARE, hole], (12, 12), raster).area_px for raster in RASTERS]
    assert areas == [32, 36, 49]


@given(several=st.lists(rings, min_size=1, max_size=3), height=sides, width=sides)
def test_opencv_equals_fill_poly_of_the_first_ring_without_the_others(several, height, width):
    ours_HW = fill(several, (height, width), "opencv").to_mask((height, width))
    outer, *inner = (np.trunc(ring).astype(np.int32) for ring in several)
    theirs_HW = cv2.fillPoly(np.zeros((height, width), np.uint8), [outer], 1)
    theirs_HW = cv2.fillPoly(theirs_HW, inner, 0)
    np.testing.assert_array_equal(ours_HW, theirs_HW.astype(bool))


@given(ring=rings, height=sides, width=sides)
def test_coco_equals_pycocotools(ring, height, width):
    ours_HW = fill([ring], (height, width), "coco").to_mask((height, width))
    (theirs,) = peer.frPyObjects([ring.ravel().tolist()], height, width)
    np.testing.assert_array_equal(ours_HW, peer.decode(theirs).astype(bool))


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ring=rings, height=sides, width=sides, piece=st.integers(1, 200))
def test_coco_equals_pycocotools_in_pieces_too(ring, height, width, piece, monkeypatch):
    monkeypatch.setattr(raster, "_PIECE", piece)
    ours_HW = fill([ring], (height, width), "coco").to_mask((height, width))
    (theirs,) = peer.frPyObjects([ring.ravel().tolist()], height, width)
    np.testing.assert_array_equal(ours_HW, peer.decode(theirs).astype(bool))


@settings(max_examples=20)
@given(ring=rings, height=sides, width=sides, far=st.lists(st.integers(-9, 9), max_size=6))
def test_coco_equals_pycocotools_where_corners_are_far_away(ring, height, width, far):
    ring = ring.copy()
    for index, factor in enumerate(far[: ring.size]):
        ring.ravel()[index] += 30_000 * factor
    ours_HW = fill([ring], (height, width), "coco").to_mask((height, width))
    (theirs,) = peer.frPyObjects([ring.ravel().tolist()], height, width)
    np.testing.assert_array_equal(ours_HW, peer.decode(theirs).astype(bool))


def test_an_outline_that_runs_far_to_and_fro_takes_little_memory():
    ring = np.array([[-14000 + 28000 * (n % 2), n * 37 % 40] for n in range(399)], np.float64)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert fill([ring], (40, 60), "coco").area_px > 0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 100_000


@given(ring=rings, height=sides, width=sides)
def test_pillow_equals_image_draw(ring, height, width):
    canvas = Image.new("L", (width, height))
    corners = [(x, y) for x, y in ring.tolist()]
    ImageDraw.Draw(canvas).polygon(corners, outline=1, fill=1)
    ours_HW = fill([ring], (height, width), "pillow").to_mask((height, width))
    np.testing.assert_array_equal(ours_HW, np.array(canvas, bool))


@pytest.mark.parametrize("seed", range(5))
def test_pillow_equals_image_draw_far_from_the_corner_too(seed):
    rng = np.random.default_rng(seed)
    known = np.array([[130, 52], [13, 108], [84, 42]])
    for ring in [known, *(rng.integers(-30, 330, (rng.integers(1, 9), 2)) for _ in range(300))]:
        canvas = Image.new("L", (300, 200))
        corners = [(x, y) for x, y in [*ring.tolist(), ring[0].tolist()]]
        ImageDraw.Draw(canvas).polygon(corners, fill=1)
        ours_HW = fill([ring.astype(np.float64)], (200, 300), "pillow").to_mask((200, 300))
        np.testing.assert_array_equal(ours_HW, np.array(canvas, bool))


@settings(max_examples=40)
@given(polygon=st.lists(rings, min_size=1, max_size=2), height=sides, width=sides)
def test_center_is_the_even_odd_rule_at_every_centre(polygon, height, width):
    wanted_HW = np.zeros((height, width), bool)
    for row in range(height):
        for column in range(width):
            wanted_HW[row, column] = inside(polygon, column + 0.5, row + 0.5)
    ours_HW = fill(polygon, (height, width), "center").to_mask((height, width))
    np.testing.assert_array_equal(ours_HW, wanted_HW)


def inside(polygon, x, y):
    """Whether a ray to the left meets the rings an odd number of times."""
    odd = False
    for ring in polygon:
        for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            if (y0 <= y) != (y1 <= y):
                odd ^= np.ceil(x0 + (y - y0) * ((x1 - x0) / (y1 - y0)) - 0.5) <= x - 0.5
    return odd


@pytest.mark.parametrize("raster", RASTERS)
def test_pixels_beside_the_image_are_clipped(raster):
    for shift in (-100, 100, -6.5, 9.5):
        whole = fill([SQUARE + 200 + shift], (500, 500), raster).to_mask((500, 500))
        cut = fill([SQUARE + shift], (12, 12), raster).to_mask((12, 12))
        np.testing.assert_array_equal(cut, whole[200:212, 200:212])


@pytest.mark.parametrize("raster", RASTERS)
@pytest.mark.parametrize("corners", [[], [[3, 3]], [[3, 3], [3, 3], [3, 3]]])
def test_a_polygon_without_area_is_not_an_error(raster, corners):
    ring = np.array(corners, np.float64).reshape(-1, 2)
    assert fill([ring], (8, 8), raster).area_px <= 1
    assert fill([], (8, 8), raster).area_px == 0


def test_a_one_pixel_line_is_kept_by_pillow_alone():
    line = np.array([[1, 3], [6, 3], [6, 3]], np.float64)
    assert [fill([line], (8, 8), raster).area_px for raster in RASTERS] == [0, 0, 6]


@given(arrays(np.bool_, st.tuples(sides, sides)))
def test_a_crop_is_the_mask(inside_HW):
    crop = crop_mask(inside_HW)
    np.testing.assert_array_equal(crop.to_mask(inside_HW.shape), inside_HW)
    assert crop.area_px == inside_HW.sum()


def test_crops_are_united_and_clipped():
    one = Crop(1, 1, np.ones((2, 2), bool))
    other = Crop(2, 2, np.ones((3, 1), bool))
    both = unite([one, other])
    assert (both.top, both.left, both.area_px) == (1, 1, 6)
    cut = clip(Crop(-1, 4, np.ones((3, 3), bool)), (6, 6))
    assert (cut.top, cut.left, cut.inside_hw.shape) == (0, 4, (2, 2))
    assert clip(Crop(9, 9, np.ones((3, 3), bool)), (6, 6)).area_px == 0


@given(one=arrays(np.bool_, (6, 5)), other=arrays(np.bool_, (6, 5)))
def test_pixels_in_exactly_one_crop_are_those_that_differ(one, other):
    assert count_different_pixels(crop_mask(one), crop_mask(other)) == np.count_nonzero(
        one != other
    )
