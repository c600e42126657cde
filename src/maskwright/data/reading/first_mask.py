"""Read the first mask of a dataset, which shows whether masks store colours or indices."""

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
    """`colored` masks have three channels; `palette` is N x 3, empty if the file has none."""

    image: ImageRef
    colored: bool
    palette: NDArray[np.uint8]


def read_first_mask(scan: Scan) -> FirstMask | None:
    """Read the first mask that opens; None if none does."""
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
        raise DataError(f"{mask}: this kind of file has no palette; save masks as PNG")
    return FirstMask(mask, image.read_stored().ndim == 3, palette_N3)
