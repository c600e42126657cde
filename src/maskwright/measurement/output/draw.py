"""Draw gaps, skeletons and boxes on a picture.

Every function takes H x W x 3 RGB, 8 bits, and returns a new picture of the same size. Line
width and letters grow with the picture. The colours are from the set of Okabe and Ito for all
kinds of colour vision, each with a dark rim, so that they can be seen on any background.
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
from ...data.georef.pixel_scale import PixelScale
from ...pages.pictures import RgbImage
from ..figures.gap import Gap
from ..figures.regions import RegionProperties
from ..figures.thin import ThinStructure
from ..ground.roi import Mask

YELLOW, SKY, ORANGE = (240, 228, 66), (86, 180, 233), (230, 159, 0)
WHITE, RIM = (255, 255, 255), (20, 20, 20)

FIGURES: Sequence[tuple[Rgb, str]] = (
    (ORANGE, "box of a region: number, area"),
    (SKY, "middle line of a thin structure"),
    (YELLOW, "largest width, smallest gap"),
    (WHITE, "region of interest, length of the scale"),
)
"""What the lines mean, for legends."""

_SCALE_SHARE = 0.25
_FRACTION_BITS = 4
"""OpenCV draws at a sixteenth of a pixel: four bits after the point."""


@dataclass(frozen=True, slots=True)
class _Pen:
    """Width of lines and height of letters for a picture of a certain size."""

    line_px: int
    letter_px: int

    @classmethod
    def from_picture(cls, picture_HW3: RgbImage) -> "_Pen":
        side_px = math.sqrt(picture_HW3.shape[0] * picture_HW3.shape[1])
        return cls(max(1, round(side_px / 450)), max(12, round(side_px / 40)))


@dataclass(frozen=True, slots=True)
class _Label:
    """A text and the point of the picture that it belongs to, (x, y) in pixels."""

    text: str
    at_px: tuple[float, float]


def draw_gap(
    picture_HW3: RgbImage, gap: Gap, scale: PixelScale, used_HW: Mask | None = None
) -> RgbImage:
    """Draw a gap as a line with marks at its ends and its length; one mark for a touch."""
    drawn_HW3, pen = picture_HW3.copy(), _Pen.from_picture(picture_HW3)
    _draw_line(drawn_HW3, [gap.a_px, gap.b_px], YELLOW, pen)
    for end_px in {gap.a_px, gap.b_px}:
        _draw_ellipse(drawn_HW3, end_px, np.full(2, 2.5 * pen.line_px), YELLOW, pen)
    middle_px = (gap.a_px[0] + gap.b_px[0]) / 2, (gap.a_px[1] + gap.b_px[1]) / 2
    text = (
        f"0 {scale.unit}, they touch" if gap.touches else _format_size(gap.distance, scale.unit)
    )
    return _write_labels(drawn_HW3, [_Label(text, middle_px)], YELLOW, pen, used_HW)


def draw_skeleton(
    picture_HW3: RgbImage, thin: ThinStructure, scale: PixelScale, used_HW: Mask | None = None
) -> RgbImage:
    """Draw the skeleton, the largest disc that fits, and its diameter."""
    drawn_HW3, pen = picture_HW3.copy(), _Pen.from_picture(picture_HW3)
    for width_px, color in ((pen.line_px + 2, RIM), (pen.line_px, SKY)):
        brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width_px, width_px))
        drawn_HW3[cv2.dilate(thin.skeleton_HW.view(np.uint8), brush) > 0] = color
    if not thin.num_pieces:
        return drawn_HW3
    x, y = thin.max_width_px
    radii_px = thin.max_width / 2 / np.array(scale.at(y, x).pixel_HW[::-1])
    _draw_ellipse(drawn_HW3, thin.max_width_px, radii_px, YELLOW, pen)
    beside_px = (
        thin.max_width_px[0] + radii_px[0] * 0.7,
        thin.max_width_px[1] - radii_px[1] * 0.7,
    )
    label = _Label(_format_size(thin.max_width, scale.unit), beside_px)
    return _write_labels(drawn_HW3, [label], YELLOW, pen, used_HW)


def draw_boxes(
    picture_HW3: RgbImage,
    regions: Sequence[RegionProperties],
    scale: PixelScale,
    used_HW: Mask | None = None,
) -> RgbImage:
    """Draw the rotated box of each region, its number from 1, and its area if there is room."""
    drawn_HW3, pen = picture_HW3.copy(), _Pen.from_picture(picture_HW3)
    for region in regions:
        _draw_line(drawn_HW3, region.box.corners_px, ORANGE, pen, closed=True)
    labels = [
        _Label(f"{number}: {_format_size(region.area, scale.area_unit)}", _top_corner(region))
        for number, region in enumerate(regions, start=1)
    ]
    return _write_labels(drawn_HW3, labels, ORANGE, pen, used_HW)


def draw_length(
    picture_HW3: RgbImage, scale: PixelScale, used_HW: Mask | None = None
) -> RgbImage:
    """Draw a line of a round length at the bottom left, with its length; not in pixels."""
    if scale.unit == "px":
        return picture_HW3
    drawn_HW3, pen = picture_HW3.copy(), _Pen.from_picture(picture_HW3)
    height, width = picture_HW3.shape[:2]
    margin_px = 8 * pen.line_px
    y_px = float(height - margin_px)
    pixel = scale.at(y_px, margin_px).pixel_HW[1]
    length = _round_down(_SCALE_SHARE * width * pixel)
    ends_px = (float(margin_px), y_px), (margin_px + length / pixel, y_px)
    _draw_line(drawn_HW3, ends_px, WHITE, pen)
    for x_px, _ in ends_px:
        tick_px = (x_px, y_px - 3 * pen.line_px), (x_px, y_px + 3 * pen.line_px)
        _draw_line(drawn_HW3, tick_px, WHITE, pen)
    label = _Label(f"{length:g} {scale.unit}", ends_px[0])
    return _write_labels(drawn_HW3, [label], WHITE, pen, used_HW)


def _round_down(length: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is not longer."""
    power = 10.0 ** math.floor(math.log10(length))
    return next(factor for factor in (5, 2, 1) if factor * power <= length) * power


