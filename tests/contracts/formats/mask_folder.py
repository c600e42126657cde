"""A folder in the native layout."""

import numpy as np
from PIL import Image


def make(root, keys, labels_HW):
    """Write images and masks of `labels_HW`; `keys` by split."""
    for split, names in keys.items():
        for folder in ("images", "masks"):
            (root / folder / split).mkdir(parents=True)
        for name in names:
            black = np.zeros((*labels_HW.shape, 3), np.uint8)
            Image.fromarray(black).save(root / f"images/{split}/{name}.png")
            Image.fromarray(labels_HW).save(root / f"masks/{split}/{name}.png")
