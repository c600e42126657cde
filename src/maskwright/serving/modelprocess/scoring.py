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
    truth_HW = _read(body[:at], folder / "truth.png", task.name)
    predicted_HW = _read(body[at:], folder / "predicted.png", "the predicted class map")
    if truth_HW.shape != predicted_HW.shape:
        raise DataError(
            f"{task.name}: is {truth_HW.shape} (H, W), its prediction is {predicted_HW.shape}"
        )
    known_HW = np.where(predicted_HW == IGNORE, np.uint8(IGNORE), truth_HW)
    counts_CC = Confusion.from_labels(known_HW, predicted_HW, len(labels)).counts_CC
    return Outcome(
        id=task.id, size_HW=truth_HW.shape, body=json.dumps(counts_CC.tolist()).encode()
    )


def _read(content: bytes, file: Path, name: str) -> LabelMap:
    file.write_bytes(content)
    raw_HW = read_raw(ImageRef(file, alias=Path(name)), "index")
    if int(raw_HW.min()) < 0 or int(raw_HW.max()) > IGNORE:
        raise DataError(f"{name}: holds {int(raw_HW.max())}; use class indices and 255")
    return np.asarray(raw_HW, np.uint8)
