"""The code page of files that are not UTF-8: old tools on Windows wrote in that of the system.

Only two code pages are told apart, by a property that no other text has: in GB 2312 (Chinese)
every character outside ASCII is a pair of bytes from 0xA1 on; in Windows-1252 (Western Europe)
such bytes are letters that stand alone or in twos between ASCII characters.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from ...core.errors import DataError
from ...core.files import open_file
from .documents import MAX_BYTES

_HIGH = re.compile(rb"[\x80-\xff]+")
_LETTER_RUN = re.compile(rb"[\xc0-\xff]{1,2}")


def choose_code_page(paths: Iterable[Path]) -> str:
    """Choose the code page of all files, which one program wrote; each is not UTF-8.

    Raises:
        DataError: It is none of those that can be told apart, or a file cannot be read.
    """
    could_be = {"gb2312": True, "cp1252": True}
    for path in paths:
        with open_file(path, most_bytes=MAX_BYTES) as file:
            content = file.read()
        runs = _HIGH.findall(content)
        could_be["gb2312"] &= all(_is_gb2312(run) for run in runs)
        could_be["cp1252"] &= all(_LETTER_RUN.fullmatch(run) for run in runs)
        if not any(could_be.values()):
            raise DataError(
                f"{path}: is not UTF-8, and its code page is not clear; save it as UTF-8, for "
                f"example with iconv -f cp932 -t utf-8, where cp932 is that of the computer "
                f"that wrote it"
            )
    return next(name for name, is_possible in could_be.items() if is_possible)


def is_utf8(path: Path) -> bool:
    """Whether a file is UTF-8 text."""
    with open_file(path, most_bytes=MAX_BYTES) as file:
        try:
            file.read().decode()
        except UnicodeDecodeError:
            return False
    return True


def _is_gb2312(run: bytes) -> bool:
    try:
        run.decode("gb2312")
    except UnicodeDecodeError:
        return False
    return True
