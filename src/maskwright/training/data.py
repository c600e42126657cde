"""The dataset of a run: training images, validation images, and facts of the former."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from maskwright.core.errors import ConfigError, DataError
from maskwright.core.labels import IGNORE
from maskwright.core.progress import Progress
from maskwright.data.dataset import Dataset, FolderDataset, open_dataset
from maskwright.data.facts import Facts, measure_facts, require_one_kind
from maskwright.pages.text import format_count

from .recipe import Settings
from .splits import choose_splits, select_labelled


@dataclass(frozen=True, slots=True)
class TrainingData:
    """A dataset, the names of its training and validation split, and their images.

    `facts` are measured on the training images, of each slice by itself. `conversion` says
    which images are converted to the channels of the network, "" where none is.
    """

    dataset: Dataset
    split_names: tuple[str, str]
    train: Dataset
    val: Dataset
    facts: Facts
    conversion: str = ""

    @classmethod
    def read(
        cls,
        path: Path | str,
        settings: Settings,
        progress: Progress,
        *,
        allow_outside: bool = False,
        before_measuring: Callable[[Dataset, Dataset], None] | None = None,
    ) -> Self:
        """Open a dataset and measure it; `settings` may name the two splits.

        Grey and RGB images are converted to one kind, to `input.channels` where
        `settings` have it. With `allow_outside`, paths in dataset.yaml may lead out of its
        folder. `before_measuring` takes the training and the validation images, and may refuse
        before all are read.

        Raises:
            DataError: The dataset is not fit for training.
        """
        slices = read_slices(settings.get("input.slices", 1))
        dataset = open_dataset(path, allow_outside=allow_outside, progress=progress)
        if bands := settings.get("input.bands"):
            dataset = _choose_bands(dataset, read_bands(bands))
        names = choose_splits(dataset, settings)
        train, val = (select_labelled(dataset, name) for name in names)
        if before_measuring is not None:
            before_measuring(train, val)
        for part in (train, val):
            part.require_one_place(progress)
        _require_labelled_pixel(val, names[1])
        train, val = (part.cut_large_images() for part in (train, val))
        given = settings.get("input.channels")
        channels = given if isinstance(given, int) else None
        kind = require_one_kind((train, val), channels=channels, progress=progress)
        if kind.converted:
            channels = kind.kind.channels
        facts = measure_facts(train, progress, channels=channels)
        train, val = (part.with_slices(slices) for part in (train, val))
        return cls(dataset, names, train, val, facts, str(kind) if kind.converted else "")


def read_bands(given: object) -> tuple[str, ...]:
    """The names of bands in a setting."""
    if not isinstance(given, list | tuple) or not all(isinstance(b, str) for b in given):
        raise ConfigError(f"input.bands is a list of names, [B04, B08, NDVI], got {given!r}")
    return tuple(given)


def read_slices(given: object) -> int:
    """The number of slices in a setting."""
    if not isinstance(given, int) or given < 1 or given % 2 == 0:
        raise ConfigError(
            f"input.slices is odd, a slice and as many on both sides (3, 5), got {given!r}"
        )
    return given


def _choose_bands(dataset: FolderDataset, bands: tuple[str, ...]) -> FolderDataset:
    """The dataset with these channels.

    Raises:
        ConfigError: The files tell channels by their order alone, and it is another one: those
            of an image to predict could not be told apart.
    """
    given = dataset.bands_by_order
    if given and bands != given:
        raise ConfigError(
            f"input.bands is {', '.join(bands)}, and the files tell their channels by order "
            f"alone: {', '.join(given)}; take all in this order, or name the files by channel "
            f"(case_T1.nii.gz)"
        )
    return dataset.with_bands(bands)


def _require_labelled_pixel(val: Dataset, split: str) -> None:
    """Require a pixel that validation can score; stops at the first image that has one."""
    parts = val.cut_large_images()
    if all((parts.labels(index) == IGNORE).all() for index in range(len(parts))):
        raise DataError(
            f"{val.source}: no pixel of the {format_count(len(val), 'image')} of split "
            f"{split!r} is labelled, so no epoch can be chosen; label some, or draw other "
            f"splits with `maskwright split`"
        )
