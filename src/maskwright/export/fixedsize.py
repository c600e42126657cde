"""Graphs that hold for one size: which size, and images of that size to compare them on.

Such a graph takes one image. Larger images are cut into tiles of its size, so its sides are
those of a tile; smaller ones are padded with their last row and column, as `nn.any_size` does.
"""

from collections.abc import Iterable

import numpy as np

from ..core.errors import ConfigError
from ..inference.parity import Planes
from ..inference.tiling import LEAST_TILE_PX, TILE_PX, UNIT, is_tile, pad_side

DEFAULT_HW = (512, 512)


def choose_size(
    asked_HW: tuple[int, int] | None, images_CHW: Iterable[Planes]
) -> tuple[int, int]:
    """The size of a graph: as asked, else that of the first image, padded.

    Of an image with a side above `TILE_PX`, and without images, `DEFAULT_HW`.

    Raises:
        ConfigError: Images cannot be cut into tiles of the size that is asked for.
    """
    if asked_HW is not None:
        if not is_tile(asked_HW):
            raise ConfigError(
                f"size {asked_HW[0]}x{asked_HW[1]}: larger images are cut into tiles of this "
                f"size; use sides of {LEAST_TILE_PX} px or more, in multiples of {UNIT}"
            )
        return asked_HW
    for x_CHW in images_CHW:
        height, width = (max(LEAST_TILE_PX, pad_side(side)) for side in x_CHW.shape[1:])
        return (height, width) if max(height, width) <= TILE_PX else DEFAULT_HW
    return DEFAULT_HW


def fit(x_CHW: Planes, size_HW: tuple[int, int]) -> Planes:
    """The upper left part of an image, padded with its last row and column to a size."""
    height, width = size_HW
    part_CHW = x_CHW[:, :height, :width]
    below, right = height - part_CHW.shape[1], width - part_CHW.shape[2]
    return np.pad(part_CHW, ((0, 0), (0, below), (0, right)), mode="edge")
