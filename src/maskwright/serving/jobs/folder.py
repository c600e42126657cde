"""The folder of one job: what the client sent, what is made of it, and the results.

ID/upload/NAME     the file as it came; removed when the job has ended
ID/inputs/         the members of a ZIP file
ID/results/        the folder of `predict` or `video`, see `core.results`
"""

import io
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...core.results import is_results
from ..errors import ServingError

UPLOAD, INPUTS, RESULTS = "upload", "inputs", "results"
PARTIAL = ".partial"
_PIECE = 1 << 20


def count_bytes(folder: Path) -> int:
    """The bytes of all files in a folder; one that is removed meanwhile counts nothing."""
    total, folders = 0, [str(folder)]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
    return total


def remove_inputs(folder: Path) -> None:
    """Remove all but the results of a job that has ended."""
    for path in folder.iterdir():
        if path.name != RESULTS:
            shutil.rmtree(path, ignore_errors=True)


def list_results(folder: Path) -> list[Path]:
    """The files of the results of a job, without folders, in the order of their names."""
    root = folder / RESULTS
    return sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())


def find_result(folder: Path, name: str) -> Path:
    """One file of the results.

    Raises:
        ServingError: 404, there is none of this name.
    """
    root = (folder / RESULTS).resolve()
    path = root / name
    with suppress(OSError, ValueError):  # a name with a null byte, or too long
        if path.resolve().is_relative_to(root) and path.is_file():
            return path
    raise ServingError(404, f"the job has no file {name!r}; its list is at .../files")


def has_results(folder: Path) -> bool:
    """Whether the results are whole."""
    return is_results(folder / RESULTS)


def stream_zip(folder: Path) -> Iterator[bytes]:
    """The results as a ZIP file, which is made while it is sent and never lies on the disk."""
    to = _Pieces()
    root = folder / RESULTS
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in list_results(folder):
            info = zipfile.ZipInfo.from_file(path, path.relative_to(root).as_posix())
            info.compress_type = zipfile.ZIP_DEFLATED
            with path.open("rb") as source, archive.open(info, "w", force_zip64=True) as member:
                while piece := source.read(_PIECE):
                    member.write(piece)
                    yield to.take()
    yield to.take()


class _Pieces(io.RawIOBase):
    """A stream that cannot be sought, from which what was written is taken."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._written.append(bytes(piece))
        return len(piece)

    def take(self) -> bytes:
        """What was written since the last call."""
        taken = b"".join(self._written)
        self._written.clear()
        return taken
