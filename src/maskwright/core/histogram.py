"""Histogram: the values of one channel of some images, of all pixels and by class."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

NUM_BINS = 64
_CUT_PERCENT = 0.1
"""Percent of the values on each side that are beyond the ends, but for those in the window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Shares of the values of one channel in bins of equal width from `low` to `high`.

    `shares` are of all pixels, `by_class` of the pixels of each class by its name; each sums
    to 1, but for values beyond the ends. `window` clips the values, None where nothing does.
    """

    channel: str
    low: float
    high: float
    shares: tuple[float, ...]
    by_class: Mapping[str, tuple[float, ...]]
    window: tuple[float, float] | None = None
    unit: str = ""

    @classmethod
    def from_values(
        cls,
        channel: str,
        values_P: NDArray[np.floating[Any]],
        of_class: Mapping[str, NDArray[np.floating[Any]]],
        *,
        window: tuple[float, float] | None = None,
        unit: str = "",
    ) -> Self:
        """Count values; the ends are the percentiles 0.1 and 99.9, and those of the window."""
        ends = np.percentile(values_P, (_CUT_PERCENT, 100 - _CUT_PERCENT)).tolist()
        low, high = min(ends), max(ends)
        if window is not None:
            low, high = min(low, window[0]), max(high, window[1])
        if low >= high:
            low, high = low - 0.5, low + 0.5
        return cls(
            channel=channel,
            low=low,
            high=high,
            shares=_count(values_P, low, high),
            by_class={name: _count(v, low, high) for name, v in of_class.items() if len(v)},
            window=window,
            unit=unit,
        )

    def to_json(self) -> dict[str, object]:
        """A JSON object; `from_json` undoes it."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Undo `to_json`."""
        window = document["window"]
        by_class = {name: tuple(shares) for name, shares in document["by_class"].items()}
        return cls(
            **{name: document[name] for name in ("channel", "low", "high", "unit")},
            shares=tuple(document["shares"]),
            by_class=by_class,
            window=None if window is None else (window[0], window[1]),
        )


def _count(values_P: NDArray[np.floating[Any]], low: float, high: float) -> tuple[float, ...]:
    counts, _ = np.histogram(values_P, NUM_BINS, (low, high))
    return tuple(round(share, 6) for share in (counts / max(1, len(values_P))).tolist())


@dataclass(frozen=True, slots=True, kw_only=True)
class Intensities:
    """The kind of the values of some images, the reason, and a histogram of each channel."""

    kind: str
    reason: str
    channels: tuple[Histogram, ...]

    def to_json(self) -> dict[str, object]:
        """A JSON object; `from_json` undoes it."""
        channels = [histogram.to_json() for histogram in self.channels]
        return {"kind": self.kind, "reason": self.reason, "channels": channels}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Undo `to_json`."""
        channels = tuple(map(Histogram.from_json, document["channels"]))
        return cls(kind=document["kind"], reason=document["reason"], channels=channels)
