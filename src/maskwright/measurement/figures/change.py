"""Change between two dates: the from-to matrix, and the area each class gained and lost.

A pixel counts where both maps label it. Pixels that only one of them labels are counted apart:
no class gains or loses them. `gained` is the area that became a class, `lost` the area that was
the class before; `net` is their difference, and so the difference of the two coverages over
the pixels that both maps label.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError
from ...core.labels import IGNORE, LabelMap
from ...core.versioned import Document
from ...data.georef.pixel_scale import PixelScale
from .finite import finite_or_none

Areas = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ClassChange:
    """C x C int64 pixels and their areas; row = class before, column = class after.

    `only_before_px` and `only_after_px` are pixels that one of the maps labels. Adds up over
    images.
    """

    pixels_CC: NDArray[np.int64]
    area_CC: Areas
    only_before_px: int
    only_after_px: int

    @classmethod
    def from_maps(
        cls, before_HW: LabelMap, after_HW: LabelMap, num_classes: int, scale: PixelScale
    ) -> "ClassChange":
        """Count the changes between two maps of one place.

        Raises:
            DataError: Their sizes differ.
        """
        if before_HW.shape != after_HW.shape:
            raise DataError(
                f"the map before is {before_HW.shape} (H, W), the map after {after_HW.shape}; "
                f"bring both to one grid"
            )
        pair_HW = before_HW.astype(np.uint16) << 8 | after_HW
        counts = np.bincount(pair_HW.ravel(), minlength=1 << 16).reshape(256, 256)
        area = scale.sum_areas(pair_HW, 1 << 16).reshape(256, 256)
        return cls(
            counts[:num_classes, :num_classes].astype(np.int64),
            area[:num_classes, :num_classes],
            int(counts[:num_classes, IGNORE].sum()),
            int(counts[IGNORE, :num_classes].sum()),
        )

    def __add__(self, other: "ClassChange") -> "ClassChange":
        return ClassChange(
            self.pixels_CC + other.pixels_CC,
            self.area_CC + other.area_CC,
            self.only_before_px + other.only_before_px,
            self.only_after_px + other.only_after_px,
        )

    @property
    def gained(self) -> Areas:
        """Area that became each class, (C,)."""
        return np.asarray(self.area_CC.sum(axis=0) - np.diagonal(self.area_CC))

    @property
    def lost(self) -> Areas:
        """Area that was each class before and is another now, (C,)."""
        return np.asarray(self.area_CC.sum(axis=1) - np.diagonal(self.area_CC))

    @property
    def net(self) -> Areas:
        """Area gained minus area lost, (C,)."""
        return self.gained - self.lost

    @property
    def total(self) -> float:
        """Area that both dates label."""
        return float(self.area_CC.sum())

    @property
    def changed_percent(self) -> float:
        """Percent of that area whose class changed; NaN where nothing is labelled twice."""
        return 100 * float(self.gained.sum()) / self.total if self.total else float("nan")

    def largest(self, most: int) -> list[tuple[int, int]]:
        """The `most` pairs (before, after) of different classes with the largest areas."""
        changed_CC = self.area_CC * ~np.eye(len(self.area_CC), dtype=np.bool_)
        order = np.argsort(-changed_CC, axis=None, kind="stable")[:most]
        pairs = [divmod(int(index), len(changed_CC)) for index in order]
        return [pair for pair in pairs if changed_CC[pair] > 0]

    def to_json(self, names: Sequence[str]) -> Document:
        """Areas gained, lost and net by class, and the matrix in the order of class indices."""
        rows = zip(names, self.gained, self.lost, self.net, strict=True)
        return {
            "labelled_twice_px": int(self.pixels_CC.sum()),
            "only_before_px": self.only_before_px,
            "only_after_px": self.only_after_px,
            "changed_percent": finite_or_none(self.changed_percent),
            "classes": {
                name: {"gained": float(gained), "lost": float(lost), "net": float(net)}
                for name, gained, lost, net in rows
            },
            "from_to_area": self.area_CC.tolist(),
        }
