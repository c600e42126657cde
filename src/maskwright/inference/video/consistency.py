"""Temporal consistency and flicker of class maps in a row, along the motion of the frames.

Consistency is the mIoU of the class map of each frame, warped to the next, with the class map
there (Varghese et al. 2020, "Unsupervised Temporal Consistency Metric for Video Segmentation").
The flicker rate is the share of pixels that go from a class to another and back, in three
frames. Pixels that the frame before does not show are left out, and so are cuts.
"""

from dataclasses import dataclass, field

import numpy as np

from ...core.confusion import Confusion
from ...core.labels import IGNORE, LabelMap, LabelSpec
from ...core.scores import mean_iou
from ...core.stream import LabelledFrame
from .motion import Grey, Motion, shrink


@dataclass(slots=True)
class Consistency:
    """Counts over the frames of one stream, in order."""

    labels: LabelSpec
    confusion: Confusion = field(init=False)
    flickered_px: int = 0
    seen_px: int = 0
    num_cuts: int = 0
    _grey: Grey | None = None
    _last: LabelMap | None = None
    _before_last: LabelMap | None = None

    def __post_init__(self) -> None:
        self.confusion = Confusion.zero(len(self.labels))

    def add(self, one: LabelledFrame) -> None:
        """Count the next frame."""
        grey = shrink(one.frame.image_HWC)
        last, before_last = self._last, self._before_last
        if last is None or self._grey is None or self._grey.shape != grey.shape:
            self._grey, self._last, self._before_last = grey, one.labels_HW, None
            return
        motion = Motion.between(self._grey, grey)
        self._grey, self._last, self._before_last = grey, one.labels_HW, None
        if motion.is_cut:
            self.num_cuts += 1
            return
        warped = motion.warp_labels(last)
        self._before_last = warped
        known = np.where(one.labels_HW == IGNORE, np.uint8(IGNORE), warped)
        self.confusion += Confusion.from_labels(known, one.labels_HW, len(self.labels))
        if before_last is None:
            return
        first = motion.warp_labels(before_last)
        seen = (first != IGNORE) & (warped != IGNORE) & (one.labels_HW != IGNORE)
        self.seen_px += int(seen.sum())
        back = (first == one.labels_HW) & (first != warped)
        self.flickered_px += int((back & seen).sum())

    @property
    def miou(self) -> float:
        """Mean IoU of warped and present class maps, in [0, 1]; NaN without two frames."""
        return float(mean_iou(self.confusion))

    @property
    def flicker(self) -> float:
        """The share of pixels that change and change back within three frames, in [0, 1]."""
        return self.flickered_px / self.seen_px if self.seen_px else float("nan")
