"""Scores of each image alone, averaged over images: every image weighs the same."""

from collections.abc import Sequence

from .. import per_image
from ..counts import Counts, Scores
from ..family import ScoreDetail, ScoredImage, ScoreText

TITLE = ""
ORDER = 10
WEIGHTS = ("image_num:class:iou",)
TEXTS: dict[str, ScoreText] = {}
"""Pages show `image_mean_x` beside `x`, in the words for `x`."""


def is_on(detail: ScoreDetail) -> bool:
    """Always."""
    return True


def count(image: ScoredImage, detail: ScoreDetail) -> Counts:
    """Nothing: what is counted are the scores of other families."""
    return {}


def count_means(scores: Sequence[Scores]) -> Counts:
    """Each score of one image as a sum and a number of images."""
    return per_image.count(scores)


def scores(counts: Counts, detail: ScoreDetail) -> Scores:
    """`image_mean_miou`, `image_mean_iou` of each class, and so on; see `metrics.per_image`."""
    return per_image.scores(counts)
