"""A folder in COCO-Stuff's layout."""

import numpy as np
from PIL import Image


def make(root, keys, labels_HW):
    """Write images and pixel maps of `labels_HW`; `keys` by split."""
    for split, names in keys.items():
        maps = root / f"stuffthingmaps_trainval2017/{split}2017"
        images = root / f"images/{split}2017"
        for folder in (maps, images):
            folder.mkdir(parents=True)
        for name in names:
            black = np.zeros((*labels_HW.shape, 3), np.uint8)
            Image.fromarray(black).save(images / f"{name}.png")
            Image.fromarray(labels_HW).save(maps / f"{name}.png")
