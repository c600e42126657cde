import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from shapely import MultiPolygon, Polygon, box, union_all

from maskwright.measurement.figures.outline import make_polygons, signed_area, trace_edges

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=9))


def drawn(*rows):
    return np.array([[pixel == "#" for pixel in row] for row in rows])


def multipolygon(mask_HW):
    polygons = [rings for _, _, rings in make_polygons(mask_HW, trace_edges(mask_HW))]
    return MultiPolygon([Polygon(rings[0], rings[1:]) for rings in polygons])


def test_a_frame_of_pixels_has_an_outer_ring_and_a_hole():
    mask_HW = drawn("....", ".###", ".#.#", ".###")
    [(_, _, rings)] = make_polygons(mask_HW, trace_edges(mask_HW))
    outer, hole = (ring.tolist() for ring in rings)
    assert outer == [[1, 1], [4, 1], [4, 4], [1, 4], [1, 1]]
    assert hole == [[2, 3], [3, 3], [3, 2], [2, 2], [2, 3]]


def test_pixels_that_meet_at_a_corner_are_two_polygons():
    mask_HW = drawn("#.", ".#")
    assert [(x, y) for x, y, _ in make_polygons(mask_HW, trace_edges(mask_HW))] == [
        (0, 0),
        (1, 1),
    ]


def test_a_hole_that_touches_the_outside_at_a_corner_is_cut_off_as_a_ring():
    mask_HW = drawn("###", "#.#", "##.")
    [(_, _, rings)] = make_polygons(mask_HW, trace_edges(mask_HW))
    assert [signed_area(ring) for ring in rings] == [8, -1]


@settings(deadline=None)
@given(MASKS)
def test_edges_are_all_sides_between_mask_and_background(mask_HW):
    padded = np.pad(mask_HW, 1)
    sides = (padded[1:] != padded[:-1]).sum() + (padded[:, 1:] != padded[:, :-1]).sum()
    edges = trace_edges(mask_HW)
    assert len(edges.direction) == sides
    assert len(np.unique(np.column_stack([edges.corner_XY, edges.direction]), axis=0)) == sides


@settings(deadline=None)
@given(MASKS)
def test_polygons_are_valid_and_cover_exactly_the_pixels(mask_HW):
    polygons = multipolygon(mask_HW)
    assert polygons.is_valid
    squares = union_all([box(x, y, x + 1, y + 1) for y, x in np.argwhere(mask_HW)])
    assert polygons.area == mask_HW.sum() == pytest.approx(squares.area)
    assert polygons.symmetric_difference(squares).area == pytest.approx(0)


@settings(deadline=None)
@given(MASKS)
def test_rings_turn_as_geojson_wants_and_have_no_needless_corner(mask_HW):
    for _, _, rings in make_polygons(mask_HW, trace_edges(mask_HW)):
        assert [np.sign(signed_area(ring)) for ring in rings] == [1] + [-1] * (len(rings) - 1)
        for ring in rings:
            steps = np.sign(np.diff(np.concatenate([ring, ring[1:2]]), axis=0))
            assert (steps[1:] != steps[:-1]).any(axis=1).all()


def test_an_empty_mask_has_no_border():
    edges = trace_edges(np.zeros((3, 4), bool))
    assert len(edges.direction) == 0
    assert make_polygons(np.zeros((3, 4), bool), edges) == []
