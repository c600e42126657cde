"""Open one labelled image of a dataset, to be written in another format."""

from ..classes.mapping import ClassMapping
from ..dataset import FolderDataset
from ..entries.picture import Picture, find_background
from ..entries.sizes import require_one_place, require_one_size
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
        DataError: It has no labels, or they are of another size or lie at another place.
    """
    entry = dataset.entries[index]
    if not dataset.align:
        require_one_place(entry)
    labels_HW = dataset.labels(index)
    if entry.labels is not None:
        size_HW = image_size(entry.image)
        require_one_size(entry, entry.labels, mask_HW=labels_HW.shape, image_HW=size_HW)
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
