"""Open one labelled image of a dataset, to be written in another format."""

from ...core.errors import DataError
from ..classes.mapping import ClassMapping
from ..dataset import FolderDataset
from ..entries.picture import Picture, find_background
from ..pixels.images import image_size
from ..shapes.raster import Raster


def open_picture(
    dataset: FolderDataset,
    index: int,
    mapping: ClassMapping | None = None,
    *,
    outlined: Raster | None = None,
) -> Picture:
    """Open the image at one index of a dataset, in the classes of `mapping`.

    `outlined` is the rule that fills polygons, where all regions are written as polygons.

    Raises:
        DataError: It has no labels, or they are of another size.
    """
    entry = dataset.entries[index]
    labels_HW = dataset.labels(index)
    if image_size(entry.image) != labels_HW.shape:
        raise DataError(
            f"{entry.image}: image is {image_size(entry.image)} (H, W), labels are "
            f"{labels_HW.shape}; `maskwright check` lists all of them"
        )
    codec = dataset.codec if mapping is None else mapping.codec(dataset.codec)
    return Picture(
        entry=entry,
        codec=codec,
        before_HW=labels_HW,
        labels_HW=labels_HW if mapping is None else mapping.table[labels_HW],
        background=find_background(codec),
        outlined=outlined,
        fingerprint=lambda: dataset.fingerprint,
    )
