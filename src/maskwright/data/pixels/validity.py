"""Which pixels of an image hold data: by a nodata value, by alpha, by a mask, and by NaN."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.image import Image, PixelData, ValidMap

_MEASURABLE = (0, 65_535)
"""Nodata in this range is also a value of images of 8 and 16 bits."""


def mark_valid(
    image_HWC: Image, *, nodata: float | None = None, mask_HW: NDArray[Any] | None = None
) -> PixelData:
    """The image with the map of its valid pixels; None where all are.

    A pixel without data has `nodata` in all channels, or in any where no measurement can have
    that value (NaN, -9999); a value that is not finite in any channel; or 0 in `mask_HW`, which
    is a mask or alpha.
    """
    valid_HW = np.ones(image_HWC.shape[:2], np.bool_)
    if nodata is not None and not np.isnan(nodata):
        empty_HWC = image_HWC == np.asarray(nodata).astype(np.float32)
        shared = _MEASURABLE[0] <= nodata <= _MEASURABLE[1]
        valid_HW &= ~(empty_HWC.all(axis=2) if shared else empty_HWC.any(axis=2))
    if image_HWC.dtype == np.float32:
        valid_HW &= np.isfinite(image_HWC).all(axis=2)
    if mask_HW is not None:
        valid_HW &= mask_HW != 0
    return PixelData(image_HWC, None if valid_HW.all() else valid_HW)


def fill_nodata(image_HWC: Image, valid_HW: ValidMap | None) -> tuple[Image, float | None]:
    """The image with one value in all pixels without data, and the value; None without any.

    It is NaN in floats, else a value that no valid pixel has in all channels: 0 or the largest.
    """
    if valid_HW is None:
        return image_HWC, None
    filled: Any = image_HWC.copy()
    value: Any = np.nan
    if image_HWC.dtype != np.float32:
        largest = 255 if image_HWC.dtype == np.uint8 else 65_535
        shown_PC = image_HWC[valid_HW]
        value = next((v for v in (0, largest) if not (shown_PC == v).all(axis=1).any()), 0)
    filled[~valid_HW] = value
    return filled, float(value)


def cut_alpha(image_HWC: Image, alpha: int | None) -> tuple[Image, NDArray[Any] | None]:
    """The image without the channel `alpha`, and that channel, H x W; None without one."""
    if alpha is None:
        return image_HWC, None
    image: Any = np.delete(image_HWC, alpha, axis=2)
    return image, image_HWC[..., alpha]


def cut_last_alpha(image_HWC: Image) -> PixelData:
    """A picture of 2 or 4 channels without its last one, alpha; another one as it is."""
    if image_HWC.shape[2] not in (2, 4):
        return PixelData(image_HWC)
    shown_HWC, alpha_HW = cut_alpha(image_HWC, image_HWC.shape[2] - 1)
    return mark_valid(shown_HWC, mask_HW=alpha_HW)


def join_valid(maps: list[ValidMap | None]) -> ValidMap | None:
    """The pixels that are valid in all maps; None where all maps are None."""
    known = [valid_HW for valid_HW in maps if valid_HW is not None]
    return np.logical_and.reduce(known) if known else None
