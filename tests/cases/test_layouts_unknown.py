"""The answer to an unknown layout: what is there, and a line of dataset.yaml that works."""

import re

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.data.dataset import open_as_is

RNG = np.random.default_rng(0)


def photo(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 255, (20, 30, 3), np.uint8)).save(path)


def mask(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.repeat(np.arange(2, dtype=np.uint8), 300).reshape(20, 30)).save(path)


def refusal(root):
    with pytest.raises(DataError) as caught:
        open_as_is(root)
    return str(caught.value)


@pytest.mark.parametrize(
    ("images", "masks", "seen", "line"),
    [
        (
            "{}_a.png",
            "{}_b.png",
            "12 PNG in pairs x_a / x_b",
            '{images: "*_a.png", masks: "*_b.png"}',
        ),
        (
            "{}.png",
            "{}_q7.png",
            "12 PNG in pairs x / x_q7",
            '{images: "*.png", masks: "*_q7.png"}',
        ),
        (
            "{}/photo.jpg",
            "{}/drawn.png",
            "s1 (1",
            '{images: "*/photo.jpg", masks: "*/drawn.png"}',
        ),
    ],
)
def test_the_line_that_is_proposed_works(tmp_path, images, masks, seen, line):
    for n in range(6):
        photo(tmp_path / images.format(f"s{n}"))
        mask(tmp_path / masks.format(f"s{n}"))
    message = refusal(tmp_path)
    assert seen in message
    assert message.endswith(f"with which 6 of 6 images have a mask: {line}")
    (tmp_path / "dataset.yaml").write_text(re.search(r"\{.*\}", message)[0])
    dataset = open_as_is(tmp_path)
    assert len(dataset) == 6
    assert all(dataset.has_labels(n) for n in range(6))
    assert dataset.labels(0).tolist() == [[0] * 30] * 10 + [[1] * 30] * 10


def test_folders_of_which_one_has_more_files_are_proposed(tmp_path):
    for n in range(6):
        photo(tmp_path / f"shots/s{n}.png")
    for n in range(4):
        mask(tmp_path / f"drawn/s{n}_k9.png")
    message = refusal(tmp_path)
    assert "found drawn (4 PNG); shots (6 PNG); write" in message
    assert message.endswith('4 of 6 images have a mask: {images: "shots", masks: "drawn"}')


def test_columns_of_a_table_are_listed(tmp_path):
    photo(tmp_path / "pics/a.png")
    (tmp_path / "train.csv").write_text("picture,coding\na.png,x\n")
    message = refusal(tmp_path)
    assert "train.csv with columns picture, coding; pics (1 PNG)" in message
    assert message.endswith(
        "name them 'images' and 'masks', or write their names in "
        "dataset.yaml: {images: photos, masks: truth}"
    )


def test_texts_of_yolo_without_names_say_where_names_go(tmp_path):
    for n in range(3):
        photo(tmp_path / f"images/{n}.jpg")
        text = tmp_path / f"labels/{n}.txt"
        text.parent.mkdir(exist_ok=True)
        text.write_text(f"{n} 0.1 0.1 0.5 0.1 0.5 0.5\n")
    message = refusal(tmp_path)
    assert "found 3 labels/*.txt with corners, but no names of classes" in message
    line = "names: [class_0, class_1, class_2]"
    assert message.endswith(f"data.yaml, as '{line}'")
    (tmp_path / "data.yaml").write_text(line)
    assert open_as_is(tmp_path).format == "yolo"


def test_files_that_are_not_read_and_archives_are_named(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.avif").write_bytes(b"x")
    (tmp_path / "data.zip").write_bytes(b"x")
    message = refusal(tmp_path)
    assert (
        "found photos (1 AVIF (not read)); the archive data.zip, whose path may be" in message
    )


def test_names_in_dataset_yaml_that_are_not_there_are_named(tmp_path):
    photo(tmp_path / "a/1.png")
    (tmp_path / "dataset.yaml").write_text("{images: pics, masks: truth}")
    assert "dataset.yaml, 'pics', 'truth'; there are a: correct the names" in refusal(tmp_path)


def test_a_folder_around_the_data_is_no_obstacle(tmp_path):
    for n in range(3):
        photo(tmp_path / f"archive/dataset/original_images/{n}.jpg")
        mask(tmp_path / f"archive/dataset/label_images/{n}.png")
    assert open_as_is(tmp_path).keys == ("0", "1", "2")
