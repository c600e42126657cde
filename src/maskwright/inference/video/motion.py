"""Motion between frames: optical flow by DIS, and arrays warped along it.

Kroeger et al. 2016, "Fast Optical Flow using Dense Inverse Search", as OpenCV has it. Flow is
measured on grey frames of at most 320 px at the longer side, and applied at any size.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.image import Image
from ...core.labels import IGNORE, LabelMap
from ...core.logits import Logits

Grey = NDArray[np.uint8]
"""A small grey frame, h x w."""

_LONGEST_PX = 320
_CUT = 28.0
"""Mean difference of grey values, 0..255, that motion does not explain: another scene."""

_UNLIKE = 24.0
"""Difference of grey values from which on a pixel does not show what it showed."""


def shrink(image_HWC: Image) -> Grey:
    """The frame as a small grey one."""
    height, width = image_HWC.shape[:2]
    scale = min(1.0, _LONGEST_PX / max(height, width))
    size_wh = (max(16, round(width * scale)), max(16, round(height * scale)))
    small = cv2.resize(image_HWC, size_wh, interpolation=cv2.INTER_AREA)
    values_hw = small if small.ndim == 2 else small[..., :3].mean(axis=2)
    if image_HWC.dtype != np.uint8:
        values_hw = 255 * values_hw / max(float(values_hw.max()), 1e-6)
    return np.asarray(values_hw, np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Where the pixels of a frame lie in an earlier one, and how well they fit.

    `place_hw2` are x and y in the earlier frame, in pixels of the small frames; `error_hw` is
    the difference of grey values, 255 for what lies outside of the earlier frame.
    """

    place_hw2: NDArray[np.float32]
    error_hw: NDArray[np.float32]

    @classmethod
    def between(cls, earlier: Grey, later: Grey) -> "Motion":
        """Measure the motion from one small frame to the next."""
        preset = cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST
        flow_hw2 = cv2.DISOpticalFlow.create(preset).calc(
            later, earlier, np.zeros((*later.shape, 2), np.float32)
        )
        return cls._judge(
            np.asarray(make_grid(later.shape) + flow_hw2, np.float32), earlier, later
        )

    @classmethod
    def _judge(cls, place_hw2: NDArray[np.float32], earlier: Grey, later: Grey) -> "Motion":
        seen = _remap(earlier, place_hw2)
        error_hw = np.abs(seen.astype(np.float32) - later)
        height, width = later.shape
        x, y = place_hw2[..., 0], place_hw2[..., 1]
        outside = (x < -0.5) | (y < -0.5) | (x > width - 0.5) | (y > height - 0.5)
        error_hw[outside] = 255.0
        return cls(place_hw2, error_hw)

    def after(self, first: "Motion", earliest: Grey, latest: Grey) -> "Motion":
        """The motion since the beginning of `first`, which ends where this one begins."""
        place_hw2 = _remap(first.place_hw2, self.place_hw2)
        return self._judge(np.asarray(place_hw2, np.float32), earliest, latest)

    @property
    def is_cut(self) -> bool:
        """Whether the frames show different scenes."""
        return float(np.minimum(self.error_hw, 128).mean()) > _CUT

    @property
    def lost_share(self) -> float:
        """The share of pixels that the earlier frame does not show, in [0, 1]."""
        return float((self.error_hw > _UNLIKE).mean())

    def trust(self, size_hw: tuple[int, int]) -> NDArray[np.float32]:
        """How well each pixel fits, in [0, 1], at another size: 1 for no difference."""
        small = np.exp(-((self.error_hw / _UNLIKE) ** 2))
        return np.asarray(cv2.resize(small, size_hw[::-1]), np.float32)

    def places(self, size_hw: tuple[int, int]) -> NDArray[np.float32]:
        """`place_hw2` at another size, in its pixels."""
        return find_places(self.place_hw2 - make_grid(self.error_hw.shape), size_hw)

    def warp_logits(self, logits: Logits) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits of the earlier frame at the places of the later one, K x h x w, and the trust.

        Logits that reach beyond the image are warped by the motion at its edge.
        """
        shape_hw = logits.values_Khw.shape[1:]
        inside = (
            max(1, min(shape_hw[0], round(logits.size_HW[0] * logits.rows.step))),
            max(1, min(shape_hw[1], round(logits.size_HW[1] * logits.columns.step))),
        )
        pad = [(0, full - part) for full, part in zip(shape_hw, inside, strict=True)]
        shift = np.pad(self.places(inside) - make_grid(inside), [*pad, (0, 0)], mode="edge")
        places = np.asarray(make_grid(shape_hw) + shift, np.float32)
        planes = [_remap(plane, places) for plane in logits.values_Khw]
        trust_hw = np.pad(self.trust(inside), pad, mode="edge")
        return np.stack(planes).astype(np.float32, copy=False), trust_hw

    def warp_labels(self, labels_HW: LabelMap) -> LabelMap:
        """The class map of the earlier frame on the later one; IGNORE where it shows it not."""
        size_hw = labels_HW.shape
        warped = _remap(labels_HW, self.places(size_hw), nearest=True)
        unlike = cv2.resize(self.error_hw, size_hw[::-1]) > _UNLIKE
        return np.where(unlike, np.uint8(IGNORE), warped).astype(np.uint8)


def find_places(
    shift_hw2: NDArray[np.float32], size_HW: tuple[int, int]
) -> NDArray[np.float32]:
    """Where the pixels of a frame lie in another one, from their shift at a smaller size."""
    height, width = shift_hw2.shape[:2]
    scale = np.array([size_HW[1] / width, size_HW[0] / height], np.float32)
    shift_HW2 = cv2.resize(shift_hw2, size_HW[::-1]) * scale
    return np.asarray(make_grid(size_HW) + shift_HW2, np.float32)


def _remap(values_hw: NDArray[Any], place_hw2: NDArray[Any], *, nearest: bool = False) -> Any:
    """The values at other places, those of the edge outside."""
    way = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    x_hw, y_hw = (np.ascontiguousarray(place_hw2[..., axis], np.float32) for axis in (0, 1))
    return cv2.remap(values_hw, x_hw, y_hw, way, borderMode=cv2.BORDER_REPLICATE)


def make_grid(size_hw: tuple[int, ...]) -> NDArray[np.float32]:
    """The columns and rows of all pixels, h x w x 2."""
    y, x = np.mgrid[: size_hw[0], : size_hw[1]].astype(np.float32)
    return np.stack([x, y], axis=2)
