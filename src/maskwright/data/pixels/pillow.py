"""Pillow: its headers, and how its images are decoded, as photographs or as masks."""

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile as PillowFile
from PIL.PngImagePlugin import PngImageFile

from .faults import damage, explain_faults, no_warnings
from .imagefile import ImageFile, ImageKind
from .imageref import ImageRef
from .jpeg import SIGNATURE as JPEG_SIGNATURE
from .jpeg import prepare_jpeg
from .orientation import ORIENTATION, TURNS, upright_size
from .png import SIGNATURE, require_sound_png

Decode = Callable[[Image.Image], NDArray[Any]]

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
_BAND_PX = 1 << 20
_LARGE_JPEG = 64 << 20
_MAX_JPEG_BYTES_PER_PIXEL = 8
_GREY_STEP = {"L;2": 85, "L;4": 17}
"""Pillow spreads 2 and 4-bit greys over 0..255 by this factor."""


_PNG_SHAPES: dict[str, tuple[int, ...]] = {"L": (), "RGB": (3,), "RGBA": (4,)}
"""The channels of pictures of 8 bits, by Pillow's mode."""

_TO_RGB = {"RGB": cv2.COLOR_BGR2RGB, "RGBA": cv2.COLOR_BGRA2RGBA}

_KINDS = {
    "1": ImageKind(1, "uint8"),
    "L": ImageKind(1, "uint8"),
    "RGB": ImageKind(3, "uint8"),
    "RGBA": ImageKind(3, "uint8"),
    "I": ImageKind(1, "float32"),
    "F": ImageKind(1, "float32"),
}
"""Kinds by the mode of Pillow, of the modes that `decode_photograph` does not convert."""


@contextmanager
def open_pillow(file: Path | BinaryIO) -> Iterator[Image.Image]:
    """Open a file in one of the formats that are read here."""
    with no_warnings, Image.open(file, formats=_FORMATS) as image:
        if image.format == "PNG" and image.mode == "P" and image.palette is None:
            raise ValueError("it stores palette indices and has no palette (PLTE)")
        yield image


@contextmanager
def open_pixels(ref: ImageRef) -> Iterator[Image.Image]:
    """Open a file as `open_pillow` does, after a check that it can hold its pixels.

    Raises:
        DataError: The file is damaged, or larger than its picture can be.
    """
    with ref.file.open("rb") as file:
        start = file.read(len(SIGNATURE))
    if start.startswith(JPEG_SIGNATURE):
        prepared = prepare_jpeg(_read_jpeg(ref.file), ref)
        with open_pillow(io.BytesIO(prepared.content)) as image:
            if prepared.padded is not None:
                _require_same_pixels(image, prepared.padded, ref)
            yield image
        return
    stored = require_sound_png(ref).stored if start == SIGNATURE else None
    with open_pillow(ref.file if stored is None else io.BytesIO(stored)) as image:
        yield image


def _require_same_pixels(image: Image.Image, padded: bytes, ref: ImageRef) -> None:
    if _hash_pixels(io.BytesIO(padded)) != _hash_bands(image):
        raise damage(ref, "a scan ends before its last pixel")


def _hash_pixels(file: BinaryIO) -> bytes:
    with open_pillow(file) as image:
        return _hash_bands(image)


def _hash_bands(image: Image.Image) -> bytes:
    digest = hashlib.blake2b()
    for band in _split_bands(image):
        digest.update(np.ascontiguousarray(band).data)
    return digest.digest()


