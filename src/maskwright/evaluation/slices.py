"""Slices: the scores of the images that share the value of an attribute, the worst first.

The mIoU of a slice is over the classes that its truth holds. Slices are sorted by how far these
classes are below their IoU over the whole set; slices of one image are not ranked.

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
from ..core.scores import Values, mean_present, ratio
from ..core.textfile import read_text
from ..metrics import region
from ..metrics.counts import Counts
from ..metrics.family import ScoreDetail, all_families
from ..pages.csvfile import parse_rows
from ..pages.text import format_subject
from .counting import Scoring
from .estimates import estimate_scores
from .groupsums import GroupSums

KEY_COLUMNS = ("key", "image")
GROUP_COLUMN = "group"
DISTANCE = "distance to a class border"
MAX_VALUES = 30
_MARGINS = ("hit", "truth", "predicted")
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
            f"{path}: {format_subject(len(missing), 'image has', 'images have')} no line, the "
            f"first is {missing[0]!r}; "
            f"add a line for each (keys are file names without suffix)"
        )
    listed = {key: rows[key] for key in keys}
    groups = {k: row.pop(GROUP_COLUMN) for k, row in listed.items() if GROUP_COLUMN in row}
    for column in next(iter(listed.values()), {}):
        _bin_values(path, column, listed)
    return Attributes(values=listed, groups=groups)


@dataclass(slots=True)
class Slices:
    """Region counts by attribute and value, each by group."""

    labels: LabelSpec
    _parts: dict[tuple[str, str], "_Part"] = field(default_factory=dict)

    def add(self, attributes: Mapping[str, str], counts: Counts, group: str) -> None:
        """Add one image to the slice of each of its attributes."""
        margins = {name: counts[name] for name in _MARGINS}
        for by, value in attributes.items():
            self._parts.setdefault((by, value), _Part()).add(margins, group)

    def slices(self, whole: Counts) -> list[Slice]:
        """Slices of the attributes with two or more values: one value makes the whole set.

        `whole` are the counts of the whole set, with which every slice is compared.
        """
        several = {
            by for by, _ in self._parts if sum(other == by for other, _ in self._parts) > 1
        }
        iou_C = region.scores(whole).classes["iou"]
        return [
            part.to_slice(by, value, self.labels, iou_C)
            for (by, value), part in self._parts.items()
            if by in several
        ]


@dataclass(slots=True)
class _Part:
    sums: GroupSums = field(default_factory=GroupSums)
    num_images: int = 0

    def add(self, margins: Counts, group: str) -> None:
        self.sums.add(group, margins)
        self.num_images += 1

    def to_slice(self, by: str, value: str, labels: LabelSpec, whole_C: Values) -> Slice:
        counts_G = self.sums.counts()
        sums = {name: array.sum(axis=0) for name, array in counts_G.items()}
        iou_C = region.scores(sums).classes["iou"]
        in_truth_C = sums["truth"] > 0
        return Slice(
            by=by,
            value=value,
            num_images=self.num_images,
            miou=estimate_miou(sums, counts_G),
            classes=dict(zip(labels.names, iou_C.tolist(), strict=True)),
            difference=_mean_difference(iou_C, whole_C, in_truth_C)
            if self.num_images > 1
            else np.nan,
        )


def estimate_miou(sums: Counts, counts_G: Counts) -> Estimate:
    """The mIoU of a slice, over the classes that its truth holds."""
    groups_C = (counts_G["truth"] > 0).sum(axis=0)
    detail = ScoreDetail()
    scoring = Scoring(detail=detail, families={"region": all_families()["region"]})
    held = sums["truth"] > 0
    (found,) = estimate_scores(
        scoring,
        {name: np.where(held, array, 0) for name, array in sums.items()},
        {name: np.where(held, array, 0) for name, array in counts_G.items()},
        groups_C,
    )
    return found.overall["miou"]


def score_image(counts: Counts) -> float:
    """The mIoU of one image over the classes that its truth holds; NaN without any."""
    iou_C = region.scores({name: counts[name] for name in _MARGINS}).classes["iou"]
    return float(mean_present(np.where(counts["truth"] > 0, iou_C, np.nan)))


def _mean_difference(iou_C: Values, whole_C: Values, in_truth_C: NDArray[np.bool_]) -> float:
    return float(mean_present(np.where(in_truth_C, iou_C - whole_C, np.nan)))


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
    whole_C = region.scores(counts).classes["iou"]
    return [
        Slice(
            by=DISTANCE,
            value=str(band),
            num_images=num_images,
            miou=point,
            classes=dict(zip(labels.names, iou_C.tolist(), strict=True)),
            difference=_mean_difference(iou_C, whole_C, truth_C > 0),
        )
        for band, point, iou_C, truth_C in zip(
            curve.at, curve.points, iou_CB.T, truth.T, strict=True
        )
    ]


def sort_worst_first(slices: Iterable[Slice]) -> tuple[Slice, ...]:
    """Sort slices by their `difference` from the whole set, lowest first; NaN last.

    The mIoU of two slices is over different classes where one lacks a class; the difference
    compares each class with itself.
    """
    return tuple(sorted(slices, key=_order))


def _order(part: Slice) -> tuple[float, str, str]:
    return (np.inf if np.isnan(part.difference) else part.difference, part.by, part.value)


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
