"""Decide the classes of an image by a rule for verdicts, in place of the largest logit.

A pixel whose class a refiner of class maps has changed has this class alone: its share counts
as 1 and its logit as the largest, whatever the network gave. So the rule follows the refiners.

A pixel belongs to the class of the rule with the largest logit among those that are reported
there (see `core.verdict`). Where none is, it belongs to the class outside the rule with the
largest logit. So a class of the rule is in the class map only where it is reported. Its
confidence is the share of the class that it has then.
"""

from dataclasses import replace

import numpy as np

from ..core.decision import Decision
from ..core.labels import LabelSpec
from ..core.verdict import VerdictRule
from ..metrics.verdicts.regions import find_regions
from .resolution import planes


def apply_rule(decision: Decision, rule: VerdictRule, labels: LabelSpec) -> Decision:
    """Decide again by the rule, from the logits of a decision; planes one at a time."""
    size_HW = decision.labels_HW.shape
    labels_HW, reported_HW = np.zeros(size_HW, np.uint8), np.zeros(size_HW, np.bool_)
    best_HW = np.full(size_HW, -np.inf, np.float32)
    rank_HW = best_HW.copy()
    reported: list[int] = []
    for index, plane_HW in enumerate(planes(decision.logits)):
        own_rank_HW = decision.rank(index, plane_HW)
        wins_HW = own_rank_HW > rank_HW
        class_rule = rule.classes.get(labels.names[index])
        if class_rule is None:
            wins_HW &= ~reported_HW
        else:
            regions = find_regions(decision.evidence(index, plane_HW), class_rule.threshold)
            kept_HW = regions.keep(class_rule.smallest_area_px)
            if kept_HW.any():
                reported.append(index)
            wins_HW = kept_HW & (wins_HW | ~reported_HW)
            reported_HW |= kept_HW
        labels_HW[wins_HW] = index
        best_HW[wins_HW], rank_HW[wins_HW] = plane_HW[wins_HW], own_rank_HW[wins_HW]
    return replace(
        decision,
        labels_HW=labels_HW,
        confidence_HW=decision.shares(best_HW),
        best_HW=best_HW,
        reported=tuple(reported),
    )
