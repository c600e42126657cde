"""The majority class in each superpixel, SLIC by Achanta et al. 2012 (scikit-image).

Superpixels follow edges of the image; each takes the class that most of its pixels have, the
lower index of two. Pixels without data belong to none. Where the step names classes, a pixel
changes only from one of these to another of them. scikit-image needs 100 bytes per pixel.
"""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from ...core.decision import Decision
from ...core.errors import MissingDependencyError
from ...core.image import Image
from ...core.labels import IGNORE, LabelMap
from ..refiner import Input, Refiner, SourceImage
from ..relabel import relabel

ON: Input = "classes"


class Config(BaseModel, frozen=True, extra="forbid"):
    """`side_px`: superpixels have about the area of a square of this side.

    `compactness` weighs place against colour: large values give squares.
    """

    side_px: Annotated[int, Field(ge=2)] = 16
    compactness: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10.0


def build(config: Config, classes: Sequence[int]) -> Refiner:
    """The contract of `inference.refiner.RefinerPart`."""
    allowed = np.zeros(IGNORE + 1, np.bool_)
    allowed[list(classes)] = True

    def refine_by_majority(decision: Decision, image: SourceImage) -> Decision:
        labels_HW = decision.labels_HW
        superpixel_HW = find_superpixels(image.pixels_HWC, labels_HW != IGNORE, config)
        major_HW = take_majority(labels_HW, superpixel_HW)
        changes_HW = allowed[labels_HW] & allowed[major_HW]
        return relabel(decision, np.where(changes_HW, major_HW, labels_HW))

    return refine_by_majority


def find_superpixels(
    image_HWC: Image, valid_HW: NDArray[np.bool_], config: Config
) -> NDArray[np.intp]:
    """The superpixel of each pixel, from 1 on; 0 where there is no data.

    Raises:
        MissingDependencyError: scikit-image is not installed.
    """
    try:
        from skimage.segmentation import slic
    except ModuleNotFoundError as error:
        raise MissingDependencyError("scikit-image", "measure") from error
    num_valid = int(valid_HW.sum())
    if not num_valid:
        return np.zeros(valid_HW.shape, np.intp)
    found_HW = slic(
        image_HWC,
        n_segments=max(1, num_valid // config.side_px**2),
        compactness=config.compactness,
        start_label=1,
        mask=None if valid_HW.all() else valid_HW,
        channel_axis=-1,
    )
    return np.asarray(found_HW, np.intp)


def take_majority(labels_HW: LabelMap, superpixel_HW: NDArray[np.intp]) -> LabelMap:
    """The class map in which all valid pixels of a superpixel have its most frequent class."""
    valid_HW = (labels_HW != IGNORE) & (superpixel_HW > 0)
    num = int(superpixel_HW.max(initial=0)) + 1
    keys_N = superpixel_HW[valid_HW] * IGNORE + labels_HW[valid_HW]
    counts = np.bincount(keys_N, minlength=num * IGNORE)
    major_S = counts.reshape(num, IGNORE).argmax(axis=1).astype(np.uint8)
    return np.where(valid_HW, major_S[superpixel_HW], labels_HW)
