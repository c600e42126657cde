"""Raw values from mask files: what is stored, never what is shown.

A palette PNG gives its indices, not its colours; a PNG of 1, 2 or 4 bits gives the stored
numbers, not the greys they are spread to; a colour mask gives packed 0xRRGGBB, and
`TRANSPARENT` where alpha is 0. Whole numbers that are stored as floats are integers. EXIF
orientation is applied as for photographs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...core.codec import TRANSPARENT, pack_rgb
from ...core.errors import DataError
from ...core.files import open_file
from .imagefile import ImageFile
from .imageref import ImageRef
from .images import MAX_FILE_BYTES, open_image, to_ref
from .strips import read_stored_strips

Pixels = Literal["index", "rgb"]
GREY = 0x010101
"""A packed grey is its value times this."""

NODATA = -(1 << 31)
"""Stands for a nodata value that no 32-bit integer can hold: NaN, or the lowest float."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredMask:
    """What one mask file stores: H x W raw values of one kind.

    `one_bit` masks store one bit per pixel. `nodata` is the raw value that the file itself
    declares to be without data.
    """

    pixels: Pixels
    raw_HW: NDArray[np.integer]
    one_bit: bool = False
    nodata: int | None = None


def read_raw(mask: ImageRef | PurePath, pixels: Pixels) -> NDArray[np.integer]:
    """H x W raw values: stored integers, or packed colours where `pixels` is "rgb".

    A colour mask in which every pixel is grey holds integers too.

    Raises:
        DataError: Unreadable, of the other kind, or partly transparent.
    """
    ref = to_ref(mask)
    return _require_kind(ref, _read(ref, by_color=pixels == "rgb"), pixels)


