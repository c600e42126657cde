"""Objects found, missed and invented, from class maps alone, by size."""

from .. import objects
from ..counts import Counts, Scores
from ..family import ScoreDetail, ScoredImage, ScoreText

TITLE = "Objects"
ORDER = 40
NOTE = (
    "An object is one connected region of a class; over the set, of the classes that are "
    "things. Without a class that is a thing there is no score."
)
MAIN = "object_recall"
WEIGHTS = ("objects_truth", "objects_predicted")
CURVE_WEIGHTS = WEIGHTS
TEXTS = {
    "object_recall": ScoreText("Objects found", "of the objects in truth"),
    "object_precision": ScoreText("Objects real", "of the objects predicted"),
    "object_f1": ScoreText("Object F1", "harmonic mean of the two"),
    "objects_truth": ScoreText("Objects in truth", unit="n"),
    "objects_predicted": ScoreText("Objects predicted", unit="n"),
    "objects_missed": ScoreText("Objects missed", "in truth, not found", "n"),
    "objects_invented": ScoreText("Objects invented", "predicted, not real", "n"),
    "object_recall_by_size": ScoreText(
        "Objects found, by size", "filled: found; empty: missed", chart="bars"
    ),
    "object_precision_by_size": ScoreText(
        "Objects real, by size", "filled: real; empty: invented", chart="bars"
    ),
    "object_f1_by_size": ScoreText("Object F1, by size"),
    "objects_truth_by_size": ScoreText("Objects in truth, by size", unit="n"),
    "objects_predicted_by_size": ScoreText("Objects predicted, by size", unit="n"),
    "objects_missed_by_size": ScoreText("Objects missed, by size", unit="n"),
    "objects_invented_by_size": ScoreText("Objects invented, by size", unit="n"),
}


def count(image: ScoredImage, detail: ScoreDetail) -> Counts:
    """Objects by class and size, (C, 6)."""
    return objects.count(*image.maps)


def scores(counts: Counts, detail: ScoreDetail) -> Scores:
    """Recall, precision, F1 and numbers of objects; see `metrics.objects`."""
    return objects.scores(counts, detail.things)
