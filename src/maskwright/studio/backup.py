"""Copy the store of a studio to a file, also while the studio runs."""

import sqlite3
from contextlib import closing
from pathlib import Path

from ..core.atomic import explain_write_errors
from ..core.errors import DataError, OutputError
from ..core.results import STUDIO_FILE
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
    part = file.with_name(f"{file.name}.part")
    try:
        with explain_write_errors(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            part.unlink(missing_ok=True)
            _copy(store, part)
            part.replace(file)
    except sqlite3.Error as error:
        raise OutputError(f"{file}: {error}; nothing was written") from error
    finally:
        part.unlink(missing_ok=True)
    return file.stat().st_size


def _copy(store: Path, part: Path) -> None:
    with (
        closing(sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(part)) as target,
    ):
        source.backup(target)
