"""Read PNG masks inside annotation files; their size is checked before any pixel is read."""

import base64
import binascii
import io
import struct
import zlib

from PIL import Image, UnidentifiedImageError

from ...core.errors import DataError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SIZE = slice(16, 24)
"""Bytes of width and height: the first chunk of a PNG is always its header."""


def decode_mask_text(text: str, *, where: str) -> bytes:
    """Decode the base64 text of a mask.

    Raises:
        DataError: The text is not base64, or is truncated.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"{where}: its mask is not base64: {error}; export it again") from error


def inflate(content: bytes, most_bytes: int, *, where: str) -> bytes:
    """Decompress zlib data.

    Raises:
        DataError: The data are damaged, truncated, or unpack to more than `most_bytes`.
    """
    decompressor = zlib.decompressobj()
    try:
        unpacked = decompressor.decompress(content, most_bytes)
    except zlib.error as error:
        raise DataError(f"{where}: its mask is damaged: {error}; export it again") from error
    if decompressor.unconsumed_tail:
        raise DataError(
            f"{where}: its mask unpacks to more than {most_bytes:,} bytes, which is the most "
            f"that an image of this size needs; export it again"
        )
    if not decompressor.eof:
        raise DataError(f"{where}: its mask is truncated; export it again")
    return unpacked


def open_png(content: bytes, most_HW: tuple[int, int], *, where: str) -> Image.Image:
    """Decode a PNG image.

    Raises:
        DataError: The content is not a PNG, is damaged, or is higher or wider than `most_HW`.
    """
    if not content.startswith(_SIGNATURE) or len(content) < _SIZE.stop:
        raise DataError(f"{where}: its mask is not a PNG; export it again")
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
        raise DataError(
            f"{where}: its mask is a damaged PNG: {error}; export it again"
        ) from error
