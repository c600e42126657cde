"""Open a series of class maps with its files: earlier maps, photographs, polygons, rules.

All errors that can be found without the pixels of the series are raised here: an unknown class,
maps without a partner, a limit in mm where the size of a pixel is not known.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ConfigError, DataError
from ..core.labels import LabelMap, LabelSpec
from ..core.progress import Progress
from ..data.classmaps import ClassMapPair, ClassMaps, find_spec, open_class_maps, read_codec
from ..data.mapfiles import find_folder, find_maps
from ..data.pixels.alignment import require_alike
from ..data.pixels.imageref import ImageRef
from ..data.pixels.images import open_image, read_image
from ..pages.display import Display
from .figures.figures import ClassPair, MeasurePlan
from .ground.roi import Mask, Rois, read_rois
from .ground.scales import PixelScales, find_scales
from .rules.rules import (
    OF_CHANGE,
    OF_REGIONS,
    OF_THIN,
    Rule,
    WantedFigure,
    read_figures,
    read_rules,
    read_zones,
    split_pair,
)
from .volumes import VolumeMeter, find_slices

ALL = "all"
"""The name that means every class, unless a class has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureOptions:
    """What to measure besides coverage, and by which files.

    Args:
        spec: dataset.yaml or classes.txt with the classes; else searched near the maps, or
            inferred from them.
        images: Photographs with the same keys, shown below the overlays; maps without a
            georeference take that of their photograph.
        before: Class maps of the same places at an earlier date, with the same keys.
        align: Resample earlier maps that lie on another grid; else they are refused.
        mm_per_px: Side of a pixel in mm; takes precedence over a georeference.
        roi: A GeoJSON file with regions of interest.
        rules: A rules.yaml with limits.
        regions: Classes whose connected regions are listed; "all" for every class.
        gaps: Pairs of classes; a class paired with itself means the gap between its regions.
        thin: Classes measured along their skeletons.
        min_area: Smaller regions are left out of regions, gaps and thin; in the unit of areas.

    Raises ConfigError where `min_area` is not 0 or a finite number above it.
    """

    spec: Path | None = None
    images: Path | None = None
    before: Path | None = None
    align: bool = False
    mm_per_px: float | None = None
    roi: Path | None = None
    rules: Path | None = None
    regions: tuple[str, ...] = ()
    gaps: tuple[tuple[str, str], ...] = ()
    thin: tuple[str, ...] = ()
    min_area: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.min_area < float("inf"):
            raise ConfigError(f"--min-area {self.min_area}: give 0 or an area above it")


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSeries:
    """Class maps in the order of their keys, with the files and the plan to measure them."""

    maps: ClassMaps
    before: ClassMaps | None
    photographs: Mapping[str, ImageRef]
    scales: PixelScales
    rois: Rois | None
    rules: tuple[Rule, ...]
    plan: MeasurePlan
    resampled: tuple[str, ...] = ()
    """The keys whose earlier maps are resampled to the grid of the later ones."""

    @property
    def spec(self) -> LabelSpec:
        """The classes."""
        return self.maps.spec

    @property
    def display(self) -> Display:
        """How photographs are shown, by the type of values of the first."""
        first = next(iter(self.photographs.values()), None)
        return Display(is_wide=first is not None and open_image(first).kind.dtype != "uint8")

    def read_before(self, key: str) -> LabelMap | None:
        """Read the map of the earlier date, H x W; None where there is none."""
        return None if self.before is None else self.before.read(key)

    def open_volume_meter(self) -> VolumeMeter:
        """The meter of the volumes whose slices the maps are; it measures none of others."""
        files = {key: open_image(image) for key, image in self.maps.files.items()}
        headers = {key: open_image(image) for key, image in self.photographs.items()}
        return VolumeMeter(spec=self.spec, slices=find_slices(files, headers))

    def roi_masks(self, key: str, size_HW: tuple[int, int]) -> dict[str, Mask]:
        """Rasterize the regions of interest for one map, each H x W."""
        placement = self.scales.placements.get(key)
        regions = self.rois.regions if self.rois else ()
        return {roi.name: roi.mask(size_HW, placement) for roi in regions}

    def read_photograph(self, key: str, size_HW: tuple[int, int]) -> NDArray[np.uint8] | None:
        """Read the photograph of a map as RGB, H x W x 3; None where none was given.

        Raises:
            DataError: Unreadable, or of another size than its map.
        """
        path = self.photographs.get(key)
        if path is None:
            return None
        image_HWC = read_image(path)
        if image_HWC.shape[:2] != size_HW:
            raise DataError(
                f"{path}: image is {image_HWC.shape[:2]} (H, W), its map is {size_HW}"
            )
        return self.display.draw(image_HWC)


def open_series(maps: Path, options: MeasureOptions, progress: Progress) -> MapSeries:
    """Open the files that `options` names and check that they fit together.

    Raises:
        DataError: A file is missing, has no partner, or lies in another reference system.
        ConfigError: A class, a rule or a number is wrong.
    """
    after, before, resampled = _open_maps(maps, options, progress)
    photographs = {} if options.images is None else _find_photographs(after, options.images)
    scales = find_scales(after.files, photographs, options.mm_per_px)
    rois = open_rois(options.roi, options.rules)
    if rois is not None:
        rois.require_fit(scales.epsg, in_degrees=scales.in_degrees)
    rules = () if options.rules is None else read_rules(options.rules, after.spec, scales.unit)
    _require_inputs(rules, options)
    figures = (
        () if options.rules is None else read_figures(options.rules, after.spec, scales.unit)
    )
    require_rois((*rules, *figures), rois, where=str(options.rules))
    return MapSeries(
        maps=after,
        before=before,
        photographs=photographs,
        scales=scales,
        rois=rois,
        rules=rules,
        plan=make_plan(options, after.spec, (*rules, *figures)),
        resampled=resampled,
    )


