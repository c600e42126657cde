"""Measurements: what `measure` found in a series of class maps; measurements.json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...core.labels import LabelSpec
from ..figures.change import ClassChange
from ..figures.coverage import WHOLE, Coverage
from ..rules.rules import Rule
from ..rules.verdicts import Verdict
from .summary import series_summary

SCHEMA_VERSION = 1
DENOMINATOR = "a class: of the labelled pixels; what is ignored: of all pixels"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measurements:
    """The figures of a series: `coverage` by region of interest, "" for the whole images.

    `images` has one JSON object an image, in the order of the keys. `pictures` are JPEG files
    by key for the report, of some images.
    """

    labels: LabelSpec
    unit: str
    area_unit: str
    settings: Mapping[str, Any]
    coverage: Mapping[str, Coverage]
    change: ClassChange | None
    images: Sequence[dict[str, Any]]
    rules: Sequence[Rule] = ()
    verdicts: Sequence[Verdict] = ()
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    change_pictures: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether no image fails any rule; so too where there is no rule."""
        return all(verdict.passed for verdict in self.verdicts)

    @property
    def failed_keys(self) -> tuple[str, ...]:
        """The images that fail a rule, in order."""
        return tuple(dict.fromkeys(v.key for v in self.verdicts if not v.passed))

    def to_json(self) -> dict[str, Any]:
        """What measurements.json holds."""
        names = self.labels.names
        document: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "unit": self.unit,
            "area_unit": self.area_unit,
            "percent_of": DENOMINATOR,
            "settings": dict(self.settings),
            "labels": self.labels.to_json(),
            "num_images": len(self.images),
            "coverage": self.coverage[WHOLE].to_json(names),
            "rois": {n: c.to_json(names) for n, c in self.coverage.items() if n != WHOLE},
            "change": None if self.change is None else self.change.to_json(names),
            **series_summary(self.images),
        }
        if self.rules:
            document["passed"] = self.passed
            document["rules"] = [self._tally(rule) for rule in self.rules]
            document["verdicts"] = [verdict.to_json() for verdict in self.verdicts]
        return document | {"images": list(self.images)}

    def _tally(self, rule: Rule) -> dict[str, Any]:
        judged = [v for v in self.verdicts if v.rule == rule]
        failed = [v.key for v in judged if not v.passed]
        return {
            "rule": rule.name,
            "fails_if": rule.text,
            "num_judged": len(judged),
            "num_failed": len(failed),
            "failed": failed,
        }
