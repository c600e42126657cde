"""Small folders of class maps."""

import numpy as np
import pytest
from PIL import Image

CLASSES = "0 soil\n1 crop\n2 weed\n"


@pytest.fixture
def write_maps(tmp_path):
    """A function: write class maps {key: array} and classes.txt; gives back the folder."""

    def write(folder, maps, *, classes=CLASSES):
        for key, labels_HW in maps.items():
            path = tmp_path / folder / f"{key}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.asarray(labels_HW, np.uint8)).save(path)
        if classes:
            (tmp_path / folder / "classes.txt").write_text(classes)
        return tmp_path / folder

    return write


@pytest.fixture
def field():
    """A function: a map of 40 x 60 pixels with a square of crop and a bar of weed."""

    def draw(crop_px=10, weed_px=4):
        labels_HW = np.zeros((40, 60), np.uint8)
        labels_HW[2 : 2 + crop_px, 2 : 2 + crop_px] = 1
        labels_HW[30 : 30 + weed_px, 5:55] = 2
        return labels_HW

    return draw
