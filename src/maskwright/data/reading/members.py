"""List the members of ZIP and TAR archives; the first that breaks a bound ends the listing.

A small archive can hold files that fill the disk, or millions of headers that fill the memory.
Bounded are, while members are listed: the bytes that are unpacked, those of one header, and the
number of members.
"""

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from ...core.errors import DataError
from ...core.files import require_file

MAX_BYTES = 1 << 40
"""Largest archive."""

_MAX_MEMBERS, _HARMLESS_MEMBERS = 500_000, 10_000
_BYTES_PER_MEMBER = 20
"""Least size of a packed member, for archives of more than `_HARMLESS_MEMBERS`."""

_MAX_RATIO, _HARMLESS_BYTES = 100, 1 << 30
"""Largest ratio of unpacked to packed size, for archives that unpack to more than 1 GiB."""

_MAX_HEADER = 1 << 20
_MAX_DIRECTORY = 48 << 20
"""Bytes of the table of a ZIP file; `_MAX_MEMBERS` of usual names have fewer."""

_DECOMPRESSORS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive: its path, its size as stated, and a function that opens it."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


@contextmanager
def list_members(path: Path) -> Iterator[list[Member]]:
    """List the files of an archive, which can be opened inside the block.

    Raises:
        DataError: A member is a link, a device, or would lie outside the folder, occurs twice,
            or breaks a bound; the message names it.
    """
    require_file(path, most_bytes=MAX_BYTES)
    with path.open("rb") as file:
        if path.name.lower().endswith(".zip"):
            _require_small_directory(path, file)
            with zipfile.ZipFile(file) as zipped:
                yield _require_bounds(path, _list_zip(path, zipped))
        else:
            bounded = _BoundedStream(path, _decompress(file))
            with tarfile.open(fileobj=cast("IO[bytes]", bounded), mode="r:") as tarred:
                members = _require_bounds(path, _list_tar(path, tarred))
                bounded.is_listing = False
                yield members


def unsafe_member_error(path: Path, name: str, why: str) -> DataError:
    """A member is refused."""
    return DataError(f"{path}: the member {name[:200]!r} {why}; remove it from the archive")


def _list_zip(path: Path, archive: zipfile.ZipFile) -> Iterator[Member]:
    for item in archive.infolist():
        if stat.S_ISLNK(item.external_attr >> 16):
            raise unsafe_member_error(path, item.filename, "is a link")
        if not item.is_dir():
            yield Member(item.filename, item.file_size, partial(archive.open, item))


def _list_tar(path: Path, archive: Any) -> Iterator[Member]:
    while (item := archive.next()) is not None:
        archive.members.clear()  # of tarfile, which keeps all that it has seen
        if not item.isfile() and not item.isdir():
            raise unsafe_member_error(path, item.name, "is a link or a device")
        if item.isfile():
            yield Member(item.name, item.size, partial(_open_in_tar, archive, item))


def _open_in_tar(archive: Any, item: tarfile.TarInfo) -> IO[bytes]:
    return cast("IO[bytes]", archive.extractfile(item))


def _require_bounds(path: Path, members: Iterator[Member]) -> list[Member]:
    packed, total = path.stat().st_size, 0
    most_bytes = max(_HARMLESS_BYTES, _MAX_RATIO * packed)
    most_members = min(_MAX_MEMBERS, max(_HARMLESS_MEMBERS, packed // _BYTES_PER_MEMBER))
    listed: list[Member] = []
    seen: set[str] = set()
    for member in members:
        if not _lies_inside(member.name):
            raise unsafe_member_error(
                path, member.name, "would lie outside the folder it is unpacked to"
            )
        if member.name in seen:
            raise unsafe_member_error(path, member.name, "occurs twice")
        seen.add(member.name)
        listed.append(member)
        total += member.size
        if total > most_bytes or len(listed) > most_members:
            raise _too_much_error(path, total, len(listed))
    return listed


def _too_much_error(path: Path, num_bytes: int, num_members: int) -> DataError:
    return DataError(
        f"{path}: {path.stat().st_size:,} bytes unpack to {num_bytes:,} or more in "
        f"{num_members:,} or more files; if that is right, unpack the archive yourself and "
        f"give the folder"
    )


def _lies_inside(name: str) -> bool:
    """Whether a member stays in the folder, on systems with drive letters too."""
    path = PurePosixPath(name.replace("\\", "/"))
    return not path.is_absolute() and ".." not in path.parts and ":" not in name[:3]


def _require_small_directory(path: Path, file: IO[bytes]) -> None:
    """Read the size of the table of a ZIP file, which `zipfile` reads whole.

    Its end is a record of 22 bytes with a comment of up to 64 KiB behind it; a table of 4 GiB
    and more has its size in a second record. PKWARE APPNOTE, 4.3.14 to 4.3.16.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(max(size - (1 << 16) - 98, 0))
    ending = file.read()
    place, second = ending.rfind(b"PK\5\6"), ending.rfind(b"PK\6\6")
    directory = 0
    if 0 <= place <= len(ending) - 22:
        (directory,) = struct.unpack_from("<I", ending, place + 12)
    if directory == 0xFFFFFFFF and 0 <= second <= len(ending) - 56:
        (directory,) = struct.unpack_from("<Q", ending, second + 40)
    file.seek(0)
    if directory > _MAX_DIRECTORY:
        raise DataError(
            f"{path}: its table of members has {directory:,} bytes, expected at most "
            f"{_MAX_DIRECTORY:,}; unpack the archive yourself and give the folder"
        )


def _decompress(file: IO[bytes]) -> Any:
    start = file.read(6)
    file.seek(0)
    found = (open_ for magic, open_ in _DECOMPRESSORS.items() if start.startswith(magic))
    return next(found, lambda uncompressed: uncompressed)(file)


class _BoundedStream:
    """The unpacked bytes of a TAR archive; while members are listed, what is passed is counted.

    Going to the next header unpacks the member before it.
    """

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self.is_listing = True
        self._path = path
        self._stream = stream
        self._most = max(_HARMLESS_BYTES, _MAX_RATIO * path.stat().st_size)

    def tell(self) -> int:
        """Bytes passed."""
        return self._stream.tell()

    def seek(self, offset: int) -> int:
        """Go to a place, while members are listed as far as the bound."""
        if self.is_listing and offset > self._most:
            raise _too_much_error(self._path, offset, 1)
        return self._stream.seek(offset)

    def read(self, size: int) -> bytes:
        """Read a piece; a header of over a megabyte is refused."""
        if self.is_listing and size > _MAX_HEADER:
            raise DataError(
                f"{self._path}: a header of {size:,} bytes, expected at most {_MAX_HEADER:,}; "
                f"unpack the archive yourself and give the folder"
            )
        return self._stream.read(size)
