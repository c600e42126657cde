"""Open ZIP and TAR archives as temporary folders.

Every member is checked before the first is written. An archive is refused if a member would
lie outside the folder (`..`, absolute paths, drive letters), is a link or a device, or has the
name of another member, and if it unpacks to far more bytes than it has.
"""

import errno
import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from ...core.errors import DataError, MaskwrightError
from ...core.temporary import make_temporary_folder
from ..entries.walk import is_system_name
from .members import Member, list_members, unsafe_member_error
from .parquet import is_parquet, unpack_parquet

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
    *(EOFError, OSError, ValueError, RecursionError, MemoryError),
)


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
    folder = make_temporary_folder(Path(tempfile.gettempdir()), "maskwright")
    try:
        if is_parquet(path):
            unpack_parquet(path, folder)
        else:
            unpack(path, folder)
        top = find_top(folder)
        with name_archive(top, path):
            yield top
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_packed(path: Path) -> bool:
    """Whether `path` is an archive, or images and masks in Parquet files."""
    named = path.name.lower().endswith(SUFFIXES) and path.exists() and not path.is_dir()
    return named or is_parquet(path)


@contextmanager
def name_archive(folder: Path, archive: Path | str) -> Iterator[None]:
    """Name the archive or address in messages of errors, in place of the folder it became."""
    try:
        yield
    except MaskwrightError as error:
        error.args = tuple(
            each.replace(str(folder), str(archive)) if isinstance(each, str) else each
            for each in error.args
        )
        raise


def find_top(folder: Path) -> Path:
    """The folder that an archive holds where it holds a single one; else `folder` itself."""
    children = [child for child in folder.iterdir() if not is_system_name(child.name)]
    return children[0] if len(children) == 1 and children[0].is_dir() else folder


def count_unpacked(path: Path) -> int:
    """The bytes that an archive states it unpacks to; raises DataError as `unpack`."""
    with _explain_errors(path, path.parent), list_members(path) as members:
        return sum(member.size for member in members)


def unpack(path: Path, folder: Path) -> None:
    """Unpack an archive into a folder.

    Raises:
        DataError: The archive is damaged, or a member is unsafe; the message names it.
    """
    with _explain_errors(path, folder), list_members(path) as members:
        for member in members:
            target = folder / PurePosixPath(member.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as source, target.open("xb") as file:
                _copy(path, member, source, file)


@contextmanager
def _explain_errors(path: Path, folder: Path) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except _DAMAGED as error:
        raise _explain(path, folder, error) from error
    except (RuntimeError, NotImplementedError) as error:
        raise DataError(
            f"{path}: cannot be unpacked: {error}; unpack it yourself and give the folder"
        ) from error


def _explain(path: Path, folder: Path, error: BaseException) -> DataError:
    """The archive is damaged, or the folder cannot hold what it unpacks to."""
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOSPC, errno.EDQUOT):
        return DataError(
            f"{path}: there is no room to unpack it in {folder.parent}; free some space, or "
            f"set TMPDIR to a folder on another disk"
        )
    if number in (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST):
        return DataError(
            f"{path}: a member has a name that this file system does not hold "
            f"({error}); unpack it yourself and give the folder"
        )
    return DataError(f"{path}: the archive is damaged: {error}; download it again")


def _copy(path: Path, member: Member, source: IO[bytes], file: IO[bytes]) -> None:
    """Copy a member; its stated size may be false, so the bytes are counted."""
    left = member.size
    while piece := source.read(1 << 20):
        left -= len(piece)
        if left < 0:
            raise unsafe_member_error(
                path, member.name, f"is larger than the archive states ({member.size:,} bytes)"
            )
        file.write(piece)
