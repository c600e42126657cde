"""Coverage: pixels, percent and area of each class.

The percent of a class is of the labelled pixels: those of the image, or of the region of
interest, that are not IGNORE. The percent of ignored pixels is of all pixels. Where no pixel is
labelled, the percent of every class is NaN.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from ...core.labels import IGNORE, LabelMap
from ...core.versioned import Document
from ...data.georef.pixel_scale import PixelScale
from ..ground.roi import Mask
from .finite import finite_or_none

WHOLE = ""
"""The name of the whole image beside those of regions of interest."""


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """Pixels and area of each class, (C,), and of ignored pixels; adds up over images."""

    pixels_C: NDArray[np.int64]
    area_C: NDArray[np.float64]
    ignored_px: int
    ignored_area: float

    @classmethod
    def from_labels(
        cls,
        labels_HW: LabelMap,
        num_classes: int,
        scale: PixelScale,
        inside_HW: Mask | None = None,
    ) -> "Coverage":
        """Count the pixels of a map, or those inside a region of interest."""
        counted = labels_HW if inside_HW is None else labels_HW[inside_HW]
        counts_256 = np.bincount(counted.ravel(), minlength=256)
        area_256 = scale.sum_areas(labels_HW, 256, inside_HW=inside_HW)
        return cls(
            counts_256[:num_classes].astype(np.int64),
            area_256[:num_classes],
            int(counts_256[IGNORE]),
            float(area_256[IGNORE]),
        )

    def __add__(self, other: "Coverage") -> "Coverage":
        return Coverage(
            self.pixels_C + other.pixels_C,
            self.area_C + other.area_C,
            self.ignored_px + other.ignored_px,
            self.ignored_area + other.ignored_area,
        )

    @property
    def labelled_px(self) -> int:
        """Number of pixels that have a class."""
        return int(self.pixels_C.sum())

    @property
    def percent(self) -> NDArray[np.float64]:
        """Percent of the labelled pixels per class, (C,); NaN where there are none.

        By area: images of several scales are weighted by what they show.
        """
        total = self.area_C.sum()
        return 100 * self.area_C / total if total else np.full(len(self.area_C), np.nan)

    @property
    def ignored_percent(self) -> float:
        """Percent of all pixels that are ignored; NaN for an empty region of interest."""
        total = float(self.area_C.sum()) + self.ignored_area
        return 100 * self.ignored_area / total if total else float("nan")

    def to_json(self, names: Iterable[str]) -> Document:
        """Pixels, area and percent by the names of the classes, and of ignored pixels."""
        rows = zip(names, self.pixels_C, self.area_C, self.percent, strict=True)
        return {
            "labelled_px": self.labelled_px,
            "classes": {
                name: {
                    "pixels": int(px),
                    "area": float(area),
                    "percent": finite_or_none(percent),
                }
                for name, px, area, percent in rows
            },
            "ignored": {
                "pixels": self.ignored_px,
                "area": self.ignored_area,
                "percent_of_all": finite_or_none(self.ignored_percent),
            },
        }


def count_coverage(
    labels_HW: LabelMap, num_classes: int, scale: PixelScale, rois: Mapping[str, Mask]
) -> dict[str, Coverage]:
    """Count the whole map (under `WHOLE`) and every region of interest."""
    inside = {
        name: Coverage.from_labels(labels_HW, num_classes, scale, roi_HW)
        for name, roi_HW in rois.items()
    }
    return {WHOLE: Coverage.from_labels(labels_HW, num_classes, scale), **inside}


def sum_coverages(coverages: Iterable[Mapping[str, Coverage]]) -> dict[str, Coverage]:
    """Add up the Coverages of several images by region of interest."""

    def add(total: dict[str, Coverage], more: Mapping[str, Coverage]) -> dict[str, Coverage]:
        return total | {n: total[n] + c if n in total else c for n, c in more.items()}

    return reduce(add, coverages, {})


def list_rows(
    coverage: Coverage, names: Iterable[str]
) -> Iterator[tuple[str, int, float, float, str]]:
    """One row per class and one for ignored pixels: name, pixels, percent, area, percent of."""
    classes = zip(names, coverage.pixels_C, coverage.percent, coverage.area_C, strict=True)
    for name, pixels, percent, area in classes:
        yield name, int(pixels), float(percent), float(area), "labelled"
    yield (
        "(ignored)",
        coverage.ignored_px,
        coverage.ignored_percent,
        coverage.ignored_area,
        "all",
    )
