"""A folder in Pascal VOC's layout."""

import numpy as np
from PIL import Image


def make(root, keys, labels_HW):
    """Write images, masks of `labels_HW` and lists; `keys` by split."""
    lists = root / "ImageSets/Segmentation"
    for folder in ("JPEGImages", "SegmentationClass"):
        (root / folder).mkdir(parents=True)
    lists.mkdir(parents=True)
    for split, names in keys.items():
        (lists / f"{split}.txt").write_text("\n".join(names) + "\n")
        for name in names:
            black = np.zeros((*labels_HW.shape, 3), np.uint8)
            Image.fromarray(black).save(root / f"JPEGImages/{name}.png")
            Image.fromarray(labels_HW).save(root / f"SegmentationClass/{name}.png")
