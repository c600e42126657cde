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
from ..inference.display import Rgb, indexed_png, jpeg, to_rgb

PANELS = ("image", "truth", "prediction", "error")
IGNORED_RGB = (232, 232, 236)
WRONG_RGB = (213, 94, 0)
"""Vermillion of Okabe and Ito: apart from the grey of right pixels for every kind of sight."""

_LONGEST_PX = 480


@dataclass(slots=True)
class Extremes:
    """At most `num_kept` images a side; the pictures of all others are let go at once."""

    palette: Rgb
    num_kept: int = 4
    _best: list[tuple[float, int, dict[str, Any]]] = field(default_factory=list)
    _worst: list[tuple[float, int, dict[str, Any]]] = field(default_factory=list)
    _seen: int = 0

    def add(self, sample: Sample, predicted_HW: LabelMap, miou: float) -> None:
        """Consider one image; NaN (every pixel ignored) is no candidate."""
        self._seen += 1
        if math.isnan(miou):
            return
        sides = [(self._best, miou), (self._worst, -miou)]
        sides = [s for s in sides if len(s[0]) < self.num_kept or s[1] > s[0][0][0]]
        if not sides:
            return
        kept = {"key": sample.key, "miou": miou}
        kept["panels"] = picture(sample, predicted_HW, self.palette)
        for heap, goodness in sides:
            push = heapq.heappush if len(heap) < self.num_kept else heapq.heappushpop
            push(heap, (goodness, -self._seen, kept))

    def ranked(self) -> tuple[dict[str, Any], ...]:
        """Worst images from the worst on, then the best from the best on; none in both."""
        worst = [kept for *_, kept in sorted(self._worst, key=_order)]
        best = [kept for *_, kept in sorted(self._best, key=_order)]
        shown = {kept["key"] for kept in worst}
        best = [kept for kept in best if kept["key"] not in shown]
        return (
            *({"rank": "worst"} | kept for kept in worst),
            *({"rank": "best"} | kept for kept in best),
        )


def picture(sample: Sample, predicted_HW: LabelMap, palette: Rgb) -> dict[str, bytes]:
    """The four panels of one image as JPEG (photograph, error) and palette PNG files."""
    if sample.labels_HW is None:
        raise ValueError(f"{sample.key} has no labels")
    size_hw = _shown_size(predicted_HW.shape)
    image_hw3 = _resized(to_rgb(sample.image_HWC), size_hw, cv2.INTER_AREA)
    truth_hw = _resized(sample.labels_HW, size_hw, cv2.INTER_NEAREST)
    predicted_hw = _resized(predicted_HW, size_hw, cv2.INTER_NEAREST)
    colors = palette.copy()
    colors[IGNORE] = IGNORED_RGB
    return {
        "image": jpeg(image_hw3),
        "truth": indexed_png(truth_hw, colors),
        "prediction": indexed_png(predicted_hw, colors),
        "error": jpeg(_errors(image_hw3, truth_hw, predicted_hw)),
    }


def _errors(image_hw3: Rgb, truth_hw: LabelMap, predicted_hw: LabelMap) -> Rgb:
    """A pale grey photograph with wrong pixels in vermillion and ignored ones left blank."""
    grey_hw = cv2.cvtColor(image_hw3, cv2.COLOR_RGB2GRAY)
    shown_hw3 = np.repeat((110 + grey_hw * 0.5).astype(np.uint8)[..., None], 3, axis=2)
    shown_hw3[truth_hw != predicted_hw] = WRONG_RGB
    shown_hw3[truth_hw == IGNORE] = IGNORED_RGB
    return shown_hw3


def _order(item: tuple[float, int, dict[str, Any]]) -> tuple[float, int]:
    """Largest goodness first; of equals the image seen first."""
    return -item[0], -item[1]


def _shown_size(size_HW: tuple[int, ...]) -> tuple[int, int]:
    scale = min(1.0, _LONGEST_PX / max(size_HW))
    height, width = (max(1, round(n * scale)) for n in size_HW)
    return height, width


def _resized(
    pixels: NDArray[np.uint8], size_hw: tuple[int, int], interpolation: int
) -> NDArray[np.uint8]:
    resized = cv2.resize(pixels, size_hw[::-1], interpolation=interpolation)
    return np.asarray(resized, np.uint8)
