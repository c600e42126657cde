"""View: which pixels of an image a crop shows, as one map from the crop to the image.

Scaling, rotation, flips, the window and a change of perspective are one projective map; a
radial term stands for another lens. An image is sampled once, bilinearly and in its own type,
a map of labels by the nearest pixel. Coordinates are continuous (x, y): the centre of the first
pixel is (0.5, 0.5), so that nothing shifts by half a pixel where the scale changes.
"""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from maskwright.core.labels import IGNORE, LabelMap

from ..recipe import AugmentOptions

Pixels = NDArray[Any]
"""H x W x C, of one of the types of an Image, or one band, H x W."""

Matrix = NDArray[np.float64]
"""3 x 3, of homogeneous coordinates (x, y, 1)."""

BANDS = 4
"""Bands that are sampled together: OpenCV takes four in less time than three."""

MARGIN_PX = 2
"""Pixels around a view that bilinear sampling may read."""

LARGEST_STEP = 1.5
"""Pixels of the image per pixel of the crop up to which it is sampled as it is: the bilinear
kernel, two wide, then reads all of them. Above, the image is first averaged over squares."""

TIE_PX = 1 / 512
"""Shift of labels, so that a point between two pixels takes the right and lower one, as nearest
neighbours with half-pixel centres do; OpenCV takes the even one."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The map from a crop of `size_HW` pixels to an image of `image_HW`, and its lens.

    With `lens`, what would be at the distance r from the centre of the image, half a diagonal
    being 1, is taken from r (1 + lens r^2): the first radial term of Brown (1966).
    """

    matrix: Matrix
    size_HW: tuple[int, int]
    image_HW: tuple[int, int]
    lens: float = 0.0

    def sample_image(self, image_HWC: Pixels, fill_C: tuple[float, ...]) -> Pixels:
        """The crop of the image, H x W x C; `fill_C` where it reaches beyond the image."""
        step = self.measure_step()
        factor = round(step) if step > LARGEST_STEP else 1
        parts = [
            self._sample(
                image_HWC[..., first : first + BANDS],
                cv2.INTER_LINEAR,
                fill_C[first : first + BANDS],
                factor,
            )
            for first in range(0, len(fill_C), BANDS)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)

    def sample_labels(self, labels_HW: LabelMap) -> LabelMap:
        """The crop of a map of labels, H x W; IGNORE where it reaches beyond the image."""
        sampled_HW1 = self._sample(labels_HW[..., None], cv2.INTER_NEAREST, (IGNORE,), 1)
        return np.asarray(sampled_HW1[..., 0], np.uint8)

    def measure_step(self) -> float:
        """Pixels of the image per pixel, in the middle of the crop."""
        height, width = self.size_HW
        middle = np.array([[0, 0], [1, 0], [0, 1]]) + np.array([width / 2, height / 2])
        origin, right, below = _apply(self.matrix, middle)
        return math.sqrt(abs(np.linalg.det([right - origin, below - origin])))

    def _sample(
        self, image_HWB: Pixels, interpolation: int, fill_B: tuple[float, ...], factor: int
    ) -> Pixels:
        """Sample at most four bands, after averaging over squares of `factor` pixels."""
        points_P2 = self._find_points() if self.lens else None
        left, top, right, bottom = self._find_box(points_P2)
        box_HWB = image_HWB[top:bottom, left:right]
        height, width = self.size_HW
        if not box_HWB.size:
            box_HWB = np.full((1, 1, len(fill_B)), fill_B).astype(image_HWB.dtype)
        part = _shrink(_add_bands(box_HWB), factor)
        tie = TIE_PX if interpolation == cv2.INTER_NEAREST else 0.0
        to_part = np.diag([1 / factor, 1 / factor, 1]) @ _shift(tie - left, tie - top)
        if points_P2 is not None:
            maps_P2 = (_apply(to_part, points_P2) - 0.5).astype(np.float32)
            # (H x W, 2) -> (H, W, 2)
            maps_HW2 = maps_P2.reshape(height, width, 2)
            sampled = cv2.remap(part, maps_HW2, None, interpolation, borderValue=fill_B)  # type: ignore[call-overload]
        else:
            # OpenCV counts from the centre of the first pixel
            matrix = _shift(-0.5, -0.5) @ to_part @ self.matrix @ _shift(0.5, 0.5)
            sampled = _warp(part, matrix, (width, height), interpolation, fill_B)
        if len(fill_B) == 3:  # the fourth band was empty
            return np.asarray(cv2.cvtColor(sampled, cv2.COLOR_RGBA2RGB))
        return np.asarray(sampled.reshape(height, width, -1)[..., : len(fill_B)])

    def _find_points(self) -> NDArray[np.float64]:
        """Where in the image the centres of the pixels of the crop lie, (H x W, 2)."""
        height, width = self.size_HW
        y_HW, x_HW = np.mgrid[:height, :width] + 0.5
        points_P2 = _apply(self.matrix, np.stack([x_HW.ravel(), y_HW.ravel()], axis=1))
        center = np.array(self.image_HW[::-1]) / 2
        offset_P2 = points_P2 - center
        square_P = (offset_P2**2).sum(axis=1) / (center**2).sum()
        moved_P2: NDArray[np.float64] = points_P2 + self.lens * square_P[:, None] * offset_P2
        return moved_P2

    def _find_box(self, points_P2: NDArray[np.float64] | None) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the part of the image that the crop may show."""
        if points_P2 is None:
            height, width = self.size_HW
            corners = np.array([[0, 0], [width, 0], [0, height], [width, height]])
            points_P2 = _apply(self.matrix, corners)
        limit = self.image_HW[::-1]
        low = np.clip(np.floor(points_P2.min(axis=0)) - MARGIN_PX, 0, limit).astype(int)
        high = np.clip(np.ceil(points_P2.max(axis=0)) + MARGIN_PX, 0, limit).astype(int)
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def draw_view(
    image_HW: tuple[int, int],
    crop_HW: tuple[int, int],
    options: AugmentOptions,
    rng: np.random.Generator,
    *,
    scale_ratio: float = 1.0,
    focus_yx: tuple[int, int] | None = None,
) -> View:
    """Draw a view of an image, inside it where it fits; `focus_yx` is in the view."""
    scale = scale_ratio * math.exp(rng.uniform(*np.log(options.scale)))
    angle = rng.uniform(-options.rotate_deg, options.rotate_deg) if rng.random() < 0.5 else 0.0
    window_HW = _window_size(crop_HW, scale, angle)
    top, left = _place_window(image_HW, window_HW, rng, focus_yx)
    mirror_x = -1 if rng.random() < options.flip_lr else 1
    mirror_y = -1 if rng.random() < options.flip_vertical else 1
    matrix = _shift(left + window_HW[1] / 2, top + window_HW[0] / 2) @ _turn(angle)
    matrix = matrix @ np.diag([mirror_x / scale, mirror_y / scale, 1])
    if options.perspective:
        tilt = rng.uniform(-options.perspective, options.perspective, 2)
        matrix = matrix @ np.array([[1, 0, 0], [0, 1, 0], [*(tilt * 2 / crop_HW[::-1]), 1]])
    matrix = matrix @ _shift(-crop_HW[1] / 2, -crop_HW[0] / 2)
    lens = rng.uniform(-options.lens, options.lens) if options.lens else 0.0
    return View(matrix, crop_HW, image_HW, lens)


def _warp(
    image: Pixels,
    matrix: Matrix,
    size: tuple[int, int],
    interpolation: int,
    fill_B: tuple[float, ...],
) -> Pixels:
    """Sample by a map from pixels of the result to those of `image`."""
    flags = interpolation | cv2.WARP_INVERSE_MAP
    if matrix[2].tolist() == [0, 0, 1]:
        return cv2.warpAffine(image, matrix[:2], size, flags=flags, borderValue=fill_B)
    return cv2.warpPerspective(image, matrix, size, flags=flags, borderValue=fill_B)


def _apply(matrix: Matrix, points_P2: NDArray[np.float64]) -> NDArray[np.float64]:
    moved_P3 = np.column_stack([points_P2, np.ones(len(points_P2))]) @ matrix.T
    moved_P2: NDArray[np.float64] = moved_P3[:, :2] / moved_P3[:, 2:]
    return moved_P2


def _shift(x: float, y: float) -> Matrix:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def _turn(angle_deg: float) -> Matrix:
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def _add_bands(image_HWB: Pixels) -> Pixels:
    """One band or four: others are filled up with zeros."""
    bands = image_HWB.shape[2]
    if bands == 3:
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(image_HWB), cv2.COLOR_RGB2RGBA))
    if bands == 2:
        return np.pad(image_HWB, ((0, 0), (0, 0), (0, 2)))
    return np.ascontiguousarray(image_HWB)


def _shrink(image_HWB: Pixels, factor: int) -> Pixels:
    """Means over squares of `factor` pixels; the last ones repeat the border."""
    if factor == 1:
        return image_HWB
    height, width = image_HWB.shape[:2]
    more_y, more_x = -height % factor, -width % factor
    if more_y or more_x:
        image_HWB = cv2.copyMakeBorder(image_HWB, 0, more_y, 0, more_x, cv2.BORDER_REPLICATE)
    size = ((width + more_x) // factor, (height + more_y) // factor)
    return np.asarray(cv2.resize(image_HWB, size, interpolation=cv2.INTER_AREA))


def _window_size(crop_HW: tuple[int, int], scale: float, angle: float) -> tuple[int, int]:
    """Pixels (H, W) of the image that fill the crop after scaling and rotating."""
    height, width = crop_HW
    c, s = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    rotated = c * height + s * width, c * width + s * height
    return math.ceil(rotated[0] / scale), math.ceil(rotated[1] / scale)


def _place_window(
    image_HW: tuple[int, int],
    window_HW: tuple[int, int],
    rng: np.random.Generator,
    focus_yx: tuple[int, int] | None,
) -> tuple[int, int]:
    """Draw top and left of the window: inside the image where it fits, else around it."""
    corner = []
    for axis in range(2):
        slack = image_HW[axis] - window_HW[axis]
        low, high = min(slack, 0), max(slack, 0)
        if focus_yx is not None:
            reach = window_HW[axis] // 3
            middle = focus_yx[axis] - window_HW[axis] // 2
            start = middle + int(rng.integers(-reach, reach + 1))
            corner.append(min(max(start, low), high))
        else:
            corner.append(int(rng.integers(low, high + 1)))
    return corner[0], corner[1]
