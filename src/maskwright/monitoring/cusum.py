"""The early warning: cumulative sums of each number, up and down (Page 1954).

S <- max(0, S + z - k) of the numbers in standard deviations of the groups of the reference,
with k = 0.5, best for a shift by one standard deviation; z is cut at 3, so that one strange
group warns of nothing. The limit comes from the reference: both it and a stream are drawn from
it by moving blocks (Kuensch 1989), so that the error of its own mean counts. That is an
estimate and not a promise: `watch --replay` measures what it holds.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]

ALLOWANCE, CUT = 0.5, 3.0
_DRAWS, _MOST_GROUPS = 400, 300


@dataclass(slots=True, eq=False)
class Sums:
    """The cumulative sums of one scope, up and down; `limit` is where they warn."""

    mean_F: Rows
    spread_F: Rows
    limit: float
    of_columns_2F: Rows = field(init=False)

    def __post_init__(self) -> None:
        self.begin_again()

    @classmethod
    def calibrate(
        cls, reference_GF: Rows, num_groups: float, rng: np.random.Generator
    ) -> "Sums":
        """Sums that warn once in `num_groups` groups without a change."""
        limit = choose_limit(reference_GF, num_groups, rng)
        return cls(reference_GF.mean(0), _measure_spread(reference_GF), limit)

    def begin_again(self) -> None:
        """Forget all groups."""
        self.of_columns_2F = np.zeros((2, len(self.mean_F)))

    def add(self, group_F: Rows) -> None:
        """Add one more group."""
        z_F = _standardize(group_F, self.mean_F, self.spread_F)
        self.of_columns_2F = _step(self.of_columns_2F, z_F)

    def weigh(self) -> float:
        """The largest sum: above the limit it is a warning."""
        return float(self.of_columns_2F.max())


def choose_limit(reference_GF: Rows, num_groups: float, rng: np.random.Generator) -> float:
    """The limit that the largest sum passes once in `num_groups` groups, by bootstrap.

    Of streams as long as that, or of 300 groups, it is the quantile that fits the rate: no
    warning in H groups has the probability exp(-H / num_groups).
    """
    length = max(1, min(math.ceil(num_groups), _MOST_GROUPS))
    num = len(reference_GF)
    block = max(1, round(num ** (1 / 3)))
    drawn_DGF = reference_GF[_draw_blocks(num, num, block, rng)]
    mean_DF, spread_DF = drawn_DGF.mean(1), _measure_spread(drawn_DGF, axis=1)
    stream_DH = _draw_blocks(num, length, block, rng)
    sums_2DF = np.zeros((2, *mean_DF.shape))
    largest_D = np.zeros(_DRAWS)
    for index_D in stream_DH.T:
        z_DF = _standardize(reference_GF[index_D], mean_DF, spread_DF)
        sums_2DF = _step(sums_2DF, z_DF)
        largest_D = np.maximum(largest_D, sums_2DF.max(axis=(0, 2)))
    limit = float(np.quantile(largest_D, math.exp(-length / num_groups)))
    return max(ALLOWANCE, limit)  # groups that are all alike leave every sum at 0


def _draw_blocks(
    num: int, length: int, block: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Indices of neighbouring groups, around the end: (draws, length)."""
    starts_DB = rng.integers(num, size=(_DRAWS, math.ceil(length / block)))
    index_DBb = (starts_DB[..., None] + np.arange(block)) % num
    return np.asarray(index_DBb.reshape(_DRAWS, -1)[:, :length])


def _measure_spread(groups: Rows, axis: int = 0) -> Rows:
    """Standard deviations; infinite where only rounding makes rows differ, or there is one."""
    if groups.shape[axis] < 2:
        return np.full(np.delete(groups.shape, axis), np.inf)
    spread = groups.std(axis=axis, ddof=1)
    rounding = 1e-9 * np.maximum(1.0, np.abs(groups).max(axis=axis))
    return np.asarray(np.where(spread > rounding, spread, np.inf))


def _standardize(groups: Rows, mean: Rows, spread: Rows) -> Rows:
    return np.asarray(np.clip((groups - mean) / spread, -CUT, CUT))


def _step(sums_2: Rows, z: Rows) -> Rows:
    return np.asarray(np.maximum(0.0, sums_2 + np.stack([z, -z]) - ALLOWANCE))
