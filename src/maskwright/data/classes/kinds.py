"""Propose whether a class is stuff or things, from its regions in the masks.

The rule, over the masks in which the class occurs:

* A class is stuff where it is called background or similar, where it covers half of the pixels
  or more, or where it holds a quarter of the border of the image or more: road, sky, wall.
* Else it is things where half of its pixels or more lie in regions that do not touch the border
  of the image, so that they are seen whole: cars, persons, defects, cells.
* Else it is stuff.

It is a proposal: dataset.yaml holds it as `kind`, and the text that names it says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

BACKGROUND_NAMES = frozenset({"background", "_background_", "bg", "unlabeled", "unlabelled"})
"""Names, in lower case, of the class of all that is not drawn."""

_MOST_PIXELS = 0.5
_MOST_BORDER = 0.25
_WHOLE = 0.5
_MAX_SIDE = 1024
_MAX_VALUES = 64

Kind = Literal["stuff", "thing"]


@dataclass(slots=True)
class RegionTally:
    """Sums over the masks that show a value.

    `share` and `border` sum its share of the pixels and of the border, in [0, 1] each; `inner`
    are the pixels, of `pixels`, in 8-connected regions that do not touch the border.
    """

    masks: int = 0
    share: float = 0.0
    border: float = 0.0
    pixels: int = 0
    inner: int = 0

    def add(self, other: "RegionTally") -> None:
        """Add the sums of other masks."""
        self.masks += other.masks
        self.share += other.share
        self.border += other.border
        self.pixels += other.pixels
        self.inner += other.inner


def tally_regions(
    small_hw: NDArray[np.integer], values: list[int], tallies: dict[int, RegionTally]
) -> None:
    """Add one mask, which holds `values`, by every `find_step`-th of its rows and columns.

    A mask of more values than classes usually are is left out.
    """
    if len(values) > _MAX_VALUES:
        return
    border = np.concatenate((small_hw[[0, -1]].ravel(), small_hw[:, [0, -1]].ravel()))
    for value in values:
        inside_hw = (small_hw == value).view(np.uint8)
        pixels = int(np.count_nonzero(inside_hw))
        if pixels:
            one = RegionTally(
                masks=1,
                share=pixels / inside_hw.size,
                border=float(np.mean(border == value)),
                pixels=pixels,
                inner=_count_inner(inside_hw),
            )
            tallies.setdefault(value, RegionTally()).add(one)


def find_step(size_HW: tuple[int, ...]) -> int:
    """The step between rows and columns by which a mask is looked at."""
    return -(-max(size_HW) // _MAX_SIDE)


def propose_kind(name: str, tallies: Iterable[RegionTally]) -> Kind:
    """Propose the kind of a class of this name, whose raw values have these tallies."""
    total = RegionTally()
    for tally in tallies:
        total.add(tally)
    if name.lower() in BACKGROUND_NAMES or not total.masks:
        return "stuff"
    if total.share / total.masks >= _MOST_PIXELS or total.border / total.masks >= _MOST_BORDER:
        return "stuff"
    return "thing" if total.inner >= _WHOLE * total.pixels else "stuff"


def describe_kinds(kinds: Iterable[tuple[str, Kind]]) -> str:
    """Name the proposed kinds, for the notes on what was inferred."""
    kinds = tuple(kinds)
    things = [name for name, kind in kinds if kind == "thing"]
    stuff = [name for name, kind in kinds if kind == "stuff"]
    parts = (
        f"things, mostly in regions inside the image: {', '.join(things)}" if things else "",
        f"stuff, much of the image or of its border: {', '.join(stuff)}" if stuff else "",
    )
    listed = "; ".join(part for part in parts if part)
    return f"kinds proposed from the pictures: {listed} (correct 'kind' in dataset.yaml)"


def _count_inner(inside_hw: Any) -> int:
    """Pixels in 8-connected regions that do not touch the border."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(inside_hw, connectivity=8)
    height, width = inside_hw.shape
    left, top = stats[1:, cv2.CC_STAT_LEFT], stats[1:, cv2.CC_STAT_TOP]
    right, bottom = left + stats[1:, cv2.CC_STAT_WIDTH], top + stats[1:, cv2.CC_STAT_HEIGHT]
    inner = (left > 0) & (top > 0) & (right < width) & (bottom < height)
    return int(stats[1:, cv2.CC_STAT_AREA][inner].sum())
