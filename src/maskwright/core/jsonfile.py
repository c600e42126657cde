"""Read JSON documents of users: bounded in size, depth and numbers, with one message per fault.

An integer that does not fit 64 bits, a number that is not finite, and `NaN`, which is not JSON,
are refused here, so that no reader of a document meets them.
"""

import json
from pathlib import Path
from typing import Any, NoReturn

from .errors import DataError, MaskwrightError
from .files import open_file
from .textfile import decode_text

MAX_BYTES = 256 << 20
"""Largest JSON document of maskwright; a report or the splits of a million images have less."""

_MAX_DIGITS = 40


def read_json(
    path: Path,
    *,
    error: type[MaskwrightError] = DataError,
    most_bytes: int = MAX_BYTES,
    fix: str = "restore the file",
) -> Any:
    """Read the document of a UTF-8 file, with or without a byte order mark.

    `fix` ends the message on content that is not JSON.

    Raises:
        `error`: The file cannot be read, is too large, or is not JSON as described above.
    """
    with open_file(path, most_bytes=most_bytes, error=error) as file:
        content = file.read(most_bytes + 1)
    return parse_json(content, where=str(path), error=error, fix=fix)


def parse_json(
    content: bytes,
    *,
    where: str,
    error: type[MaskwrightError] = DataError,
    fix: str = "restore the file",
) -> Any:
    """Parse a document; `where` names its file. Raises as `read_json` does."""
    text = decode_text(content, where=f"{where}: not valid JSON", error=error)
    try:
        return json.loads(
            text,
            parse_int=_parse_integer,
            parse_float=_parse_float,
            parse_constant=_refuse_constant,
        )
    except RecursionError as cause:
        raise error(f"{where}: not valid JSON: nested too deeply; {fix}") from cause
    except ValueError as cause:
        raise error(f"{where}: not valid JSON: {cause}; {fix}") from cause


def _parse_integer(text: str) -> int:
    value = int(text) if len(text) <= _MAX_DIGITS else 1 << 64
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError(f"the number {text[:_MAX_DIGITS]} does not fit 64 bits")
    return value


def _parse_float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:_MAX_DIGITS]} is too large")
    return value


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")
