"""Shapes whose area, perimeter, length and width are known, drawn on a grid of pixels.

A pixel belongs to a shape where its centre does; nothing is smoothed or rounded. Positions and
sizes are in the unit of the scale, so that pixels may have any size and need not be square.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from maskwright.data.georef.pixel_scale import PixelSize

Plane = NDArray[np.float64]
Inside = Callable[[Plane, Plane], NDArray[np.bool_]]
MARGIN_PX = 3
TURNS_DEG = tuple(np.arange(0, 90.1, 7.5).tolist())
SHIFTS_PX_XY = ((0.02, 0.03), (0.31, -0.17), (-0.44, 0.38))
"""Never whole: an edge on pixel centres would take in the pixels of both sides."""


@dataclass(frozen=True)
class Shape:
    """A set of points around (0, 0), within `reach` of it, and what is true of it by name."""

    name: str
    inside: Inside
    reach: float
    true: dict[str, float] = field(default_factory=dict)

    def size_px(self, scale: PixelSize) -> tuple[int, int]:
        """Width and height of the picture, with room to turn and shift."""
        height_px, width_px = (math.ceil(2 * self.reach / side) for side in scale.pixel_HW)
        return width_px + 2 * MARGIN_PX, height_px + 2 * MARGIN_PX

    def draw(
        self, scale: PixelSize, turn_deg: float, shift_px_XY: tuple[float, float]
    ) -> NDArray[np.bool_]:
        """The pixels whose centres are inside, turned counter-clockwise as one sees it."""
        width_px, height_px = self.size_px(scale)
        x = (np.arange(width_px) + 0.5 - width_px / 2 - shift_px_XY[0]) * scale.pixel_HW[1]
        y = (np.arange(height_px) + 0.5 - height_px / 2 - shift_px_XY[1]) * scale.pixel_HW[0]
        turn = math.radians(turn_deg)
        x_HW, y_HW = np.meshgrid(x, -y)
        along_HW = x_HW * math.cos(turn) + y_HW * math.sin(turn)
        across_HW = y_HW * math.cos(turn) - x_HW * math.sin(turn)
        return self.inside(along_HW, across_HW)


def disc(radius: float) -> Shape:
    """A full circle."""
    return Shape(
        f"disc r{radius:g}",
        lambda x, y: np.hypot(x, y) <= radius,
        radius,
        {"area": math.pi * radius**2, "perimeter": 2 * math.pi * radius},
    )


def bar(length: float, width: float) -> Shape:
    """A rectangle, the long side along x."""
    return Shape(
        f"bar {length:g}x{width:g}",
        lambda x, y: (np.abs(x) <= length / 2) & (np.abs(y) <= width / 2),
        math.hypot(length, width) / 2,
        {
            "area": length * width,
            "perimeter": 2 * (length + width),
            "length": length,
            "width": width,
            "max_width": width,
            "elongation": length / width,
            "long_side": length,
            "short_side": width,
        },
    )


def ring(outer: float, inner: float) -> Shape:
    """What lies between two circles; its length is that of the middle circle."""
    return Shape(
        f"ring {outer:g}-{inner:g}",
        lambda x, y: (np.hypot(x, y) <= outer) & (np.hypot(x, y) >= inner),
        outer,
        {
            "area": math.pi * (outer**2 - inner**2),
            "perimeter": 2 * math.pi * (outer + inner),
            "length": math.pi * (outer + inner),
            "width": outer - inner,
            "max_width": outer - inner,
            "holes_area": math.pi * inner**2,
        },
    )


def arc(radius: float, span_deg: float, width: float) -> Shape:
    """A stroke of `width` along a part of a circle, with straight cut ends."""
    half = math.radians(span_deg) / 2
    length = 2 * half * radius

    def inside(x: Plane, y: Plane) -> NDArray[np.bool_]:
        near = np.abs(np.hypot(x, y) - radius) <= width / 2
        return near & (np.abs(np.arctan2(y, x)) <= half)

    return Shape(
        f"arc r{radius:g} {span_deg:g}deg w{width:g}",
        inside,
        radius + width / 2,
        {
            "area": length * width,
            "perimeter": 2 * (length + width),
            "length": length,
            "width": width,
            "max_width": width,
        },
    )


def cross(length: float, width: float) -> Shape:
    """Two bars of the same size over each other at right angles: one branch point."""
    half, thick = length / 2, width / 2
    return Shape(
        f"cross {length:g}x{width:g}",
        lambda x, y: (
            ((np.abs(x) <= half) & (np.abs(y) <= thick))
            | ((np.abs(y) <= half) & (np.abs(x) <= thick))
        ),
        math.hypot(half, thick),
        {
            "area": 2 * length * width - width**2,
            "perimeter": 4 * length,
            "length": 2 * length,
            "width": width,
            "max_width": math.sqrt(2) * width,
        },
    )


def polygon(num_corners: int, radius: float) -> Shape:
    """A regular polygon with its corners on a circle."""
    inner = radius * math.cos(math.pi / num_corners)
    turns = 2 * math.pi * np.arange(num_corners) / num_corners

    def inside(x: Plane, y: Plane) -> NDArray[np.bool_]:
        beyond = [x * math.cos(turn) + y * math.sin(turn) > inner for turn in turns]
        return ~np.logical_or.reduce(beyond)

    side = 2 * radius * math.sin(math.pi / num_corners)
    return Shape(
        f"polygon {num_corners} r{radius:g}",
        inside,
        radius,
        {"area": num_corners * inner * side / 2, "perimeter": num_corners * side},
    )


def zigzag(leg: float, num_legs: int, width: float, corner_deg: float = 90) -> Shape:
    """A stroke of straight legs that meet at `corner_deg`, with straight cut ends."""
    half = math.radians(corner_deg) / 2
    steps = np.array([(math.sin(half), (-1) ** i * math.cos(half)) for i in range(num_legs)])
    corner_XY = np.concatenate([np.zeros((1, 2)), np.cumsum(leg * steps, axis=0)])
    return _stroke(f"zigzag {num_legs}x{leg:g} {corner_deg:g}deg w{width:g}", corner_XY, width)


def sine(amplitude: float, period: float, num_periods: int, width: float) -> Shape:
    """A stroke along a sine, with straight cut ends."""
    x = np.linspace(0, num_periods * period, 40 * num_periods + 1)
    wave_XY = np.stack([x, amplitude * np.sin(2 * math.pi * x / period)], axis=-1)
    return _stroke(f"sine a{amplitude:g} p{period:g} w{width:g}", wave_XY, width)


def _stroke(name: str, line_XY: Plane, width: float) -> Shape:
    """What is within half a `width` of a line of points, (N, 2), with straight cut ends."""
    line_XY = line_XY - (line_XY.min(axis=0) + line_XY.max(axis=0)) / 2
    step_XY = np.diff(line_XY, axis=0)
    length = float(np.hypot(*step_XY.T).sum())

    def inside(x: Plane, y: Plane) -> NDArray[np.bool_]:
        near = np.zeros(x.shape, np.bool_)
        for (x0, y0), (dx, dy) in zip(line_XY, step_XY, strict=False):
            along = ((x - x0) * dx + (y - y0) * dy) / (dx**2 + dy**2)
            t = np.clip(along, 0, 1)
            near |= np.hypot(x - x0 - t * dx, y - y0 - t * dy) <= width / 2
        for (x0, y0), (dx, dy) in ((line_XY[0], -step_XY[0]), (line_XY[-1], step_XY[-1])):
            beyond = (x - x0) * dx + (y - y0) * dy > 0
            near &= ~(beyond & (np.hypot(x - x0, y - y0) <= width))
        return near

    reach = float(np.hypot(*line_XY.T).max()) + width / 2
    return Shape(name, inside, reach, {"length": length, "width": width})


def gap(distance: float) -> tuple[Shape, Shape]:
    """Two blocks of 30 by 40 whose long sides face each other at `distance`."""
    near, far = distance / 2, distance / 2 + 30
    reach = math.hypot(far, 20)

    def block(side: int) -> Inside:
        return lambda x, y: (side * x >= near) & (side * x <= far) & (np.abs(y) <= 20)

    name = f"gap {distance:g}"
    return Shape(name, block(1), reach, {"gap": distance}), Shape(name, block(-1), reach)
