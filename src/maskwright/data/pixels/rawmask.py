"""Raw values from mask files: what is stored, never what is shown.

A palette PNG gives its indices, not its colours; a PNG of 1, 2 or 4 bits gives the stored
numbers, not the greys they are spread to; a colour mask gives packed 0xRRGGBB. EXIF
orientation is applied as for photographs.
"""

from pathlib import PurePath
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from ...core.codec import pack_rgb
from ...core.errors import DataError
from .imageref import ImageRef, to_ref
from .images import is_whole_png, raw_mode, read_pixels

Pixels = Literal["index", "rgb"]

_GREY_STEP = {"L;2": 85, "L;4": 17}
"""Pillow spreads 2 and 4-bit greys over 0..255 by this factor."""


def read_raw(mask: ImageRef | PurePath, pixels: Pixels) -> NDArray[np.integer]:
    """H x W raw values: stored integers, or packed colours where `pixels` is "rgb".

    Raises:
        DataError: Unreadable, of the other kind, or partly transparent.
    """
    ref = to_ref(mask)
    found, raw_HW = read_raw_as_stored(ref) if pixels == "index" else _read_colors(ref)
    if found != pixels:
        has = "one channel" if found == "index" else "colours"
        raise DataError(
            f"{ref}: the mask has {has}, the data set says 'pixels: {pixels}'; "
            f"save all masks alike or write codec: {{pixels: {found}}} in dataset.yaml"
        )
    return raw_HW


def read_raw_as_stored(mask: ImageRef | PurePath) -> tuple[Pixels, NDArray[np.integer]]:
    """What kind of mask a file holds, and its raw values."""
    ref = to_ref(mask)
    return _raw(ref, read_pixels(ref, _stored))


def is_lossy(image: ImageRef | PurePath) -> bool:
    """Whether the compression changes pixel values: JPEG, or WebP that is not lossless."""
    with to_ref(image).file.open("rb") as file:
        start = file.read(64)
    return start.startswith(b"\xff\xd8\xff") or (
        start[8:12] == b"WEBP" and b"VP8L" not in start
    )


def _read_colors(ref: ImageRef) -> tuple[Pixels, NDArray[np.integer]]:
    return _raw(ref, read_pixels(ref, _colored))


def _stored(image: Image.Image) -> NDArray[Any]:
    if image.mode in ("LA", "PA"):
        return np.array(image.convert("RGBA"))
    if raw_mode(image) == "L" and (quick_HW := _quick(image)) is not None:
        return quick_HW
    step = _GREY_STEP.get(raw_mode(image), 1)
    return np.array(image) // step if step > 1 else np.array(image)


def _quick(image: Image.Image) -> NDArray[np.uint8] | None:
    """The pixels of an 8-bit grey PNG by OpenCV, in three quarters of Pillow's time.

    None for other files, and for damaged ones, which Pillow then names the fault of: OpenCV
    checks every CRC and gives nothing where one is wrong or the file ends too soon.
    """
    if not isinstance(image, PngImageFile) or "transparency" in image.info:
        return None
    content = np.fromfile(image.filename, np.uint8)
    if not is_whole_png(content):
        return None
    found: Any = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    sound = found is not None and found.dtype == np.uint8 and found.shape == image.size[::-1]
    return found if sound else None


def _colored(image: Image.Image) -> NDArray[Any]:
    return np.array(image.convert("RGB")) if image.mode == "P" else _stored(image)


def _raw(ref: ImageRef, stored: NDArray[Any]) -> tuple[Pixels, NDArray[np.integer]]:
    if stored.ndim == 2:
        if not np.issubdtype(stored.dtype, np.integer) and stored.dtype != np.bool_:
            raise DataError(f"{ref}: mask values are {stored.dtype}; save them as integers")
        return "index", stored.astype(np.uint8) if stored.dtype == np.bool_ else stored
    if stored.shape[2] not in (3, 4) or stored.dtype != np.uint8:
        raise DataError(
            f"{ref}: a mask of {stored.shape[2]} channels of {stored.dtype}; "
            f"expected one channel, or 8-bit RGB"
        )
    if stored.shape[2] == 4 and (clear := int((stored[..., 3] < 255).sum())):
        raise DataError(
            f"{ref}: {clear} px of the mask are transparent, so their class is unclear; "
            f"save the mask without an alpha channel"
        )
    return "rgb", pack_rgb(stored[..., :3])
