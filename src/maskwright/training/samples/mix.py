"""Paste pixels of one crop into another, with their labels and votes.

Copy-paste (Ghiasi et al. 2021, arXiv:2012.07177) pastes objects of one rare class, class-mix
(Olsson et al. 2021, arXiv:2007.07936) half of the classes that the other crop shows.
"""

import numpy as np
import torch

from maskwright.core.labels import IGNORE

from .augment import Tensors


def paste(onto: Tensors, source: Tensors, classes: list[int]) -> Tensors:
    """Replace pixels of `onto` by those of `source` that show these classes."""
    chosen_1HW = torch.isin(source[1][:1], torch.tensor(classes, dtype=source[1].dtype))
    image = source[0].where(chosen_1HW, onto[0])
    return image, source[1].where(chosen_1HW, onto[1])


def draw_half_of_classes(crop: Tensors, rng: np.random.Generator) -> list[int]:
    """Draw half (rounded up) of the classes that a crop shows; never IGNORE."""
    shown = [int(index) for index in np.unique(crop[1][0].numpy()) if index != IGNORE]
    return [int(index) for index in rng.permutation(shown)[: (len(shown) + 1) // 2]]
