"""What each score is called, what it says, and its unit; for pages and tables.

A score that is not listed here is shown under its own name: `object_f1` is "Object f1", and
one whose name ends in `_px` or `_mm` is a length.
"""

from dataclasses import dataclass

IMAGE_PREFIX = "image_mean_"
"""Before the name of a score of single images that was averaged over them."""

_NUMBERS = {"cohens_kappa", "brier", "nll"}

_COUNTED = ("objects_", "surface_")
"""Numbers of objects and images; `object_recall` and its like are shares."""

_KNOWN = {
    "miou": ("mIoU", "overlap of truth and prediction, every class alike"),
    "pixel_accuracy": ("Pixel accuracy", "share of the pixels that are right"),
    "mean_dice": ("Mean Dice", "F1 of pixels, every class alike"),
    "mean_precision": ("Mean precision", "of the pixels called a class, those that are it"),
    "mean_recall": ("Mean recall", "of the pixels of a class, those found"),
    "mean_accuracy": ("Mean accuracy", "pixels rightly called a class, or rightly not"),
    "micro_iou": ("Micro IoU", "IoU of the pixels of all classes pooled"),
    "frequency_weighted_iou": ("Frequency-weighted IoU", "IoU weighted by share of truth"),
    "cohens_kappa": ("Cohen's kappa", "agreement beyond chance: 0 is chance, 1 is perfect"),
    "mean_boundary_f1": ("Mean boundary F1", "outlines that lie within the tolerance"),
    "mean_boundary_iou": ("Mean boundary IoU", "overlap of the bands along the outlines"),
    "object_recall": ("Objects found", "of the objects in truth"),
    "object_precision": ("Objects real", "of the objects predicted"),
    "object_f1": ("Object F1", "harmonic mean of the two"),
    "objects_truth": ("Objects in truth", ""),
    "objects_predicted": ("Objects predicted", ""),
    "objects_missed": ("Objects missed", "in truth, not found"),
    "objects_invented": ("Objects invented", "predicted, not real"),
    "mean_hd": ("Mean Hausdorff distance", "largest distance of the surfaces"),
    "mean_hd95": ("Mean HD95", "95th percentile of the distances of the surfaces"),
    "mean_assd": ("Mean surface distance", "average, symmetric"),
    "mean_nsd": ("Mean surface Dice", "surface within the tolerance"),
    "hd": ("Hausdorff distance", ""),
    "hd95": ("HD95", ""),
    "assd": ("Mean surface distance", ""),
    "nsd": ("Surface Dice", ""),
    "surface_images": ("Images with both", "truth and prediction have the class"),
    "surface_missed": ("Images missed", "only truth has the class"),
    "surface_invented": ("Images invented", "only the prediction has the class"),
    "calibration_error": ("Calibration error", ""),
    "ece": ("Expected calibration error", "mean gap of confidence and accuracy; 0 is best"),
    "sce": ("Static calibration error", "that gap for each class, averaged; 0 is best"),
    "brier": ("Brier score", "squared error of the probabilities; 0 is best"),
    "nll": ("Negative log-likelihood", "nats a pixel; 0 is best"),
    "iou": ("IoU", ""),
    "boundary_f1": ("Boundary F1", ""),
    "boundary_iou": ("Boundary IoU", ""),
    "trimap_miou": ("mIoU near borders", "of the pixels at most so far from a class border"),
    "distance_miou": ("mIoU by distance", "of the pixels in each band along class borders"),
    "reliability": (
        "Reliability",
        "share that is right; on the dashed diagonal confidence keeps its promise",
    ),
    "object_f1_by_size": ("Object F1, by size", ""),
    "objects_predicted_by_size": ("Objects predicted, by size", ""),
    "object_recall_by_size": ("Objects found, by size", "filled: found; empty: missed"),
    "object_precision_by_size": ("Objects real, by size", "filled: real; empty: invented"),
    "objects_truth_by_size": ("Objects in truth, by size", ""),
    "objects_missed_by_size": ("Objects missed, by size", ""),
    "objects_invented_by_size": ("Objects invented, by size", ""),
}

_PREFIXES = {
    "Boundaries": ("boundary", "mean_boundary", "trimap", "distance"),
    "Objects": ("object", "mean_object"),
    "Surfaces": ("hd", "assd", "nsd", "surface", "mean_hd", "mean_assd", "mean_nsd"),
    "Confidence": (
        *("ece", "sce", "brier", "nll", "calibration", "reliability"),
        *("confidence", "mean_confidence"),
    ),
}
FAMILIES = ("Regions", *_PREFIXES)


@dataclass(frozen=True, slots=True)
class Wording:
    """A score in words; `unit` is "%", "px", "mm", "n" for counts or "" for a plain number."""

    name: str
    says: str
    unit: str
    family: str


def wording(key: str) -> Wording:
    """The words for a score; the words of `miou` for `image_mean_miou` too."""
    bare = key.removeprefix(IMAGE_PREFIX)
    name, says = _KNOWN.get(bare.removesuffix("_px").removesuffix("_mm"), ("", ""))
    return Wording(name or _spelled(bare), says, _unit(bare), _family(bare))


def _spelled(key: str) -> str:
    bare = key.removesuffix("_px").removesuffix("_mm").replace("_", " ")
    return bare[:1].upper() + bare[1:]


def _unit(key: str) -> str:
    if key in _NUMBERS:
        return ""
    if key.startswith(_COUNTED):
        return "n"
    return next((unit for unit in ("px", "mm") if key.endswith(f"_{unit}")), "%")


def _family(key: str) -> str:
    found = (family for family, starts in _PREFIXES.items() if key.startswith(starts))
    return next(found, "Regions")
