"""Calibration of a model: whether 80 % of the pixels with confidence 0.8 are correct."""

from .. import calibration
from ..counts import Counts, Scores
from ..family import ScoreDetail, ScoredImage, ScoreText

TITLE = "Confidence"
ORDER = 60
NOTE = "Whether the confidence of the model equals its accuracy, over the set."
MAIN = "calibration_error"
NEEDS_LOGITS = True
CURVE_WEIGHTS = ("top_pixels",)
TEXTS = {
    "ece": ScoreText(
        "Expected calibration error",
        "mean difference of confidence and accuracy; 0 is best",
        has_interval=False,
    ),
    "sce": ScoreText(
        "Static calibration error",
        "that difference for each class, averaged; 0 is best",
        has_interval=False,
    ),
    "brier": ScoreText("Brier score", "squared error of the probabilities; 0 is best", ""),
    "nll": ScoreText("Negative log-likelihood", "nats per pixel; 0 is best", ""),
    "calibration_error": ScoreText("Calibration error", has_interval=False, has_bar=False),
    "reliability": ScoreText(
        "Reliability",
        "share of correct pixels; on the dashed diagonal it equals the confidence",
        chart="reliability",
    ),
    "mean_confidence": ScoreText(chart="none"),
    "confidence_share": ScoreText(chart="none"),
}
"""The last two curves are drawn in the diagram of reliability."""


def is_on(detail: ScoreDetail) -> bool:
    """Always."""
    return True


def count(image: ScoredImage, detail: ScoreDetail) -> Counts:
    """Pixels, confidences and hits by bin of confidence; see `metrics.calibration`."""
    if image.model is None:
        raise ValueError("calibration needs logits")
    truth_HW, _, num_classes = image.maps
    planes = image.model.planes()
    return calibration.count(truth_HW, planes, image.model.decision, num_classes)


def scores(counts: Counts, detail: ScoreDetail) -> Scores:
    """Calibration errors, Brier score, likelihood and curves of reliability."""
    return calibration.scores(counts)
