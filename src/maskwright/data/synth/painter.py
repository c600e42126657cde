"""A camera that paints polygons of the world into an image and its class map.

World frame in metres: X to the right, Y up from the ground, Z ahead of the camera. Painting is
in float32 RGB in [0, 1], several times finer than the final image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.labels import LabelMap

Color = tuple[float, float, float]
Point = tuple[float, float, float]

NEAR_M = 1.0
_HAZE_M = 160.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """The light of a scene: colours of the sky above and at the horizon, and of the light."""

    zenith: Color
    horizon: Color
    tint: Color
    shadow: float
    lamps: bool = False


@dataclass(slots=True, kw_only=True)
class Painter:
    """A pinhole camera over two canvases: `image_HW3` float32 RGB and `labels_HW`."""

    image_HW3: NDArray[np.float32]
    labels_HW: LabelMap
    light: Light
    horizon_px: float
    center_px: float
    focal_px: float
    height_m: float = 1.6

    def project(self, point: Point) -> tuple[float, float]:
        """Project a point of the world to (x, y) in pixels."""
        x, y, z = point
        z = max(z, NEAR_M)
        return (
            self.center_px + self.focal_px * x / z,
            self.horizon_px + self.focal_px * (self.height_m - y) / z,
        )

    def fill_polygon(self, points: Sequence[Point], color: Color, index: int | None) -> None:
        """Fill a polygon of the world, with haze; index None leaves the labels unchanged."""
        depth_m = float(np.mean([p[2] for p in points]))
        self.fill_flat([self.project(p) for p in points], self.add_haze(color, depth_m), index)

    def fill_flat(
        self, points_xy: Sequence[tuple[float, float]], color: Color, index: int | None
    ) -> None:
        """Fill a polygon of the image."""
        outline = np.rint(np.clip(points_xy, -30_000, 30_000)).astype(np.int32)
        cv2.fillPoly(self.image_HW3, [outline], color)
        if index is not None:
            cv2.fillPoly(self.labels_HW, [outline], index)

    def fill_upright(
        self,
        x_m: tuple[float, float],
        y_m: tuple[float, float],
        z_m: float,
        fill: Color,
        index: int,
    ) -> None:
        """Fill a rectangle that faces the camera."""
        (x0, x1), (y0, y1) = x_m, y_m
        corners = [(x0, y0, z_m), (x1, y0, z_m), (x1, y1, z_m), (x0, y1, z_m)]
        self.fill_polygon(corners, fill, index)

    def fill_disc(self, center: Point, radius_m: float, color: Color, index: int) -> None:
        """Fill a circle that faces the camera, never smaller than one canvas pixel."""
        x, y = self.project(center)
        radius = max(1, round(self.focal_px * radius_m / center[2]))
        shade, place = self.add_haze(color, center[2]), (round(x), round(y))
        cv2.circle(self.image_HW3, place, radius, shade, -1)
        cv2.circle(self.labels_HW, place, radius, index, -1)

    def add_haze(self, color: Color, depth_m: float) -> Color:
        """The colour in the light of the scene, seen through `depth_m` of air."""
        clear = float(np.exp(-depth_m / _HAZE_M))
        lit = np.multiply(color, self.light.tint)
        red, green, blue = (clear * lit + (1 - clear) * np.array(self.light.horizon)).tolist()
        return red, green, blue


def widen(painter: Painter, half_m: float, z: float, *, pixels: float = 2.4) -> float:
    """Widen half a width in metres so that the whole is at least `pixels` wide."""
    return max(half_m, pixels * z / painter.focal_px)


def scale_color(color: Color, factor: float) -> Color:
    """Make a colour lighter or darker."""
    red, green, blue = color
    return red * factor, green * factor, blue * factor
