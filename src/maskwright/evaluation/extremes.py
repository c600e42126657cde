"""The best and the worst images of an evaluation, kept while it streams."""

import heapq
import math
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.labels import IGNORE, LabelMap
from ..core.sample import Sample
from ..core.threads import map_in_order
from ..pages.pictures import Rgb, indexed_png, jpeg, to_rgb

Image = NDArray[np.uint8] | NDArray[np.uint16]

PANELS = ("image", "truth", "prediction", "error")
IGNORED_RGB = (232, 232, 236)
WRONG_RGB = (213, 94, 0)
"""Vermillion of Okabe and Ito: apart from the grey of right pixels for every kind of sight."""
OUTLINE_RGB = (70, 24, 0)
"""Around wrong pixels: they stand out by lightness too, so on a grey print."""

_LONGEST_PX = 960
"""Enough to see single pixels of a street scene when a panel fills the screen."""
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


@dataclass(slots=True)
class Extremes:
    """At most `num_kept` images a side; the pictures of all others are let go at once."""

    palette: Rgb
    num_kept: int = 4
    _best: list[tuple[float, int, dict[str, Any]]] = field(default_factory=list)
    _worst: list[tuple[float, int, dict[str, Any]]] = field(default_factory=list)
    _seen: int = 0

    def add(self, sample: Sample, predicted_HW: LabelMap, miou: float) -> None:
        """`add_maps` of a sample and its photograph."""
        if sample.labels_HW is None:
            raise ValueError(f"{sample.key} has no labels")
        self.add_maps(
            sample.key, sample.labels_HW, predicted_HW, miou, image_HWC=sample.image_HWC
        )

    def add_maps(
        self,
        key: str,
        truth_HW: LabelMap,
        predicted_HW: LabelMap,
        miou: float,
        *,
        image_HWC: Image | None = None,
    ) -> None:
        """Consider one image; NaN (every pixel ignored) is no candidate."""
        self._seen += 1
        if math.isnan(miou):
            return
        sides = [(self._best, miou), (self._worst, -miou)]
        sides = [s for s in sides if len(s[0]) < self.num_kept or s[1] > s[0][0][0]]
        if not sides:
            return
        kept = {"key": key, "miou": miou, "shown": Shown.of(truth_HW, predicted_HW, image_HWC)}
        for heap, goodness in sides:
            push = heapq.heappush if len(heap) < self.num_kept else heapq.heappushpop
            push(heap, (goodness, -self._seen, kept))

    def ranked(self) -> tuple[dict[str, Any], ...]:
        """Worst images from the worst on, then the best from the best on; none in both."""
        worst = [kept for *_, kept in sorted(self._worst, key=_order)]
        best = [kept for *_, kept in sorted(self._best, key=_order)]
        shown = {kept["key"] for kept in worst}
        best = [kept for kept in best if kept["key"] not in shown]
        ranked = [("worst", kept) for kept in worst] + [("best", kept) for kept in best]
        panels = map_in_order(lambda item: item[1]["shown"].panels(self.palette), ranked)
        return tuple(
            {"rank": rank, "key": kept["key"], "miou": kept["miou"], "panels": shown}
            for (rank, kept), shown in zip(ranked, panels, strict=True)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One image at most 960 px a side; encoded only once it is sure to be shown."""

    truth_hw: LabelMap
    predicted_hw: LabelMap
    image_hw3: Rgb | None

    @classmethod
    def of(
        cls, truth_HW: LabelMap, predicted_HW: LabelMap, image_HWC: Image | None = None
    ) -> "Shown":
        """From maps, and the photograph if there is one, of any size."""
        size_hw = shown_size(truth_HW.shape)
        image_hw3 = None
        if image_HWC is not None:
            shrunk: Any = cv2.resize(
                to_rgb(image_HWC), size_hw[::-1], interpolation=cv2.INTER_AREA
            )
            image_hw3 = shrunk
        return cls(smaller(truth_HW, size_hw), smaller(predicted_HW, size_hw), image_hw3)

    def panels(self, palette: Rgb) -> dict[str, bytes]:
        """JPEG (photograph, error) and palette PNG files.

        Without a photograph there is no panel `image`, and errors lie on the shapes of truth.
        """
        colors = panel_colors(palette)
        panels = {
            "truth": indexed_png(self.truth_hw, colors),
            "prediction": indexed_png(self.predicted_hw, colors),
        }
        if self.image_hw3 is None:
            ground_hw3 = colors[self.truth_hw]
        else:
            ground_hw3 = self.image_hw3
            panels = {"image": jpeg(ground_hw3)} | panels
        wrong_hw = self.truth_hw != self.predicted_hw
        marks = {WRONG_RGB: wrong_hw, IGNORED_RGB: self.truth_hw == IGNORE}
        return panels | {"error": jpeg(marked(ground_hw3, marks))}


def panel_colors(palette: Rgb) -> Rgb:
    """`palette` with the colour that ignored pixels have on pages."""
    colors = palette.copy()
    colors[IGNORE] = IGNORED_RGB
    return colors


def marked(
    ground_hw3: Rgb, marks: dict[tuple[int, int, int], NDArray[np.bool_]]
) -> NDArray[np.uint8]:
    """A pale grey `ground` with each mask in its colour, outlined; the last mask wins."""
    grey_hw = cv2.cvtColor(ground_hw3, cv2.COLOR_RGB2GRAY)
    shown_hw3 = np.repeat((160 + grey_hw * 0.32).astype(np.uint8)[..., None], 3, axis=2)
    for color, mask_hw in marks.items():
        shown_hw3[mask_hw] = color
        if color != IGNORED_RGB:
            shown_hw3[_rim(mask_hw)] = OUTLINE_RGB
    return shown_hw3


def _rim(mask_hw: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The outermost pixels of what is thicker than its own outline."""
    inner_hw = cv2.erode(mask_hw.astype(np.uint8), _CROSS)
    thick_hw = cv2.dilate(inner_hw, _CROSS)
    return mask_hw & (np.asarray(thick_hw) > np.asarray(inner_hw))


def shown_size(size_HW: tuple[int, ...]) -> tuple[int, int]:
    """Height and width, at most 960 px, in which an image of `size_HW` is shown."""
    scale = min(1.0, _LONGEST_PX / max(size_HW))
    height, width = (max(1, round(n * scale)) for n in size_HW)
    return height, width


def smaller(labels_HW: LabelMap, size_hw: tuple[int, int]) -> LabelMap:
    """Class indices at the nearest pixel."""
    shown_hw = cv2.resize(labels_HW, size_hw[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(shown_hw, np.uint8)


def _order(item: tuple[float, int, dict[str, Any]]) -> tuple[float, int]:
    """Largest goodness first; of equals the image seen first."""
    return -item[0], -item[1]
