"""Calibration: whether a confidence of 0.8 is right eight times in ten.

* ece: expected calibration error of the predicted class, Guo et al. 2017, eq. 3: the mean over
  pixels of |accuracy - mean confidence| of their bin, 15 bins of equal width, (low, high].
* sce: static calibration error, Nixon et al. 2019: the same for the share of one class, whether
  it wins or not, against how often it is the truth; then the mean over the classes. The paper's
  mean is over all classes; here one that is neither in the truth nor predicted is left out, as
  everywhere.
* brier: Brier 1950, over all classes: the mean over pixels of the sum over classes of (share -
  1 where it is the truth)^2; 0 to 2, lower is better.
* nll: negative log-likelihood, the mean over pixels of -log(share of the truth class), in nats.
* Per class, `brier` and `nll` are means over the pixels whose truth is the class, and
  `calibration_error` is its term in sce.
* Pixels whose truth is IGNORE never count. Without a counted pixel all scores are NaN, and so
  is the accuracy of a bin without one.

Shares are float32, sums float64.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.decision import Decision
from ..core.labels import IGNORE, LabelMap
from ..core.scores import Values, mean_present, ratio
from .counts import Counts, Curve, Scores

NUM_BINS = 15
"""As in Guo et al. 2017, whose figures of other models can then be compared with."""

MIDDLES = tuple(round((b + 0.5) / NUM_BINS, 4) for b in range(NUM_BINS))

Bins = tuple[Values, Values, Values]
"""Pixels, sum of shares and hits, each (15,)."""


def count(
    truth_HW: LabelMap,
    planes: Iterable[NDArray[np.float32]],
    decision: Decision,
    num_classes: int,
) -> dict[str, NDArray[np.float64]]:
    """Sum over one image, float64: `top_*` (15,), `share_*` (C, 15), `calibration_*` (C,).

    Args:
        truth_HW: Class indices or IGNORE.
        planes: The logits of each class, H x W, from which `decision` was made.
        decision: Its temperature is that of all shares.
        num_classes: C, the number of planes.

    Only a few planes are in memory at a time.
    """
    valid_HW = truth_HW != IGNORE
    confidence_HW = np.where(valid_HW, decision.confidence_HW, np.float32(0))
    num_valid = int(np.count_nonzero(valid_HW))
    shares = np.zeros((3, num_classes, NUM_BINS))
    nll_C = np.zeros(num_classes)
    squares_HW = np.zeros(truth_HW.shape, np.float32)
    for index, plane_HW in enumerate(planes):
        is_class_HW = truth_HW == index
        distance_HW = (plane_HW - decision.best_HW) * np.float32(1 / decision.temperature)
        nll_C[index] = -distance_HW[is_class_HW].sum(dtype=np.float64)
        share_HW = np.exp(distance_HW, out=distance_HW)
        share_HW *= confidence_HW
        shares[:, index] = _bin_class(share_HW, is_class_HW, num_valid)
        share_HW[is_class_HW] -= 1
        squares_HW += np.square(share_HW, out=share_HW)
    truth, top = truth_HW[valid_HW], confidence_HW[valid_HW]
    right = decision.labels_HW[valid_HW] == truth
    nll_C -= _sums(truth, np.log(top), num_classes)
    names = ("pixels", "confidence", "hits")
    return {
        **{f"top_{n}": v for n, v in zip(names, _bin_shares(top, right), strict=True)},
        **{f"share_{n}": v for n, v in zip(names, shares, strict=True)},
        "calibration_nll": nll_C,
        "calibration_brier": _sums(truth, squares_HW[valid_HW], num_classes),
        "calibration_predicted": _counts(decision.labels_HW[valid_HW], num_classes),
    }


def scores(counts: Counts) -> Scores:
    """`ece`, `sce`, `brier`, `nll`; per class; and the three curves of a reliability diagram.

    `reliability` is the accuracy of each bin of confidence, `mean_confidence` what it should
    be, `confidence_share` the share of all pixels that are in the bin.
    """
    pixels, confidence, hits = (counts[f"top_{n}"] for n in ("pixels", "confidence", "hits"))
    num_pixels = pixels.sum(axis=-1)
    truth = counts["share_hits"].sum(axis=-1)
    gaps = np.abs(counts["share_hits"] - counts["share_confidence"]).sum(axis=-1)
    seen = truth + counts["calibration_predicted"] > 0
    per_class = {
        "calibration_error": np.where(seen, ratio(gaps, num_pixels[..., None]), np.nan),
        "brier": ratio(counts["calibration_brier"], truth),
        "nll": ratio(counts["calibration_nll"], truth),
    }
    return Scores(
        overall={
            "ece": ratio(np.abs(hits - confidence).sum(axis=-1), num_pixels),
            "sce": mean_present(per_class["calibration_error"]),
            "brier": ratio(counts["calibration_brier"].sum(axis=-1), num_pixels),
            "nll": ratio(counts["calibration_nll"].sum(axis=-1), num_pixels),
        },
        classes=per_class,
        curves={
            "reliability": _curve(ratio(hits, pixels)),
            "mean_confidence": _curve(ratio(confidence, pixels)),
            "confidence_share": _curve(ratio(pixels, num_pixels[..., None])),
        },
    )


def _bin_class(
    share_HW: NDArray[np.float32], is_class_HW: NDArray[np.bool_], num_valid: int
) -> Bins:
    """The bins of one class; shares of pixels that do not count are 0.

    Nearly all shares are in the lowest bin, which is what the others leave of the total.
    """
    above = np.flatnonzero(share_HW > 1 / NUM_BINS)
    bins = _bin_shares(share_HW.ravel()[above], is_class_HW.ravel()[above])
    totals = num_valid, share_HW.sum(dtype=np.float64), np.count_nonzero(is_class_HW)
    for values, total in zip(bins, totals, strict=True):
        values[0] = max(0.0, total - values[1:].sum())
    return bins


def _bin_shares(share_P: NDArray[np.float32], is_hit_P: NDArray[np.bool_]) -> Bins:
    bin_P = np.ceil(share_P * np.float32(NUM_BINS)).astype(np.intp) - 1
    np.clip(bin_P, 0, NUM_BINS - 1, out=bin_P)
    return (
        _counts(bin_P, NUM_BINS),
        _sums(bin_P, share_P, NUM_BINS),
        _counts(bin_P[is_hit_P], NUM_BINS),
    )


def _counts(index_P: NDArray[Any], num: int) -> Values:
    return np.bincount(index_P, minlength=num).astype(np.float64)


def _sums(index_P: NDArray[Any], values_P: NDArray[np.float32], num: int) -> Values:
    return np.bincount(index_P, values_P, minlength=num).astype(np.float64, copy=False)


def _curve(values: Values) -> Curve:
    return Curve(axis="confidence of the predicted class", at=MIDDLES, values=values)
