"""Scores of each image alone, averaged over images: every image weighs the same.

Not the same number as over the set, where every pixel weighs the same. An image in which a
score does not exist (the class is absent there) is left out of that score's average.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.scores import ratio
from .counts import Counts, Scores

PREFIX = "image_mean_"
_SUM, _NUM = "image_sum:", "image_num:"
_CLASS = "class:"


def count(families: Iterable[Scores]) -> dict[str, NDArray[Any]]:
    """Count the scores of one image as a sum and a number of images, both additive."""
    counts: dict[str, NDArray[Any]] = {}
    for scores in families:
        for name, value in scores.overall.items():
            counts |= _count_score(name, value)
        for name, value in scores.classes.items():
            counts |= _count_score(_CLASS + name, value)
    return counts


def scores(counts: Counts) -> Scores:
    """`image_mean_miou`, `image_mean_dice`... of the set, `image_mean_iou`... per class.

    What an image averages over its classes, `mean_dice`, becomes `image_mean_dice`.
    """
    means = {
        name.removeprefix(_SUM): ratio(total, counts[_NUM + name.removeprefix(_SUM)])
        for name, total in counts.items()
        if name.startswith(_SUM)
    }
    return Scores(
        overall={
            PREFIX + n.removeprefix("mean_"): v
            for n, v in means.items()
            if not n.startswith(_CLASS)
        },
        classes={
            PREFIX + n.removeprefix(_CLASS): v for n, v in means.items() if n.startswith(_CLASS)
        },
    )


def _count_score(name: str, value: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    exists = ~np.isnan(value)
    return {
        _SUM + name: np.where(exists, value, 0.0),
        _NUM + name: exists.astype(np.int64),
    }