def _top_corner(region: RegionProperties) -> tuple[float, float]:
    x, y = min(region.box.corners_px.tolist(), key=lambda corner: corner[1])
    return x, y


def _format_size(value: float, unit: str) -> str:
    """Three significant digits, and all digits before the point."""
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def _to_fixed_point(points_px: ArrayLike) -> NDArray[np.int32]:
    """Convert from the frame of `outline` to that of OpenCV: (0, 0) is a pixel's centre."""
    centred = np.asarray(points_px, np.float64) - 0.5
    return np.asarray(np.round(centred * 2**_FRACTION_BITS), np.int32)


def _draw_line(
    drawn_HW3: RgbImage, points_px: ArrayLike, color: Rgb, pen: _Pen, *, closed: bool = False
) -> None:
    points: Any = [_to_fixed_point(points_px)]
    for width_px, ink in ((pen.line_px + 2, RIM), (pen.line_px, color)):
        cv2.polylines(drawn_HW3, points, closed, ink, width_px, cv2.LINE_AA, _FRACTION_BITS)


def _draw_ellipse(
    drawn_HW3: RgbImage,
    middle_px: tuple[float, float],
    radii_px: NDArray[np.float64],
    color: Rgb,
    pen: _Pen,
) -> None:
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    ring_px = middle_px + radii_px * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    _draw_line(drawn_HW3, ring_px, color, pen, closed=True)


def _write_labels(
    drawn_HW3: RgbImage, labels: Sequence[_Label], color: Rgb, pen: _Pen, used_HW: Mask | None
) -> RgbImage:
    """Write labels beside their points, inside the picture, none over another.

    Above and right is tried first, then the other sides. `used_HW` marks where labels are; what
    is written is marked too.
    """
    image = Image.fromarray(drawn_HW3)
    canvas = ImageDraw.Draw(image)
    font = ImageFont.load_default(pen.letter_px)
    rim_px = 1 + pen.letter_px // 12
    if used_HW is None:
        used_HW = np.zeros(drawn_HW3.shape[:2], np.bool_)
    for label in labels:
        left, top, right, bottom = canvas.textbbox(
            (0, 0), label.text, font, stroke_width=rim_px
        )
        width, height = math.ceil(right - left), math.ceil(bottom - top)
        window = _find_room(label, (height, width), pen, used_HW)
        if window is None:
            continue
        y0, x0 = window
        used_HW[y0 : y0 + height, x0 : x0 + width] = True
        canvas.text(
            (x0 - left, y0 - top),
            label.text,
            fill=color,
            font=font,
            stroke_width=rim_px,
            stroke_fill=RIM,
        )
    return np.asarray(image)


def _find_room(
    label: _Label, size_hw: tuple[int, int], pen: _Pen, used_HW: Mask
) -> tuple[int, int] | None:
    """The top left pixel (y, x) of free room beside the point of a label; None without room."""
    (x, y), (height, width) = label.at_px, size_hw
    above, below = round(y - 4 * pen.line_px) - height, round(y + 4 * pen.line_px)
    right, left = round(x + 2 * pen.line_px), round(x - 2 * pen.line_px) - width
    for top, start in ((above, right), (above, left), (below, right), (below, left)):
        y0 = max(0, min(top, used_HW.shape[0] - height))
        x0 = max(0, min(start, used_HW.shape[1] - width))
        if not used_HW[y0 : y0 + height, x0 : x0 + width].any():
            return y0, x0
    return None
