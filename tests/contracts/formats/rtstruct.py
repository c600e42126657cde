"""DICOM slices, each a series of its own, and a structure set with a square for each pixel."""

import numpy as np
import pytest

READS_HEADERS = True
"""Labels find their image by what the header of the image states."""

SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])


def make(root, keys, labels_HW):
    """Write images and structure sets; `keys` by split."""
    pytest.importorskip("pydicom")
    from tests.dicoms import save_series, save_structures

    images = [(split, key) for split, names in keys.items() for key in names]
    for number, (split, key) in enumerate(images):
        series = f"1.2.840.6.{number}"
        save_series(
            root / "images" / split,
            np.zeros((1, *labels_HW.shape), np.uint8),
            names=f"{key}.dcm",
            series=series,
            spacing_DHW=(1.0, 1.0, 1.0),
            origin=(0.5, 0.5, 0.0),
        )
        corners = np.argwhere(labels_HW == 1)[:, ::-1].tolist()
        squares = [np.c_[np.add(SQUARE, corner), np.zeros(4)] for corner in corners]
        save_structures(root / "rt" / f"{number}.dcm", [("car", squares)], series=[series])
