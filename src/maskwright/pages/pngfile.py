"""Write a PNG file row by row, for pictures that are larger than the memory.

W3C PNG specification, third edition: one IDAT stream in chunks, palette or RGB of 8 bits.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PALETTE, _RGB = 3, 2
_SUB = 1
"""The filter that stores differences from the pixel at the left."""


class PngRows:
    """An open file, to which the rows of a picture are added from top to bottom."""

    def __init__(
        self, file: BinaryIO, size_HW: tuple[int, int], palette: NDArray[np.uint8] | None
    ) -> None:
        self._file = file
        self._is_indexed = palette is not None
        self._stream = zlib.compressobj(6 if self._is_indexed else 1)
        kind = _PALETTE if self._is_indexed else _RGB
        file.write(_SIGNATURE)
        self._add(b"IHDR", struct.pack(">IIBBBBB", size_HW[1], size_HW[0], 8, kind, 0, 0, 0))
        if palette is not None:
            self._add(b"PLTE", palette.tobytes())

    def add_rows(self, rows: NDArray[np.uint8]) -> None:
        """Add rows: (n, W) of indices, or (n, W, 3) of RGB."""
        num = len(rows)
        filters_n1 = np.zeros((num, 1), np.uint8)
        if not self._is_indexed:
            filters_n1[:] = _SUB
            rows = np.concatenate([rows[:, :1], rows[:, 1:] - rows[:, :-1]], axis=1)
        # (n, W, 3) -> (n, 3 W), behind a byte for the filter of each row
        content = np.concatenate([filters_n1, rows.reshape(num, -1)], axis=1)
        self._add(b"IDAT", self._stream.compress(content.tobytes()))

    def end(self) -> None:
        """Write what is still held; the file is complete then."""
        self._add(b"IDAT", self._stream.flush())
        self._add(b"IEND", b"")

    def _add(self, name: bytes, content: bytes) -> None:
        if content or name == b"IEND":
            check = zlib.crc32(content, zlib.crc32(name))
            for part in (struct.pack(">I", len(content)), name, content):
                self._file.write(part)
            self._file.write(struct.pack(">I", check))


@contextmanager
def write_png_rows(
    path: Path, size_HW: tuple[int, int], palette: NDArray[np.uint8] | None = None
) -> Iterator[PngRows]:
    """Yield a file for rows, which gets its name when all of them are there.

    With a palette, pixels are indices; without one, RGB.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.tmp")
    try:
        with partial.open("wb") as file:
            rows = PngRows(file, size_HW, palette)
            yield rows
            rows.end()
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
