"""Length, width and branching of thin structures such as cracks, roads and vessels.

The skeleton (Lee, Kashyap and Chu 1994) gives the middle line. Its length is that of
`centerline`, lengthened to the border at its free ends, where skeletons stop short by about
half the width. Spurs are removed: branches with a free end that are shorter than the width of
the structure at their junction, so that they stick out by less than half of that. A piece whose
skeleton is one point is as long as wide. An empty mask has length 0 and no width (NaN).
"""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...data.georef.pixel_scale import PixelSize
from .centerline import measure_pieces, measure_polyline, oblongness, smooth_pieces
from .outline import STEP_XY, Edges, trace_edges
from .skeleton import FREE, Points, SkeletonBranch, SkeletonGraph, build_graph


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ThinStructure:
    """The figures of a mask as a network of lines; lengths and widths in the unit.

    `length`: of all middle lines. `mean_width`: area divided by length. `max_width`: diameter
    of the largest disc that holds no middle of a border edge, crosses no straight border and
    has no inner corner of the border in it, and at least `mean_width`; `max_width_px`: the
    middle of the disc as (x, y) in pixels. `num_branch_points`: junctions, where three
    lines or more meet; those whose discs overlap are one. `num_pieces`: connected regions (8
    neighbours). `skeleton_HW`: without spurs.
    """

    length: float
    mean_width: float
    max_width: float
    max_width_px: tuple[float, float]
    num_branch_points: int
    num_pieces: int
    skeleton_HW: NDArray[np.bool_]


