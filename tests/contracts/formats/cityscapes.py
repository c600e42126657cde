"""A folder in the layout of Cityscapes."""

import numpy as np
from PIL import Image

from maskwright.data.layouts.cityscapes import LABELS

NAMES = tuple(label.name for label in LABELS if label.id not in {-1, 1})
"""Classes that it can be written with; the first is the background, id 1 is left for IGNORE."""


def make(root, keys, labels_HW):
    """Write images and label ids: 0 is road, 1 the sidewalk; `keys` by split, of one city."""
    ids_HW = np.where(labels_HW == 1, 8, 7).astype(np.uint8)
    for split, names in keys.items():
        images, labels = root / f"leftImg8bit/{split}/ulm", root / f"gtFine/{split}/ulm"
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for name in names:
            black = np.zeros((*labels_HW.shape, 3), np.uint8)
            Image.fromarray(black).save(images / f"{name}_leftImg8bit.png")
            Image.fromarray(ids_HW).save(labels / f"{name}_gtFine_labelIds.png")
