"""Risk: accuracy as truth arrives: mIoU over time, and an alarm on the loss itself.

The loss of an image is 1 - its mean IoU, in [0, 1]. The alarm tests whether the mean loss has
risen above that of the reference by more than a tolerance (Podkopaev and Ramdas 2022,
arXiv:2110.06177): a bet on each new loss, 1 + b (loss - limit), whose wealth does not grow on
average while the risk is within the limit, whatever the distribution, so it reaches 1 / alpha
with probability at most alpha (Waudby-Smith and Ramdas 2024). The limit has an upper bound of
the reference's own risk in it (Maurer and Pontil 2009, theorem 4), at the other half of alpha.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.confusion import Confusion
from ..core.errors import DataError
from ..core.scores import mean_iou

ALPHA, TOLERANCE = 0.05, 0.05
LEAST_REFERENCE = 30
_MOST_BET = 0.5
_DRAWS = 999


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """The test of a stream of losses.

    `wealth` is a share of what an alarm needs; `alarm_at` is the number of losses after which
    it was reached, None before. `limit` is the bound of the reference plus the tolerance.
    """

    reference: float
    limit: float
    current: float
    wealth: float
    alarm_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """mIoU of the images of one period, with its 95 % interval by bootstrap of images."""

    num_images: int
    miou: float
    interval: tuple[float, float]


def measure_loss(confusion: Confusion) -> float:
    """1 - the mean IoU of one image; 0 for an image without a class in truth or prediction."""
    miou = float(mean_iou(confusion))
    return 0.0 if math.isnan(miou) else 1 - miou


def judge_risk(
    reference: Sequence[float],
    losses: Sequence[float],
    *,
    alpha: float = ALPHA,
    tolerance: float = TOLERANCE,
) -> Risk:
    """Test losses in the order in which they came.

    Args:
        reference: Losses of images when all was well: independent, or means of groups.
        losses: Those of images since, likewise.
        alpha: The chance of an alarm, ever, while the risk is within the limit.
        tolerance: A rise that may be.

    Raises:
        DataError: The reference is too short, or a loss is not in [0, 1].
    """
    if len(reference) < LEAST_REFERENCE:
        raise DataError(
            f"the reference has {len(reference)} losses of the {LEAST_REFERENCE} that a test "
            f"needs"
        )
    outside = [x for x in (*reference, *losses) if not 0 <= x <= 1]
    if outside:
        raise DataError(f"{len(outside)} losses are not in [0, 1], such as {outside[0]:g}")
    mean = float(np.mean(reference))
    limit = min(1.0, bound_mean(reference, alpha / 2) + tolerance)
    log_wealth, alarm_at = 0.0, None
    total, squares = 0.25 + limit, 0.25
    for number, loss in enumerate(losses, start=1):
        # the bet is chosen before the loss is seen: mean excess over its second moment
        excess = total / number - limit
        bet = min(_MOST_BET, max(0.0, excess / (squares / number + excess**2)))
        log_wealth += math.log1p(bet * (loss - limit))
        total, squares = total + loss, squares + (loss - limit) ** 2
        if alarm_at is None and log_wealth >= math.log(2 / alpha):
            alarm_at = number
    return Risk(
        reference=mean,
        limit=limit,
        current=float(np.mean(losses)) if losses else math.nan,
        wealth=math.exp(min(log_wealth, 700.0)) * alpha / 2,
        alarm_at=alarm_at,
    )


def bound_mean(values: Sequence[float], delta: float) -> float:
    """An upper bound of the mean of values in [0, 1], wrong with probability `delta`.

    Maurer and Pontil 2009, theorem 4.
    """
    num = len(values)
    variance = float(np.var(values, ddof=1))
    log = math.log(2 / delta)
    return (
        float(np.mean(values)) + math.sqrt(2 * variance * log / num) + 7 * log / (3 * (num - 1))
    )


def measure_period(images: Sequence[Confusion], *, seed: int = 0) -> Period:
    """MIoU of all pixels of some images; with one image alone the interval is [0, 1].

    Raises:
        DataError: There is no image.
    """
    if not images:
        raise DataError("no image with truth in this period")
    counts_NCC = np.stack([one.counts_CC for one in images])
    miou = float(mean_iou(Confusion(counts_NCC.sum(axis=0))))
    if len(images) == 1:
        return Period(num_images=1, miou=miou, interval=(0.0, 1.0))
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(images), np.full(len(images), 1 / len(images)), size=_DRAWS)
    mious = [
        float(mean_iou(Confusion(np.tensordot(each_N, counts_NCC, axes=1)))) for each_N in drawn
    ]
    low, high = np.quantile(mious, (0.025, 0.975))
    return Period(num_images=len(images), miou=miou, interval=(float(low), float(high)))
