"""Chart of individual values and moving ranges, with the rules of Western Electric.

Limits come from the mean moving range of the first values: its expectation is 1.128 standard
deviations (Montgomery 2013, section 6.4; d2 and D4 of two values). They do not grow with slow
changes, as those from the standard deviation of all values would. Rules of runs: Western
Electric, Statistical Quality Control Handbook, 1956.

On independent normal values that do not change, rule 1 names one of 370 values, and the four
rules together one of about 92 (Champ and Woodall 1987).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError

RULES = {
    1: "beyond three standard deviations",
    2: "two of three beyond two, on one side",
    3: "four of five beyond one, on one side",
    4: "eight in a row on one side",
    5: "moving range beyond its limit",
}
RANGE_RULE = 5
LEAST_VALUES = 20
"""Values that limits need."""

_D2, _D4 = 1.128, 3.267
_RUNS = ((1, 1, 1, 3.0), (2, 2, 3, 2.0), (3, 4, 5, 1.0), (4, 8, 8, 0.0))
"""Rule, and how many of how many values lie beyond so many standard deviations."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A rule that the value at an index completes."""

    index: int
    rule: int


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ControlChart:
    """Values in their order, with the limits from the first `num_baseline` of them."""

    values_N: NDArray[np.float64]
    num_baseline: int
    center: float
    sigma: float
    signals: tuple[Signal, ...]

    @classmethod
    def from_values(cls, values: Sequence[float], *, num_baseline: int | None = None) -> Self:
        """Judge values in the order in which they were measured.

        Args:
            values: Finite.
            num_baseline: How many of the first values give the limits; all unless given.

        Raises:
            DataError: Fewer than 20 values for the limits, or one that is not finite.
        """
        values_N = np.asarray(values, np.float64)
        if not np.isfinite(values_N).all():
            raise DataError(f"{int((~np.isfinite(values_N)).sum())} values are not finite")
        used = len(values_N) if num_baseline is None else num_baseline
        if not LEAST_VALUES <= used <= len(values_N):
            raise DataError(
                f"limits from {used} of {len(values_N)} values; they need {LEAST_VALUES} or "
                f"more"
            )
        center = float(values_N[:used].mean())
        sigma = float(np.abs(np.diff(values_N[:used])).mean()) / _D2
        return cls(
            values_N=values_N,
            num_baseline=used,
            center=center,
            sigma=sigma,
            signals=tuple(_find_signals(values_N, center, sigma)),
        )

    @property
    def limits(self) -> tuple[float, float]:
        """Three standard deviations below and above the centre."""
        return self.center - 3 * self.sigma, self.center + 3 * self.sigma

    @property
    def ranges_N(self) -> NDArray[np.float64]:
        """Moving ranges, (N,); NaN for the first value."""
        return _measure_ranges(self.values_N)

    @property
    def mean_range(self) -> float:
        """The mean moving range of the first values."""
        return _D2 * self.sigma

    @property
    def range_limit(self) -> float:
        """The largest usual moving range."""
        return _D4 * self.mean_range


def _find_signals(
    values_N: NDArray[np.float64], center: float, sigma: float
) -> Iterator[Signal]:
    """By index, then by rule; a run is named where it is completed and at each value after."""
    off_N = values_N - center
    widest, ranges_N = _D4 * _D2 * sigma, _measure_ranges(values_N)
    for index in range(len(off_N)):
        for rule, needed, among, distance in _RUNS:
            run = off_N[max(0, index - among + 1) : index + 1]
            for side in (1, -1):
                beyond = side * run > distance * sigma
                if beyond[-1] and beyond.sum() >= needed:
                    yield Signal(index, rule)
        if ranges_N[index] > widest:
            yield Signal(index, RANGE_RULE)


def _measure_ranges(values_N: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([[np.nan], np.abs(np.diff(values_N))])
