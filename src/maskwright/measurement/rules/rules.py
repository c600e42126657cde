"""Read rules.yaml: limits of figures, each written as the condition under which an image fails.

`figures` are measured without a limit, for control charts.

    rules:
      - fail: scratch area > 2 mm2
      - {name: too near the kerb, fail: "pedestrian, kerb gap < 0.3 m"}
      - {fail: road < 20 %, roi: crossing}
      - {fail: car area > 1 %, roi: shoulder, for: 5s, clear: 3s}
    figures:
      - crack length mm
      - {figure: weed %, roi: shoulder}
    zones:
      shoulder: {share: [[0.7, 0.5], [1, 0.5], [1, 1], [0.8, 1]]}

A limit is CLASS MEASURE COMPARISON NUMBER UNIT. MEASURE is one of `MEASURES`, area where left
out; a gap has two classes, separated by a comma. UNIT is that of the measure: % (of the
labelled pixels), px2, mm2, cm2, m2, km2 or ha for areas; px, mm, cm, m or km for lengths; none
for a count.

`roi` is a region of a GeoJSON file, or one of `zones`: a polygon in pixels (`px`) or in shares
of the width and the height of the frame (`share`). `for` and `clear` are for streams: how long
a limit must be broken until an event begins, and kept until it ends.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from ...core.duration import budget_seconds
from ...core.errors import ConfigError, suggest
from ...core.labels import LabelSpec
from ...core.strictmodel import StrictModel
from ...core.versioned import Schema
from ...core.yamlfile import read_yaml, validate_yaml
from ..ground.roi import Roi

SCHEMA = Schema(kind="rules.yaml", version=1, unversioned=1, error=ConfigError, key="version")

Kind = Literal["area", "length", "count"]

MEASURES: Mapping[str, Kind] = {
    "area": "area",
    "largest region": "area",
    "gained": "area",
    "lost": "area",
    "gap": "length",
    "length": "length",
    "mean width": "length",
    "max width": "length",
    "regions": "count",
}
OF_REGIONS = frozenset({"largest region", "regions"})
OF_THIN = frozenset({"length", "mean width", "max width"})
OF_CHANGE = frozenset({"gained", "lost"})
SHARES = frozenset({"area", "gained", "lost"})
"""Measures that can be limited in percent."""

_PERCENT = "%"
_MM: Mapping[str, float] = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "km": 1e6}
_HECTARE, _HECTARE_SIDE_M = "ha", 100.0
_LIMIT = re.compile(
    r"\s*(?P<subject>\S.*?)\s*(?P<comparison><=|>=|<|>)\s*(?P<number>[-+]?[\d.]+(?:e[-+]?\d+)?)"
    r"\s*(?P<unit>%|[a-z]+2?)?\s*",
    re.IGNORECASE,
)
_FIGURE = re.compile(
    r"\s*(?P<subject>\S.*?)(?:\s*(?P<unit>%|(?<=\s)(?:px2?|[cmk]?m2?|ha)))?\s*"
)


class RuleEntry(StrictModel):
    """One rule as written in the file."""

    fail: str
    name: str | None = None
    roi: str | None = None
    for_: str | None = Field(default=None, alias="for")
    clear: str | None = None


class FigureEntry(StrictModel):
    """One figure that is measured without a limit."""

    figure: str
    name: str | None = None
    roi: str | None = None


class ZoneEntry(StrictModel):
    """A polygon, x and y of each corner: in pixels, or in shares of width and height."""

    px: tuple[tuple[float, float], ...] | None = None
    share: tuple[tuple[float, float], ...] | None = None

    @model_validator(mode="after")
    def _require_polygon(self) -> Self:
        corners = self.share if self.px is None else self.px
        if corners is None or None not in (self.px, self.share):
            raise ValueError("give the corners as 'px' or as 'share'")
        if len(corners) < 3:
            raise ValueError(f"a polygon has three corners or more, not {len(corners)}")
        if self.share and not all(0 <= value <= 1 for xy in self.share for value in xy):
            raise ValueError("shares of the frame are from 0 to 1; pixels are given as 'px'")
        return self

    def to_roi(self, name: str) -> Roi:
        """The polygon as a region of interest."""
        return Roi(
            name=name,
            polygons=((np.array(self.px or self.share, np.float64),),),
            unit="share" if self.px is None else "px",
        )


class RulesFile(StrictModel):
    """The content of rules.yaml."""

    rules: list[RuleEntry] = Field(default_factory=list)
    figures: list[FigureEntry | str] = Field(default_factory=list)
    zones: dict[str, ZoneEntry] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _require_something(self) -> Self:
        if not self.rules and not self.figures:
            raise ValueError("give rules, or figures that are measured without a limit")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedFigure:
    """`measure` of `classes` in `unit`; figures of a map times `factor` are in `unit`.

    `roi` is the region of interest in which it is measured. `title` names the figure, also
    where it is that of a rule with another name.
    """

    name: str
    title: str
    measure: str
    classes: tuple[int, ...]
    unit: str
    factor: float
    roi: str | None = None

    @property
    def is_share(self) -> bool:
        """Whether it is in percent."""
        return self.unit == _PERCENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(WantedFigure):
    """One limit: an image fails where the figure compares to `limit`, in `unit`, as stated.

    `comparison` is <, <=, > or >=. In a stream, an event begins when the rule is broken for
    `for_s` and ends when it is kept for `clear_s`.
    """

    comparison: str
    limit: float
    for_s: float = 0.0
    clear_s: float = 0.0

    def is_broken_by(self, value: float) -> bool:
        """Whether `value`, in `unit`, fails; values that differ by rounding alone are equal."""
        if math.isclose(value, self.limit, rel_tol=1e-9):
            return "=" in self.comparison
        return {
            "<": value < self.limit,
            "<=": value <= self.limit,
            ">": value > self.limit,
            ">=": value >= self.limit,
        }[self.comparison]

    @property
    def is_upper(self) -> bool:
        """Whether larger values are worse."""
        return ">" in self.comparison

    @property
    def text(self) -> str:
        """Comparison, limit and unit: "> 2 mm2"."""
        return f"{self.comparison} {self.limit:g} {self.unit}".rstrip()


def read_rules(path: Path, spec: LabelSpec, map_unit: str) -> tuple[Rule, ...]:
    """Read the rules for maps with the classes of `spec`, measured in `map_unit`: px, mm or m.

    Raises:
        DataError: The file cannot be read.
        ConfigError: Not YAML; an unknown key, class, measure or unit (the nearest is named);
            two rules of one name; mm, cm or m where the size of a pixel is not known.
    """
    entries = _read_file(path).rules
    rules = tuple(_parse_rule(entry, spec, map_unit, f"{path}: ") for entry in entries)
    _require_names(path, "rules", [rule.name for rule in rules])
    return rules


def read_figures(path: Path, spec: LabelSpec, map_unit: str) -> tuple[WantedFigure, ...]:
    """Read the figures that are measured without a limit; raises as `read_rules`."""
    entries = _read_file(path).figures
    figures = tuple(_parse_figure(entry, spec, map_unit, f"{path}: ") for entry in entries)
    _require_names(path, "figures", [figure.title for figure in figures])
    return figures


def _require_names(path: Path, what: str, names: Sequence[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ConfigError(
            f"{path}: two {what} have the name {repeated[0]!r}; give each its own name"
        )


def read_zones(path: Path) -> tuple[Roi, ...]:
    """Read the zones of rules.yaml; raises as `read_rules`."""
    return tuple(zone.to_roi(name) for name, zone in _read_file(path).zones.items())


def _read_file(path: Path) -> RulesFile:
    document = SCHEMA.read(read_yaml(path), where=str(path))
    return validate_yaml(document, RulesFile, path=path)


def _parse_rule(entry: RuleEntry, spec: LabelSpec, map_unit: str, where: str) -> Rule:
    where = f"{where}fail: {entry.fail!r}: "
    match = _LIMIT.fullmatch(entry.fail)
    if match is None:
        raise ConfigError(
            f"{where}not CLASS MEASURE COMPARISON NUMBER UNIT, such as 'scratch area > 2 mm2'"
        )
    measure, classes = _parse_subject(match["subject"], spec, where)
    unit = match["unit"] or ""
    return Rule(
        name=entry.name or entry.fail,
        title=_name_figure(match["subject"], unit, entry.roi),
        measure=measure,
        classes=classes,
        comparison=match["comparison"],
        limit=_parse_number(match["number"], where),
        unit=unit,
        factor=_find_factor(measure, unit, map_unit, where),
        roi=entry.roi,
        for_s=budget_seconds(entry.for_, option=f"{where}for:") or 0.0,
        clear_s=budget_seconds(entry.clear, option=f"{where}clear:") or 0.0,
    )


def _parse_figure(
    entry: FigureEntry | str, spec: LabelSpec, map_unit: str, where: str
) -> WantedFigure:
    if isinstance(entry, str):
        entry = FigureEntry(figure=entry)
    where = f"{where}figures: {entry.figure!r}: "
    match = _FIGURE.fullmatch(entry.figure)
    if match is None:
        raise ConfigError(f"{where}not CLASS MEASURE UNIT, such as 'crack length mm'")
    measure, classes = _parse_subject(match["subject"], spec, where)
    unit = match["unit"] or ""
    title = entry.name or _name_figure(match["subject"], unit, entry.roi)
    return WantedFigure(
        name=title,
        title=title,
        measure=measure,
        classes=classes,
        unit=unit,
        factor=_find_factor(measure, unit, map_unit, where),
        roi=entry.roi,
    )


def _name_figure(subject: str, unit: str, roi: str | None) -> str:
    words = [*subject.split(), unit, *(("in", roi) if roi else ())]
    return " ".join(filter(None, words))


def _parse_subject(text: str, spec: LabelSpec, where: str) -> tuple[str, tuple[int, ...]]:
    """Split "road, kerb gap" into the measure and the indices of its classes."""
    words = " ".join(text.split())
    ending = next((m for m in MEASURES if words.endswith(f" {m}")), None)
    if words in spec.names or ending is None:
        return "area", (_find_index(words, spec, where),)
    subject = words.removesuffix(ending).strip()
    if ending != "gap":
        return ending, (_find_index(subject, spec, where),)
    pair = split_pair(subject, spec)
    if pair is None:
        raise ConfigError(f"{where}a gap is between two classes: 'a, b gap < 0.3 m'")
    return ending, tuple(_find_index(name, spec, where) for name in pair)


def split_pair(text: str, spec: LabelSpec) -> tuple[str, str] | None:
    """Split "a, b" into two names, at the comma that gives two classes where names hold commas.

    At the first comma where none does; None without a comma.
    """
    parts = text.split(",")
    pairs = [
        (",".join(parts[:i]).strip(), ",".join(parts[i:]).strip()) for i in range(1, len(parts))
    ]
    names = {_strip_commas(name): name for name in spec.names}
    known = [
        (names[_strip_commas(a)], names[_strip_commas(b)])
        for a, b in pairs
        if _strip_commas(a) in names and _strip_commas(b) in names
    ]
    return next(iter(known or pairs), None)


def _strip_commas(name: str) -> str:
    """A name without blanks beside its commas, which the command line may drop."""
    return re.sub(r"\s*,\s*", ",", name)


def _find_index(name: str, spec: LabelSpec, where: str) -> int:
    if name not in spec.names:
        raise ConfigError(
            f"{where}no class named {name!r}{suggest(name, spec.names)}. "
            f"Measures: {', '.join(MEASURES)}."
        )
    return spec.names.index(name)


def _parse_number(text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise ConfigError(f"{where}{text!r} is not a number") from error
    if not math.isfinite(number):
        raise ConfigError(f"{where}{text!r} is not a finite number")
    return number


def _find_factor(measure: str, unit: str, map_unit: str, where: str) -> float:
    """Find the factor from the unit of the maps to `unit`."""
    kind = MEASURES[measure]
    power = 2 if kind == "area" else 1
    known = {"px": 1.0, **_MM} if kind != "count" else {}
    allowed = [f"{u}2" if power == 2 else u for u in known] or ["no unit"]
    if power == 2 and known:
        allowed.append(_HECTARE)
    if measure in SHARES:
        allowed.insert(0, _PERCENT)
    if unit not in (allowed if known else ("",)):
        raise ConfigError(
            f"{where}{measure} is limited in {', '.join(allowed)}, got {unit or 'no unit'!r}"
        )
    if unit in ("", _PERCENT):
        return 1.0
    length_unit = "m" if unit == _HECTARE else unit.removesuffix("2")
    if (length_unit == "px") != (map_unit == "px"):
        fix = (
            "give the size of a pixel with --mm-per-px"
            if map_unit == "px"
            else f"write the limit in {map_unit}{'2' if power == 2 else ''}"
        )
        raise ConfigError(f"{where}the maps are measured in {map_unit}; {fix}")
    if length_unit == "px":
        return 1.0
    side_mm = _MM["m"] * _HECTARE_SIDE_M if unit == _HECTARE else _MM[length_unit]
    return (_MM[map_unit] / side_mm) ** power
