"""Thin structures such as cracks, roads and vessels: how long, how wide, how branched.

The skeleton (Lee, Kashyap and Chu 1994) gives the middle line. It is smoothed, because a chain
of pixels is up to 8 % longer than the line it stands for, and lengthened to the border at its
free ends, where skeletons stop short by about half the width. Spurs are cut off: branches with
a free end that are shorter than the structure is wide where they begin, so that they stick out
by less than half of that. A piece whose skeleton is one point is as long as wide. An empty mask
has length 0 and no width (NaN).
"""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..ground.pixel_scale import PixelSize
from .outline import STEP_XY, Edges, trace
from .skeleton import FREE, Points, SkeletonBranch, SkeletonGraph, build_graph

SMOOTHING_PX = 1.5
"""Standard deviation along the skeleton: least error of those tried, see docs."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ThinStructure:
    """What a mask is as a network of lines, lengths in the unit.

    `length`: of all middle lines. `mean_width`: area by length. `max_width`: diameter of the
    largest disc that holds no middle of a border edge and crosses no straight border,
    `max_width_px` its middle as (x, y) in pixels. `num_branch_points`: places where three lines
    or more meet, one where their discs overlap. `num_pieces`: connected regions (8 neighbours).
    `skeleton_HW`: without spurs.
    """

    length: float
    mean_width: float
    max_width: float
    max_width_px: tuple[float, float]
    num_branch_points: int
    num_pieces: int
    skeleton_HW: NDArray[np.bool_]


def measure_thin(mask_HW: NDArray[np.bool_], size: PixelSize) -> ThinStructure:
    """Length, width and branching of a mask; time grows with its bounding box and its width."""
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
    body = _body(mask_HW[part], size)
    skeleton_HW[part] = body.skeleton_HW
    length = _length(body)
    max_width, (x, y) = _widest(body)
    return ThinStructure(
        length=length,
        mean_width=size.area(int(mask_HW.sum())) / length,
        max_width=max_width,
        max_width_px=(x + x0, y + y0),
        num_branch_points=_num_branch_points(body),
        num_pieces=cv2.connectedComponents(mask_HW.view(np.uint8), connectivity=8)[0] - 1,
        skeleton_HW=skeleton_HW,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Body:
    """A mask with its skeleton; `depth_HW` is from a pixel to the background, in the unit."""

    mask_HW: NDArray[np.bool_]
    size: PixelSize
    depth_HW: NDArray[np.float64]
    skeleton_HW: NDArray[np.bool_]
    graph: SkeletonGraph

    def half_width(self, point_XY: NDArray[np.float64]) -> float:
        """From a point of the skeleton to the border, in the unit."""
        x, y = point_XY.astype(int)
        return float(self.depth_HW[y, x]) - min(self.size.pixel_HW) / 2


def _body(mask_HW: NDArray[np.bool_], size: PixelSize) -> _Body:
    """Skeleton and depth, spurs cut off until none is left."""
    from scipy.ndimage import distance_transform_edt

    depth_HW = distance_transform_edt(np.pad(mask_HW, 1), sampling=size.pixel_HW)[1:-1, 1:-1]
    skeleton_HW = _thinned(mask_HW)
    while True:
        body = _Body(mask_HW, size, depth_HW, skeleton_HW, build_graph(skeleton_HW))
        spurs = [path for path in body.graph.paths if _is_spur(path, body)]
        if not spurs:
            return body
        skeleton_HW = skeleton_HW.copy()
        for spur in spurs:
            x, y = _own_points(spur).astype(int).T
            skeleton_HW[y, x] = False
        skeleton_HW = _thinned(skeleton_HW)


def _thinned(mask_HW: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from skimage.morphology import skeletonize

    untyped: Any = skeletonize
    return np.asarray(untyped(mask_HW, method="lee"), np.bool_)


def _is_spur(path: SkeletonBranch, body: _Body) -> bool:
    if path.num_free_ends != 1:
        return False
    knot_XY = body.graph.knots_XY[max(path.start, path.end)]
    return _polyline_length(path.points_XY, body.size) < 2 * body.half_width(knot_XY)


def _own_points(path: SkeletonBranch) -> Points:
    """The points of a path without the middle of its knots."""
    return path.points_XY[path.start != FREE : len(path.points_XY) - (path.end != FREE)]


def _polyline_length(points_XY: Points, size: PixelSize) -> float:
    return float(np.hypot(*size.points(np.diff(points_XY, axis=0)).T).sum())


def _length(body: _Body) -> float:
    lengths = [_path_length(path, body) for path in body.graph.paths]
    dots = [2 * body.half_width(dot_XY) for dot_XY in body.graph.dots_XY]
    return float(sum(lengths) + sum(dots))


def _path_length(path: SkeletonBranch, body: _Body) -> float:
    smooth_XY = _smoothed(path)
    length = _polyline_length(smooth_XY, body.size)
    if path.closed:
        return length
    if path.start == FREE:
        length += _to_the_border(smooth_XY, body)
    if path.end == FREE:
        length += _to_the_border(smooth_XY[::-1], body)
    return length


def _smoothed(path: SkeletonBranch) -> Points:
    """The path under a Gaussian along its pixels; ends stay, a ring is closed after."""
    points_XY = path.points_XY
    reach = min(math.ceil(3 * SMOOTHING_PX), len(points_XY) - 1)
    weights = np.exp(-((np.arange(-reach, reach + 1) / SMOOTHING_PX) ** 2) / 2)
    weights /= weights.sum()
    if path.closed:
        padded_XY = np.pad(points_XY, ((reach, reach), (0, 0)), mode="wrap")
    else:
        padded_XY = np.pad(
            points_XY, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd"
        )
    smooth_XY = np.stack([np.convolve(c, weights, "valid") for c in padded_XY.T], axis=-1)
    return np.concatenate([smooth_XY, smooth_XY[:1]]) if path.closed else smooth_XY


def _to_the_border(points_XY: Points, body: _Body) -> float:
    """From the first point on in the direction of the line's end, at most twice the half width.

    The direction is taken over the width of the structure, at least 4 pixels.
    """
    half_width = body.half_width(points_XY[0])
    half_px = half_width / min(body.size.pixel_HW)
    back = min(len(points_XY) - 1, max(4, math.ceil(2 * half_px)))
    direction_XY = points_XY[0] - points_XY[back]
    direction_XY = direction_XY / np.hypot(*direction_XY)
    steps = np.arange(0, 2 * half_px + 1, 0.05)
    x, y = np.floor(points_XY[0] + steps[:, None] * direction_XY).astype(int).T
    height, width = body.mask_HW.shape
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    inside[inside] = body.mask_HW[y[inside], x[inside]]
    num_inside = len(steps) if inside.all() else int(np.argmin(inside))
    return body.size.length(direction_XY * 0.05 * num_inside)


def _widest(body: _Body) -> tuple[float, tuple[float, float]]:
    """Diameter and middle of the largest disc, its middle sought on a grid of half pixels."""
    from scipy.spatial import cKDTree

    deep_HW = body.depth_HW > body.depth_HW.max() - 1.5 * max(body.size.pixel_HW)
    corner_XY = np.argwhere(deep_HW & body.mask_HW)[:, ::-1]
    halves = np.array([(0.5, 0.5), (0.5, 0), (0, 0.5), (0, 0)])
    tried_XY = (corner_XY[None] + halves[:, None]).reshape(-1, 2)
    border = cKDTree(body.size.points(_border_points(trace(body.mask_HW))))
    radius, _ = border.query(body.size.points(tried_XY))
    at = int(np.argmax(radius))
    return 2 * float(radius[at]), (float(tried_XY[at, 0]), float(tried_XY[at, 1]))


def _border_points(edges: Edges) -> Points:
    """The middles of all edges, and the corners where the border goes straight on.

    To a straight border these are as near to any point on the grid of half pixels as all of it.
    """
    before = edges.neighbour(np.arange(len(edges.chain)), -1)
    straight = edges.direction == edges.direction[before]
    middle_XY = edges.corner_XY + STEP_XY[edges.direction] / 2
    return np.concatenate([middle_XY, edges.corner_XY[straight]])


def _num_branch_points(body: _Body) -> int:
    """Knots with three ends of paths or more, those whose discs overlap as one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    num_knots = len(body.graph.knots_XY)
    if not num_knots:
        return 0
    bridges = [path for path in body.graph.paths if _is_bridge(path, body)]
    ends = np.array([(path.start, path.end) for path in bridges]).reshape(-1, 2).T
    joined = coo_array((np.ones(ends.shape[1], np.int8), (ends[0], ends[1])), [num_knots] * 2)
    return int(connected_components(joined, directed=False)[0])


def _is_bridge(path: SkeletonBranch, body: _Body) -> bool:
    if path.closed or path.num_free_ends:
        return False
    half_widths = [body.half_width(body.graph.knots_XY[k]) for k in (path.start, path.end)]
    return _polyline_length(path.points_XY, body.size) < sum(half_widths)
