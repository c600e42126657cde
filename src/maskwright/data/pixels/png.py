"""What a PNG file may hold, judged by its header: read before any library allocates for it.

A file is damaged where a chunk reaches past its end, where a palette is missing, or where the
compressed pixels are more, or unpack to more, than the picture has. PNG specification, third
edition.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import Self

from .faults import MAX_PIXELS, damage, too_large
from .imageref import ImageRef

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">IIBBBBB")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_INDEXED = 3
_PASSES = ((8, 8), (8, 8), (8, 4), (4, 4), (4, 2), (2, 2), (2, 1))
"""Every how many rows and columns the passes of an interlaced picture take a pixel."""

_MAX_CHUNK = 64 << 20
"""Largest chunk that holds no pixels: profiles, texts, EXIF."""

_SLACK = 64 << 10
_MAX_RATIO = 1032
"""Deflate unpacks a byte to at most this many."""

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class _Picture:
    """The header chunk: 11.2.1 of the specification."""

    width: int
    height: int
    bits: int
    kind: int
    is_interlaced: bool

    @classmethod
    def parse(cls, content: bytes) -> Self:
        width, height, bits, kind, _, _, interlace = _HEADER.unpack(content)
        return cls(width, height, bits * _CHANNELS[kind], kind, bool(interlace))

    @property
    def num_bytes(self) -> int:
        """Bytes of the unpacked rows, each with the byte of its filter."""
        passes = _PASSES if self.is_interlaced else ((1, 1),)
        return sum(
            -(-self.height // rows) * (1 + -(-(-(-self.width // columns) * self.bits) // 8))
            for rows, columns in passes
        )


@dataclass(frozen=True, slots=True)
class _Chunk:
    kind: bytes
    offset: int
    length: int


def require_sound_png(ref: ImageRef) -> int:
    """Require a file that holds what its header says; return the offset behind its last chunk.

    Raises:
        DataError: It is damaged as described above.
        OSError: It cannot be read.
    """
    with ref.file.open("rb") as file:
        chunks = list(_walk_chunks(file, ref.file.stat().st_size, ref))
        picture = _read_header(file, chunks, ref)
        pixels = [chunk for chunk in chunks if chunk.kind == b"IDAT"]
        before = chunks[: chunks.index(pixels[0])] if pixels else chunks
        if picture.kind == _INDEXED and all(chunk.kind != b"PLTE" for chunk in before):
            raise damage(ref, "a palette picture without a palette")
        _require_fitting_pixels(file, pixels, picture.num_bytes, ref)
    return chunks[-1].offset + chunks[-1].length + 4


def _walk_chunks(file: BufferedReader, size: int, ref: ImageRef) -> Iterator[_Chunk]:
    """Each chunk is its length, its kind, its content and a checksum of 4 bytes."""
    offset, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        file.seek(offset)
        head = file.read(8)
        if len(head) < 8:
            raise damage(ref, "the file ends before its last chunk")
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if offset + length + 12 > size:
            raise damage(ref, f"a chunk of {length:,} bytes in a file of {size:,} bytes")
        if length > _MAX_CHUNK and kind != b"IDAT":
            raise damage(ref, f"a chunk {kind!r} of {length:,} bytes that holds no pixels")
        yield _Chunk(kind, offset + 8, length)
        offset += length + 12


def _read_header(file: BufferedReader, chunks: list[_Chunk], ref: ImageRef) -> _Picture:
    first = chunks[0]
    file.seek(first.offset)
    content = file.read(first.length)
    if first.kind != b"IHDR" or len(content) != _HEADER.size or content[9] not in _CHANNELS:
        raise damage(ref, "its header is damaged")
    picture = _Picture.parse(content)
    if picture.width * picture.height > MAX_PIXELS:
        raise too_large(ref, picture.width * picture.height)
    return picture


def _require_fitting_pixels(
    file: BufferedReader, chunks: list[_Chunk], needed: int, ref: ImageRef
) -> None:
    packed = sum(chunk.length for chunk in chunks)
    most = needed + needed // 4 + _SLACK
    if packed > most:
        raise damage(ref, f"{packed:,} bytes of pixels, the picture needs at most {most:,}")
    if packed * _MAX_RATIO < needed:
        raise damage(ref, f"{packed:,} bytes of pixels cannot hold {needed:,}")
    if packed > _SLACK + needed // 16:  # less unpacks to a small multiple of the picture
        _require_fitting_unpacked(file, chunks, needed, ref)


def _require_fitting_unpacked(
    file: BufferedReader, chunks: list[_Chunk], needed: int, ref: ImageRef
) -> None:
    unpacker, left = zlib.decompressobj(), needed
    for chunk in chunks:
        file.seek(chunk.offset)
        packed: bytes = file.read(chunk.length)
        while packed and not unpacker.eof:
            left -= len(unpacker.decompress(packed, _PIECE))
            packed = unpacker.unconsumed_tail
            if left < 0:
                raise damage(ref, f"its pixels unpack to more than {needed:,} bytes")
