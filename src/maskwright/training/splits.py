"""Choose the training and the validation split."""

from collections.abc import Mapping
from typing import Any

from maskwright.core.errors import DataError
from maskwright.data.dataset import Dataset

TRAIN_NAMES = ("train", "training")
VAL_NAMES = ("val", "valid", "validation")


def choose_splits(dataset: Dataset, settings: Mapping[str, Any]) -> tuple[str, str]:
    """Names of the splits to train and to validate on, as set or as found.

    A test split is never used: a model chosen on it would be scored on it.

    Raises:
        DataError: There is no such split.
    """
    train = settings.get("data.train_split") or _first(TRAIN_NAMES, dataset)
    val = settings.get("data.val_split") or _first(VAL_NAMES, dataset)
    if train is None or val is None:
        missing = "data.train_split" if train is None else "data.val_split"
        raise DataError(
            f"{dataset.source}: {len(dataset)} image(s) and no split to take as {missing}; "
            f"there are {', '.join(dataset.splits)}; name one with --set {missing}=NAME, or "
            f"add images and make splits with `maskwright split`"
        )
    return train, val


def select_labelled(dataset: Dataset, split: str) -> Dataset:
    """The images of `split`, all with masks.

    Raises:
        DataError: There is no such split, or an image of it has no mask.
    """
    images = dataset.subset(split)
    for index in range(len(images)):
        if not images.has_labels(index):
            raise DataError(
                f"{images.describe(index)}: has no mask, but split {split!r} is used in "
                f"training"
            )
    return images


def _first(names: tuple[str, ...], dataset: Dataset) -> str | None:
    return next((n for n in names if n in dataset.splits), None)