def measure_thin(mask_HW: NDArray[np.bool_], size: PixelSize) -> ThinStructure:
    """Measure length, width and branching of a mask, H x W.

    Time grows with its bounding box and its width.
    """
    mask_HW = np.ascontiguousarray(mask_HW)
    x0, y0, width, height = cv2.boundingRect(mask_HW.view(np.uint8))
    skeleton_HW = np.zeros_like(mask_HW)
    if not width:
        nowhere = (math.nan, math.nan)
        return ThinStructure(
            length=0.0,
            mean_width=math.nan,
            max_width=math.nan,
            max_width_px=nowhere,
            num_branch_points=0,
            num_pieces=0,
            skeleton_HW=skeleton_HW,
        )
    part = np.s_[y0 : y0 + height, x0 : x0 + width]
    skeleton = _find_skeleton(mask_HW[part], size)
    skeleton_HW[part] = skeleton.skeleton_HW
    length = _measure_length(skeleton)
    mean_width = size.area(int(mask_HW.sum())) / length
    max_width, (x, y) = _find_widest(skeleton)
    return ThinStructure(
        length=length,
        mean_width=mean_width,
        max_width=max(max_width, mean_width),
        max_width_px=(x + x0, y + y0),
        num_branch_points=_count_branch_points(skeleton),
        num_pieces=cv2.connectedComponents(mask_HW.view(np.uint8), connectivity=8)[0] - 1,
        skeleton_HW=skeleton_HW,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Skeleton:
    """A mask with its skeleton; `depth_HW` is the distance to the background, in the unit."""

    mask_HW: NDArray[np.bool_]
    size: PixelSize
    depth_HW: NDArray[np.float64]
    skeleton_HW: NDArray[np.bool_]
    graph: SkeletonGraph

    def half_width(self, point_XY: NDArray[np.float64]) -> float:
        """Distance from a point of the skeleton to the border, in the unit."""
        x, y = point_XY.astype(int)
        return float(self.depth_HW[y, x]) - min(self.size.pixel_HW) / 2


def _find_skeleton(mask_HW: NDArray[np.bool_], size: PixelSize) -> _Skeleton:
    """Find skeleton and depth; spurs are removed until none is left."""
    from scipy.ndimage import distance_transform_edt

    depth_HW = distance_transform_edt(np.pad(mask_HW, 1), sampling=size.pixel_HW)[1:-1, 1:-1]
    skeleton_HW = _skeletonize(mask_HW)
    while True:
        skeleton = _Skeleton(mask_HW, size, depth_HW, skeleton_HW, build_graph(skeleton_HW))
        spurs = [branch for branch in skeleton.graph.branches if _is_spur(branch, skeleton)]
        if not spurs:
            return skeleton
        skeleton_HW = skeleton_HW.copy()
        for spur in spurs:
            x, y = _points_between_junctions(spur).astype(int).T
            skeleton_HW[y, x] = False
        skeleton_HW = _skeletonize(skeleton_HW)


def _skeletonize(mask_HW: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from skimage.morphology import skeletonize

    untyped: Any = skeletonize
    return np.asarray(untyped(mask_HW, method="lee"), np.bool_)


def _is_spur(branch: SkeletonBranch, skeleton: _Skeleton) -> bool:
    if branch.num_free_ends != 1:
        return False
    junction_XY = skeleton.graph.junctions_XY[max(branch.start, branch.end)]
    return measure_polyline(branch.points_XY, skeleton.size) < 2 * skeleton.half_width(
        junction_XY
    )


def _points_between_junctions(branch: SkeletonBranch) -> Points:
    """The points of a branch without the middle of its junctions."""
    return branch.points_XY[branch.start != FREE : len(branch.points_XY) - (branch.end != FREE)]


def _measure_length(skeleton: _Skeleton) -> float:
    lengths = [_branch_length(branch, skeleton) for branch in skeleton.graph.branches]
    points = [2 * skeleton.half_width(point_XY) for point_XY in skeleton.graph.isolated_XY]
    return float(sum(lengths) + sum(points))


def _branch_length(branch: SkeletonBranch, skeleton: _Skeleton) -> float:
    size = skeleton.size
    pieces = smooth_pieces(branch.points_XY, closed=branch.closed, size=size)
    length = measure_pieces(pieces, size)
    if branch.closed:
        return length
    if branch.start == FREE:
        length += _distance_to_border(pieces[0], skeleton)
    if branch.end == FREE:
        length += _distance_to_border(pieces[-1][::-1], skeleton)
    return length


def _distance_to_border(points_XY: Points, skeleton: _Skeleton) -> float:
    """Distance from the first point to the border, straight on; at most twice the half width.

    The direction is that of the last stretch as long as the structure is wide, at least 4
    times the longer side of a pixel. Points are as far apart as the shorter side.
    """
    half_width = skeleton.half_width(points_XY[0])
    half_px = half_width / min(skeleton.size.pixel_HW)
    back = min(
        len(points_XY) - 1, max(round(4 * oblongness(skeleton.size)), math.ceil(2 * half_px))
    )
    direction_XY = points_XY[0] - points_XY[back]
    direction_XY = direction_XY / np.hypot(*direction_XY)
    steps = np.arange(0, 2 * half_px + 1, 0.05)
    x, y = np.floor(points_XY[0] + steps[:, None] * direction_XY).astype(int).T
    height, width = skeleton.mask_HW.shape
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    inside[inside] = skeleton.mask_HW[y[inside], x[inside]]
    num_inside = len(steps) if inside.all() else int(np.argmin(inside))
    return skeleton.size.length(direction_XY * 0.05 * num_inside)


def _find_widest(skeleton: _Skeleton) -> tuple[float, tuple[float, float]]:
    """Find diameter and middle of the largest disc; middles are tried on a half-pixel grid."""
    from scipy.spatial import cKDTree

    deep_HW = skeleton.depth_HW > skeleton.depth_HW.max() - 1.5 * max(skeleton.size.pixel_HW)
    corner_XY = np.argwhere(deep_HW & skeleton.mask_HW)[:, ::-1]
    halves = np.array([(0.5, 0.5), (0.5, 0), (0, 0.5), (0, 0)])
    tried_XY = (corner_XY[None] + halves[:, None]).reshape(-1, 2)
    border = cKDTree(skeleton.size.points(_border_points(trace_edges(skeleton.mask_HW))))
    radius, _ = border.query(skeleton.size.points(tried_XY))
    index = int(np.argmax(radius))
    x, y = tried_XY[index].tolist()
    return 2 * float(radius[index]), (float(x), float(y))


def _border_points(edges: Edges) -> Points:
    """The middles of all edges, and the corners that do not stick out, (N, 2).

    For a point of the half-pixel grid the nearest of these is as near as the nearest point of a
    straight border. A corner that sticks out is where pixels exceed an oblique border.
    """
    before = edges.neighbour(np.arange(len(edges.chain)), -1)
    sticks_out = edges.direction == (edges.direction[before] + 1) % 4
    middle_XY = edges.corner_XY + STEP_XY[edges.direction] / 2
    return np.concatenate([middle_XY, edges.corner_XY[~sticks_out]])


def _count_branch_points(skeleton: _Skeleton) -> int:
    """Count the junctions; those whose discs overlap are one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    num_junctions = len(skeleton.graph.junctions_XY)
    if not num_junctions:
        return 0
    bridges = [branch for branch in skeleton.graph.branches if _is_bridge(branch, skeleton)]
    ends = np.array([(branch.start, branch.end) for branch in bridges]).reshape(-1, 2).T
    joined = coo_array(
        (np.ones(ends.shape[1], np.int8), (ends[0], ends[1])), [num_junctions] * 2
    )
    return int(connected_components(joined, directed=False)[0])


def _is_bridge(branch: SkeletonBranch, skeleton: _Skeleton) -> bool:
    if branch.closed or branch.num_free_ends:
        return False
    half_widths = [
        skeleton.half_width(skeleton.graph.junctions_XY[index])
        for index in (branch.start, branch.end)
    ]
    return measure_polyline(branch.points_XY, skeleton.size) < sum(half_widths)
