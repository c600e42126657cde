"""PNG images inside of annotation files: unpacked with a bound, before a pixel is read."""

import base64
import binascii
import io
import struct
import zlib

from PIL import Image, UnidentifiedImageError

from ...core.errors import DataError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SIZE = slice(16, 24)
"""Width and height in a PNG: its first chunk is always the header."""


def decode_base64(text: str, *, where: str) -> bytes:
    """The bytes.

    Raises:
        DataError: It is no base64, or breaks off.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"{where}: its mask is no base64: {error}; export it again") from error


def inflate(content: bytes, most_bytes: int, *, where: str) -> bytes:
    """What zlib packed.

    Raises:
        DataError: Damaged, broken off, or larger than `most_bytes` when unpacked.
    """
    unpacking = zlib.decompressobj()
    try:
        unpacked = unpacking.decompress(content, most_bytes)
    except zlib.error as error:
        raise DataError(f"{where}: its mask is damaged: {error}; export it again") from error
    if unpacking.unconsumed_tail:
        raise DataError(
            f"{where}: its mask unpacks to more than {most_bytes:,} bytes, which no mask of an "
            f"image of this size needs; export it again"
        )
    if not unpacking.eof:
        raise DataError(f"{where}: its mask breaks off; export it again")
    return unpacked


def open_png(content: bytes, most_HW: tuple[int, int], *, where: str) -> Image.Image:
    """The image, loaded.

    Raises:
        DataError: No PNG, damaged, or higher or wider than `most_HW`.
    """
    if not content.startswith(_SIGNATURE) or len(content) < _SIZE.stop:
        raise DataError(f"{where}: its mask is no PNG; export it again")
    width, height = struct.unpack(">II", content[_SIZE])
    if height > most_HW[0] or width > most_HW[1]:
        raise DataError(
            f"{where}: its mask is {height} x {width} (H x W), the image has {most_HW[0]} x "
            f"{most_HW[1]}; export it again"
        )
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            image.load()
            return image
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, struct.error) as error:
        raise DataError(f"{where}: its mask is a damaged PNG: {error}") from error
