"""Dataset: what training, evaluation and comparison ask of images with class maps."""

import hashlib
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from ..core.errors import DataError
from ..core.image import Image, PixelData
from ..core.inputspec import InputSpec
from ..core.labels import LabelMap, LabelSpec
from ..core.progress import Progress, silent
from ..core.sample import Sample
from ..pages.text import list_names
from .entries.scan import LeftOut
from .pixels.imagefile import ImageFile, ImageKind
from .pixels.imageref import ImageRef


class Dataset(Protocol):
    """Images with class maps, by index from 0 to `len(dataset) - 1`, sorted by split and key.

    A method that reads a file raises DataError where that file is missing or damaged.
    """

    notes: tuple[str, ...] = ()
    """Sentences on what was inferred, and why."""

    left_out: tuple[LeftOut, ...] = ()
    """The samples that are named and not read."""

    state: str = ""
    """Which state of a project of the studio this is; "" for data of others."""

    @property
    @abstractmethod
    def spec(self) -> LabelSpec:
        """The classes."""

    @property
    @abstractmethod
    def source(self) -> str:
        """Where the dataset lies, for messages and reports."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Sixteen hex digits that change with the classes, keys, splits or contents."""

    @property
    def old_fingerprints(self) -> frozenset[str]:
        """The fingerprints by which earlier versions knew this dataset."""
        return frozenset()

    @property
    @abstractmethod
    def keys(self) -> tuple[str, ...]:
        """The unique name of each image."""

    @property
    @abstractmethod
    def groups(self) -> tuple[str, ...]:
        """The group of each image: a patient, a street, a video; never split apart."""

    @abstractmethod
    def split_of(self, index: int) -> str:
        """The split of one image, "" where the dataset has none."""

    @abstractmethod
    def describe(self, index: int) -> str:
        """Where one image lies, for messages."""

    @abstractmethod
    def has_labels(self, index: int) -> bool:
        """Whether one image has a class map; reads no pixels."""

    @abstractmethod
    def image(self, index: int) -> Image:
        """One image, H x W x C, oriented by EXIF; its class map is not read."""

    def data(self, index: int) -> PixelData:
        """One image as `image` gives it, with the map of the pixels that hold data."""
        return PixelData(self.image(index))

    @property
    def bands(self) -> tuple[str, ...]:
        """The names of the channels, where they are known."""
        return ()

    def with_bands(self, bands: tuple[str, ...]) -> Self:
        """The dataset with these channels; as it is where none are named.

        Raises:
            DataError: Its images have no names of bands.
        """
        if bands and bands != self.bands:
            raise DataError(f"{self.source}: has no bands by name, {list_names(bands)} needed")
        return self

    def cut_large_images(self) -> Self:
        """The dataset with windows in place of images that are too large to be read whole."""
        return self

    def with_slices(self, number: int) -> Self:
        """The dataset whose images are `number` neighbouring slices of volumes, as channels.

        Raises:
            DataError: Its images are not slices of volumes.
        """
        if number > 1:
            raise DataError(
                f"{self.source}: its images are not slices of volumes, and the model takes "
                f"{number} neighbouring slices"
            )
        return self

    def with_input(self, spec: InputSpec) -> Self:
        """The dataset with the channels that a network takes: its bands and slices.

        Raises:
            DataError: Its images have no such channels.
        """
        return self.with_bands(spec.bands).with_slices(spec.slices)

    @property
    def bands_by_order(self) -> tuple[str, ...]:
        """The names of the channels, where the files tell them by their order alone."""
        return ()

    @abstractmethod
    def labels(self, index: int) -> LabelMap:
        """The class map of one image, H x W: with several annotators, the majority.

        IGNORE where the image holds no data.

        Raises:
            DataError: The image has no class map, or a value in it is not in the codec.
        """

    def label_strips(self, index: int) -> Iterator[LabelMap]:
        """The rows of `labels` from top to bottom: those of a large image some at a time."""
        yield self.labels(index)

    @abstractmethod
    def subset(self, split: str) -> Self:
        """The images of one split.

        Raises:
            DataError: There is no such split; the message lists those there are.
        """

    @property
    def name(self) -> str:
        """A short name, for titles and reports."""
        return Path(self.source).resolve().name

    @property
    def splits(self) -> dict[str, int]:
        """Number of images in each split."""
        return dict(Counter(map(self.split_of, range(len(self)))))

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> Sample:
        """One Sample; its constructor checks that image and class map have one size."""
        image_HWC, valid_HW = self.data(index)
        return Sample(
            key=self.keys[index],
            group=self.groups[index],
            image_HWC=image_HWC,
            labels_HW=self.labels(index) if self.has_labels(index) else None,
            valid_HW=valid_HW,
        )

    def size_HW(self, index: int) -> tuple[int, int]:
        """Rows and columns of one image."""
        height, width = self.image(index).shape[:2]
        return height, width

    def image_kind(self, index: int) -> ImageKind:
        """Channels and type of the values of one image."""
        image_HWC = self.image(index)
        return ImageKind(image_HWC.shape[2], str(image_HWC.dtype))

    def image_file(self, index: int) -> ImageFile | None:  # noqa: ARG002 - a default
        """One image, opened for what its header states; None where it is not a file."""
        return None

    def unpacked_bytes(self, index: int) -> Mapping[Path, int]:  # noqa: ARG002 - a default
        """The files that are unpacked whole to read one Sample, and their bytes then."""
        return {}

    def mask_file(self, index: int) -> ImageRef | None:  # noqa: ARG002 - a default
        """The mask of one image; None where its labels are not pixels of one file."""
        return None

    def require_one_place(self, progress: Progress = silent) -> None:
        """Require labels that lie where their images lie, else DataError with the fix."""

    def image_digest(self, index: int) -> bytes:
        """A hash that two images share only where they are equal."""
        pixels_HWC = np.ascontiguousarray(self.image(index))
        return hashlib.blake2b(pixels_HWC.data).digest()