def _split_bands(image: Image.Image) -> Iterator[NDArray[Any]]:
    """The pixels, some rows at a time; Pillow copies a whole image three times."""
    rows = max(1, _BAND_PX // image.width)
    for top in range(0, image.height, rows):
        yield np.asarray(image.crop((0, top, image.width, min(top + rows, image.height))))


def _to_array(image: Image.Image) -> NDArray[Any]:
    """The pixels in an array of their own, (H, W) or (H, W, C)."""
    if image.width * image.height <= _BAND_PX:
        return np.array(image)
    bands = _split_bands(image)
    first = next(bands)
    pixels = np.empty((image.height, *first.shape[1:]), first.dtype)
    pixels[: len(first)], top = first, len(first)
    for band in bands:
        pixels[top : top + len(band)] = band
        top += len(band)
    return pixels


def _read_jpeg(file: Path) -> bytes:
    """Read a file, of a large one what its picture can need; more may follow its end marker."""
    most = file.stat().st_size
    if most > _LARGE_JPEG:
        with open_pillow(file) as image:
            most = _LARGE_JPEG + _MAX_JPEG_BYTES_PER_PIXEL * image.width * image.height
    with file.open("rb") as content:
        return content.read(most)


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


def find_kind(image: Image.Image) -> ImageKind:
    """The kind of image that `decode_photograph` gives, without its alpha."""
    if image.format == "GIF":
        return ImageKind(3, "uint8")
    if image.mode.startswith("I;16"):
        return ImageKind(1, "uint16")
    return _KINDS.get(image.mode, ImageKind(3, "uint8"))


def is_transparent(image: Image.Image) -> bool:
    """Whether `decode_photograph` gives alpha as the last of four channels; not of a GIF."""
    if image.mode in ("L", "RGB", "I", "F", "1") or image.mode.startswith("I;16"):
        return False
    modes = ("RGBA", "LA", "La", "PA", "RGBa")
    return image.mode in modes or "transparency" in image.info


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
    if (pixels := _decode_png(image)) is not None:
        return pixels
    if image.mode in ("L", "RGB", "RGBA", "I", "F") or image.mode.startswith("I;16"):
        return _to_array(image)
    if image.mode == "1":
        return _to_array(image.convert("L"))
    return _to_array(image.convert("RGBA" if is_transparent(image) else "RGB"))


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
        return _to_array(image.convert("RGBA"))
    mode = _raw_mode(image)
    if (pixels := _decode_png(image)) is not None:
        return pixels
    step = _GREY_STEP.get(mode, 1)
    return _to_array(image) // step if step > 1 else _to_array(image)


def decode_colors(image: Image.Image) -> NDArray[Any]:
    """As `decode_stored`, but the colours of palette indices."""
    if image.mode == "P" or image.format == "GIF":
        return _to_array(image.convert("RGB"))
    return decode_stored(image)


def _decode_gif(image: Image.Image) -> NDArray[np.uint8]:
    """The first frame, (H, W, 3), or (H, W, 4) where a pixel of it is transparent."""
    rgba_HW4 = _to_array(image.convert("RGBA"))
    return rgba_HW4 if (rgba_HW4[..., 3] < 255).any() else rgba_HW4[..., :3].copy()


def _raw_mode(image: Image.Image) -> str:
    """How the opened file stores a pixel, in Pillow's words: "L;2", "RGB;16B"..."""
    tiles = image.tile if isinstance(image, PillowFile) else []
    arguments = tiles[0].args if tiles else ""
    return arguments if isinstance(arguments, str) else str((arguments or ("",))[0])


def _decode_png(image: Image.Image) -> NDArray[np.uint8] | None:
    """The pixels of a PNG of 8 bits, grey or in colours, by OpenCV: in half of Pillow's time.

    None for other files, and for damaged ones, whose fault Pillow then names: OpenCV checks
    every CRC and returns nothing where one is wrong or the file ends too soon.
    """
    if (
        not isinstance(image, PngImageFile)
        or image.is_animated
        or "transparency" in image.info
        or _raw_mode(image) not in _PNG_SHAPES
    ):
        return None
    if isinstance(image.fp, io.BytesIO):
        content = np.frombuffer(image.fp.getbuffer(), np.uint8)
    else:
        content = np.fromfile(image.filename, np.uint8)
    pixels: Any = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    shape = image.size[::-1] + _PNG_SHAPES[image.mode]
    if pixels is None or pixels.dtype != np.uint8 or pixels.shape != shape:
        return None
    if code := _TO_RGB.get(image.mode):
        cv2.cvtColor(pixels, code, dst=pixels)
    return np.asarray(pixels, np.uint8)
