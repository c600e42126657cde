"""The first mask of a folder, opened but not decoded: whether it has colours or numbers."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.errors import DataError
from ..entries.scan import Scan
from ..pixels.imageref import ImageRef
from ..pixels.images import read_pixels


@dataclass(frozen=True, slots=True, eq=False)
class FirstMask:
    """`palette` is N x 3, empty where the file has none."""

    image: ImageRef
    colored: bool
    palette: NDArray[np.uint8]


def first_mask(scan: Scan) -> FirstMask | None:
    """The first that opens; None where none does."""
    for entry in scan.entries:
        for mask in entry.masks:
            with suppress(DataError):
                if isinstance(mask, ImageRef):
                    return _opened(mask)
    return None


def _opened(mask: ImageRef) -> FirstMask:
    found: list[FirstMask] = []

    def look(image: Image.Image) -> NDArray[Any]:
        colors = (image.getpalette("RGB") or []) if image.mode == "P" else []
        palette = np.array(colors, np.uint8).reshape(-1, 3)
        found.append(FirstMask(mask, image.mode in {"RGB", "RGBA"}, palette))
        return np.zeros((1, 1), np.uint8)

    read_pixels(mask, look)
    if not found:
        raise DataError(f"{mask}: of a kind that has no palette")
    return found[0]
