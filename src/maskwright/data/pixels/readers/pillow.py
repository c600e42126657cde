"""BMP, GIF (its first frame), JPEG, PNG and WebP by Pillow.

It also names what is wrong with any other file.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.image import Image
from ..faults import explain_faults
from ..imagefile import ImageFile, ImageKind, Window, read_kind, to_image
from ..imageref import ImageRef
from ..orientation import turn_upright
from ..pillow import (
    Decode,
    PillowHeader,
    decode_colors,
    decode_photograph,
    decode_stored,
    exif_orientation,
    find_kind,
    open_pillow,
    open_pixels,
)

PRIORITY = 0
SUFFIXES = (".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".webp")


def open_file(ref: ImageRef) -> ImageFile:
    """Open lazily: nothing is read before it is asked for."""
    return _PillowImage(ref)


@dataclass(frozen=True, slots=True)
class _PillowImage(PillowHeader):
    @property
    def palette_N3(self) -> NDArray[np.uint8] | None:
        with explain_faults(self.ref), open_pillow(self.ref.file) as image:
            colors = (image.getpalette("RGB") or []) if image.mode == "P" else []
        return np.array(colors, np.uint8).reshape(-1, 3)  # (3N,) -> (N, 3)

    @property
    def kind(self) -> ImageKind:
        with explain_faults(self.ref), open_pillow(self.ref.file) as image:
            found = find_kind(image)
        return read_kind(self) if found is None else found

    def read(self, window: Window | None = None) -> Image:
        return to_image(self._decode(decode_photograph), self.ref, window)

    def read_stored(self) -> NDArray[Any]:
        return self._decode(decode_stored)

    def read_colors(self) -> NDArray[Any]:
        return self._decode(decode_colors)

    def _decode(self, decode: Decode) -> NDArray[Any]:
        with explain_faults(self.ref), open_pixels(self.ref) as image:
            return turn_upright(decode(image), exif_orientation(image))
