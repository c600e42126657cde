"""Measure class maps in real units, with one map in memory at a time.

What is written to the output folder:

measurements.json   all figures of the series and of every image
*.csv               see `tables`; regions.geojson
volumes.csv         one row per volume and class, see `volumes`
overlay/<key>.png   the regions, gaps and thin structures of a map, drawn on it
legend.png          the colours of the classes and of what is drawn in overlay/
change/<key>.png    the pixels that changed class, coloured by the kind of change
report.html         all of it to read and to print
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.atomic import write_json, write_text
from ..core.errors import DataError
from ..core.labels import LabelMap
from ..core.progress import Progress, silent
from ..core.results import NEW, WriteMode, open_results, read_manifest
from ..core.versioned import Document
from ..data.entries.walk import results_below
from ..pages.csvfile import write_rows
from ..pages.legend import add_legend, draw_legend, draw_note, list_classes
from ..pages.pictures import RgbImage, encode_png
from .figures.change import ClassChange
from .figures.coverage import WHOLE, Coverage, sum_coverages
from .figures.figures import Figures, measure_map
from .ground.roi import Mask
from .output.changemap import ChangeLegend, list_changes, paint_change
from .output.draw import FIGURES
from .output.image_summary import ImageSummary
from .output.measurements import Measurements, MeasureSettings
from .output.page import render_measurements
from .output.pictures import PictureSelection, blend_class_colors, draw_figures, small_jpeg
from .output.tables import TableWriter, open_tables
from .rules.verdicts import Verdict, judge
from .series import MapSeries, MeasureOptions, open_series
from .volumes import COLUMNS, ClassVolume

COVERAGE_ALONE = MeasureOptions()
MAX_PICTURES = 12
"""The report shows the pictures of so many images: those that fail a rule come first."""


def measure(
    maps: Path | str,
    options: MeasureOptions = COVERAGE_ALONE,
    *,
    out: Path | str | None = None,
    mode: WriteMode = NEW,
    progress: Progress = silent,
) -> Measurements:
    """Measure class maps; with `out` also write the files that this module lists, all or none.

    Args:
        maps: One class map, or a folder of them with all folders below it.
        options: What to measure besides coverage.
        out: See `core.results`; folders of results among the maps are passed over.
        mode: What to do with a folder that exists.
        progress: Called for every map.

    Raises:
        DataError: A map, its partner or a polygon file is missing, damaged or does not fit.
        ConfigError: A class, rule or number is wrong.
        OutputError: `out` exists and `mode` does not replace it, or it cannot be written.
    """
    maps = Path(maps)
    if out is None:
        return _measure_series(open_series(maps, options, progress), None, progress)
    with open_results(Path(out), "measure", mode) as results:
        series, folder = open_series(maps, options, progress), results.folder
        measurements = _measure_series(series, folder, progress)
        results.num_read = len(series.maps)
        results.model = _find_model(maps)
        results.pass_over(results_below(maps) if maps.is_dir() else ())
        write_json(folder / "measurements.json", measurements.to_json())
        write_text(folder / "report.html", render_measurements(measurements))
    return measurements


def _find_model(maps: Path) -> Document | None:
    """What predicted the maps, where they lie in a folder that `predict` or `video` wrote."""
    for folder in (maps, *maps.absolute().parents[:2]):
        manifest = read_manifest(folder)
        if manifest is not None:
            return manifest.model
    return None


def _measure_series(series: MapSeries, folder: Path | None, progress: Progress) -> Measurements:
    keys = tuple(series.maps.files)
    images: list[ImageSummary] = []
    verdicts: list[Verdict] = []
    coverage: dict[str, Coverage] = {}
    change: ClassChange | None = None
    roi_changes: dict[str, ClassChange] = {}
    meter = series.open_volume_meter()
    selection = PictureSelection(MAX_PICTURES)
    with _open_tables(folder, series) as tables:
        for key in progress(keys, total=len(keys), what="measuring"):
            image = _measure_image(series, key)
            figures = image.figures
            images.append(ImageSummary.from_figures(key, figures, series.spec))
            verdicts += image.verdicts
            coverage = sum_coverages((coverage, figures.coverage))
            if figures.change is not None:
                change = figures.change if change is None else change + figures.change
            _add_changes(roi_changes, figures.rois)
            meter.add(key, image.labels_HW, image.before_HW)
            if tables is not None and folder is not None:
                placement = series.scales.placements.get(key)
                tables.add(key, figures, image.verdicts, placement)
                overlay_HW3 = _draw_overlay(series, image, folder)
                selection.add(key, overlay_HW3, passed=image.passed)
    meter.finish()
    _require_rois_met(series, coverage)
    if folder is not None and (folder / "overlay").exists():
        legend_HW3 = draw_legend([*list_classes(series.spec), *FIGURES])
        if shown := series.display.describe():
            legend_HW3 = np.concatenate([legend_HW3, draw_note(shown)])
        _write_bytes(folder / "legend.png", encode_png(legend_HW3))
    if folder is not None and meter.volumes:
        _write_volumes(folder / "volumes.csv", meter.volumes)
    change_pictures: Mapping[str, bytes] = {}
    if folder is not None and change is not None:
        change_pictures = _write_change_maps(series, folder, change, images, progress)
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
        pictures=selection.pictures,
        shown=series.display.describe(),
        change_pictures=change_pictures,
        roi_changes=roi_changes,
        volumes=meter.volumes,
    )


def _add_changes(total: dict[str, ClassChange], rois: Mapping[str, Figures]) -> None:
    """Add the changes of one image inside regions of interest."""
    for roi, inside in rois.items():
        if inside.change is not None:
            total[roi] = total[roi] + inside.change if roi in total else inside.change


def _write_volumes(path: Path, volumes: Mapping[str, Mapping[str, ClassVolume]]) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        write = write_rows(file)
        write(COLUMNS)
        for name, classes in volumes.items():
            for class_name, volume in classes.items():
                write((name, class_name, *volume.to_json().values()))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _MeasuredImage:
    """One map with its regions of interest as masks, its figures and its verdicts."""

    key: str
    labels_HW: LabelMap
    before_HW: LabelMap | None
    masks: Mapping[str, Mask]
    figures: Figures
    verdicts: tuple[Verdict, ...]

    @property
    def passed(self) -> bool:
        return all(verdict.passed for verdict in self.verdicts)


def _measure_image(series: MapSeries, key: str) -> _MeasuredImage:
    labels_HW = series.maps.read(key)
    masks = series.roi_masks(key, labels_HW.shape)
    before_HW = series.read_before(key)
    try:
        figures = measure_map(
            labels_HW,
            series.plan,
            series.scales.of_map(key),
            rois=masks,
            before_HW=before_HW,
        )
    except DataError as error:
        raise DataError(f"{series.maps.files[key]}: {error}") from error
    return _MeasuredImage(
        key=key,
        labels_HW=labels_HW,
        before_HW=before_HW,
        masks=masks,
        figures=figures,
        verdicts=tuple(judge(key, figures, series.rules, series.spec)),
    )


def _draw_overlay(series: MapSeries, image: _MeasuredImage, folder: Path) -> RgbImage:
    """Draw the figures on the map; write a file where there is something to draw."""
    photograph = series.read_photograph(image.key, image.labels_HW.shape)
    colors_HW3 = blend_class_colors(image.labels_HW, series.spec, photograph)
    scale = series.scales.of_map(image.key)
    overlay_HW3 = draw_figures(colors_HW3, image.figures, image.masks, scale)
    if series.plan.draws or image.masks:
        _write_bytes(folder / "overlay" / f"{image.key}.png", encode_png(overlay_HW3))
    return overlay_HW3


def _write_change_maps(
    series: MapSeries,
    folder: Path,
    total: ClassChange,
    images: Sequence[ImageSummary],
    progress: Progress,
) -> dict[str, bytes]:
    """Write all maps of change; return the JPEG files of those that changed most, by key.

    Needs the change of the whole series, which decides the colours: hence a second pass.
    """
    legend = ChangeLegend.from_change(total)
    pictures: dict[str, bytes | None] = dict.fromkeys(_keys_by_change(images)[:MAX_PICTURES])
    for image in progress(images, total=len(images), what="drawing changes"):
        key = image.key
        after_HW, before_HW = series.maps.read(key), series.read_before(key)
        if before_HW is None:
            continue
        scale = series.scales.of_map(key)
        change = ClassChange.from_maps(before_HW, after_HW, len(series.spec), scale)
        painted_HW3 = paint_change(before_HW, after_HW, legend, series.spec)
        entries = list_changes(change, legend, series.spec, series.scales.area_unit)
        content = encode_png(add_legend(painted_HW3, entries))
        _write_bytes(folder / "change" / f"{key}.png", content)
        if key in pictures:
            pictures[key] = small_jpeg(painted_HW3)
    return {key: picture for key, picture in pictures.items() if picture is not None}


def _keys_by_change(images: Sequence[ImageSummary]) -> list[str]:
    """The images in the order of the percent that changed, largest first."""

    def changed_percent(image: ImageSummary) -> float:
        return (image.change and image.change.changed_percent) or 0.0

    return [image.key for image in sorted(images, key=changed_percent, reverse=True)]


def _require_rois_met(series: MapSeries, coverage: Mapping[str, Coverage]) -> None:
    """Refuse a region of interest that lies outside of every map."""
    for name, of_roi in coverage.items():
        if name != WHOLE and not of_roi.labelled_px + of_roi.ignored_px:
            frame = "the system of the maps" if series.scales.placements else "pixels"
            raise DataError(
                f"{series.rois and series.rois.path}: {name!r} covers no pixel of any map; its "
                f"coordinates are read in {frame}"
            )


def _settings(series: MapSeries) -> MeasureSettings:
    plan, names = series.plan, series.spec.names
    return MeasureSettings(
        scale=series.scales.origin,
        maps=str(series.maps.root),
        before=None if series.before is None else str(series.before.root),
        rois=series.rois.names if series.rois else (),
        regions=tuple(names[index] for index in plan.regions),
        gaps=tuple((names[a], names[b]) for a, b in plan.gaps),
        thin=tuple(names[index] for index in plan.thin),
        min_area=plan.min_area,
        resampled=series.resampled,
    )


@contextmanager
def _open_tables(folder: Path | None, series: MapSeries) -> Iterator[TableWriter | None]:
    if folder is None:
        yield None
        return
    with open_tables(folder, series) as tables:
        yield tables


def _write_bytes(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
