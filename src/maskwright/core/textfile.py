"""Read text files of users: UTF-8, with or without a byte order mark.

Every text that a person or another tool wrote is read here, so that all of them follow one
rule. Text in another encoding is refused: guessing one would change names silently.
"""

from pathlib import Path

from .errors import DataError, MaskwrightError
from .files import open_file

MAX_BYTES = 64 << 20
"""Largest text file that is read, where a reader sets no limit of its own."""

_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_text(
    path: Path, *, error: type[MaskwrightError] = DataError, most_bytes: int = MAX_BYTES
) -> str:
    """Read a text file; line ends stay as they are.

    Raises:
        `error`: The file cannot be read, is not a regular file, has more than `most_bytes`, or
            is not UTF-8; the message names the first byte that is not.
    """
    with open_file(path, most_bytes=most_bytes, error=error) as file:
        return decode_text(file.read(), where=str(path), error=error)


def decode_text(content: bytes, *, where: str, error: type[MaskwrightError] = DataError) -> str:
    """Decode UTF-8 and drop a byte order mark.

    Raises:
        `error`: It is UTF-16, or a byte is not UTF-8; the message names byte, line and fix.
    """
    fix = "save the file as UTF-8 (in an editor: Save as, encoding UTF-8)"
    if content.startswith(_UTF_16):
        raise error(
            f"{where}: cannot be read as UTF-8 text: it is UTF-16, its first bytes are "
            f"{content[:2].hex(' ')}; {fix}"
        )
    try:
        return content.removeprefix(_BOM).decode()
    except UnicodeDecodeError as cause:
        offset = cause.start + (len(_BOM) if content.startswith(_BOM) else 0)
        line = content.count(b"\n", 0, offset) + 1
        raise error(
            f"{where}: cannot be read as UTF-8 text: byte 0x{content[offset]:02x} at offset "
            f"{offset} (line {line}); {fix}"
        ) from cause
