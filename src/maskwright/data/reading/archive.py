"""Open ZIP and TAR archives as temporary folders.

Every member is checked before the first is written. An archive is refused if a member would
lie outside the folder (`..`, absolute paths, drive letters), is a link or a device, or has the
name of another member, and if it unpacks to far more bytes than it has.
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

from ...core.errors import DataError, MaskwrightError
from ..entries.walk import is_system_name
from .parquet import is_parquet, unpack_parquet

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_MAX_MEMBERS = 5_000_000
_MAX_RATIO, _HARMLESS_BYTES = 100, 1 << 30
"""Largest ratio of unpacked to packed size, for archives that unpack to more than 1 GiB."""

_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    size: int
    open: Callable[[], IO[bytes]]


@contextmanager
def open_as_folder(path: Path) -> Iterator[Path]:
    """Unpack an archive into a folder that is deleted afterwards; yield other paths unchanged.

    Parquet files of images are unpacked too. If the archive holds a single folder, that folder
    is yielded.

    Raises:
        DataError: The archive is damaged, or a member is unsafe; the message names it.
    """
    if not is_packed(path):
        yield path
        return
    folder = Path(tempfile.mkdtemp(prefix="maskwright."))
    try:
        if is_parquet(path):
            unpack_parquet(path, folder)
        else:
            _unpack(path, folder)
        children = [child for child in folder.iterdir() if not is_system_name(child.name)]
        top = children[0] if len(children) == 1 and children[0].is_dir() else folder
        with _name_archive(top, path):
            yield top
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_packed(path: Path) -> bool:
    """Whether `path` is an archive, or images and masks in Parquet files."""
    return (path.is_file() and path.name.lower().endswith(SUFFIXES)) or is_parquet(path)


@contextmanager
def _name_archive(folder: Path, path: Path) -> Iterator[None]:
    """Name the archive in errors, not the folder that it is unpacked to."""
    try:
        yield
    except MaskwrightError as error:
        error.args = tuple(
            argument.replace(str(folder), str(path)) if isinstance(argument, str) else argument
            for argument in error.args
        )
        raise


def _unpack(path: Path, folder: Path) -> None:
    try:
        if path.name.lower().endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                _write_members(path, list(_list_zip(path, archive)), folder)
        else:
            with tarfile.open(path) as archive:
                _write_members(path, list(_list_tar(path, archive)), folder)
    except DataError:
        raise
    except _DAMAGED as error:
        raise DataError(
            f"{path}: the archive is damaged: {error}; download it again"
        ) from error
    except (RuntimeError, NotImplementedError) as error:
        raise DataError(
            f"{path}: cannot be unpacked: {error}; unpack it yourself and give the folder"
        ) from error


def _list_zip(path: Path, archive: zipfile.ZipFile) -> Iterator[_Member]:
    for item in archive.infolist():
        if stat.S_ISLNK(item.external_attr >> 16):
            raise _unsafe_member_error(path, item.filename, "is a link")
        if not item.is_dir():
            yield _Member(item.filename, item.file_size, partial(archive.open, item))


def _list_tar(path: Path, archive: tarfile.TarFile) -> Iterator[_Member]:
    for item in archive:
        if not item.isfile() and not item.isdir():
            raise _unsafe_member_error(path, item.name, "is a link or a device")
        if item.isfile():
            yield _Member(item.name, item.size, partial(_open_in_tar, archive, item))


def _open_in_tar(archive: tarfile.TarFile, item: tarfile.TarInfo) -> IO[bytes]:
    return cast("IO[bytes]", archive.extractfile(item))


def _write_members(path: Path, members: list[_Member], folder: Path) -> None:
    seen: set[str] = set()
    for member in members:
        if not _lies_inside(member.name):
            raise _unsafe_member_error(
                path, member.name, "would lie outside the folder it is unpacked to"
            )
        if member.name in seen:
            raise _unsafe_member_error(path, member.name, "occurs twice")
        seen.add(member.name)
    total, packed = sum(member.size for member in members), path.stat().st_size
    # A small archive can hold a file that fills the disk: bound the ratio, and the count.
    if total > max(_HARMLESS_BYTES, _MAX_RATIO * packed) or len(members) > _MAX_MEMBERS:
        raise DataError(
            f"{path}: {packed:,} bytes unpack to {total:,} in {len(members):,} files; if that "
            f"is right, unpack the archive yourself and give the folder"
        )
    for member in members:
        target = folder / PurePosixPath(member.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as source, target.open("xb") as file:
            _copy(path, member, source, file)


def _copy(path: Path, member: _Member, source: IO[bytes], file: IO[bytes]) -> None:
    """Copy a member; its stated size may be false, so the bytes are counted."""
    left = member.size
    while piece := source.read(1 << 20):
        left -= len(piece)
        if left < 0:
            raise _unsafe_member_error(
                path, member.name, f"is larger than the archive states ({member.size:,} bytes)"
            )
        file.write(piece)


def _lies_inside(name: str) -> bool:
    """Whether a member stays in the folder, on systems with drive letters too."""
    path = PurePosixPath(name.replace("\\", "/"))
    return not path.is_absolute() and ".." not in path.parts and ":" not in name[:3]


def _unsafe_member_error(path: Path, name: str, why: str) -> DataError:
    return DataError(f"{path}: the member {name!r} {why}; remove it from the archive")
