"""Rates of a rule for verdicts on data, each with its 95 % interval.

* miss rate: parts that show a class and of which nothing is reported (for one class: not it).
* false-alarm rate: parts that show no class and of which one is reported (for one class: it).
* per defect: regions in the truth that no reported region meets, and reported regions that
  meet none.

Intervals are those of `evaluation.intervals`: the jackknife over groups, Student's t, on the
logit scale. Where none or all of the cases err, nothing differs between groups; then the exact
interval of Clopper and Pearson (1934) for so many groups holds: [0, 1 - 0.025^(1 / G)].
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.verdict import VerdictRule
from ...pages.text import format_share
from ..intervals import LEVEL, compute_ends, effective_groups, jackknife_variance
from .parts import Bools, Parts

Numbers = NDArray[np.int64]
METHOD = (
    "jackknife over groups, Student's t on the logit scale; Clopper-Pearson over the groups "
    "where none or all err"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`events` among `total` cases; the interval is NaN where there is none.

    `kind` is "miss" or "false alarm", `unit` "part" or "defect"; `name` is a class, None for
    any of them.
    """

    kind: str
    unit: str
    name: str | None
    events: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share, NaN without a case."""
        return self.events / self.total if self.total else math.nan

    def to_json(self) -> dict[str, object]:
        """An object with `rate`, null where a number does not exist."""
        numbers = {**asdict(self), "rate": self.value}
        return {
            key: None if isinstance(value, float) and math.isnan(value) else value
            for key, value in numbers.items()
        }

    def __str__(self) -> str:
        if not self.total:
            return "no case"
        ends = f" [{format_share(self.low)}, {format_share(self.high)}]"
        shown = "" if math.isnan(self.low) else ends
        return f"{format_share(self.value)}{shown} ({self.events:,} of {self.total:,})"


def list_rates(parts: Parts, rule: VerdictRule) -> list[Rate]:
    """The rates of a rule: over parts for any class and each class, then over defects."""
    shown_PK, names = parts.shown_PK, parts.names
    reported_PK = np.stack(
        [parts.find_reported_P(i, rule.classes[name]) for i, name in enumerate(names)], axis=1
    )
    any_shown_P, any_reported_P = (
        np.logical_or.reduce(a, axis=1) for a in (shown_PK, reported_PK)
    )
    rates = _rate_parts(parts, None, any_shown_P, any_reported_P)
    for index, name in enumerate(names):
        rates += _rate_parts(parts, name, shown_PK[:, index], reported_PK[:, index])
    for index, name in enumerate(names):
        counts = parts.counts_G(index, rule.classes[name])
        missed_G = counts["defects"] - counts["found"]
        false_G = counts["reported"] - counts["real"]
        rates.append(estimate_rate("miss", "defect", name, missed_G, counts["defects"]))
        rates.append(estimate_rate("false alarm", "defect", name, false_G, counts["reported"]))
    return rates


def estimate_rate(
    kind: str, unit: str, name: str | None, events_G: Numbers, total_G: Numbers
) -> Rate:
    """Estimate a rate from its cases in each of G groups."""
    held_G = total_G > 0
    events_G, total_G = events_G[held_G], total_G[held_G]
    events, total = int(events_G.sum()), int(total_G.sum())
    low = high = math.nan
    if total and events in (0, total):
        reach = 1 - ((1 - LEVEL) / 2) ** (1 / len(total_G))
        low, high = (0.0, reach) if events == 0 else (1 - reach, 1.0)
    elif len(total_G) > 1:
        without_G = (events - events_G) / (total - total_G)
        ends = compute_ends(
            np.array([events / total]),
            np.array([jackknife_variance(without_G)]),
            np.array([effective_groups(total_G.astype(np.float64)) - 1]),
            scale="logit",
        )
        low, high = ends[:, 0].tolist()
    return Rate(kind=kind, unit=unit, name=name, events=events, total=total, low=low, high=high)


def _rate_parts(
    parts: Parts, name: str | None, shown_P: Bools, reported_P: Bools
) -> list[Rate]:
    groups_P = parts.groups_P
    missed, shown = _sum_groups(groups_P, shown_P & ~reported_P, shown_P)
    false, sound = _sum_groups(groups_P, ~shown_P & reported_P, ~shown_P)
    return [
        estimate_rate("miss", "part", name, missed, shown),
        estimate_rate("false alarm", "part", name, false, sound),
    ]


def _sum_groups(groups_P: Sequence[str], *flags: Bools) -> list[Numbers]:
    _, group_of_P = np.unique(np.array(groups_P, dtype=object).astype(str), return_inverse=True)
    return [np.bincount(group_of_P, weights=flag).astype(np.int64) for flag in flags]
