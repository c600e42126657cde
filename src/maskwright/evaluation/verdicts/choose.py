"""Choose the threshold and the smallest area of each class for a rate of misses.

Of all pairs on the grid of `metrics.verdicts.evidence` with which at most the wanted share of
the parts that show the class are missed, the one with the fewest false alarms is chosen: of
equal pairs the smallest area, and there the middle of the thresholds, which is as far from
missing a part as from a false alarm. Where no pair misses so few, the one that misses fewest.
"""

import math
from dataclasses import dataclass

import numpy as np

from ...core.errors import DataError
from ...core.verdict import ClassRule
from ...metrics.verdicts.evidence import AREAS_PX, THRESHOLDS
from .parts import Parts

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCurve:
    """Rates of one class at every threshold, at its smallest area; shares or NaN.

    `found` is 1 - miss rate and `false_alarms` the share of the parts without the class of
    which it is reported, both over parts; `precision` the share of the parts of which it is
    reported that show it. `auroc` is the area under `found` over `false_alarms`.
    """

    thresholds: tuple[float, ...]
    found: tuple[float, ...]
    false_alarms: tuple[float, ...]
    precision: tuple[float, ...]
    auroc: float


def choose_rule(parts: Parts, index: int, miss: float, *, where: str) -> ClassRule:
    """Choose the rule of one class for missing at most the share `miss` of its parts.

    Raises:
        DataError: No part shows the class; `where` names the data.
    """
    shown_P = parts.shown_PK[:, index]
    num_shown = int(shown_P.sum())
    if not num_shown:
        raise DataError(
            f"{where}: no part shows {parts.names[index]!r}, so no threshold can be chosen for "
            f"it; draw the splits again, or name the other classes with --classes"
        )
    reported_PTS = parts.find_reported_PTS(index)
    missed_TS = (~reported_PTS[shown_P]).sum(axis=0)
    alarms_TS = reported_PTS[~shown_P].sum(axis=0)
    allowed = max(math.floor(miss * num_shown + 1e-9), int(missed_TS.min()))
    usable_TS = missed_TS <= allowed
    best_TS = usable_TS & (alarms_TS == alarms_TS[usable_TS].min())
    column = int(np.flatnonzero(best_TS.any(axis=0))[0])
    rows = np.flatnonzero(best_TS[:, column])
    row = int(rows[(len(rows) - 1) // 2])
    return ClassRule(threshold=THRESHOLDS[row], smallest_area_px=AREAS_PX[column])


def draw_curve(parts: Parts, index: int, rule: ClassRule) -> ClassCurve:
    """Compute the rates of one class at every threshold, at the smallest area of its rule."""
    shown_P = parts.shown_PK[:, index]
    column = AREAS_PX.index(rule.smallest_area_px)
    reported_PT = parts.find_reported_PTS(index)[..., column]
    hits_T = reported_PT[shown_P].sum(axis=0).astype(np.float64)
    alarms_T = reported_PT[~shown_P].sum(axis=0).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        found_T = hits_T / shown_P.sum()
        false_T = alarms_T / (~shown_P).sum()
        precision_T = hits_T / (hits_T + alarms_T)
    # from (0, 0) at the highest threshold to (1, 1) at none
    across = np.concatenate(([0.0], false_T[::-1], [1.0]))
    up = np.concatenate(([0.0], found_T[::-1], [1.0]))
    return ClassCurve(
        thresholds=THRESHOLDS,
        found=tuple(found_T.tolist()),
        false_alarms=tuple(false_T.tolist()),
        precision=tuple(precision_T.tolist()),
        auroc=float((np.diff(across) * (up[1:] + up[:-1]) / 2).sum()),
    )


def bound_miss_rate(num_parts: int) -> float:
    """The largest miss rate that fits with none missed among so many parts.

    The one-sided end at 95 %, Clopper and Pearson 1934: 1 - 0.05^(1 / n), about 3 / n.
    """
    return float(1 - (1 - CONFIDENCE) ** (1 / num_parts)) if num_parts else 1.0


def count_needed(miss: float) -> int:
    """How many parts, none of them missed, show a miss rate of at most `miss`, in (0, 1)."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log1p(-miss))
