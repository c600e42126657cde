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
