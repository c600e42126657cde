"""TIFF 6.0, BigTIFF and ImageJ: by Pillow where it loses nothing, else by tifffile."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ....core.image import Image
from ..faults import explain_faults
from ..imagefile import ImageFile, ImageKind, Window, to_image
from ..imageref import ImageRef
from ..pillow import decode_colors, decode_photograph, decode_stored
from ..tiff import (
    count_tiff_pages,
    find_tiff_kind,
    read_nodata,
    read_tiff,
    read_tiff_window,
    tiff_size,
)

PRIORITY = 10
SUFFIXES = PAGED_SUFFIXES = (".tif", ".tiff")

_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def takes(start: bytes) -> bool:
    """Take what begins as TIFF does, whatever its name."""
    return start[:4] in _STARTS


def open_file(ref: ImageRef) -> ImageFile:
    """Open lazily: nothing is read before it is asked for."""
    return _TiffImage(ref)


@dataclass(frozen=True, slots=True)
class _TiffImage(ImageFile):
    """`orientation` is 1: both libraries turn the pixels themselves."""

    ref: ImageRef

    @property
    def size_HW(self) -> tuple[int, int]:
        with explain_faults(self.ref):
            return tiff_size(self.ref)

    @property
    def num_pages(self) -> int:
        with explain_faults(self.ref):
            return count_tiff_pages(self.ref.file)

    @property
    def kind(self) -> ImageKind:
        with explain_faults(self.ref):
            return find_tiff_kind(self.ref)

    @property
    def nodata(self) -> float | None:
        with explain_faults(self.ref):
            return read_nodata(self.ref.file)

    def read(self, window: Window | None = None) -> Image:
        with explain_faults(self.ref):
            if window is not None and (part := read_tiff_window(self.ref, window)) is not None:
                return to_image(part, self.ref)
            pixels = read_tiff(self.ref, decode_photograph)
        return to_image(pixels, self.ref, window)

    def read_stored(self) -> NDArray[Any]:
        with explain_faults(self.ref):
            return read_tiff(self.ref, decode_stored)

    def read_colors(self) -> NDArray[Any]:
        with explain_faults(self.ref):
            return read_tiff(self.ref, decode_colors)
