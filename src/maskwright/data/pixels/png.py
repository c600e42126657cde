"""What a PNG file may hold, judged by its header: read before any library allocates for it.

A file is damaged where a chunk reaches past its end, where a palette is missing, or where the
compressed pixels are more, or unpack to more, than the picture has. PNG specification, third
edition.

Whether they unpack to more is known only by unpacking them. Those of a picture of ordinary size
are unpacked once: decoders are given a file whose pixels are stored as they are.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from io import BufferedReader
from types import ModuleType
from typing import NamedTuple, Self

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
_MOST_UNPACKED = 256 << 20
"""Bytes of pixels that are unpacked at once; of more, a copy in memory would be large."""

_ANIMATION = (b"acTL", b"fcTL", b"fdAT")
"""Chunks of further frames, which no reader here shows."""


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


class SoundPng(NamedTuple):
    """A file that holds what its header says, in its first `num_bytes` bytes.

    `stored` is the same picture in a file whose pixels are not compressed, where they had to be
    unpacked to judge them; else None.
    """

    num_bytes: int
    stored: bytes | None


def require_sound_png(ref: ImageRef) -> SoundPng:
    """Require a file that holds what its header says.

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
        rows = _require_fitting_pixels(file, pixels, picture.num_bytes, ref)
        stored = None if rows is None else _store(file, chunks, rows)
    return SoundPng(chunks[-1].offset + chunks[-1].length + 4, stored)


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
) -> bytes | None:
    """Judge the packed pixels; returns their rows where they were unpacked at once."""
    packed = sum(chunk.length for chunk in chunks)
    most = needed + needed // 4 + _SLACK
    if packed > most:
        raise damage(ref, f"{packed:,} bytes of pixels, the picture needs at most {most:,}")
    if packed * _MAX_RATIO < needed:
        raise damage(ref, f"{packed:,} bytes of pixels cannot hold {needed:,}")
    if packed <= _SLACK + needed // 16:  # they unpack to a small multiple of the picture
        return None
    rows = _unpack(file, chunks, needed) if needed <= _MOST_UNPACKED else b""
    if len(rows) == needed:
        return rows
    _require_fitting_unpacked(file, chunks, needed, ref)
    return None


def _unpack(file: BufferedReader, chunks: list[_Chunk], needed: int) -> bytes:
    """The rows of the picture, one byte more where there are more; none of a damaged file."""
    library = _find_inflate()
    packed = b"".join(_read_chunks(file, chunks))
    with suppress(library.error):
        rows: bytes = library.decompressobj().decompress(packed, needed + 1)
        return rows
    return b""


@cache
def _find_inflate() -> ModuleType:
    """ISA-L, which unpacks in half the time, where it is installed; else zlib."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib
    return isal_zlib


def _read_chunks(file: BufferedReader, chunks: Iterable[_Chunk]) -> Iterator[bytes]:
    for chunk in chunks:
        file.seek(chunk.offset)
        yield file.read(chunk.length)


def _store(file: BufferedReader, chunks: list[_Chunk], rows: bytes) -> bytes:
    """The file with these rows in the place of its packed pixels, and without animation."""
    parts, is_stored = [SIGNATURE], False
    for chunk in chunks:
        if chunk.kind in _ANIMATION or (chunk.kind == b"IDAT" and is_stored):
            continue
        if chunk.kind == b"IDAT":
            content, is_stored = zlib.compress(rows, 0), True
        else:
            (content,) = _read_chunks(file, [chunk])
        checksum = zlib.crc32(content, zlib.crc32(chunk.kind))
        parts += [
            len(content).to_bytes(4, "big"),
            chunk.kind,
            content,
            checksum.to_bytes(4, "big"),
        ]
    return b"".join(parts)


def _require_fitting_unpacked(
    file: BufferedReader, chunks: list[_Chunk], needed: int, ref: ImageRef
) -> None:
    unpacker, left = zlib.decompressobj(), needed
    for content in _read_chunks(file, chunks):
        packed = content
        while packed and not unpacker.eof:
            left -= len(unpacker.decompress(packed, _PIECE))
            packed = unpacker.unconsumed_tail
            if left < 0:
                raise damage(ref, f"its pixels unpack to more than {needed:,} bytes")
