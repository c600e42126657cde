"""Choose the training and the validation split."""

from maskwright.core.errors import DataError
from maskwright.data.dataset import Dataset
from maskwright.pages.text import format_count

from .recipe import Settings

TRAIN_NAMES = ("train", "training")
VAL_NAMES = ("val", "valid", "validation")


def choose_splits(dataset: Dataset, settings: Settings) -> tuple[str, str]:
    """Choose the names of the training and the validation split: as set, else by usual names.

    A test split is never chosen: a model selected on it would be scored on it.

    Raises:
        DataError: The dataset has no split for one of the two.
    """
    train = settings.get("data.train_split") or _find(TRAIN_NAMES, dataset)
    val = settings.get("data.val_split") or _find(VAL_NAMES, dataset)
    if train is None or val is None:
        missing = "data.train_split" if train is None else "data.val_split"
        raise DataError(
            f"{dataset.source}: {format_count(len(dataset), 'image')} and no split for "
            f"{missing}; there are {', '.join(dataset.splits)}; name one with "
            f"--set {missing}=NAME, or add images and make splits with `maskwright split`"
        )
    return str(train), str(val)


def select_labelled(dataset: Dataset, split: str) -> Dataset:
    """Select the images of `split` and require that all have masks.

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


def _find(names: tuple[str, ...], dataset: Dataset) -> str | None:
    return next((n for n in names if n in dataset.splits), None)
