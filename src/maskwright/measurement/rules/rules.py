"""rules.yaml: limits that a figure must keep, each written as what fails.

    rules:
      - fail: scratch area > 2 mm2
      - {name: too near the kerb, fail: "pedestrian, kerb gap < 0.3 m"}
      - {fail: road < 20 %, roi: crossing}

A limit is CLASS MEASURE COMPARISON NUMBER UNIT. MEASURE is one of `MEASURES`, area where left
out; a gap has two classes with a comma between them. UNIT is that of the measure: % (of the
labelled pixels), px2, mm2, cm2 or m2 for areas; px, mm, cm or m for lengths; none for a count.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...core.errors import ConfigError, nearest, suggest
from ...core.labels import LabelSpec
from ...core.yamlfile import read_yaml

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
"""What may be limited in percent."""

OF_ROI = frozenset({"area"})
"""What is counted in regions of interest too."""

_PERCENT = "%"
_MM: Mapping[str, float] = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
_LIMIT = re.compile(
    r"\s*(?P<what>\S.*?)\s*(?P<comparison><=|>=|<|>)\s*(?P<number>[-+]?[\d.]+(?:e[-+]?\d+)?)"
    r"\s*(?P<unit>%|[a-z]+2?)?\s*",
    re.IGNORECASE,
)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RuleEntry(_Strict):
    """One rule as written."""

    fail: str
    name: str | None = None
    roi: str | None = None


class RulesFile(_Strict):
    """A whole rules.yaml."""

    version: Literal[1] = 1
    rules: list[RuleEntry] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One limit: an image fails it where `measure` of `classes` is `comparison` than `limit`.

    `limit` is in `unit`, and `factor` brings figures in the unit of the maps to it.
    """

    name: str
    measure: str
    classes: tuple[int, ...]
    comparison: str
    limit: float
    unit: str
    factor: float
    roi: str | None = None

    def broken_by(self, value: float) -> bool:
        """Whether a value, in `unit`, fails the rule; equal but for rounding is equal."""
        if math.isclose(value, self.limit, rel_tol=1e-9):
            return "=" in self.comparison
        return {
            "<": value < self.limit,
            "<=": value <= self.limit,
            ">": value > self.limit,
            ">=": value >= self.limit,
        }[self.comparison]

    @property
    def is_share(self) -> bool:
        """Whether the limit is in percent."""
        return self.unit == _PERCENT

    @property
    def text(self) -> str:
        """The limit in words: "> 2 mm2"."""
        return f"{self.comparison} {self.limit:g} {self.unit}".rstrip()


def read_rules(path: Path, spec: LabelSpec, map_unit: str) -> tuple[Rule, ...]:
    """The rules of a file for maps of these classes, measured in `map_unit` (px, mm or m).

    Raises:
        DataError: The file cannot be read.
        ConfigError: Not YAML, an unknown key, class, measure or unit (the nearest is named),
            two rules of one name, or a real unit where the size of a pixel is not known.
    """
    rules = tuple(_rule(e, spec, map_unit, f"{path}: ") for e in _read(path).rules)
    names = [rule.name for rule in rules]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ConfigError(f"{path}: two rules are called {twice[0]!r}; name them apart")
    return rules


def _read(path: Path) -> RulesFile:
    document = read_yaml(path)
    try:
        return RulesFile.model_validate(document)
    except ValidationError as error:
        problem = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        place = ".".join(map(str, problem["loc"])) or "the document"
        if problem["type"] != "extra_forbidden":
            raise ConfigError(f"{path}: {place}: {problem['msg']}") from error
        model = RuleEntry if len(problem["loc"]) > 1 else RulesFile
        known = tuple(model.model_fields)
        near = nearest(str(problem["loc"][-1]), known)
        raise ConfigError(
            f"{path}: unknown key {place!r}{near}. Known: {', '.join(known)}."
        ) from error


def _rule(entry: RuleEntry, spec: LabelSpec, map_unit: str, where: str) -> Rule:
    where = f"{where}fail: {entry.fail!r}: "
    found = _LIMIT.fullmatch(entry.fail)
    if found is None:
        raise ConfigError(
            f"{where}not CLASS MEASURE COMPARISON NUMBER UNIT, such as 'scratch area > 2 mm2'"
        )
    measure, classes = _subject(found["what"], spec, where)
    if entry.roi is not None and measure not in OF_ROI:
        raise ConfigError(f"{where}{measure} is not counted by roi; only area is")
    unit = found["unit"] or ""
    return Rule(
        name=entry.name or entry.fail,
        measure=measure,
        classes=classes,
        comparison=found["comparison"],
        limit=_number(found["number"], where),
        unit=unit,
        factor=_factor(measure, unit, map_unit, where),
        roi=entry.roi,
    )


def _subject(what: str, spec: LabelSpec, where: str) -> tuple[str, tuple[int, ...]]:
    """The measure at the end of `what`, and the classes before it."""
    words = " ".join(what.split())
    ending = next((m for m in MEASURES if words.endswith(f" {m}")), None)
    if words in spec.names or ending is None:
        return "area", (_index(words, spec, where),)
    subject = words.removesuffix(ending).strip()
    if ending != "gap":
        return ending, (_index(subject, spec, where),)
    parts = subject.split(",")
    halves = [
        tuple(",".join(half).strip() for half in (parts[:i], parts[i:]))
        for i in range(1, len(parts))
    ]
    if not halves:
        raise ConfigError(f"{where}a gap is between two classes: 'a, b gap < 0.3 m'")
    fits = [pair for pair in halves if set(pair) <= set(spec.names)]
    return ending, tuple(_index(name, spec, where) for name in (fits or halves)[0])


def _index(name: str, spec: LabelSpec, where: str) -> int:
    if name not in spec.names:
        raise ConfigError(
            f"{where}no class named {name!r}{suggest(name, spec.names)}. "
            f"Measures: {', '.join(MEASURES)}."
        )
    return spec.names.index(name)


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(f"{where}{text!r} is no number") from error


def _factor(measure: str, unit: str, map_unit: str, where: str) -> float:
    """What brings a figure in the unit of the maps to `unit`."""
    kind = MEASURES[measure]
    power = 2 if kind == "area" else 1
    known = {"px": 1.0, **_MM} if kind != "count" else {}
    allowed = [f"{u}2" if power == 2 else u for u in known] or ["no unit"]
    if measure in SHARES:
        allowed.insert(0, _PERCENT)
    if unit not in (allowed if known else ("",)):
        raise ConfigError(
            f"{where}{measure} is limited in {', '.join(allowed)}, got {unit or 'no unit'!r}"
        )
    if unit in ("", _PERCENT):
        return 1.0
    asked = unit.removesuffix("2")
    if (asked == "px") != (map_unit == "px"):
        way = (
            "give the size of a pixel with --mm-per-px"
            if map_unit == "px"
            else f"write the limit in {map_unit}{'2' if power == 2 else ''}"
        )
        raise ConfigError(f"{where}the maps are measured in {map_unit}; {way}")
    return 1.0 if asked == "px" else (_MM[map_unit] / _MM[asked]) ** power
