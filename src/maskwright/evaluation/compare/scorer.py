"""The scores that are compared, from sums of counts with any leading axes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.scores import Values, mean_present
from ...metrics.counts import Counts, Scores
from ...metrics.family import Family, all_families
from ..estimates import class_score_of

CLASS = "class:"
"""Before the name of a score of the classes, where those of the set are beside it."""


def compute_scores(counts: Counts) -> Scores:
    """The compared scores, from counts (..., C), of each family whose columns were counted."""
    overall: dict[str, Values] = {}
    classes: dict[str, Values] = {}
    for family in _families(counts):
        scores = family.score_columns(counts)
        overall |= scores.overall
        classes |= scores.classes
    return Scores(overall=overall, classes=classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """Scores from sums of all counts, (..., names * C).

    `chosen` are the classes of the mean of each score of the classes, (C,): those that A and B
    can score.
    """

    names: tuple[str, ...]
    chosen: Mapping[str, NDArray[np.bool_]]

    @classmethod
    def from_sums(cls, names: tuple[str, ...], a_F: Values, b_F: Values) -> "Scorer":
        """Choose the classes from the sums over the set of the counts called `names`."""
        bare = cls(names=names, chosen={})
        a, b = bare.score_classes(a_F), bare.score_classes(b_F)
        in_truth_C = bare.split(a_F)["truth"] > 0
        chosen = {name: in_truth_C & ~np.isnan(a[name] + b[name]) for name in a}
        return cls(names=names, chosen=chosen)

    def split(self, sums: Values) -> dict[str, Values]:
        """Counts by name, each (..., C)."""
        pieces = np.split(sums, len(self.names), axis=-1)
        return dict(zip(self.names, pieces, strict=True))

    def score(self, sums: Values) -> dict[str, Values]:
        """All scores: (..., 1) for the set, (..., C) for the classes."""
        found = compute_scores(self.split(sums))
        classes = {
            name: np.where(chosen_C, found.classes[name.removeprefix(CLASS)], np.nan)
            for name, chosen_C in self.chosen.items()
        }
        means = {
            name: mean_present(classes[of_class])
            for name in found.overall
            if (of_class := self.class_score_of(name)) is not None
        }
        overall = {**found.overall, **means}
        return {name: value[..., None] for name, value in overall.items()} | classes

    def score_classes(self, sums: Values) -> dict[str, Values]:
        """The scores of all classes, also of those that A or B cannot score, (..., C)."""
        found = compute_scores(self.split(sums)).classes
        return {CLASS + name: values for name, values in found.items()}

    def class_score_of(self, name: str) -> str | None:
        """The score of the classes whose mean `name` is, or None."""
        found = class_score_of(name, [n.removeprefix(CLASS) for n in self.chosen])
        return None if found is None else CLASS + found

    def count_touched(self, a_GF: Values, b_GF: Values) -> NDArray[np.int64]:
        """Count the groups in which the truth, A or B has each class, (C,)."""
        a, b = self.split(a_GF), self.split(b_GF)
        touched_GC = a["truth"] + a["predicted"] + b["predicted"] > 0
        return np.asarray(touched_GC.sum(axis=0), np.int64)

    def weights(self, counts_GF: Values) -> dict[str, Values]:
        """How much each group weighs in each score: (G, 1) for the set, (G, C)."""
        counts = self.split(counts_GF)
        weights: dict[str, Values] = {}
        for family in _families(counts):
            weights_GC = np.sum([counts[name] for name in family.WEIGHTS], axis=0)
            scores = family.score_columns(counts)
            weights |= {n: weights_GC.sum(axis=-1, keepdims=True) for n in scores.overall}
            weights |= {CLASS + name: weights_GC for name in scores.classes}
        return weights


def subtract(b: Mapping[str, Values], a: Mapping[str, Values]) -> dict[str, Values]:
    """B - A of each score."""
    return {name: b[name] - a[name] for name in a}


def _families(counts: Counts) -> list[Family]:
    """The families whose columns were counted."""
    return [
        f for f in all_families().values() if f.COLUMNS and f.COLUMNS.keys() <= counts.keys()
    ]
