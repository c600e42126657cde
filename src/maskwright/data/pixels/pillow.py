"""Pillow: its headers, and how its images are decoded, as photographs or as masks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile as PillowFile
from PIL.PngImagePlugin import PngImageFile

from .faults import explain_faults, no_warnings
from .imagefile import ImageFile
from .imageref import ImageRef
from .orientation import ORIENTATION, TURNS, upright_size

Decode = Callable[[Image.Image], NDArray[Any]]

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
_GREY_STEP = {"L;2": 85, "L;4": 17}
"""Pillow spreads 2 and 4-bit greys over 0..255 by this factor."""


@contextmanager
def open_pillow(file: Path) -> Iterator[Image.Image]:
    """Open a file in one of the formats that are read here."""
    with no_warnings, Image.open(file, formats=_FORMATS) as image:
        yield image


@dataclass(frozen=True, slots=True)
class PillowHeader(ImageFile, Protocol):
    """The part of an ImageFile that Pillow reads without decoding pixels."""

    ref: ImageRef

    @property
    def size_HW(self) -> tuple[int, int]:
        """Rows and columns, oriented by EXIF."""
        with explain_faults(self.ref), open_pillow(self.ref.file) as image:
            return upright_size(image.height, image.width, exif_orientation(image))

    @property
    def orientation(self) -> int:
        """EXIF orientation, 1 to 8."""
        with explain_faults(self.ref), open_pillow(self.ref.file) as image:
            return exif_orientation(image)


def exif_orientation(image: Image.Image) -> int:
    """1..8. TIFF is turned by Pillow itself; PNG keeps EXIF before its pixels or not at all."""
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1
    value = image.getexif().get(ORIENTATION, 1)
    return value if value in TURNS else 1


def decode_photograph(image: Image.Image) -> NDArray[Any]:
    """Pixels as shown: palettes and other colour spaces as RGB, transparency as RGBA."""
    if image.format == "GIF":
        return _decode_gif(image)
    if image.mode in ("L", "RGB", "RGBA", "I", "F") or image.mode.startswith("I;16"):
        return np.array(image)
    if image.mode == "1":
        return np.array(image.convert("L"))
    transparent = image.mode in ("LA", "La", "PA", "RGBa") or "transparency" in image.info
    return np.array(image.convert("RGBA" if transparent else "RGB"))


def decode_stored(image: Image.Image) -> NDArray[Any]:
    """Values as stored: palette indices, and greys of 2 and 4 bits before they are spread.

    A GIF gives its colours, as one channel where all are grey: writers order its palette as
    they like, so an index says nothing.
    """
    if image.format == "GIF":
        colors = _decode_gif(image)
        grey = (colors[..., :1] == colors).all() and colors.shape[2] == 3
        return colors[..., 0] if grey else colors
    if image.mode in ("LA", "PA"):
        return np.array(image.convert("RGBA"))
    mode = _raw_mode(image)
    if mode == "L" and (grey_HW := _decode_grey_png(image)) is not None:
        return grey_HW
    step = _GREY_STEP.get(mode, 1)
    return np.array(image) // step if step > 1 else np.array(image)


def decode_colors(image: Image.Image) -> NDArray[Any]:
    """As `decode_stored`, but the colours of palette indices."""
    if image.mode == "P" or image.format == "GIF":
        return np.array(image.convert("RGB"))
    return decode_stored(image)


def _decode_gif(image: Image.Image) -> NDArray[np.uint8]:
    """The first frame, (H, W, 3), or (H, W, 4) where a pixel of it is transparent."""
    rgba_HW4 = np.array(image.convert("RGBA"))
    return rgba_HW4 if (rgba_HW4[..., 3] < 255).any() else rgba_HW4[..., :3].copy()


def is_whole_png(content: NDArray[np.uint8]) -> bool:
    """Whether every chunk that a PNG declares lies inside the file.

    OpenCV allocates as much memory as a chunk declares, 4 GiB at most, before it checks.
    """
    offset, kind = 8, b""
    while offset < len(content) and kind != b"IEND":
        head = content[offset : offset + 8].tobytes()
        offset, kind = offset + 12 + int.from_bytes(head[:4], "big"), head[4:]
    return offset <= len(content)


def _raw_mode(image: Image.Image) -> str:
    """How the opened file stores a pixel, in Pillow's words: "L;2", "RGB;16B"..."""
    tiles = image.tile if isinstance(image, PillowFile) else []
    arguments = tiles[0].args if tiles else ""
    return arguments if isinstance(arguments, str) else str((arguments or ("",))[0])


def _decode_grey_png(image: Image.Image) -> NDArray[np.uint8] | None:
    """The pixels of an 8-bit grey PNG by OpenCV, in three quarters of Pillow's time.

    None for other files, and for damaged ones, whose fault Pillow then names: OpenCV checks
    every CRC and returns nothing where one is wrong or the file ends too soon.
    """
    if not isinstance(image, PngImageFile) or "transparency" in image.info:
        return None
    content = np.fromfile(image.filename, np.uint8)
    if not is_whole_png(content):
        return None
    grey_HW: Any = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    sound = grey_HW is not None and grey_HW.dtype == np.uint8
    return grey_HW if sound and grey_HW.shape == image.size[::-1] else None
