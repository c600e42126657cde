"""Keep the worst and the best images of an evaluation while it reads one after the other."""

import heapq
import math
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.image import Image, ValidMap
from ..core.labels import IGNORE, LabelMap
from ..core.patients import ImageScore
from ..core.sample import Sample
from ..core.threads import map_in_order
from ..pages.display import Display
from ..pages.pictures import RgbImage, encode_indexed_png, encode_jpeg

PANELS = ("image", "truth", "prediction", "error")
IGNORED_RGB = (232, 232, 236)
WRONG_RGB = (213, 94, 0)
"""Vermillion of Okabe and Ito: differs from the grey of right pixels, colour-blind or not."""
OUTLINE_RGB = (70, 24, 0)
"""Around wrong pixels, so that they differ in lightness too, as on a grey print."""

_LONGEST_PX = 960
"""Enough to see single pixels of a street scene when a panel fills the screen."""
_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


@dataclass(slots=True)
class Extremes:
    """The `num_kept` worst and best images; the pictures of all others are dropped at once."""

    palette: RgbImage
    num_kept: int = 4
    display: Display = field(default_factory=Display)
    _best: list["_Ranked"] = field(default_factory=list)
    _worst: list["_Ranked"] = field(default_factory=list)
    _num_images: int = 0

    def add(self, sample: Sample, predicted_HW: LabelMap, miou: float) -> None:
        """Call `add_maps` with the labels and the image of a sample."""
        if sample.labels_HW is None:
            raise ValueError(f"{sample.key} has no labels")
        self.add_maps(
            sample.key,
            sample.labels_HW,
            predicted_HW,
            miou,
            image_HWC=sample.image_HWC,
            valid_HW=sample.valid_HW,
        )

    def add_maps(
        self,
        key: str,
        truth_HW: LabelMap,
        predicted_HW: LabelMap,
        miou: float,
        *,
        image_HWC: Image | None = None,
        valid_HW: ValidMap | None = None,
    ) -> None:
        """Consider one image; one of mIoU NaN (every pixel ignored) is left out."""
        self._num_images += 1
        if math.isnan(miou):
            return
        sides = [(self._best, miou), (self._worst, -miou)]
        sides = [s for s in sides if len(s[0]) < self.num_kept or s[1] > s[0][0].rank]
        if not sides:
            return
        rgb_HW3 = None if image_HWC is None else self.display.draw(image_HWC, valid_HW)
        shown = ShownImage.from_maps(truth_HW, predicted_HW, rgb_HW3)
        for heap, rank in sides:
            push = heapq.heappush if len(heap) < self.num_kept else heapq.heappushpop
            push(heap, _Ranked(rank, -self._num_images, key, miou, shown))

    def rank(self) -> dict[ImageScore, dict[str, bytes]]:
        """Panels of the worst images, the worst first, then of the best, the best first.

        An image that is among both is listed as one of the worst.
        """
        worst, best = sorted(self._worst, reverse=True), sorted(self._best, reverse=True)
        keys = {image.key for image in worst}
        best = [image for image in best if image.key not in keys]
        scores = [ImageScore(rank="worst", key=i.key, miou=i.miou) for i in worst]
        scores += [ImageScore(rank="best", key=i.key, miou=i.miou) for i in best]
        panels = map_in_order(lambda image: image.shown.panels(self.palette), [*worst, *best])
        return dict(zip(scores, panels, strict=True))


@dataclass(frozen=True, slots=True, order=True)
class _Ranked:
    """A kept image; the larger `rank` goes first, and of equals the image added first."""

    rank: float
    order: int
    key: str = field(compare=False)
    miou: float = field(compare=False)
    shown: "ShownImage" = field(compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class ShownImage:
    """One image, of at most 960 px per side by default; encoded only when it is shown."""

    truth_hw: LabelMap
    predicted_hw: LabelMap
    image_hw3: RgbImage | None

    @classmethod
    def from_maps(
        cls,
        truth_HW: LabelMap,
        predicted_HW: LabelMap,
        image_HW3: RgbImage | None = None,
        *,
        longest_px: int = _LONGEST_PX,
    ) -> "ShownImage":
        """Resize two label maps, and the picture if there is one, to the size shown."""
        size_hw = compute_shown_size(truth_HW.shape, longest_px)
        image_hw3 = None
        if image_HW3 is not None:
            shrunk: Any = cv2.resize(image_HW3, size_hw[::-1], interpolation=cv2.INTER_AREA)
            image_hw3 = shrunk
        return cls(
            resize_labels(truth_HW, size_hw), resize_labels(predicted_HW, size_hw), image_hw3
        )

    def panels(self, palette: RgbImage) -> dict[str, bytes]:
        """JPEG files (image, error) and palette PNG files (truth, prediction) by panel.

        Without an image there is no panel `image`, and errors are drawn on the truth.
        """
        colors = panel_colors(palette)
        panels = {
            "truth": encode_indexed_png(self.truth_hw, colors),
            "prediction": encode_indexed_png(self.predicted_hw, colors),
        }
        if self.image_hw3 is None:
            ground_hw3 = colors[self.truth_hw]
        else:
            ground_hw3 = self.image_hw3
            panels = {"image": encode_jpeg(ground_hw3)} | panels
        wrong_hw = self.truth_hw != self.predicted_hw
        marks = {WRONG_RGB: wrong_hw, IGNORED_RGB: self.truth_hw == IGNORE}
        return panels | {"error": encode_jpeg(draw_marks(ground_hw3, marks))}


def panel_colors(palette: RgbImage) -> RgbImage:
    """Copy `palette` with the colour that ignored pixels have on pages."""
    colors = palette.copy()
    colors[IGNORE] = IGNORED_RGB
    return colors


def draw_marks(
    ground_hw3: RgbImage, marks: dict[tuple[int, int, int], NDArray[np.bool_]]
) -> NDArray[np.uint8]:
    """Draw each mask in its colour, outlined, on a pale grey `ground`; the last mask wins."""
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


def compute_shown_size(
    size_HW: tuple[int, ...], longest_px: int = _LONGEST_PX
) -> tuple[int, int]:
    """Height and width, at most `longest_px`, in which an image of `size_HW` is shown."""
    scale = min(1.0, longest_px / max(size_HW))
    height, width = (max(1, round(n * scale)) for n in size_HW)
    return height, width


def resize_labels(labels_HW: LabelMap, size_hw: tuple[int, int]) -> LabelMap:
    """Resize a label map to `size_hw` by the nearest pixel."""
    shown_hw = cv2.resize(labels_HW, size_hw[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(shown_hw, np.uint8)
