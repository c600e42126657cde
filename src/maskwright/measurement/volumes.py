"""Volumes of patients from the slices of a file: millilitres, lesions, distances of two dates.

The slices of one file are a volume where all of them are measured and its header, or that of
the photograph, states the distance of slices and the size of pixels. Lesions are the regions
of a class in three dimensions, whose voxels touch at a face, an edge or a corner (26
neighbours). A few slices and the surface points of one volume are in memory.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.labels import LabelMap, LabelSpec
from ..core.versioned import Document
from ..data.classes.kinds import BACKGROUND_NAMES
from ..data.pixels.imagefile import ImageFile
from ..metrics.surface import Ruler, scores
from ..metrics.volume import VolumeSlice, VolumeSurfaces
from .figures.finite import finite_or_none

COLUMNS = (
    *("volume", "class", "ml", "lesions", "largest_lesion_ml"),
    *("ml_before", "change_ml", "hd95_mm", "assd_mm"),
)
_RULER = Ruler(tolerance=0.0, unit="mm")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassVolume:
    """One class of one volume; figures of the earlier date are None where there is none.

    Lesions are None of a background, of which regions say nothing. `hd95_mm` and `assd_mm` are
    distances between the surfaces of the two dates.
    """

    ml: float
    lesions: int | None
    largest_lesion_ml: float | None
    ml_before: float | None = None
    hd95_mm: float | None = None
    assd_mm: float | None = None

    @property
    def change_ml(self) -> float | None:
        """Millilitres now minus those before."""
        return None if self.ml_before is None else self.ml - self.ml_before

    def to_json(self) -> Document:
        """The entry of measurements.json."""
        return {name: getattr(self, name) for name in COLUMNS[2:]}


@dataclass(slots=True)
class LesionCounter:
    """Counts the regions of one class over the slices of a volume, fed in order."""

    _parent: list[int] = field(default_factory=list)
    _voxels: list[int] = field(default_factory=list)
    _last_HW: NDArray[np.int64] | None = None
    """The regions of the last slice by number from 1, 0 elsewhere."""

    def add(self, inside_HW: NDArray[np.bool_]) -> None:
        """Add the next slice."""
        num, region_HW = cv2.connectedComponents(inside_HW.view(np.uint8), connectivity=8)
        first = len(self._parent)
        self._parent += range(first, first + num - 1)
        sizes = np.bincount(region_HW.ravel(), minlength=num)[1:]
        self._voxels += sizes.tolist()
        numbers_HW = np.where(region_HW > 0, region_HW.astype(np.int64) + first, 0)
        if self._last_HW is not None:
            self._join(numbers_HW, self._last_HW)
        self._last_HW = numbers_HW

    def _join(self, now_HW: NDArray[np.int64], last_HW: NDArray[np.int64]) -> None:
        """Unite regions of two slices whose voxels are neighbours."""
        height, width = now_HW.shape
        padded_HW = np.pad(last_HW, 1)
        for dy in range(3):
            for dx in range(3):
                near_HW = padded_HW[dy : dy + height, dx : dx + width]
                both = (now_HW > 0) & (near_HW > 0)
                pairs = np.unique(np.stack([now_HW[both], near_HW[both]]), axis=1)
                for one, other in pairs.T.tolist():
                    self._unite(one - 1, other - 1)

    def _unite(self, one: int, other: int) -> None:
        low, high = sorted((self._find(one), self._find(other)))
        if low != high:
            self._parent[high] = low
            self._voxels[low] += self._voxels[high]

    def _find(self, index: int) -> int:
        while self._parent[index] != index:
            self._parent[index] = self._parent[self._parent[index]]
            index = self._parent[index]
        return index

    def list_sizes(self) -> list[int]:
        """The voxels of each region."""
        return [v for i, v in enumerate(self._voxels) if self._parent[i] == i]


@dataclass(slots=True, kw_only=True)
class VolumeMeter:
    """Measures the volumes of a series, fed one slice after the other.

    `slices` are those of whole volumes, by key.
    """

    spec: LabelSpec
    slices: Mapping[str, VolumeSlice]
    volumes: dict[str, dict[str, ClassVolume]] = field(default_factory=dict)
    """The finished volumes by file, with their classes by name."""
    _last: VolumeSlice | None = None
    _lesions: list[LesionCounter] = field(default_factory=list)
    _before_px: NDArray[np.int64] | None = None
    _surfaces: VolumeSurfaces | None = None

    def add(self, key: str, labels_HW: LabelMap, before_HW: LabelMap | None) -> None:
        """Add one slice; a slice of another file ends the volume before.

        Raises:
            MissingDependencyError: Distances between two dates need SciPy.
        """
        now = self.slices.get(key)
        goes_on = now and self._last and now.volume == self._last.volume
        if not goes_on:
            self.finish()
        if now is None:
            return
        if not goes_on:
            self._begin(compares=before_HW is not None)
        self._last = now
        for index, lesions in enumerate(self._lesions):
            lesions.add(labels_HW == index)
        if before_HW is not None and self._before_px is not None and self._surfaces is not None:
            counts = np.bincount(before_HW.ravel(), minlength=256)
            self._before_px += counts[: len(self.spec)]
            self._surfaces.add(before_HW, labels_HW)

    def finish(self) -> None:
        """End the last volume."""
        if self._last is not None:
            self.volumes[self._last.volume] = dict(self._measure(self._last))
        self._last = None

    def _begin(self, *, compares: bool) -> None:
        self._lesions = [LesionCounter() for _ in self.spec]
        self._before_px = np.zeros(len(self.spec), np.int64) if compares else None
        self._surfaces = VolumeSurfaces(num_classes=len(self.spec)) if compares else None

    def _measure(self, last: VolumeSlice) -> Iterator[tuple[str, ClassVolume]]:
        voxel_ml = last.voxel_ml
        distances: Mapping[str, NDArray[np.float64]] = {}
        if self._surfaces is not None:
            distances = scores(
                self._surfaces.finish(_RULER, last.spacing_mm_DHW), _RULER
            ).classes
        for index, entry in enumerate(self.spec):
            sizes = self._lesions[index].list_sizes()
            before = None
            if self._before_px is not None:
                before = float(self._before_px[index] * voxel_ml)
            is_background = entry.name.lower() in BACKGROUND_NAMES
            largest_ml = max(sizes, default=0) * voxel_ml
            yield (
                entry.name,
                ClassVolume(
                    ml=sum(sizes) * voxel_ml,
                    lesions=None if is_background else len(sizes),
                    largest_lesion_ml=None if is_background else largest_ml,
                    ml_before=before,
                    **{
                        name: finite_or_none(float(distances[name][index]))
                        for name in ("hd95_mm", "assd_mm")
                        if name in distances
                    },
                ),
            )


def find_slices(
    files: Mapping[str, ImageFile], headers: Mapping[str, ImageFile]
) -> dict[str, VolumeSlice]:
    """Find the slices of whole volumes, by key.

    `headers` are photographs whose headers are taken where a map has none of its own.
    """
    slices: dict[str, VolumeSlice] = {}
    pages = Counter[str]()
    for key, own in files.items():
        sources = (own, headers.get(key))
        file = next((f for f in sources if f is not None and f.spacing_mm_DHW), None)
        if file is None or file.spacing_mm_DHW is None:
            continue
        name, page = str(file.ref.shown_file), file.ref.page or 0
        if page == pages[name]:
            pages[name] += 1
            slices[key] = VolumeSlice(
                volume=name,
                index=page,
                count=file.num_pages,
                spacing_mm_DHW=file.spacing_mm_DHW,
            )
    return {key: one for key, one in slices.items() if pages[one.volume] == one.count}
