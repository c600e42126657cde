"""Layouts that always worked: two folders of images and masks under several names."""

import numpy as np
from PIL import Image
from tests.converted import assert_converts_to


def test_masks_with_a_doubled_suffix_keep_the_name_of_their_image(tmp_path):
    data = tmp_path / "data"
    expected = {}
    for index in range(6):
        mask = np.zeros((40, 60), np.uint8)
        mask[5:15, 5 : 30 + index] = 1
        for name, picture in (
            (f"images/x{index}.png", np.full((40, 60, 3), 90, np.uint8)),
            (f"masks/x{index}.png.png", mask),
        ):
            (data / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(data / name)
        expected[f"x{index}"] = mask

    assert_converts_to(data, expected, ("class_0", "class_1"))
