"""HEIC and HEIF, the photographs of phones, by pillow-heif (the extra `heic`).

The decoder turns the picture upright itself, as ISO 23008-12 asks; of several pictures in a
file the primary one is read. More than 8 bits per channel become 8.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import MissingDependencyError
from ....core.image import PixelData
from ..faults import MAX_PIXELS, damage, explain_faults, too_large
from ..imagefile import ImageFile, ImageKind, Window, to_image
from ..imageref import ImageRef
from ..validity import cut_last_alpha

PRIORITY = 10
SUFFIXES = (".heic", ".heif")

_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")
_CHANNELS = {"L": 1, "RGB": 3, "RGBA": 3}


def takes(start: bytes) -> bool:
    """Take files whose first box names a brand of HEIF (ISO 23008-12, annex B)."""
    return start[4:8] == b"ftyp" and start[8:12] in _BRANDS


def open_file(ref: ImageRef) -> ImageFile:
    """Open lazily: nothing is read before it is asked for."""
    return _HeifImage(ref)


@dataclass(frozen=True, slots=True)
class _HeifImage(ImageFile):
    ref: ImageRef

    @property
    def size_HW(self) -> tuple[int, int]:
        width, height = self._open().size
        return int(height), int(width)

    @property
    def kind(self) -> ImageKind:
        return ImageKind(_CHANNELS[self._open().mode], "uint8")

    @property
    def may_lack_data(self) -> bool:
        return bool(self._open().mode == "RGBA")

    def read_data(self, window: Window | None = None) -> PixelData:
        return cut_last_alpha(to_image(self.read_stored(), self.ref, window))

    def read_stored(self) -> NDArray[Any]:
        opened = self._open()
        with explain_faults(self.ref):
            try:
                return np.array(opened, np.uint8)
            except RuntimeError as error:
                raise damage(self.ref, error) from error

    def _open(self) -> Any:
        try:
            from pillow_heif import open_heif
        except ImportError as error:
            raise MissingDependencyError("pillow-heif", "heic") from error
        with explain_faults(self.ref):
            try:
                opened: Any = open_heif(self.ref.file, convert_hdr_to_8bit=True)
            except RuntimeError as error:
                raise damage(self.ref, error) from error
            width, height = opened.size
            if width * height > MAX_PIXELS:
                raise too_large(self.ref, width * height)
            if opened.mode not in _CHANNELS:
                raise damage(self.ref, f"pixels of mode {opened.mode}")
            return opened
