"""Slices: the scores of the images that share the value of an attribute, the worst first.

Attributes come from a CSV file with one line per image (`key`, then any columns: weather,
camera, site), and from the images themselves. A column of numbers with many values is cut at
its quartiles. An image that the file does not list is refused, as is a column that would
make a slice of nearly every image.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import DataError
from ..core.labels import LabelSpec
from ..core.report import CurveReport, Estimate, Slice
from ..core.scores import ratio
from ..core.textfile import read_text
from ..metrics import region
from ..metrics.counts import Counts
from ..pages.csvfile import parse_rows
from .bootstrap import MIN_GROUPS, Replicates, compute_intervals

KEY_COLUMNS = ("key", "image")
GROUP_COLUMN = "group"
DISTANCE = "distance to a class border"
MAX_VALUES = 30
_BRIGHTNESS = ((64, "dark (< 64)"), (128, "dim (64-127)"), (192, "bright (128-191)"))
_BRIGHTEST = "very bright (>= 192)"


def bin_brightness(image_HWC: NDArray[Any]) -> str:
    """Name the bin of the mean over pixels and channels, on a scale of 0 to 255."""
    top = 255 if image_HWC.dtype == np.uint8 else max(1, int(image_HWC.max(initial=0)))
    mean = float(image_HWC.mean()) * 255 / top
    return next((name for limit, name in _BRIGHTNESS if mean < limit), _BRIGHTEST)


@dataclass(frozen=True, slots=True)
class Attributes:
    """Attributes by key, and the groups of those keys whose file has a column `group`."""

    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)


def read_attributes(path: Path, keys: Iterable[str]) -> Attributes:
    """Read the attributes of `keys` from CSV; numbers with many values become quartiles.

    Raises:
        DataError: The file is unreadable or has no key column, a key has no line or two, or a
            column has more than `MAX_VALUES` values that are not numbers.
    """
    rows = _read_rows(path)
    keys = list(keys)
    missing = [key for key in keys if key not in rows]
    if missing:
        raise DataError(
            f"{path}: {len(missing)} images have no line, the first is {missing[0]!r}; "
            f"add a line for each (keys are file names without suffix)"
        )
    listed = {key: rows[key] for key in keys}
    groups = {k: row.pop(GROUP_COLUMN) for k, row in listed.items() if GROUP_COLUMN in row}
    for column in next(iter(listed.values()), {}):
        _bin_values(path, column, listed)
    return Attributes(values=listed, groups=groups)


@dataclass(slots=True)
class Slices:
    """Region counts by attribute and value, with replicates of their own."""

    labels: LabelSpec
    _parts: dict[tuple[str, str], "_Part"] = field(default_factory=dict)

    def add(
        self,
        attributes: Mapping[str, str],
        counts: Counts,
        group: str,
        weights_B: NDArray[np.float64],
    ) -> None:
        """Add one image to the slice of each of its attributes."""
        margins = {name: counts[name] for name in ("hit", "truth", "predicted")}
        for by, value in attributes.items():
            part = self._parts.setdefault((by, value), _Part())
            part.add(margins, group, weights_B)

    def slices(self) -> list[Slice]:
        """Slices of the attributes with two or more values: one value makes the whole set."""
        several = {
            by for by, _ in self._parts if sum(other == by for other, _ in self._parts) > 1
        }
        return [
            part.to_slice(by, value, self.labels)
            for (by, value), part in self._parts.items()
            if by in several
        ]


@dataclass(slots=True)
class _Part:
    sums: dict[str, NDArray[Any]] = field(default_factory=dict)
    replicates: Replicates = field(default_factory=Replicates)
    groups: set[str] = field(default_factory=set)
    num_images: int = 0

    def add(self, margins: Counts, group: str, weights_B: NDArray[np.float64]) -> None:
        self.sums = {n: self.sums[n] + a if self.sums else +a for n, a in margins.items()}
        self.replicates.add(margins, weights_B)
        self.groups.add(group)
        self.num_images += 1

    def to_slice(self, by: str, value: str, labels: LabelSpec) -> Slice:
        scores = region.scores(self.sums)
        ends = (np.nan, np.nan)
        if len(self.groups) >= MIN_GROUPS:
            replicates_B = region.scores(self.replicates.sums()).overall["miou"]
            ends = compute_intervals(replicates_B).tolist()
        return Slice(
            by=by,
            value=value,
            num_images=self.num_images,
            miou=Estimate(float(scores.overall["miou"]), *ends),
            classes=dict(zip(labels.names, scores.classes["iou"].tolist(), strict=True)),
        )


def slice_by_distance(
    counts: Counts, labels: LabelSpec, curve: CurveReport, num_images: int
) -> list[Slice]:
    """One slice per band of distance to the nearest class border, over all images.

    Args:
        counts: With the arrays of `metrics.bands`, (C, bands).
        labels: The classes.
        curve: `distance_miou` of the same counts.
        num_images: Number of images counted.
    """
    hit, truth, predicted = (counts[f"band_{n}"] for n in ("hit", "truth", "predicted"))
    iou_CB = ratio(hit, truth + predicted - hit)
    return [
        Slice(
            by=DISTANCE,
            value=str(band),
            num_images=num_images,
            miou=point,
            classes=dict(zip(labels.names, iou_C.tolist(), strict=True)),
        )
        for band, point, iou_C in zip(curve.at, curve.points, iou_CB.T, strict=True)
    ]


def sort_worst_first(slices: Iterable[Slice]) -> tuple[Slice, ...]:
    """Sort slices by their mIoU, lowest first; those without one last."""
    return tuple(sorted(slices, key=_order))


def _order(part: Slice) -> tuple[float, str, str]:
    miou = part.miou.value
    return (np.inf if np.isnan(miou) else miou, part.by, part.value)


def _read_rows(path: Path) -> dict[str, dict[str, str]]:
    lines = StringIO(read_text(path), newline="")
    heads, *table = [row for row in parse_rows(lines, where=str(path)) if row] or [[]]
    key_column = next((c for c in KEY_COLUMNS if c in heads), None)
    if key_column is None:
        raise DataError(
            f"{path}: has no column 'key'; write 'key,weather,...' as its first line"
        )
    rows: dict[str, dict[str, str]] = {}
    for line, cells in enumerate(table, start=2):
        if len(cells) != len(heads):
            raise DataError(
                f"{path}: line {line} has another number of fields than the first line"
            )
        row = dict(zip(heads, cells, strict=True))
        key = row.pop(key_column)
        if key in rows:
            raise DataError(f"{path}: line {line} lists {key!r} again; keep one line")
        rows[key] = row
    return rows


def _bin_values(path: Path, column: str, listed: dict[str, dict[str, str]]) -> None:
    """Replace the numbers of a column with many values by their quartile, in place."""
    values = [row[column] for row in listed.values()]
    if len(set(values)) <= MAX_VALUES // 2 or not (numeric := _numbers(values)):
        if len(set(values)) > MAX_VALUES:
            raise DataError(
                f"{path}: column {column!r} has {len(set(values))} different values, at most "
                f"{MAX_VALUES} make slices; group them, or remove the column"
            )
        return
    cuts = np.quantile(numeric, [0.25, 0.5, 0.75])
    ends = [min(numeric), *cuts.tolist(), max(numeric)]
    names = [f"{low:g} to {high:g}" for low, high in pairwise(ends)]
    for row, value in zip(listed.values(), numeric, strict=True):
        row[column] = names[int(np.searchsorted(cuts, value, side="left"))]


def _numbers(values: list[str]) -> list[float]:
    """The values as finite numbers; empty where one of them is not a finite number."""
    try:
        numeric = [float(value) for value in values]
    except ValueError:
        return []
    return numeric if np.isfinite(numeric).all() else []
