"""PBM, PGM and PPM, plain and binary, by NumPy.

Samples up to a maximum below 255 or 65535 are spread to the whole range in photographs and kept
as stored in masks. A bit of PBM is read as it is shown: white, which is stored as 0, is 1.
Source: the netpbm manual pages pbm(5), pgm(5) and ppm(5).
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError
from ....core.image import PixelData
from ..faults import MAX_PIXELS, explain_faults, too_large
from ..imagefile import ImageFile, ImageKind, Window, to_image
from ..imageref import ImageRef

PRIORITY = 10
SUFFIXES = (".pbm", ".pgm", ".pnm", ".ppm")

_BITS, _PLAIN, _COLORED = b"14", b"123", b"36"
_GAP = rb"(?:\s+|\s*#[^\n]*\n\s*)+"
_BITMAP = re.compile(rb"P([14])" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})\s")
_MAP = re.compile(
    rb"P([2356])" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,5})\s"
)
_HEADER_BYTES = 4096


@dataclass(frozen=True, slots=True)
class _Header:
    kind: bytes
    height: int
    width: int
    top: int
    """Largest value of a sample."""

    start: int
    """Offset of the first sample in the file."""

    @property
    def channels(self) -> int:
        return 3 if self.kind in _COLORED else 1


def takes(start: bytes) -> bool:
    """Take what begins with P1 to P6 and a blank or a comment."""
    return re.match(rb"P[1-6][\s#]", start) is not None


def open_file(ref: ImageRef) -> ImageFile:
    """Open lazily: nothing is read before it is asked for."""
    return _PnmImage(ref)


@dataclass(frozen=True, slots=True)
class _PnmImage(ImageFile):
    ref: ImageRef

    @property
    def size_HW(self) -> tuple[int, int]:
        header = self._read_header()
        return header.height, header.width

    @property
    def kind(self) -> ImageKind:
        header = self._read_header()
        return ImageKind(header.channels, "uint8" if header.top < 256 else "uint16")

    def read_data(self, window: Window | None = None) -> PixelData:
        header, stored = self._read_samples()
        if stored.dtype == np.bool_:
            shown = stored.astype(np.uint8) * np.uint8(255)
        else:
            whole = int(np.iinfo(stored.dtype).max)
            shown = stored
            if header.top != whole:
                spread = np.rint(np.arange(header.top + 1) * (whole / header.top))
                shown = spread.astype(stored.dtype)[stored]
        return PixelData(to_image(shown, self.ref, window))

    def read_stored(self) -> NDArray[Any]:
        return self._read_samples()[1]

    def _read_header(self) -> _Header:
        with explain_faults(self.ref), self.ref.file.open("rb") as file:
            start = file.read(_HEADER_BYTES)
        match = _BITMAP.match(start) or _MAP.match(start)
        if match is None:
            raise DataError(f"{self.ref}: the header is damaged; copy it again or remove it")
        kind, width, height = match[1], int(match[2]), int(match[3])
        top = 1 if kind in _BITS else int(match[4])
        if not width * height or not 0 < top < 1 << 16:
            raise DataError(
                f"{self.ref}: declares {height} x {width} (H x W) samples up to {top}, not "
                f"at least 1 x 1 and 1 to 65535; copy it again or remove it"
            )
        if width * height > MAX_PIXELS:
            raise too_large(self.ref, width * height)
        return _Header(kind, height, width, top, match.end())

    def _read_samples(self) -> tuple[_Header, NDArray[Any]]:
        """The samples as stored: (H, W) or (H, W, 3), bool for PBM."""
        header = self._read_header()
        num_samples = header.height * header.width * header.channels
        if header.kind == b"4":
            row_bytes = -(-header.width // 8)
            packed = self._read_bytes(header, header.height * row_bytes)
            # (H * row_bytes,) -> (H, W)
            bits_HW = np.unpackbits(packed.reshape(header.height, row_bytes), axis=1)
            return header, bits_HW[:, : header.width] == 0
        if header.kind in _PLAIN:
            samples = self._read_text(header, num_samples)
        else:
            size = 1 if header.top < 256 else 2
            samples = self._read_bytes(header, num_samples * size).view(f">u{size}")
        if header.kind == b"1":
            return header, samples.reshape(header.height, header.width) == 0
        if int(samples.max()) > header.top:
            raise self._damage(f"a sample of {samples.max()} above the declared {header.top}")
        stored = samples.astype(np.uint8 if header.top < 256 else np.uint16)
        shape = (header.height, header.width, header.channels)
        return header, stored.reshape(shape if header.channels == 3 else shape[:2])

    def _read_bytes(self, header: _Header, count: int) -> NDArray[np.uint8]:
        """Read `count` bytes of samples; the size of the file bounds what is allocated."""
        with explain_faults(self.ref):
            there = self.ref.file.stat().st_size - header.start
            if there < count:
                raise self._damage(f"{there:,} bytes of samples, expected {count:,}")
            return np.fromfile(self.ref.file, np.uint8, count=count, offset=header.start)

    def _read_text(self, header: _Header, count: int) -> NDArray[np.int64]:
        """Read `count` samples of a plain file; each takes at least one byte of it."""
        there = self.ref.file.stat().st_size - header.start
        if there < count:
            raise self._damage(f"{there:,} bytes of samples, expected {count:,} samples")
        with explain_faults(self.ref):
            text = re.sub(rb"#[^\n]*", b"", self.ref.file.read_bytes()[header.start :])
            if header.kind == b"1":
                digits = np.frombuffer(re.sub(rb"\s+", b"", text), np.uint8)
                samples = digits.astype(np.int64) - ord("0")
            else:
                samples = np.array(text.split()[:count], np.int64)
        if len(samples) < count or samples.min() < 0:
            raise self._damage(f"{len(samples):,} samples, expected {count:,}")
        return samples[:count]

    def _damage(self, found: str) -> DataError:
        return DataError(
            f"{self.ref}: the image is cut short or damaged ({found}); copy it again or remove "
            f"it"
        )
