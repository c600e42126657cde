"""Distances between outlines of a structure: Hausdorff, mean surface distance, surface Dice.

Meant for data with one structure, or a few that matter: an organ, a road, a weld. Per image and
class, with S the surface pixels of truth, S' of the prediction, d(p, S) the least Euclidean
distance between pixel centres in the ruler's unit, and D all d(p, S') and all d(p', S):

* hd: Hausdorff distance, the largest of D. hd95: the larger of the 95th percentiles of all
  d(p, S') and of all d(p', S), linear between ranks (MONAI's
  `compute_hausdorff_distance(percentile=95)`, DeepMind's surface-distance, Metrics Reloaded;
  MedPy's `hd95` takes the percentile of D, which is as small or smaller).
* assd: average symmetric surface distance, the mean of D (MedPy's `assd` since 0.5, MONAI's
  `compute_average_surface_distance(symmetric=True)`).
* nsd: normalised surface Dice at the ruler's tolerance, the share of D that is within it, by
  Nikolov et al. 2018, arXiv 1809.04430, section on the surface DSC, over surface pixels.
  DeepMind's surface-distance weighs surface elements by their length instead: figures differ
  from it a little, and by more where pixels are not square.

Rules:

* A surface pixel is one of the class that shares an edge with another class or with the
  outside of the image (MedPy: the structure without its erosion by a cross). An edge towards
  IGNORE makes no surface, and pixels whose truth is IGNORE belong to no structure.
* Where the truth's class meets IGNORE its surface is open: the true one lies somewhere in the
  ignored pixels. A predicted surface pixel nearer to the open surface than to the surface is
  not counted.
* Distances are exact, pixels may be higher than wide. Of whole volumes (`metrics.volume`) they
  are in three dimensions: surfaces are of voxels that share a face with another class, and a
  volume takes the place of an image.
* Pixels decide whether a class is present: an image where only truth or only the prediction has
  one has no distance. hd, hd95 and assd leave it out, nsd is 0 there, and `surface_missed` and
  `surface_invented` count such images. Read them together: the mean distance leaves out the
  worst images.
* A class that is present but has no surface, because all of its outline is with IGNORE, has no
  score in the image, nsd included.
* Scores are means over the images (volumes), not over the set of all surface pixels; a class
  without an image scores NaN.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import ConfigError, MissingDependencyError
from ..core.labels import IGNORE, LabelMap
from ..core.scores import Values, mean_present, ratio
from .counts import Counts, Scores

Points = NDArray[np.integer]
"""P x 2 pixel positions, row and column; P x 3 in volumes, slice, row and column."""

_ROUNDING = 1 + 1e-9
"""3 pixels of 0.1 mm are 0.30000000000000004 mm, and within a tolerance of 0.3 mm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruler:
    """Height and width of a pixel in `unit`, and the tolerance of the surface Dice in it.

    `depth` is the distance of slices, where images of a group are given as those of a volume.

    Raises ConfigError for a spacing that is not above 0 and a tolerance below 0.
    """

    tolerance: float
    spacing_HW: tuple[float, float] = (1.0, 1.0)
    unit: str = "px"
    depth: float | None = None

    def __post_init__(self) -> None:
        sides = (*self.spacing_HW, 1.0 if self.depth is None else self.depth)
        if not all(math.isfinite(side) and side > 0 for side in sides):
            raise ConfigError(
                f"surface distances: one pixel is {self.spacing_HW} {self.unit} (height, "
                f"width); give two numbers above 0"
            )
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise ConfigError(
                f"surface Dice: tolerance {self.tolerance} {self.unit}; give 0 or more"
            )

    @classmethod
    def parse(cls, tolerance: float, spacing: str | None) -> "Ruler":
        """From a spacing in mm, "0.5", "0.5x0.7" (height x width) or "3x0.5x0.7"; else pixels.

        The first of three is the distance of slices.

        Raises:
            ConfigError: A spacing that is not one, two or three numbers above 0.
        """
        if spacing is None:
            return cls(tolerance=tolerance)
        try:
            sides = [float(side) for side in spacing.lower().split("x")]
            depth = sides.pop(0) if len(sides) == 3 else None
            height, width = sides if len(sides) == 2 else (*sides, *sides)
        except ValueError as error:
            raise ConfigError(
                f"spacing {spacing!r}; give the size of a pixel in mm: 0.5, or height x width "
                f"as 0.5x0.7, or slices x height x width as 3x0.5x0.7"
            ) from error
        return cls(tolerance=tolerance, spacing_HW=(height, width), unit="mm", depth=depth)


