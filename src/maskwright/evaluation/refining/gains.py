"""What a refiner does to the mean IoU: by class on the half of the choice, paired on the other.

A stage per class is tried on all classes at once, once per value. Each changed pixel belongs to
one class, so the margins with the changes of one class alone follow from the same pass.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.decision import Decision
from ...core.labels import IGNORE
from ...core.report import Estimate, number
from ...core.scores import Margins, Values, iou, mean_present
from ...inference.refiner import Refinement
from ...metrics.counts import Counts
from ...metrics.family import ScoreDetail, ScoredImage, all_families
from ..compare.changes import estimate_differences
from ..compare.scorer import Scorer, subtract
from ..counting import Scoring
from ..estimates import estimate_scores
from ..groupsums import GroupSums
from .candidates import Stage
from .halves import Half, TunedImage

BEFORE, AFTER = "before", "after"
REGION, BOUNDARIES = "region", "boundary"
MIOU, BOUNDARY = "miou", "mean_boundary_f1"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeanIou:
    """Margins of a set of pixels, each (..., C): what a mean IoU derives from."""

    hit: Values
    predicted: Values
    truth: Values

    def value(self) -> Values:
        """The mean over the classes in the truth, (...)."""
        margins = Margins(hit=self.hit, truth=self.truth, predicted=self.predicted)
        return mean_present(np.where(self.truth > 0, iou(margins), np.nan))


def measure_gains(
    half: Half, chain: Refinement | None, candidates: Sequence[Refinement], stage: Stage
) -> NDArray[np.float64]:
    """The gain in mean IoU of each candidate after `chain`, (N, C) by class or (N, 1)."""
    num_classes = len(half.model.card.labels)
    base_2C, truth_C = np.zeros((2, num_classes)), np.zeros(num_classes)
    columns = num_classes if stage.per_class else 1
    # Changes of hits and predicted pixels by candidate and class that they belong to.
    delta = np.zeros((len(candidates), columns, 2, num_classes))
    for image in half.images(f"trying {stage.name}"):
        before = refine(image, chain)
        labelled_HW = image.truth_HW != IGNORE
        truth_N, before_N = image.truth_HW[labelled_HW], before.labels_HW[labelled_HW]
        truth_C += np.bincount(truth_N, minlength=num_classes)
        base_2C[0] += np.bincount(truth_N[truth_N == before_N], minlength=num_classes)
        base_2C[1] += np.bincount(before_N, minlength=IGNORE + 1)[:num_classes]
        for index, candidate in enumerate(candidates):
            after = candidate(before, image.source)
            changes_3N = image.changes(before.labels_HW, after.labels_HW)
            owner_N = changes_3N[2 if stage.by_new else 1] if stage.per_class else None
            _add_changes(delta[index], changes_3N, owner_N)
    base = MeanIou(hit=base_2C[0], predicted=base_2C[1], truth=truth_C)
    changed = MeanIou(
        hit=base_2C[0] + delta[:, :, 0], predicted=base_2C[1] + delta[:, :, 1], truth=truth_C
    )
    return np.asarray(changed.value() - base.value())


def _add_changes(
    delta_X2C: NDArray[np.float64],
    changes_3N: NDArray[np.uint8],
    owner_N: NDArray[np.uint8] | None,
) -> None:
    truth_N, before_N, after_N = changes_3N
    owner_N = np.zeros_like(truth_N) if owner_N is None else owner_N
    for labels_N, sign in ((before_N, -1), (after_N, 1)):
        right_N = labels_N == truth_N
        np.add.at(delta_X2C[:, 0], (owner_N[right_N], labels_N[right_N]), sign)
        np.add.at(delta_X2C[:, 1], (owner_N, labels_N), sign)


def refine(image: TunedImage, chain: Refinement | None) -> Decision:
    """The decision of the network, or of the chain after it."""
    return image.decision if chain is None else chain(image.decision, image.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Scores before and after refining, and their paired difference, by name of the score."""

    before: Mapping[str, Estimate]
    after: Mapping[str, Estimate]
    difference: Mapping[str, Estimate]

    @property
    def is_gain(self) -> bool:
        """Whether the interval of the difference in mean IoU lies above 0; False for NaN."""
        return self.difference[MIOU].low > 0

    def to_json(self) -> dict[str, object]:
        """`before`, `after` and `difference` of each score, with intervals."""
        return {
            name: {
                which: {"value": number(one[name].value), "interval": one[name].interval}
                for which, one in (
                    (BEFORE, self.before),
                    (AFTER, self.after),
                    ("difference", self.difference),
                )
            }
            for name in self.before
        }


def compare(
    half: Half, before: Refinement | None, after: Refinement, *, boundaries: bool = False
) -> Comparison:
    """Compare two chains on the same images; `boundaries` counts outlines too: it is slow."""
    names = (REGION, BOUNDARIES) if boundaries else (REGION,)
    families = all_families()
    scoring = Scoring(
        detail=ScoreDetail(full=True), families={name: families[name] for name in names}
    )
    sides = GroupSums(), GroupSums()
    for image in half.images("comparing"):
        given = refine(image, before)
        for side, decision in zip(sides, (given, refine(image, after)), strict=True):
            scored = ScoredImage.from_labels(
                image.key, image.truth_HW, decision.labels_HW, len(half.model.card.labels)
            )
            side.add(image.group, scoring.count(scored))
    a_G, b_G = (side.counts() for side in sides)
    scores = (MIOU, BOUNDARY) if boundaries else (MIOU,)
    return Comparison(
        before=_estimate(scoring, a_G, scores),
        after=_estimate(scoring, b_G, scores),
        difference=_estimate_differences(a_G, b_G, scores),
    )


def _estimate(scoring: Scoring, counts_G: Counts, scores: Sequence[str]) -> dict[str, Estimate]:
    sums = {name: array.sum(axis=0) for name, array in counts_G.items()}
    groups_C = (counts_G["truth"] > 0).sum(axis=0)
    families = estimate_scores(scoring, sums, counts_G, groups_C)
    overall = {name: e for family in families for name, e in family.overall.items()}
    return {name: overall[name] for name in scores}


def _estimate_differences(
    a_G: Counts, b_G: Counts, scores: Sequence[str]
) -> dict[str, Estimate]:
    """After less before, with the interval of `compare`: paired by groups."""
    names = tuple(a_G)
    a_GF, b_GF = (
        np.concatenate([counts_G[n] for n in names], axis=1) for counts_G in (a_G, b_G)
    )
    a_F, b_F = a_GF.sum(axis=0), b_GF.sum(axis=0)
    scorer = Scorer.from_sums(names, a_F, b_F)
    gains = subtract(scorer.score(b_F), scorer.score(a_F))
    ends = estimate_differences(scorer, a_GF, b_GF)
    return {
        name: Estimate(float(gains[name][0]), *(float(end[0]) for end in ends[name]))
        for name in scores
    }
