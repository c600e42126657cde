"""Scores by distance to the nearest class border: the trimap curve of Kohli et al. 2009."""

from .. import bands
from ..counts import Counts, Scores
from ..family import ScoreDetail, ScoredImage, ScoreText

TITLE = "Boundaries"
ORDER = 30
CURVE_WEIGHTS = ("band_truth", "band_predicted")
TEXTS = {
    "trimap_miou": ScoreText(
        "mIoU near borders", "of the pixels at most so far from a class border"
    ),
    "distance_miou": ScoreText(
        "mIoU by distance", "of the pixels in each band along class borders"
    ),
}


def count(image: ScoredImage, detail: ScoreDetail) -> Counts:
    """Pixels by class and band of distance, (C, 7)."""
    return bands.count(*image.maps)


def scores(counts: Counts, detail: ScoreDetail) -> Scores:
    """The curves `trimap_miou` and `distance_miou`; see `metrics.bands`."""
    return bands.scores(counts)
