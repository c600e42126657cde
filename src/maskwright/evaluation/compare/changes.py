"""Paired intervals and p-values by group: is B better than A, or is the difference chance?

A group (patient, street, video) is exchanged and left out with all its images, in A and B
alike, so the difficulty of an image counts for both.

* Means over classes are over the classes that both can score: those that the truth holds, and
  of boundaries those that have one. A class that only one of A and B predicts, and that is not
  in the truth, is in no mean and has no difference.
* Interval: that of the reports (`intervals`), of B - A, not on the logit scale. A class whose
  truth is in fewer than five groups has none, and is not in that of a mean.
* p: the share of swaps of A and B in whole groups whose difference is at least as far from 0;
  see `permutation`.
* Corrected p of the classes of a score and of their mean, together: the step-down max-|d| of
  Westfall & Young 1993, over the same swaps. Whatever differs, the chance that any of them has
  a corrected p below 0.05 by chance is at most 5 %.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from ...core.report import MIN_GROUPS, Estimate, number
from ...core.scores import Values
from ...core.versioned import Document
from ..estimates import MeanParts
from ..intervals import compute_ends, effective_groups, jackknife_variance
from .permutation import ALPHA, compute_p_values
from .read import ReportPair
from .scorer import CLASS, Scorer, subtract


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreChange:
    """A score of A and of B, B - A, its 95 % interval and p; NaN where one does not exist.

    `p_corrected` is `p` corrected over the classes and their mean; equal to `p` for scores that
    are no mean over classes. `interval_of` is the difference that the interval belongs to where
    that is not B - A: the mean over fewer classes.
    """

    a: float
    b: float
    low: float
    high: float
    p: float
    p_corrected: float
    interval_of: float = nan

    @property
    def difference(self) -> float:
        """B - A."""
        return self.b - self.a

    @property
    def estimate(self) -> Estimate:
        """B - A with its interval."""
        return Estimate(self.difference, self.low, self.high, self.interval_of)

    @property
    def fell(self) -> bool:
        """Whether B is lower beyond chance; False for NaN."""
        return self.difference < 0 and self.p_corrected < ALPHA

    @property
    def rose(self) -> bool:
        """Whether B is higher beyond chance; False for NaN."""
        return self.difference > 0 and self.p_corrected < ALPHA

    def to_json(self) -> Document:
        """One JSON object; None stands for NaN."""
        return {
            "a": number(self.a),
            "b": number(self.b),
            "difference": number(self.difference),
            "interval": self.estimate.interval,
            "interval_of": number(self.interval_of),
            "p": number(self.p),
            "p_corrected": number(self.p_corrected),
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Changes:
    """The changes of the scores of the set, and of each class in order of index.

    `groups_C` is the number of groups whose truth holds each class, `touched_C` that of groups
    in which the truth, A or B has it; `is_mean_C` whether it is in the mean IoU.
    """

    overall: Mapping[str, ScoreChange]
    classes: Mapping[str, tuple[ScoreChange, ...]]
    groups_C: NDArray[np.int64]
    touched_C: NDArray[np.int64]
    is_mean_C: NDArray[np.bool_]


def measure_changes(pair: ReportPair) -> Changes:
    """Measure all changes of a pair."""
    a_GF, b_GF = pair.by_group(pair.a), pair.by_group(pair.b)
    scorer = Scorer.from_sums(pair.names, a_GF.sum(axis=0), b_GF.sum(axis=0))
    a, b = (
        scorer.score(counts_GF.sum(axis=0)) | scorer.score_classes(counts_GF.sum(axis=0))
        for counts_GF in (a_GF, b_GF)
    )
    ends = estimate_differences(scorer, a_GF, b_GF)
    p, p_corrected = compute_p_values(scorer, a_GF, b_GF)
    changes = {
        name: tuple(
            _change(row)
            for row in np.stack(
                [a[name], b[name], *ends[name], p[name], p_corrected[name]], axis=-1
            )
        )
        for name in a
    }
    return Changes(
        overall={name: changes[name][0] for name in a if name not in scorer.chosen},
        classes={name.removeprefix(CLASS): changes[name] for name in scorer.chosen},
        groups_C=(scorer.split(a_GF)["truth"] > 0).sum(axis=0),
        touched_C=scorer.count_touched(a_GF, b_GF),
        is_mean_C=scorer.chosen[CLASS + "iou"],
    )


def estimate_differences(scorer: Scorer, a_GF: Values, b_GF: Values) -> Mapping[str, Values]:
    """The ends of B - A and what they belong to where that is not B - A, (3, K) by score.

    `a_GF` and `b_GF` are the counts of each group, in the order of the scorer's names.
    """
    a_F, b_F = a_GF.sum(axis=0), b_GF.sum(axis=0)
    gains = subtract(scorer.score(b_F), scorer.score(a_F))
    if len(a_GF) < MIN_GROUPS:
        return {name: np.full((3, len(gain)), np.nan) for name, gain in gains.items()}
    without = subtract(scorer.score(b_F - b_GF), scorer.score(a_F - a_GF))
    freedom = {n: effective_groups(w) - 1 for n, w in scorer.weights(a_GF + b_GF).items()}
    enough_C = (scorer.split(a_GF)["truth"] > 0).sum(axis=0) >= MIN_GROUPS
    ends = {}
    for name, gain in gains.items():
        variances = np.nan_to_num(jackknife_variance(without[name]))
        of_class = scorer.class_score_of(name)
        if of_class is not None:
            ends[name] = _ends_of_mean(
                MeanParts(
                    values=gains[of_class],
                    variances=np.nan_to_num(jackknife_variance(without[of_class])),
                    freedom=freedom[of_class],
                    chosen=scorer.chosen[of_class] & enough_C,
                ),
                without[of_class],
            )
            continue
        if name in scorer.chosen:
            variances = np.where(enough_C, variances, 0.0)
        low, high = compute_ends(gain, variances, freedom[name], scale="plain")
        ends[name] = np.stack([low, high, np.full(len(gain), np.nan)])
    return ends


def _ends_of_mean(parts: MeanParts, without_GC: Values) -> Values:
    low, high = parts.ends(without_GC, scale="plain")
    all_chosen = (parts.chosen == ~np.isnan(parts.values)).all()
    return np.array([[low], [high], [np.nan if all_chosen else float(parts.mean())]])


def _change(row: Values) -> ScoreChange:
    a, b, low, high, interval_of, p, p_corrected = row.tolist()
    return ScoreChange(
        a=a, b=b, low=low, high=high, p=p, p_corrected=p_corrected, interval_of=interval_of
    )
