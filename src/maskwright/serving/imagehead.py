"""Kind and size of an image file from its first bytes, before anything decodes it.

PNG (W3C PNG 3, 11.2.1), JPEG (ITU-T T.81, B.2.2), TIFF 6.0 (section 2) and WebP (RFC 9649).
Plain Python, so that no decoder sees bytes of a client in the process that serves all.
"""

import struct
from typing import NamedTuple

from ..core.errors import DataError

_PNG = b"\x89PNG\r\n\x1a\n"
_WIDTH, _HEIGHT = 256, 257
_WHOLE = {1: "B", 3: "H", 4: "I", 16: "Q"}
"""Types of TIFF entries that are unsigned whole numbers."""

_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_MOST_ENTRIES = 4096


class ImageHead(NamedTuple):
    """The ending of a file of this kind, and rows and columns as stored."""

    suffix: str
    size_HW: tuple[int, int]

    @property
    def num_px(self) -> int:
        """Rows times columns."""
        return self.size_HW[0] * self.size_HW[1]


def read_head(content: bytes, *, where: str) -> ImageHead:
    """Find out what a client has sent.

    Raises:
        DataError: Another kind of file, or a head without a size.
    """
    try:
        if content.startswith(_PNG):
            width, height = struct.unpack(">II", content[16:24])
            head = ImageHead(".png", (height, width))
        elif content.startswith(b"\xff\xd8\xff"):
            head = ImageHead(".jpg", _read_jpeg(content))
        elif content[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            head = ImageHead(".tif", _read_tiff(content))
        elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            head = ImageHead(".webp", _read_webp(content))
        else:
            start = content[:8].hex(" ") or "nothing"
            raise DataError(
                f"{where}: expected a PNG, JPEG, TIFF or WebP file, it begins with {start}"
            )
    except (struct.error, IndexError, KeyError, ValueError, OverflowError) as error:
        raise DataError(
            f"{where}: the file is cut off before its size; send it whole"
        ) from error
    if 0 in head.size_HW:
        raise DataError(f"{where}: has no pixels, its size is {head.size_HW} (H, W)")
    return head


def _read_jpeg(content: bytes) -> tuple[int, int]:
    """Walk over the segments to the frame header."""
    at = 2
    for _ in range(_MOST_ENTRIES):
        at = content.index(b"\xff", at)  # decoders too skip what lies between segments
        marker = content[at + 1]
        if marker in _SOF:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return height, width
        at += 1 if marker == 0xFF else 2
        if marker not in _ALONE:
            at += max(2, struct.unpack_from(">H", content, at)[0])
    raise KeyError(_SOF)


def _read_tiff(content: bytes) -> tuple[int, int]:
    """Read the first directory."""
    order = "<" if content[:2] == b"II" else ">"
    big = content[2:4] in (b"+\0", b"\0+")
    (at,) = struct.unpack_from(order + ("Q" if big else "I"), content, 8 if big else 4)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), content, at)
    at += 8 if big else 2
    found: dict[int, int] = {}
    for _ in range(min(count, _MOST_ENTRIES)):
        tag, kind = struct.unpack_from(order + "HH", content, at)
        if tag in (_WIDTH, _HEIGHT) and kind in _WHOLE:
            value_at = at + (12 if big else 8)
            (found[tag],) = struct.unpack_from(order + _WHOLE[kind], content, value_at)
        at += 20 if big else 12
    return found[_HEIGHT], found[_WIDTH]


def _read_webp(content: bytes) -> tuple[int, int]:
    """Read the first chunk: lossy, lossless or extended."""
    kind = content[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return height & 0x3FFF, width & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if kind == b"VP8X":
        width, height = (int.from_bytes(content[i : i + 3], "little") for i in (24, 27))
        if len(content) < 30:
            raise IndexError(kind)
        return height + 1, width + 1
    raise KeyError(kind)
