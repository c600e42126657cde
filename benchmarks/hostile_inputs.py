"""Inputs for benchmarks/bounds.py: small files that ask for much, and large pictures."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

SIDE = 6000
_MIB = bytes(1 << 20)


def write_dataset(folder: Path, image: str, content: bytes) -> Path:
    """Three small pairs, and an image with this content and its mask."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for index in range(3):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(folder / f"images/{index}.png")
        Image.fromarray(np.eye(8, dtype=np.uint8)).save(folder / f"masks/{index}.png")
    Image.fromarray(np.eye(8, dtype=np.uint8)).save(folder / f"masks/{Path(image).stem}.png")
    (folder / "images" / image).write_bytes(content)
    return folder


def write_large(folder: Path, *, colored_masks: bool) -> Path:
    """Two pairs of `SIDE` x `SIDE`: RGBA of 16 bits, or colour masks."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 65536, (SIDE // 10, SIDE // 10, 4)).astype(np.uint16)
    for index in range(2):
        wide = coarse.repeat(10, 0).repeat(10, 1)
        image = (wide[..., :3] >> 8).astype(np.uint8) if colored_masks else wide
        cv2.imwrite(str(folder / f"images/{index}.png"), image)
        mask = ((wide[..., :3] > 30_000) * 200).astype(np.uint8)
        cv2.imwrite(str(folder / f"masks/{index}.png"), mask if colored_masks else mask[..., 0])
    return folder


def tiff(tags: dict[int, int], data: bytes = b"") -> bytes:
    """A TIFF of one directory; its data begin at byte 1000."""
    entries = b"".join(
        struct.pack("<HHII", tag, 4 if value >> 16 else 3, 1, value)
        for tag, value in sorted(tags.items())
    )
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    return head + bytes(1000 - len(head)) + data


def many_tiles() -> bytes:
    """A TIFF of 13,000 x 13,000 pixels in tiles of one pixel."""
    tags = {256: 13_000, 257: 13_000, 258: 16, 259: 1, 262: 1, 277: 1}
    return tiff(tags | {322: 1, 323: 1, 324: 500, 325: 64})


def packed_strip() -> bytes:
    """A TIFF of 8 x 8 pixels whose strip unpacks to 2 GiB."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(_MIB) for _ in range(2048)) + packer.flush()
    tags = {256: 8, 257: 8, 258: 16, 259: 8, 262: 1, 273: 1000, 277: 1, 278: 8}
    return tiff(tags | {279: len(packed)}, packed)


def many_scans() -> bytes:
    """A progressive JPEG of 8,000 x 8,000 pixels and 2,000 scans."""
    file = io.BytesIO()
    Image.new("L", (8000, 8000)).save(file, "JPEG", progressive=True, quality=10)
    head, *scans = file.getvalue().split(b"\xff\xda")
    last = scans[-1].removesuffix(b"\xff\xd9")
    return b"\xff\xda".join([head, scans[0], *[last] * 2000]) + b"\xff\xd9"


def pax_header() -> bytes:
    """A tar.gz with an extended header of 3 GiB."""
    item = tarfile.TarInfo("x")
    item.type, item.size = tarfile.XHDTYPE, 3 << 30
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6) as packed:
        packed.write(item.tobuf(tarfile.GNU_FORMAT))
        for _ in range(3072):
            packed.write(_MIB)
    return file.getvalue()


def large_member() -> bytes:
    """A tar.bz2 with a member that states 200 GiB."""
    item = tarfile.TarInfo("x.png")
    item.size = 200 << 30
    return bz2.compress(item.tobuf(tarfile.GNU_FORMAT) + _MIB * 64)


def many_headers() -> bytes:
    """A tar.xz with 200,000 empty members."""
    file = io.BytesIO()
    with lzma.LZMAFile(file, "wb", preset=1) as packed:
        for start in range(0, 200_000, 1000):
            names = (tarfile.TarInfo(f"{start + i:07}") for i in range(1000))
            packed.write(b"".join(item.tobuf(tarfile.USTAR_FORMAT) for item in names))
    return file.getvalue()
