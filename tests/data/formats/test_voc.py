import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import ConfigError, DataError
from maskwright.data.dataset import open_dataset
from maskwright.data.formats.voc import recognises, scan
from maskwright.data.schema import DatasetFile

NOTHING = DatasetFile()
LISTS = "ImageSets/Segmentation"


def files(*keys, images=()):
    names = [f"SegmentationClass/{key}.png" for key in keys]
    return dict.fromkeys([*names, *(f"JPEGImages/{k}.jpg" for k in (*keys, *images))], b"")


def keys(found):
    return [(e.split, e.key, e.labels is not None) for e in found.entries]


def test_lists_say_what_is_in_a_split_and_the_rest_is_passed_over(write):
    root = write(
        files("a", "b", images=("c", "d"))
        | {f"{LISTS}/train.txt": "a\n", f"{LISTS}/val.txt": "b 1\n"}
        | {f"{LISTS}/trainval.txt": "a\nb\n", f"{LISTS}/test.txt": "c\n"}
    )
    found = scan(root, NOTHING)
    assert keys(found) == [("test", "c", False), ("train", "a", True), ("val", "b", True)]
    assert found.notes == ("1 images that no list names are passed over",)


def test_one_list_for_all_is_no_split(write):
    root = write(files("a", "b") | {f"{LISTS}/default.txt": "b\na\n"})
    assert keys(scan(root, NOTHING)) == [("", "a", True), ("", "b", True)]


def test_without_lists_the_masks_say_what_is_taken(write):
    root = write(files("a", images=("b",)))
    assert recognises(root)
    assert keys(scan(root, NOTHING)) == [("", "a", True)]


def test_a_listed_image_that_is_missing_is_named(write):
    root = write(files("a") | {f"{LISTS}/train.txt": "a\nz\n"})
    with pytest.raises(DataError, match=r"train\.txt: lists 'z' and 0 other names without"):
        scan(root, NOTHING)


def test_an_export_without_images_says_how_to_get_them(write):
    root = write({"SegmentationClass/a.png": b"", f"{LISTS}/default.txt": "a\n"})
    assert recognises(root)
    with pytest.raises(
        DataError, match=r"has no folder JPEGImages; add it \(CVAT: export again"
    ):
        scan(root, NOTHING)


def test_label_map_names_the_colours_of_masks(write):
    colors = np.array([[[0, 0, 0], [10, 20, 30], [224, 224, 192]]], np.uint8)
    root = write(
        {
            "JPEGImages/a.png": np.zeros((1, 3, 3), np.uint8),
            "SegmentationClass/a.png": colors,
            "labelmap.txt": "# label:color_rgb:parts\nbackground:0,0,0::\ncar:10,20,30::\n",
        }
    )
    dataset = open_dataset(root)
    assert dataset.spec.names == ("background", "car")
    assert dataset.spec.classes[1].color == (10, 20, 30)
    assert dataset.labels(0).tolist() == [[0, 1, 255]]
    assert "format: voc" in (root / "dataset.yaml").read_text()


def test_label_map_names_the_indices_of_palette_masks(write):
    root = write(
        {
            "JPEGImages/a.png": np.zeros((1, 3, 3), np.uint8),
            "labelmap.txt": "back:0,0,0::\ncar:10,20,30:wheel,door:drive\nvoid:224,224,192::",
        }
    )
    mask = Image.new("P", (3, 1))
    mask.putdata([1, 0, 255])
    mask.putpalette([value for index in range(256) for value in (index, 0, 0)])
    (root / "SegmentationClass").mkdir()
    mask.save(root / "SegmentationClass/a.png")
    dataset = open_dataset(root)
    assert dataset.spec.names == ("back", "car")
    assert dataset.labels(0).tolist() == [[1, 0, 255]]


def test_a_bad_line_of_the_label_map_is_named(write):
    root = write(files("a") | {"labelmap.txt": "background:0,0,0::\ncar:10,20::\n"})
    with pytest.raises(ConfigError, match=r"labelmap\.txt: line 2 is 'car:10,20::', expected"):
        scan(root, NOTHING)


def test_the_pascal_classes_are_known_by_the_name_of_the_folder(write):
    root = write({f"VOC2012/{name}": content for name, content in files("a").items()})
    classes = scan(root / "VOC2012", NOTHING).classes
    assert len(classes) == 21
    assert (classes[0].name, classes[15].name, classes[15].color) == (
        "background",
        "person",
        (192, 128, 128),
    )
    assert scan(write(files("a")), NOTHING).classes is None
