"""Write files and folders whole, by renaming a temporary one, or not at all.

A read-only folder, a full disk or a file in place of a folder raises an OutputError that names
the path.
"""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import OutputError


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to a temporary file beside `path`, sync it to disk, and rename it."""
    with explain_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o666 & ~_umask())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


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
        staging = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        with explain_write_errors(path):
            yield staging
            staging.chmod(0o777 & ~_umask())
            _swap(staging, path)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def into_folder(path: Path) -> Iterator[Path]:
    """Yield a staging folder whose files are renamed into `path` when the block ends.

    Files of the same name are replaced and all others stay, so `path` may be any folder, a
    mount point too. Where the block raises, `path` stays as it was before.
    """
    created = _first_missing(path)
    try:
        with explain_write_errors(path):
            path.mkdir(parents=True, exist_ok=True)
            staging = Path(tempfile.mkdtemp(dir=path, prefix=".new."))
        try:
            with explain_write_errors(path):
                yield staging
                _move_files(staging, path)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except BaseException:
        if created is not None:
            shutil.rmtree(created, ignore_errors=True)
        raise


def require_writable(path: Path) -> None:
    """Raise what `into_folder(path)` would raise, before the work; writes nothing."""
    with suppress(_DryRunError), into_folder(path):
        raise _DryRunError


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
            errno.ENOTDIR: "there is a file where a folder is needed; choose another path",
            errno.EEXIST: "there is a file where a folder is needed; choose another path",
            errno.EISDIR: "there is a folder where a file is needed; choose another path",
        }
        if error.errno not in reasons:
            raise
        raise OutputError(f"{path}: cannot write: {reasons[error.errno]}") from error


class _DryRunError(Exception):
    """Makes `into_folder` remove what it created."""


def _first_missing(path: Path) -> Path | None:
    """The outermost folder that `path.mkdir(parents=True)` would create."""
    missing = [p for p in (path, *path.parents) if not p.exists()]
    return missing[-1] if missing else None


def _move_files(staging: Path, path: Path) -> None:
    for source in sorted(staging.rglob("*")):
        target = path / source.relative_to(staging)
        if source.is_dir():
            target.mkdir(exist_ok=True)
        else:
            source.replace(target)


def _swap(staging: Path, path: Path) -> None:
    if not path.exists():
        staging.rename(path)
        return
    old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old."))
    path.rename(old / path.name)
    staging.rename(path)
    shutil.rmtree(old)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
