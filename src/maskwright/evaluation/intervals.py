"""Intervals from groups of images: the jackknife over groups, with Student's t.

Pixels are not independent draws: neighbours, and frames of one video, err together. Therefore
whole groups are left out, one at a time (Quenouille 1956; Tukey 1958; Efron & Stein 1981), and

* the standard error of a score is sqrt((G - 1) / G * sum of (s_g - mean of s_g)^2), with s_g
  the score without group g; nothing is drawn, so the same counts give the same interval;
* its degrees of freedom are n_e - 1 with n_e = (sum U_g)^2 / sum U_g^2 (Kish 1965), U_g the
  denominator of the score in group g: groups of unequal size weigh like fewer equal ones;
* shares are computed on the logit scale and lengths on the logarithmic one, and brought back;
* a mean over classes has the degrees of freedom of its classes, weighted by their variances,
  so that one rare class which decides the mean also decides how wide its interval is.

The classes of a mean are fixed before any group is left out: only classes whose truth is in at
least `MIN_GROUPS` groups are in the interval of a mean, and only these have one of their own.
`benchmarks/interval_coverage.py` measures how often such an interval holds the true score.
"""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..core.scores import Values, ratio

LEVEL = 0.95
MIN_EFFECTIVE = 2.0
"""Fewer effective groups: one group has most of the pixels, and t has under one degree."""

METHOD = (
    "jackknife over groups, Student's t with the effective number of groups; shares on the "
    "logit scale"
)

Scale = Literal["logit", "log", "plain"]
"""Where intervals are symmetric: shares, numbers above 0, and differences."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_NEWTON_STEPS = 14
_LARGEST_EXPONENT = 700.0
"""exp overflows soon above; such an interval is the whole range anyway."""


def effective_groups(weights_G: Values) -> Values:
    """Compute the effective number of groups from weights (G, ...), shape (...); Kish 1965.

    G where all weights are equal; 0 where all are 0.
    """
    total, squares = weights_G.sum(axis=0), np.square(weights_G).sum(axis=0)
    return np.nan_to_num(ratio(np.square(total), squares))


def jackknife_variance(without_G: Values) -> Values:
    """Compute the variance of a score from its values without each group, (G, ...) -> (...).

    NaN where the score does not exist without one of the groups.
    """
    num_groups = len(without_G)
    spread = np.square(without_G - without_G.mean(axis=0)).sum(axis=0)
    return np.asarray((num_groups - 1) / num_groups * spread)


def compute_ends(values: Values, variances: Values, freedom: Values, *, scale: Scale) -> Values:
    """Compute both ends of the intervals, (2, ...), from arrays of equal shape (...).

    NaN where no group differs (the variance is 0, as of a class without any error: how often
    other groups err is not known), where `freedom` is less than that of `MIN_EFFECTIVE` groups,
    and where a value is not inside the range of the scale.
    """
    values = np.asarray(values, np.float64)
    known = (variances > 0) & (freedom >= MIN_EFFECTIVE - 1)
    if scale != "plain":
        known &= (values > 0) & (values < (1 if scale == "logit" else np.inf))
    ends = np.full((2, *values.shape), np.nan)
    center, half = values[known], np.sqrt(variances[known]) * t_quantile(freedom[known])
    # half / slope of the scale at the center, and the center on the scale
    if scale == "logit":
        half = np.minimum(half / (center * (1 - center)), _LARGEST_EXPONENT)
        ends[:, known] = 1 / (1 + (1 / center - 1) * np.exp([half, -half]))
    elif scale == "log":
        half = np.minimum(half / center, _LARGEST_EXPONENT)
        ends[:, known] = center * np.exp([-half, half])
    else:
        ends[:, known] = center - half, center + half
    return ends


def t_quantile(freedom: Values) -> Values:
    """The quantile of Student's t that leaves (1 - `LEVEL`) / 2 above it.

    `freedom` are the degrees of freedom, at least 1 and not necessarily whole. With t = sqrt(n)
    tan(a) the distribution is an integral of cos(a)^(n - 1), which is concave in a: Newton's
    steps from 0 approach the angle from below.
    """
    freedom = np.asarray(freedom, np.float64)
    whole = np.array([_integral_to_infinity(n) for n in freedom.ravel()])
    wanted = whole.reshape(freedom.shape) * LEVEL
    angle = np.zeros(freedom.shape)
    for _ in range(_NEWTON_STEPS):
        nodes = angle[..., None] * (_NODES + 1) / 2  # (...) -> (..., 64)
        powers = np.cos(nodes) ** (freedom[..., None] - 1)
        reached = (powers * _WEIGHTS).sum(axis=-1) * angle / 2
        angle = angle + (wanted - reached) / np.cos(angle) ** (freedom - 1)
    return np.asarray(np.sqrt(freedom) * np.tan(angle))


def _integral_to_infinity(freedom: float) -> float:
    """The integral of cos(a)^(n - 1) from 0 to pi / 2."""
    gammas = math.lgamma(freedom / 2) - math.lgamma((freedom + 1) / 2)
    return math.sqrt(math.pi) / 2 * math.exp(gammas)


def mean_freedom(variances_C: Values, freedom_C: Values) -> NDArray[np.float64]:
    """The degrees of freedom of a mean over the last axis, from those of its terms.

    The average of theirs, weighted by their variances; 0 where all variances are 0.
    """
    total = np.asarray((variances_C * freedom_C).sum(axis=-1))
    return np.nan_to_num(ratio(total, variances_C.sum(axis=-1)))
