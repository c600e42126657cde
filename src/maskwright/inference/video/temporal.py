"""Labellers that use the frames before: smoothed logits, and keyframes with propagation.

Both warp logits of the network at their own resolution along the motion between frames, trust
each pixel by how well it fits, and begin anew at a cut.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ConfigError
from ...core.labels import LabelMap
from ...core.logits import Logits
from ...core.stream import Frame
from ..predictor import Predictor
from .labeller import EachFrame, Labeller, label_logits
from .motion import Grey, Motion, shrink

_MOST_LOST = 0.12
"""Share of pixels that a keyframe may not show, before the network runs again."""


@dataclass(slots=True)
class Smoothing(Labeller):
    """Exponential smoothing: the logits of the frame, and `share` of those before.

    `share` in [0, 1) is the weight of what was before where it fits perfectly; 0 smooths
    nothing.
    """

    model: Predictor
    share: float = 0.5
    num_cuts: int = 0
    _before: tuple[Grey, Logits] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise ConfigError(f"--smooth {self.share:g}: give a share from 0 to below 1")

    def label(self, frame: Frame) -> LabelMap:
        """The class map of the smoothed logits."""
        where = f"frame {frame.key}"
        logits = self.model.logits(frame.image_HWC, where=where)
        grey = shrink(frame.image_HWC)
        if self._before is not None:
            logits = self._smooth(self._before, grey, logits)
        self._before = grey, logits
        return label_logits(self.model, logits, frame.image_HWC, where=where)

    def describe(self) -> list[str]:
        """The number of cuts."""
        return [f"smoothed by {self.share:g}, anew at {self.num_cuts} cuts"]

    def _smooth(self, before: tuple[Grey, Logits], grey: Grey, logits: Logits) -> Logits:
        grey_before, logits_before = before
        same = logits_before.values_Khw.shape == logits.values_Khw.shape
        if not same or grey_before.shape != grey.shape:
            return logits
        motion = Motion.between(grey_before, grey)
        if motion.is_cut:
            self.num_cuts += 1
            return logits
        warped_Khw, trust_hw = motion.warp_logits(logits_before)
        weight_hw = np.float32(self.share) * trust_hw
        values_Khw: NDArray[np.float32] = logits.values_Khw + weight_hw * (
            warped_Khw - logits.values_Khw
        )
        return replace(logits, values_Khw=values_Khw)


@dataclass(slots=True)
class Keyframes(Labeller):
    """The network labels keyframes; their logits follow the motion to the frames between.

    At most `every` - 1 frames follow a keyframe: fewer where the scene changes, so that the
    keyframe no longer shows 12 % of the pixels, or at a cut.
    """

    model: Predictor
    every: int = 6
    num_keyframes: int = 0
    num_frames: int = 0
    _key: tuple[Grey, Logits] | None = None
    _last: tuple[Grey, Motion | None] | None = None
    _followed: int = 0

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError(f"--keyframes {self.every}: give 1 or more")

    def label(self, frame: Frame) -> LabelMap:
        """The class map of the network, or of the logits that follow the motion."""
        self.num_frames += 1
        where, grey = f"frame {frame.key}", shrink(frame.image_HWC)
        logits = self._follow(grey)
        if logits is None or logits.size_HW != frame.image_HWC.shape[:2]:
            logits = self.model.logits(frame.image_HWC, where=where)
            self._key, self._last, self._followed = (grey, logits), (grey, None), 0
            self.num_keyframes += 1
        return label_logits(self.model, logits, frame.image_HWC, where=where)

    def describe(self) -> list[str]:
        """How many frames the network labelled."""
        return [f"the network labelled {self.num_keyframes} of {self.num_frames} frames"]

    def _follow(self, grey: Grey) -> Logits | None:
        """The logits of the keyframe on this frame; None where it takes the network."""
        if self._key is None or self._last is None or self._followed + 1 >= self.every:
            return None
        key_grey, logits = self._key
        last_grey, before = self._last
        if key_grey.shape != grey.shape:
            return None
        motion = Motion.between(last_grey, grey)
        if before is not None:
            motion = motion.after(before, key_grey, grey)
        if motion.is_cut or motion.lost_share > _MOST_LOST:
            return None
        self._last, self._followed = (grey, motion), self._followed + 1
        return replace(logits, values_Khw=motion.warp_logits(logits)[0])


def choose_labeller(model: Predictor, *, smooth: float, keyframes: int) -> Labeller:
    """The labeller of the options: each frame by itself, smoothed, or by keyframes.

    Raises:
        ConfigError: A number out of range, or both.
    """
    if smooth and keyframes != 1:
        raise ConfigError("--smooth and --keyframes exclude each other; leave out one")
    if keyframes != 1:
        return Keyframes(model, keyframes)
    return Smoothing(model, smooth) if smooth else EachFrame(model)