def _require_kind(ref: ImageRef, stored: StoredMask, pixels: Pixels) -> NDArray[np.integer]:
    """The raw values of a mask, or of rows of it, as `read_raw` gives them."""
    raw_HW = stored.raw_HW
    if stored.pixels == "rgb" and pixels == "index" and _is_grey(raw_HW):
        return (raw_HW // GREY).astype(np.uint8)
    if stored.pixels != pixels:
        has = "one channel" if stored.pixels == "index" else "colours"
        raise DataError(
            f"{ref}: the mask has {has}, the dataset says 'pixels: {pixels}'; save all masks "
            f"in one way or write codec: {{pixels: {stored.pixels}}} in dataset.yaml"
        )
    return raw_HW


def read_stored_mask(mask: ImageRef | PurePath, *, by_color: bool = False) -> StoredMask:
    """Read what a mask file stores; with `by_color`, a palette gives its colours.

    Raises:
        DataError: Unreadable, partly transparent, or not whole numbers.
    """
    return _read(to_ref(mask), by_color=by_color)


def read_raw_as_stored(mask: ImageRef | PurePath) -> tuple[Pixels, NDArray[np.integer]]:
    """What kind of mask a file holds, and its raw values."""
    stored = read_stored_mask(mask)
    return stored.pixels, stored.raw_HW


def find_pixels(mask: ImageRef | PurePath) -> Pixels:
    """What kind of mask a file holds; of a large one, a strip is read."""
    return next(read_mask_strips(to_ref(mask))).pixels


def is_lossy(image: ImageRef | PurePath) -> bool:
    """Whether the compression changes pixel values: JPEG, or WebP that is not lossless."""
    with open_file(to_ref(image).file, most_bytes=MAX_FILE_BYTES) as file:
        start = file.read(64)
    return start.startswith(b"\xff\xd8\xff") or (
        start[8:12] == b"WEBP" and b"VP8L" not in start
    )


def read_mask_strips(mask: ImageRef, *, by_color: bool = False) -> Iterator[StoredMask]:
    """Read a mask as `read_stored_mask` does, some rows at a time where it is large."""
    file = open_image(mask)
    for stored in read_stored_strips(file, by_color=by_color):
        yield _interpret(mask, file, stored)


def read_raw_strips(mask: ImageRef, pixels: Pixels) -> Iterator[NDArray[np.integer]]:
    """Read a mask as `read_raw` does, some rows at a time where it is large."""
    for stored in read_mask_strips(mask, by_color=pixels == "rgb"):
        yield _require_kind(mask, stored, pixels)


def _read(ref: ImageRef, *, by_color: bool) -> StoredMask:
    file = open_image(ref)
    return _interpret(ref, file, file.read_colors() if by_color else file.read_stored())


def _interpret(ref: ImageRef, file: ImageFile, stored: NDArray[Any]) -> StoredMask:
    if stored.ndim == 3:
        return StoredMask(pixels="rgb", raw_HW=_pack_colors(ref, stored))
    if stored.dtype == np.bool_:
        return StoredMask(pixels="index", raw_HW=stored.astype(np.uint8), one_bit=True)
    nodata = file.nodata
    if np.issubdtype(stored.dtype, np.integer):
        whole = None if nodata is None or not nodata.is_integer() else int(nodata)
        return StoredMask(pixels="index", raw_HW=stored, nodata=whole)
    return _round_floats(ref, stored, nodata)


def _round_floats(ref: ImageRef, stored_HW: NDArray[Any], nodata: float | None) -> StoredMask:
    """The whole numbers that a mask stores as floats, as GDAL and QGIS write them."""
    empty_HW = np.zeros(stored_HW.shape, np.bool_)
    if nodata is not None:
        empty_HW = np.isnan(stored_HW) if np.isnan(nodata) else stored_HW == nodata
    _require_whole(ref, stored_HW[~empty_HW])
    fits = nodata is not None and np.isfinite(nodata) and abs(nodata) < -NODATA
    value = int(nodata) if nodata is not None and fits else NODATA
    raw_HW = np.where(empty_HW, value, np.where(empty_HW, 0, stored_HW)).astype(np.int64)
    return StoredMask(pixels="index", raw_HW=raw_HW, nodata=None if nodata is None else value)


def _require_whole(ref: ImageRef, values_P: NDArray[Any]) -> None:
    """Require whole numbers of up to 31 bits.

    Raises:
        DataError: Naming how many values are NaN, and the first others with their counts.
    """
    empty = np.isnan(values_P)
    with np.errstate(invalid="ignore"):  # infinities
        broken = ~empty & ((values_P != np.round(values_P)) | (np.abs(values_P) > -NODATA))
    if not (empty.any() or broken.any()):
        return
    values, counts = np.unique(values_P[broken], return_counts=True)
    listed = [f"{v:g} ({n} px)" for v, n in zip(values[:4], counts[:4], strict=True)]
    listed += [f"{len(values) - 4} more"] * (len(values) > 4)
    listed += [f"NaN ({int(empty.sum())} px)"] * bool(empty.any())
    fix = "save the mask as integers"
    if broken.any():
        fix += ", resampled to the nearest value where it was resampled"
    if empty.any():
        fix += ", with the value of a class, or one that is ignored, in place of NaN"
    raise DataError(
        f"{ref}: {int(broken.sum() + empty.sum())} mask values of {values_P.dtype} are not "
        f"whole numbers: {', '.join(listed)}; {fix}"
    )


def _pack_colors(ref: ImageRef, stored_HWC: NDArray[Any]) -> NDArray[np.integer]:
    if stored_HWC.shape[2] not in (3, 4) or stored_HWC.dtype != np.uint8:
        raise DataError(
            f"{ref}: a mask of {stored_HWC.shape[2]} channels of {stored_HWC.dtype}; "
            f"expected one channel, or 8-bit RGB"
        )
    packed_HW = pack_rgb(stored_HWC[..., :3])
    if stored_HWC.shape[2] == 4:
        alpha_HW = stored_HWC[..., 3]
        if partial := int(((alpha_HW > 0) & (alpha_HW < 255)).sum()):
            raise DataError(
                f"{ref}: {partial} px of the mask are partly transparent, so their class is "
                f"unclear; save the mask hard-edged, or without an alpha channel"
            )
        packed_HW[alpha_HW == 0] = TRANSPARENT
    return packed_HW


def _is_grey(packed_HW: NDArray[np.integer]) -> bool:
    return not (packed_HW % GREY).any()
