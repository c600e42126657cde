"""Raw values from mask files: what is stored, never what is shown.

A palette PNG gives its indices, not its colours; a PNG of 1, 2 or 4 bits gives the stored
numbers, not the greys they are spread to; a colour mask gives packed 0xRRGGBB. EXIF
orientation is applied as for photographs.
"""

from pathlib import PurePath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...core.codec import pack_rgb
from ...core.errors import DataError
from .imageref import ImageRef
from .images import open_image, to_ref

Pixels = Literal["index", "rgb"]


def read_raw(mask: ImageRef | PurePath, pixels: Pixels) -> NDArray[np.integer]:
    """H x W raw values: stored integers, or packed colours where `pixels` is "rgb".

    Raises:
        DataError: Unreadable, of the other kind, or partly transparent.
    """
    ref = to_ref(mask)
    file = open_image(ref)
    kind, raw_HW = _to_raw(ref, file.read_colors() if pixels == "rgb" else file.read_stored())
    if kind != pixels:
        has = "one channel" if kind == "index" else "colours"
        raise DataError(
            f"{ref}: the mask has {has}, the dataset says 'pixels: {pixels}'; "
            f"save all masks in one way or write codec: {{pixels: {kind}}} in dataset.yaml"
        )
    return raw_HW


def read_raw_as_stored(mask: ImageRef | PurePath) -> tuple[Pixels, NDArray[np.integer]]:
    """What kind of mask a file holds, and its raw values."""
    ref = to_ref(mask)
    return _to_raw(ref, open_image(ref).read_stored())


def is_lossy(image: ImageRef | PurePath) -> bool:
    """Whether the compression changes pixel values: JPEG, or WebP that is not lossless."""
    with to_ref(image).file.open("rb") as file:
        start = file.read(64)
    return start.startswith(b"\xff\xd8\xff") or (
        start[8:12] == b"WEBP" and b"VP8L" not in start
    )


def _to_raw(ref: ImageRef, stored: NDArray[Any]) -> tuple[Pixels, NDArray[np.integer]]:
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