def count(
    truth_HW: LabelMap,
    predicted_HW: LabelMap,
    num_classes: int,
    ruler: Ruler,
    *,
    classes: Sequence[int] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Sums over one image, (C,) float64: the distances, and in how many images they exist.

    `surface_measured` images have distances, `surface_judged` images a surface Dice.

    Args:
        truth_HW: Class indices or IGNORE.
        predicted_HW: Class indices wherever truth is labelled.
        num_classes: C.
        ruler: Spacing, unit and tolerance.
        classes: Indices to measure; all when None. The others count nothing.
    """
    sums = make_zeros(num_classes)
    predicted_HW = np.where(truth_HW == IGNORE, np.uint8(IGNORE), predicted_HW)
    maps = truth_HW, predicted_HW
    present = [np.bincount(labels_HW.ravel(), minlength=256) > 0 for labels_HW in maps]
    surfaces = [mark_surface(labels_HW) for labels_HW in maps]
    open_HW = mark_open(truth_HW)
    for index in range(num_classes) if classes is None else classes:
        truth, predicted = (
            np.argwhere(surface_HW & (labels_HW == index))
            for surface_HW, labels_HW in zip(surfaces, maps, strict=True)
        )
        in_truth, in_prediction = (bool(has[index]) for has in present)
        measured = measure_class(
            truth,
            predicted,
            np.argwhere(open_HW & (truth_HW == index)),
            present=(in_truth, in_prediction),
            spacing=ruler.spacing_HW,
            tolerance=ruler.tolerance,
        )
        for name, value in measured.items():
            sums[name][index] = value
    return sums


def make_zeros(num_classes: int) -> dict[str, NDArray[np.float64]]:
    """The counts of nothing, (C,) each."""
    return {name: np.zeros(num_classes) for name in _NAMES}


def scores(counts: Counts, ruler: Ruler) -> Scores:
    """`hd_mm`, `hd95_mm`, `assd_mm` (in the ruler's unit) and `nsd` per class, and their means.

    `surface_images`, `surface_missed` and `surface_invented` are numbers of images.
    """
    num_measured, unit = counts["surface_measured"], ruler.unit
    measured = {
        f"hd_{unit}": ratio(counts["surface_hd"], num_measured),
        f"hd95_{unit}": ratio(counts["surface_hd95"], num_measured),
        f"assd_{unit}": ratio(counts["surface_assd"], num_measured),
        "nsd": ratio(counts["surface_nsd"], counts["surface_judged"]),
    }
    images = {f"surface_{name}": counts[f"surface_{name}"] * 1.0 for name in _IMAGES}
    return Scores(
        overall={f"mean_{name}": mean_present(values) for name, values in measured.items()}
        | {name: values.sum(axis=-1) for name, values in images.items()},
        classes=measured | images,
    )


_IMAGES = ("images", "missed", "invented")
_NAMES = tuple(
    f"surface_{n}" for n in ("hd", "hd95", "assd", "nsd", "measured", "judged", *_IMAGES)
)


def mark_surface(labels_HW: LabelMap) -> NDArray[np.bool_]:
    """Mark pixels with an edge towards another class or the outside of the image."""
    surface_HW = np.zeros(labels_HW.shape, np.bool_)
    for edge in (np.s_[:1], np.s_[-1:], np.s_[:, :1], np.s_[:, -1:]):
        surface_HW[edge] = True
    valid_HW = labels_HW != IGNORE
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        differs = (labels_HW[one] != labels_HW[other]) & valid_HW[one] & valid_HW[other]
        surface_HW[one] |= differs
        surface_HW[other] |= differs
    surface_HW &= valid_HW
    return surface_HW


def mark_open(truth_HW: LabelMap) -> NDArray[np.bool_]:
    """Mark labelled pixels with an edge towards IGNORE."""
    open_HW = np.zeros(truth_HW.shape, np.bool_)
    ignored_HW = truth_HW == IGNORE
    if ignored_HW.any():
        for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
            open_HW[one] |= ignored_HW[other]
            open_HW[other] |= ignored_HW[one]
        open_HW &= ~ignored_HW
    return open_HW


def _leave_out_open(
    predicted: Points, truth: Points, open_truth: Points, spacing: tuple[float, ...]
) -> Points:
    """Leave out predicted points that are nearer to the open surface than to the surface."""
    if not len(open_truth):
        return predicted
    to_surface = measure_distances(predicted, truth, spacing)
    return predicted[to_surface <= measure_distances(predicted, open_truth, spacing)]


def _count_presence(*, in_truth: bool, in_prediction: bool) -> dict[str, float]:
    return {
        "surface_images": float(in_truth and in_prediction),
        "surface_missed": float(in_truth and not in_prediction),
        "surface_invented": float(in_prediction and not in_truth),
    }


def measure_class(
    truth: Points,
    predicted: Points,
    open_truth: Points,
    *,
    present: tuple[bool, bool],
    spacing: tuple[float, ...],
    tolerance: float,
) -> dict[str, float]:
    """Measure one class of one image or volume from its surface points, (P, 2) or (P, 3) each.

    Args:
        truth: Surface of the truth.
        predicted: Surface of the prediction.
        open_truth: Points of the truth beside IGNORE.
        present: Whether truth and prediction have the class.
        spacing: The size of a pixel or voxel along each axis.
        tolerance: That of the surface Dice, in the unit of the spacing.
    """
    in_truth, in_prediction = present
    images = _count_presence(in_truth=in_truth, in_prediction=in_prediction)
    if len(truth) and len(predicted):
        predicted = _leave_out_open(predicted, truth, open_truth, spacing)
    if not len(truth) or not len(predicted):
        one_side = images["surface_missed"] + images["surface_invented"]
        return images | {"surface_judged": one_side * bool(len(truth) or len(predicted))}
    there = measure_distances(truth, predicted, spacing)
    back = measure_distances(predicted, truth, spacing)
    both = np.concatenate([there, back])
    return images | {
        "surface_measured": 1.0,
        "surface_judged": 1.0,
        "surface_hd": float(both.max()),
        "surface_hd95": float(max(np.percentile(there, 95), np.percentile(back, 95))),
        "surface_assd": float(both.mean()),
        "surface_nsd": float((both <= tolerance * _ROUNDING).mean()),
    }


def measure_distances(points: Points, to: Points, spacing: tuple[float, ...]) -> Values:
    """Exact distance from each of `points` to the nearest of `to` (Q >= 1), shape (P,).

    Points are (P, 2) and (Q, 2), or (P, 3) and (Q, 3) in volumes, for which SciPy is needed.

    Raises:
        MissingDependencyError: Points of a volume, and SciPy is not installed.
    """
    if len(spacing) == 2:
        return _measure_in_plane(points, to, (spacing[0], spacing[1]))
    try:
        from scipy.spatial import cKDTree
    except ModuleNotFoundError as error:
        raise MissingDependencyError("scipy", "measure") from error
    distances, _ = cKDTree(to * np.array(spacing)).query(points * np.array(spacing))
    return np.asarray(distances, np.float64)


def _measure_in_plane(points: Points, to: Points, spacing_HW: tuple[float, float]) -> Values:
    """Measure distances in a plane.

    The nearest point in each column is known from one sweep down and one up. From its own
    column each point looks further to both sides, until the columns alone are farther away
    than the nearest so far: Euclid's distance, separated as in Saito and Toriwaki 1994.
    """
    corner = np.minimum(points.min(axis=0), to.min(axis=0))
    size_hw = np.maximum(points.max(axis=0), to.max(axis=0)) - corner + 1
    fall_hw = _measure_in_columns(to - corner, size_hw) * spacing_HW[0]
    rows, columns = (points - corner).T
    best: Values = fall_hw[rows, columns] ** 2
    open_P = np.arange(len(points))
    for step in range(1, int(size_hw[1])):
        aside = (step * spacing_HW[1]) ** 2
        open_P = open_P[best[open_P] > aside]
        if not len(open_P):
            break
        for side in (columns[open_P] - step, columns[open_P] + step):
            inside = (side >= 0) & (side < size_hw[1])
            seen = open_P[inside]
            reach = fall_hw[rows[seen], side[inside]] ** 2 + aside
            best[seen] = np.minimum(best[seen], reach)
    return np.sqrt(best, out=best)


def _measure_in_columns(to: Points, size_hw: Points) -> Values:
    """Rows between each pixel and the nearest of `to` in its column, inf without one."""
    row_h1 = np.arange(size_hw[0], dtype=np.float64)[:, None]
    above_hw = np.full(size_hw, -np.inf)
    above_hw[to[:, 0], to[:, 1]] = to[:, 0]
    below_hw = np.where(above_hw >= 0, above_hw, np.inf)
    np.maximum.accumulate(above_hw, axis=0, out=above_hw)
    np.minimum.accumulate(below_hw[::-1], axis=0, out=below_hw[::-1])
    nearest_hw: Values = np.minimum(row_h1 - above_hw, below_hw - row_h1)
    return nearest_hw
