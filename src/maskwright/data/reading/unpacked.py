"""Archives that stay unpacked until the process ends, for a dataset that is read many times."""

import atexit
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

from ...core.errors import MaskwrightError
from .archive import is_packed, open_as_folder

_unpacked = ExitStack()
atexit.register(_unpacked.close)


def keep_as_folder(path: Path) -> Path:
    """The folder that an archive is unpacked to; other paths unchanged.

    An archive that is opened again, and is still the same file, is unpacked once. The folder is
    deleted when the process ends.

    Raises:
        DataError: The archive is damaged, or a member is unsafe; the message names it.
    """
    if not is_packed(path):
        return path
    status = path.stat()
    return _unpack(path.resolve(), status.st_size, status.st_mtime_ns, path)


@cache
def _unpack(_archive: Path, _size: int, _mtime_ns: int, path: Path) -> Path:
    return _unpacked.enter_context(open_as_folder(path))


@contextmanager
def name_archive(folder: Path, archive: Path) -> Iterator[None]:
    """Name the archive in messages of errors, in place of the folder it is unpacked to."""
    try:
        yield
    except MaskwrightError as error:
        if folder != archive:
            error.args = (str(error).replace(str(folder), str(archive)),)
        raise
