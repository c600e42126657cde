"""How far each figure of `measurement`, and what others offer for it, is from the truth.

Every shape is drawn at every turn and shift of `known_shapes`; an error is the measured figure
less the true one, in % of it, in pixels or in degrees.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import known_shapes as shapes
import numpy as np
from known_shapes import SHIFTS_PX_XY, TURNS_DEG, Shape
from numpy.typing import NDArray
from skimage.measure import regionprops
from skimage.morphology import medial_axis, skeletonize

from maskwright.data.georef.pixel_scale import PixelSize
from maskwright.measurement.figures.gap import find_gap
from maskwright.measurement.figures.regions import RegionProperties, find_regions
from maskwright.measurement.figures.thin import ThinStructure, measure_thin


@dataclass(frozen=True)
class Drawn:
    """One shape in one pose, and what is found in it, each once. Peers measure in pixels."""

    shape: Shape
    scale: PixelSize
    turn_deg: float
    shift_px_XY: tuple[float, float]
    mask_HW: NDArray[np.bool_]

    @cached_property
    def region(self) -> RegionProperties:
        """By maskwright."""
        return find_regions(self.mask_HW, self.scale)[0]

    @cached_property
    def thin(self) -> ThinStructure:
        """By maskwright."""
        return measure_thin(self.mask_HW, self.scale)

    @cached_property
    def props(self) -> Any:
        """By scikit-image."""
        return regionprops(self.mask_HW.astype(np.uint8))[0]

    @cached_property
    def contours(self) -> Sequence[Any]:
        """By OpenCV."""
        found, _ = cv2.findContours(
            self.mask_HW.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
        )
        return found

    @cached_property
    def contour_box(self) -> tuple[float, float, float]:
        """Long side, short side and orientation by OpenCV."""
        _, (width, height), turned_deg = cv2.minAreaRect(self.contours[0])
        return max(width, height), min(width, height), -turned_deg - 90 * (height > width)

    @cached_property
    def medial(self) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Medial axis and distance to the background, by scikit-image."""
        axis_HW, distance_HW = medial_axis(self.mask_HW, return_distance=True, rng=0)
        return axis_HW, distance_HW

    @property
    def centre_px(self) -> NDArray[np.float64]:
        """Where the middle of the shape is, as (x, y)."""
        return np.array(self.shape.size_px(self.scale)) / 2 + self.shift_px_XY


Method = Callable[[Drawn], float]


@dataclass(frozen=True)
class Figure:
    """A figure to be judged: in which unit its error is told, on which shapes, by which ways.

    `truth` is a name in Shape.true; None where the methods give the error themselves.
    """

    name: str
    unit: str
    truth: str | None
    on: tuple[Shape, ...]
    methods: dict[str, Method]


def poses(shape: Shape, scale: PixelSize) -> Iterator[Drawn]:
    """The shape at every turn and shift."""
    for turn_deg in TURNS_DEG:
        for shift_px_XY in SHIFTS_PX_XY:
            mask_HW = shape.draw(scale, turn_deg, shift_px_XY)
            yield Drawn(shape, scale, turn_deg, shift_px_XY, mask_HW)


def errors(figure: Figure, drawn: Drawn) -> list[float]:
    """The error of each method in one pose."""
    found = [method(drawn) for method in figure.methods.values()]
    if figure.truth is None:
        return found
    true = drawn.shape.true[figure.truth]
    if figure.unit == "%":
        return [100 * (value / true - 1) for value in found]
    return [(value - true) / min(drawn.scale.pixel_HW) for value in found]


def _turn_error(found_deg: float, drawn: Drawn) -> float:
    return (found_deg - drawn.turn_deg + 90) % 180 - 90


def _gap_error(drawn: Drawn) -> float:
    found = find_gap(drawn.mask_HW, _other_block(drawn), drawn.scale)
    distance = found.distance if found else math.nan
    return (distance - drawn.shape.true["gap"]) / min(drawn.scale.pixel_HW)


def _centre_gap_error(drawn: Drawn) -> float:
    distance_HW = cv2.distanceTransform(
        (~_other_block(drawn)).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )
    return float(distance_HW[drawn.mask_HW].min()) - drawn.shape.true["gap"]


def _other_block(drawn: Drawn) -> NDArray[np.bool_]:
    other = shapes.gap(drawn.shape.true["gap"])[1]
    return other.draw(drawn.scale, drawn.turn_deg, drawn.shift_px_XY)


DISCS = tuple(map(shapes.disc, (2.5, 5, 10, 20, 50)))
BARS = tuple(shapes.bar(*s) for s in ((10, 4), (20, 20), (60, 3), (60, 6), (100, 40)))
RINGS = shapes.ring(20, 12), shapes.ring(50, 40)
LONG_BARS = tuple(shapes.bar(*s) for s in ((10, 4), (60, 3), (60, 6), (100, 40)))
THIN_BARS = tuple(shapes.bar(*s) for s in ((60, 1.5), (60, 3), (60, 6), (60, 10), (25, 4)))
ARCS = tuple(shapes.arc(*s) for s in ((100, 60, 2), (60, 120, 5), (25, 180, 4), (15, 180, 3)))
THIN_RINGS = shapes.ring(20, 14), shapes.ring(50, 44)
CROSSES = shapes.cross(60, 4), shapes.cross(60, 8), shapes.cross(100, 12)
THIN_CROSSES = tuple(shapes.cross(60, width) for width in (1, 3, 5))
SMALL_RINGS = tuple(shapes.ring(radius + 0.5, radius - 0.5) for radius in (2, 3, 4))
ZIGZAGS = tuple(
    shapes.zigzag(*s) for s in ((21, 6, 1.5), (21, 6, 3), (21, 6, 5), (12, 6, 3, 120))
)
SHARP_ZIGZAGS = (shapes.zigzag(14, 6, 3, 60),)
SINES = tuple(
    shapes.sine(*s) for s in ((6, 20, 4, 1.5), (6, 20, 4, 3), (6, 20, 4, 5), (3, 15, 4, 2))
)
POLYGONS = tuple(shapes.polygon(*s) for s in ((3, 5), (3, 10), (4, 5), (5, 7), (6, 10)))

