"""The dataset of a run: training images, validation images, and facts of the former."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from maskwright.core.progress import Progress
from maskwright.data.dataset import Dataset, open_dataset
from maskwright.data.facts import Facts, measure_facts

from .recipe import Settings
from .splits import choose_splits, select_labelled


@dataclass(frozen=True, slots=True)
class TrainingData:
    """A dataset, the names of its training and validation split, and their images.

    `facts` are measured on the training images.
    """

    dataset: Dataset
    split_names: tuple[str, str]
    train: Dataset
    val: Dataset
    facts: Facts

    @classmethod
    def read(cls, path: Path | str, settings: Settings, progress: Progress) -> Self:
        """Open a dataset and measure it; `settings` may name the two splits.

        Raises:
            DataError: The dataset is not fit for training.
        """
        dataset = open_dataset(path, progress=progress)
        names = choose_splits(dataset, settings)
        train, val = (select_labelled(dataset, name) for name in names)
        return cls(dataset, names, train, val, measure_facts(train, progress))
