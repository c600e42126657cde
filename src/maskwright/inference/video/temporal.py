"""Labellers that use the frames before: smoothed logits, and keyframes with propagation.

Both warp logits of the network at their own resolution along the motion between frames, trust
each pixel by how well it fits, and begin anew at a cut.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

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


_MOST_AHEAD = 12
"""Frames that are held in memory while the next keyframe is awaited."""

_LEAST_WEIGHT = 1e-3
"""Of a keyframe where it does not show a pixel, so that one of the two always decides."""


class _Key(NamedTuple):
    """A frame that the network labelled."""

    grey: Grey
    logits: Logits


class _Between(NamedTuple):
    """A frame that waits for the next keyframe, and the motion since the last one."""

    frame: Frame
    grey: Grey
    motion: Motion


@dataclass(slots=True)
class Keyframes(Labeller):
    """The network labels keyframes; their logits follow the motion to the frames between.

    At most `every` - 1 frames follow a keyframe: fewer where the scene changes, so that the
    keyframe no longer shows 12 % of the pixels, or at a cut. Where `label_all` may wait, a
    frame gets the mean of the logits of both keyframes around it, weighed by how well each fits
    and how near it is; at most 12 frames wait.
    """

    model: Predictor
    every: int = 6
    num_keyframes: int = 0
    num_frames: int = 0
    _key: _Key | None = None
    _last: tuple[Grey, Motion | None] | None = None
    _followed: int = 0

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError(f"--keyframes {self.every}: give 1 or more")

    def label(self, frame: Frame) -> LabelMap:
        """The class map of the network, or of the logits that follow the motion."""
        self.num_frames += 1
        grey = shrink(frame.image_HWC)
        motion = self._follow(frame, grey)
        if motion is None or self._key is None:
            return self._finish(frame, self._run_network(frame, grey).logits)
        logits = self._key.logits
        return self._finish(frame, replace(logits, values_Khw=motion.warp_logits(logits)[0]))

    def label_all(self, frames: Iterator[Frame], *, may_wait: bool) -> Iterator[LabelMap]:
        """The class maps of all frames, in order."""
        if not may_wait:
            yield from map(self.label, frames)
            return
        waiting: list[_Between] = []
        for frame in frames:
            self.num_frames += 1
            grey, before = shrink(frame.image_HWC), self._key
            motion = self._follow(frame, grey) if len(waiting) < _MOST_AHEAD else None
            if motion is not None:
                waiting.append(_Between(frame, grey, motion))
                continue
            key = self._run_network(frame, grey)
            if before is not None:
                yield from self._fill(waiting, before, key)
            waiting = []
            yield self._finish(frame, key.logits)
        if self._key is not None:
            yield from self._fill(waiting, self._key, None)

    def describe(self) -> list[str]:
        """How many frames the network labelled."""
        return [f"the network labelled {self.num_keyframes} of {self.num_frames} frames"]

    def _run_network(self, frame: Frame, grey: Grey) -> _Key:
        logits = self.model.logits(frame.image_HWC, where=f"frame {frame.key}")
        self._key, self._last, self._followed = _Key(grey, logits), (grey, None), 0
        self.num_keyframes += 1
        return self._key

    def _finish(self, frame: Frame, logits: Logits) -> LabelMap:
        return label_logits(self.model, logits, frame.image_HWC, where=f"frame {frame.key}")

    def _follow(self, frame: Frame, grey: Grey) -> Motion | None:
        """The motion from the keyframe to this frame; None where it takes the network."""
        if self._key is None or self._last is None or self._followed + 1 >= self.every:
            return None
        last_grey, before = self._last
        if self._key.logits.size_HW != frame.image_HWC.shape[:2]:
            return None
        motion = Motion.between(last_grey, grey)
        if before is not None:
            motion = motion.after(before, self._key.grey, grey)
        if motion.is_cut or motion.lost_share > _MOST_LOST:
            return None
        self._last, self._followed = (grey, motion), self._followed + 1
        return motion

    def _fill(
        self, waiting: Sequence[_Between], before: _Key, after: _Key | None
    ) -> Iterator[LabelMap]:
        """The class maps of the frames between two keyframes; of one at a cut or the end."""
        back = _find_motions_back(waiting, after) if after is not None else []
        for index, one in enumerate(waiting, start=1):
            values_Khw, trust_hw = one.motion.warp_logits(before.logits)
            left = len(waiting) - index
            if after is not None and left < len(back):
                later_Khw, later_trust_hw = back[left].warp_logits(after.logits)
                weight_hw = (left + 1) * (trust_hw + _LEAST_WEIGHT)
                later_weight_hw = index * (later_trust_hw + _LEAST_WEIGHT)
                share_hw = later_weight_hw / (weight_hw + later_weight_hw)
                values_Khw = values_Khw + share_hw * (later_Khw - values_Khw)
            yield self._finish(one.frame, replace(before.logits, values_Khw=values_Khw))


def _find_motions_back(waiting: Sequence[_Between], after: _Key) -> list[Motion]:
    """The motion from the keyframe after them to frames, the last frame first, up to a cut."""
    motions: list[Motion] = []
    next_grey = after.grey
    for one in reversed(waiting):
        if one.frame.image_HWC.shape[:2] != after.logits.size_HW:
            break
        motion = Motion.between(next_grey, one.grey)
        if motion.is_cut:
            break
        if motions:
            motion = motion.after(motions[-1], after.grey, one.grey)
        motions.append(motion)
        next_grey = one.grey
    return motions


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
