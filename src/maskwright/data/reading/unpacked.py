"""Archives and stores that are kept as a folder until the process ends."""

import atexit
from contextlib import ExitStack
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from ...core.errors import DataError
from ...core.progress import Progress, silent
from ...core.storage import Store, StoredFile, find_scheme
from ...core.threads import map_in_order
from .archive import is_packed, name_archive, open_as_folder

_TRANSFERS = 8
"""Files that are copied at once: a store answers slowly, but many at a time."""

_unpacked = ExitStack()
atexit.register(_unpacked.close)
_fetched: dict[str, Path] = {}


def keep_as_folder(path: Path | str, progress: Progress = silent) -> Path:
    """The folder that an archive is unpacked to or an address is copied to; else the path.

    An archive that is opened again, and is still the same file, is unpacked once; an address
    is copied once. The folder is deleted when the process ends.

    Raises:
        DataError: The archive is damaged, or a member is unsafe; a store refuses or has no
            file there. The message names it.
        MissingDependencyError: The package of a store is not installed.
    """
    if find_scheme(path) is not None:
        address = str(path)
        if address not in _fetched:
            _fetched[address] = _fetch(Store(address), progress)
        with name_archive(_fetched[address], address):
            return keep_as_folder(_fetched[address])
    path = Path(path)
    if not is_packed(path):
        return path
    status = path.stat()
    return _unpack(path.resolve(), status.st_size, status.st_mtime_ns, path)


def _fetch(store: Store, progress: Progress) -> Path:
    """Copy all files below an address; the folder, or the file where the address is one."""
    files = store.list_files()
    if not files:
        raise DataError(f"{store.address}: no such file or folder")
    scratch = TemporaryDirectory(prefix="maskwright-")
    folder = Path(_unpacked.enter_context(scratch))
    only = PurePosixPath(store.address).name

    def fetch(file: StoredFile) -> None:
        store.fetch(file, folder / (file.name or only))

    fetched = map_in_order(fetch, files, num_threads=_TRANSFERS)
    for _ in progress(fetched, total=len(files), what="copying the data"):
        pass
    return folder if files[0].name else folder / only


@cache
def _unpack(_archive: Path, _size: int, _mtime_ns: int, path: Path) -> Path:
    return _unpacked.enter_context(open_as_folder(path))
