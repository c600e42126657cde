"""From one pair of label maps to all its Counts: what `evaluate` and `score` share."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from numpy.typing import NDArray

from ..core.confusion import Confusion
from ..core.labels import LabelMap
from ..core.provenance import ScoreSettings
from ..metrics import bands, boundary, objects, per_image, region, surface
from ..metrics.boundary import Tolerance
from ..metrics.family import Counts, Scores
from ..metrics.surface import Ruler

Derive = Callable[[Counts], Scores]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreDetail:
    """What is counted beside the regions; all of it costs time.

    With a `tolerance` boundary, distance and object scores, with a `ruler` surface distances.
    `spacings` are the height and width of a pixel in mm by key, where the images say them.
    """

    tolerance: Tolerance | None = None
    ruler: Ruler | None = None
    spacings: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def by_headers(
        self, spacings_mm: Iterable[tuple[str, tuple[float, float] | None]]
    ) -> "ScoreDetail":
        """In mm where the ruler is in pixels and every image says its spacing.

        `spacings_mm` are keys with the height and width of a pixel; it is only read where the
        ruler is in pixels.
        """
        if self.ruler is None or self.ruler.unit != "px":
            return self
        spacings = {}
        for key, sides_mm in spacings_mm:
            if sides_mm is None:
                return self
            spacings[key] = sides_mm
        if not spacings:
            return self
        first = next(iter(spacings.values()))
        ruler = replace(self.ruler, spacing_HW=first, unit="mm")
        return replace(self, ruler=ruler, spacings=spacings)

    def of(self, key: str) -> "ScoreDetail":
        """With the ruler of one image."""
        if self.ruler is None or key not in self.spacings:
            return self
        return replace(self, ruler=replace(self.ruler, spacing_HW=self.spacings[key]))

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

    def settings(self) -> ScoreSettings:
        """The settings of a report: families, and tolerance and ruler where they count."""
        of_families: dict[str, object] = {}
        if self.tolerance is not None:
            of_families["boundary_tolerance"] = str(self.tolerance)
        if self.ruler is not None:
            differ = len(set(self.spacings.values())) > 1
            surface = {
                "tolerance": self.ruler.tolerance,
                "spacing_HW": None if differ else list(self.ruler.spacing_HW),
                "unit": self.ruler.unit,
            }
            if self.spacings:
                surface["spacing_of"] = "the headers of the images"
            of_families["surface"] = surface
        return ScoreSettings(families=tuple(self.derive()), of_families=of_families)


REGIONS_ONLY = ScoreDetail()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counted:
    """What one image adds to a report: its confusion, and counts by name."""

    key: str
    group: str
    confusion: Confusion
    counts: Counts
    attributes: Mapping[str, str] = field(default_factory=dict)


def count_pair(
    truth_HW: LabelMap, predicted_HW: LabelMap, num_classes: int, detail: ScoreDetail
) -> tuple[Confusion, dict[str, NDArray[Any]]]:
    """The confusion and all counts of one image that `detail` asks for.

    Raises:
        DataError: Sizes differ, or an index is not a class.
    """
    confusion = Confusion.from_labels(truth_HW, predicted_HW, num_classes)
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
