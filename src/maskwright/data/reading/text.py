"""Reading of short text files: lists of names and tables of colours."""

from pathlib import Path

from ...core.errors import MaskwrightError
from ...core.textfile import read_text


def read_lines(path: Path, *, error: type[MaskwrightError]) -> list[str]:
    """Read the lines of a UTF-8 file, with or without a byte order mark.

    Raises:
        `error`: The file cannot be read, or is not UTF-8.
    """
    return read_text(path, error=error).splitlines()
