"""PNG with 16-bit colours by OpenCV: Pillow would keep 8 of the 16 bits."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ....core.image import PixelData
from ..faults import damage, explain_faults
from ..imagefile import ImageFile, ImageKind, Window, to_image
from ..imageref import ImageRef
from ..orientation import turn_upright
from ..pillow import PillowHeader
from ..png import SIGNATURE, require_sound_png
from ..validity import cut_last_alpha

PRIORITY = 10
SUFFIXES = (".png",)

_START_BYTES = 64
_DEPTH_AND_TYPE = slice(24, 26)
"""Bits per sample and colour type in the header chunk; PNG specification, 11.2.2."""


def takes(start: bytes) -> bool:
    """Take PNG files of 16 bits per sample in RGB (type 2) or RGBA (type 6)."""
    return start.startswith(SIGNATURE) and start[_DEPTH_AND_TYPE] in (b"\x10\x02", b"\x10\x06")


def open_file(ref: ImageRef) -> ImageFile:
    """Open lazily: nothing is read before it is asked for."""
    return _WidePng(ref)


@dataclass(frozen=True, slots=True)
class _WidePng(PillowHeader):
    @property
    def kind(self) -> ImageKind:
        return ImageKind(3, "uint16")

    @property
    def may_lack_data(self) -> bool:
        with explain_faults(self.ref), self.ref.file.open("rb") as file:
            return file.read(_START_BYTES)[_DEPTH_AND_TYPE] == b"\x10\x06"

    def read_data(self, window: Window | None = None) -> PixelData:
        return cut_last_alpha(to_image(self.read_stored(), self.ref, window))

    def read_stored(self) -> NDArray[Any]:
        orientation = self.orientation  # Pillow refuses what is too large before OpenCV decodes
        with explain_faults(self.ref):
            return turn_upright(self._decode(), orientation)

    def _decode(self) -> NDArray[np.uint16]:
        sound = require_sound_png(self.ref)
        if sound.stored is None:
            content = np.fromfile(self.ref.file, np.uint8, count=sound.num_bytes)
        else:
            content = np.frombuffer(sound.stored, np.uint8)
        pixels: Any = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
        if pixels is None or pixels.dtype != np.uint16:
            raise damage(self.ref, "its pixels cannot be unpacked")
        blue_HW = pixels[..., 0].copy()  # in place: a second picture of 16 bits is large
        pixels[..., 0] = pixels[..., 2]
        pixels[..., 2] = blue_HW
        return np.asarray(pixels, np.uint16)
