"""The evidence for a change: a conformal e-detector over groups of images.

Each new group is ranked among all groups before it, those of the reference included: by each
of its numbers, upwards and downwards, and by its distance from their mean in each family. If
nothing has changed the groups are exchangeable, and each rank is a p-value that is uniform and
independent of those before (Vovk et al. 2005, theorem 8.2). A bet on small p-values wins 1 on
average; a mixture of power bets is used (Vovk et al. 2003).

A detector adds the bets that begin at each group: R <- (1 + R) bet(p), the statistic of
Shiryaev and Roberts (Shin et al. 2024: e-detectors). Without a change R grows by 1 a group on
average, so over `EPOCH` groups, after which it begins again, it reaches a limit of L groups
with probability at most EPOCH / L (Doob): false alarms are no more often than one in L groups,
however often it is looked at. The evidence is the mean over the families, in each the mean of
its distance and its single numbers.

After an alarm R is 0, the groups of the change are forgotten, so that the same change is found
again as soon, and the groups that ended it are known: what the reference lacks, such as a class
that comes for the first time, is an alarm once.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]

EPOCH = 500
"""Groups after which a detector begins again, so that its memory has an end."""

_EXPONENTS = np.linspace(0.1, 0.9, 9)
_LEAST_P = 1e-9
_MOST = 1e12
"""The largest evidence that is counted, so that nothing overflows; less is on the safe side."""


@dataclass(slots=True, eq=False)
class Evidence:
    """The detectors of one scope: of columns (up and down), and of distances of families.

    The first `num_good` groups are those of the reference, and those that ended an alarm.
    """

    columns: dict[str, slice]
    groups_GF: Rows
    num_reference: int
    of_columns_2F: Rows = field(init=False)
    of_families: Rows = field(init=False)
    num_good: int = field(init=False)

    def __post_init__(self) -> None:
        self.num_good = self.num_reference
        self.of_columns_2F = np.zeros((2, self.groups_GF.shape[1]))
        self.of_families = np.zeros(len(self.columns))

    def add(self, group_F: Rows, chance: float) -> None:
        """Rank one more group; `chance` in (0, 1] breaks ties and must be random."""
        if len(self.groups_GF) >= self.num_reference + EPOCH:
            self.begin_again()
        self.groups_GF = np.concatenate([self.groups_GF, group_F[None]])
        up_F = rank_last(self.groups_GF, chance)
        wins_2F = bet(np.stack([up_F, 1 - up_F]))
        self.of_columns_2F = np.minimum((1 + self.of_columns_2F) * wins_2F, _MOST)
        distance_GM = np.stack(
            [_measure_distance(self.groups_GF[:, each]) for each in self.columns.values()], 1
        )
        wins_M = bet(rank_last(distance_GM, chance))
        self.of_families = np.minimum((1 + self.of_families) * wins_M, _MOST)

    def begin_again(self) -> None:
        """Forget all groups but those of the reference."""
        self._keep(self.groups_GF[: self.num_reference])

    def end_alarm(self, good_WF: Rows) -> None:
        """Forget the groups of the change, and rank later ones among these good ones too."""
        self._keep(np.concatenate([self.groups_GF[: self.num_good], good_WF]))

    def _keep(self, groups_GF: Rows) -> None:
        self.groups_GF, self.num_good = groups_GF, len(groups_GF)
        self.of_columns_2F[:], self.of_families[:] = 0, 0

    def weigh_families(self) -> dict[str, float]:
        """The evidence of each family, in groups."""
        return {
            name: float(self.of_columns_2F[:, each].mean() + self.of_families[index]) / 2
            for index, (name, each) in enumerate(self.columns.items())
        }

    def weigh(self) -> float:
        """The evidence of all, in groups: above the limit it is an alarm."""
        return float(np.mean(list(self.weigh_families().values())))


def rank_last(values_GF: Rows, chance: float) -> Rows:
    """The p-value of the last row in each column: the share of rows that are as large.

    Equal rows, the last itself among them, count by `chance` in (0, 1].
    """
    last_F = values_GF[-1]
    above_F = (values_GF > last_F).sum(0)
    return np.asarray((above_F + chance * (values_GF == last_F).sum(0)) / len(values_GF))


def bet(p_values: Rows) -> Rows:
    """The win of the mixture of power bets, mean of e p^(e - 1): 1 on average over [0, 1]."""
    logs = np.log(np.maximum(p_values, _LEAST_P))
    powers = [e * np.exp((e - 1) * logs) for e in _EXPONENTS]
    return np.asarray(np.mean(powers, axis=0))


def _measure_distance(groups_GF: Rows) -> Rows:
    """Sums of squares in standard deviations of all rows: rows keep their rank if permuted."""
    centered_GF = groups_GF - groups_GF.mean(0)
    variance_F = (centered_GF**2).mean(0)
    return np.asarray(
        np.divide(
            centered_GF**2,
            variance_F,
            out=np.zeros_like(centered_GF),
            where=variance_F > 1e-18,
        ).sum(1)
    )
