"""From one pair of label maps to all its Counts: what `evaluate` and `score` share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from numpy.typing import NDArray

from ..core.confusion import Confusion
from ..core.labels import LabelMap
from ..metrics import bands, boundary, objects, per_image, region, surface
from ..metrics.boundary import Tolerance
from ..metrics.family import Counts, Scores
from ..metrics.surface import Ruler

Derive = Callable[[Counts], Scores]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """What is counted beside the regions; all of it costs time.

    With a `tolerance` boundary, distance and object scores, with a `ruler` surface distances.
    """

    tolerance: Tolerance | None = None
    ruler: Ruler | None = None

    def derive(self) -> dict[str, Derive]:
        """Family of scores -> how they follow from the summed counts."""
        families: dict[str, Derive] = {"region": region.scores, "per_image": per_image.scores}
        if self.tolerance is not None:
            families |= {
                "boundary": boundary.scores,
                "bands": bands.scores,
                "objects": objects.scores,
            }
        if self.ruler is not None:
            families["surface"] = partial(surface.scores, ruler=self.ruler)
        return families

    def to_json(self) -> dict[str, Any]:
        """For the settings of a report: families, and tolerance and ruler where they count."""
        settings: dict[str, Any] = {"families": list(self.derive())}
        if self.tolerance is not None:
            settings["boundary_tolerance"] = str(self.tolerance)
        if self.ruler is not None:
            settings["surface"] = {
                "tolerance": self.ruler.tolerance,
                "spacing_HW": list(self.ruler.spacing_HW),
                "unit": self.ruler.unit,
            }
        return settings


REGIONS_ONLY = Detail()


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
    maps = truth_HW, predicted_HW, num_classes
    if detail.tolerance is not None:
        outlines = boundary.count(*maps, tolerance=detail.tolerance)
        alone.append(boundary.scores(outlines))
        counts |= outlines | bands.count(*maps) | objects.count(*maps)
    if detail.ruler is not None:
        counts |= surface.count(*maps, detail.ruler)
    return confusion, counts | per_image.count(alone)
