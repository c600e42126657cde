"""Lock of a folder: one process at a time writes into it.

The file `.lock` holds the number and the host of the process. The lock itself is the operating
system's, so that it ends with its process, also with one that was killed.
"""

import errno
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .errors import LockedError

if sys.platform != "win32":
    import fcntl

NAME = ".lock"
_HELD: set[Path] = set()
"""Folders that this process locks: the system's locks do not exclude the own process."""


@dataclass(slots=True)
class Lock:
    """A lock that is held. `ended` describes a killed process whose lock was taken over."""

    file: Path
    ended: str | None = None

    def follow(self, folder: Path) -> None:
        """Note that the locked folder was renamed to `folder`."""
        self.file = folder / NAME


@contextmanager
def hold_lock(folder: Path) -> Iterator[Lock]:
    """Lock `folder`, which must exist, until the block ends.

    Raises:
        LockedError: Another process, or another thread of this one, holds the lock.
    """
    held = folder.resolve()
    if held in _HELD:
        raise _explain_lock(folder, _describe_this())
    with _open_locked(folder) as file:
        _HELD.add(held)
        file.seek(0)
        lock = Lock(folder / NAME, _read_owner(file.read()))
        try:
            file.seek(0)
            file.truncate()
            json.dump({"pid": os.getpid(), "host": socket.gethostname()}, file)
            file.flush()
            yield lock
        finally:
            lock.file.unlink(missing_ok=True)
            _HELD.discard(held)


def _open_locked(folder: Path) -> IO[str]:
    """The lock file, locked; opened again where its last holder removed it meanwhile."""
    while True:
        folder.mkdir(exist_ok=True)  # the last holder may have renamed the folder
        file = (folder / NAME).open("a+", encoding="utf-8")
        try:
            _lock(file, folder)
            if _is_in_place(file, folder / NAME):
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _lock(file: IO[str], folder: Path) -> None:
    if sys.platform == "win32":
        return
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in {errno.EACCES, errno.EAGAIN}:
            return  # a file system without locks
        file.seek(0)
        raise _explain_lock(folder, _read_owner(file.read()) or "another process") from error


def _is_in_place(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _read_owner(text: str) -> str | None:
    """The process that wrote the lock file; None where the file is empty."""
    try:
        owner = json.loads(text)
        return f"process {owner['pid']} on {owner['host']}"
    except (ValueError, TypeError, KeyError):
        return "an unknown process" if text else None


def _describe_this() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _explain_lock(folder: Path, owner: str) -> LockedError:
    return LockedError(
        f"{folder}: {owner} is writing here; wait until it has ended, or choose another folder"
    )
