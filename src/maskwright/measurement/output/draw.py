"""What was measured, drawn on a picture: gap lines, skeletons, boxes.

Every function takes H x W x 3 RGB, 8 bits, and gives back a new picture of the same size. Lines
and letters grow with the picture. Colours are of Okabe and Ito's set for all kinds of colour
vision, each within a dark rim, so that they show on any ground.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from ...core.labels import Rgb
from ...pages.pictures import RgbImage
from ..figures.gap import Gap
from ..figures.regions import RegionProperties
from ..figures.thin import ThinStructure
from ..ground.pixel_scale import PixelScale

YELLOW, SKY, ORANGE, RIM = (240, 228, 66), (86, 180, 233), (230, 159, 0), (20, 20, 20)

_FRACTION_BITS = 4
"""OpenCV draws to a sixteenth of a pixel."""


@dataclass(frozen=True, slots=True)
class _Pen:
    """Widths that suit the size of a picture."""

    line_px: int
    letter_px: int

    @classmethod
    def of(cls, picture_HW3: RgbImage) -> "_Pen":
        side_px = math.sqrt(picture_HW3.shape[0] * picture_HW3.shape[1])
        return cls(max(1, round(side_px / 450)), max(12, round(side_px / 40)))


@dataclass(frozen=True, slots=True)
class _Label:
    """A text and the place in the picture it belongs to, (x, y) in pixels."""

    text: str
    at_px: tuple[float, float]


def draw_gap(picture_HW3: RgbImage, gap: Gap, scale: PixelScale) -> RgbImage:
    """The gap as a line with a mark at both ends and its length; one mark where they touch."""
    drawn_HW3, pen = picture_HW3.copy(), _Pen.of(picture_HW3)
    _line(drawn_HW3, [gap.a_px, gap.b_px], YELLOW, pen)
    for end_px in {gap.a_px, gap.b_px}:
        _ellipse(drawn_HW3, end_px, np.full(2, 2.5 * pen.line_px), YELLOW, pen)
    middle_px = (gap.a_px[0] + gap.b_px[0]) / 2, (gap.a_px[1] + gap.b_px[1]) / 2
    text = f"0 {scale.unit}, they touch" if gap.touches else _size(gap.distance, scale.unit)
    return _written(drawn_HW3, [_Label(text, middle_px)], YELLOW, pen)


def draw_skeleton(picture_HW3: RgbImage, thin: ThinStructure, scale: PixelScale) -> RgbImage:
    """The skeleton, the largest disc that fits, and its diameter."""
    drawn_HW3, pen = picture_HW3.copy(), _Pen.of(picture_HW3)
    for width_px, color in ((pen.line_px + 2, RIM), (pen.line_px, SKY)):
        brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width_px, width_px))
        drawn_HW3[cv2.dilate(thin.skeleton_HW.view(np.uint8), brush) > 0] = color
    if not thin.num_pieces:
        return drawn_HW3
    x, y = thin.max_width_px
    radii_px = thin.max_width / 2 / np.array(scale.at(y, x).pixel_HW[::-1])
    _ellipse(drawn_HW3, thin.max_width_px, radii_px, YELLOW, pen)
    beside_px = (
        thin.max_width_px[0] + radii_px[0] * 0.7,
        thin.max_width_px[1] - radii_px[1] * 0.7,
    )
    label = _Label(_size(thin.max_width, scale.unit), beside_px)
    return _written(drawn_HW3, [label], YELLOW, pen)


def draw_boxes(
    picture_HW3: RgbImage, regions: Sequence[RegionProperties], scale: PixelScale
) -> RgbImage:
    """The rotated box of every region, with its number from 1 and area where there is room."""
    drawn_HW3, pen = picture_HW3.copy(), _Pen.of(picture_HW3)
    for region in regions:
        _line(drawn_HW3, region.box.corners_px, ORANGE, pen, closed=True)
    labels = [
        _Label(f"{number}: {_size(region.area, scale.area_unit)}", _top(region))
        for number, region in enumerate(regions, start=1)
    ]
    return _written(drawn_HW3, labels, ORANGE, pen)


def _top(region: RegionProperties) -> tuple[float, float]:
    x, y = min(region.box.corners_px.tolist(), key=lambda corner: corner[1])
    return x, y


def _size(value: float, unit: str) -> str:
    """Three digits that count, and all before the point."""
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def _fixed_point(points_px: ArrayLike) -> NDArray[np.int32]:
    """From the frame of `outline` to OpenCV's, whose (0, 0) is the first pixel's centre."""
    centred = np.asarray(points_px, np.float64) - 0.5
    return np.asarray(np.round(centred * 2**_FRACTION_BITS), np.int32)


def _line(
    drawn_HW3: RgbImage, points_px: ArrayLike, color: Rgb, pen: _Pen, *, closed: bool = False
) -> None:
    points: Any = [_fixed_point(points_px)]
    for width_px, ink in ((pen.line_px + 2, RIM), (pen.line_px, color)):
        cv2.polylines(drawn_HW3, points, closed, ink, width_px, cv2.LINE_AA, _FRACTION_BITS)


def _ellipse(
    drawn_HW3: RgbImage,
    middle_px: tuple[float, float],
    radii_px: NDArray[np.float64],
    color: Rgb,
    pen: _Pen,
) -> None:
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    ring_px = middle_px + radii_px * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    _line(drawn_HW3, ring_px, color, pen, closed=True)


def _written(drawn_HW3: RgbImage, labels: Sequence[_Label], color: Rgb, pen: _Pen) -> RgbImage:
    """Write labels up and to the right of their places, wholly inside; none over another."""
    image = Image.fromarray(drawn_HW3)
    canvas = ImageDraw.Draw(image)
    font = ImageFont.load_default(pen.letter_px)
    rim_px = 1 + pen.letter_px // 12
    taken_HW = np.zeros(drawn_HW3.shape[:2], np.bool_)
    for label in labels:
        left, top, right, bottom = canvas.textbbox(
            (0, 0), label.text, font, stroke_width=rim_px
        )
        width, height = math.ceil(right - left), math.ceil(bottom - top)
        x, y = label.at_px
        x0 = max(0, min(round(x + 2 * pen.line_px), image.width - width))
        y0 = max(0, min(round(y - 4 * pen.line_px) - height, image.height - height))
        place = np.s_[y0 : y0 + height, x0 : x0 + width]
        if taken_HW[place].any():
            continue
        taken_HW[place] = True
        canvas.text(
            (x0 - left, y0 - top),
            label.text,
            fill=color,
            font=font,
            stroke_width=rim_px,
            stroke_fill=RIM,
        )
    return np.asarray(image)
