import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from skimage.morphology import skeletonize

from maskwright.measurement.figures.skeleton import FREE, build_graph

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12))


def drawn(*rows):
    return np.array([[pixel == "#" for pixel in row] for row in rows])


def test_a_line_is_one_path_with_two_free_ends():
    [path] = build_graph(drawn("....", ".##.", "...#")).paths
    assert sorted(path.points_XY.tolist()) == [[1.5, 1.5], [2.5, 1.5], [3.5, 2.5]]
    assert (path.start, path.end, path.num_free_ends) == (FREE, FREE, 2)


def test_three_arms_meet_in_one_knot():
    graph = build_graph(drawn("#...#", ".#.#.", "..#..", "..#..", "..#.."))
    assert graph.knots_XY.tolist() == [[2.5, 2.5]]
    assert sorted(len(path.points_XY) for path in graph.paths) == [3, 3, 3]
    assert all(path.num_free_ends == 1 for path in graph.paths)


def test_branching_pixels_side_by_side_are_one_knot():
    graph = build_graph(drawn("..#..", "..#..", "#####", "..#..", "..#.."))
    assert len(graph.knots_XY) == 1
    assert len(graph.paths) == 4
    doubled = build_graph(drawn(".#....", ".#....", "######", "...#..", "..#..."))
    assert len(doubled.knots_XY) <= 2


def test_a_ring_is_closed_and_repeats_no_point():
    [path] = build_graph(drawn(".##.", "#..#", "#..#", ".##.")).paths
    assert path.closed
    assert path.num_free_ends == 0
    assert len(np.unique(path.points_XY, axis=0)) == len(path.points_XY) == 8


def test_a_single_pixel_is_a_dot():
    graph = build_graph(drawn("...", ".#.", "..."))
    assert graph.paths == []
    assert graph.dots_XY.tolist() == [[1.5, 1.5]]


def test_an_empty_skeleton_has_nothing():
    graph = build_graph(np.zeros((3, 4), bool))
    assert graph.paths == []
    assert len(graph.knots_XY) == len(graph.dots_XY) == 0


@settings(deadline=None)
@given(MASKS)
def test_every_pixel_is_on_a_path_in_a_knot_or_a_dot(mask_HW):
    skeleton_HW = skeletonize(mask_HW, method="lee").astype(bool)
    graph = build_graph(skeleton_HW)
    seen = [graph.dots_XY, *(path.points_XY for path in graph.paths)]
    whole = {
        tuple(p) for points in seen for p in points.tolist() if (np.array(p) % 1 == 0.5).all()
    }
    pixels = {(x + 0.5, y + 0.5) for y, x in np.argwhere(skeleton_HW)}
    near_knots = {
        p for p in pixels if any(np.abs(knot - p).max() <= 3 for knot in graph.knots_XY)
    }
    assert pixels - near_knots <= whole
    inner = [tuple(p) for path in graph.paths for p in path.points_XY[1:-1].tolist()]
    assert len(inner) == len(set(inner))


@settings(deadline=None)
@given(MASKS)
def test_free_ends_and_knots_belong_to_paths(mask_HW):
    graph = build_graph(skeletonize(mask_HW, method="lee").astype(bool))
    for path in graph.paths:
        assert -1 <= path.start < len(graph.knots_XY)
        assert -1 <= path.end < len(graph.knots_XY)
        steps = np.abs(np.diff(path.points_XY, axis=0)).max(axis=1)
        assert steps[1:-1].max(initial=1) == pytest.approx(1)
