"""Distances between outlines of a structure: Hausdorff, mean surface distance, surface Dice."""

from collections.abc import Mapping

from .. import surface
from ..counts import Counts, Scores
from ..family import ScoreDetail, ScoredImage, ScoreText
from ..surface import Ruler

TITLE = "Surfaces"
ORDER = 50
WEIGHTS = ("surface_images", "surface_missed", "surface_invented")
NOTE = "How far the surfaces of truth and prediction lie apart."
TEXTS = {
    "mean_hd": ScoreText("Mean Hausdorff distance", "largest distance of the surfaces"),
    "mean_hd95": ScoreText("Mean HD95", "95th percentile of the distances of the surfaces"),
    "mean_assd": ScoreText("Mean surface distance", "average, symmetric"),
    "mean_nsd": ScoreText("Mean surface Dice", "surface within the tolerance"),
    "hd": ScoreText("Hausdorff distance"),
    "hd95": ScoreText("HD95"),
    "assd": ScoreText("Mean surface distance"),
    "nsd": ScoreText("Surface Dice"),
    "surface_images": ScoreText("In both", "images or volumes: both have the class", "n"),
    "surface_missed": ScoreText("In truth alone", "images or volumes: it is missed", "n"),
    "surface_invented": ScoreText("In prediction alone", "images or volumes: invented", "n"),
}


def is_on(detail: ScoreDetail) -> bool:
    """With a ruler, which `--surface` gives."""
    return detail.ruler is not None


def count(image: ScoredImage, detail: ScoreDetail) -> Counts:
    """Sums of distances, and the images in which they exist, (C,).

    Zeros for the slices of whole volumes, which are counted when all of them are there.
    """
    if detail.volumes:
        return surface.make_zeros(len(image.confusion.counts_CC))
    return surface.count(*image.maps, _ruler(detail))


def scores(counts: Counts, detail: ScoreDetail) -> Scores:
    """Distances and surface Dice in the ruler's unit; see `metrics.surface`."""
    return surface.scores(counts, _ruler(detail))


def settings(detail: ScoreDetail) -> Mapping[str, object]:
    """`surface`: tolerance, spacing (None where images differ), unit, source of the spacing.

    `volumes` is the number of volumes where distances are in three dimensions.
    """
    ruler = _ruler(detail)
    if detail.volumes:
        spacings = {place.spacing_mm_DHW for place in detail.volumes.values()}
        return {
            "surface": {
                "tolerance": ruler.tolerance,
                "spacing_DHW": list(spacings.pop()) if len(spacings) == 1 else None,
                "unit": "mm",
                "volumes": len({place.volume for place in detail.volumes.values()}),
            }
        }
    differ = len(set(detail.spacings.values())) > 1
    source = {"spacing_of": "the headers of the images"} if detail.spacings else {}
    return {
        "surface": {
            "tolerance": ruler.tolerance,
            "spacing_HW": None if differ else list(ruler.spacing_HW),
            "unit": ruler.unit,
            **source,
        }
    }


def _ruler(detail: ScoreDetail) -> Ruler:
    if detail.ruler is None:
        raise ValueError("surface distances need a ruler")
    return detail.ruler
