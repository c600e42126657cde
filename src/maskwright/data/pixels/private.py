"""Copies of photographs without what their files say beside the pixels.

EXIF (place, time, owner, serial numbers, thumbnails), XMP, IPTC and comments are left out of
JPEG, PNG and WebP files; colour profiles and the orientation stay, and pixels are not encoded
again. Other kinds of files are copied as they are. Sources: JPEG, ITU-T T.81, annex B; PNG,
third edition, section 11.3; WebP, RFC 9649; EXIF 2.32, section 4.6.
"""

import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from .imageref import ImageRef
from .images import open_image

_SOS, _COM, _EXIF = 0xDA, 0xFE, b"Exif\0\0"
_APPS = range(0xE0, 0xF0)
_KEPT_APPS = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_TEXTS = {b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME"}
_WEBP_FLAGS = 0x08 | 0x04
"""EXIF and XMP in the flags of VP8X."""


def copy_pixels(image: ImageRef, path: Path) -> None:
    """Copy the file of one image to `path`, without metadata on people, places and devices."""
    start = _read_start(image.file)
    if start.startswith(b"\xff\xd8"):
        strip = _strip_jpeg
    elif start.startswith(_PNG_START):
        strip = _strip_png
    elif start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        strip = _strip_webp
    else:
        shutil.copyfile(image.file, path)
        return
    pieces = strip(image.file.read_bytes(), open_image(image).orientation)
    with path.open("wb") as file:
        file.writelines(pieces)


def _read_start(file: Path) -> bytes:
    with file.open("rb") as content:
        return content.read(16)


def _make_exif(orientation: int) -> bytes:
    """EXIF data that state the orientation and nothing else."""
    entry = struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)
    return b"II*\0\x08\0\0\0" + entry


def _strip_jpeg(content: bytes, orientation: int) -> Iterator[bytes]:
    yield content[:2]
    if orientation != 1:
        exif = _EXIF + _make_exif(orientation)
        yield b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    at = 2
    while content[at : at + 1] == b"\xff" and at + 4 <= len(content):
        marker = content[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker == _SOS:
            break
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        is_private = marker == _COM or marker in _APPS
        kept = _KEPT_APPS.get(marker)
        if not is_private or (kept is not None and content[at + 4 : end].startswith(kept)):
            yield content[at:end]
        at = end
    yield content[at:]


def _strip_png(content: bytes, orientation: int) -> Iterator[bytes]:
    yield content[:8]
    at = 8
    while at + 12 <= len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")
        name = content[at + 4 : at + 8]
        if name not in _PNG_TEXTS:
            yield content[at:end]
        if name == b"IHDR" and orientation != 1:
            exif = b"eXIf" + _make_exif(orientation)
            yield struct.pack(">I", len(exif) - 4) + exif + struct.pack(">I", zlib.crc32(exif))
        at = end


def _strip_webp(content: bytes, orientation: int) -> Iterator[bytes]:
    chunks, at = [], 12
    while at + 8 <= len(content):
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        end = at + 8 + size + size % 2
        name, chunk = content[at : at + 4], content[at:end]
        if name == b"VP8X":
            flags = chunk[8] & ~_WEBP_FLAGS | (0x08 if orientation != 1 else 0)
            chunk = chunk[:8] + bytes([flags]) + chunk[9:]
        if name not in {b"EXIF", b"XMP "}:
            chunks.append(chunk)
        at = end
    if orientation != 1:
        exif = _make_exif(orientation)
        chunks.append(b"EXIF" + struct.pack("<I", len(exif)) + exif)
    body = b"WEBP" + b"".join(chunks)
    yield b"RIFF" + struct.pack("<I", len(body)) + body
