"""Write files and folders whole, by renaming a temporary one, or not at all.

A read-only folder, a full disk or a file in place of a folder raises an OutputError that names
the path.
"""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from .errors import OutputError
from .temporary import make_temporary_file, make_temporary_folder


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a temporary file beside `path`; when the block ends, sync it and rename it."""
    with explain_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = make_temporary_file(path.parent, path.name)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` as `new_file` does."""
    with new_file(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, as `write_bytes` does."""
    write_bytes(path, text.encode())


def write_json(path: Path, document: Any) -> None:
    """Write indented JSON as `write_bytes` does; NaN raises ValueError, use None."""
    write_text(path, json.dumps(document, indent=1, allow_nan=False) + "\n")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a staging folder that replaces `path` when the block ends; removed on errors."""
    with explain_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        staging = make_temporary_folder(path.parent, path.name)
    try:
        with explain_write_errors(path):
            yield staging
            staging.chmod(0o777 & ~_umask())
            _swap(staging, path)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def explain_write_errors(path: Path) -> Iterator[None]:
    """Turn an OSError on writing below `path` into an OutputError that names the fix."""
    try:
        yield
    except OSError as error:
        reasons = {
            errno.EACCES: "permission denied; choose another output folder with -o",
            errno.EPERM: "permission denied; choose another output folder with -o",
            errno.EROFS: "the file system is read-only; choose another output folder with -o",
            errno.ENOSPC: "the disk is full; free some space or choose another folder with -o",
            errno.EDQUOT: "the disk quota is used up; free some space",
            errno.EFBIG: "the file is larger than the disk or `ulimit -f` allows",
            errno.ENOTDIR: "there is a file where a folder is needed; choose another path",
            errno.EEXIST: "there is a file where a folder is needed; choose another path",
            errno.ENAMETOOLONG: "a name in it is too long for this disk; use shorter names",
            errno.EISDIR: "there is a folder where a file is needed; choose another path",
        }
        if error.errno not in reasons:
            raise
        raise OutputError(f"{path}: cannot write: {reasons[error.errno]}") from error


def _swap(staging: Path, path: Path) -> None:
    if not path.exists():
        staging.rename(path)
        return
    old = make_temporary_folder(path.parent, path.name)
    path.rename(old / path.name)
    staging.rename(path)
    shutil.rmtree(old)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
