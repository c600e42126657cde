"""Write a PNG file row by row, for pictures that are larger than the memory.

W3C PNG specification, third edition: one IDAT stream in chunks, palette or RGB of 8 bits. Each
addition of rows is deflated by itself (RFC 1951, a sync flush ends it), so that the bytes
depend on the additions alone, also where an interrupted file is continued.
"""

import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PALETTE, _RGB = 3, 2
_SUB = 1
"""The filter that stores differences from the pixel at the left."""

_ZLIB_HEADER = b"\x78\x9c"
_RAW_DEFLATE = -15


class Mark(NamedTuple):
    """How much of a file is written: its bytes, and the Adler-32 of the rows in it."""

    num_bytes: int
    checksum: int = 1


class PngRows:
    """A file to which the rows of a picture are added from top to bottom.

    With a palette, pixels are indices; without one, RGB. A file that was left at `mark` is
    continued there; what follows the mark is dropped.
    """

    def __init__(
        self,
        path: Path,
        size_HW: tuple[int, int],
        palette: NDArray[np.uint8] | None = None,
        *,
        mark: Mark | None = None,
    ) -> None:
        self._is_indexed = palette is not None
        self._file = path.open("wb" if mark is None else "rb+")
        if mark is not None:
            self._file.truncate(mark.num_bytes)
            self._file.seek(mark.num_bytes)
            self._checksum = mark.checksum
            return
        kind = _PALETTE if self._is_indexed else _RGB
        self._checksum = 1
        self._file.write(_SIGNATURE)
        self._add(b"IHDR", struct.pack(">IIBBBBB", size_HW[1], size_HW[0], 8, kind, 0, 0, 0))
        if palette is not None:
            self._add(b"PLTE", palette.tobytes())
        self._add(b"IDAT", _ZLIB_HEADER)

    def add_rows(self, rows: NDArray[np.uint8]) -> None:
        """Add rows: (n, W) of indices, or (n, W, 3) of RGB."""
        num = len(rows)
        filters_n1 = np.zeros((num, 1), np.uint8)
        if not self._is_indexed:
            filters_n1[:] = _SUB
            rows = np.concatenate([rows[:, :1], rows[:, 1:] - rows[:, :-1]], axis=1)
        # (n, W, 3) -> (n, 3 W), behind a byte for the filter of each row
        content = np.concatenate([filters_n1, rows.reshape(num, -1)], axis=1).tobytes()
        level = 6 if self._is_indexed else 1
        stream = zlib.compressobj(level, zlib.DEFLATED, _RAW_DEFLATE)
        self._checksum = zlib.adler32(content, self._checksum)
        self._add(b"IDAT", stream.compress(content) + stream.flush(zlib.Z_SYNC_FLUSH))

    def sync(self) -> Mark:
        """Bring what was added to the disk; from the mark the file can be continued."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return Mark(self._file.tell(), self._checksum)

    def end(self) -> None:
        """Write the end of the picture; the file is complete then."""
        last = zlib.compressobj(1, zlib.DEFLATED, _RAW_DEFLATE).flush()
        self._add(b"IDAT", last + struct.pack(">I", self._checksum))
        self._add(b"IEND", b"")
        self._file.flush()

    def close(self) -> None:
        """Close the file, complete or not."""
        self._file.close()

    def _add(self, name: bytes, content: bytes) -> None:
        check = zlib.crc32(content, zlib.crc32(name))
        for part in (struct.pack(">I", len(content)), name, content):
            self._file.write(part)
        self._file.write(struct.pack(">I", check))
