"""A dataset in memory, a peer of `FolderDataset`: arrays instead of files."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from maskwright.core.errors import DataError
from maskwright.core.labels import LabelMap, LabelSpec
from maskwright.data.dataset import Dataset


@dataclass(frozen=True)
class PaintedImage:
    """One image, H x W x 3, and its class map, None where it has none."""

    key: str
    split: str
    image_HWC: NDArray[np.uint8]
    labels_HW: LabelMap | None


@dataclass(frozen=True)
class PaintedDataset(Dataset):
    """Images in memory; every image is a group of its own."""

    classes: LabelSpec
    images: tuple[PaintedImage, ...]
    place: str = "painted"

    @property
    def spec(self) -> LabelSpec:
        return self.classes

    @property
    def source(self) -> str:
        return self.place

    @property
    def fingerprint(self) -> str:
        return "0123456789abcdef"

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(image.key for image in self.images)

    @property
    def groups(self) -> tuple[str, ...]:
        return self.keys

    def split_of(self, index: int) -> str:
        return self.images[index].split

    def describe(self, index: int) -> str:
        return f"{self.place}: {self.keys[index]}"

    def has_labels(self, index: int) -> bool:
        return self.images[index].labels_HW is not None

    def image(self, index: int) -> NDArray[np.uint8]:
        return self.images[index].image_HWC

    def labels(self, index: int) -> LabelMap:
        labels_HW = self.images[index].labels_HW
        if labels_HW is None:
            raise DataError(f"{self.describe(index)}: has no class map")
        return labels_HW

    def subset(self, split: str) -> "PaintedDataset":
        images = tuple(image for image in self.images if image.split == split)
        if not images:
            raise DataError(f"{self.place}: no split {split!r}")
        return replace(self, images=images)


def painted(maps, *, names=("sky", "road", "tree", "car"), place="painted"):
    """The dataset of {"split/key": class map or None}; an image holds its class indices."""
    images = []
    for where, labels_HW in maps.items():
        split, key = where.split("/")
        shown_HW = np.zeros((2, 2), np.uint8) if labels_HW is None else labels_HW
        image_HWC = np.repeat(shown_HW[..., None], 3, axis=2)
        images.append(PaintedImage(key, split, image_HWC, labels_HW))
    return PaintedDataset(LabelSpec.from_names(names), tuple(images), place)
