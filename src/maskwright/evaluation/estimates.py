"""Scores of summed counts with their intervals, by metric family; methods as in `intervals`."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.report import MIN_GROUPS, CurveReport, Estimate
from ..core.scores import Values, mean_present
from ..metrics.counts import Counts, Curve, Scores
from ..metrics.family import Family
from .counting import Scoring
from .drawing.wording import IMAGE_PREFIX, wording
from .groupsums import sums_without
from .intervals import (
    Scale,
    compute_ends,
    effective_groups,
    jackknife_variance,
    mean_freedom,
)

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyEstimates:
    """The scores of one family, each with its interval."""

    overall: Mapping[str, Estimate]
    classes: Mapping[str, tuple[Estimate, ...]]
    curves: Mapping[str, CurveReport]
    class_curves: Mapping[str, tuple[CurveReport, ...]]


def estimate_scores(
    scoring: Scoring, sums: Counts, counts_G: Counts, groups_C: NDArray[np.int64]
) -> list[FamilyEstimates]:
    """Estimate all scores of each family.

    Args:
        scoring: The families.
        sums: The counts of the whole set.
        counts_G: The counts of each group, (G, ...); intervals need `MIN_GROUPS` of them.
        groups_C: The number of groups whose truth holds each class.
    """
    values = scoring.scores(sums)
    enough = len(next(iter(counts_G.values()), ())) >= MIN_GROUPS
    without = scoring.scores(sums_without(counts_G)) if enough else values
    families = scoring.families.values()
    makers = (
        _FamilyEstimator(family=f, value=v, without=w, counts_G=counts_G, groups_C=groups_C)
        for f, v, w in zip(families, values, without, strict=True)
    )
    return [maker.estimate() if enough else maker.without_intervals() for maker in makers]


def class_score_of(name: str, classes: Collection[str]) -> str | None:
    """The score of a class whose mean over the classes `name` is: `iou` of `miou`; or None."""
    of_class = "iou" if name == "miou" else name.removeprefix("mean_")
    return of_class if of_class != name and of_class in classes else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanParts:
    """A score of each class and what the interval of its mean needs, arrays (..., C)."""

    values: Values
    variances: Values
    freedom: Values
    chosen: Mask
    """The classes of the interval."""

    def mean(self) -> Values:
        """The mean over the chosen classes, (...)."""
        return mean_present(np.where(self.chosen, self.values, np.nan))

    def freedom_of_mean(self) -> Values:
        """The degrees of freedom of that mean, (...)."""
        variances = np.where(self.chosen, self.variances, 0.0)
        return mean_freedom(variances, np.where(self.chosen, self.freedom, 0.0))

    def ends(self, without_G: Values, *, scale: Scale) -> Values:
        """The ends of the mean's interval, (2, ...), from the classes' `without_G` values."""
        means_G = mean_present(np.where(self.chosen, without_G, np.nan))
        variances = np.nan_to_num(jackknife_variance(means_G))
        return compute_ends(self.mean(), variances, self.freedom_of_mean(), scale=scale)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _FamilyEstimator:
    """Scores of one family: `value` of the set, and `without` each of the groups."""

    family: Family
    value: Scores
    without: Scores
    counts_G: Counts
    groups_C: NDArray[np.int64]

    def without_intervals(self) -> FamilyEstimates:
        value = self.value
        return FamilyEstimates(
            overall={n: _estimates(v, None)[0] for n, v in value.overall.items()},
            classes={n: _estimates(v, None) for n, v in value.classes.items()},
            curves={n: _curve_reports(c, None)[0] for n, c in value.curves.items()},
            class_curves={n: _curve_reports(c, None) for n, c in value.class_curves.items()},
        )

    def estimate(self) -> FamilyEstimates:
        return FamilyEstimates(
            overall={name: self._overall(name) for name in self.value.overall},
            classes={n: _estimates(v, self._ends(n, v)) for n, v in self.value.classes.items()},
            curves={n: self._curve(n, c) for n, c in self.value.curves.items()},
            class_curves={
                n: self._class_curves(n, c) for n, c in self.value.class_curves.items()
            },
        )

    def _class_weights(self) -> Values:
        """The weight of each group in the scores of each class, (G, C)."""
        arrays = (self.counts_G[name] for name in self.family.WEIGHTS)
        stacked = np.stack([a.reshape(*a.shape[:2], -1).sum(axis=-1) for a in arrays])
        return np.asarray(stacked.sum(axis=0), np.float64)

    def _parts(self, name: str) -> MeanParts:
        """The class score `name`; chosen are the classes with truth in enough groups."""
        values, variances = (
            self.value.classes[name],
            jackknife_variance(self.without.classes[name]),
        )
        return MeanParts(
            values=values,
            variances=variances,
            freedom=effective_groups(self._class_weights()) - 1,
            chosen=(self.groups_C >= MIN_GROUPS) & ~np.isnan(values + variances),
        )

    def _ends(self, name: str, values: Values) -> Values | None:
        """The ends of the score of each class, (2, C); None where it never has any."""
        if not _has_interval(name):
            return None
        parts = self._parts(name)
        return compute_ends(
            values,
            np.where(parts.chosen, parts.variances, 0.0),
            parts.freedom,
            scale=_scale(name),
        )

    def _overall(self, name: str) -> Estimate:
        value = self.value.overall[name]
        if not _has_interval(name):
            return Estimate(float(value))
        of_class = class_score_of(name, self.value.classes)
        if of_class is None:
            weights_G = self._class_weights().sum(axis=-1)
            ends = _weighted_ends(value, self.without.overall[name], weights_G, name)
            return _estimates(value, ends)[0]
        parts = self._parts(of_class)
        ends = parts.ends(self.without.classes[of_class], scale=_scale(name))
        scored = ~np.isnan(parts.values)
        covered = math.nan if (parts.chosen == scored).all() else float(parts.mean())
        low, high = ends.tolist()
        return Estimate(float(value), low, high, covered)

    def _curve_weights(self) -> Values:
        """The weight of each group at each point of a curve, (G, n) or (G, C, n)."""
        stacked = np.stack([self.counts_G[name] for name in self.family.CURVE_WEIGHTS])
        return np.asarray(stacked.sum(axis=0), np.float64)

    def _curve(self, name: str, curve: Curve) -> CurveReport:
        without = self.without.curves[name]
        if not (_has_interval(name) and self.family.CURVE_WEIGHTS):
            return _curve_reports(curve, None)[0]
        weights = self._curve_weights()
        of_classes, without_GnC = curve.of_classes, without.of_classes
        if of_classes is None or without_GnC is None:
            weights_Gn = weights.sum(axis=1) if weights.ndim > 2 else weights
            ends = _weighted_ends(curve.values, without.values, weights_Gn, name)
            return _curve_reports(curve, ends)[0]
        ends = self._ends_of_means(of_classes, without_GnC, weights)
        return _curve_reports(curve, ends)[0]

    def _ends_of_means(
        self, values_nC: Values, without_GnC: Values, weights_GCn: Values
    ) -> Values:
        """The ends of points that are means over classes, (2, n).

        A point whose mean has a class outside the interval has none.
        """
        weights_GnC = np.moveaxis(weights_GCn, 1, -1)[:, : len(values_nC)]
        variances = jackknife_variance(without_GnC)
        held = (weights_GnC > 0).sum(axis=0) >= MIN_GROUPS
        parts = MeanParts(
            values=values_nC,
            variances=variances,
            freedom=effective_groups(weights_GnC) - 1,
            chosen=held & (self.groups_C >= MIN_GROUPS) & ~np.isnan(variances),
        )
        ends = parts.ends(without_GnC, scale="logit")
        partial = (parts.chosen != ~np.isnan(values_nC)).any(axis=-1)
        return np.where(partial, np.nan, ends)

    def _class_curves(self, name: str, curve: Curve) -> tuple[CurveReport, ...]:
        if not (_has_interval(name) and self.family.CURVE_WEIGHTS):
            return _curve_reports(curve, None)
        without = self.without.class_curves[name].values
        ends = _weighted_ends(curve.values, without, self._curve_weights(), name)
        ends[:, self.groups_C < MIN_GROUPS] = np.nan
        return _curve_reports(curve, ends)


def _weighted_ends(values: Values, without_G: Values, weights_G: Values, name: str) -> Values:
    """The ends of scores (...) that at least `MIN_GROUPS` groups have a weight in, (2, ...)."""
    variances = np.nan_to_num(jackknife_variance(without_G))
    held = (weights_G > 0).sum(axis=0) >= MIN_GROUPS
    return compute_ends(
        np.asarray(values),
        np.where(held, variances, 0.0),
        effective_groups(weights_G) - 1,
        scale=_scale(name),
    )


def _has_interval(name: str) -> bool:
    words = wording(name)
    return words.has_interval and words.unit != "n"


def _scale(name: str) -> Scale:
    """Cohen's kappa is at most 1 too; what else is not a share is a positive number."""
    is_kappa = name.removeprefix(IMAGE_PREFIX) == "cohens_kappa"
    return "logit" if is_kappa or wording(name).unit == "%" else "log"


def _estimates(value: Values, ends: Values | None) -> tuple[Estimate, ...]:
    """One Estimate per number of `value`, in flat order."""
    flat = np.ravel(value)
    both = np.full((2, flat.size), np.nan) if ends is None else ends.reshape(2, -1)
    rows = zip(flat.tolist(), *both.tolist(), strict=True)
    return tuple(Estimate(v, low, high) for v, low, high in rows)


def _curve_reports(value: Curve, ends: Values | None) -> tuple[CurveReport, ...]:
    """One curve per row of `value`: one for (n,), C for (C, n)."""
    points = _estimates(value.values, ends)
    step = len(value.at)
    return tuple(
        CurveReport(axis=value.axis, at=value.at, points=points[start : start + step])
        for start in range(0, len(points), step)
    )
