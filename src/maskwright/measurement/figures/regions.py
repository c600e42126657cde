"""The connected regions of a mask: area, perimeter, boxes, centroid, orientation and holes.

Pixels that touch, also at a corner only (8 neighbours), are one region. Background that a
region encloses (4 neighbours) is a hole; other regions inside it are no part of the hole. All
figures are those of the pixel squares, not of their centres, in the frame of `outline`.
Orientation is NaN where no direction is longer than another. Needs OpenCV only.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...data.georef.pixel_scale import PixelScale, PixelSize
from .outline import Edges, PixelPolygon, make_polygons, trace_edges
from .perimeter import measure_edges

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RotatedBox:
    """The rectangle of least area that holds every pixel square of a region.

    Sides are in the unit; `corners_px` is (4, 2), (x, y) in pixels, in order around the box.
    Where pixels are not square it is a rectangle in the unit and a parallelogram in pixels.
    """

    long_side: float
    short_side: float
    corners_px: Values


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegionProperties:
    """The figures of a region: lengths and areas in the unit, names with `_px` in pixels.

    `area`: pixels times the area of a pixel. `perimeter`: of all borders, those of holes and
    of the image included. `bounds_px`: x0, y0, x1, y1; `width` and `height`: their sides in the
    unit. `centroid_px`: x, y. `orientation_deg`: of the longest extent (axis of least second
    moment), in [0, 180), 0 along the rows, counter-clockwise as seen on the picture.
    `elongation`: ratio of the extents along and across it (square roots of the second moments):
    1 for a disc, length divided by width for a straight bar. `outline`: polygons, each with its
    outer ring first.
    """

    num_px: int
    area: float
    perimeter: float
    bounds_px: tuple[int, int, int, int]
    width: float
    height: float
    box: RotatedBox
    centroid_px: tuple[float, float]
    orientation_deg: float
    elongation: float
    num_holes: int
    holes_area: float
    outline: tuple[PixelPolygon, ...]


def find_regions(
    mask_HW: NDArray[np.bool_], scale: PixelScale, *, min_area_px: int = 0
) -> list[RegionProperties]:
    """Find the regions of at least `min_area_px` pixels, largest first, then from the top left.

    Each is measured by the size of a pixel at its centroid.
    """
    # The bounding box alone: twenty times faster for a small region in a large image.
    x0, y0, width, height = cv2.boundingRect(np.ascontiguousarray(mask_HW).view(np.uint8))
    if not width:
        return []
    cropped_HW = np.ascontiguousarray(mask_HW[y0 : y0 + height, x0 : x0 + width])
    _, all_HW, stats, _ = cv2.connectedComponentsWithStats(
        cropped_HW.view(np.uint8), connectivity=8
    )
    sizes = stats[:, cv2.CC_STAT_AREA].astype(np.int64)
    kept = sizes >= min_area_px
    kept[0] = False
    if not kept.any():
        return []
    labels_HW = np.where(kept, np.cumsum(kept), 0).astype(np.int32)[all_HW]
    edges = trace_edges(labels_HW > 0)
    moments = _measure_moments(labels_HW)
    pixels = tuple(scale.at(y + y0, x + x0) for x, y in moments[:, :2].tolist())
    columns = _Columns(
        num_px=sizes[kept],
        area=scale.sum_areas(labels_HW, int(kept.sum()) + 1, top=y0)[1:],
        pixels=pixels,
        perimeter=_measure_perimeters(labels_HW, edges, pixels),
        moments=moments,
        holes=_count_holes(all_HW, len(sizes))[kept],
        outlines=_make_outlines(labels_HW, edges),
        origin_XY=np.array([x0, y0], np.int32),
    )
    regions = [_make_region(columns, index) for index in range(int(kept.sum()))]
    return sorted(regions, key=lambda r: (-r.num_px, r.bounds_px[1], r.bounds_px[0]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Columns:
    """Figures of all R regions, each with R rows; `origin_XY` is added to points."""

    num_px: NDArray[np.int64]
    area: Values
    pixels: tuple[PixelSize, ...]
    perimeter: Values
    moments: Values
    holes: NDArray[np.int64]
    outlines: list[tuple[PixelPolygon, ...]]
    origin_XY: NDArray[np.int32]


def _measure_perimeters(
    labels_HW: NDArray[np.int32], edges: Edges, pixels: Sequence[PixelSize]
) -> Values:
    label_of_chain = labels_HW[edges.pixel_XY[:, 1], edges.pixel_XY[:, 0]]
    label_of_edge = label_of_chain[edges.chain]
    pixel_R2 = np.array([size.pixel_HW[::-1] for size in pixels])
    lengths = measure_edges(edges, pixel_R2[label_of_edge - 1])  # (R, 2) -> (N, 2)
    return np.bincount(label_of_edge, weights=lengths)[1:].astype(np.float64)


def _measure_moments(labels_HW: NDArray[np.int32]) -> Values:
    """Centroid x, y in pixels and second moments xx, yy, xy per pixel, in px2: (R, 5).

    In closed form over the runs of one label in a row, for squares and not for points.
    """
    padded_HW = np.pad(labels_HW, ((0, 0), (1, 1)))
    row, first = np.nonzero(padded_HW[:, 1:-1] * (padded_HW[:, 1:-1] != padded_HW[:, :-2]))
    _, last = np.nonzero(padded_HW[:, 1:-1] * (padded_HW[:, 1:-1] != padded_HW[:, 2:]))
    index = labels_HW[row, first] - 1
    num_px = last + 1 - first

    def average(values: Values) -> Values:
        sums = np.bincount(index, weights=values) / np.bincount(index, weights=num_px)
        return sums.astype(np.float64)

    x0, x1, y = first.astype(np.float64), last + 1.0, row + 0.5
    centroid_x, centroid_y = average(num_px * (x0 + x1) / 2), average(num_px * y)
    x0, x1, y = x0 - centroid_x[index], x1 - centroid_x[index], y - centroid_y[index]
    xx = average((x1**3 - x0**3) / 3)
    yy = average(num_px * (y**2 + 1 / 12))
    xy = average(num_px * y * (x0 + x1) / 2)
    return np.stack([centroid_x, centroid_y, xx, yy, xy], axis=-1)


def _count_holes(labels_HW: NDArray[Any], num_labels: int) -> NDArray[np.int64]:
    """Count holes and their pixels by label, (num_labels, 2)."""
    background_HW = np.pad(labels_HW == 0, 1, constant_values=True).view(np.uint8)
    _, hole_HW, stats, _ = cv2.connectedComponentsWithStats(background_HW, connectivity=4)
    holes = np.zeros((num_labels, 2), np.int64)
    for hole, (x0, y0, width, _, num_px) in enumerate(stats.tolist()):
        if hole in (0, hole_HW[0, 0]):
            continue
        # The pixel above the topmost pixel of a hole is of the region around it.
        x = x0 + int(np.argmax(hole_HW[y0, x0 : x0 + width] == hole))
        holes[labels_HW[y0 - 2, x - 1]] += (1, num_px)
    return holes


def _make_outlines(
    labels_HW: NDArray[np.int32], edges: Edges
) -> list[tuple[PixelPolygon, ...]]:
    polygons: defaultdict[int, list[PixelPolygon]] = defaultdict(list)
    for x, y, polygon in make_polygons(labels_HW > 0, edges):
        polygons[int(labels_HW[y, x])].append(polygon)
    return [tuple(polygons[label]) for label in sorted(polygons)]


def _make_region(columns: _Columns, index: int) -> RegionProperties:
    size = columns.pixels[index]
    height, width = size.pixel_HW
    outline = tuple(
        tuple(ring + columns.origin_XY for ring in polygon)
        for polygon in columns.outlines[index]
    )
    outer_XY = np.concatenate([polygon[0] for polygon in outline])
    (x0, y0), (x1, y1) = outer_XY.min(axis=0).tolist(), outer_XY.max(axis=0).tolist()
    *centroid_XY, xx, yy, xy = columns.moments[index].tolist()
    x, y = centroid_XY + columns.origin_XY
    orientation_deg, elongation = _axes(xx * width**2, yy * height**2, xy * height * width)
    num_px = int(columns.num_px[index])
    return RegionProperties(
        num_px=num_px,
        area=float(columns.area[index]),
        perimeter=float(columns.perimeter[index]),
        bounds_px=(x0, y0, x1, y1),
        width=(x1 - x0) * width,
        height=(y1 - y0) * height,
        box=_fit_rotated_box(outer_XY, size),
        centroid_px=(float(x), float(y)),
        orientation_deg=orientation_deg,
        elongation=elongation,
        num_holes=int(columns.holes[index, 0]),
        holes_area=size.area(int(columns.holes[index, 1])),
        outline=outline,
    )


def _axes(xx: float, yy: float, xy: float) -> tuple[float, float]:
    """Orientation in degrees and elongation from second moments with y down."""
    half_trace, spread = (xx + yy) / 2, float(np.hypot((xx - yy) / 2, xy))
    elongation = float(np.sqrt((half_trace + spread) / (half_trace - spread)))
    if spread <= 1e-9 * half_trace:
        return float("nan"), 1.0
    degrees = float(np.degrees(np.arctan2(-2 * xy, xx - yy) / 2))
    # The second remainder is for -1e-17, whose first is 180.
    return degrees % 180 % 180, elongation


def _fit_rotated_box(outer_XY: NDArray[np.int32], size: PixelSize) -> RotatedBox:
    origin_XY = outer_XY[0]
    points: Any = size.points(outer_XY - origin_XY).astype(np.float32)
    rectangle = cv2.minAreaRect(points)
    corners = np.asarray(cv2.boxPoints(rectangle), np.float64)
    short_side, long_side = sorted(rectangle[1])
    return RotatedBox(
        long_side=float(long_side),
        short_side=float(short_side),
        corners_px=corners / size.pixel_HW[::-1] + origin_XY,
    )
