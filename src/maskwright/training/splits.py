"""Choose the training and the validation split."""

from maskwright.core.errors import DataError
from maskwright.data.dataset import Dataset
from maskwright.data.opening.splitfile import list_folds
from maskwright.pages.text import format_count

from .recipe import Settings

TRAIN_NAMES = ("train", "training")
VAL_NAMES = ("val", "valid", "validation")


def choose_splits(dataset: Dataset, settings: Settings) -> tuple[str, str]:
    """Choose the names of the training and the validation split: as set, else by usual names.

    Where the validation split is a fold, all other folds train, unless splits without that fold
    are set. A test split is never chosen: a model selected on it would be scored on it.

    Raises:
        DataError: The dataset has no split for one of the two.
    """
    train = settings.get("data.train_split") or _find(TRAIN_NAMES, dataset)
    val = settings.get("data.val_split") or _find(VAL_NAMES, dataset)
    folds = list_folds(dataset.splits)
    if val in folds and (train is None or val in str(train).split("+")):
        train = "+".join(name for name in folds if name != val)
    if folds and not (train and val):
        raise DataError(
            f"{dataset.source}: has folds; choose the one of validation, --fold 0 to "
            f"--fold {len(folds) - 1}"
        )
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
