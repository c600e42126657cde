"""The tables of measure, written image by image, so that one image at a time is in memory.

coverage.csv     one row per image, region of interest and class, and one for ignored pixels
regions.csv      one row per region, largest first; regions.geojson has the outlines
gaps.csv         one row per image and pair of classes
thin.csv         one row per image and class
change.csv       one row per image and class; from_to.csv one per image and kind of change
rules.csv        one row per image and rule

Lengths and areas are in the unit that the row states; columns that end in _px are in pixels.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from ...core.labels import LabelSpec
from ...data.georef.placement import Placement
from ...pages.csvfile import WriteRow, write_rows
from ..figures.change import ClassChange
from ..figures.coverage import WHOLE, list_rows
from ..figures.figures import Figures
from ..figures.gap import Gap
from ..figures.outline import Ring
from ..figures.regions import RegionProperties
from ..figures.thin import ThinStructure
from ..rules.verdicts import Verdict
from ..series import MapSeries

COLUMNS = {
    "coverage.csv": (
        *("image", "roi", "class", "pixels", "percent", "percent_of", "area", "area_unit"),
    ),
    "regions.csv": (
        *("image", "roi", "class", "region", "area", "perimeter", "width", "height"),
        *("box_long", "box_short", "orientation_deg", "elongation", "num_holes", "holes_area"),
        *("unit", "area_unit", "num_px", "x_px", "y_px", "left_px", "top_px"),
        *("right_px", "bottom_px"),
    ),
    "gaps.csv": (
        *("image", "roi", "class_a", "class_b", "distance", "unit", "touches"),
        *("a_x_px", "a_y_px", "b_x_px", "b_y_px"),
    ),
    "thin.csv": (
        *("image", "roi", "class", "length", "mean_width", "max_width", "unit"),
        *("max_width_x_px", "max_width_y_px", "num_branch_points", "num_pieces"),
    ),
    "change.csv": ("image", "roi", "class", "gained", "lost", "net", "area_unit"),
    "from_to.csv": ("image", "roi", "before", "after", "pixels", "area", "area_unit"),
    "rules.csv": ("image", "rule", "passed", "value", "fails_if", "note"),
}
REGIONS_GEOJSON = "regions.geojson"

_YES_OR_NO = {True: "yes", False: "no"}


class TableWriter:
    """Writes the rows of one image at a time."""

    def __init__(
        self,
        series: MapSeries,
        files: Mapping[str, WriteRow],
        outlines: "OutlineWriter | None",
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
        placement: Placement | None,
    ) -> None:
        """Write the figures and the verdicts of one map."""
        names, (_, area_unit) = self._spec.names, self._units
        for roi, coverage in figures.coverage.items():
            for name, pixels, percent, area, of in list_rows(coverage, names):
                cells = roi, name, pixels, _format(percent), of, _format(area), area_unit
                self._write("coverage.csv", key, cells)
        for roi, inside in {WHOLE: figures, **figures.rois}.items():
            self._add_figures(key, roi, inside)
        if self._outlines is not None:
            for index, regions in figures.regions.items():
                for number, region in enumerate(regions, start=1):
                    self._outlines.add((key, names[index], number), region, placement)
        for verdict in verdicts:
            self._write("rules.csv", key, _verdict_cells(verdict))

    def _add_figures(self, key: str, roi: str, figures: Figures) -> None:
        """Write the figures of a map, or of a region of interest in it."""
        names, (unit, area_unit) = self._spec.names, self._units
        for index, regions in figures.regions.items():
            for number, region in enumerate(regions, start=1):
                cells = roi, names[index], number, *_region_cells(region, unit, area_unit)
                self._write("regions.csv", key, cells)
        for (a, b), gap in figures.gaps.items():
            self._write("gaps.csv", key, (roi, names[a], names[b], *_gap_cells(gap, unit)))
        for index, thin in figures.thin.items():
            self._write("thin.csv", key, (roi, names[index], *_thin_cells(thin, unit)))
        if figures.change is not None:
            self._add_change(key, roi, figures.change)

    def _add_change(self, key: str, roi: str, change: ClassChange) -> None:
        names, area_unit = self._spec.names, self._units[1]
        by_class = zip(names, change.gained, change.lost, change.net, strict=True)
        for name, *areas in by_class:
            self._write("change.csv", key, (roi, name, *map(_format, areas), area_unit))
        for a, b in np.argwhere(change.pixels_CC).tolist():
            pixels, area = int(change.pixels_CC[a, b]), change.area_CC[a, b]
            cells = roi, names[a], names[b], pixels, _format(area), area_unit
            self._write("from_to.csv", key, cells)

    def _write(self, table: str, key: str, cells: Iterable[Any]) -> None:
        self._files[table]((key, *cells))


class OutlineWriter:
    """Writes regions.geojson, one feature per region, in pixels or in the maps' system."""

    def __init__(self, file: IO[str], epsg: int | None) -> None:
        self._file = file
        self._first = True
        crs = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{epsg}"}}
        member = f'"crs": {json.dumps(crs)},\n' if epsg else ""
        file.write(f'{{"type": "FeatureCollection",\n{member}"features": [')

    def add(
        self, name: tuple[str, str, int], region: RegionProperties, placement: Placement | None
    ) -> None:
        """Write one region; `name` is its image, class and number."""
        polygons = [[_ring(ring, placement) for ring in polygon] for polygon in region.outline]
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
    """Open the tables in `folder` that the plan needs; complete when the block ends."""
    with ExitStack() as stack:

        def open_file(name: str) -> IO[str]:
            return stack.enter_context(
                (folder / name).open(
                    "w", newline="", encoding="utf-8", errors="surrogateescape"
                )
            )

        files = {name: write_rows(open_file(name)) for name in _list_tables(series)}
        for name, write_row in files.items():
            write_row(COLUMNS[name])
        outlines = None
        if series.plan.regions:
            outlines = OutlineWriter(open_file(REGIONS_GEOJSON), series.scales.epsg)
        yield TableWriter(series, files, outlines)
        if outlines:
            outlines.close()


