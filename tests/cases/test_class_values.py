"""Class lists and mask values as other tools write them: the classes must arrive by name."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tests.converted import assert_converts_to

SIZE_HW = (40, 60)


def draw_photo(path: Path) -> None:
    """Write a grey photograph of `SIZE_HW`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shade = sum(map(ord, path.stem)) % 200
    Image.fromarray(np.full((*SIZE_HW, 3), shade, np.uint8)).save(path)


def draw_two(index: int) -> NDArray[np.uint8]:
    """Class indices with an upper block of 1 and a lower one of 2 on 0."""
    mask = np.zeros(SIZE_HW, np.uint8)
    mask[5:15, 5:30] = 1
    mask[20:30, 5 + index : 30] = 2
    return mask


def draw_one(index: int) -> NDArray[np.uint8]:
    """Class indices with one block of 1 on 0."""
    mask = np.zeros(SIZE_HW, np.uint8)
    mask[5:15, 5 : 30 + index] = 1
    return mask


def save_mask(path: Path, values: NDArray[np.generic]) -> None:
    """Write a mask as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def test_a_byte_order_mark_does_not_change_the_order_of_classes(tmp_path):
    data = tmp_path / "data"
    expected = {f"a{i}": draw_two(0) for i in range(4)}
    for key, mask in expected.items():
        draw_photo(data / f"images/{key}.png")
        save_mask(data / f"masks/{key}.png", mask)
    (data / "classes.txt").write_bytes(b"\xef\xbb\xbf1 road\r\n0 background\r\n2 car\r\n")

    assert_converts_to(data, expected, ("background", "road", "car"))


def test_yolo_texts_with_byte_order_marks_are_read(tmp_path):
    data = tmp_path / "data"
    expected = {}
    (data / "labels").mkdir(parents=True)
    for index in range(4):
        draw_photo(data / f"images/a{index}.jpg")
        mark = "\ufeff" if index == 0 else ""
        line = "0 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5\r\n"
        (data / f"labels/a{index}.txt").write_bytes((mark + line).encode())
        mask = np.zeros(SIZE_HW, np.uint8)
        mask[4:21, 6:31] = 1
        expected[f"a{index}"] = mask
    (data / "classes.txt").write_bytes("\ufeffcar\r\ntree\r\n".encode())

    assert_converts_to(data, expected, ("background", "car", "tree"))
