"""Text on pictures, in the scripts that class names are written in.

OpenCV brings fonts for all of them from version 5 on; before that, Pillow's font has ASCII.
"""

from functools import cache
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..core.labels import Rgb
from .pictures import RgbImage

FONT_PX, _WEIGHT = 15, 400
_HAS_FONTS = hasattr(cv2, "FontFace")
_BASELINE_PX = 14
"""From the top of a line to the foot of its letters."""


def measure_text(text: str) -> int:
    """The width of a line of text in pixels."""
    if not _HAS_FONTS:
        return round(_pillow_font().getlength(text))
    _, _, width, _ = cv2.getTextSize((1, 1), text, (0, 0), _face(), FONT_PX, _WEIGHT)
    return int(width)


def write_text(picture_HW3: RgbImage, text: str, at_px: tuple[int, int], color: Rgb) -> None:
    """Write a line of text into a picture; `at_px` is its top left corner, (x, y)."""
    x, y = at_px
    if _HAS_FONTS:
        drawn: Any = picture_HW3
        cv2.putText(drawn, text, (x, y + _BASELINE_PX), color, _face(), FONT_PX, _WEIGHT)
        return
    image = Image.fromarray(picture_HW3)
    ImageDraw.Draw(image).text(at_px, text, fill=color, font=_pillow_font())
    picture_HW3[:] = np.asarray(image)


@cache
def _face() -> Any:
    return cv2.FontFace("sans")


@cache
def _pillow_font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(FONT_PX)