REGION_FIGURES = (
    Figure(
        "area",
        "%",
        "area",
        (*DISCS, *BARS, *RINGS, ARCS[1], CROSSES[1]),
        {
            "maskwright": lambda d: d.region.area,
            "cv2.contourArea": lambda d: (
                -sum(cv2.contourArea(c, oriented=True) for c in d.contours)
            ),
        },
    ),
    Figure(
        "perimeter",
        "%",
        "perimeter",
        (*DISCS, *BARS, *RINGS, ARCS[1], CROSSES[1], *POLYGONS),
        {
            "maskwright": lambda d: d.region.perimeter,
            "skimage perimeter": lambda d: d.props.perimeter,
            "skimage perimeter_crofton": lambda d: d.props.perimeter_crofton,
            "cv2.arcLength": lambda d: sum(cv2.arcLength(c, True) for c in d.contours),
        },
    ),
    Figure(
        "long side of the rotated box",
        "px",
        "long_side",
        BARS,
        {
            "maskwright": lambda d: d.region.box.long_side,
            "cv2.minAreaRect": lambda d: d.contour_box[0],
        },
    ),
    Figure(
        "short side of the rotated box",
        "px",
        "short_side",
        BARS,
        {
            "maskwright": lambda d: d.region.box.short_side,
            "cv2.minAreaRect": lambda d: d.contour_box[1],
        },
    ),
    Figure(
        "orientation",
        "degrees",
        None,
        (*LONG_BARS,),
        {
            "maskwright": lambda d: _turn_error(d.region.orientation_deg, d),
            "skimage orientation": lambda d: _turn_error(
                np.degrees(d.props.orientation) + 90, d
            ),
            "cv2.minAreaRect": lambda d: _turn_error(d.contour_box[2], d),
        },
    ),
    Figure(
        "elongation",
        "%",
        "elongation",
        BARS,
        {
            "maskwright": lambda d: d.region.elongation,
            "skimage axis lengths": lambda d: (
                d.props.axis_major_length / d.props.axis_minor_length
            ),
            "cv2.minAreaRect": lambda d: d.contour_box[0] / d.contour_box[1],
        },
    ),
    Figure(
        "centroid",
        "px",
        None,
        (*DISCS, *BARS),
        {"maskwright": lambda d: float(np.hypot(*(d.region.centroid_px - d.centre_px)))},
    ),
    Figure(
        "area of holes",
        "%",
        "holes_area",
        RINGS,
        {"maskwright": lambda d: d.region.holes_area},
    ),
)

GAP_FIGURE = Figure(
    "gap",
    "px",
    None,
    tuple(shapes.gap(distance)[0] for distance in (2, 5, 20)),
    {"maskwright": _gap_error, "distance transform": _centre_gap_error},
)

THIN_FIGURES = (
    Figure(
        "length",
        "%",
        "length",
        (
            *(*THIN_BARS, *ARCS, *THIN_RINGS, *CROSSES, *THIN_CROSSES),
            *(*SMALL_RINGS, *ZIGZAGS, *SHARP_ZIGZAGS, *SINES),
        ),
        {
            "maskwright": lambda d: d.thin.length,
            "skimage skeletonize, pixels": lambda d: float(skeletonize(d.mask_HW).sum()),
            "skimage medial_axis, pixels": lambda d: float(d.medial[0].sum()),
            "half cv2.arcLength": lambda d: sum(cv2.arcLength(c, True) for c in d.contours) / 2,
        },
    ),
    Figure(
        "mean width",
        "px",
        "width",
        (*THIN_BARS, *ARCS, *THIN_RINGS),
        {
            "maskwright": lambda d: d.thin.mean_width,
            "skimage medial_axis, 2 x mean": lambda d: (
                2 * float(d.medial[1][d.medial[0]].mean())
            ),
        },
    ),
    Figure(
        "maximum width",
        "px",
        "max_width",
        (*THIN_BARS, *ARCS, *THIN_RINGS, *CROSSES, *THIN_CROSSES, *SMALL_RINGS),
        {
            "maskwright": lambda d: d.thin.max_width,
            "skimage medial_axis, 2 x max": lambda d: 2 * float(d.medial[1].max()),
        },
    ),
    Figure(
        "branch points",
        "points",
        None,
        (*THIN_BARS, *ARCS, *THIN_RINGS, *CROSSES),
        {
            "maskwright": lambda d: float(
                d.thin.num_branch_points - d.shape.name.startswith("cross")
            )
        },
    ),
)
