"""A folder in nnU-Net's layout."""

import json

import numpy as np
from PIL import Image

SPLITS = {"train": 3, "test": 1}
"""Validation images are a part of the training images in nnU-Net."""


def make(root, keys, labels_HW):
    """Write images of channel 0, labels and dataset.json; `keys` by split."""
    for split, names in keys.items():
        ending = "Tr" if split == "train" else "Ts"
        for folder in ("images", "labels"):
            (root / f"{folder}{ending}").mkdir(parents=True, exist_ok=True)
        for name in names:
            black = np.zeros((*labels_HW.shape, 3), np.uint8)
            Image.fromarray(black).save(root / f"images{ending}/{name}_0000.png")
            Image.fromarray(labels_HW).save(root / f"labels{ending}/{name}.png")
    labels = {"background": 0, "car": 1, "ignore": 255}
    table = {"channel_names": {"0": "R"}, "labels": labels, "file_ending": ".png"}
    (root / "dataset.json").write_text(json.dumps(table))
