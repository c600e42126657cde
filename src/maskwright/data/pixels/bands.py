"""Bands of one scene or channels of one case as one image: files of a band each, derived bands.

    s2/T33UUP_20240501_B04.tif   one file per band: `scene` is T33UUP_20240501
    s2/R20m/T33UUP_20240501_B05_20m.jp2   coarser, in the folder of its resolution
    s2/T33UUP_20240501/B04.tif   or one folder per scene

    brats/case1/case1_t1.nii.gz       channels of one case, volumes on one grid
    case1_0000.nii.gz                 or numbered, as nnU-Net does: the first of the bands
    case1.nii.gz                      or one volume, whose fourth axis are the bands

Bands of different resolution are read on the finest grid: each pixel of a coarser band is
repeated, so that no value is made up. Derived bands are `NDVI`, (nir - red) / (nir + red), and
`NDRE`, (nir - red edge) / (nir + red edge); 0 where both are 0.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.errors import DataError, suggest
from ...core.image import PixelData, ValidMap
from ...pages.text import format_count, list_names
from ..georef.geotags import Tag
from ..georef.patient import PatientFrame
from ..georef.placement import Placement
from .grids import Grid, list_differences
from .imagefile import Assumption, ImageFile, ImageKind, Window
from .imageref import ImageRef
from .validity import join_valid

DERIVED = {"NDVI": ("nir", "red"), "NDRE": ("nir", "rededge")}
"""Name -> the two bands whose difference is divided by their sum."""

RGB = ("red", "green", "blue")
"""The bands of a colour photograph."""

_ROLES = {
    "nir": ("nir", "B08", "SR_B5", "B5"),
    "red": ("red", "B04", "SR_B4", "B4"),
    "rededge": ("rededge", "red_edge", "B05"),
}
"""Names of bands by role: by the word, of Sentinel-2 (B08), of Landsat 8 and 9 (B5)."""

_RESOLUTION_FOLDER = re.compile(r"R\d{2,3}m")
_NUMBERED = re.compile(r"(?P<case>.+)_(?P<number>\d{4})")
_GRID_TOLERANCE = 0.5


def join_files(files: Sequence[Path], bands: Sequence[str]) -> list[ImageRef | Path]:
    """One ImageRef per scene of files that are named as bands, and the other files.

    Where a band is there at several resolutions, its finest file is taken. Other files of a
    scene in its folder are left out: bands that are not asked for, and quality masks. Files
    that are numbered from _0000 on, one for each of several bands, are the bands in order.
    """
    pattern = _compile(bands)
    scenes: dict[Path, dict[str, tuple[int, Path]]] = defaultdict(dict)
    others = list[Path]()
    for file in files:
        match = pattern.fullmatch(split_name(file)[0])
        if match is None:
            others.append(file)
            continue
        scene = _find_place(file) / (match["scene"] or "")
        found = int(match["metres"] or 0), file
        by_band, band = scenes[scene], match["band"].lower()
        by_band[band] = min(by_band.get(band, found), found)
    images: list[ImageRef | Path] = []
    for scene, by_band in scenes.items():
        paths = [by_band[band][1] for band in sorted(by_band)]
        images.append(join_scene(scene, paths, bands))
    rest = [file for file in others if not _is_of_scene(file, scenes)]
    images += _join_numbered(rest, bands) if len(bands) > 1 else rest
    return sorted(images, key=lambda one: one.path if isinstance(one, ImageRef) else one)


def join_scene(
    scene: Path, paths: Sequence[Path], bands: Sequence[str], sources: Sequence[str] = ()
) -> ImageRef:
    """The files of one scene, which is named without a suffix, as one image."""
    return ImageRef(
        paths[0],
        others=tuple(paths[1:]),
        bands=tuple(bands),
        scene=scene.with_name(f"{scene.name}{split_name(paths[0])[1]}"),
        sources=tuple(sources),
    )


def split_name(file: Path) -> tuple[str, str]:
    """Stem and suffix, in lower case, of the name of a file; `.nii.gz` is one suffix."""
    suffix = file.suffix.lower()
    if suffix == ".gz" and (inner := Path(file.stem).suffix):
        suffix = f"{inner.lower()}.gz"
    return file.name[: len(file.name) - len(suffix)], suffix


def split_number(file: Path) -> tuple[str, int | None]:
    """Case and number of the channel, by the name of a file: `a_0001.png` is channel 1 of a."""
    stem = split_name(file)[0]
    match = _NUMBERED.fullmatch(stem)
    return (match["case"], int(match["number"])) if match else (stem, None)


def _join_numbered(files: Sequence[Path], bands: Sequence[str]) -> Iterator[ImageRef | Path]:
    """One ImageRef per case of files that are numbered as all of the bands, and the others."""
    cases: dict[Path, dict[int, Path]] = defaultdict(dict)
    for file in files:
        case, number = split_number(file)
        if number is not None:
            cases[file.with_name(case)][number] = file
    whole = {c for c, numbers in cases.items() if sorted(numbers) == [*range(len(bands))]}
    for scene in whole:
        paths = [path for _, path in sorted(cases[scene].items())]
        yield join_scene(scene, paths, bands, bands)
    yield from (f for f in files if f.with_name(split_number(f)[0]) not in whole)


def _compile(bands: Sequence[str]) -> re.Pattern[str]:
    """The pattern of the names of band files without their suffix."""
    listed = "|".join(sorted(map(re.escape, list_sources(bands)), key=len, reverse=True))
    return re.compile(
        rf"(?:(?P<scene>.+?)[_.-])?(?P<band>{listed})(?:_(?P<metres>\d{{2,3}})m)?",
        re.IGNORECASE,
    )


def _find_place(file: Path) -> Path:
    """The folder of the scene: the one above folders of one resolution, as R20m."""
    is_resolution = _RESOLUTION_FOLDER.fullmatch(file.parent.name)
    return file.parent.parent if is_resolution else file.parent


def _is_of_scene(file: Path, scenes: Iterable[Path]) -> bool:
    place = _find_place(file)
    return any(
        place == scene
        or (
            place == scene.parent
            and file.name[: len(scene.name)] == scene.name
            and file.name[len(scene.name) :][:1] in set("_.-")
        )
        for scene in scenes
    )


def list_sources(bands: Sequence[str]) -> list[str]:
    """The bands themselves and, for derived ones, all names of those that they need."""
    names = [name for name in bands if name not in DERIVED]
    for name in bands:
        names += [n for role in DERIVED.get(name, ()) for n in _ROLES[role]]
    return list(dict.fromkeys(names))


@dataclass(frozen=True)
class BandStack(ImageFile):
    """The channels that `ref.bands` names, of one file or of several.

    Raises DataError where a band is not there, or the files do not cover the same ground.
    """

    ref: ImageRef
    parts: tuple[ImageFile, ...]

    @property
    def size_HW(self) -> tuple[int, int]:
        """Rows and columns of the finest file."""
        return self._finest.size_HW

    @property
    def num_pages(self) -> int:
        """Those of the first file."""
        return self.parts[0].num_pages

    @property
    def placement(self) -> Placement | None:
        """Where the finest file lies."""
        return self._finest.placement

    @property
    def patient_frame(self) -> PatientFrame | None:
        """Where the volumes lie in the patient."""
        return self._finest.patient_frame

    @property
    def modality(self) -> str | None:
        """That of the first file."""
        return self.parts[0].modality

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Those on each file, with its name where there are several."""
        several = len(self.parts) > 1
        return tuple(
            one._replace(text=f"{part.ref.file.name}: {one.text}") if several else one
            for part in self.parts
            for one in part.assumptions
        )

    @property
    def geotags(self) -> tuple[Tag, ...]:
        """Those of the finest file."""
        return self._finest.geotags

    @property
    def spacing_mm_HW(self) -> tuple[float, float] | None:
        """That of the finest file."""
        return self._finest.spacing_mm_HW

    @property
    def unpacked_bytes(self) -> Mapping[Path, int]:
        """Those of all files."""
        return {f: size for part in self.parts for f, size in part.unpacked_bytes.items()}

    @property
    def spacing_mm_DHW(self) -> tuple[float, float, float] | None:
        """That of the finest file."""
        return self._finest.spacing_mm_DHW

    @property
    def bands(self) -> tuple[str, ...]:
        """The names of the channels."""
        return self.ref.bands

    @property
    def may_lack_data(self) -> bool:
        """Whether a file may."""
        return any(part.may_lack_data for part in self.parts)

    @property
    def kind(self) -> ImageKind:
        """Channels, and the type that holds the values of all of them."""
        return ImageKind(len(self.ref.bands), self._type)

    def read_data(self, window: Window | None = None) -> PixelData:
        """The bands in the order of `ref.bands`; a pixel is valid where it is in every file."""
        self._require_one_place()
        planes: dict[str, NDArray[Any]] = {}
        maps: list[ValidMap | None] = []
        needed = {name.lower() for name in list_sources(self.ref.bands)}
        for part, names in zip(self.parts, self._names, strict=True):
            if needed.isdisjoint(names):
                continue
            data = part.read_data()
            maps.append(None if data.valid_HW is None else self._enlarge(data.valid_HW))
            for index, name in enumerate(names):
                planes[name] = self._enlarge(data.image_HWC[..., index])
        image_HWC: Any = np.stack(
            [self._derive(name, planes).astype(self._type) for name in self.ref.bands], axis=2
        )
        valid_HW = join_valid(maps)
        if window is None:
            return PixelData(image_HWC, valid_HW)
        cut_HW = None if valid_HW is None else valid_HW[window]
        return PixelData(image_HWC[window].copy(), cut_HW)

    def read_stored(self) -> NDArray[Any]:
        """As `read`."""
        return self.read()

    def find_band(self, name: str) -> tuple[ImageFile, int]:
        """The file that holds a band as it is, and the index of its channel.

        Raises:
            DataError: None does, as of a derived band.
        """
        for part, names in zip(self.parts, self._names, strict=True):
            if name.lower() in names:
                return part, names.index(name.lower())
        raise DataError(f"{self.ref}: no file holds the band {name!r} as it is")

    @cached_property
    def _finest(self) -> ImageFile:
        return max(self.parts, key=lambda part: part.size_HW[0] * part.size_HW[1])

    @cached_property
    def _names(self) -> list[tuple[str, ...]]:
        """The names of the channels of each file, in lower case."""
        named = len(self.parts) == 1 and self.parts[0].bands
        if not named and (sources := self.ref.sources):
            return self._divide(tuple(name.lower() for name in sources))
        pattern = _compile(self.ref.bands)
        return [self._name_bands(part, pattern) for part in self.parts]

    def _divide(self, sources: tuple[str, ...]) -> list[tuple[str, ...]]:
        """The names of all channels, divided among the files."""
        counts = [part.kind.channels for part in self.parts]
        if sum(counts) != len(sources):
            raise DataError(
                f"{self.ref}: has {sum(counts)} channels in "
                f"{format_count(len(counts), 'file')}, and {len(sources)} are named: "
                f"{list_names(sources)}; add the files, or correct the names"
            )
        ends = accumulate(counts)
        return [sources[end - n : end] for n, end in zip(counts, ends, strict=True)]

    def _name_bands(self, part: ImageFile, pattern: re.Pattern[str]) -> tuple[str, ...]:
        file, channels = part.ref.file, part.kind.channels
        match = pattern.fullmatch(stem := split_name(file)[0])
        if channels == 1 and self.ref.scene is not None:
            beside = stem.removeprefix(split_name(self.ref.scene)[0]).strip("_-.")
            name = (beside or file.parent.name) if match is None else match["band"]
            return (name.lower(),)
        names = part.bands or (self.ref.bands if channels == len(self.ref.bands) else ())
        if not names and part.kind == (3, "uint8"):
            names = RGB
        if len(names) != channels:
            raise DataError(
                f"{part.ref}: has {channels} channels and names no bands; the bands "
                f"{list_names(self.ref.bands)} are asked for: name its bands "
                f"(gdal_edit.py, or rio edit-info), or save each band as a file"
            )
        return tuple(name.lower() for name in names)

    @cached_property
    def _type(self) -> str:
        types = {part.kind.dtype for part in self.parts}
        derived = any(name in DERIVED for name in self.ref.bands)
        return next(iter(types)) if len(types) == 1 and not derived else "float32"

    def _enlarge(self, plane_hw: NDArray[Any]) -> NDArray[Any]:
        """A plane on the finest grid, by repeating pixels."""
        if plane_hw.shape == self.size_HW:
            return plane_hw
        whole = plane_hw.view(np.uint8) if plane_hw.dtype == np.bool_ else plane_hw
        large = cv2.resize(whole, self.size_HW[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        return np.asarray(large).view(plane_hw.dtype)

    def _derive(self, name: str, planes: dict[str, NDArray[Any]]) -> NDArray[Any]:
        if name not in DERIVED:
            return self._take(name, (name,), planes)
        one_HW, other_HW = (
            self._take(role, _ROLES[role], planes).astype(np.float32) for role in DERIVED[name]
        )
        total_HW = one_HW + other_HW
        return np.where(total_HW == 0, 0, (one_HW - other_HW) / np.where(total_HW, total_HW, 1))

    def _take(
        self, name: str, names: Sequence[str], planes: dict[str, NDArray[Any]]
    ) -> NDArray[Any]:
        for candidate in names:
            if candidate.lower() in planes:
                return planes[candidate.lower()]
        known = [known for part in self._names for known in part]
        raise DataError(
            f"{self.ref}: has no band {name!r}{suggest(name, known)}; it has "
            f"{list_names(known)}: add the file, or correct the bands"
        )

    def _require_one_place(self) -> None:
        """Require files that cover the same ground, up to half a pixel of the coarser one.

        Volumes lie alike by the rule for image and mask.
        """
        first = self._finest
        for part in self.parts:
            if part is first:
                continue
            if part.patient_frame is not None and first.patient_frame is not None:
                _require_one_grid(part, first)
                continue
            (height, width), (h, w) = first.size_HW, part.size_HW
            factor = max(height / h, width / w)
            alike = abs(height / h - width / w) * min(h, w) < 1
            ours, theirs = first.placement, part.placement
            if alike and ours is not None and theirs is not None:
                corners = [(0, 0), (w, h)]
                found = ours.to_pixels(theirs.to_ground(corners))
                off_px = np.abs(found - [(0, 0), (width, height)]).max() / factor
                alike = ours.epsg == theirs.epsg and bool(off_px <= _GRID_TOLERANCE)
            if not alike:
                raise DataError(
                    f"{part.ref}: does not cover the ground of {first.ref.file.name} "
                    f"({h} x {w} and {height} x {width} px, H x W); warp the bands of a scene "
                    f"to one extent"
                )


def _require_one_grid(volume: ImageFile, first: ImageFile) -> None:
    own, there = Grid.from_image(volume), Grid.from_image(first)
    if own is not None and there is not None:
        found = ", ".join(list_differences(own, there))
        if found:
            raise DataError(
                f"{volume.ref}: does not lie where {first.ref.file.name} lies: it {found}; the "
                f"channels of a case lie on one grid: resample this one to it"
            )
