"""images.csv: the counts of every image and class, from which all pairs of reports compare.

One line per image and class that occurs in its truth or prediction; an image without a counted
pixel has one line with an empty class. `truth_hash` is that of the image's truth map. Lines are
held compressed: those of 5,000 images of 10 classes take some hundred kilobytes.
"""

import io
import zlib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.labels import LabelSpec
from ..metrics.family import all_families
from ..pages.csvfile import write_rows

NAME = "images.csv"
KEY_COLUMNS = ("key", "group", "class")
TRUTH_HASH = "truth_hash"


@cache
def columns() -> Mapping[str, str]:
    """Name of the counts -> column, of all families in order.

    Columns of what was not counted are left out of a file.
    """
    return {n: c for family in all_families().values() for n, c in family.COLUMNS.items()}


class ImageTable:
    """Lines of images.csv, added one image at a time."""

    def __init__(self, labels: LabelSpec) -> None:
        self._labels = labels
        self._counted: list[str] = []
        self._compressor = zlib.compressobj()
        self._chunks: list[bytes] = []

    def add(
        self, key: str, group: str, counts: Mapping[str, NDArray[Any]], *, truth_hash: str
    ) -> None:
        """Add one image; all have the same names of counts."""
        text = io.StringIO()
        write_row = write_rows(text)
        if not self._counted:
            self._counted = [name for name in columns() if name in counts]
            heads = map(columns().get, self._counted)
            write_row((*KEY_COLUMNS, TRUTH_HASH, *heads))
        arrays = [counts[name] for name in self._counted]
        present = np.flatnonzero(counts["truth"] + counts["predicted"]).tolist()
        for index in present:
            numbers = [int(array[index]) for array in arrays]
            write_row((key, group, self._labels.names[index], truth_hash, *numbers))
        if not present:
            write_row((key, group, "", truth_hash, *[0] * len(arrays)))
        lines = text.getvalue().encode("utf-8", "surrogateescape")
        self._chunks.append(self._compressor.compress(lines))

    def __iter__(self) -> Iterator[bytes]:
        """The content of the file, piece by piece."""
        ending = self._compressor.copy().flush()
        decompressor = zlib.decompressobj()
        for chunk in (*self._chunks, ending):
            yield decompressor.decompress(chunk)
        yield decompressor.flush()
