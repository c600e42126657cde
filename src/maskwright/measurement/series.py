"""From what is asked to what can be measured: maps, those before them, photographs, ground.

Everything that can be refused without reading a pixel of the series is refused here: a class
that does not exist, maps without a partner, a limit in mm where no scale is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ConfigError, DataError
from ..core.labels import LabelMap, LabelSpec
from ..core.progress import Progress
from ..data.classmaps import (
    ClassMapPair,
    ClassMaps,
    find_folder,
    find_maps,
    find_spec,
    open_class_maps,
    read_codec,
)
from ..data.pixels.imageref import ImageRef
from ..data.pixels.images import read_image
from ..pages.pictures import to_rgb
from .figures.figures import ClassPair, MeasurePlan
from .ground.roi import Mask, Rois, read_rois
from .ground.scales import PixelScales, find_scales
from .rules.rules import OF_CHANGE, OF_REGIONS, OF_THIN, Rule, read_rules

ALL = "all"
"""Stands for every class, unless a class is called so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureOptions:
    """What to measure besides coverage, and with what.

    Args:
        spec: dataset.yaml or classes.txt with the classes; else found by the maps, or inferred.
        images: The photographs, by the same keys: overlays lie over them, and a georeference
            that the maps lack is taken from them.
        before: Class maps of the same places at an earlier date, by the same keys.
        mm_per_px: Side of a pixel; counts more than a georeference.
        roi: A GeoJSON file with regions of interest.
        rules: A rules.yaml.
        regions: Classes whose connected regions are listed; "all" for every class.
        gaps: Pairs of classes; a class paired with itself asks for the gap between its regions.
        thin: Classes measured along their skeletons.
        min_area: Smaller regions are left out of regions, gaps and thin; in the unit of areas.
    """

    spec: Path | None = None
    images: Path | None = None
    before: Path | None = None
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
    """Maps in the order of their keys, and all that goes with them."""

    maps: ClassMaps
    before: ClassMaps | None
    photographs: Mapping[str, ImageRef]
    scales: PixelScales
    rois: Rois | None
    rules: tuple[Rule, ...]
    plan: MeasurePlan

    @property
    def spec(self) -> LabelSpec:
        """The classes."""
        return self.maps.spec

    def read_before(self, key: str) -> LabelMap | None:
        """The map of the earlier date, None where there is none."""
        return None if self.before is None else self.before.read(key)

    def masks(self, key: str, size_HW: tuple[int, int]) -> dict[str, Mask]:
        """The regions of interest as masks of one map."""
        placed = self.scales.placements.get(key)
        regions = self.rois.regions if self.rois else ()
        return {roi.name: roi.mask(size_HW, placed) for roi in regions}

    def photograph(self, key: str, size_HW: tuple[int, int]) -> NDArray[np.uint8] | None:
        """The photograph of a map as RGB, H x W x 3; None where none was given.

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
        return to_rgb(image_HWC)


def open_series(maps: Path, options: MeasureOptions, progress: Progress) -> MapSeries:
    """Find everything that `options` names and check that it fits together.

    Raises:
        DataError: Something is missing, has no partner, or lies in another reference system.
        ConfigError: A class, a rule or a number is wrong.
    """
    after, before = _open_maps(maps, options, progress)
    photographs = {} if options.images is None else _photographs(after, options.images)
    scales = find_scales(after.files, photographs, options.mm_per_px)
    rois = None if options.roi is None else read_rois(options.roi)
    if rois is not None:
        rois.require_fit(scales.epsg)
    rules = () if options.rules is None else read_rules(options.rules, after.spec, scales.unit)
    _require_means(rules, options, rois)
    return MapSeries(
        maps=after,
        before=before,
        photographs=photographs,
        scales=scales,
        rois=rois,
        rules=rules,
        plan=_plan(options, after.spec, rules),
    )


def _open_maps(
    path: Path, options: MeasureOptions, progress: Progress
) -> tuple[ClassMaps, ClassMaps | None]:
    """Both dates under the same classes; each is stored as the file with its classes says."""
    if options.before is None:
        return open_class_maps(path, spec=options.spec, progress=progress), None
    pair = ClassMapPair.open(path, options.before, spec=options.spec, progress=progress)
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
    return maps, before


def _photographs(maps: ClassMaps, folder: Path) -> dict[str, ImageRef]:
    found = find_maps(folder)
    if len(found) == len(maps) == 1:
        return dict(zip(maps.files, found.values(), strict=True))
    missing = [key for key in maps.files if key not in found]
    if missing:
        raise DataError(
            f"{folder}: no photograph for {len(missing)} of {len(maps)} maps: "
            f"{', '.join(missing[:8])}; they need the same names"
        )
    return {key: found[key] for key in maps.files}


def _require_means(rules: tuple[Rule, ...], options: MeasureOptions, rois: Rois | None) -> None:
    """Refuse rules on what is not there to be measured."""
    for rule in rules:
        where = f"{options.rules}: rule {rule.name!r}"
        if rule.measure in OF_CHANGE and options.before is None:
            raise ConfigError(f"{where}: {rule.measure} needs the maps of --before")
        if rule.roi is None:
            continue
        if rois is None:
            raise ConfigError(f"{where}: roi {rule.roi!r} needs the polygons of --roi")
        if rule.roi not in rois.names:
            raise ConfigError(
                f"{where}: no roi named {rule.roi!r} in {rois.path}. "
                f"Known: {', '.join(rois.names)}."
            )


def _plan(options: MeasureOptions, spec: LabelSpec, rules: tuple[Rule, ...]) -> MeasurePlan:
    """What is asked by name, and what the rules need besides."""
    pairs: list[ClassPair] = [(spec.index(a), spec.index(b)) for a, b in options.gaps]
    pairs += [(r.classes[0], r.classes[1]) for r in rules if r.measure == "gap"]
    regions = [*_indices(options.regions, spec), *_limited(rules, OF_REGIONS)]
    thin = [*_indices(options.thin, spec), *_limited(rules, OF_THIN)]
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


def _limited(rules: tuple[Rule, ...], measures: frozenset[str]) -> list[int]:
    return [rule.classes[0] for rule in rules if rule.measure in measures]