def _open_maps(
    path: Path, options: MeasureOptions, progress: Progress
) -> tuple[ClassMaps, ClassMaps | None, tuple[str, ...]]:
    """Open both dates with the same classes; each date is decoded by its own spec file.

    Also returns the keys of earlier maps that are resampled.
    """
    if options.before is None:
        return open_class_maps(path, spec=options.spec, progress=progress), None, ()
    pair = ClassMapPair.open(
        path, options.before, spec=options.spec, align=options.align, progress=progress
    )
    maps, before = replace(pair.reference, root=find_folder(path)), pair.other
    spec, spec_before = find_spec(path), find_spec(options.before)
    if options.spec is None and None not in (spec, spec_before) and spec != spec_before:
        codec = read_codec(before.files.values(), spec_before, progress=progress)
        if codec.spec.names != maps.spec.names:
            raise DataError(
                f"{spec_before}: the classes before are {', '.join(codec.spec.names)}, those "
                f"of {path} are {', '.join(maps.spec.names)}; give one file for both with "
                f"--spec"
            )
        before = replace(before, codec=codec)
    return maps, before, pair.resampled


def _find_photographs(maps: ClassMaps, folder: Path) -> dict[str, ImageRef]:
    photographs = find_maps(folder)
    if len(photographs) == len(maps) == 1:
        photographs = dict(zip(maps.files, photographs.values(), strict=True))
    missing = [key for key in maps.files if key not in photographs]
    if missing:
        raise DataError(
            f"{folder}: no photograph for {len(missing)} of {len(maps)} maps: "
            f"{', '.join(missing[:8])}; they need the same names"
        )
    for key, image in maps.files.items():
        require_alike(image, photographs[key], fix="save the map on the grid of the photograph")
    return {key: photographs[key] for key in maps.files}


def open_rois(roi: Path | None, rules: Path | None) -> Rois | None:
    """The regions of a GeoJSON file and the zones of rules.yaml; None where there are none.

    Raises:
        DataError, ConfigError: As `read_rois`, `read_zones` and `Rois.join`.
    """
    zones = () if rules is None else read_zones(rules)
    if roi is not None:
        regions = read_rois(roi)
        return regions if rules is None else regions.join(zones, path=rules)
    return Rois(path=rules, regions=zones) if rules is not None and zones else None


def _require_inputs(rules: tuple[Rule, ...], options: MeasureOptions) -> None:
    """Refuse rules that need the maps of before, or the times of a stream."""
    for rule in rules:
        where = f"{options.rules}: rule {rule.name!r}"
        if rule.measure in OF_CHANGE and options.before is None:
            raise ConfigError(f"{where}: {rule.measure} needs the maps of --before")
        if rule.for_s or rule.clear_s:
            raise ConfigError(
                f"{where}: for and clear need the times of a stream (maskwright video "
                f"--rules); leave them out to measure class maps"
            )


def require_rois(rules: Sequence[WantedFigure], rois: Rois | None, *, where: str) -> None:
    """Refuse rules whose region of interest is not known.

    Raises:
        ConfigError: As said.
    """
    for rule in rules:
        if rule.roi is None:
            continue
        if rois is None:
            raise ConfigError(
                f"{where}: rule {rule.name!r}: roi {rule.roi!r} needs the polygons of --roi, "
                f"or a zone in this file"
            )
        if rule.roi not in rois.names:
            raise ConfigError(
                f"{where}: rule {rule.name!r}: no roi named {rule.roi!r} in {rois.path}. "
                f"Known: {', '.join(rois.names)}."
            )


def make_plan(
    options: MeasureOptions, spec: LabelSpec, rules: Sequence[WantedFigure]
) -> MeasurePlan:
    """Plan what the options name and what the rules need."""
    # a name may hold a comma, which the command line cannot tell from that between two names
    named = [split_pair(f"{a},{b}", spec) or (a, b) for a, b in options.gaps]
    pairs: list[ClassPair] = [(spec.index(a), spec.index(b)) for a, b in named]
    pairs += [(r.classes[0], r.classes[1]) for r in rules if r.measure == "gap"]
    regions = [*_indices(options.regions, spec), *_list_limited_classes(rules, OF_REGIONS)]
    thin = [*_indices(options.thin, spec), *_list_limited_classes(rules, OF_THIN)]
    return MeasurePlan(
        num_classes=len(spec),
        regions=tuple(dict.fromkeys(regions)),
        gaps=tuple(dict.fromkeys(pairs)),
        thin=tuple(dict.fromkeys(thin)),
        min_area=options.min_area,
    )


def _indices(names: tuple[str, ...], spec: LabelSpec) -> list[int]:
    if ALL in names and ALL not in spec.names:
        return list(range(len(spec)))
    return [spec.index(name) for name in names]


def _list_limited_classes(rules: Sequence[WantedFigure], measures: frozenset[str]) -> list[int]:
    return [rule.classes[0] for rule in rules if rule.measure in measures]
