"""YOLO's files as tools write them: byte order marks, files of any name, gaps and overshoot."""

import numpy as np
import pytest
from PIL import Image
from tests.converted import assert_converts_to

from maskwright.core.errors import MaskwrightError
from maskwright.data.classmaps import find_spec
from maskwright.data.dataset import open_as_is, open_dataset

LINE = "0 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5"
REGION = np.zeros((40, 60), np.uint8)
REGION[4:21, 6:31] = 1
NAMES = "names: [car, tree]\n"


def write(root, lines, names=NAMES, *, names_file="data.yaml", folder="", size_HW=(40, 60)):
    """Write an image and a text file for each line, and the file of names."""
    root.mkdir(parents=True, exist_ok=True)
    for index, line in enumerate(lines):
        image = root / "images" / folder / f"a{index}.jpg"
        text = root / "labels" / folder / f"a{index}.txt"
        image.parent.mkdir(parents=True, exist_ok=True)
        text.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((*size_HW, 3), index, np.uint8)).save(image)
        text.write_bytes(line.encode())
    if names is not None:
        (root / names_file).write_bytes(names.encode())
    return root


def test_a_byte_order_mark_is_not_part_of_a_line_or_a_name(tmp_path):
    lines = ["\ufeff" + LINE + "\r\n", LINE + "\r\n"]
    data = write(tmp_path / "a", lines, "\ufeffcar\r\ntree\r\n", names_file="classes.txt")
    assert_converts_to(data, {"a0": REGION, "a1": REGION}, ("background", "car", "tree"))
    data = write(tmp_path / "b", lines, "\ufeff" + NAMES)
    assert_converts_to(data, {"a0": REGION, "a1": REGION}, ("background", "car", "tree"))


def test_classes_of_one_name_are_one_class(tmp_path):
    lines = [LINE, "1" + LINE[1:]]
    data = write(tmp_path / "d", lines, "nc: 2\nnames: [Car, Car]\n", folder="train")
    assert_converts_to(data, {"a0": REGION, "a1": REGION}, ("background", "Car"))
    dataset = open_as_is(data)
    assert dataset.spec.names == ("background", "Car")
    assert "the indices 0, 1 are all called 'Car': they are one class" in dataset.notes


def test_a_photograph_that_its_exif_tag_rotates_is_read_upright(tmp_path):
    data = write(tmp_path / "d", ["0 0.1 0.1 0.9 0.1 0.9 0.5 0.1 0.5"], "names: [object]")
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(np.zeros((40, 100, 3), np.uint8))
    stored.save(data / "images/a0.jpg", exif=exif.tobytes())
    upright = np.zeros((100, 40), np.uint8)
    upright[10:51, 4:37] = 1
    assert_converts_to(data, {"a0": upright}, ("background", "object"))


YAML = "path: ../YOLODataset\ntrain: images/train\nval: images/val\ntest:\n\n" + NAMES


@pytest.mark.parametrize("name", ["dataset.yaml", "my project.yml"])
def test_the_yaml_may_have_any_name_and_stays_as_it_is(tmp_path, name):
    data = write(tmp_path / "d", [LINE] * 6, YAML, names_file=name, folder="train")
    assert_converts_to(data, {f"a{i}": REGION for i in range(6)}, ("background", "car", "tree"))
    for path in (data, data / name) if name == "dataset.yaml" else (data,):
        dataset = open_dataset(path)
        assert dataset.spec.names == ("background", "car", "tree")
        assert (data / name).read_text() == YAML
    assert (data / "maskwright/dataset.yaml").is_file()


def test_corners_a_hair_outside_are_cut_at_the_border(tmp_path):
    data = write(tmp_path / "d", ["0 0.1 0.1 1.0004 0.1 1.0021 0.5 0.1 0.5"])
    to_the_border = np.zeros((40, 60), np.uint8)
    to_the_border[4:21, 6:60] = 1
    assert_converts_to(data, {"a0": to_the_border}, ("background", "car", "tree"))


