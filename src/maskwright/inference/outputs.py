"""What predict writes, all of it of the image's own size and orientation.

classes/<key>.png      palette PNG; a pixel is a class index
classes/dataset.yaml   names and colours of the classes, for `score` and `measure`; of refined
                       maps also the model and how they were refined, as `source`
overlay/<key>.png      the image under the colours of its classes
confidence/<key>.png   palette PNG; a pixel is round(255 x confidence), dark is unsure
coverage.csv           image, class, pixels, percent: one line per image and class
"""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.codec import LabelCodec
from ..core.display import heat_palette, indexed_png, overlay, rgb_png, to_rgb
from ..core.labels import LabelSpec
from ..core.prediction import Prediction
from ..data.schema import FILE_NAME, DatasetFile, write_dataset_file

COVERAGE = "coverage.csv"
COLUMNS = ("image", "class", "pixels", "percent")


class OutputWriter:
    """Writes one image at a time into `folder`."""

    def __init__(self, folder: Path, labels: LabelSpec, table: Any) -> None:
        self._folder = folder
        self._labels = labels
        self._palette = labels.palette
        self._heat = heat_palette()
        self._table = table

    def write(
        self,
        key: str,
        image_HWC: NDArray[np.uint8] | NDArray[np.uint16],
        prediction: Prediction,
    ) -> NDArray[np.int64]:
        """Write the outputs of one image; gives back its pixels per class, shape (C,)."""
        labels_HW = prediction.labels_HW
        sureness_HW = np.rint(prediction.confidence_HW * 255).astype(np.uint8)
        shown_HW3 = overlay(to_rgb(image_HWC), labels_HW, self._palette)
        self._put("classes", key, indexed_png(labels_HW, self._palette))
        self._put("overlay", key, rgb_png(shown_HW3))
        self._put("confidence", key, indexed_png(sureness_HW, self._heat))
        counts_C = np.bincount(labels_HW.ravel(), minlength=len(self._labels))
        for name, count in zip(self._labels.names, counts_C.tolist(), strict=True):
            self._table.writerow((key, name, count, f"{100 * count / labels_HW.size:.4f}"))
        return counts_C

    def _put(self, kind: str, key: str, content: bytes) -> None:
        path = self._folder / kind / f"{key}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@contextmanager
def output_writer(
    folder: Path, labels: LabelSpec, source: str | None = None
) -> Iterator[OutputWriter]:
    """A writer into `folder`; coverage.csv is complete when the block ends."""
    document = DatasetFile(source=source)
    write_dataset_file(folder / "classes" / FILE_NAME, document, LabelCodec.identity(labels))
    with (folder / COVERAGE).open(
        "w", newline="", encoding="utf-8", errors="surrogateescape"
    ) as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        yield OutputWriter(folder, labels, table)
