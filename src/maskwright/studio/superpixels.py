"""Superpixels of an image: SLIC (Achanta et al. 2012) of its picture at up to 1 megapixel.

A pixel (x, y) of an image of `W x H` pixels is in the superpixel of the pixel
(floor(x * w / W), floor(y * h / H)) of the smaller picture. The page colours what a pen touches
by the same rule (`web/src/cells.ts`), so that it shows what will be painted.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from ..pages.pictures import RgbImage
from .edit import EIGHTHS
from .repairs import Mask

_MOST_PX = 1_000_000
_SIDES_PX = (8, 16, 32)
"""Of superpixels at each level, in pixels of the smaller picture: at most 15,625 of them."""

NUM_LEVELS = len(_SIDES_PX)

_MOST_STEPS = 20_000
"""Places that are looked at between two points of a path."""

_HEAD = struct.Struct("<II")


@dataclass(frozen=True, slots=True, eq=False)
class CellMap:
    """The superpixel of each pixel of the smaller picture, and the size of the image."""

    ids_hw: NDArray[np.uint16]
    size_HW: tuple[int, int]

    def pick(self, points: Sequence[int]) -> Mask:
        """The superpixels along a path of points x, y, x, y... in eighths of a pixel."""
        x_N, y_N = _follow_path(points, self.size_HW)
        (h, w), (height, width) = self.ids_hw.shape, self.size_HW
        is_taken = np.zeros(int(self.ids_hw.max()) + 1, np.bool_)
        is_taken[self.ids_hw[y_N * h // height, x_N * w // width]] = True
        rows_H, columns_W = np.arange(height) * h // height, np.arange(width) * w // width
        return np.asarray(is_taken[self.ids_hw][rows_H][:, columns_W])

    def encode(self) -> bytes:
        """Rows and columns (4 bytes each), and by zlib the superpixels; all little-endian."""
        content = self.ids_hw.astype("<u2").tobytes()
        return _HEAD.pack(*self.ids_hw.shape) + zlib.compress(content, 1)


def find_cells(picture_HW3: RgbImage, level: int) -> CellMap:
    """The superpixels of a picture; `level` 0 has the smallest ones.

    Raises:
        MissingDependencyError: scikit-image is not installed.
    """
    from ..inference.refine.superpixels import Config, find_superpixels

    height, width = picture_HW3.shape[:2]
    scale = min(1.0, (_MOST_PX / (height * width)) ** 0.5)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small_hw3 = cv2.resize(picture_HW3, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    config = Config(side_px=_SIDES_PX[level])
    ids_hw = find_superpixels(small_hw3, np.ones(small_hw3.shape[:2], np.bool_), config)
    return CellMap(ids_hw.astype(np.uint16), (height, width))


def _follow_path(
    points: Sequence[int], size_HW: tuple[int, int]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The pixels x and y along a path, inside of an image."""
    height, width = size_HW
    points_N2 = np.array(points[: len(points) // 2 * 2]).reshape(-1, 2) / EIGHTHS
    steps = [points_N2[:1]]
    for start, end in pairwise(points_N2):
        number = min(int(np.abs(end - start).max()) + 1, _MOST_STEPS)
        steps += [start + np.arange(1, number)[:, None] * ((end - start) / number), end[None]]
    places_N2 = np.floor(np.concatenate(steps)).astype(np.intp)
    inside_N = ((places_N2 >= 0) & (places_N2 < (width, height))).all(axis=1)
    x_N, y_N = places_N2[inside_N].T
    return x_N, y_N
