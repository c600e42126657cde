"""A folder in Ultralytics' layout: a polygon for each pixel, since a line has no hole."""

import numpy as np
from PIL import Image


def make(root, keys, labels_HW):
    """Write images and text files; `keys` by split."""
    height, width = labels_HW.shape
    lines = [
        f"0 {corner} {corner} {corner}\n"
        for y, x in zip(*np.nonzero(labels_HW), strict=True)
        for corner in (f"{(x + 0.5) / width} {(y + 0.5) / height}",)
    ]
    (root / "data.yaml").write_text("names: [car]\n")
    for split, names in keys.items():
        for folder in ("images", "labels"):
            (root / folder / split).mkdir(parents=True)
        for name in names:
            black = np.zeros((height, width, 3), np.uint8)
            Image.fromarray(black).save(root / f"images/{split}/{name}.png")
            (root / f"labels/{split}/{name}.txt").write_text("".join(lines))
