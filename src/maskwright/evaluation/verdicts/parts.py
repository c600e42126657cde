"""Evidence of many images, joined by part: what a rule for verdicts would report of each part.

A part is one image, or all images of one group. It shows a class where one of its images does,
and the class is reported of it where it is reported in one of its images.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...core.verdict import ClassRule
from ...metrics.verdicts.evidence import AREAS_PX, THRESHOLDS, Evidence, Ints
from ..groupsums import GroupSums

Bools = NDArray[np.bool_]


@dataclass(slots=True)
class Parts:
    """The evidence of all parts so far, for the classes `names`; fed one image at a time."""

    names: tuple[str, ...]
    num_images: int = 0
    _shown: dict[str, Bools] = field(default_factory=dict)
    _largest: dict[str, Ints] = field(default_factory=dict)
    _group_of: dict[str, str] = field(default_factory=dict)
    _sums: GroupSums = field(default_factory=GroupSums)

    def add(self, part: str, group: str, evidence: Evidence) -> None:
        """Add one image of a part; the groups of parts are what intervals are made of."""
        self.num_images += 1
        shown_K, largest_KT = evidence.shown_K, evidence.largest_px_KT
        if part in self._shown:
            shown_K = self._shown[part] | shown_K
            largest_KT = np.maximum(self._largest[part], largest_KT)
        self._shown[part], self._largest[part] = shown_K, largest_KT
        self._group_of[part] = group
        self._sums.add(group, evidence.counts)

    def __len__(self) -> int:
        return len(self._shown)

    @property
    def shown_PK(self) -> Bools:
        """Whether each part shows each class."""
        return np.stack([*self._shown.values()])

    @property
    def groups_P(self) -> list[str]:
        """The group of each part."""
        return [self._group_of[part] for part in self._shown]

    def find_reported_PTS(self, index: int) -> Bools:
        """Whether one class is reported of each part, at every threshold and smallest area."""
        largest_PT = np.stack([rows[index] for rows in self._largest.values()])
        return np.asarray(largest_PT[..., None] >= np.array(AREAS_PX))

    def find_reported_P(self, index: int, rule: ClassRule) -> Bools:
        """Whether one class is reported of each part by its rule, which is on the grid."""
        row = THRESHOLDS.index(rule.threshold)
        largest_P = np.array([rows[index][row] for rows in self._largest.values()])
        return np.asarray(largest_P >= rule.smallest_area_px)

    def counts_G(self, index: int, rule: ClassRule) -> dict[str, Ints]:
        """`defects`, `found`, `reported`, `real` of one class by group, (G,), by its rule."""
        at = (THRESHOLDS.index(rule.threshold), AREAS_PX.index(rule.smallest_area_px))
        sums = self._sums.counts()
        found = {name: sums[name][:, index, *at] for name in ("found", "reported", "real")}
        counts = {"defects": sums["defects"][:, index], **found}
        return {name: values.astype(np.int64) for name, values in counts.items()}
