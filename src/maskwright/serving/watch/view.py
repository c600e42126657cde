"""View: what of a store a person looks at, and the sums of it over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ...monitoring.reference import list_scopes
from ...monitoring.window import Window, add_windows
from ...store.database import Connection
from ...store.windows import HOUR_S, MINUTE_S, Span, list_windows
from ..errors import ServingError

Rows = NDArray[np.float64]


class _Length(NamedTuple):
    """How long a view is, and each of its columns."""

    title: str
    seconds: int
    column_s: int


LENGTHS: Mapping[str, _Length] = {
    "1h": _Length("1 hour", HOUR_S, MINUTE_S),
    "6h": _Length("6 hours", 6 * HOUR_S, 5 * MINUTE_S),
    "24h": _Length("24 hours", 24 * HOUR_S, 15 * MINUTE_S),
    "7d": _Length("7 days", 7 * 24 * HOUR_S, 2 * HOUR_S),
    "30d": _Length("30 days", 30 * 24 * HOUR_S, 8 * HOUR_S),
    "1y": _Length("1 year", 365 * 24 * HOUR_S, 4 * 24 * HOUR_S),
}
DEFAULT = "24h"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A span of time up to `end`, of one Bundle and of the sources of one scope.

    A scope is a source or what stands before a `/` in several; "" is all of them.
    """

    length: str
    end: float
    bundle: str
    scope: str = ""

    @classmethod
    def of_query(cls, values: Mapping[str, str], bundles: Sequence[str], now: float) -> Self:
        """Read a view; the Bundle that answered last is the default.

        Raises:
            ServingError: 400 for another length, 404 for a Bundle without rows.
        """
        length = values.get("span", DEFAULT)
        if length not in LENGTHS:
            raise ServingError(400, f"span is {length!r}; use {', '.join(LENGTHS)}")
        bundle = values.get("bundle") or (bundles[0] if bundles else "")
        if bundles and bundle not in bundles:
            raise ServingError(404, f"no rows of a Bundle {bundle!r}")
        column_s = LENGTHS[length].column_s
        end = (now // column_s + 1) * column_s
        return cls(length=length, end=end, bundle=bundle, scope=values.get("source", ""))

    @property
    def start(self) -> float:
        """When it begins."""
        return self.end - LENGTHS[self.length].seconds

    @property
    def column_s(self) -> int:
        """The seconds of one column."""
        return LENGTHS[self.length].column_s

    def shows(self, source: str) -> bool:
        """Whether the images of a source belong to it."""
        return self.scope in list_scopes(source)


@dataclass(frozen=True, slots=True)
class Columns:
    """The windows of a view at equal steps of time."""

    view: View
    windows: Sequence[Window]

    @property
    def total(self) -> Window:
        """Their sum."""
        return add_windows(self.windows)

    @property
    def starts_N(self) -> Rows:
        """When each begins."""
        return self.view.start + self.view.column_s * np.arange(len(self.windows), dtype=float)

    @property
    def middles_N(self) -> Rows:
        """The time of each."""
        return self.starts_N + self.view.column_s / 2

    @property
    def counts_2N(self) -> Rows:
        """Images, and requests that failed."""
        return np.array(
            [[w.num for w in self.windows], [w.failed for w in self.windows]], float
        )

    def list_quantiles(self, share: float) -> Rows:
        """The seconds that so large a share of the images took at most; NaN without images."""
        return np.array([window.find_quantile(share) for window in self.windows])

    def list_means(self, family: str, name: str) -> Rows:
        """The mean of a number; NaN where there is none."""
        means = [window.average(family).get(name, np.nan) for window in self.windows]
        return np.array(means)


def read_columns(connection: Connection, view: View) -> Columns:
    """The sums of a view."""
    windows = [Window()] * (LENGTHS[view.length].seconds // view.column_s)
    for span, document in list_windows(connection, since=view.start, until=view.end):
        if _belongs(span, view):
            index = int((span.start - view.start) // view.column_s)
            windows[index] = windows[index] + Window.from_json(document, where="the store")
    return Columns(view, windows)


def _belongs(span: Span, view: View) -> bool:
    return span.bundle == view.bundle and view.shows(span.source)
