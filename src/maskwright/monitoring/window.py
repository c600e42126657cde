"""Window: a sum of many observations over a span of time; the sum of two is one too.

A service keeps windows longer than rows: of each number a window has the sum and the sum of
squares, so means and spreads of any longer span follow from them. Seconds are counted in bins
of equal ratio, so a quantile is right to one bin (19 %).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import NamedTuple, Self

from ..core.errors import DataError
from ..core.observation import Families, Levels
from ..core.versioned import Document, Schema

SCHEMA = Schema(kind="window of observations", version=1)
_RATIO = 2**0.25
_SMALLEST_S = 1e-3


class Moments(NamedTuple):
    """The sum of a number over the images of a window, and that of its squares."""

    total: float
    squares: float

    def __add__(self, other: object) -> "Moments":
        if not isinstance(other, Moments):
            return NotImplemented
        return Moments(self.total + other.total, self.squares + other.squares)


class FigureSum(NamedTuple):
    """The sum of a figure over the images of a window in which it is known."""

    num: int
    total: float

    def __add__(self, other: object) -> "FigureSum":
        if not isinstance(other, FigureSum):
            return NotImplemented
        return FigureSum(self.num + other.num, self.total + other.total)

    @property
    def mean(self) -> float:
        """NaN where it is known in none."""
        return self.total / self.num if self.num else math.nan


_NONE = FigureSum(0, 0.0)
_Sums = Mapping[str, Mapping[str, Moments]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The sums of `num` images; `failed` counts the requests beside them that failed.

    `bins` counts the images by the bin of their seconds. `levels` are the sums of the
    histograms of their channels, and `figures` those of what is measured in their class maps.
    """

    num: int = 0
    failed: int = 0
    bins: Mapping[int, int] = field(default_factory=dict)
    sums: _Sums = field(default_factory=dict)
    levels: Levels = field(default_factory=dict)
    figures: Mapping[str, FigureSum] = field(default_factory=dict)

    @classmethod
    def of_image(
        cls,
        families: Families,
        seconds: float,
        *,
        levels: Levels | None = None,
        figures: Mapping[str, float | None] | None = None,
    ) -> Self:
        """The window of one image that took so long, without figures that are not known."""
        sums = {
            family: {name: Moments(value, value**2) for name, value in numbers.items()}
            for family, numbers in families.items()
        }
        known = {n: FigureSum(1, v) for n, v in (figures or {}).items() if v is not None}
        bins = {_find_bin(seconds): 1}
        return cls(num=1, bins=bins, sums=sums, levels=levels or {}, figures=known)

    def __add__(self, other: object) -> "Window":
        if not isinstance(other, Window):
            return NotImplemented
        bins = {
            index: self.bins.get(index, 0) + other.bins.get(index, 0)
            for index in self.bins.keys() | other.bins.keys()
        }
        families = dict.fromkeys((*self.sums, *other.sums))
        return Window(
            num=self.num + other.num,
            failed=self.failed + other.failed,
            bins=bins,
            sums={f: _add(self.sums.get(f, {}), other.sums.get(f, {})) for f in families},
            levels=_add_levels(self.levels, other.levels),
            figures={
                name: self.figures.get(name, _NONE) + other.figures.get(name, _NONE)
                for name in dict.fromkeys((*self.figures, *other.figures))
            },
        )

    def average(self, family: str) -> dict[str, float]:
        """The mean of each number of a family; {} without images."""
        return {name: one.total / self.num for name, one in self.sums.get(family, {}).items()}

    def average_levels(self) -> dict[str, list[float]]:
        """The mean histogram of each channel, which sums to 1; {} where there are none."""
        return {
            name: [share / sum(shares) for share in shares]
            for name, shares in self.levels.items()
            if sum(shares)
        }

    def find_quantile(self, share: float) -> float:
        """The seconds that so large a share of the images took at most; NaN without images."""
        if not self.num:
            return math.nan
        left = share * self.num
        for index in sorted(self.bins):
            left -= self.bins[index]
            if left <= 0:
                break
        return float(_SMALLEST_S * _RATIO ** (index - 0.5))

    def to_json(self) -> Document:
        """A document; `from_json` undoes it."""
        return SCHEMA.stamp(
            {
                "num": self.num,
                "failed": self.failed,
                "bins": {str(index): count for index, count in self.bins.items()},
                "sums": {
                    family: {name: list(one) for name, one in numbers.items()}
                    for family, numbers in self.sums.items()
                },
                "levels": {
                    name: [round(share, 6) for share in shares]
                    for name, shares in self.levels.items()
                },
                "figures": {name: list(one) for name, one in self.figures.items()},
            }
        )

    @classmethod
    def from_json(cls, document: object, *, where: str) -> Self:
        """Undo `to_json`.

        Raises:
            DataError: Not a window, or one of a newer version.
        """
        try:
            read = SCHEMA.read(document, where=where)
            return cls(
                num=int(read["num"]),
                failed=int(read["failed"]),
                bins={int(index): int(count) for index, count in read["bins"].items()},
                sums={
                    family: {name: Moments(*one) for name, one in numbers.items()}
                    for family, numbers in read["sums"].items()
                },
                levels={n: [*map(float, each)] for n, each in read.get("levels", {}).items()},
                figures={n: FigureSum(*each) for n, each in read.get("figures", {}).items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{where}: not a window of observations ({error!r})") from error


FAILED = Window(failed=1)
"""A request that was not answered with a prediction."""


def add_windows(windows: Iterable[Window]) -> Window:
    """The sum of windows."""
    return sum(windows, start=Window())


def _add(one: Mapping[str, Moments], other: Mapping[str, Moments]) -> dict[str, Moments]:
    nothing = Moments(0.0, 0.0)
    names = dict.fromkeys((*one, *other))
    return {name: one.get(name, nothing) + other.get(name, nothing) for name in names}


def _add_levels(one: Levels, other: Levels) -> Levels:
    return {
        name: [
            a + b for a, b in zip_longest(one.get(name, ()), other.get(name, ()), fillvalue=0.0)
        ]
        for name in dict.fromkeys((*one, *other))
    }


def _find_bin(seconds: float) -> int:
    """Bin i has the seconds above `_SMALLEST_S * _RATIO ** (i - 1)` up to those of i."""
    return max(0, math.ceil(math.log(max(seconds, _SMALLEST_S) / _SMALLEST_S, _RATIO)))
