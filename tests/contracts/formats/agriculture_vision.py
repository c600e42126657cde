"""A folder of Agriculture-Vision."""

import numpy as np
from PIL import Image


def make(root, keys, labels_HW):
    """Write images and masks: 0 is background, 1 the first class; `keys` by split."""
    full_HW = np.full(labels_HW.shape, 255, np.uint8)
    masks = {"boundaries": full_HW, "masks": full_HW, "labels/weed_cluster": full_HW * 0}
    masks["labels/waterway"] = (labels_HW == 1).astype(np.uint8) * 255
    for split, names in keys.items():
        folder = root / split
        for place in ("images/rgb", *masks):
            (folder / place).mkdir(parents=True)
        for name in names:
            black = np.zeros((*labels_HW.shape, 3), np.uint8)
            Image.fromarray(black).save(folder / f"images/rgb/{name}.jpg")
            for place, mask_HW in masks.items():
                Image.fromarray(mask_HW).save(folder / place / f"{name}.png")
