"""SeriesTotals: regions, gaps and thin structures over all images of a series.

The mean width of a series is the mean over its length. The largest region, the smallest gap
and the largest width name the image that they are in. A figure that does not exist is None.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from ...core.versioned import Document
from .image_summary import ClassGap, ImageSummary, RegionCount, ThinSize

_T = TypeVar("_T")
ByImage = list[tuple[str, _T]]
"""What was measured of each image, with the key of the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionTotals:
    """The regions of one class over all images; `largest` is the area of the largest one."""

    count: int
    area: float
    largest: float
    largest_in: str | None

    @classmethod
    def from_images(cls, counts: ByImage[RegionCount]) -> "RegionTotals":
        """Sum the counts of the images."""
        key, largest = max(counts, key=lambda item: item[1].largest)
        return cls(
            count=sum(count.count for _, count in counts),
            area=sum(count.area for _, count in counts),
            largest=largest.largest,
            largest_in=key if largest.largest else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GapTotals:
    """The gaps between two classes; `num_images` is the number of images that have both."""

    between: tuple[str, str]
    num_images: int
    num_touching: int
    smallest: float | None
    smallest_in: str | None

    @classmethod
    def from_images(cls, gaps: ByImage[ClassGap]) -> "GapTotals":
        """Find the smallest gap of the images."""
        existing = [(key, entry.gap) for key, entry in gaps if entry.gap is not None]
        key, smallest = min(existing, key=lambda item: item[1].distance, default=(None, None))
        return cls(
            between=gaps[0][1].between,
            num_images=len(existing),
            num_touching=sum(gap.touches for _, gap in existing),
            smallest=None if smallest is None else smallest.distance,
            smallest_in=key,
        )

    def to_json(self) -> Document:
        """The entry of measurements.json."""
        return asdict(self) | {"between": list(self.between)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinTotals:
    """The thin structures of one class over all images."""

    length: float
    mean_width: float | None
    max_width: float | None
    max_width_in: str | None
    num_branch_points: int

    @classmethod
    def from_images(cls, sizes: ByImage[ThinSize]) -> "ThinTotals":
        """Sum lengths and branch points; widths are weighted by length."""
        wide = [(size.length, size.mean_width) for _, size in sizes if size.mean_width]
        weight = sum(length for length, _ in wide)
        key, widest = max(sizes, key=lambda item: item[1].max_width or 0.0)
        return cls(
            length=sum(size.length for _, size in sizes),
            mean_width=sum(length * width for length, width in wide) / weight
            if weight
            else None,
            max_width=widest.max_width,
            max_width_in=key if widest.max_width else None,
            num_branch_points=sum(size.num_branch_points for _, size in sizes),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesTotals:
    """Totals over all images: `regions` and `thin` by class, one of `gaps` per pair."""

    regions: Mapping[str, RegionTotals]
    gaps: tuple[GapTotals, ...]
    thin: Mapping[str, ThinTotals]

    @classmethod
    def from_images(cls, images: Sequence[ImageSummary]) -> "SeriesTotals":
        """Sum the summaries of the images."""
        regions = _by_name(
            (i.key, name, count) for i in images for name, count in i.regions.items()
        )
        gaps = _by_name((i.key, gap.between, gap) for i in images for gap in i.gaps)
        thin = _by_name((i.key, name, size) for i in images for name, size in i.thin.items())
        return cls(
            regions={
                name: RegionTotals.from_images(counts) for name, counts in regions.items()
            },
            gaps=tuple(map(GapTotals.from_images, gaps.values())),
            thin={name: ThinTotals.from_images(entry) for name, entry in thin.items()},
        )

    def to_json(self) -> Document:
        """The keys `regions`, `gaps` and `thin` of measurements.json."""
        return {
            "regions": {name: asdict(total) for name, total in self.regions.items()},
            "gaps": [total.to_json() for total in self.gaps],
            "thin": {name: asdict(total) for name, total in self.thin.items()},
        }


def _by_name(entries: Iterable[tuple[str, Any, _T]]) -> dict[Any, ByImage[_T]]:
    """(key of the image, name, figure) -> the figures of each name, in the order of images."""
    grouped: dict[Any, ByImage[_T]] = {}
    for key, name, figure in entries:
        grouped.setdefault(name, []).append((key, figure))
    return grouped
