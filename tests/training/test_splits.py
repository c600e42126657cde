"""The splits of a run are chosen by name, on any dataset."""

import numpy as np
import pytest

from maskwright.core.errors import DataError
from maskwright.training.splits import choose_splits, select_labelled

from ..painted import painted

MAP = np.zeros((2, 2), np.uint8)


def test_validation_is_found_under_its_usual_names():
    dataset = painted({"training/a": MAP, "valid/b": MAP, "test/c": MAP})
    assert choose_splits(dataset, {}) == ("training", "valid")
    assert choose_splits(dataset, {"data.val_split": "test"}) == ("training", "test")


def test_a_missing_split_is_named_with_those_there_are():
    dataset = painted({"train/a": MAP, "test/c": MAP})
    with pytest.raises(
        DataError, match=r"^painted: 2 images .* data\.val_split; there are train, test;"
    ):
        choose_splits(dataset, {})


def test_an_image_without_labels_does_not_train():
    dataset = painted({"train/a": MAP, "train/b": None})
    with pytest.raises(DataError, match=r"^painted: b: has no mask, but split 'train' is used"):
        select_labelled(dataset, "train")


def test_a_dataset_of_one_image_cannot_train():
    with pytest.raises(DataError, match=r"^painted: 1 image and no split .* or add images"):
        choose_splits(painted({"train/a": MAP}), {})


FOLDS = {"fold0/a": MAP, "fold1/b": MAP, "fold2/c": MAP, "test/d": MAP}


def test_all_folds_but_the_one_of_validation_train():
    dataset = painted(FOLDS)
    names = ("fold0+fold2", "fold1")
    assert choose_splits(dataset, {"data.val_split": "fold1"}) == names
    of_another_fold = {"data.train_split": "fold1+fold2", "data.val_split": "fold1"}
    assert choose_splits(dataset, of_another_fold) == names
    chosen = {"data.train_split": "fold2", "data.val_split": "fold1"}
    assert choose_splits(dataset, chosen) == ("fold2", "fold1")


def test_of_folds_one_must_be_chosen():
    with pytest.raises(DataError, match=r"has folds; choose the one of .*--fold 0 to --fold 2"):
        choose_splits(painted(FOLDS), {})
