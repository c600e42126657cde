"""Estimates of a view: its mIoU without labels, by the estimator of its Bundle."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.observation import EXPECTED
from ...core.scores import Margins
from ...monitoring.estimate import Estimate, Estimator
from ...monitoring.window import Window, add_windows
from .view import Columns

Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Estimates:
    """The estimate of all images of a view, and of its parts over time.

    Values are NaN where nothing is said: `silent` parts are unlike all that the estimator
    knows. A part has at least `least_images`.
    """

    whole: Estimate
    num_images: int
    least_images: int
    times_N: Rows
    miou_N: Rows
    interval_2N: Rows

    @property
    def num_silent(self) -> int:
        """The parts without an estimate."""
        return int(np.isnan(self.miou_N).sum())


def estimate_columns(
    estimator: Estimator, columns: Columns, least_images: int
) -> Estimates | None:
    """Estimate the mIoU of columns, so many together that they have `least_images`.

    None where there are fewer images with expected numbers.
    """
    middles = columns.middles_N.tolist()
    parts: list[tuple[float, Estimate]] = []
    waiting: list[tuple[float, Window]] = []
    for middle, window in zip(middles, columns.windows, strict=True):
        if EXPECTED in window.sums:
            waiting.append((middle, window))
        if sum(one.num for _, one in waiting) >= least_images:
            times, windows = zip(*waiting, strict=True)
            parts.append((float(np.mean(times)), _estimate(estimator, windows)))
            waiting = []
    if not parts:
        return None
    known = [window for window in columns.windows if EXPECTED in window.sums]
    nothing = (np.nan, np.nan)
    return Estimates(
        whole=_estimate(estimator, known),
        num_images=sum(window.num for window in known),
        least_images=least_images,
        times_N=np.array([at for at, _ in parts]),
        miou_N=np.array([np.nan if e.miou is None else e.miou for _, e in parts]),
        interval_2N=np.array([e.interval or nothing for _, e in parts]).T,
    )


def _estimate(estimator: Estimator, windows: Sequence[Window]) -> Estimate:
    sums = add_windows(windows).sums[EXPECTED]
    hit, truth, predicted = (
        np.array([one.total for name, one in sums.items() if name.startswith(f"{kind} ")])
        for kind in ("hit", "truth", "predicted")
    )
    return estimator.estimate_margins(Margins(hit=hit, truth=truth, predicted=predicted))
