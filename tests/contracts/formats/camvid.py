"""A folder of CamVid, split as others do it: colour masks with `_L` behind their names."""

import numpy as np
from PIL import Image

COLORS = np.array([(64, 128, 64), (192, 0, 128)], np.uint8)


def make(root, keys, labels_HW):
    """Write images and masks of Animal and Archway, the first two labels; `keys` by split."""
    for split, names in keys.items():
        for folder in (split, f"{split}_labels"):
            (root / folder).mkdir(parents=True)
        for name in names:
            black = np.zeros((*labels_HW.shape, 3), np.uint8)
            Image.fromarray(black).save(root / f"{split}/{name}.png")
            Image.fromarray(COLORS[labels_HW]).save(root / f"{split}_labels/{name}_L.png")
