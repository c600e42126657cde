"""Masks of one image by several annotators: one vote each for every pixel, and the majority.

The majority is the class with the most votes, votes for IGNORE not counted. A tie is IGNORE: a
score there would reward chance. The votes keep both classes of a tie, and a loss can use them.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ...core.codec import LabelCodec
from ...core.errors import DataError
from ...core.image import ValidMap
from ...core.labels import IGNORE, LabelMap
from ..pixels.imageref import ImageRef
from ..pixels.resample import read_aligned
from .annotation import Labels, decode_mask, read_label_strips, read_labels
from .scan import Entry


def read_votes(entry: Entry, codec: LabelCodec, *, align: bool = False) -> NDArray[np.uint8]:
    """Read the LabelMaps (A, H, W) of all annotators; IGNORE where one drew no mask.

    With `align`, masks that do not lie where the image lies are resampled to its grid.

    Raises:
        DataError: No mask, one that is unreadable or has a value that is not in the codec, or
            masks of different sizes.
    """
    if not entry.masks:
        raise DataError(f"{entry.image}: has no mask")

    def read(labels: Labels) -> LabelMap:
        raw_HW = read_labels(labels, codec)
        if isinstance(labels, ImageRef):
            return decode_mask(codec, raw_HW, labels, keep_listed=True)
        return codec.decode(raw_HW, where=str(labels))

    maps = {
        mask: read_aligned(read, mask, entry.image)
        if align and isinstance(mask, ImageRef)
        else read(mask)
        for mask in entry.masks
    }
    (first, first_HW), *others = maps.items()
    for path, labels_HW in others:
        if labels_HW.shape != first_HW.shape:
            raise DataError(
                f"{path}: mask is {labels_HW.shape} (H, W), {first} of the same image is "
                f"{first_HW.shape}; save both at the size of the image"
            )
    nothing_HW = np.full_like(first_HW, IGNORE)
    return np.stack(
        [nothing_HW if path is None else maps[path] for path in entry.votes or (first,)]
    )


def read_vote_strips(entry: Entry, codec: LabelCodec) -> Iterator[NDArray[np.uint8]]:
    """Read LabelMaps as `read_votes` does, some rows at a time where a single mask is large."""
    mask = entry.labels
    if entry.votes or not isinstance(mask, ImageRef):
        yield read_votes(entry, codec)
        return
    for raw_HW in read_label_strips(mask, codec):
        yield decode_mask(codec, raw_HW, mask, keep_listed=True)[None]


def ignore_invalid(
    labels_AHW: NDArray[np.uint8], valid_HW: ValidMap | None
) -> NDArray[np.uint8]:
    """Labels (..., H, W) with IGNORE where the image holds no data.

    Unchanged where sizes differ, which is refused with both names elsewhere.
    """
    if valid_HW is None or valid_HW.shape != labels_AHW.shape[-2:]:
        return labels_AHW
    return np.where(valid_HW, labels_AHW, np.uint8(IGNORE))


def majority_vote(votes_AHW: NDArray[np.uint8]) -> LabelMap:
    """The class with the most votes at each pixel; IGNORE for a tie or without a vote."""
    if len(votes_AHW) == 1:
        only_HW: LabelMap = votes_AHW[0]
        return only_HW
    valid_AHW = votes_AHW != IGNORE
    alike = [(votes_AHW == vote_HW).sum(axis=0, dtype=np.uint16) for vote_HW in votes_AHW]
    backers_AHW = np.stack(alike) * valid_AHW
    leading_AHW = valid_AHW & (backers_AHW == backers_AHW.max(axis=0))
    lowest_HW = np.where(leading_AHW, votes_AHW, IGNORE).min(axis=0)
    highest_HW = np.where(leading_AHW, votes_AHW, 0).max(axis=0)
    labels_HW: LabelMap = np.where(lowest_HW == highest_HW, lowest_HW, np.uint8(IGNORE))
    return labels_HW
