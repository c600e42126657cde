"""What a TIFF page may hold, judged by its tags: before a strip or a tile is read.

The strips or tiles must be as many as the page needs, lie in the file, and have neither fewer
bytes than their pixels nor more than these can need; compressed ones unpack to no more.
"""

import lzma
import math
import zlib
from typing import Any

import numpy as np

from .faults import damage
from .imageref import ImageRef
from .jpeg import read_frame_size

_MAX_SEGMENTS = 1 << 20
_SLACK = 64 << 10
_PIECE = 1 << 20
_MAX_DICTIONARY = 256 << 20
"""Memory that LZMA may take for what it refers back to."""

_UNCOMPRESSED, _YCBCR = 1, 6
"""A compression, and a colour space whose colours have fewer samples than pixels."""

_DEFLATE, _LZMA = (8, 32946, 50013), (34925,)
_JPEG = 7


def require_sound_page(ref: ImageRef, page: Any) -> None:
    """Require strips or tiles that fit the page and the file; `page` is one of tifffile.

    Raises:
        DataError: They do not, as described above.
    """
    offsets, counts = page.dataoffsets, page.databytecounts
    needed, listed = math.prod(page.keyframe.chunked), min(len(offsets), len(counts))
    if listed < needed or needed > _MAX_SEGMENTS:
        raise damage(
            ref,
            f"{listed:,} strips or tiles listed, the page has {needed:,} and at most "
            f"{_MAX_SEGMENTS:,} are read",
        )
    size = ref.file.stat().st_size
    for index, (offset, count) in enumerate(zip(offsets, counts, strict=False)):
        if count and offset + count > size:
            raise damage(
                ref,
                f"strip or tile {index} ends at byte {offset + count:,}, the file has {size:,}",
            )
    if page.keyframe.compression == _UNCOMPRESSED:
        _require_enough_bytes(ref, page.keyframe, sum(counts))
    else:
        _require_few_bytes(ref, page.keyframe, max(counts, default=0))


def require_fitting_segment(ref: ImageRef, page: Any, content: bytes) -> None:
    """Require that a compressed strip or tile unpacks to no more than its pixels.

    Deflate and LZMA are checked, which unpack a byte to a thousand and more, and JPEG by the
    size that it declares.

    Raises:
        DataError: It unpacks to more.
    """
    unpacker: Any
    if page.compression == _JPEG:
        _require_fitting_frame(ref, page, content)
        return
    if page.compression in _DEFLATE:
        unpacker = zlib.decompressobj()
    elif page.compression in _LZMA:
        unpacker = lzma.LZMADecompressor(memlimit=_MAX_DICTIONARY)
    else:
        return
    most = left = _segment_bytes(page)
    try:
        while not unpacker.eof and (piece := unpacker.decompress(content, _PIECE)):
            left -= len(piece)
            if left < 0:
                raise damage(ref, f"a strip or tile unpacks to over {most:,} bytes")
            content = getattr(unpacker, "unconsumed_tail", b"")  # LZMA keeps its own
    except (zlib.error, lzma.LZMAError, MemoryError) as error:
        raise damage(ref, error) from error


def require_fitting_segments(ref: ImageRef, file: Any, page: Any) -> None:
    """Call `require_fitting_segment` on all strips or tiles of a page."""
    if page.keyframe.compression in (*_DEFLATE, *_LZMA):
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
            file.filehandle.seek(offset)
            require_fitting_segment(ref, page.keyframe, file.filehandle.read(count))


def _require_fitting_frame(ref: ImageRef, page: Any, content: bytes) -> None:
    height, width = read_frame_size(content)
    most_h, most_w = page.chunks[-2:] if page.axes == "SYX" else page.chunks[:2]
    if height > most_h or width > most_w:
        raise damage(
            ref,
            f"a JPEG of {height:,} x {width:,} px in a strip or tile of {most_h} x {most_w}",
        )


def _segment_bytes(page: Any) -> int:
    """Bytes of the unpacked pixels of a strip or tile, all rows filled."""
    return int(math.prod(page.chunks) * (page.dtype or np.dtype(np.uint8)).itemsize)


def _require_enough_bytes(ref: ImageRef, page: Any, listed: int) -> None:
    bits = int(np.max(page.bitspersample))
    row = -(-page.imagewidth * page.samplesperpixel * bits // 8)
    needed = row * page.imagelength
    is_sparse = listed == 0  # GDAL writes no strip whose pixels are all 0
    if listed < needed and not is_sparse and page.photometric != _YCBCR:
        raise damage(ref, f"{listed:,} bytes of pixels listed, the page needs {needed:,}")


def _require_few_bytes(ref: ImageRef, page: Any, largest: int) -> None:
    most = _segment_bytes(page) * 5 // 4 + _SLACK
    if largest > most:
        raise damage(
            ref, f"a strip or tile of {largest:,} bytes, its pixels need at most {most:,}"
        )
