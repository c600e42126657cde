"""What is kept of an image once its tables are written, and what a series of them says.

Both are JSON: a figure that does not exist is None. The mean width of a series is that of its
whole length; the smallest gap and the largest width name the image they are in.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...core.labels import LabelSpec
from ..figures.change import ClassChange
from ..figures.coverage import WHOLE, Coverage
from ..figures.figures import Figures
from ..figures.gap import Gap
from ..figures.regions import RegionProperties
from ..figures.thin import ThinStructure

Json = dict[str, Any]


def image_summary(key: str, figures: Figures, spec: LabelSpec) -> Json:
    """The figures of one image without its outlines and skeletons."""
    names = spec.names
    whole = figures.coverage[WHOLE]
    document: Json = {
        "key": key,
        "percent": _percents(whole, names),
        "ignored_percent": finite(whole.ignored_percent),
    }
    rois = {roi: _percents(c, names) for roi, c in figures.coverage.items() if roi != WHOLE}
    parts: Json = {
        "rois": rois,
        "regions": {names[i]: _regions(found) for i, found in figures.regions.items()},
        "gaps": [_gap((names[a], names[b]), gap) for (a, b), gap in figures.gaps.items()],
        "thin": {names[i]: _thin(found) for i, found in figures.thin.items()},
        "change": None if figures.change is None else _change(figures.change, names),
    }
    return document | {name: part for name, part in parts.items() if part}


def series_summary(images: Sequence[Json]) -> Json:
    """Regions, gaps and thin structures over all images."""
    return {
        "regions": _by_class(images, "regions", _all_regions),
        "gaps": _all_gaps(images),
        "thin": _by_class(images, "thin", _all_thin),
    }


def finite(value: float) -> float | None:
    """A number that JSON knows: None for NaN and for what is endless."""
    return float(value) if np.isfinite(value) else None


def _percents(coverage: Coverage, names: Iterable[str]) -> dict[str, float | None]:
    return {n: finite(v) for n, v in zip(names, coverage.percent.tolist(), strict=True)}


def _regions(found: Sequence[RegionProperties]) -> Json:
    areas = [region.area for region in found]
    return {"count": len(found), "area": sum(areas), "largest": max(areas, default=0.0)}


def _gap(between: tuple[str, str], gap: Gap | None) -> Json:
    document: Json = {"between": list(between), "distance": None}
    if gap is not None:
        document |= {
            "distance": gap.distance,
            "touches": gap.touches,
            "from_px": list(gap.a_px),
            "to_px": list(gap.b_px),
        }
    return document


def _thin(found: ThinStructure) -> Json:
    return {
        "length": found.length,
        "mean_width": finite(found.mean_width),
        "max_width": finite(found.max_width),
        "num_branch_points": found.num_branch_points,
    }


def _change(change: ClassChange, names: Iterable[str]) -> Json:
    moved = zip(names, change.gained.tolist(), change.lost.tolist(), strict=True)
    return {
        "changed_percent": finite(change.changed_percent),
        "classes": {name: {"gained": gained, "lost": lost} for name, gained, lost in moved},
    }


def _by_class(images: Sequence[Json], part: str, total: Any) -> Json:
    classes = dict.fromkeys(name for image in images for name in image.get(part, ()))
    return {name: total([(i["key"], i[part][name]) for i in images]) for name in classes}


def _all_regions(found: Sequence[tuple[str, Json]]) -> Json:
    key, most = max(found, key=lambda item: item[1]["largest"])
    return {
        "count": sum(one["count"] for _, one in found),
        "area": sum(one["area"] for _, one in found),
        "largest": most["largest"],
        "largest_in": key if most["largest"] else None,
    }


def _all_gaps(images: Sequence[Json]) -> list[Json]:
    found: dict[tuple[str, ...], list[tuple[str, Mapping[str, Any]]]] = {}
    for image in images:
        for gap in image.get("gaps", ()):
            found.setdefault(tuple(gap["between"]), []).append((image["key"], gap))
    return [_least(between, gaps) for between, gaps in found.items()]


def _least(between: tuple[str, ...], gaps: Sequence[tuple[str, Mapping[str, Any]]]) -> Json:
    there = [(key, gap) for key, gap in gaps if gap["distance"] is not None]
    key, least = min(there, key=lambda item: item[1]["distance"], default=(None, None))
    return {
        "between": list(between),
        "num_images": len(there),
        "num_touching": sum(bool(gap["touches"]) for _, gap in there),
        "smallest": None if least is None else least["distance"],
        "smallest_in": key,
    }


def _all_thin(found: Sequence[tuple[str, Json]]) -> Json:
    length = sum(one["length"] for _, one in found)
    wide = [(one["length"], one["mean_width"]) for _, one in found if one["mean_width"]]
    weight = sum(part for part, _ in wide)
    key, widest = max(found, key=lambda item: item[1]["max_width"] or 0.0)
    return {
        "length": length,
        "mean_width": sum(part * width for part, width in wide) / weight if weight else None,
        "max_width": widest["max_width"],
        "max_width_in": key if widest["max_width"] else None,
        "num_branch_points": sum(one["num_branch_points"] for _, one in found),
    }
