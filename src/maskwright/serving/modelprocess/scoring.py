"""Score a class map that was predicted before against its truth, which a client sends."""

import json
from pathlib import Path

import numpy as np

from ...core.confusion import Confusion
from ...core.errors import DataError
from ...core.labels import IGNORE, LabelMap, LabelSpec
from ...data.pixels.imageref import ImageRef
from ...data.pixels.rawmask import read_raw
from ..messages import Outcome, Task


def score_truth(task: Task, body: bytes, folder: Path, labels: LabelSpec) -> Outcome:
    """The pixel counts, rows are truth; pixels without data in either are left out.

    The last `map_bytes` of the body are the predicted class map, before them is the truth: a
    PNG of class indices, in which 255 is not labelled.

    Raises:
        DataError: The truth cannot be read, has another size, or another value than a class.
    """
    at = len(body) - task.map_bytes
    truth, predicted = folder / "truth.png", folder / "predicted.png"
    truth.write_bytes(body[:at])
    predicted.write_bytes(body[at:])
    size_HW, confusion = compare_with_truth(truth, predicted, len(labels), where=task.name)
    counts = json.dumps(confusion.counts_CC.tolist())
    return Outcome(id=task.id, size_HW=size_HW, body=counts.encode())


def compare_with_truth(
    truth: Path, predicted: Path, num_classes: int, *, where: str
) -> tuple[tuple[int, int], Confusion]:
    """The size (H, W) and the confusion of two files of class indices; raises DataError."""
    truth_HW = _read(truth, where)
    predicted_HW = _read(predicted, "the predicted class map")
    if truth_HW.shape != predicted_HW.shape:
        raise DataError(
            f"{where}: is {truth_HW.shape} (H, W), its prediction is {predicted_HW.shape}"
        )
    known_HW = np.where(predicted_HW == IGNORE, np.uint8(IGNORE), truth_HW)
    height, width = truth_HW.shape
    return (height, width), Confusion.from_labels(known_HW, predicted_HW, num_classes)


def _read(file: Path, name: str) -> LabelMap:
    raw_HW = read_raw(ImageRef(file, alias=Path(name)), "index")
    if int(raw_HW.min()) < 0 or int(raw_HW.max()) > IGNORE:
        raise DataError(f"{name}: holds {int(raw_HW.max())}; use class indices and 255")
    return np.asarray(raw_HW, np.uint8)
