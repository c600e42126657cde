"""ZIP and TAR archives as folders: unpacked for as long as they are looked at, and no longer.

Nothing is written before every name was looked at. Refused are members that would lie outside
(`..`, absolute paths, drive letters), links and devices, names twice, and archives that unpack
to far more than they are.
"""

import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, cast

from ...core.errors import DataError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_MAX_MEMBERS = 5_000_000
_MAX_RATIO, _HARMLESS_BYTES = 100, 1 << 30
"""More than this times the archive's size is refused, but for the first GiB."""

_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    size: int
    opened: Callable[[], IO[bytes]]


@contextmanager
def open_as_folder(path: Path) -> Iterator[Path]:
    """The folder that an archive holds; any other path as it is.

    Raises:
        DataError: Damaged, or a member that could do harm; the message names it.
    """
    if not path.is_file() or not path.name.lower().endswith(SUFFIXES):
        yield path
        return
    folder = Path(tempfile.mkdtemp(prefix="maskwright."))
    try:
        _unpack(path, folder)
        inside = list(folder.iterdir())
        yield inside[0] if len(inside) == 1 and inside[0].is_dir() else folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(path: Path, folder: Path) -> None:
    try:
        if path.name.lower().endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                _write(path, list(_zip_members(path, archive)), folder)
        else:
            with tarfile.open(path) as archive:
                _write(path, list(_tar_members(path, archive)), folder)
    except DataError:
        raise
    except _DAMAGED as error:
        raise DataError(f"{path}: the archive is damaged: {error}; get it again") from error
    except (RuntimeError, NotImplementedError) as error:
        raise DataError(f"{path}: cannot be unpacked: {error}; unpack it yourself") from error


def _zip_members(path: Path, archive: zipfile.ZipFile) -> Iterator[_Member]:
    for item in archive.infolist():
        if stat.S_ISLNK(item.external_attr >> 16):
            raise _refused(path, item.filename, "is a link")
        if not item.is_dir():
            yield _Member(item.filename, item.file_size, partial(archive.open, item))


def _tar_members(path: Path, archive: tarfile.TarFile) -> Iterator[_Member]:
    for item in archive:
        if not item.isfile() and not item.isdir():
            raise _refused(path, item.name, "is a link or a device")
        if item.isfile():
            yield _Member(item.name, item.size, partial(_of_tar, archive, item))


def _of_tar(archive: tarfile.TarFile, item: tarfile.TarInfo) -> IO[bytes]:
    return cast("IO[bytes]", archive.extractfile(item))


def _write(path: Path, members: list[_Member], folder: Path) -> None:
    seen: set[str] = set()
    for member in members:
        if not _lies_inside(member.name):
            raise _refused(path, member.name, "would lie outside the folder it is unpacked to")
        if member.name in seen:
            raise _refused(path, member.name, "is there twice")
        seen.add(member.name)
    total, packed = sum(member.size for member in members), path.stat().st_size
    if total > max(_HARMLESS_BYTES, _MAX_RATIO * packed) or len(members) > _MAX_MEMBERS:
        raise DataError(
            f"{path}: {packed:,} bytes unpack to {total:,} in {len(members):,} files; if that "
            f"is right, unpack it yourself and give the folder"
        )
    for member in members:
        target = folder / PurePosixPath(member.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with member.opened() as source, target.open("xb") as file:
            _copy(path, member, source, file)


def _copy(path: Path, member: _Member, source: IO[bytes], file: IO[bytes]) -> None:
    left = member.size
    while piece := source.read(1 << 20):
        left -= len(piece)
        if left < 0:
            raise _refused(path, member.name, f"is larger than it says ({member.size:,} bytes)")
        file.write(piece)


def _lies_inside(name: str) -> bool:
    place = PurePosixPath(name.replace("\\", "/"))
    return not place.is_absolute() and ".." not in place.parts and ":" not in name[:3]


def _refused(path: Path, name: str, why: str) -> DataError:
    return DataError(f"{path}: the member {name!r} {why}; remove it from the archive")
