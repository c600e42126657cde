"""BMP, GIF (its first frame), JPEG, PNG and WebP by Pillow.

It also names what is wrong with any other file.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.image import PixelData
from ..faults import explain_faults
from ..imagefile import ImageFile, ImageKind, Window, to_image
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
    is_transparent,
    open_pillow,
    open_pixels,
)
from ..validity import cut_last_alpha

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
            return find_kind(image)

    @property
    def may_lack_data(self) -> bool:
        with explain_faults(self.ref), open_pillow(self.ref.file) as image:
            return image.format == "GIF" or is_transparent(image)

    def read_data(self, window: Window | None = None) -> PixelData:
        return cut_last_alpha(to_image(self._decode(decode_photograph), self.ref, window))

    def read_stored(self) -> NDArray[Any]:
        return self._decode(decode_stored)

    def read_colors(self) -> NDArray[Any]:
        return self._decode(decode_colors)

    def _decode(self, decode: Decode) -> NDArray[Any]:
        with explain_faults(self.ref), open_pixels(self.ref) as image:
            return turn_upright(decode(image), exif_orientation(image))
