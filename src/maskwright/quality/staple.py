"""STAPLE of several classes: the truth and the errors of each annotator, estimated together.

Warfield, Zou and Wells 2004, "Simultaneous truth and performance level estimation (STAPLE)",
IEEE Transactions on Medical Imaging 23(7); started from voting, with the shares of the classes
over all annotators as prior, as ITK's itkMultiLabelSTAPLEImageFilter does it. Pixels with one
tuple of votes have one posterior, so that it is computed by tuple.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.labels import IGNORE
from .majority import vote
from .votes import Votes

TOLERANCE = 1e-5
MOST_STEPS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Staple:
    """`posterior_TC` is the probability of each class for each tuple of votes.

    `theta_KCC[k, j, s]` is the probability that annotator k says j where s is true: its
    diagonal is the sensitivity of k for each class.
    """

    posterior_TC: NDArray[np.float64]
    theta_KCC: NDArray[np.float64]
    num_steps: int

    def decide(self, least_posterior: float = 0.0) -> NDArray[np.uint8]:
        """The most probable class of each tuple; IGNORE for ties and below the least."""
        best_T = self.posterior_TC.max(axis=1)
        is_unique_T = (self.posterior_TC == best_T[:, None]).sum(axis=1) == 1
        decided_T = is_unique_T & (best_T >= least_posterior) & (best_T > 0)
        return np.where(decided_T, self.posterior_TC.argmax(axis=1), IGNORE).astype(np.uint8)


def estimate(votes: Votes, num_classes: int) -> Staple:
    """Estimate truth and annotators from their votes, by expectation and maximisation."""
    counts_T = votes.counts_T.astype(np.float64)
    said_KTC = np.stack(
        [row[:, None] == np.arange(num_classes) for row in votes.tuples_TK.T]
    ).astype(np.float64)
    prior_C = np.einsum("ktc,t->c", said_KTC, counts_T)
    prior_C /= max(prior_C.sum(), 1.0)
    voted_T = vote(votes, num_classes, quorum=1, share=0.0)
    weights_TC = (voted_T[:, None] == np.arange(num_classes)).astype(np.float64)
    theta_KCC = _maximize(said_KTC, weights_TC, counts_T)
    change, num_steps = np.inf, 0
    while change >= TOLERANCE and num_steps < MOST_STEPS:
        posterior_TC = _expect(said_KTC, prior_C, theta_KCC)
        last, theta_KCC = theta_KCC, _maximize(said_KTC, posterior_TC, counts_T)
        change, num_steps = np.abs(theta_KCC - last).max(initial=0.0), num_steps + 1
    return Staple(_expect(said_KTC, prior_C, theta_KCC), theta_KCC, num_steps)


def _expect(
    said_KTC: NDArray[np.float64], prior_C: NDArray[np.float64], theta_KCC: NDArray[np.float64]
) -> NDArray[np.float64]:
    """W_t(s) proportional to prior(s) times the product of theta_k[said by k, s]; (T, C)."""
    weights_TC = np.tile(prior_C, (said_KTC.shape[1], 1))
    for said_TC, theta_CC in zip(said_KTC, theta_KCC, strict=True):
        has_vote_T = said_TC.any(axis=1)
        weights_TC[has_vote_T] *= said_TC[has_vote_T] @ theta_CC
    total_T1 = weights_TC.sum(axis=1, keepdims=True)
    result: NDArray[np.float64] = np.divide(
        weights_TC, total_T1, out=np.zeros_like(weights_TC), where=total_T1 > 0
    )
    return result


def _maximize(
    said_KTC: NDArray[np.float64],
    weights_TC: NDArray[np.float64],
    counts_T: NDArray[np.float64],
) -> NDArray[np.float64]:
    """theta_k[j, s]: the weight of s where k said j, by that where k said anything."""
    joint_KCC = np.einsum("ktj,ts,t->kjs", said_KTC, weights_TC, counts_T)
    total_K1C = joint_KCC.sum(axis=1, keepdims=True)
    result: NDArray[np.float64] = np.divide(
        joint_KCC, total_K1C, out=np.zeros_like(joint_KCC), where=total_K1C > 0
    )
    return result
