"""What a JPEG file must hold, which libjpeg itself only warns of and Pillow does not report.

Where pixels are missing, libjpeg fills the rest with grey, without an error.

* A sequential file is decoded without its end marker: a decoder that has all pixels does not
  look for the marker, one that lacks some asks for more.
* A progressive file is decoded twice, once with bytes added behind each scan: a decoder that
  has all pixels passes over them, one that lacks some takes them for pixels.

Source: ITU-T T.81, annexes B and G.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil

from .faults import damage
from .imageref import ImageRef

SIGNATURE = b"\xff\xd8\xff"
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""A marker behind compressed pixels: neither a byte 255 of them (FF 00) nor a restart."""

_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_SCAN, _END, _RESTART_INTERVAL = 0xDA, 0xD9, 0xDD
_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1), 0xC2
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BLOCK_PX = 8
_MAX_SCANS = 100
"""Encoders write about ten; each scan is a pass over the whole picture."""

_MAX_PIXELS_PER_BYTE = 1024
"""A block of 64 pixels takes a bit in the sparsest scan; colours at half size halve that."""

_AHEAD = bytes(8)
"""Bytes that a decoder may look at behind the last pixel; they hold no marker."""

_NOT_PIXELS = bytes(range(37, 101))
"""Bytes that would change the picture if they were taken for pixels."""


@dataclass(frozen=True, slots=True)
class PreparedJpeg:
    """The file as it is to be decoded; `padded` is one that must give the same pixels."""

    content: bytes
    padded: bytes | None = None


@dataclass(slots=True)
class _Frame:
    """What the headers say; `sampling` has the horizontal and vertical factor by component.

    `left` holds, by component and coefficient, the bits that the scans have not given yet.
    """

    kind: int = 0
    height: int = 0
    width: int = 0
    sampling: dict[int, tuple[int, int]] = field(default_factory=dict)
    restart_interval: int = 0
    scan_ends: list[int] = field(default_factory=list)
    left: dict[tuple[int, int], int] = field(default_factory=dict)

    @property
    def is_unfinished(self) -> bool:
        return any(self.left.get((c, k), 1) for c in self.sampling for k in range(64))


def prepare_jpeg(content: bytes, ref: ImageRef) -> PreparedJpeg:
    """Check the scans of a file, and give what is to be decoded.

    Raises:
        DataError: More than `_MAX_SCANS`, too few bytes for its pixels, a missing restart
            marker, or scans that do not give all bits of all components.
    """
    frame = _Frame()
    end = _read_segments(frame, content, ref)
    num_pixels = frame.height * frame.width
    if num_pixels > _MAX_PIXELS_PER_BYTE * len(content):
        raise damage(ref, f"{len(content):,} bytes cannot hold {num_pixels:,} pixels")
    if frame.kind in _SEQUENTIAL:
        return PreparedJpeg(content[:end] + _AHEAD)
    if frame.kind != _PROGRESSIVE:
        return PreparedJpeg(content)
    if frame.is_unfinished:
        raise damage(ref, "scans that give the last bits of its pixels are missing")
    starts = [0, *frame.scan_ends]
    pieces = [
        content[a:b] for a, b in zip(starts, [*frame.scan_ends, len(content)], strict=True)
    ]
    return PreparedJpeg(content, _NOT_PIXELS.join(pieces))


def read_frame_size(content: bytes) -> tuple[int, int]:
    """(H, W) of the frame that a JPEG stream declares, (0, 0) where it declares none."""
    for marker, start, stop, _ in _walk_segments(content):
        if marker in _FRAMES:
            frame = _Frame()
            _read_frame(frame, marker, content[start:stop])
            return frame.height, frame.width
    return 0, 0


def _read_segments(frame: _Frame, content: bytes, ref: ImageRef) -> int:
    """Read the headers into `frame`; returns the offset of the end marker, or the length."""
    for marker, start, stop, after in _walk_segments(content):
        header = content[start:stop]
        if marker == _END:
            return after
        if marker in _FRAMES:
            _read_frame(frame, marker, header)
        elif marker == _RESTART_INTERVAL:
            frame.restart_interval = int.from_bytes(header, "big")
        elif marker == _SCAN:
            _read_scan(frame, header, ref)
            _require_restarts(frame, header, content[stop:after], ref)
            frame.scan_ends.append(after)
    return len(content)


def _walk_segments(content: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Marker, first and last + 1 byte of its header, and the offset of the next marker."""
    match = _MARKER.search(content, 2)
    while match is not None:
        marker, start = content[match.start() + 1], match.end()
        if marker == _END:
            yield marker, start, start, match.start()
            return
        stop = start + max(int.from_bytes(content[start : start + 2], "big"), 2)
        match = _MARKER.search(content, stop)
        yield marker, start + 2, stop, len(content) if match is None else match.start()


def _read_frame(frame: _Frame, kind: int, header: bytes) -> None:
    """B.2.2: precision, height, width, number of components; id, sampling, table of each."""
    frame.kind = kind
    frame.height = int.from_bytes(header[1:3], "big")
    frame.width = int.from_bytes(header[3:5], "big")
    pairs = zip(header[6::3], header[7::3], strict=False)
    frame.sampling = {name: (factors >> 4, factors & 15) for name, factors in pairs}


def _read_scan(frame: _Frame, header: bytes, ref: ImageRef) -> None:
    """B.2.3: the components, then the first and last coefficient and the bits that it gives."""
    if len(frame.scan_ends) == _MAX_SCANS:
        raise damage(ref, f"over {_MAX_SCANS} scans, each as large as the picture")
    if not header or len(header) < 4 + 2 * header[0]:
        raise damage(ref, "the header of a scan is cut short")
    first, last, bits = header[1 + 2 * header[0] : 4 + 2 * header[0]]
    before, after = bits >> 4, bits & 15
    for component in _scan_components(header):
        for coefficient in range(first, min(last, 63) + 1):
            if before and frame.left.get((component, coefficient)) != before:
                raise damage(ref, "a scan refines bits that no scan before it gave")
            frame.left[component, coefficient] = after


def _scan_components(header: bytes) -> bytes:
    return header[1 : 1 + 2 * header[0] : 2]


def _require_restarts(frame: _Frame, header: bytes, pixels: bytes, ref: ImageRef) -> None:
    """Require as many restart markers as the scan has intervals; A.2.2 to A.2.4."""
    components = [frame.sampling.get(name, (1, 1)) for name in _scan_components(header)]
    if not frame.restart_interval or not components:
        return
    most_h = max((h for h, _ in frame.sampling.values()), default=1) or 1
    most_v = max((v for _, v in frame.sampling.values()), default=1) or 1
    if len(components) == 1:
        h, v = components[0]
        across = ceil(ceil(frame.width * h / most_h) / _BLOCK_PX)
        down = ceil(ceil(frame.height * v / most_v) / _BLOCK_PX)
    else:
        across = ceil(frame.width / (_BLOCK_PX * most_h))
        down = ceil(frame.height / (_BLOCK_PX * most_v))
    expected = ceil(across * down / frame.restart_interval) - 1
    found = len(_RESTART.findall(pixels))
    if found < expected:
        raise damage(ref, f"{found:,} restart markers in a scan of {expected:,}")
