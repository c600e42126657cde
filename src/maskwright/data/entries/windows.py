"""Entries of large images cut into those of windows, of which each is read alone."""

from dataclasses import replace

from ...core.errors import DataError, MissingDependencyError
from ..pixels.imageref import ImageRef
from ..pixels.images import open_image
from ..pixels.strips import is_large
from ..pixels.window import list_windows
from .scan import Entry


def cut_entry(entry: Entry) -> list[Entry]:
    """The windows of an entry whose image is large, else the entry.

    Only files are cut that can be read in windows, with one mask or none. What cannot be read
    is not cut.
    """
    mask = entry.labels
    if entry.votes or not (mask is None or isinstance(mask, ImageRef)):
        return [entry]
    try:
        images = [open_image(file) for file in (entry.image, mask) if file is not None]
        size_HW = images[0].size_HW
        alike = is_large(size_HW) and all(image.size_HW == size_HW for image in images)
        if not alike or not images[0].reads_windows:
            return [entry]
    except (DataError, MissingDependencyError):  # reading it says what is wrong
        return [entry]
    return [
        replace(
            entry,
            key=f"{entry.key}__{window[0]}_{window[2]}",
            image=replace(entry.image, window=window),
            labels=None if mask is None else replace(mask, window=window),
        )
        for window in list_windows(size_HW)
    ]
