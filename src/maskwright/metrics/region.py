"""Region scores: which pixels are right, per class and over all; rules as in core.scores."""

from typing import Any

from numpy.typing import NDArray

from ..core import scores as region
from ..core.confusion import Confusion
from ..core.scores import Margins, mean_present
from .counts import Counts, Scores


def count(confusion: Confusion) -> dict[str, NDArray[Any]]:
    """`hit`, `truth` and `predicted` pixels of one image, each of shape (C,)."""
    m = Margins.from_confusion(confusion)
    return {"hit": m.hit, "truth": m.truth, "predicted": m.predicted}


def scores(counts: Counts) -> Scores:
    """IoU, Dice, precision, recall and accuracy per class, their means, and set scores."""
    m = Margins(hit=counts["hit"], truth=counts["truth"], predicted=counts["predicted"])
    classes = {
        "iou": region.iou(m),
        "dice": region.dice(m),
        "precision": region.precision(m),
        "recall": region.recall(m),
        "accuracy": region.accuracy(m),
    }
    overall = {
        "miou": mean_present(classes["iou"]),
        "micro_iou": region.micro_iou(m),
        "frequency_weighted_iou": region.frequency_weighted_iou(m),
        "pixel_accuracy": region.pixel_accuracy(m),
        "cohens_kappa": region.cohens_kappa(m),
    }
    means = {f"mean_{name}": mean_present(classes[name]) for name in classes if name != "iou"}
    return Scores(overall=overall | means, classes=classes)
