"""Maps of change: pixels that changed class, the largest kinds of change each in a colour.

Unchanged pixels are pale grey, darker for darker classes and with lines between classes, so
that the place can be recognised; pixels that one of the dates does not label are mid grey. A
kind of change has the same colour in all pictures of a series. The colours are those of Okabe
and Ito (2008, "Color universal design"), which the colour-blind can tell apart.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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

_UNCHANGED = (205, 245)
"""Grey of the darkest and of the lightest class where no class changed."""

_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, slots=True)
class ChangeLegend:
    """The pairs (before, after) of class indices with a colour of their own, largest first."""

    pairs: tuple[tuple[int, int], ...]

    @classmethod
    def from_change(cls, total: ClassChange) -> "ChangeLegend":
        """Give the colours to the largest kinds of change of a series."""
        return cls(tuple(total.largest(len(COLORS))))


def list_changes(
    change: ClassChange, legend: ChangeLegend, spec: LabelSpec, area_unit: str
) -> list[tuple[Rgb, str]]:
    """List colour and text of each kind of change in an image, with its area and share."""
    area_CC = change.area_CC
    changes = [
        (color, f"{spec.names[a]} to {spec.names[b]}", float(area_CC[a, b]))
        for color, (a, b) in zip(COLORS, legend.pairs, strict=False)
        if area_CC[a, b] > 0
    ]
    rest = float(change.gained.sum()) - sum(area for _, _, area in changes)
    if rest > 1e-9 * change.total:
        changes.append((OTHER, "other changes", rest))
    return [
        (color, f"{name}   {format_amount(area, area_unit)}   {_format_share(area, change)}")
        for color, name, area in changes
    ]


def _format_share(area: float, change: ClassChange) -> str:
    return format_percent(100 * area / change.total)


def paint_change(
    before_HW: LabelMap, after_HW: LabelMap, legend: ChangeLegend, spec: LabelSpec
) -> RgbImage:
    """Paint the map of change, H x W x 3."""
    luma_256 = spec.palette @ np.array(_LUMA)
    low, high = _UNCHANGED
    pale_256 = (low + (high - low) * luma_256 / 255).astype(np.uint8)
    painted_HW3 = np.repeat(pale_256[after_HW][..., None], 3, axis=2)
    painted_HW3[_borders(after_HW)] = BORDER
    painted_HW3[before_HW != after_HW] = OTHER
    for color, (a, b) in zip(COLORS, legend.pairs, strict=False):
        painted_HW3[(before_HW == a) & (after_HW == b)] = color
    painted_HW3[(before_HW == IGNORE) | (after_HW == IGNORE)] = UNLABELLED
    return np.ascontiguousarray(painted_HW3)


def _borders(labels_HW: LabelMap) -> NDArray[np.bool_]:
    """Pixels whose right or lower neighbour is of another class, H x W."""
    border_HW = np.zeros(labels_HW.shape, np.bool_)
    border_HW[:, :-1] = labels_HW[:, 1:] != labels_HW[:, :-1]
    border_HW[:-1] |= labels_HW[1:] != labels_HW[:-1]
    return border_HW
