"""Sum counted images one after the other and make the Report; memory does not grow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.confusion import Confusion
from ..core.frame import FrameTally
from ..core.histogram import Intensities
from ..core.labels import LabelSpec
from ..core.patients import ImageScore, VolumePictures
from ..core.provenance import Provenance, ScoreSettings, Uncertainty
from ..core.report import MIN_GROUPS, CurveReport, Report, Slice
from ..data.opening.neighbours import find_neighbours
from ..metrics.counts import Counts
from ..metrics.family import ScoredImage
from .confusable import PairTally
from .counting import Counted, Scoring
from .estimates import estimate_scores
from .groupsums import MAX_ROWS, GroupSums
from .imagetable import NAME, ImageTable
from .intervals import LEVEL, METHOD
from .slices import Slices, score_image, slice_by_distance, sort_worst_first
from .volumes import VolumeTally, fill_counts


@dataclass(slots=True)
class Tally:
    """Sums over images, whole, by group and by slice; `scoring` scores the sums."""

    labels: LabelSpec
    scoring: Scoring
    _confusion: Confusion = field(init=False)
    _sums: dict[str, NDArray[Any]] = field(default_factory=dict)
    _group_sums: GroupSums = field(default_factory=GroupSums)
    _holds_C: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    """By group: which classes its truth holds."""
    _image_scores: dict[str, float] = field(default_factory=dict)
    _pairs: PairTally = field(default_factory=PairTally)
    frame: FrameTally = field(init=False)
    """Errors by their place in the image."""
    _slices: Slices = field(init=False)
    _table: ImageTable = field(init=False)
    _volumes: VolumeTally = field(init=False)

    def __post_init__(self) -> None:
        self._confusion = Confusion.zero(len(self.labels))
        self.frame = FrameTally(len(self.labels))
        self._slices = Slices(self.labels)
        self._table = ImageTable(self.labels)
        self._volumes = VolumeTally(detail=self.scoring.detail)

    def add(self, image: Counted) -> None:
        """Add one image; the order of images does not change any number but float rounding."""
        self._confusion += image.confusion
        sums = self._sums
        self._sums = {n: sums[n] + a if n in sums else +a for n, a in image.counts.items()}
        self._group_sums.add(image.group, image.counts)
        self._pairs.add(image.group, image.confusion.counts_CC)
        holds_C = image.counts["truth"] > 0
        self._holds_C[image.group] = self._holds_C.get(image.group, False) | holds_C
        self._image_scores[image.key] = score_image(image.counts)
        self._slices.add(image.attributes, image.counts, image.group)
        self._table.add(image.key, image.group, image.counts, truth_hash=image.truth_hash)

    def add_maps(self, image: ScoredImage, group: str) -> None:
        """Add the maps of one image: its errors by place, and its slice of a volume."""
        self.frame.add(image.truth_HW, image.predicted_HW)
        for patient, counts in self._volumes.add(image, group):
            self._add_counts(patient, counts)

    def _add_counts(self, group: str, counts: Counts) -> None:
        """Add what is counted of a whole volume or patient, and of no image."""
        filled = fill_counts(counts, self._sums)
        self._sums = {name: array + filled[name] for name, array in self._sums.items()}
        self._group_sums.add(group, filled)

    def report(
        self,
        *,
        provenance: Provenance,
        settings: ScoreSettings,
        ranked: Mapping[ImageScore, Mapping[str, bytes]],
        intensities: Intensities | None = None,
        volumes: tuple[VolumePictures, ...] = (),
    ) -> Report:
        """The Report of all images added so far; `ranked` is what `Extremes.rank` gives."""
        for patient, counts in self._volumes.list_patients():
            self._add_counts(patient, counts)
        groups_C = np.stack([*self._holds_C.values()]).sum(axis=0, dtype=np.int64)
        families = estimate_scores(
            self.scoring, self._sums, self._group_sums.counts(), groups_C
        )
        curves = {n: c for family in families for n, c in family.curves.items()}
        return Report(
            labels=self.labels,
            confusion=self._confusion,
            provenance=provenance,
            scores={name: e for family in families for name, e in family.overall.items()},
            classes=tuple(
                {name: e[index] for family in families for name, e in family.classes.items()}
                for index in range(len(self.labels))
            ),
            curves=curves,
            class_curves={n: c for family in families for n, c in family.class_curves.items()},
            slices=sort_worst_first(self._all_slices(curves)),
            settings=settings,
            uncertainty=_describe_uncertainty(len(self._holds_C)),
            truth_groups=tuple(groups_C.tolist()),
            notes=self._notes(),
            images=tuple(ranked),
            frame=self.frame.errors,
            confusable=self._pairs.find_pairs(self.labels, groups_C),
            intensities=intensities,
            patients=self._volumes.score_patients(self.labels, self.scoring),
            volumes=volumes,
            pictures={image.key: panels for image, panels in ranked.items()},
            attachments={NAME: self._table},
        )

    def _all_slices(self, curves: Mapping[str, CurveReport]) -> list[Slice]:
        """Slices of images by their attributes, and of pixels by their distance to a border."""
        slices = self._slices.slices(self._sums)
        if "distance_miou" in curves:
            slices += slice_by_distance(
                self._sums, self.labels, curves["distance_miou"], len(self._image_scores)
            )
        return slices

    def _notes(self) -> tuple[str, ...]:
        """A warning where neighbours are alike although every image is a group of its own."""
        if len(self._holds_C) < len(self._image_scores):
            return ()
        scores_N1 = np.array([*self._image_scores.values()])[:, None]
        found = find_neighbours(list(self._image_scores), scores_N1)
        return () if found is None else (found.warn("The mIoU of"),)


def _describe_uncertainty(num_groups: int) -> Uncertainty:
    """Describe how the intervals of a report of `num_groups` groups are made."""
    pools = f"; the groups are combined into at most {MAX_ROWS:,}"
    return Uncertainty(
        method=METHOD + (pools if num_groups > MAX_ROWS else ""),
        level=LEVEL,
        groups=num_groups,
        enough_groups=num_groups >= MIN_GROUPS,
    )
