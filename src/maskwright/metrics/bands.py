"""Scores by distance to the nearest class border: the trimap curve of Kohli et al. 2009.

Kohli, Ladicky and Torr, "Robust higher order potentials for enforcing label consistency", IJCV
2009, score the pixels within a band around the object outlines; Krähenbühl and Koltun, NIPS
2011, draw that over the width of the band. Here:

* A border pixel shares an edge with a pixel of another class in the truth. Both sides are
  border pixels. An edge towards IGNORE or the end of the image is not a class border, so where
  IGNORE is drawn all around the objects (Pascal VOC) there are no borders to be near to.
* The distance of a pixel is 1 + the Euclidean distance, centre to centre, to the nearest border
  pixel: 1, 2, 3, ... px going away from a straight border, on either side of it.
* Pixels whose truth is IGNORE never count, and distances reach across them.
* A class that is neither in truth nor predicted in a band is left out of that band's mean; a
  band without a pixel scores NaN.

Both maps must hold class indices wherever truth is labelled; `Confusion.from_labels`
refuses others.
"""

from itertools import pairwise
from math import isqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.labels import IGNORE, LabelMap
from ..core.scores import mean_present, ratio
from .counts import Counts, Curve, Scores

WIDTHS_PX = (1, 2, 4, 8, 16, 32)
"""Upper ends of the bands (0, 1], (1, 2], ... (16, 32]; the last band is (32, inf)."""

BANDS = (
    *(f"{a}-{b} px" for a, b in pairwise((0, *WIDTHS_PX))),
    f"over {WIDTHS_PX[-1]} px",
)

_EXACT_COUNT = 1 << 24
"""OpenCV gives histograms in float32, which counts exactly up to here."""

Words = NDArray[np.uint64]
"""H x w: 64 pixels of a row per word, the leftmost in the lowest bit."""


def count(
    truth_HW: LabelMap, predicted_HW: LabelMap, num_classes: int
) -> dict[str, NDArray[np.int64]]:
    """`band_hit`, `band_truth`, `band_predicted`: pixels by class and band, (C, 7) int64."""
    band_HW = assign_bands(truth_HW)
    band_HW[truth_HW == IGNORE] = len(BANDS)  # outside the histogram
    hit_HW = (truth_HW == predicted_HW).view(np.uint8)
    return {
        "band_hit": _histogram(truth_HW, band_HW, num_classes, hit_HW),
        "band_truth": _histogram(truth_HW, band_HW, num_classes),
        "band_predicted": _histogram(predicted_HW, band_HW, num_classes),
    }


def scores(counts: Counts) -> Scores:
    """Curves `trimap_miou` (all pixels up to a width) and `distance_miou` (each band alone)."""
    hit, truth, predicted = (
        np.moveaxis(counts[name], -1, -2)  # (..., 7, C): the mean is over classes
        for name in ("band_hit", "band_truth", "band_predicted")
    )
    within = [part.cumsum(axis=-2)[..., :-1, :] for part in (hit, truth, predicted)]
    widths = tuple(float(width) for width in WIDTHS_PX)
    return Scores(
        curves={
            "trimap_miou": _curve("band half-width (px)", widths, *within),
            "distance_miou": _curve(
                "distance to the class border", BANDS, hit, truth, predicted
            ),
        }
    )


def assign_bands(truth_HW: LabelMap) -> NDArray[np.uint8]:
    """Assign each pixel its band, 0 to 6 in the order of `BANDS`; exact, in integers."""
    height, width = truth_HW.shape
    near_HW = np.zeros((height, width), np.uint8)
    for disc_Hw in _dilate(_pack_bits(mark_border(truth_HW)), [w - 1 for w in WIDTHS_PX]):
        near_HW += np.unpackbits(disc_Hw.view(np.uint8), axis=1, count=width, bitorder="little")
    return np.subtract(len(WIDTHS_PX), near_HW, out=near_HW)


def mark_border(truth_HW: LabelMap) -> NDArray[np.bool_]:
    """Mark pixels that share an edge with another class; never at or towards IGNORE."""
    border_HW = np.zeros(truth_HW.shape, np.bool_)
    valid_HW = truth_HW != IGNORE
    for one, other in (
        (np.s_[1:, :], np.s_[:-1, :]),
        (np.s_[:, 1:], np.s_[:, :-1]),
    ):
        differs = (truth_HW[one] != truth_HW[other]) & valid_HW[one] & valid_HW[other]
        border_HW[one] |= differs
        border_HW[other] |= differs
    return border_HW


def _curve(
    axis: str,
    at: tuple[float | str, ...],
    hit: NDArray[np.int64],
    truth: NDArray[np.int64],
    predicted: NDArray[np.int64],
) -> Curve:
    iou = ratio(hit, truth + predicted - hit)
    return Curve(axis=axis, at=at, values=mean_present(iou), of_classes=iou)


def _histogram(
    labels_HW: LabelMap,
    band_HW: NDArray[np.uint8],
    num_classes: int,
    mask_HW: NDArray[np.uint8] | None = None,
) -> NDArray[np.int64]:
    """Pixels by class and band, (C, 7); other values are left out."""
    total = np.zeros((num_classes, len(BANDS)), np.int64)
    num_rows = max(1, _EXACT_COUNT // max(1, labels_HW.shape[1]))
    for top in range(0, labels_HW.shape[0], num_rows):
        rows = slice(top, top + num_rows)
        part = cv2.calcHist(
            [np.ascontiguousarray(labels_HW[rows]), band_HW[rows]],
            [0, 1],
            None if mask_HW is None else mask_HW[rows],
            [num_classes, len(BANDS)],
            [0, num_classes, 0, len(BANDS)],
        )
        total += part.reshape(total.shape).astype(np.int64)
    return total


def _pack_bits(border_HW: NDArray[np.bool_]) -> Words:
    height, width = border_HW.shape
    bytes_Hb = np.zeros((height, -(-width // 64) * 8), np.uint8)
    bytes_Hb[:, : -(-width // 8)] = np.packbits(border_HW, axis=1, bitorder="little")
    return bytes_Hb.view("<u8")


def _dilate(bits_Hw: Words, radii_px: list[int]) -> list[Words]:
    """Dilate `bits_Hw` by each disc {dx^2 + dy^2 <= radius^2}.

    A row of a disc is a horizontal line, so the bits widened step by step to both sides serve
    the rows of all discs: about 5 ms at 1024 x 2048, where OpenCV's exact distance takes 37.
    """
    discs = [np.zeros_like(bits_Hw) for _ in radii_px]
    for reach_px in range(max(radii_px) + 1):
        if reach_px:
            bits_Hw = _widen(bits_Hw)
        for disc_Hw, radius in zip(discs, radii_px, strict=True):
            for dy in range(min(radius + 1, len(bits_Hw))):
                if isqrt(radius**2 - dy**2) == reach_px:
                    disc_Hw[dy:] |= bits_Hw[: len(bits_Hw) - dy]
                    disc_Hw[: len(bits_Hw) - dy] |= bits_Hw[dy:]
    return discs


def _widen(bits_Hw: Words) -> Words:
    """Set the left and right neighbours of each set pixel."""
    one, top = np.uint64(1), np.uint64(63)
    wide_Hw = bits_Hw | (bits_Hw << one)
    wide_Hw |= bits_Hw >> one
    wide_Hw[:, 1:] |= bits_Hw[:, :-1] >> top
    wide_Hw[:, :-1] |= bits_Hw[:, 1:] << top
    return wide_Hw
