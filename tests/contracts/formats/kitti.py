"""A folder in KITTI's layout."""

import numpy as np
from PIL import Image


def make(root, keys, labels_HW):
    """Write images and label ids: 0 is road, 1 the sidewalk; `keys` by split."""
    ids_HW = np.where(labels_HW == 1, 8, 7).astype(np.uint8)
    for split, names in keys.items():
        folder = root / {"train": "training"}.get(split, split)
        for place in ("image_2", "semantic", "instance"):
            (folder / place).mkdir(parents=True)
        for name in names:
            black = np.zeros((*labels_HW.shape, 3), np.uint8)
            Image.fromarray(black).save(folder / f"image_2/{name}.png")
            Image.fromarray(ids_HW).save(folder / f"semantic/{name}.png")
