"""Draw phantoms with calibrated values: slices of CT in Hounsfield units, and bands of scenes.

Shapes say nothing about the class in them: only values do, so that a network which is shown
other values than those on disk fails.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.atomic import new_folder
from ...core.codec import LabelCodec
from ...core.errors import MissingDependencyError
from ...core.labels import LabelMap, LabelSpec
from ..classes.codec import write_dataset_file
from ..classes.dataset_yaml import FILE_NAME, DatasetFile

Rng = np.random.Generator
Point = NDArray[np.float64]
"""(y, x) in pixels."""

ORGAN_CLASSES = ("background", "spine", "organ_80", "organ_120")
FIELD_CLASSES = ("fat", "water", "muscle")
LAND_CLASSES = ("water", "soil", "crop", "forest")

AIR_HU, FAT_HU, MUSCLE_HU = -1000.0, -100.0, 40.0
SPINE_HU = (700.0, 1200.0)
ORGANS_HU = (80.0, 120.0)
FIELDS_HU = (-100.0, 0.0, 60.0)
NOISE_HU = 12.0

LAND = np.array([[420, 350, 210], [1300, 1500, 1750], [520, 830, 640], [480, 760, 560]])
"""Reflectance times 10,000 of each class of `LAND_CLASSES` in blue, green and red."""
LAND_STD = 0.06
"""Standard deviation of the reflectance of a field, as a share of it."""
FIELD_PX = 16


@dataclass(frozen=True, slots=True, eq=False)
class Phantom:
    """Values, H x W x C float32, and the class of each pixel."""

    values_HWC: NDArray[np.float32]
    labels_HW: LabelMap


Draw = Callable[[Rng, tuple[int, int], int], list[Phantom]]
"""The slices of one patient, or the scenes of one place: of a size (H, W), and their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomSet:
    """A kind of dataset: its classes, how one group is drawn, and the suffix of its files."""

    classes: tuple[str, ...]
    draw: Draw
    suffix: str


def write_phantoms(
    root: Path,
    phantoms: PhantomSet,
    *,
    num_groups: tuple[int, int],
    num_slices: int = 8,
    size_HW: tuple[int, int] = (128, 128),
    seed: int = 0,
) -> Path:
    """Write a native dataset of so many groups for training and validation to a new folder."""
    with new_folder(root) as folder:
        for number in range(sum(num_groups)):
            split = "train" if number < num_groups[0] else "val"
            rng = np.random.default_rng([seed, number])
            slices = phantoms.draw(rng, size_HW, num_slices)
            for kind in ("images", "masks"):
                path = folder / kind / split / f"p{number:02d}"
                path.parent.mkdir(parents=True, exist_ok=True)
                planes = [s.values_HWC if kind == "images" else s.labels_HW for s in slices]
                _WRITE[phantoms.suffix](path, planes)
        codec = LabelCodec.identity(LabelSpec.from_names(phantoms.classes))
        document = DatasetFile(format="mask_folder", source=f"drawn phantoms, seed {seed}")
        write_dataset_file(folder / FILE_NAME, document, codec)
    return root


def draw_organs(rng: Rng, size_HW: tuple[int, int], num_slices: int) -> list[Phantom]:
    """Slices of one body: air, fat, muscle, a spine, and organs that differ by 40 HU alone."""
    spine_HU = rng.uniform(*SPINE_HU)
    center_yx = np.array(size_HW) / 2 + rng.uniform(-4, 4, 2)
    radii_yx = np.array(size_HW) * rng.uniform((0.34, 0.38), (0.42, 0.46))
    places_42, sizes_42 = rng.uniform(-0.55, 0.55, (4, 2)), rng.uniform(0.1, 0.24, (4, 2))
    slices = []
    for _ in range(num_slices):
        values_HW = np.full(size_HW, AIR_HU, np.float32)
        labels_HW = np.zeros(size_HW, np.uint8)
        for share, value_HU in ((1.0, FAT_HU), (0.9, MUSCLE_HU)):
            _fill(values_HW, center_yx, share * radii_yx, value_HU)
        for number, (place_yx, size_yx) in enumerate(zip(places_42, sizes_42, strict=True)):
            moved_yx = place_yx + rng.uniform(-0.05, 0.05, 2)
            middle_yx = center_yx + moved_yx * radii_yx
            half_yx = size_yx * radii_yx * rng.uniform(0.8, 1.2, 2)
            _fill(values_HW, middle_yx, half_yx, ORGANS_HU[number % 2])
            _fill(labels_HW, middle_yx, half_yx, 2 + number % 2)
        spine_yx = center_yx + np.array((0.72, 0)) * radii_yx
        _fill(values_HW, spine_yx, 0.2 * radii_yx, spine_HU)
        _fill(labels_HW, spine_yx, 0.2 * radii_yx, 1)
        slices.append(_add_noise(rng, values_HW, labels_HW))
    return slices


