"""The tables that measure writes, line by line as it goes: only one image is in memory.

coverage.csv     a line an image, region of interest and class, and one of what is ignored
regions.csv      a line a region, largest first; regions.geojson its outline
gaps.csv         a line an image and pair of classes
thin.csv         a line an image and class
change.csv       a line an image and class; from_to.csv one a kind of change
rules.csv        a line an image and rule

Lengths and areas are in the unit of the line; what ends in _px is in pixels.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from ...core.labels import LabelSpec
from ...data.georef.placement import Placement
from ..figures import coverage
from ..figures.change import ClassChange
from ..figures.figures import Figures
from ..figures.gap import Gap
from ..figures.regions import RegionProperties
from ..figures.thin import ThinStructure
from ..rules.verdicts import Verdict
from ..series import MapSeries

COLUMNS = {
    "coverage.csv": (
        *("image", "roi", "class", "pixels", "percent", "percent_of", "area", "area_unit"),
    ),
    "regions.csv": (
        *("image", "class", "region", "area", "perimeter", "width", "height"),
        *("box_long", "box_short", "orientation_deg", "elongation", "num_holes", "holes_area"),
        *("unit", "area_unit", "num_px", "x_px", "y_px", "left_px", "top_px"),
        *("right_px", "bottom_px"),
    ),
    "gaps.csv": (
        *("image", "class_a", "class_b", "distance", "unit", "touches"),
        *("a_x_px", "a_y_px", "b_x_px", "b_y_px"),
    ),
    "thin.csv": (
        *("image", "class", "length", "mean_width", "max_width", "unit"),
        *("max_width_x_px", "max_width_y_px", "num_branch_points", "num_pieces"),
    ),
    "change.csv": ("image", "class", "gained", "lost", "net", "area_unit"),
    "from_to.csv": ("image", "before", "after", "pixels", "area", "area_unit"),
    "rules.csv": ("image", "rule", "passed", "value", "fails_if", "note"),
}
REGIONS_GEOJSON = "regions.geojson"


class TableWriter:
    """Writes the lines of one image at a time."""

    def __init__(
        self, series: MapSeries, files: dict[str, Any], outlines: "OutlineWriter | None"
    ):
        self._spec: LabelSpec = series.spec
        self._units = series.scales.unit, series.scales.area_unit
        self._files = files
        self._outlines = outlines

    def add(
        self,
        key: str,
        figures: Figures,
        verdicts: Sequence[Verdict],
        placed: Placement | None,
    ) -> None:
        """Write what was measured of one map."""
        names, (unit, area_unit) = self._spec.names, self._units
        for roi, found in figures.coverage.items():
            for name, pixels, percent, area, of in coverage.rows(found, names):
                line = roi, name, pixels, _digits(percent), of, _digits(area), area_unit
                self._put("coverage.csv", key, line)
        for index, regions in figures.regions.items():
            for number, region in enumerate(regions, start=1):
                self._put(
                    "regions.csv",
                    key,
                    (names[index], number, *_region_cells(region, unit, area_unit)),
                )
                if self._outlines:
                    self._outlines.add((key, names[index], number), region, placed)
        for (a, b), gap in figures.gaps.items():
            self._put("gaps.csv", key, (names[a], names[b], *_gap_cells(gap, unit)))
        for index, thin in figures.thin.items():
            self._put("thin.csv", key, (names[index], *_thin_cells(thin, unit)))
        if figures.change is not None:
            self._add_change(key, figures.change)
        for verdict in verdicts:
            self._put("rules.csv", key, _verdict_cells(verdict))

    def _add_change(self, key: str, change: ClassChange) -> None:
        names, area_unit = self._spec.names, self._units[1]
        moved = zip(names, change.gained, change.lost, change.net, strict=True)
        for name, *areas in moved:
            self._put("change.csv", key, (name, *map(_digits, areas), area_unit))
        for a, b in np.argwhere(change.pixels_CC).tolist():
            pixels, area = int(change.pixels_CC[a, b]), change.area_CC[a, b]
            self._put(
                "from_to.csv", key, (names[a], names[b], pixels, _digits(area), area_unit)
            )

    def _put(self, table: str, key: str, cells: Iterable[Any]) -> None:
        self._files[table].writerow((key, *cells))


class OutlineWriter:
    """regions.geojson, a feature a region: in pixels, or in the system of the maps."""

    def __init__(self, file: IO[str], epsg: int | None) -> None:
        self._file = file
        self._first = True
        crs = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{epsg}"}}
        member = f'"crs": {json.dumps(crs)},\n' if epsg else ""
        file.write(f'{{"type": "FeatureCollection",\n{member}"features": [')

    def add(
        self, name: tuple[str, str, int], region: RegionProperties, placed: Placement | None
    ) -> None:
        """Write one region; `name` is its image, class and number."""
        polygons = [[_ring(ring, placed) for ring in polygon] for polygon in region.outline]
        feature = {
            "type": "Feature",
            "properties": dict(zip(("image", "class", "region"), name, strict=True))
            | {"area": region.area},
            "geometry": {"type": "MultiPolygon", "coordinates": polygons},
        }
        self._file.write(("\n" if self._first else ",\n") + json.dumps(feature))
        self._first = False

    def close(self) -> None:
        """End the document."""
        self._file.write("\n]}\n")


@contextmanager
def open_tables(folder: Path, series: MapSeries) -> Iterator[TableWriter]:
    """Tables in `folder` for what the series asks; complete when the block ends."""
    with ExitStack() as stack:

        def opened(name: str) -> IO[str]:
            return stack.enter_context(
                (folder / name).open(
                    "w", newline="", encoding="utf-8", errors="surrogateescape"
                )
            )

        files = {name: csv.writer(opened(name)) for name in _asked(series)}
        for name, file in files.items():
            file.writerow(COLUMNS[name])
        outlines = None
        if series.plan.regions:
            outlines = OutlineWriter(opened(REGIONS_GEOJSON), series.scales.epsg)
        yield TableWriter(series, files, outlines)
        if outlines:
            outlines.close()


def _asked(series: MapSeries) -> list[str]:
    plan, changed = series.plan, series.before is not None
    wanted = {
        "coverage.csv": True,
        "regions.csv": plan.regions,
        "gaps.csv": plan.gaps,
        "thin.csv": plan.thin,
        "change.csv": changed,
        "from_to.csv": changed,
        "rules.csv": series.rules,
    }
    return [name for name, asked in wanted.items() if asked]


def _region_cells(region: RegionProperties, unit: str, area_unit: str) -> Iterator[Any]:
    box = region.box
    yield from map(_digits, (region.area, region.perimeter, region.width, region.height))
    yield from map(_digits, (box.long_side, box.short_side))
    yield from map(_digits, (region.orientation_deg, region.elongation))
    yield from (region.num_holes, _digits(region.holes_area), unit, area_unit, region.num_px)
    yield from map(_digits, region.centroid_px)
    yield from region.bounds_px


def _gap_cells(gap: Gap | None, unit: str) -> tuple[Any, ...]:
    if gap is None:
        return "", unit, "", "", "", "", ""
    return (
        _digits(gap.distance),
        unit,
        _yes(gap.touches),
        *map(_digits, (*gap.a_px, *gap.b_px)),
    )


def _thin_cells(thin: ThinStructure, unit: str) -> tuple[Any, ...]:
    sizes = map(_digits, (thin.length, thin.mean_width, thin.max_width))
    return (
        *sizes,
        unit,
        *map(_digits, thin.max_width_px),
        thin.num_branch_points,
        thin.num_pieces,
    )


def _verdict_cells(verdict: Verdict) -> tuple[Any, ...]:
    value = "" if verdict.value is None else _digits(verdict.value)
    return verdict.rule.name, _yes(verdict.passed), value, verdict.rule.text, verdict.note


def _ring(ring: Any, placed: Placement | None) -> list[list[float]]:
    """RFC 7946 winds outlines counter-clockwise; on the ground y runs up, not down."""
    if placed is None:
        return [[float(x), float(y)] for x, y in ring.tolist()]
    ground = placed.to_ground(ring)
    found: list[list[float]] = (ground[::-1] if placed.flips else ground).tolist()
    return found


def _yes(truth: bool) -> str:  # noqa: FBT001 - what it says is its argument
    return "yes" if truth else "no"


def _digits(value: float) -> str:
    """Ten digits, nothing for NaN."""
    return f"{value:.10g}" if np.isfinite(value) else ""
