"""Change the classes of some pixels of a Decision: what refiners of class maps share.

A removed pixel or component takes the best class of its neighbours by confidence: of the
classes of the 8 pixels around each of its pixels, the one with the largest sum of confidences.
Where all neighbours are removed too it waits until one of these has a class, and it keeps its
own where nothing is left around it. IGNORE is never a neighbour. Equal sums: the lower index.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from ..core.decision import Decision
from ..core.errors import DataError
from ..core.image import Image
from ..core.labels import IGNORE, LabelMap
from .resolution import planes

Mask = NDArray[np.bool_]
_AREA = re.compile(r"\s*(?P<number>\d+(\.\d+)?)\s*(?P<unit>px|mm2)\s*", re.ASCII)
_AROUND = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))


def _require_area(text: str) -> str:
    if _AREA.fullmatch(text) is None:
        raise ValueError("expected an area such as '64 px' or '3.5 mm2'")
    return text


AreaText = Annotated[str, AfterValidator(_require_area)]
"""An area as it is written in settings: `64 px`, `3.5 mm2`."""


def area_in_px(text: str, spacing_mm_HW: tuple[float, float] | None, *, where: str) -> float:
    """The area in pixels of an image.

    Raises:
        DataError: It is in mm2, and the image does not say how large a pixel is.
    """
    match = _AREA.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an area")
    number = float(match["number"])
    if match["unit"] == "px":
        return number
    if spacing_mm_HW is None:
        raise DataError(
            f"{where}: the refiner's area is {text}, and the image does not say how large a "
            f"pixel is; write the area in px"
        )
    return number / (spacing_mm_HW[0] * spacing_mm_HW[1])


def relabel(decision: Decision, labels_HW: LabelMap) -> Decision:
    """The decision with other classes; a changed pixel has the share of its new class.

    IGNORE stays, and a pixel does not become IGNORE.
    """
    changed_HW = labels_HW != decision.labels_HW
    if not changed_HW.any():
        return decision
    best_HW = decision.best_HW.copy()
    indices = np.unique(labels_HW[changed_HW])
    for index, plane_HW in zip(indices, planes(decision.logits.select(indices)), strict=True):
        here_HW = changed_HW & (labels_HW == index)
        best_HW[here_HW] = plane_HW[here_HW]
    before_HW = decision.refined_HW
    return replace(
        decision,
        labels_HW=labels_HW,
        confidence_HW=decision.shares(best_HW),
        best_HW=best_HW,
        refined_HW=changed_HW if before_HW is None else changed_HW | before_HW,
    )


def keep_to_classes(before: Decision, after: Decision, classes: Sequence[int]) -> Decision:
    """`after`, except where a pixel changes from or to a class that is not among `classes`.

    There it is as before, with its shares. `after` has the logits of a refiner of shares, at
    the image's size, which are changed in place.
    """
    allowed = np.zeros(IGNORE + 1, np.bool_)
    allowed[list(classes)] = True
    undone_HW = before.labels_HW != after.labels_HW
    undone_HW &= ~(allowed[before.labels_HW] & allowed[after.labels_HW])
    if not undone_HW.any():
        return after
    scale = np.float32(1 / before.temperature)
    zipped = zip(after.logits.values_Khw, planes(before.logits), strict=True)
    for after_HW, before_HW in zipped:
        after_HW[undone_HW] = before_HW[undone_HW] * scale
    best_HW = before.best_HW * scale
    return replace(
        after,
        labels_HW=np.where(undone_HW, before.labels_HW, after.labels_HW),
        confidence_HW=np.where(undone_HW, before.confidence_HW, after.confidence_HW),
        best_HW=np.where(undone_HW, best_HW, after.best_HW),
    )


def require_photograph(image_HWC: Image, what: str, where: str) -> None:
    """Refuse an image that is neither grey nor RGB of 8 or 16 bits; `what` takes it.

    Raises:
        DataError: As said.
    """
    colors = image_HWC.ndim == 3 and image_HWC.shape[2] in {1, 3}
    if not colors or image_HWC.dtype == np.float32:
        raise DataError(
            f"{where}: image is {image_HWC.shape}, {what} takes (H, W, 1) grey or (H, W, 3) "
            f"RGB of 8 or 16 bits; predict such images without it"
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Removed:
    """Pixels that get another class, (N,) each: rows, columns, and the number of the region.

    The pixels of one region get one class. `never` is a class that none gets, if it is given.
    """

    rows_N: NDArray[np.intp]
    columns_N: NDArray[np.intp]
    region_N: NDArray[np.intp]
    never: int | None = None


def fill(decision: Decision, removed: Removed) -> LabelMap:
    """The class map in which removed regions have the best class of their neighbours."""
    labels_HW = decision.labels_HW.copy()
    weight_HW = decision.confidence_HW.copy()
    open_HW = np.zeros(labels_HW.shape, np.bool_)
    rows_N, columns_N, region_N = removed.rows_N, removed.columns_N, removed.region_N
    open_HW[rows_N, columns_N] = True
    while len(region_N):
        region_P, class_P, weight_P = _find_neighbours(
            labels_HW, weight_HW, open_HW, (rows_N, columns_N, region_N), removed.never
        )
        if not len(region_P):
            break
        region_R, class_R, mean_R = _choose(region_P, class_P, weight_P)
        index_N = np.searchsorted(region_R, region_N).clip(max=len(region_R) - 1)
        found_N = region_R[index_N] == region_N
        at = rows_N[found_N], columns_N[found_N]
        labels_HW[at], weight_HW[at] = class_R[index_N[found_N]], mean_R[index_N[found_N]]
        open_HW[at] = False
        rows_N, columns_N, region_N = (a[~found_N] for a in (rows_N, columns_N, region_N))
    return labels_HW


def _find_neighbours(
    labels_HW: LabelMap,
    weight_HW: NDArray[np.float32],
    open_HW: Mask,
    removed_3N: tuple[NDArray[np.intp], ...],
    never: int | None,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Region, class and confidence of each pair of a removed pixel and one with a class."""
    rows_N, columns_N, region_N = removed_3N
    height, width = labels_HW.shape
    found: list[tuple[NDArray[Any], ...]] = []
    for down, right in _AROUND:
        y_N, x_N = rows_N + down, columns_N + right
        inside_N = (y_N >= 0) & (y_N < height) & (x_N >= 0) & (x_N < width)
        y_P, x_P, region_P = y_N[inside_N], x_N[inside_N], region_N[inside_N]
        class_P = labels_HW[y_P, x_P]
        usable_P = ~open_HW[y_P, x_P] & (class_P != IGNORE)
        if never is not None:
            usable_P &= class_P != never
        y_P, x_P = y_P[usable_P], x_P[usable_P]
        found.append((region_P[usable_P], class_P[usable_P], weight_HW[y_P, x_P]))
    regions, classes, weights = zip(*found, strict=True)
    return np.concatenate(regions), np.concatenate(classes), np.concatenate(weights)


def _choose(
    region_P: NDArray[Any], class_P: NDArray[Any], weight_P: NDArray[Any]
) -> tuple[NDArray[np.intp], NDArray[np.uint8], NDArray[np.float32]]:
    """Region, best class and its mean confidence, of each region among the pairs, in order."""
    keys, inverse_P = np.unique(region_P * (IGNORE + 1) + class_P, return_inverse=True)
    sums_M = np.bincount(inverse_P, weights=weight_P)
    means_M = sums_M / np.bincount(inverse_P)
    region_M, class_M = np.divmod(keys, IGNORE + 1)
    order = np.lexsort((class_M, -sums_M, region_M))
    region_R, first_R = np.unique(region_M[order], return_index=True)
    best_R = order[first_R]
    return region_R, class_M[best_R].astype(np.uint8), means_M[best_R].astype(np.float32)
