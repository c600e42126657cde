"""Legends as pictures: colours with their names, and the scale of a map of numbers.

They stand outside the pixels that they explain: in a file of their own, or in a strip below a
picture.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from ..core.labels import LabelSpec, Rgb
from .lettering import measure_text, write_text
from .pictures import RgbImage, heat_palette
from .text import escape_controls, shorten_name

LegendEntry = tuple[Rgb, str]
"""A colour and its name."""

_LEAST_WIDTH_PX = 480
_LINE_PX = 26
_MARGIN_PX, _SWATCH_PX, _GAP_PX = 10, 20, 10
_LONGEST = 48
_INK, _RIM = (27, 34, 48), (90, 90, 90)
_TICKS = (0, 0.25, 0.5, 0.75, 1)


def list_classes(labels: LabelSpec) -> list[LegendEntry]:
    """The colour of each class with its index and its name."""
    return [(entry.color, f"{index} {entry.name}") for index, entry in enumerate(labels)]


def draw_legend(
    entries: Sequence[LegendEntry], width_px: int = 640, *, most_columns: int = 4
) -> RgbImage:
    """Draw the entries in columns, one below the other, as a strip of this width on white."""
    texts = [_shorten(text) for _, text in entries]
    longest_px = max(map(measure_text, texts), default=0)
    column_px = longest_px + _MARGIN_PX + _SWATCH_PX + 2 * _GAP_PX
    num_columns = max(1, min(most_columns, width_px // column_px))
    num_rows = -(-len(entries) // num_columns)
    strip_HW3 = np.full((12 + _LINE_PX * num_rows, width_px, 3), 255, np.uint8)
    for index, ((color, _), text) in enumerate(zip(entries, texts, strict=True)):
        column, row = divmod(index, num_rows)
        left, top = _MARGIN_PX + column * column_px, 8 + row * _LINE_PX
        strip_HW3[top + 3 : top + 20, left : left + _SWATCH_PX] = _RIM
        strip_HW3[top + 4 : top + 19, left + 1 : left + _SWATCH_PX - 1] = color
        write_text(strip_HW3, text, (left + _SWATCH_PX + _GAP_PX, top + 2), _INK)
    return strip_HW3


def draw_scale(title: str, width_px: int = 640) -> RgbImage:
    """Draw the colours of a map of shares, from 0 to 1 below its title, as a strip on white."""
    strip_HW3 = np.full((72, width_px, 3), 255, np.uint8)
    write_text(strip_HW3, title, (_MARGIN_PX, 4), _INK)
    ramp_W3 = heat_palette()
    strip_HW3[26:42, _MARGIN_PX : _MARGIN_PX + len(ramp_W3)] = ramp_W3
    for share in _TICKS:
        x, text = _MARGIN_PX + round(share * (len(ramp_W3) - 1)), f"{share:g}"
        strip_HW3[42:47, x] = _INK
        left = max(_MARGIN_PX, x - measure_text(text) // 2)
        write_text(strip_HW3, text, (left, 48), _INK)
    return strip_HW3


def draw_note(text: str, width_px: int = 640) -> RgbImage:
    """Draw a text, wrapped between words, as a strip of this width on white."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if measure_text(longer) <= width_px - 2 * _MARGIN_PX:
            lines[-1] = longer
        else:
            lines.append(word)
    strip_HW3 = np.full((12 + _LINE_PX * len(lines), width_px, 3), 255, np.uint8)
    for row, line in enumerate(lines):
        write_text(strip_HW3, line, (_MARGIN_PX, 8 + row * _LINE_PX), _INK)
    return strip_HW3


def add_legend(
    picture_HW3: RgbImage, entries: Sequence[LegendEntry], *, most_columns: int = 1
) -> RgbImage:
    """Add the entries below a picture; a small picture is enlarged."""
    height, width = picture_HW3.shape[:2]
    factor = max(1, -(-_LEAST_WIDTH_PX // width))
    enlarged_HW3 = cv2.resize(
        picture_HW3, (width * factor, height * factor), interpolation=cv2.INTER_NEAREST
    )
    strip_HW3 = draw_legend(entries, width * factor, most_columns=most_columns)
    return np.concatenate([np.asarray(enlarged_HW3, np.uint8), strip_HW3])


def _shorten(text: str) -> str:
    line = escape_controls(text).replace("\n", " ")
    return shorten_name(line, _LONGEST)
