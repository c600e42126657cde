"""Region scores: which pixels are right, per class and over all."""

from ...core import scores as region_scores
from ...core.scores import Margins, mean_present
from .. import region
from ..counts import Counts, Scores
from ..family import ScoreDetail, ScoredImage, ScoreText

TITLE = "Regions"
ORDER = 0
MAIN = "iou"
HAS_IMAGE_MEANS = True
COLUMNS = {"truth": "truth_px", "predicted": "predicted_px", "hit": "hit_px"}
TRUTH_COUNTS = ("truth",)
TEXTS = {
    "miou": ScoreText("mIoU", "overlap of truth and prediction, all classes with equal weight"),
    "pixel_accuracy": ScoreText("Pixel accuracy", "share of correct pixels"),
    "mean_dice": ScoreText("Mean Dice", "F1 of pixels, all classes with equal weight"),
    "mean_precision": ScoreText(
        "Mean precision", "share of the pixels predicted as a class that are of it"
    ),
    "mean_recall": ScoreText(
        "Mean recall", "share of the pixels of a class predicted as it; mAcc of MMSegmentation"
    ),
    "mean_accuracy": ScoreText(
        "Mean accuracy, one class against the rest",
        "share of pixels that are correctly a class, or not: near 100 % for rare classes",
    ),
    "micro_iou": ScoreText("Micro IoU", "IoU of the pixels of all classes pooled"),
    "frequency_weighted_iou": ScoreText(
        "Frequency-weighted IoU", "IoU weighted by share of truth"
    ),
    "cohens_kappa": ScoreText(
        "Cohen's kappa", "agreement beyond chance: 0 is chance, 1 is perfect", unit=""
    ),
    "iou": ScoreText("IoU"),
    "dice": ScoreText(),
    "precision": ScoreText(),
    "recall": ScoreText(),
    "accuracy": ScoreText(has_column=False),  # near 1 for every rare class
}


def is_on(detail: ScoreDetail) -> bool:
    """Always."""
    return True


def count(image: ScoredImage, detail: ScoreDetail) -> Counts:
    """`hit`, `truth` and `predicted` pixels, each (C,)."""
    return region.count(image.confusion)


def scores(counts: Counts, detail: ScoreDetail) -> Scores:
    """IoU, Dice, precision, recall and accuracy; see `metrics.region`."""
    return region.scores(counts)


def score_columns(counts: Counts) -> Scores:
    """IoU, its mean, and pixel accuracy: few, since permutations derive them 10,000 times."""
    margins = Margins(hit=counts["hit"], truth=counts["truth"], predicted=counts["predicted"])
    iou = region_scores.iou(margins)
    return Scores(
        overall={
            "miou": mean_present(iou),
            "pixel_accuracy": region_scores.pixel_accuracy(margins),
        },
        classes={"iou": iou},
    )
