"""Open files of users: regular files only, of a limited size, and one message per fault.

A FIFO or a device would block or never end, and a link may lead to one; so every file that a
person or another tool wrote is checked here before it is opened.
"""

import errno
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache, wraps
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

from .errors import DataError, MaskwrightError

_Read = TypeVar("_Read")

_REASONS = {
    errno.ENOENT: "no such file",
    errno.ENOTDIR: "no such file",
    errno.EACCES: "permission denied; make it readable",
    errno.EPERM: "permission denied; make it readable",
    errno.ELOOP: "it is a link that leads to itself; remove the link",
    errno.ENAMETOOLONG: "the name is too long for the file system; shorten it",
    errno.EISDIR: "it is a folder, expected a file",
}
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def require_file(
    path: Path, *, most_bytes: int, error: type[MaskwrightError] = DataError
) -> int:
    """Require a regular file, links followed, of at most `most_bytes`; return its size.

    Raises:
        `error`: No such file, no permission, a folder, a pipe, a socket or a device, or larger.
    """
    with explain_read_errors(path, error=error):
        status = path.stat()
    kind = next((name for is_kind, name in _KINDS if is_kind(status.st_mode)), None)
    if kind is not None:
        raise error(
            f"{path}: cannot be read: it is {kind}, expected a regular file; remove it or give "
            f"a file"
        )
    if status.st_size > most_bytes:
        raise error(
            f"{path}: {status.st_size:,} bytes, expected at most {most_bytes:,}; split the "
            f"file, or check that it is the right one"
        )
    return status.st_size


@contextmanager
def open_file(
    path: Path, *, most_bytes: int, error: type[MaskwrightError] = DataError
) -> Iterator[BufferedReader]:
    """Open a file that `require_file` accepts; raises as that does."""
    require_file(path, most_bytes=most_bytes, error=error)
    with explain_read_errors(path, error=error):
        opened = path.open("rb")
    with opened as file:
        yield file


@contextmanager
def explain_read_errors(
    path: Path, *, error: type[MaskwrightError] = DataError
) -> Iterator[None]:
    """Turn an OSError on reading `path` into `error` with the reason and the fix."""
    try:
        yield
    except OSError as cause:
        raise error(f"{path}: cannot be read: {describe_read_error(cause)}") from cause
    except ValueError as cause:
        if "null byte" not in str(cause):
            raise
        raise error(f"{str(path)!r}: a name with a null byte; rename the file") from cause


def is_present(path: Path) -> bool:
    """Whether something has this name, even a link that leads nowhere: reading it explains."""
    return os.path.lexists(path)


def describe_read_error(error: OSError) -> str:
    """Why a file cannot be read, and the fix: `permission denied; make it readable`."""
    reason = _REASONS.get(error.errno or 0)
    return reason or f"{error.strerror or error}; check the disk, or copy it again"


def is_writable(folder: Path) -> bool:
    """Whether files may be added; without write bits not even root adds any.

    A folder that does not exist yet is made in the nearest one that does.
    """
    folder = next(path for path in (folder, *folder.parents) if path.exists())
    return os.access(folder, os.W_OK) and bool(folder.stat().st_mode & 0o222)


def find_state_folder() -> Path:
    """The folder of maskwright in the user's state folder; it may not be there yet."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path("~/.local/state").expanduser()) / "maskwright"


def count_endings(folder: Path, others: Iterable[str] = ()) -> dict[str, Counter[str]]:
    """The number of files by ending (".nii.gz") below each entry of `folder`.

    `others` are the names of further files, which lie elsewhere. Hidden entries are left out.
    """
    counts: dict[str, Counter[str]] = {}
    names = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    for name in sorted({*names, *map(Path, others)}):
        first = name.parts[0]
        if not first.startswith("."):
            packed = name.suffixes[-2:] if name.suffix == ".gz" else [name.suffix]
            counts.setdefault(first, Counter())["".join(packed)] += 1
    return counts


def keep_unchanged(
    maxsize: int,
) -> Callable[[Callable[[Path], _Read]], Callable[[Path], _Read]]:
    """Keep what a function reads from a file until the size or the time of the file changes.

    At most `maxsize` files. The function raises OSError where the file is not there.
    """

    def decorate(read: Callable[[Path], _Read]) -> Callable[[Path], _Read]:
        @lru_cache(maxsize)
        def read_version(path: Path, *_version: int) -> _Read:
            return read(path)

        @wraps(read)
        def read_current(path: Path) -> _Read:
            status = path.stat()
            return read_version(path, status.st_size, status.st_mtime_ns)

        return read_current

    return decorate
