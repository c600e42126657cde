"""ImageSummary: the figures of one image that are kept once its tables are written.

Outlines and skeletons are left out, so that a series of any length fits into memory. A figure
that does not exist is None. Lengths and areas are in the unit of the maps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from ...core.labels import LabelSpec
from ...core.versioned import Document
from ..figures.change import ClassChange
from ..figures.coverage import WHOLE, Coverage
from ..figures.figures import Figures
from ..figures.finite import finite_or_none
from ..figures.gap import Gap
from ..figures.regions import RegionProperties
from ..figures.thin import ThinStructure

Percents = Mapping[str, float | None]
"""Percent of the labelled pixels by class, None where no pixel is labelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionCount:
    """The regions of one class in an image: how many, their area, and that of the largest."""

    count: int
    area: float
    largest: float

    @classmethod
    def from_regions(cls, regions: Sequence[RegionProperties]) -> "RegionCount":
        """Count the regions; without one, all is 0."""
        areas = [region.area for region in regions]
        return cls(count=len(regions), area=sum(areas), largest=max(areas, default=0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassGap:
    """The least gap between two classes in an image; None where one of them is absent."""

    between: tuple[str, str]
    gap: Gap | None

    def to_json(self) -> Document:
        """The entry of measurements.json; the distance is null where there is no gap."""
        document: Document = {"between": list(self.between), "distance": None}
        if self.gap is not None:
            document |= {
                "distance": self.gap.distance,
                "touches": self.gap.touches,
                "from_px": list(self.gap.a_px),
                "to_px": list(self.gap.b_px),
            }
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinSize:
    """The size of the thin structures of one class in an image."""

    length: float
    mean_width: float | None
    max_width: float | None
    num_branch_points: int

    @classmethod
    def from_thin(cls, thin: ThinStructure) -> "ThinSize":
        """The figures without the skeleton."""
        return cls(
            length=thin.length,
            mean_width=finite_or_none(thin.mean_width),
            max_width=finite_or_none(thin.max_width),
            num_branch_points=thin.num_branch_points,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageChange:
    """Percent of an image that changed class, and the area each class gained and lost."""

    changed_percent: float | None
    gained: Mapping[str, float]
    lost: Mapping[str, float]

    @classmethod
    def from_change(cls, change: ClassChange, spec: LabelSpec) -> "ImageChange":
        """The change of one image by the names of the classes."""
        return cls(
            changed_percent=finite_or_none(change.changed_percent),
            gained=dict(zip(spec.names, change.gained.tolist(), strict=True)),
            lost=dict(zip(spec.names, change.lost.tolist(), strict=True)),
        )

    def to_json(self) -> Document:
        """The entry of measurements.json."""
        return {
            "changed_percent": self.changed_percent,
            "classes": {
                name: {"gained": gained, "lost": self.lost[name]}
                for name, gained in self.gained.items()
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSummary:
    """The figures of one image: `rois` by region of interest, `regions` and `thin` by class."""

    key: str
    percent: Percents
    ignored_percent: float | None
    rois: Mapping[str, Percents]
    regions: Mapping[str, RegionCount]
    gaps: tuple[ClassGap, ...]
    thin: Mapping[str, ThinSize]
    change: ImageChange | None
    in_rois: Mapping[str, "ImageSummary"] = field(default_factory=dict)
    """The figures inside each region of interest."""

    @classmethod
    def from_figures(cls, key: str, figures: Figures, spec: LabelSpec) -> "ImageSummary":
        """Summarize the figures of the image `key`."""
        names, whole = spec.names, figures.coverage[WHOLE]
        return cls(
            key=key,
            percent=_percents(whole, spec),
            ignored_percent=finite_or_none(whole.ignored_percent),
            rois={
                roi: _percents(coverage, spec)
                for roi, coverage in figures.coverage.items()
                if roi != WHOLE
            },
            regions={
                names[index]: RegionCount.from_regions(regions)
                for index, regions in figures.regions.items()
            },
            gaps=tuple(
                ClassGap(between=(names[a], names[b]), gap=gap)
                for (a, b), gap in figures.gaps.items()
            ),
            thin={names[index]: ThinSize.from_thin(t) for index, t in figures.thin.items()},
            change=None
            if figures.change is None
            else ImageChange.from_change(figures.change, spec),
            in_rois={
                roi: cls.from_figures(key, inside, spec) for roi, inside in figures.rois.items()
            },
        )

    def to_json(self) -> Document:
        """The entry of measurements.json; it has no key for what was not measured."""
        return {
            "key": self.key,
            "percent": dict(self.percent),
            "ignored_percent": self.ignored_percent,
            **self._list_measured(),
        }

    def _list_measured(self) -> Document:
        in_rois = {roi: inside._list_measured() for roi, inside in self.in_rois.items()}
        measured = {
            "rois": {roi: dict(percent) for roi, percent in self.rois.items()},
            "in_rois": in_rois,
            "regions": {name: asdict(count) for name, count in self.regions.items()},
            "gaps": [gap.to_json() for gap in self.gaps],
            "thin": {name: asdict(size) for name, size in self.thin.items()},
            "change": None if self.change is None else self.change.to_json(),
        }
        return {name: part for name, part in measured.items() if part}


def _percents(coverage: Coverage, spec: LabelSpec) -> Percents:
    percents = map(finite_or_none, coverage.percent.tolist())
    return dict(zip(spec.names, percents, strict=True))
