"""Read label_colors.txt, as CamVid has it: one line `red green blue name` per label.

Tabs and blanks separate the columns, names may have blanks, and lines may end in CRLF.
"""

import re
from pathlib import Path

from ...core.errors import ConfigError, shorten
from ...core.labels import MAX_CLASSES, Rgb
from .text import read_lines

FILE = "label_colors.txt"
_LINE = re.compile(r"(\d{1,3})\s+(\d{1,3})\s+(\d{1,3})\s+(\S.*)", re.ASCII)


def read_label_colors(path: Path) -> dict[str, Rgb]:
    """Read the colours by name, in the order of the file.

    Raises:
        ConfigError: A line has another form, a name occurs twice, or there are no lines.
    """
    colors: dict[str, Rgb] = {}
    for number, line in enumerate(read_lines(path, error=ConfigError), start=1):
        if not line.strip() or line.strip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        red, green, blue = map(int, match.groups()[:3]) if match else (256, 256, 256)
        if match is None or max(red, green, blue) > 255:
            raise ConfigError(
                f"{path}: line {number} is {shorten(line)!r}, expected 'red green blue "
                f"name' of 0..255"
            )
        if match[4] in colors:
            raise ConfigError(
                f"{path}: line {number} names {shorten(match[4])!r} a second time; keep one "
                f"line"
            )
        colors[match[4]] = (red, green, blue)
    if not 0 < len(colors) <= MAX_CLASSES + 1:
        raise ConfigError(
            f"{path}: lists {len(colors)} labels, expected 1 to {MAX_CLASSES + 1}"
        )
    return colors
