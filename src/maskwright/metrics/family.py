"""Family: what each file in `metrics/families` offers, and what it is given to count.

Reports, their pages, images.csv and comparisons loop over all families.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core import parts
from ..core.confusion import Confusion
from ..core.decision import Decision
from ..core.labels import LabelMap
from .boundary import TOLERANCE, BoundaryTolerance
from .counts import Counts, Scores
from .surface import Ruler
from .volume import VolumeSlice

FAMILIES = "maskwright.metrics.families"
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreDetail:
    """What is counted beside the region scores; all of it costs time.

    `full` adds boundary, distance and object scores, the first within `tolerance`; `ruler` adds
    surface distances. `things` are the indices of the classes whose objects are counted over
    the set; `evaluate` and `score` take them from the data. `spacings` are the height and width
    of a pixel in mm by key of the image, where image headers give them. `reported` are the
    indices of the classes of which a model gives verdicts. `volumes` are the places of images
    in volumes, by key, where all images are slices of whole volumes.
    """

    full: bool = False
    tolerance: BoundaryTolerance = TOLERANCE
    ruler: Ruler | None = None
    things: tuple[int, ...] = ()
    spacings: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    reported: tuple[int, ...] = ()
    volumes: Mapping[str, VolumeSlice] = field(default_factory=dict)

    def with_volumes(self, volumes: Mapping[str, VolumeSlice]) -> "ScoreDetail":
        """Count whole volumes, in mm, where `volumes` has the place of every image."""
        if not volumes:
            return self
        ruler = None if self.ruler is None else replace(self.ruler, unit="mm")
        return replace(self, volumes=volumes, ruler=ruler)

    def with_spacings(
        self, spacings_mm: Iterable[tuple[str, tuple[float, float] | None]]
    ) -> "ScoreDetail":
        """Measure in mm where the ruler is in pixels and every image has a spacing.

        `spacings_mm` are keys with the height and width of a pixel; they are only read where
        the ruler is in pixels.
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

    def for_image(self, key: str) -> "ScoreDetail":
        """The same with the pixel spacing of one image."""
        if self.ruler is None or key not in self.spacings:
            return self
        return replace(self, ruler=replace(self.ruler, spacing_HW=self.spacings[key]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelOutput:
    """A model's decision of one image, and its logits at the image's size.

    `planes` gives the logits of each class, H x W, one class after the other.
    """

    decision: Decision
    planes: Callable[[], Iterable[NDArray[np.float32]]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoredImage:
    """One image to count: label maps of one size, and the output of the model if there is one.

    `truth_HW` holds class indices or IGNORE, `predicted_HW` class indices wherever truth is
    labelled.
    """

    key: str
    truth_HW: LabelMap
    predicted_HW: LabelMap
    confusion: Confusion
    model: ModelOutput | None = None

    @classmethod
    def from_labels(
        cls,
        key: str,
        truth_HW: LabelMap,
        predicted_HW: LabelMap,
        num_classes: int,
        *,
        model: ModelOutput | None = None,
    ) -> "ScoredImage":
        """Count the confusion, which checks both maps.

        Raises:
            DataError: Sizes differ, or an index is not a class.
        """
        return cls(
            key=key,
            truth_HW=truth_HW,
            predicted_HW=predicted_HW,
            confusion=Confusion.from_labels(truth_HW, predicted_HW, num_classes),
            model=model,
        )

    @property
    def maps(self) -> tuple[LabelMap, LabelMap, int]:
        """Truth, prediction and number of classes: the first arguments of most counts."""
        return self.truth_HW, self.predicted_HW, len(self.confusion.counts_CC)


@dataclass(frozen=True, slots=True)
class ScoreText:
    """A score in words. The default name is the key, spelled out: `a_score` is "A score".

    `unit` is "%" for shares, "n" for counts, "" for a plain number; a key that ends in `_px` or
    `_mm` is a length. `chart` is how a curve of shares is drawn; "none" leaves it out. Counts,
    and scores without `has_interval` (as of errors that noise alone shifts from 0), have no
    interval. Without `has_column` the table of classes on a page leaves it out, and without
    `has_bar` (of errors, whose best is 0) a share has no bar there.
    """

    name: str = ""
    explanation: str = ""
    unit: str = "%"
    chart: Literal["line", "bars", "reliability", "none"] = "line"
    has_interval: bool = True
    has_column: bool = True
    has_bar: bool = True


class Family(Protocol):
    """One family of scores.

    Attributes:
        TITLE: Heading of its section on the page, "" for none; families may share a section.
        TEXTS: The words for each of its scores and curves, by key without `_px` and `_mm`.
        ORDER: Position in reports and on pages; families of equal order are sorted by name.
        NOTE: A sentence below the heading.
        MAIN: The score of a class that comes first in tables; a share is drawn as a bar.
        COLUMNS: Columns of images.csv: name of the counts -> column. The counts are whole
            numbers per class, (C,).
        TRUTH_COUNTS: The columns that predictions do not change; `compare` requires the same.
        SETTINGS: Keys of `settings` that `compare` requires to be equal.
        WEIGHTS: Counts, by class on their first axis, whose sum is the denominator of the
            scores of a class: how much a group of images weighs in an interval.
        CURVE_WEIGHTS: The same for each point of a curve, on the last axis.
        NEEDS_LOGITS: Counted in `evaluate` alone, since class maps have no logits.
        HAS_IMAGE_MEANS: Scores of each image alone are averaged over the images, too.
    """

    TITLE: str
    TEXTS: Mapping[str, ScoreText]
    ORDER: int = 100
    NOTE: str = ""
    MAIN: str = ""
    COLUMNS: Mapping[str, str] = NOTHING
    TRUTH_COUNTS: tuple[str, ...] = ()
    SETTINGS: tuple[str, ...] = ()
    WEIGHTS: tuple[str, ...] = ("truth", "predicted")
    CURVE_WEIGHTS: tuple[str, ...] = ()
    NEEDS_LOGITS: bool = False
    HAS_IMAGE_MEANS: bool = False

    @abstractmethod
    def count(self, image: ScoredImage, detail: ScoreDetail) -> Counts:
        """Count one image; the same names and shapes for every image."""

    @abstractmethod
    def scores(self, counts: Counts, detail: ScoreDetail) -> Scores:
        """Derive the scores from summed counts with any leading axes."""

    def is_on(self, detail: ScoreDetail) -> bool:
        """Whether `detail` asks for the family; by default with `full` alone."""
        return detail.full

    def count_means(self, scores: Sequence[Scores]) -> Counts:
        """Count what other families with HAS_IMAGE_MEANS score on one image alone."""
        return {}

    def settings(self, detail: ScoreDetail) -> Mapping[str, object]:
        """Settings for the report, by key, as JSON values."""
        return {}

    def score_columns(self, counts: Counts) -> Scores:
        """Scores that `compare` shows, from the summed counts of COLUMNS alone."""
        return Scores()


@cache
def all_families() -> Mapping[str, Family]:
    """Every installed family by name, in the order of reports."""
    names = parts.names(FAMILIES)
    loaded = [(name, parts.load(FAMILIES, name, like=Family)) for name in names]
    return dict(sorted(loaded, key=lambda item: (item[1].ORDER, item[0])))
