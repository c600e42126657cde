"""The first mask of a folder, read: whether it has colours or numbers."""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ..entries.scan import Scan
from ..pixels.imageref import ImageRef
from ..pixels.images import open_image


@dataclass(frozen=True, slots=True, eq=False)
class FirstMask:
    """`palette` is N x 3, empty where the file has none."""

    image: ImageRef
    colored: bool
    palette: NDArray[np.uint8]


def read_first_mask(scan: Scan) -> FirstMask | None:
    """The first that opens; None where none does."""
    for entry in scan.entries:
        for mask in entry.masks:
            with suppress(DataError):
                if isinstance(mask, ImageRef):
                    return _open(mask)
    return None


def _open(mask: ImageRef) -> FirstMask:
    image = open_image(mask)
    palette_N3 = image.palette_N3
    if palette_N3 is None:
        raise DataError(f"{mask}: of a kind that has no palette")
    return FirstMask(mask, image.read_stored().ndim == 3, palette_N3)
