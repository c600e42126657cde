"""Tiles: class maps in squares of 256 x 256 pixels, each known by the hash of its pixels.

Tiles at the right and lower border are filled with IGNORE beyond the image. Several travel one
after the other: for each, the length of its compressed pixels (4 bytes, little-endian), and
these.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.labels import IGNORE, LabelMap

if TYPE_CHECKING:
    from ..store.items import TileIndex, TileKey

TILE_PX = 256
MOST_TILES_ASKED = 64
LENGTH = struct.Struct("<I")
_BYTES = TILE_PX * TILE_PX
_LEVEL = 1
"""Of zlib: class maps are small at any level, and an edit waits for it."""


def cut_map(labels_HW: LabelMap) -> "tuple[TileIndex, dict[str, bytes]]":
    """The hashes of the tiles of a class map, and the compressed tiles by hash."""
    index: TileIndex = {}
    blobs: dict[str, bytes] = {}
    for at, tile in iterate_tiles(labels_HW):
        index[at] = hash_tile(tile)
        if index[at] not in blobs:
            blobs[index[at]] = compress_tile(tile)
    return index, blobs


def iterate_tiles(labels_HW: LabelMap) -> "Iterator[tuple[TileKey, bytes]]":
    """The pixels of each tile of a class map."""
    height, width = labels_HW.shape
    for row in range(-(-height // TILE_PX)):
        for column in range(-(-width // TILE_PX)):
            tile = np.full((TILE_PX, TILE_PX), IGNORE, np.uint8)
            part = labels_HW[_span(row), _span(column)]
            tile[: part.shape[0], : part.shape[1]] = part
            yield (column, row), tile.tobytes()


def join_tiles(
    index: "TileIndex", blobs: Mapping[str, bytes], size_HW: tuple[int, int]
) -> LabelMap:
    """The class map of tiles, from their compressed pixels by hash.

    Raises:
        DataError: A tile is missing or damaged.
    """
    labels_HW = np.full(size_HW, IGNORE, np.uint8)
    decoded: dict[str, NDArray[np.uint8]] = {}
    for (column, row), sha in index.items():
        if sha not in decoded:
            decoded[sha] = _as_square(read_tile(blobs, sha))
        part = labels_HW[_span(row), _span(column)]
        part[:] = decoded[sha][: part.shape[0], : part.shape[1]]
    return labels_HW


def describe_tiles(index: "TileIndex") -> list[list[object]]:
    """Tiles as JSON: column, row, hash."""
    return [[column, row, sha] for (column, row), sha in index.items()]


def parse_tiles(rows: Iterable[tuple[int, int, str]]) -> "TileIndex":
    """The tiles of such JSON."""
    return {(column, row): sha for column, row, sha in rows}


def join_blobs(blobs: Iterable[bytes]) -> bytes:
    """Several tiles one after the other."""
    return b"".join(part for blob in blobs for part in (LENGTH.pack(len(blob)), blob))


def split_blobs(content: bytes) -> list[bytes]:
    """The tiles that `join_blobs` joined."""
    blobs, start = [], 0
    while start < len(content):
        (length,) = LENGTH.unpack_from(content, start)
        start += LENGTH.size + length
        blobs.append(content[start - length : start])
    return blobs


def read_tile(blobs: Mapping[str, bytes], sha: str) -> bytes:
    """The pixels of one tile.

    Raises:
        DataError: It is missing, or its pixels are not those of its hash.
    """
    if sha not in blobs:
        raise DataError(f"tile {sha[:12]}: its pixels are missing from the store")
    pixels = decompress_tile(blobs[sha])
    if hash_tile(pixels) != sha:
        raise DataError(f"tile {sha[:12]}: its pixels are damaged")
    return pixels


def hash_tile(pixels: bytes) -> str:
    """The SHA-256 of the pixels, in hex."""
    return hashlib.sha256(pixels).hexdigest()


def compress_tile(pixels: bytes) -> bytes:
    """Compress by zlib."""
    return zlib.compress(pixels, _LEVEL)


def decompress_tile(content: bytes) -> bytes:
    """Decompress exactly one tile.

    Raises:
        DataError: It is not one tile compressed by zlib.
    """
    decoder = zlib.decompressobj()
    try:
        pixels = decoder.decompress(content, _BYTES + 1)
    except zlib.error as error:
        raise DataError(f"a tile cannot be decompressed: {error}") from error
    if len(pixels) != _BYTES or not decoder.eof or decoder.unused_data:
        raise DataError(f"a tile has {TILE_PX} x {TILE_PX} pixels, this has another number")
    return pixels


def apply_patch(pixels: bytes, patch: bytes) -> tuple[bytes, int]:
    """The pixels after a patch, compressed XOR of before and after, and how many changed.

    Raises:
        DataError: The patch is damaged.
    """
    mask = np.frombuffer(decompress_tile(patch), np.uint8)
    changed = np.frombuffer(pixels, np.uint8) ^ mask
    return changed.tobytes(), int(np.count_nonzero(mask))


def find_foreign_values(
    pixels: bytes, at: "TileKey", size_HW: tuple[int, int], num_classes: int
) -> str:
    """Why a tile is not part of a class map of this size; "" where it is."""
    tile = _as_square(pixels)
    height, width = (
        min(TILE_PX, size - TILE_PX * n) for size, n in zip(size_HW, at[::-1], strict=True)
    )
    if height <= 0 or width <= 0 or min(at) < 0:
        return f"tile {at} is outside of the image"
    if (tile[height:] != IGNORE).any() or (tile[:, width:] != IGNORE).any():
        return f"tile {at} has pixels outside of the image that are not {IGNORE}"
    foreign = tile[(tile >= num_classes) & (tile != IGNORE)]
    if foreign.size:
        return f"tile {at} has the value {int(foreign[0])}, there are {num_classes} classes"
    return ""


def _as_square(pixels: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(pixels, np.uint8).reshape(TILE_PX, TILE_PX)


def _span(number: int) -> slice:
    return slice(number * TILE_PX, (number + 1) * TILE_PX)
