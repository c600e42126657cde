"""What every family of scores is made of: additive Counts in, Scores out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from ..core.scores import Values

Counts = Mapping[str, NDArray[Any]]
"""Additive arrays by name, int64 or float64. Names are unique over all families. An array of
one image has the shape its family states, say (C,) or (C, S); sums have the same shape, and
`scores` takes any axes before it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """Scores along an axis: `axis` names it with its unit, `at` are its n positions.

    `values` is (..., n), or (..., C, n) for one curve per class. A position is a number or the
    name of a bin ("16-64 px"). Where `values` are means over classes, `of_classes` are the
    values of each class, (..., n, C).
    """

    axis: str
    at: tuple[float | str, ...]
    values: Values
    of_classes: Values | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """Scores of one family: for the set (...), per class (..., C), and curves.

    NaN stands for a score that does not exist, such as that of an absent class.
    """

    overall: Mapping[str, Values] = field(default_factory=dict)
    classes: Mapping[str, Values] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    class_curves: Mapping[str, Curve] = field(default_factory=dict)
