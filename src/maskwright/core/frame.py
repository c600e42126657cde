"""FrameErrors: where in the frame pixels are wrong, for cameras that do not move.

Images of one size are divided into a grid of at most 32 x 48 cells; of each cell the wrong
pixels of each true class and the labelled pixels are counted. Counts of two sets of images add.
"""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .labels import IGNORE, LabelMap

MAX_CELLS_HW = (32, 48)


@dataclass(frozen=True, slots=True, eq=False)
class FrameErrors:
    """`errors_Chw` counts wrong pixels by true class and cell, `pixels_hw` labelled pixels.

    Raises ValueError where the shapes do not fit, or a count is below 0.
    """

    size_HW: tuple[int, int]
    errors_Chw: NDArray[np.int64]
    pixels_hw: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.pixels_hw.ndim != 2 or self.errors_Chw.shape[1:] != self.pixels_hw.shape:
            raise ValueError(
                f"errors are {self.errors_Chw.shape}, pixels are {self.pixels_hw.shape}, "
                f"expected (C, h, w) and (h, w)"
            )
        if min(self.errors_Chw.min(initial=0), self.pixels_hw.min(initial=0)) < 0:
            raise ValueError("a count of pixels is below 0")

    @classmethod
    def from_maps(cls, truth_HW: LabelMap, predicted_HW: LabelMap, num_classes: int) -> Self:
        """Count one image."""
        height, width = truth_HW.shape
        h, w = (min(most, n) for most, n in zip(MAX_CELLS_HW, truth_HW.shape, strict=True))
        row_H, column_W = np.arange(height) * h // height, np.arange(width) * w // width
        cell_HW = row_H[:, None] * w + column_W
        labelled_HW = truth_HW != IGNORE
        wrong_HW = labelled_HW & (truth_HW != predicted_HW)
        index_P = truth_HW[wrong_HW].astype(np.int64) * (h * w) + cell_HW[wrong_HW]
        errors = np.bincount(index_P, minlength=num_classes * h * w)
        pixels = np.bincount(cell_HW[labelled_HW], minlength=h * w)
        # (C h w,) -> (C, h, w)
        return cls((height, width), errors.reshape(-1, h, w), pixels.reshape(h, w))

    def __add__(self, other: "FrameErrors") -> "FrameErrors":
        if self.size_HW != other.size_HW:
            raise ValueError(f"images of {self.size_HW} and of {other.size_HW} do not add")
        return FrameErrors(
            self.size_HW, self.errors_Chw + other.errors_Chw, self.pixels_hw + other.pixels_hw
        )

    def to_json(self) -> dict[str, object]:
        """An object; `from_json` undoes it."""
        return {
            "size": list(self.size_HW),
            "errors": self.errors_Chw.tolist(),
            "pixels": self.pixels_hw.tolist(),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Undo `to_json`."""
        height, width = (int(n) for n in document["size"])
        errors_Chw = np.array(document["errors"], np.int64)
        return cls((height, width), errors_Chw, np.array(document["pixels"], np.int64))


@dataclass(slots=True)
class FrameTally:
    """Sums the errors of images while all have one size; None where two sizes differ."""

    num_classes: int
    _sum: FrameErrors | None = field(default=None)
    _num_images: int = 0
    _is_fixed: bool = True

    def add(self, truth_HW: LabelMap, predicted_HW: LabelMap) -> None:
        """Add one image."""
        self._num_images += 1
        if self._sum is not None and self._sum.size_HW != truth_HW.shape:
            self._is_fixed = False
        if self._is_fixed:
            errors = FrameErrors.from_maps(truth_HW, predicted_HW, self.num_classes)
            self._sum = errors if self._sum is None else self._sum + errors

    @property
    def errors(self) -> FrameErrors | None:
        """The sum over two or more images of one size, else None."""
        return self._sum if self._is_fixed and self._num_images > 1 else None
