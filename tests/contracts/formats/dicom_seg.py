"""DICOM slices, each a series of its own, and a segmentation of one segment for each."""

import numpy as np
import pytest

READS_HEADERS = True
"""Labels find their image by what the header of the image states."""


def make(root, keys, labels_HW):
    """Write images and segmentations; `keys` by split."""
    pytest.importorskip("pydicom")
    from tests.dicoms import save_seg, save_series

    images = [(split, key) for split, names in keys.items() for key in names]
    for number, (split, key) in enumerate(images):
        (image,) = save_series(
            root / "images" / split,
            np.zeros((1, *labels_HW.shape), np.uint8),
            names=f"{key}.dcm",
            series=f"1.2.840.5.{number}",
        )
        save_seg(root / "seg" / f"{number}.dcm", [image], [(0, 1, labels_HW == 1)], ["car"])
