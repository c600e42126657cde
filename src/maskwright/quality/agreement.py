"""Agreement of annotators, from the counts of their votes.

Pixels count where at least two annotators gave a class. Where all votes are of one class,
kappa and alpha are not defined: NaN.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ..core.confusion import Confusion
from ..core.labels import IGNORE
from ..core.scores import cohens_kappa
from .votes import Votes


def count_pairs(votes: Votes, num_classes: int) -> dict[tuple[int, int], Confusion]:
    """The confusion of each pair of annotators, of the pixels where both gave a class."""
    pairs = {}
    for one, other in combinations(range(votes.tuples_TK.shape[1]), 2):
        first_T, second_T = votes.tuples_TK[:, one], votes.tuples_TK[:, other]
        both_T = (first_T != IGNORE) & (second_T != IGNORE)
        counts_CC = np.zeros((num_classes, num_classes), np.int64)
        np.add.at(counts_CC, (first_T[both_T], second_T[both_T]), votes.counts_T[both_T])
        pairs[one, other] = Confusion(counts_CC)
    return pairs


def mean_kappa(votes: Votes, num_classes: int) -> float:
    """The mean of Cohen's kappa of all pairs of annotators; Light 1971."""
    kappas = [float(cohens_kappa(c)) for c in count_pairs(votes, num_classes).values()]
    defined = [kappa for kappa in kappas if not np.isnan(kappa)]
    return float(np.mean(defined)) if defined else float("nan")


def krippendorffs_alpha(votes: Votes, num_classes: int) -> float:
    """Krippendorff's alpha for nominal data; Krippendorff 2011, section C.

    1 where all agree, 0 where they agree as by chance; missing votes are allowed.
    """
    counts_TC = votes.count_classes(num_classes).astype(np.float64)
    num_T = counts_TC.sum(axis=1)
    shared_T = num_T > 1
    counts_TC, num_T = counts_TC[shared_T], num_T[shared_T]
    weight_T = votes.counts_T[shared_T] / np.maximum(num_T - 1, 1)
    # o_ck = sum over pixels of pairs (c, k) of different annotators / (m - 1)
    agree_C = np.einsum("tc,t->c", counts_TC * (counts_TC - 1), weight_T)
    totals_C: NDArray[np.float64] = np.einsum("tc,t->c", counts_TC, votes.counts_T[shared_T])
    num = float(totals_C.sum())
    expected = num * num - float((totals_C * totals_C).sum())
    if num <= 1 or expected <= 0:
        return float("nan")
    observed = num - float(agree_C.sum())
    return 1.0 - (num - 1) * observed / expected