def draw_fields(rng: Rng, size_HW: tuple[int, int], num_slices: int) -> list[Phantom]:
    """Slices that are one field each, of a class that its absolute value alone tells."""
    slices = []
    for _ in range(num_slices):
        index = int(rng.integers(len(FIELDS_HU)))
        values_HW = np.full(size_HW, FIELDS_HU[index], np.float32)
        slices.append(_add_noise(rng, values_HW, np.full(size_HW, index, np.uint8)))
    return slices


def draw_land(rng: Rng, size_HW: tuple[int, int], num_scenes: int) -> list[Phantom]:
    """Scenes of square fields in three bands, in reflectance times 10,000.

    Fields begin at any pixel: of a grid that is the same in all scenes, a network learns the
    borders by their place in the image.
    """
    scenes = []
    for _ in range(num_scenes):
        num_HW = [-(-side // FIELD_PX) + 1 for side in size_HW]
        small = rng.integers(0, len(LAND), num_HW).astype(np.uint8)
        top, left = rng.integers(0, FIELD_PX, 2).tolist()
        fields_HW = np.kron(small, np.ones((FIELD_PX, FIELD_PX), np.uint8))
        labels_HW = fields_HW[top : top + size_HW[0], left : left + size_HW[1]].copy()
        shares_HW1 = rng.normal(1, LAND_STD, (*size_HW, 1)) * rng.normal(1, LAND_STD)
        values_HWC = LAND[labels_HW] * shares_HW1
        scenes.append(Phantom(np.rint(values_HWC).astype(np.float32), labels_HW))
    return scenes


def _add_noise(rng: Rng, values_HW: NDArray[np.float32], labels_HW: LabelMap) -> Phantom:
    noisy_HW = values_HW + rng.normal(0, NOISE_HU, values_HW.shape)
    return Phantom(np.rint(noisy_HW).astype(np.float32)[..., None], labels_HW)


def _fill(plane_HW: NDArray[Any], center_yx: Point, radii_yx: Point, value: float) -> None:
    """Fill an ellipse."""
    center_xy = round(center_yx[1]), round(center_yx[0])
    radii_xy = max(1, round(radii_yx[1])), max(1, round(radii_yx[0]))
    cv2.ellipse(plane_HW, center_xy, radii_xy, 0, 0, 360, value, -1)


def _write_volume(path: Path, planes: Sequence[NDArray[np.generic]]) -> None:
    """Slices as one NIfTI volume of int16, 1 x 1 x 5 mm."""
    try:
        import nibabel
    except ModuleNotFoundError as error:
        raise MissingDependencyError("nibabel", "medical") from error
    stored_HWD = np.stack([plane.reshape(plane.shape[:2]) for plane in planes], axis=-1)
    volume: Any = nibabel
    image = volume.Nifti1Image(stored_HWD.astype(np.int16), np.diag([1.0, 1.0, 5.0, 1.0]))
    image.header.set_xyzt_units("mm")
    volume.save(image, path.with_suffix(".nii"))


def _write_tiffs(path: Path, planes: Sequence[NDArray[np.generic]]) -> None:
    """Each scene as a TIFF file of uint16; a class map as uint8."""
    import tifffile

    for number, plane in enumerate(planes):
        wide = plane.ndim == 3
        tifffile.imwrite(
            path.with_name(f"{path.name}_{number:02d}.tif"),
            plane.astype(np.uint16 if wide else np.uint8),
            photometric="rgb" if wide else "minisblack",
        )


_WRITE = {".nii": _write_volume, ".tif": _write_tiffs}

ORGANS = PhantomSet(classes=ORGAN_CLASSES, draw=draw_organs, suffix=".nii")
FIELDS = PhantomSet(classes=FIELD_CLASSES, draw=draw_fields, suffix=".nii")
LANDS = PhantomSet(classes=LAND_CLASSES, draw=draw_land, suffix=".tif")
