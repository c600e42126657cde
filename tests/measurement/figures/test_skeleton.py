import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from skimage.morphology import skeletonize

from maskwright.measurement.figures.skeleton import FREE, build_graph

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12))


def drawn(*rows):
    return np.array([[pixel == "#" for pixel in row] for row in rows])


def test_a_line_is_one_branch_with_two_free_ends():
    [branch] = build_graph(drawn("....", ".##.", "...#")).branches
    assert sorted(branch.points_XY.tolist()) == [[1.5, 1.5], [2.5, 1.5], [3.5, 2.5]]
    assert (branch.start, branch.end, branch.num_free_ends) == (FREE, FREE, 2)


def test_three_arms_meet_in_one_junction():
    graph = build_graph(drawn("#...#", ".#.#.", "..#..", "..#..", "..#.."))
    assert graph.junctions_XY.tolist() == [[2.5, 2.5]]
    assert sorted(len(branch.points_XY) for branch in graph.branches) == [3, 3, 3]
    assert all(branch.num_free_ends == 1 for branch in graph.branches)


def test_branching_pixels_side_by_side_are_one_junction():
    graph = build_graph(drawn("..#..", "..#..", "#####", "..#..", "..#.."))
    assert len(graph.junctions_XY) == 1
    assert len(graph.branches) == 4
    doubled = build_graph(drawn(".#....", ".#....", "######", "...#..", "..#..."))
    assert len(doubled.junctions_XY) <= 2


def test_a_ring_is_closed_and_repeats_no_point():
    [branch] = build_graph(drawn(".##.", "#..#", "#..#", ".##.")).branches
    assert branch.closed
    assert branch.num_free_ends == 0
    assert len(np.unique(branch.points_XY, axis=0)) == len(branch.points_XY) == 8


def test_a_single_pixel_is_isolated():
    graph = build_graph(drawn("...", ".#.", "..."))
    assert graph.branches == []
    assert graph.isolated_XY.tolist() == [[1.5, 1.5]]


def test_an_empty_skeleton_has_an_empty_graph():
    graph = build_graph(np.zeros((3, 4), bool))
    assert graph.branches == []
    assert len(graph.junctions_XY) == len(graph.isolated_XY) == 0


@settings(deadline=None)
@given(MASKS)
def test_every_pixel_is_on_a_branch_in_a_junction_or_isolated(mask_HW):
    skeleton_HW = skeletonize(mask_HW, method="lee").astype(bool)
    graph = build_graph(skeleton_HW)
    seen = [graph.isolated_XY, *(branch.points_XY for branch in graph.branches)]
    whole = {
        tuple(p) for points in seen for p in points.tolist() if (np.array(p) % 1 == 0.5).all()
    }
    pixels = {(x + 0.5, y + 0.5) for y, x in np.argwhere(skeleton_HW)}
    near_junctions = {
        p
        for p in pixels
        if any(np.abs(junction - p).max() <= 3 for junction in graph.junctions_XY)
    }
    assert pixels - near_junctions <= whole
    inner = [tuple(p) for branch in graph.branches for p in branch.points_XY[1:-1].tolist()]
    assert len(inner) == len(set(inner))


@settings(deadline=None)
@given(MASKS)
def test_free_ends_and_junctions_belong_to_branches(mask_HW):
    graph = build_graph(skeletonize(mask_HW, method="lee").astype(bool))
    for branch in graph.branches:
        assert -1 <= branch.start < len(graph.junctions_XY)
        assert -1 <= branch.end < len(graph.junctions_XY)
        steps = np.abs(np.diff(branch.points_XY, axis=0)).max(axis=1)
        assert steps[1:-1].max(initial=1) == pytest.approx(1)
