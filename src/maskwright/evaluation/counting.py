"""From one pair of label maps to all its Counts: what `evaluate` and `score` share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from ..core.confusion import Confusion
from ..core.labels import LabelMap
from ..metrics import bands, objects, per_image, region
from ..metrics.family import Counts, Scores

DERIVE: Mapping[str, Callable[[Counts], Scores]] = MappingProxyType(
    {
        "region": region.scores,
        "per_image": per_image.scores,
        "bands": bands.scores,
        "objects": objects.scores,
    }
)
"""Family of scores -> how they follow from the summed counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """What is counted beside the regions; all of it costs time."""

    full: bool = False

    @property
    def families(self) -> tuple[str, ...]:
        """Names in `DERIVE`."""
        return ("region", "per_image", *(("bands", "objects") if self.full else ()))

    def to_json(self) -> dict[str, Any]:
        """For the settings of a report."""
        return {"families": list(self.families)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counted:
    """What one image adds to a report: its confusion, and counts by name."""

    key: str
    group: str
    confusion: Confusion
    counts: Counts
    attributes: Mapping[str, str] = field(default_factory=dict)


def count_pair(
    truth_HW: LabelMap, predicted_HW: LabelMap, num_classes: int, detail: Detail
) -> tuple[Confusion, dict[str, NDArray[Any]]]:
    """The confusion and all counts of one image that `detail` asks for.

    Raises:
        DataError: Sizes differ, or an index is not a class.
    """
    confusion = Confusion.of(truth_HW, predicted_HW, num_classes)
    counts = region.count(confusion)
    alone = [region.scores(counts)]
    if detail.full:
        counts |= bands.count(truth_HW, predicted_HW, num_classes)
        counts |= objects.count(truth_HW, predicted_HW, num_classes)
    return confusion, counts | per_image.count(alone)