@pytest.mark.parametrize("far", ["1.0101", "-0.0101"])
def test_corners_more_than_a_hundredth_outside_are_refused(tmp_path, far):
    data = write(tmp_path / "d", [f"0 0.1 0.1 {far} 0.1 0.5 0.5"])
    with pytest.raises(MaskwrightError, match=rf"a0\.txt: line 1: {far} is not in 0\.\.1"):
        open_as_is(data).labels(0)


@pytest.mark.parametrize(
    ("names", "line", "classes"),
    [
        ("train: images\nnc: 2\n", LINE, ("class_0", "class_1")),
        ("names: {1: car, 3: tree}", "3" + LINE[1:], ("tree", "car")),
        ("names: [3, 5]", LINE, ("3", "5")),
        ('{"names": ["car"]}', LINE, ("car",)),
    ],
)
def test_names_may_be_missing_have_gaps_or_be_numbers(tmp_path, names, line, classes):
    data = write(tmp_path / "d", [line], names)
    assert_converts_to(data, {"a0": REGION}, ("background", *classes))


def test_an_empty_line_in_the_list_of_names_moves_no_name(tmp_path):
    names = "car\n\ntree\n"
    data = write(tmp_path / "d", ["2" + LINE[1:]], names, names_file="classes.txt")
    assert_converts_to(data, {"a0": REGION}, ("background", "tree", "car"))


def test_a_text_file_in_another_unicode_form_is_that_of_the_image(tmp_path):
    data = write(tmp_path / "d", [LINE])
    (data / "images/a0.jpg").rename(data / "images/caf\u00e9.jpg")
    (data / "labels/a0.txt").rename(data / "labels/cafe\u0301.txt")
    assert_converts_to(data, {"caf\u00e9": REGION}, ("background", "car", "tree"))


def test_an_export_of_roboflow_is_read(tmp_path):
    expected = {}
    for split in ("train", "valid", "test"):
        root = tmp_path / "d" / split
        boxes = f"{LINE} 0.1 0.1\n1 0.8 0.8 0.1 0.1"
        write(root, [boxes, "", LINE], None)
        for index in range(3):
            key = f"{split}{index}"
            (root / f"images/a{index}.jpg").rename(root / f"images/{key}.jpg")
            (root / f"labels/a{index}.txt").rename(root / f"labels/{key}.txt")
            expected[key] = REGION * (index != 1)
    (tmp_path / "d/data.yaml").write_text("train: ../train/images\nnc: 2\n" + NAMES)
    assert_converts_to(tmp_path / "d", expected, ("background", "car", "tree"))
    assert open_as_is(tmp_path / "d").splits == {"test": 3, "train": 3, "val": 3}


def test_an_export_of_cvat_for_ultralytics_is_read(tmp_path):
    names = "names:\n  0: car\n  1: 'no'\n  2: 3d\npath: .\ntrain: train.txt\n"
    data = write(tmp_path / "d", [LINE] * 2, names, folder="train")
    (data / "train.txt").write_text("data/images/train/a0.jpg\ndata/images/train/a1.jpg")
    assert_converts_to(data, {"a0": REGION, "a1": REGION}, ("background", "car", "no", "3d"))


def test_a_yaml_of_yolo_above_class_maps_says_nothing_about_them(tmp_path):
    (tmp_path / "dataset.yaml").write_text(YAML)
    (tmp_path / "maps").mkdir()
    assert find_spec(tmp_path / "maps") is None
    (tmp_path / "classes.txt").write_text("0 background\n1 car\n")
    assert find_spec(tmp_path / "maps") == tmp_path / "classes.txt"


def test_the_list_of_names_may_lie_with_the_labels(tmp_path):
    data = write(tmp_path / "d", [LINE], "car\ntree\n", names_file="labels/classes.txt")
    assert_converts_to(data, {"a0": REGION}, ("background", "car", "tree"))
    assert open_as_is(data).left_out == ()
