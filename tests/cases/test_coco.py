"""COCO files as tools and scripts write them: ids as text, copies, categories of Roboflow."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask
from tests.converted import assert_converts_to, read_names

from maskwright.core.errors import DataError
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is

SQUARE = np.zeros((40, 60), np.uint8)
SQUARE[5:15, 5:15] = 1


def square(x=5, y=5):
    return [[x, y, x + 10, y, x + 10, y + 10, x, y + 10]]


def drawn(image_id, *, number=None, category=1, shape=None, **more):
    number = image_id if number is None else number
    shape = square() if shape is None else shape
    ids = {"id": number, "image_id": image_id, "category_id": category}
    return ids | {"segmentation": shape, "iscrowd": 0} | more


def listed(image_id, name, **more):
    return {"id": image_id, "file_name": name, "height": 40, "width": 60} | more


def save(path, size_HW=(40, 60), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 255, (*size_HW, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)


def write(path, images, annotations, categories=({"id": 1, "name": "a"},), **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"images": images, "annotations": annotations, "categories": list(categories)}
    path.write_text(json.dumps(document | more))


@pytest.fixture
def data(tmp_path):
    """A folder with four images, images/0.jpg to images/3.jpg."""
    for index in range(4):
        save(tmp_path / f"data/images/{index}.jpg")
    return tmp_path / "data"


FOUR = range(4)
ALL = {str(index): SQUARE for index in FOUR}


@pytest.mark.parametrize("as_text", [str, "{:03d}".format])
def test_a_number_and_its_text_are_one_id(data, as_text):
    write(
        data / "annotations.json",
        [listed(as_text(i), f"{i}.jpg") for i in FOUR],
        [drawn(i, category="1") for i in FOUR],
    )
    assert_converts_to(data, ALL, ("background", "a"))


def test_two_spellings_of_one_id_for_two_images_are_refused(data):
    images = [listed(0, "0.jpg"), listed("0", "1.jpg")]
    write(data / "annotations.json", images, [drawn(0)])
    with pytest.raises(DataError, match=r"two images have the id 0 \(a number and its text"):
        open_as_is(data)


def test_annotations_of_which_none_finds_its_image_are_refused(data):
    write(data / "annotations.json", [listed("a", "0.jpg")], [drawn("b"), drawn("c")])
    with pytest.raises(
        DataError, match=r"none of its 2 annotations is of an image that it lists: image_id 'b'"
    ):
        open_as_is(data)


def test_a_copy_of_the_file_is_not_read_and_noted(data):
    for name in ("instances_train.json", "instances_train (copy).json"):
        images = [listed(i, f"{i}.jpg") for i in FOUR]
        write(data / "annotations" / name, images, [drawn(i) for i in FOUR])
    assert_converts_to(data, ALL, ("background", "a"))
    dataset = open_as_is(data)
    assert dataset.splits == {"train": 4}
    copy = "instances_train (copy).json is a copy of instances_train.json and is not read"
    assert copy in dataset.notes


def test_a_changed_copy_of_the_file_is_refused(data):
    write(data / "a.json", [listed(0, "0.jpg")], [drawn(0)])
    write(data / "a_old.json", [listed(0, "0.jpg")], [drawn(0, shape=square(20, 20))])
    with pytest.raises(DataError, match=r"is labelled in .*a\.json and in .*a_old\.json"):
        open_as_is(data)


def test_an_image_under_two_ids_has_the_annotations_of_both(data):
    images, annotations, both = [], [], SQUARE.copy()
    both[20:30, 20:30] = 1
    for index in FOUR:
        for number, place in ((2 * index, 5), (2 * index + 1, 20)):
            images.append(listed(number, f"{index}.jpg"))
            annotations.append(drawn(number, shape=square(place, place)))
    write(data / "annotations.json", images, annotations)
    assert_converts_to(data, {str(i): both for i in FOUR}, ("background", "a"))
    note = "4 images of annotations.json are listed again under another id"
    assert any(n.startswith(note) for n in open_as_is(data).notes)


def test_an_image_that_is_listed_with_two_sizes_is_refused(data):
    images = [listed(0, "0.jpg"), listed(1, "0.jpg", width=61)]
    write(data / "annotations.json", images, [drawn(0)])
    with pytest.raises(DataError, match=r"'0\.jpg' is listed with 40 x 60 and with 40 x 61"):
        open_as_is(data)


TURNED = Image.Exif()
TURNED[0x0112] = 6


@pytest.fixture
def photo(tmp_path):
    """An upright photograph of 100 x 40 (H x W), stored turned, and its entry in a file."""
    save(tmp_path / "data/images/p.jpg", (40, 100), exif=TURNED.tobytes())
    return tmp_path / "data", listed(0, "images\\p.jpg", height=40, width=100)


def test_labels_beyond_the_stated_frame_are_of_the_upright_image(photo):
    data, image = photo
    write(data / "result.json", [image], [drawn(0, shape=[[4, 60, 36, 60, 36, 90, 4, 90]])])
    upright = np.zeros((100, 40), np.uint8)
    upright[60:90, 4:36] = 1
    assert_converts_to(data, {"p": upright}, ("background", "a"))


@pytest.mark.parametrize("shape", [square(), [[50, 5, 90, 5, 90, 35]], [[5, 5, 90, 5, 5, 90]]])
def test_labels_that_do_not_show_which_way_the_image_was_are_refused(photo, shape):
    data, image = photo
    write(data / "result.json", [image], [drawn(0, shape=shape)])
    with pytest.raises(
        DataError,
        match=r"says 40 x 100 \(H x W\), .*p\.jpg is 100 x 40: it is rotated by its EXIF tag.*"
        r"swap 'width' and 'height'.*exiftool -Orientation= p\.jpg",
    ):
        open_as_is(data).labels(0)


def test_predictions_beside_the_file_are_not_read(data):
    images = [listed(i, f"{i}.jpg") for i in FOUR]
    write(data / "labels_my-project_2024.json", images, [drawn(i) for i in FOUR])
    result = {"image_id": 0, "category_id": 1, "score": 0.5}
    (data / "predictions.json").write_text(json.dumps([result]))
    assert_converts_to(data, ALL, ("background", "a"))


def test_listed_images_that_are_missing_stand_in_the_account(data, tmp_path):
    images = [listed(i, f"{i}.jpg") for i in range(10)]
    write(data / "annotations.json", images, [drawn(i) for i in range(10)])
    save(data / "images/more.jpg")
    account = convert(data, tmp_path / "out", to="mask_folder", verify=True)
    assert account.num_images == 4
    assert account.left_out == {
        "images that are listed and not there": tuple(f"{i}.jpg" for i in range(4, 10)),
        "images that no COCO file lists": ("images/more.jpg",),
    }
    assert "images that are listed and not there: 6 (4.jpg, 5.jpg, 6.jpg, ...)" in (
        account.to_text()
    )
    assert "lost: nothing" not in account.to_text()
    assert sorted(read_names(tmp_path / "out")) == ["0", "1", "2", "3"]


def test_nan_in_fields_that_are_not_read_a_mark_and_crlf_do_no_harm(data):
    nan = float("nan")
    write(
        data / "annotations.json",
        [listed(i, f"{i}.jpg", flickr=nan) for i in FOUR],
        [drawn(i, area=nan, bbox=[nan, 5, 10, 10], score=-float("inf")) for i in FOUR],
    )
    text = json.dumps(json.loads((data / "annotations.json").read_text()), indent=1)
    (data / "annotations.json").write_bytes(
        b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
    )
    assert_converts_to(data, ALL, ("background", "a"))


def test_sizes_may_be_missing(data):
    images = [{"id": i, "file_name": f"{i}.jpg"} for i in FOUR]
    write(data / "annotations.json", images, [drawn(i) for i in FOUR])
    assert_converts_to(data, ALL, ("background", "a"))


def test_slivers_and_boxes_are_counted(data):
    shapes = [square(), [[128.0, 128.0]], [[39.0, 8.5, 39.0, 8.5]], [[0, 4, 20, 30]], [[]], []]
    shapes.append([*square(), [30.0, 20.0]])
    annotations = [
        drawn(i, number=10 * i + n, shape=shape) for i in FOUR for n, shape in enumerate(shapes)
    ]
    write(data / "annotations.json", [listed(i, f"{i}.jpg") for i in FOUR], annotations)
    assert_converts_to(data, ALL, ("background", "a"))
    assert open_as_is(data).entries[0].labels.read().skipped == {
        "boxes without a mask": 1,
        "polygons of fewer than three corners": 5,
    }


def test_the_split_default_is_no_split(tmp_path):
    data = tmp_path / "data"
    for index in range(12):
        save(data / f"images/default/{index:03d}.jpg")
    write(
        data / "annotations/instances_default.json",
        [listed(i + 1, f"{i:03d}.jpg") for i in range(12)],
        [drawn(i + 1, attributes={"occluded": False}) for i in range(12)],
    )
    assert_converts_to(data, {f"{i:03d}": SQUARE for i in range(12)}, ("background", "a"))
    assert open_as_is(data).splits == {"": 12}


def robo(name, group):
    return {"id": 0, "name": group, "supercategory": "none"}, {
        "id": 1,
        "name": name,
        "supercategory": group,
    }


@pytest.mark.parametrize("group", ["leaf-defects-x7q2", "a"])
def test_the_category_of_a_roboflow_project_is_not_a_class(tmp_path, group):
    data = tmp_path / "data"
    for split in ("train", "valid"):
        for index in range(2):
            save(data / f"{split}/{split}{index}.jpg")
        images = [listed(i, f"{split}{i}.jpg") for i in range(2)]
        file = data / split / "_annotations.coco.json"
        write(file, images, [drawn(i) for i in range(2)], robo("a", group))
    dataset = open_as_is(data)
    assert dataset.spec.names == ("background", "a")
    assert dataset.splits == {"train": 2, "val": 2}
    noted = [n for n in dataset.notes if "is the supercategory of others" in n]
    assert len(noted) == (group != "a")
    np.testing.assert_array_equal(dataset.labels(3), SQUARE)


def test_a_supercategory_with_annotations_is_a_class(data):
    images = [listed(i, f"{i}.jpg") for i in FOUR]
    annotations = [drawn(0, category=0), *(drawn(i) for i in FOUR[1:])]
    write(data / "annotations.json", images, annotations, robo("leaf", "plant"))
    assert open_as_is(data).spec.names == ("background", "plant", "leaf")


MASK = np.zeros((40, 60), np.uint8)
MASK[8:20, 10:30] = 1
MASK[10:12, 12:14] = 0
RUNS = [*(408, 12, 28, 12), *(28, 2, 2, 8) * 2, *(28, 12) * 16, 1220]
"""Counts of MASK down the columns, zeros first."""


@pytest.mark.parametrize("counts", [RUNS, RUNS[:-1]])
def test_run_lengths_may_lack_the_last_zeros(data, counts):
    shape = {"size": [40, 60], "counts": counts}
    write(data / "annotations.json", [listed(0, "0.jpg")], [drawn(0, shape=shape, iscrowd=1)])
    np.testing.assert_array_equal(open_as_is(data).labels(0), MASK)


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ([[10, 10, 1e6, 10, 1e6, 20, 10, 20]], (10, 20, 10, 60)),
        ([[10, 10, 10, -1e6, 20, -1e6, 20, 10]], (0, 10, 10, 20)),
        ([[-10, -10, 70, -10, 70, 20.5, -10, 20.5]], (0, 21, 0, 60)),
        ([[3, 3, 20, 20, 37, 37]], (0, 0, 0, 0)),
        ([[5, 5, 20, 5, 20, 20, 5, 20, 5, 5]], (5, 20, 5, 20)),
        ([[5, 5, 20, 5, 20, 20, 5, 20], [8, 8, 12, 8, 12, 12, 8, 12]], (5, 20, 5, 20)),
    ],
)
def test_odd_polygons_are_filled_as_by_pycocotools(data, shape, box):
    write(data / "annotations.json", [listed(0, "0.jpg")], [drawn(0, shape=shape)])
    expected = np.zeros((40, 60), np.uint8)
    expected[box[0] : box[1], box[2] : box[3]] = 1
    np.testing.assert_array_equal(open_as_is(data).labels(0), expected)
    float_rings = [[float(x) for x in ring] for ring in shape]
    peer = mask.decode(mask.merge(mask.frPyObjects(float_rings, 40, 60)))
    np.testing.assert_array_equal(peer, expected)
