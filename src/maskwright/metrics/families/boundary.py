"""Boundary F1 and boundary IoU: whether the outlines of classes are where they should be."""

from collections.abc import Mapping

from .. import boundary
from ..counts import Counts, Scores
from ..family import ScoreDetail, ScoredImage, ScoreText

TITLE = "Boundaries"
ORDER = 20
NOTE = "How well the outlines of classes are drawn, over the set."
MAIN = "boundary_f1"
HAS_IMAGE_MEANS = True
COLUMNS = {
    name: name
    for name in (
        "boundary_truth",
        "boundary_truth_near",
        "boundary_predicted",
        "boundary_predicted_near",
        "band_intersection",
        "band_union",
    )
}
TRUTH_COUNTS = ("boundary_truth",)
WEIGHTS = ("boundary_truth", "boundary_predicted")
SETTINGS = ("boundary_tolerance",)
TEXTS = {
    "mean_boundary_f1": ScoreText("Mean boundary F1", "outlines that lie within the tolerance"),
    "mean_boundary_iou": ScoreText(
        "Mean boundary IoU", "overlap of the bands along the outlines"
    ),
    "boundary_f1": ScoreText("Boundary F1"),
    "boundary_iou": ScoreText("Boundary IoU"),
    "boundary_precision": ScoreText(),
    "boundary_recall": ScoreText(),
}


def count(image: ScoredImage, detail: ScoreDetail) -> Counts:
    """Boundary and band pixels of each class, (C,)."""
    return boundary.count(*image.maps, tolerance=detail.tolerance)


def scores(counts: Counts, detail: ScoreDetail) -> Scores:
    """Boundary precision, recall, F1 and IoU; see `metrics.boundary`."""
    return boundary.scores(counts)


def settings(detail: ScoreDetail) -> Mapping[str, object]:
    """`boundary_tolerance`, as `--tolerance` takes it."""
    return {"boundary_tolerance": str(detail.tolerance)}


def score_columns(counts: Counts) -> Scores:
    """F1 and IoU of each class, and their means."""
    both = boundary.scores(counts)
    classes = {name: both.classes[name] for name in ("boundary_f1", "boundary_iou")}
    return Scores(overall=both.overall, classes=classes)
