"""What predict writes, all of it of the image's own size and orientation.

classes/<key>.png      palette PNG; a pixel is a class index
classes/<key>.tif      in its place for a GeoTIFF image: a palette TIFF with those of its tags
                       that place it on the ground
classes/dataset.yaml   names and colours of the classes, for `score` and `measure`; of refined
                       maps also the model and how they were refined, as `source`
overlay/<key>.png      the image under the colours of its classes
confidence/<key>.png   palette PNG; a pixel is round(255 x confidence), dark is unsure
coverage.csv           image, class, pixels, percent: one line per image and class
"""

import csv
import io
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.codec import LabelCodec
from ..core.errors import DataError
from ..core.labels import LabelSpec
from ..core.prediction import Prediction
from ..data.classes.codec import write_dataset_file
from ..data.classes.dataset_yaml import FILE_NAME, DatasetFile
from ..data.georef.geotags import Tag
from ..pages.pictures import draw_overlay, encode_indexed_png, encode_png, heat_palette, to_rgb

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
        tags: Sequence[Tag] = (),
    ) -> NDArray[np.int64]:
        """Write the outputs of one image; gives back its pixels per class, shape (C,).

        `tags` place the image on the ground.
        """
        labels_HW = prediction.labels_HW
        sureness_HW = np.rint(prediction.confidence_HW * 255).astype(np.uint8)
        shown_HW3 = draw_overlay(to_rgb(image_HWC), labels_HW, self._palette)
        if tags:
            content = _indexed_tiff(labels_HW, self._palette, tags, where=key)
            self._put("classes", f"{key}.tif", content)
        else:
            self._put("classes", f"{key}.png", encode_indexed_png(labels_HW, self._palette))
        self._put("overlay", f"{key}.png", encode_png(shown_HW3))
        self._put("confidence", f"{key}.png", encode_indexed_png(sureness_HW, self._heat))
        counts_C = np.bincount(labels_HW.ravel(), minlength=len(self._labels))
        for name, count in zip(self._labels.names, counts_C.tolist(), strict=True):
            self._table.writerow((key, name, count, f"{100 * count / labels_HW.size:.4f}"))
        return counts_C

    def _put(self, kind: str, name: str, content: bytes) -> None:
        path = self._folder / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _indexed_tiff(
    index_HW: NDArray[np.uint8], palette: NDArray[np.uint8], tags: Sequence[Tag], *, where: str
) -> bytes:
    """A palette TIFF file with these tags; the same bytes each time."""
    import tifffile

    file = io.BytesIO()
    try:
        tifffile.imwrite(
            file,
            index_HW,
            photometric="palette",
            colormap=palette.T.astype(np.uint16) * 257,
            compression="zlib",
            metadata=None,
            software=False,
            extratags=tags,
        )
    except (ValueError, TypeError, struct.error) as error:
        raise DataError(f"{where}: the georeference is damaged ({error})") from error
    return file.getvalue()


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