def _list_tables(series: MapSeries) -> list[str]:
    plan, has_change = series.plan, series.before is not None
    needed = {
        "coverage.csv": True,
        "regions.csv": plan.regions,
        "gaps.csv": plan.gaps,
        "thin.csv": plan.thin,
        "change.csv": has_change,
        "from_to.csv": has_change,
        "rules.csv": series.rules,
    }
    return [name for name, is_needed in needed.items() if is_needed]


def _region_cells(region: RegionProperties, unit: str, area_unit: str) -> Iterator[Any]:
    box = region.box
    yield from map(_format, (region.area, region.perimeter, region.width, region.height))
    yield from map(_format, (box.long_side, box.short_side))
    yield from map(_format, (region.orientation_deg, region.elongation))
    yield from (region.num_holes, _format(region.holes_area), unit, area_unit, region.num_px)
    yield from map(_format, region.centroid_px)
    yield from region.bounds_px


def _gap_cells(gap: Gap | None, unit: str) -> tuple[Any, ...]:
    if gap is None:
        return "", unit, "", "", "", "", ""
    return (
        _format(gap.distance),
        unit,
        _YES_OR_NO[gap.touches],
        *map(_format, (*gap.a_px, *gap.b_px)),
    )


def _thin_cells(thin: ThinStructure, unit: str) -> tuple[Any, ...]:
    sizes = map(_format, (thin.length, thin.mean_width, thin.max_width))
    return (
        *sizes,
        unit,
        *map(_format, thin.max_width_px),
        thin.num_branch_points,
        thin.num_pieces,
    )


def _verdict_cells(verdict: Verdict) -> tuple[Any, ...]:
    value = "" if verdict.value is None else _format(verdict.value)
    return verdict.rule.name, _YES_OR_NO[verdict.passed], value, verdict.rule.text, verdict.note


def _ring(ring: Ring, placement: Placement | None) -> list[list[float]]:
    """Coordinates of a ring; its direction on the ground is turned, because y runs up there.

    RFC 7946 wants outer rings counter-clockwise.
    """
    if placement is None:
        return [[float(x), float(y)] for x, y in ring.tolist()]
    ground_XY = placement.to_ground(ring)
    points: list[list[float]] = (ground_XY[::-1] if placement.flips else ground_XY).tolist()
    return points


def _format(value: float) -> str:
    """Write ten significant digits; nothing for NaN and infinity."""
    return f"{value:.10g}" if np.isfinite(value) else ""
