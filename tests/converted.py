"""Compares a converted dataset with the right answer by class name, pixel by pixel."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maskwright.core.labels import IGNORE
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_dataset

IGNORED_NAME = "IGNORE"


def read_names(folder: Path) -> dict[str, NDArray[np.object_]]:
    """Class name of each pixel of each image of a dataset, H x W, by key."""
    dataset = open_dataset(folder)
    table = _names_by_index(dataset.spec.names)
    return {key: table[dataset.labels(index)] for index, key in enumerate(dataset.keys)}


def assert_converts_to(
    source: Path, expected: Mapping[str, ArrayLike], names: Sequence[str]
) -> None:
    """Convert `source` to `mask_folder` beside it; every image must have the expected map.

    `expected` maps a key to class indices, H x W, 255 ignored, under `names`. The classes of
    the result may have another order, the keys must be the same.
    """
    target = source.parent / f"{source.name}.converted"
    convert(source, target, to="mask_folder")
    got = read_names(target)
    table = _names_by_index(names)
    assert sorted(got) == sorted(expected)
    for key, indices in expected.items():
        wanted = table[np.asarray(indices)]
        assert got[key].shape == wanted.shape, f"{key}: {got[key].shape} for {wanted.shape}"
        wrong = got[key] != wanted
        pairs = {(w, g) for w, g in zip(wanted[wrong], got[key][wrong], strict=True)}
        assert not wrong.any(), f"{key}: {wrong.sum()} of {wrong.size} pixels differ: {pairs}"


def _names_by_index(names: Sequence[str]) -> NDArray[np.object_]:
    table = np.full(256, "?", object)
    table[: len(names)] = names
    table[IGNORE] = IGNORED_NAME
    return table
