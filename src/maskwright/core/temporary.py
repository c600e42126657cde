"""Temporary files and folders whose names say which process made them.

`.NAME.HOST-PID.RANDOM.tmp`: HOST begins the SHA-256 of the host's name. What a process of this
host left behind when it was killed is removed by the next process that writes to the folder.
"""

import errno
import hashlib
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

_LONGEST_NAME = 64
_NAME = re.compile(r".*\.(?P<host>[0-9a-f]{8})-(?P<pid>\d+)\.\w+\.tmp")


def make_temporary_file(folder: Path, name: str) -> tuple[int, Path]:
    """Create an empty file in `folder`; return its open descriptor and its path."""
    _remove_leftovers_once(str(folder.resolve()))
    handle, path = tempfile.mkstemp(dir=folder, prefix=_prefix(name), suffix=".tmp")
    return handle, Path(path)


@contextmanager
def make_parents(folder: Path) -> Iterator[None]:
    """Create `folder` and its parents; where the block raises, remove those that are empty."""
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for path in created:
                path.rmdir()
        raise


def make_temporary_folder(folder: Path, name: str) -> Path:
    """Create an empty folder in `folder`."""
    _remove_leftovers_once(str(folder.resolve()))
    return Path(tempfile.mkdtemp(dir=folder, prefix=_prefix(name), suffix=".tmp"))


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders in `folder` whose process has ended."""
    for path in folder.iterdir():
        match = _NAME.fullmatch(path.name)
        if match is None or match["host"] != _host() or is_running(int(match["pid"])):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def is_running(pid: int) -> bool:
    """Whether a process of this host has the number `pid`."""
    if os.name == "nt":
        return True  # signal 0 would end the process there
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno != errno.ESRCH
    return True


@cache
def _remove_leftovers_once(folder: str) -> None:
    """Listing a large folder for every file that is written into it would take too long."""
    remove_leftovers(Path(folder))


def _prefix(name: str) -> str:
    return f".{name[:_LONGEST_NAME]}.{_host()}-{os.getpid()}."


@cache
def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
