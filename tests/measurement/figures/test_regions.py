import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from known_shapes import bar, disc, ring
from scipy import ndimage
from shape_errors import poses
from shapely import MultiPoint
from skimage.measure import euler_number, label, regionprops

from maskwright.data.georef.pixel_scale import PixelSize
from maskwright.measurement.figures.regions import find_regions

PX = PixelSize.pixels()
TALL = PixelSize("mm", (2.0, 0.5))
MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=10))


def drawn(*rows):
    return np.array([[pixel == "#" for pixel in row] for row in rows])


def upright_bar():
    mask_HW = np.zeros((9, 20), bool)
    mask_HW[3:7, 5:15] = True
    return mask_HW


def test_a_bar_of_ten_by_four_has_its_size():
    [region] = find_regions(upright_bar(), PX)
    assert (region.num_px, region.area, region.perimeter) == (40, 40, pytest.approx(28))
    assert region.bounds_px == (5, 3, 15, 7)
    assert (region.width, region.height) == (10, 4)
    assert (region.box.long_side, region.box.short_side) == pytest.approx((10, 4))
    corners = sorted(map(tuple, region.box.corners_px.round(6).tolist()))
    assert corners == [(5, 3), (5, 7), (15, 3), (15, 7)]
    assert region.centroid_px == pytest.approx((10, 5))
    assert region.orientation_deg == pytest.approx(0)
    assert region.elongation == pytest.approx(2.5)
    assert (region.num_holes, region.holes_area) == (0, 0)
    [[outer]] = region.outline
    assert outer.tolist() == [[5, 3], [15, 3], [15, 7], [5, 7], [5, 3]]


def test_where_pixels_are_high_the_same_bar_is_upright():
    [region] = find_regions(upright_bar(), TALL)
    assert region.area == pytest.approx(40)
    assert region.perimeter == pytest.approx(2 * (10 * 0.5 + 4 * 2))
    assert (region.width, region.height) == (5, 8)
    assert (region.box.long_side, region.box.short_side) == pytest.approx((8, 5))
    assert region.orientation_deg == pytest.approx(90)
    assert region.elongation == pytest.approx(8 / 5)
    assert region.centroid_px == pytest.approx((10, 5))


def test_orientation_is_counter_clockwise_from_the_rows():
    rising = np.eye(20, dtype=bool)[::-1]
    assert find_regions(rising, PX)[0].orientation_deg == pytest.approx(45)
    assert find_regions(rising[::-1], PX)[0].orientation_deg == pytest.approx(135)


def test_a_square_has_no_orientation():
    [region] = find_regions(np.ones((6, 6), bool), PX)
    assert np.isnan(region.orientation_deg)
    assert region.elongation == pytest.approx(1)


def test_corners_join_a_region_and_do_not_open_a_hole():
    [region] = find_regions(drawn(".#.", "#.#", ".#."), PX)
    assert (region.num_px, region.num_holes, region.holes_area) == (4, 1, 1)
    assert len(region.outline) == 4


def test_an_island_in_a_hole_is_another_region_and_not_a_hole():
    mask_HW = np.ones((7, 7), bool)
    mask_HW[1:6, 1:6] = False
    mask_HW[3, 3] = True
    frame, island = find_regions(mask_HW, PX)
    assert (frame.num_px, frame.num_holes, frame.holes_area) == (24, 1, 24)
    assert (island.num_px, island.num_holes) == (1, 0)
    [alone] = find_regions(mask_HW, PX, min_area_px=2)
    assert alone.holes_area == frame.holes_area


def test_regions_come_largest_first_and_small_ones_are_left_out():
    mask_HW = drawn("#..##", "#....", "#..#.", "...#.", "#....")
    assert [r.num_px for r in find_regions(mask_HW, PX)] == [3, 2, 2, 1]
    assert [r.bounds_px[:2] for r in find_regions(mask_HW, PX, min_area_px=2)] == [
        (0, 0),
        (3, 0),
        (3, 2),
    ]
    assert find_regions(mask_HW, PX, min_area_px=4) == []
    assert find_regions(np.zeros((3, 3), bool), PX) == []


@settings(deadline=None, max_examples=50)
@given(MASKS)
def test_counts_agree_with_scikit_image_and_scipy(mask_HW):
    regions = find_regions(mask_HW, PX)
    labels_HW = label(mask_HW, connectivity=2)
    props = regionprops(labels_HW)
    order = [(-r.num_px, r.bounds_px[1], r.bounds_px[0]) for r in regions]
    assert order == sorted((-int(p.area), p.bbox[0], p.bbox[1]) for p in props)
    by_bounds = {p.bbox: p for p in props}
    for region in regions:
        x0, y0, x1, y1 = region.bounds_px
        peer = by_bounds.get((y0, x0, y1, x1))
        if peer is None or int(peer.area) != region.num_px:
            continue
        if sum(p.bbox == peer.bbox for p in props) > 1:
            continue
        assert region.centroid_px == pytest.approx(np.add(peer.centroid[::-1], 0.5))
        assert region.num_holes == 1 - euler_number(peer.image, connectivity=2)
        filled = ndimage.binary_fill_holes(peer.image)
        inside = label(mask_HW, connectivity=2)[y0:y1, x0:x1]
        holes = (filled & (inside == 0)).sum()
        assert region.holes_area == holes


