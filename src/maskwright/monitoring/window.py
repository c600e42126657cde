"""Window: a sum of many observations over a span of time; the sum of two is one too.

A service keeps windows longer than rows: of each number a window has the sum and the sum of
squares, so means and spreads of any longer span follow from them. Seconds are counted in bins
of equal ratio, so a quantile is right to one bin (19 %).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from ..core.errors import DataError
from ..core.observation import Families
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


_Sums = Mapping[str, Mapping[str, Moments]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The sums of `num` images; `failed` counts the requests beside them that failed.

    `bins` counts the images by the bin of their seconds.
    """

    num: int = 0
    failed: int = 0
    bins: Mapping[int, int] = field(default_factory=dict)
    sums: _Sums = field(default_factory=dict)

    @classmethod
    def of_image(cls, families: Families, seconds: float) -> Self:
        """The window of one image that took so long."""
        sums = {
            family: {name: Moments(value, value**2) for name, value in numbers.items()}
            for family, numbers in families.items()
        }
        return cls(num=1, bins={_find_bin(seconds): 1}, sums=sums)

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
        )

    def average(self, family: str) -> dict[str, float]:
        """The mean of each number of a family; {} without images."""
        return {name: one.total / self.num for name, one in self.sums.get(family, {}).items()}

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


def _find_bin(seconds: float) -> int:
    """Bin i has the seconds above `_SMALLEST_S * _RATIO ** (i - 1)` up to those of i."""
    return max(0, math.ceil(math.log(max(seconds, _SMALLEST_S) / _SMALLEST_S, _RATIO)))
