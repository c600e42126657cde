"""Class maps -> figures in real units, one map in memory at a time.

What is written to the output folder:

measurements.json   all figures of the series and of every image
*.csv               see `tables`; regions.geojson
overlay/<key>.png   what was measured, drawn
change/<key>.png    what became what
report.html         all of it to read and to print
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.atomic import into_folder, write_json, write_text
from ..core.errors import DataError, OutputError
from ..core.labels import LabelMap
from ..core.progress import Progress, silent
from ..pages.pictures import RgbImage, encode_png
from .figures.change import ClassChange
from .figures.coverage import WHOLE, Coverage, sum_coverages
from .figures.figures import Figures, measure_map
from .ground.pixel_scale import middle_of_image
from .ground.roi import Mask
from .output.changemap import ChangeLegend, add_legend, change_lines, paint_change
from .output.measurements import Measurements
from .output.page import render_measurements
from .output.pictures import Gallery, class_colors, draw_figures, small_jpeg
from .output.summary import image_summary
from .output.tables import TableWriter, open_tables
from .rules.verdicts import Verdict, judge
from .series import MapSeries, MeasureOptions, open_series

COVERAGE_ALONE = MeasureOptions()
MAX_PICTURES = 12
"""So many images are shown in the report: those that fail a rule first."""


def measure(
    maps: Path | str,
    options: MeasureOptions = COVERAGE_ALONE,
    *,
    out: Path | str | None = None,
    progress: Progress = silent,
) -> Measurements:
    """Measure class maps; with `out` also write the files that this module lists, all or none.

    Args:
        maps: One class map, or a folder of them, searched to the bottom.
        options: What to measure besides coverage.
        out: Files of the same name in it are replaced, others stay.
        progress: Told of every map.

    Raises:
        DataError: A map, its partner or a polygon file is missing, damaged or does not fit.
        ConfigError: A class, rule or number is wrong.
        OutputError: `out` cannot be written, or lies among the maps.
    """
    maps = Path(maps)
    if out is not None:
        _require_apart(maps, Path(out))
    series = open_series(maps, options, progress)
    if out is None:
        return _measured(series, None, progress)
    with into_folder(Path(out)) as folder:
        found = _measured(series, folder, progress)
        write_json(folder / "measurements.json", found.to_json())
        write_text(folder / "report.html", render_measurements(found))
    return found


def _require_apart(maps: Path, out: Path) -> None:
    if maps.is_dir() and maps.resolve() in (out.resolve(), *out.resolve().parents):
        raise OutputError(
            f"{out}: lies among the maps of {maps}, and its pictures would be taken for maps "
            f"next time; choose another folder with -o"
        )


def _measured(series: MapSeries, folder: Path | None, progress: Progress) -> Measurements:
    keys = tuple(series.maps.files)
    images: list[dict[str, Any]] = []
    verdicts: list[Verdict] = []
    coverage: dict[str, Coverage] = {}
    change: ClassChange | None = None
    gallery = Gallery(MAX_PICTURES)
    with _tables(folder, series) as tables:
        for key in progress(keys, total=len(keys), what="measuring"):
            seen = _look(series, key)
            figures = seen.figures
            images.append(image_summary(key, figures, series.spec))
            verdicts += seen.verdicts
            coverage = sum_coverages((coverage, figures.coverage))
            if figures.change is not None:
                change = figures.change if change is None else change + figures.change
            if tables is not None and folder is not None:
                tables.add(key, figures, seen.verdicts, series.scales.placements.get(key))
                gallery.add(key, _overlay(series, seen, folder), passed=seen.passed)
    _require_rois_met(series, coverage)
    shown = (
        {}
        if folder is None or change is None
        else _changes(series, folder, change, images, progress)
    )
    return Measurements(
        labels=series.spec,
        unit=series.scales.unit,
        area_unit=series.scales.area_unit,
        settings=_settings(series),
        coverage=coverage,
        change=change,
        images=images,
        rules=series.rules,
        verdicts=verdicts,
        pictures=gallery.shown,
        change_pictures=shown,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seen:
    """One map and all that was found in it."""

    key: str
    labels_HW: LabelMap
    masks: Mapping[str, Mask]
    figures: Figures
    verdicts: tuple[Verdict, ...]

    @property
    def passed(self) -> bool:
        return all(verdict.passed for verdict in self.verdicts)


def _look(series: MapSeries, key: str) -> _Seen:
    labels_HW = series.maps.read(key)
    masks = series.masks(key, labels_HW.shape)
    try:
        figures = measure_map(
            labels_HW,
            series.plan,
            series.scales.of_map(key),
            rois=masks,
            before_HW=series.read_before(key),
        )
    except DataError as error:
        raise DataError(f"{series.maps.files[key]}: {error}") from error
    return _Seen(
        key=key,
        labels_HW=labels_HW,
        masks=masks,
        figures=figures,
        verdicts=tuple(judge(key, figures, series.rules, series.spec)),
    )


def _overlay(series: MapSeries, seen: _Seen, folder: Path) -> RgbImage:
    """The map with what was measured drawn on it; a file where something is to be drawn."""
    photograph = series.photograph(seen.key, seen.labels_HW.shape)
    colored_HW3 = class_colors(seen.labels_HW, series.spec, photograph)
    drawn_HW3 = draw_figures(
        colored_HW3, seen.figures, seen.masks, series.scales.of_map(seen.key)
    )
    if series.plan.draws or seen.masks:
        _put(folder / "overlay" / f"{seen.key}.png", encode_png(drawn_HW3))
    return drawn_HW3


def _changes(
    series: MapSeries,
    folder: Path,
    total: ClassChange,
    images: Sequence[dict[str, Any]],
    progress: Progress,
) -> dict[str, bytes]:
    """Write all maps of change, in colours that the whole series decides; some to show."""
    legend = ChangeLegend.of(total)
    ranked = sorted(images, key=lambda i: -(i["change"]["changed_percent"] or 0.0))
    shown = dict.fromkeys(image["key"] for image in ranked[:MAX_PICTURES])
    pictures: dict[str, bytes] = {}
    for image in progress(images, total=len(images), what="drawing changes"):
        key = image["key"]
        after_HW, before_HW = series.maps.read(key), series.read_before(key)
        if before_HW is None:
            continue
        size = series.scales.of_map(key).at(*middle_of_image(after_HW.shape))
        change = ClassChange.of(before_HW, after_HW, len(series.spec), size)
        painted_HW3 = paint_change(before_HW, after_HW, legend, series.spec)
        lines = change_lines(change, legend, series.spec, series.scales.area_unit)
        _put(folder / "change" / f"{key}.png", encode_png(add_legend(painted_HW3, lines)))
        if key in shown:
            pictures[key] = small_jpeg(painted_HW3)
    return {key: pictures[key] for key in shown}


def _require_rois_met(series: MapSeries, coverage: Mapping[str, Coverage]) -> None:
    """Refuse a region of interest that lies outside of every map."""
    for name, found in coverage.items():
        if name != WHOLE and not found.labelled_px + found.ignored_px:
            frame = "the system of the maps" if series.scales.placements else "pixels"
            raise DataError(
                f"{series.rois and series.rois.path}: {name!r} covers no pixel of any map; its "
                f"coordinates are read in {frame}"
            )


def _settings(series: MapSeries) -> dict[str, Any]:
    plan, names = series.plan, series.spec.names
    return {
        "scale": series.scales.origin,
        "maps": str(series.maps.root),
        "before": None if series.before is None else str(series.before.root),
        "rois": list(series.rois.names) if series.rois else [],
        "regions": [names[i] for i in plan.regions],
        "gaps": [[names[a], names[b]] for a, b in plan.gaps],
        "thin": [names[i] for i in plan.thin],
        "min_area": plan.min_area,
    }


@contextmanager
def _tables(folder: Path | None, series: MapSeries) -> Iterator[TableWriter | None]:
    if folder is None:
        yield None
        return
    with open_tables(folder, series) as tables:
        yield tables


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
