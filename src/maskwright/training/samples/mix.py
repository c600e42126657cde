"""Paste pixels of one crop into another, with their labels and votes.

Copy-paste (Ghiasi et al. 2021, arXiv:2012.07177) pastes objects of one rare class, class-mix
(Olsson et al. 2021, arXiv:2007.07936) half of the classes that the other crop shows.
"""

import numpy as np

from maskwright.core.labels import IGNORE

from .augment import Crop


def paste(onto: Crop, source: Crop, classes: list[int]) -> Crop:
    """Replace pixels of `onto` by those of `source` that show these classes."""
    chosen_HW = np.isin(source.labels_AHW[0], np.array(classes, np.uint8))
    image_HWC = np.where(chosen_HW[..., None], source.image_HWC, onto.image_HWC)
    return Crop(image_HWC, np.where(chosen_HW, source.labels_AHW, onto.labels_AHW))


def draw_half_of_classes(crop: Crop, rng: np.random.Generator) -> list[int]:
    """Draw half (rounded up) of the classes that a crop shows; never IGNORE."""
    shown = [int(index) for index in np.unique(crop.labels_AHW[0]) if index != IGNORE]
    return [int(index) for index in rng.permutation(shown)[: (len(shown) + 1) // 2]]