@settings(deadline=None, max_examples=50)
@given(MASKS)
def test_every_pixel_square_lies_in_the_rotated_box_and_no_smaller_box_holds_them(mask_HW):
    for region in find_regions(mask_HW, PX):
        rings = np.concatenate([polygon[0] for polygon in region.outline])
        peer = MultiPoint(rings).minimum_rotated_rectangle
        box = region.box
        assert box.long_side >= box.short_side
        assert box.long_side * box.short_side == pytest.approx(peer.area, rel=1e-5)
        sides = np.hypot(*np.diff(box.corners_px, axis=0).T)
        assert sorted(sides[:2]) == pytest.approx([box.short_side, box.long_side], rel=1e-4)


@settings(deadline=None, max_examples=50)
@given(MASKS)
def test_areas_of_regions_and_of_their_outlines_add_up(mask_HW):
    regions = find_regions(mask_HW, TALL)
    assert sum(r.num_px for r in regions) == mask_HW.sum()
    for region in regions:
        assert region.area == pytest.approx(TALL.area(region.num_px))
        x0, y0, x1, y1 = region.bounds_px
        assert x0 <= region.centroid_px[0] <= x1
        assert y0 <= region.centroid_px[1] <= y1
        assert region.elongation >= 1


@pytest.mark.parametrize("unit_per_px", [1, 0.05])
@pytest.mark.parametrize(
    ("shape", "area", "orientation_deg", "elongation"),
    [(bar(60, 6), 2, 0.1, 5), (bar(100, 40), 0.2, 0.1, 0.5)],
    ids=lambda value: getattr(value, "name", None),
)
def test_mean_errors_of_bars_at_all_turns_are_as_stated(
    shape, area, orientation_deg, elongation, unit_per_px
):
    """Area and elongation in percent; the box is up to 1.41 px too large, never too small."""
    scale = PixelSize.square("mm", unit_per_px)
    regions = [(d, find_regions(d.mask_HW, scale)[0]) for d in _poses(shape, scale)]
    true = shape.true
    ratios = [r.area / (true["area"] * unit_per_px**2) for _, r in regions]
    assert 100 * np.abs(np.subtract(ratios, 1)).mean() < area
    turns = [(r.orientation_deg - d.turn_deg + 90) % 180 - 90 for d, r in regions]
    assert np.abs(turns).mean() < orientation_deg
    ratios = [r.elongation / true["elongation"] for _, r in regions]
    assert 100 * np.abs(np.subtract(ratios, 1)).mean() < elongation
    for side in ("long_side", "short_side"):
        excess = [getattr(r.box, side) / unit_per_px - true[side] for _, r in regions]
        assert 0.6 < np.mean(excess) < 1.2
        assert min(excess) >= -0.01
        assert max(excess) <= 1.42


def _poses(shape, scale):
    """As drawn with one unit a pixel: the same pixels at any scale."""
    return list(poses(shape, PixelSize(scale.unit, (1.0, 1.0))))


@pytest.mark.parametrize(
    ("shape", "mean_percent"),
    [(disc(5), 2), (disc(20), 0.4), (ring(50, 40), 0.4)],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_mean_errors_of_round_areas_are_as_stated(shape, mean_percent):
    regions = [find_regions(d.mask_HW, PX)[0] for d in poses(shape, PX)]
    errors = np.abs([100 * (r.area / shape.true["area"] - 1) for r in regions])
    assert errors.mean() < mean_percent
    if "holes_area" in shape.true:
        holes = np.abs([100 * (r.holes_area / shape.true["holes_area"] - 1) for r in regions])
        assert holes.mean() < mean_percent
        assert all(r.num_holes == 1 for r in regions)


def test_ten_thousand_regions_are_found_alike():
    dots_HW = np.zeros((400, 400), bool)
    dots_HW[1::4, 1::4] = dots_HW[2::4, 1::4] = True
    regions = find_regions(dots_HW, PX)
    assert len(regions) == 10_000
    assert {r.num_px for r in regions} == {2}
    assert np.ptp([r.perimeter for r in regions]) == 0
    assert regions[0].perimeter == pytest.approx(6, rel=0.04)
