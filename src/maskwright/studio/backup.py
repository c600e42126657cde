"""Copy the store of a studio to a file, also while the studio runs."""

from pathlib import Path

from ..core.atomic import explain_write_errors
from ..core.errors import DataError, OutputError
from ..core.results import STUDIO_FILE
from ..store.database import copy_file
from .project import FOLDER


def back_up(data: Path, file: Path, *, overwrite: bool) -> int:
    """Copy one state of the store of `data` to `file`; the size in bytes.

    Raises:
        DataError: There is no studio.
        OutputError: The file is there, or cannot be written.
    """
    store = data / FOLDER / STUDIO_FILE
    if not store.is_file():
        raise DataError(f"{data}: has no studio; start one with maskwright studio {data}")
    if file.exists() and not overwrite:
        raise OutputError(f"{file}: is there already; name another file, or use --overwrite")
    with explain_write_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    copy_file(store, file)
    return file.stat().st_size
