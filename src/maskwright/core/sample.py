"""Sample: one image with its label map, key and group."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import DataError
from .image import Image, ValidMap
from .labels import LabelMap


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """One item of a Dataset. A `group` is never split apart: a patient, a street, a video.

    The image is H x W x C (see `core.image`), oriented as a viewer shows it (EXIF applied),
    with no resizing and no change of values. `valid_HW` is False where it holds no data, and
    labels and votes are IGNORE there; None where every pixel holds data.

    `votes_AHW` are the LabelMaps of A >= 2 annotators, all IGNORE where an annotator drew
    nothing; `labels_HW` is then the label of the majority.
    """

    key: str
    group: str
    image_HWC: Image
    labels_HW: LabelMap | None = None
    votes_AHW: NDArray[np.uint8] | None = None
    valid_HW: ValidMap | None = None

    def __post_init__(self) -> None:
        if self.image_HWC.ndim != 3:
            raise DataError(f"{self.key}: image is {self.image_HWC.shape}, expected (H, W, C)")
        if self.labels_HW is not None and self.labels_HW.shape != self.image_HWC.shape[:2]:
            raise DataError(
                f"{self.key}: image is {self.image_HWC.shape[:2]} (H, W), "
                f"labels are {self.labels_HW.shape}"
            )
        if self.votes_AHW is not None:
            self._require_votes(self.votes_AHW)

    def _require_votes(self, votes_AHW: NDArray[np.uint8]) -> None:
        if self.labels_HW is None:
            raise DataError(f"{self.key}: votes need labels, those of the majority")
        if votes_AHW.shape[1:] != self.labels_HW.shape or len(votes_AHW) < 2:
            raise DataError(
                f"{self.key}: labels are {self.labels_HW.shape} (H, W), votes are "
                f"{votes_AHW.shape}, expected (A, H, W) of A >= 2 annotators"
            )
