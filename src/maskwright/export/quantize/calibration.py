"""Calibration images: few, and with all classes in them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.labels import IGNORE
from ...core.progress import Progress
from ...data.protocol import Dataset

NUM_IMAGES = 32
_NUM_READ = 256
"""Class maps that are read, evenly spread over the dataset."""
_EACH = 4
"""Images in which each class occurs, where the dataset has as many."""


@dataclass(frozen=True, slots=True)
class CalibrationImages:
    """Indices in a dataset, and the names of the classes that occur in none of the images."""

    indices: tuple[int, ...]
    missing: tuple[str, ...]


def choose_calibration(dataset: Dataset, progress: Progress) -> CalibrationImages:
    """Choose images so that each class is in some of them, then evenly spread ones.

    Raises:
        DataError: A class map cannot be read.
    """
    spread = np.linspace(0, len(dataset) - 1, min(_NUM_READ, len(dataset))).round().astype(int)
    read = [int(index) for index in np.unique(spread)]
    num_classes = len(dataset.spec)
    present_NC = np.zeros((len(read), num_classes), bool)
    for row, index in enumerate(progress(read, total=len(read), what="choosing images")):
        found = np.unique(dataset.labels(index))
        present_NC[row, found[found != IGNORE]] = True
    rows = cover(present_NC, each=_EACH)
    others = [row for row in range(len(read)) if row not in set(rows)]
    room = max(0, min(NUM_IMAGES, len(read)) - len(rows))
    filled = [others[i] for i in np.linspace(0, len(others) - 1, room).astype(int)]
    absent = np.flatnonzero(~present_NC.any(axis=0))
    return CalibrationImages(
        indices=tuple(sorted({read[row] for row in (*rows, *filled)})),
        missing=tuple(dataset.spec.names[index] for index in absent),
    )


def cover(present_NC: NDArray[np.bool_], *, each: int) -> Sequence[int]:
    """Rows in which each column is set `each` times, or as often as it is; chosen greedily.

    Each time the row with the most columns that still lack rows is taken, the first of equals.
    """
    lacking_C = np.minimum(present_NC.sum(axis=0), each)
    rows: list[int] = []
    free_N = np.ones(len(present_NC), bool)
    while lacking_C.any():
        gain_N = np.where(free_N, (present_NC & (lacking_C > 0)).sum(axis=1), -1)
        best = int(gain_N.argmax())
        rows.append(best)
        free_N[best] = False
        lacking_C = np.maximum(lacking_C - present_NC[best], 0)
    return rows
