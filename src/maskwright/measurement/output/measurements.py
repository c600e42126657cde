"""Measurements: the figures of a series of class maps; the content of measurements.json."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from ...core.labels import LabelSpec
from ...core.versioned import Document, Schema
from ..figures.change import ClassChange
from ..figures.coverage import WHOLE, Coverage
from ..rules.rules import Rule
from ..rules.verdicts import Verdict
from ..volumes import ClassVolume
from .image_summary import ImageSummary
from .totals import SeriesTotals

SCHEMA = Schema(kind="measurements", version=1)
DENOMINATOR = "a class: of the labelled pixels; what is ignored: of all pixels"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureSettings:
    """What was measured and how, with names of classes; `scale` states how it is known.

    `maps` and `before` are paths; `min_area` is in the unit of areas. `resampled` are the keys
    of earlier maps that were resampled to the grid of the later ones.
    """

    scale: str
    maps: str
    before: str | None = None
    rois: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    gaps: tuple[tuple[str, str], ...] = ()
    thin: tuple[str, ...] = ()
    min_area: float = 0.0
    resampled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleResult:
    """One rule over a series: how many images it judges, and the keys of those that fail."""

    rule: Rule
    num_judged: int
    failed: tuple[str, ...]

    def to_json(self) -> Document:
        """The entry of measurements.json."""
        return {
            "rule": self.rule.name,
            "fails_if": self.rule.text,
            "num_judged": self.num_judged,
            "num_failed": len(self.failed),
            "failed": list(self.failed),
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measurements:
    """The figures of a series: `coverage` by region of interest, "" for the whole images.

    `images` are in the order of the keys. `pictures` and `change_pictures` are the JPEG files
    of the report by key, for some of the images, and `shown` says how photographs are drawn.
    """

    labels: LabelSpec
    unit: str
    area_unit: str
    settings: MeasureSettings
    coverage: Mapping[str, Coverage]
    change: ClassChange | None
    images: Sequence[ImageSummary]
    rules: Sequence[Rule] = ()
    verdicts: Sequence[Verdict] = ()
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    shown: str = ""
    change_pictures: Mapping[str, bytes] = field(default_factory=dict)
    roi_changes: Mapping[str, ClassChange] = field(default_factory=dict)
    """The change inside each region of interest."""
    volumes: Mapping[str, Mapping[str, ClassVolume]] = field(default_factory=dict)
    """By file of slices and class."""

    @property
    def passed(self) -> bool:
        """Whether no image fails a rule; true where there is no rule."""
        return all(verdict.passed for verdict in self.verdicts)

    @property
    def failed_keys(self) -> tuple[str, ...]:
        """The images that fail a rule, in order."""
        return tuple(dict.fromkeys(v.key for v in self.verdicts if not v.passed))

    @property
    def rois(self) -> dict[str, Coverage]:
        """The coverage of each region of interest by name."""
        return {name: c for name, c in self.coverage.items() if name != WHOLE}

    @property
    def totals(self) -> SeriesTotals:
        """Regions, gaps and thin structures over all images."""
        return SeriesTotals.from_images(self.images)

    @property
    def roi_totals(self) -> dict[str, SeriesTotals]:
        """The same inside each region of interest, where more than coverage is measured."""
        names = dict.fromkeys(roi for image in self.images for roi in image.in_rois)
        return {
            roi: SeriesTotals.from_images(
                [image.in_rois[roi] for image in self.images if roi in image.in_rois]
            )
            for roi in names
        }

    @property
    def rule_results(self) -> tuple[RuleResult, ...]:
        """The result of each rule, in the order of the rules."""
        return tuple(map(self._sum_up, self.rules))

    def to_json(self) -> Document:
        """The content of measurements.json."""
        names = self.labels.names
        document: Document = {
            "unit": self.unit,
            "area_unit": self.area_unit,
            "percent_of": DENOMINATOR,
            "settings": asdict(self.settings),
            "labels": self.labels.to_json(),
            "num_images": len(self.images),
            "coverage": self.coverage[WHOLE].to_json(names),
            "rois": {roi: coverage.to_json(names) for roi, coverage in self.rois.items()},
            "change": None if self.change is None else self.change.to_json(names),
            **self.totals.to_json(),
        }
        if roi_totals := self.roi_totals:
            document["in_rois"] = {
                roi: totals.to_json() | self._change_in(roi)
                for roi, totals in roi_totals.items()
            }
        if self.volumes:
            document["volumes"] = {
                file: {name: volume.to_json() for name, volume in classes.items()}
                for file, classes in self.volumes.items()
            }
        if self.rules:
            document["passed"] = self.passed
            document["rules"] = [result.to_json() for result in self.rule_results]
            document["verdicts"] = [verdict.to_json() for verdict in self.verdicts]
        return SCHEMA.stamp(document | {"images": [image.to_json() for image in self.images]})

    def _change_in(self, roi: str) -> Document:
        change = self.roi_changes.get(roi)
        return {} if change is None else {"change": change.to_json(self.labels.names)}

    def _sum_up(self, rule: Rule) -> RuleResult:
        verdicts = [verdict for verdict in self.verdicts if verdict.rule == rule]
        failed = tuple(verdict.key for verdict in verdicts if not verdict.passed)
        return RuleResult(rule=rule, num_judged=len(verdicts), failed=failed)
