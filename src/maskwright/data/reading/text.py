"""Reading of short text files: lists of names and tables of colours."""

from pathlib import Path

from ...core.errors import MaskwrightError


def read_lines(path: Path, *, error: type[MaskwrightError]) -> list[str]:
    """Read the lines of a UTF-8 file, with or without a byte order mark.

    Raises:
        `error`: The file cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as cause:
        raise error(f"{path}: cannot be read as UTF-8 text: {cause}") from cause
