"""Majority with a quorum: a class where enough annotators agree, IGNORE elsewhere."""

import numpy as np
from numpy.typing import NDArray

from ..core.labels import IGNORE
from .votes import Votes


def vote(
    votes: Votes, num_classes: int, *, quorum: int = 2, share: float = 2 / 3
) -> NDArray[np.uint8]:
    """The class of each tuple, (T,).

    A class needs more votes than each other one, `share` of the votes that were given, and
    `quorum` votes must have been given; else the pixel is IGNORE.
    """
    counts_TC = votes.count_classes(num_classes)
    num_T, best_T = votes.num_votes_T, counts_TC.max(axis=1)
    is_unique_T = (counts_TC == best_T[:, None]).sum(axis=1) == 1
    # whole numbers where share is a ratio of small ones: 2 of 3 votes are 2/3 of them
    is_enough_T = best_T >= share * num_T - 1e-9
    decided_T = is_unique_T & is_enough_T & (num_T >= quorum)
    return np.where(decided_T, counts_TC.argmax(axis=1), IGNORE).astype(np.uint8)


def find_uncertainty(votes: Votes, num_classes: int) -> NDArray[np.float64]:
    """1 - the share of the votes for the commonest class, of each tuple, in [0, 1].

    0 where nobody voted: nobody differs there.
    """
    best_T = votes.count_classes(num_classes).max(axis=1)
    num_T = votes.num_votes_T
    return np.where(num_T > 0, 1.0 - best_T / np.maximum(num_T, 1), 0.0)
