"""TIFF 6.0, BigTIFF and ImageJ: by Pillow where it loses nothing, else by tifffile."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.image import PixelData
from ..faults import explain_faults
from ..imagefile import ImageFile, ImageKind, Window, to_image
from ..imageref import ImageRef
from ..pillow import decode_colors, decode_photograph, decode_stored
from ..pyramid import TiffLevel, list_tiff_levels, read_tiff_spacing
from ..tiff import (
    count_tiff_pages,
    find_bands,
    find_tiff_kind,
    find_validity,
    read_mask,
    read_tiff,
    tiff_size,
)
from ..tiff_window import read_tiff_window
from ..validity import cut_alpha, mark_valid

PRIORITY = 10
SUFFIXES = PAGED_SUFFIXES = (".tif", ".tiff")

_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def takes(start: bytes) -> bool:
    """Take what begins as TIFF does, whatever its name."""
    return start[:4] in _STARTS


def open_file(ref: ImageRef) -> ImageFile:
    """Open lazily: nothing is read before it is asked for."""
    return TiffLevel(ref) if ref.level else _TiffImage(ref)


@dataclass(frozen=True, slots=True)
class _TiffImage(ImageFile):
    """`orientation` is 1: both libraries turn the pixels themselves."""

    ref: ImageRef

    @property
    def size_HW(self) -> tuple[int, int]:
        with explain_faults(self.ref):
            return tiff_size(self.ref)

    @property
    def level_sizes(self) -> tuple[tuple[int, int], ...]:
        return list_tiff_levels(self.ref) if self.ref.page is None else (self.size_HW,)

    @property
    def spacing_mm_HW(self) -> tuple[float, float] | None:
        return read_tiff_spacing(self.ref) if len(self.level_sizes) > 1 else None

    @property
    def num_pages(self) -> int:
        with explain_faults(self.ref):
            return count_tiff_pages(self.ref.file)

    @property
    def kind(self) -> ImageKind:
        with explain_faults(self.ref):
            return find_tiff_kind(self.ref)

    @property
    def bands(self) -> tuple[str, ...]:
        with explain_faults(self.ref):
            return find_bands(self.ref)

    @property
    def nodata(self) -> float | None:
        with explain_faults(self.ref):
            return find_validity(self.ref).nodata

    @property
    def may_lack_data(self) -> bool:
        with explain_faults(self.ref):
            return find_validity(self.ref).may_lack_data

    @property
    def reads_windows(self) -> bool:
        with explain_faults(self.ref):
            return read_tiff_window(self.ref, np.s_[:1, :1]) is not None

    def read_data(self, window: Window | None = None) -> PixelData:
        with explain_faults(self.ref):
            validity = find_validity(self.ref)
            stored, rest = self._decode(window)
            whole_HWC = to_image(stored, self.ref, rest)
            image_HWC, alpha_HW = cut_alpha(whole_HWC, validity.alpha)
            mask_HW = read_mask(self.ref, validity, window)
            if mask_HW is not None:
                mask_HW = mask_HW != 0
                mask_HW &= True if alpha_HW is None else alpha_HW != 0
            return mark_valid(
                image_HWC,
                nodata=validity.nodata,
                mask_HW=alpha_HW if mask_HW is None else mask_HW,
            )

    def _decode(self, window: Window | None) -> tuple[NDArray[Any], Window | None]:
        """The pixels of the file or of a window of it, and the window left to cut out."""
        part = None if window is None else read_tiff_window(self.ref, window)
        if part is not None:
            return part, None
        return read_tiff(self.ref, decode_photograph), window

    def read_stored(self) -> NDArray[Any]:
        with explain_faults(self.ref):
            return read_tiff(self.ref, decode_stored)

    def read_stored_window(self, window: Window) -> NDArray[Any]:
        with explain_faults(self.ref):
            part = read_tiff_window(self.ref, window, as_stored=True)
        return self.read_stored()[window].copy() if part is None else part

    @property
    def reads_stored_windows(self) -> bool:
        with explain_faults(self.ref):
            return read_tiff_window(self.ref, np.s_[:1, :1], as_stored=True) is not None

    def read_colors(self) -> NDArray[Any]:
        with explain_faults(self.ref):
            return read_tiff(self.ref, decode_colors)
