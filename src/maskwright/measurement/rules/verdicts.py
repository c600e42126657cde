"""Judge images by rules: an image passes only where a figure is known to keep its limit.

- An absent class has area 0, no regions, length 0 and width 0: "road < 20 %" fails without a
  road, "scratch area > 2 mm2" passes without a scratch.
- A gap to an absent class is infinite: "< 0.3 m" passes, "> 2 m" fails. The note names the
  absent class. To require the class, add a rule such as "kerb < 0.1 %".
- An image without a labelled pixel (or a region of interest without one) fails every rule,
  because nothing is known of it. A region outside of an image is not judged there.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...core.labels import LabelSpec
from ...core.versioned import Document
from ..figures.change import ClassChange
from ..figures.coverage import WHOLE, Coverage
from ..figures.figures import Figures
from ..figures.finite import finite_or_none
from .rules import Rule, WantedFigure


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The result of one rule for one image.

    `value` is in the unit of the rule, None where it is unknown or infinite.
    """

    key: str
    rule: Rule
    value: float | None
    passed: bool
    note: str = ""

    def to_json(self) -> Document:
        """The verdict with its limit; an infinite gap has the value null."""
        return {
            "key": self.key,
            "rule": self.rule.name,
            "value": self.value,
            "limit": self.rule.limit,
            "fails_if": self.rule.text,
            "unit": self.rule.unit,
            "passed": self.passed,
            "note": self.note,
        }


def judge(
    key: str, figures: Figures, rules: Sequence[Rule], spec: LabelSpec
) -> Iterator[Verdict]:
    """Judge an image by every rule that applies to it."""
    for rule in rules:
        coverage = figures.coverage.get(rule.roi or WHOLE)
        if coverage is None or (rule.roi and coverage.labelled_px + coverage.ignored_px == 0):
            continue
        inside = figures if rule.roi is None else figures.rois.get(rule.roi, figures)
        value, note = _find_value(rule, inside, coverage, spec)
        yield Verdict(
            key=key,
            rule=rule,
            value=None if value is None else finite_or_none(value),
            passed=value is not None and not rule.is_broken_by(value),
            note=note,
        )


def measure_figures(
    figures: Figures, wanted: Sequence[WantedFigure], spec: LabelSpec
) -> dict[str, float | None]:
    """The figures of an image by title, in their units; None where unknown or infinite."""
    found = {}
    for one in wanted:
        coverage = figures.coverage.get(one.roi or WHOLE)
        if coverage is None:
            continue
        inside = figures if one.roi is None else figures.rois.get(one.roi, figures)
        value, _ = _find_value(one, inside, coverage, spec)
        found[one.title] = None if value is None else finite_or_none(value)
    return found


def _find_value(
    wanted: WantedFigure, figures: Figures, coverage: Coverage, spec: LabelSpec
) -> tuple[float | None, str]:
    """Find the figure in the unit of the rule, None where nothing is known, and a note."""
    if coverage.labelled_px == 0:
        return None, "nothing is labelled here"
    if wanted.measure == "gap":
        return _find_gap(wanted, figures, spec)
    if wanted.measure in ("gained", "lost"):
        return _find_change(wanted, figures.change)
    absent = coverage.pixels_C[wanted.classes[0]] == 0
    note = f"{spec.names[wanted.classes[0]]} is absent" if absent else ""
    if wanted.is_share:
        return float(coverage.percent[wanted.classes[0]]), note
    return wanted.factor * _find_size(wanted, figures, coverage), note


def _find_size(wanted: WantedFigure, figures: Figures, coverage: Coverage) -> float:
    index = wanted.classes[0]
    if wanted.measure == "area":
        return float(coverage.area_C[index])
    if wanted.measure == "regions":
        return len(figures.regions[index])
    if wanted.measure == "largest region":
        return max((region.area for region in figures.regions[index]), default=0.0)
    thin = figures.thin[index]
    sizes = {
        "length": thin.length,
        "mean width": thin.mean_width,
        "max width": thin.max_width,
    }
    return sizes[wanted.measure] if thin.length else 0.0


def _find_gap(wanted: WantedFigure, figures: Figures, spec: LabelSpec) -> tuple[float, str]:
    first, second = wanted.classes
    gap = figures.gaps[first, second]
    if gap is not None:
        return wanted.factor * gap.distance, "they touch" if gap.touches else ""
    if first == second:
        return math.inf, f"no gap: there are no two regions of {spec.names[first]}"
    pixels_C = figures.coverage[WHOLE].pixels_C
    absent = [f"no {spec.names[i]}" for i in (first, second) if not pixels_C[i]]
    return math.inf, f"no gap: there is {', '.join(absent) or 'no region large enough'}"


def _find_change(wanted: WantedFigure, change: ClassChange | None) -> tuple[float | None, str]:
    if change is None or not change.total:
        return None, "nothing is labelled at both dates"
    area_C = change.gained if wanted.measure == "gained" else change.lost
    area = float(area_C[wanted.classes[0]])
    return (100 * area / change.total if wanted.is_share else wanted.factor * area), ""
