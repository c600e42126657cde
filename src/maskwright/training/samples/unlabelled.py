"""Images without labels among the training images, for runs that learn from a teacher."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from maskwright.core.errors import DataError
from maskwright.core.inputspec import InputSpec
from maskwright.core.labels import IGNORE
from maskwright.core.sample import Sample
from maskwright.data.dataset import Dataset
from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.pixels.images import read_data
from maskwright.inference.inputs import find_images
from maskwright.pages.text import format_count


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """The images of a folder, in order, with their keys."""

    images: tuple[tuple[str, ImageRef], ...]

    @classmethod
    def open(cls, folder: Path | str, spec: InputSpec, val: Dataset) -> Self:
        """Find the images in a folder, as a network with the input `spec` reads them.

        Raises:
            DataError: No image in the folder, or images of the validation, whose score would
                be that of images that were learned.
        """
        images = find_images([folder], bands=spec.bands).images
        found = {key: replace(one, num_slices=spec.slices) for key, one in images.items()}
        held_out = {val.image_digest(index) for index in range(len(val))}
        seen = [image for image in found.values() if _digest(image) in held_out]
        if seen:
            raise DataError(
                f"{folder}: {format_count(len(seen), 'image')} of the validation, such as "
                f"{seen[0]}; take them out of the folder of images without labels"
            )
        return cls(tuple(found.items()))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def fingerprint(self) -> str:
        """A hash of the keys: a resumed run needs the same images."""
        return hashlib.sha256("\n".join(key for key, _ in self.images).encode()).hexdigest()[
            :16
        ]

    def __call__(self, index: int) -> Sample:
        """Image `index`, with labels 0, and IGNORE where it holds no data."""
        key, image = self.images[index]
        data = read_data(image)
        labels_HW = np.zeros(data.image_HWC.shape[:2], np.uint8)
        if data.valid_HW is not None:
            labels_HW[~data.valid_HW] = IGNORE
        return Sample(
            key=key,
            group=key,
            image_HWC=data.image_HWC,
            labels_HW=labels_HW,
            valid_HW=data.valid_HW,
        )


def _digest(image: ImageRef) -> bytes:
    with Path(image.path).open("rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()
