"""A picture of change: where what became what, each of the largest changes in its colour.

What stayed is pale grey, darker classes a little darker with lines between them, so that the
place can be recognised; what one date does not label is mid grey. A change has the same colour
in all pictures of a series. The colours are those of Okabe and Ito, which the colour-blind can
tell apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ...core.labels import IGNORE, LabelMap, LabelSpec, Rgb
from ...pages.pictures import RgbImage
from ...pages.text import format_amount, format_percent
from ..figures.change import ClassChange

COLORS: tuple[Rgb, ...] = (
    (213, 94, 0),
    (0, 114, 178),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
    (240, 228, 66),
)
OTHER = (0, 0, 0)
UNLABELLED = (128, 128, 128)
BORDER = (172, 172, 172)

_STAYED = (205, 245)
"""Grey of the darkest and of the lightest class where nothing changed."""

_LUMA = (0.299, 0.587, 0.114)
_LEAST_WIDTH_PX = 480
_LINE_PX = 26
_FONT_PX = 15


@dataclass(frozen=True, slots=True)
class ChangeLegend:
    """The pairs (before, after) that have a colour of their own, largest first."""

    pairs: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, total: ClassChange) -> "ChangeLegend":
        """Colours for the largest changes of a series."""
        return cls(tuple(total.largest(len(COLORS))))


def change_lines(
    change: ClassChange, legend: ChangeLegend, spec: LabelSpec, area_unit: str
) -> list[tuple[Rgb, str]]:
    """Colour and words of every kind of change that an image has, with its area."""
    area_CC = change.area_CC
    found = [
        (color, f"{spec.names[a]} to {spec.names[b]}", float(area_CC[a, b]))
        for color, (a, b) in zip(COLORS, legend.pairs, strict=False)
        if area_CC[a, b] > 0
    ]
    rest = float(change.gained.sum()) - sum(area for _, _, area in found)
    if rest > 1e-9 * change.total:
        found.append((OTHER, "other changes", rest))
    return [
        (color, f"{words}   {format_amount(area, area_unit)}   {_format_part(area, change)}")
        for color, words, area in found
    ]


def _format_part(area: float, change: ClassChange) -> str:
    return format_percent(100 * area / change.total)


def paint_change(
    before_HW: LabelMap, after_HW: LabelMap, legend: ChangeLegend, spec: LabelSpec
) -> RgbImage:
    """The map of change without words, H x W x 3."""
    luma_256 = spec.palette @ np.array(_LUMA)
    low, high = _STAYED
    pale_256 = (low + (high - low) * luma_256 / 255).astype(np.uint8)
    painted_HW3 = np.repeat(pale_256[after_HW][..., None], 3, axis=2)
    painted_HW3[_borders(after_HW)] = BORDER
    painted_HW3[before_HW != after_HW] = OTHER
    for color, (a, b) in zip(COLORS, legend.pairs, strict=False):
        painted_HW3[(before_HW == a) & (after_HW == b)] = color
    painted_HW3[(before_HW == IGNORE) | (after_HW == IGNORE)] = UNLABELLED
    return np.ascontiguousarray(painted_HW3)


def add_legend(painted_HW3: RgbImage, lines: Sequence[tuple[Rgb, str]]) -> RgbImage:
    """A picture over a line of words a colour; a small picture is enlarged to be seen."""
    height, width = painted_HW3.shape[:2]
    factor = max(1, -(-_LEAST_WIDTH_PX // width))
    shown_HW3 = cv2.resize(
        painted_HW3, (width * factor, height * factor), interpolation=cv2.INTER_NEAREST
    )
    height, width = shown_HW3.shape[:2]
    page = Image.new("RGB", (width, height + 12 + _LINE_PX * len(lines)), (255, 255, 255))
    page.paste(Image.fromarray(shown_HW3), (0, 0))
    pen = ImageDraw.Draw(page)
    for place, (color, words) in enumerate(lines):
        top = height + 8 + place * _LINE_PX
        pen.rectangle((10, top + 3, 30, top + 19), fill=color, outline=(90, 90, 90))
        pen.text((40, top + 2), words, fill=(27, 34, 48), font=_font())
    return np.asarray(page, np.uint8)


def _borders(labels_HW: LabelMap) -> NDArray[np.bool_]:
    """Where a class ends to the right or below."""
    border_HW = np.zeros(labels_HW.shape, np.bool_)
    border_HW[:, :-1] = labels_HW[:, 1:] != labels_HW[:, :-1]
    border_HW[:-1] |= labels_HW[1:] != labels_HW[:-1]
    return border_HW


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_FONT_PX)
