"""Which images teach and which ones judge: the recipe's splits, or a part held out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from maskwright.core.errors import DataError
from maskwright.core.progress import Progress, silent
from maskwright.data.dataset import Dataset
from maskwright.data.stratify import assign_splits, count_classes

HELD_OUT = "none"
"""As `data.val_split`: hold out a part of the training split, by group."""

HOLDOUT_RATIO = 0.15
TRAIN_NAMES = ("train", "training")
VAL_NAMES = ("val", "valid", "validation")


def choose_splits(dataset: Dataset, settings: Mapping[str, Any]) -> tuple[str, str]:
    """Names of the splits to train and to validate on, as set or as found.

    A test split is never used: a model chosen on it would be scored on it.

    Raises:
        DataError: No training split.
    """
    found = dataset.splits
    train = settings.get("data.train_split") or _first(TRAIN_NAMES, found)
    if train is None:
        raise DataError(
            f"{dataset.root}: no split named train; there are {', '.join(found)}; name one "
            f"with --set data.train_split=NAME, or make splits with `maskwright split`"
        )
    return train, settings.get("data.val_split") or _first(VAL_NAMES, found) or HELD_OUT


def take_splits(
    dataset: Dataset, names: tuple[str, str], progress: Progress = silent
) -> tuple[Dataset, Dataset]:
    """Training and validation images.

    Raises:
        DataError: A split is missing, unlabelled, or too small to hold anything out.
    """
    train = dataset.subset(names[0])
    for entry in train.entries:
        if entry.labels is None:
            raise DataError(f"{entry.image}: has no mask, and split {entry.split!r} trains")
    if names[1] != HELD_OUT:
        return train, dataset.subset(names[1])
    groups = [entry.group for entry in train.entries]
    if len(set(groups)) < 2:
        raise DataError(
            f"{dataset.root}: split {names[0]!r} has {len(train)} image(s) of one "
            f"group, so none can be held out to validate on; add images, or name another "
            f"split with --set data.val_split=NAME"
        )
    present_NC = count_classes(train.entries, train.codec, progress) > 0
    shares = {"train": 1 - HOLDOUT_RATIO, "val": HOLDOUT_RATIO}
    sides = assign_splits(groups, present_NC, shares, seed=0)
    return _those(train, sides, "train"), _those(train, sides, "val")


def _first(names: tuple[str, ...], found: dict[str, int]) -> str | None:
    return next((n for n in names if n in found), None)


def _those(dataset: Dataset, sides: list[str], wanted: str) -> Dataset:
    kept = (e for e, n in zip(dataset.entries, sides, strict=True) if n == wanted)
    return replace(dataset, entries=tuple(kept))
