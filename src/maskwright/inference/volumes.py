"""Put the class maps of slices together: a volume comes out as one came in.

classes/<volume>.nii.gz      of NIfTI: uint8, a voxel is a class index, 255 is no data
confidence/<volume>.nii.gz   uint8 with the slope 1 / 255, so that it reads as 0..1

Both lie voxel by voxel where their source lies (`data.pixels.nifti_write`). While
images are predicted, the maps of slices are PNG files in the hidden folder `.slices`. A volume
is written when all of its slices among the inputs are there, else not at all; slices that were
not among the inputs are empty.
"""

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from ..core.labels import IGNORE
from ..data.pixels.imageref import ImageRef
from ..data.pixels.images import open_image
from ..data.pixels.nifti_write import is_nifti, write_like
from ..pages.text import format_count, list_names

CLASSES, CONFIDENCE = "classes", "confidence"
ENTROPY, INFORMATION = "entropy", "mutual_information"
UNCERTAINTY = (ENTROPY, INFORMATION)
_SLICES = ".slices"
_STORED = {CLASSES: (IGNORE, 1.0)} | dict.fromkeys((CONFIDENCE, *UNCERTAINTY), (0, 1 / 255))
"""Empty value and slope of the NIfTI volume of each kind of map."""

Slices = Mapping[str, ImageRef]
"""The slices of one volume among the inputs, by key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeWriter:
    """Writes the volumes of `images`, the inputs by key, into the folder of results."""

    folder: Path
    images: Mapping[str, ImageRef]

    def write(self, kinds: Collection[str], done: Collection[str]) -> tuple[str, ...]:
        """Write the maps of these kinds, and remove those of slices.

        Args:
            kinds: `classes`, `confidence` and the maps of uncertainty make volumes.
            done: The keys that were predicted.

        Returns:
            A sentence on volumes that are not written; none where all are.
        """
        cut = list[str]()
        for name, slices in group_slices(self.images, is_slice, _name_volume).items():
            if not slices.keys() <= set(done):
                cut.append(name)
                continue
            for kind in _STORED.keys() & set(kinds):
                self._write_volume(kind, name, slices)
        shutil.rmtree(self.folder / _SLICES, ignore_errors=True)
        if not cut:
            return ()
        counted = format_count(len(cut), "volume")
        return (f"{counted} not written, as slices could not be predicted: {list_names(cut)}",)

    def _write_volume(self, kind: str, name: str, slices: Slices) -> None:
        empty, slope = _STORED[kind]
        target = self.folder / kind / name
        target.parent.mkdir(parents=True, exist_ok=True)
        maps = _read_maps(find_slices(self.folder / kind), slices)
        source = next(iter(slices.values())).file
        write_like(source, target, maps, empty=empty, slope=slope)


def is_slice(image: ImageRef) -> bool:
    """Whether the maps of an image become part of a volume, which may be of one slice."""
    return is_nifti(image.file)


def find_slices(folder: Path) -> Path:
    """The folder for maps of slices, in place of the folder of maps."""
    return folder.parent / _SLICES / folder.name


def group_slices(
    images: Mapping[str, ImageRef],
    belongs: Callable[[ImageRef], bool],
    name: Callable[[str, ImageRef], str],
) -> dict[str, dict[str, ImageRef]]:
    """The images that belong to volumes, by the name of the volume and by key."""
    volumes: dict[str, dict[str, ImageRef]] = {}
    for key, image in images.items():
        if belongs(image):
            volumes.setdefault(name(key, image), {})[key] = image
    return volumes


def _name_volume(key: str, image: ImageRef) -> str:
    """The path of the volume of a slice: that of its file, or of its key in a dataset."""
    path = PurePath(key) if image.page is None else PurePath(key).parent
    suffix = ".nii.gz" if image.file.name.lower().endswith(".gz") else ".nii"
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    return path.with_name(f"{stem}{suffix}").as_posix()


def _read_maps(folder: Path, slices: Slices) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield the index and the map of each slice."""
    for key, image in slices.items():
        yield image.page or 0, open_image(folder / f"{key}.png").read_stored()
