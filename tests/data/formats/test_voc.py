"""Pascal VOC's folders."""

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import ConfigError, DataError
from maskwright.core.labels import voc_palette
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is
from maskwright.data.formats.voc import recognises, scan

NOTHING = DatasetFile()
LISTS = "ImageSets/Segmentation"


NO_JPEG = "images that are not .jpg, kept as they are"


def files(*keys, images=()):
    names = [f"SegmentationClass/{key}.png" for key in keys]
    return dict.fromkeys([*names, *(f"JPEGImages/{k}.jpg" for k in (*keys, *images))], b"")


def keys(scanned):
    return [(e.split, e.key, e.labels is not None) for e in scanned.entries]


def test_lists_name_the_images_of_a_split_and_others_are_skipped(write):
    root = write(
        files("a", "b", images=("c", "d"))
        | {f"{LISTS}/train.txt": "a\n", f"{LISTS}/val.txt": "b 1\n"}
        | {f"{LISTS}/trainval.txt": "a\nb\n", f"{LISTS}/test.txt": "c\n"}
    )
    scanned = scan(root, NOTHING)
    assert keys(scanned) == [("test", "c", False), ("train", "a", True), ("val", "b", True)]
    assert [(item.reason, item.names) for item in scanned.left_out] == [
        ("images that no list names", ("d",))
    ]


def test_one_list_for_all_is_not_a_split(write):
    root = write(files("a", "b") | {f"{LISTS}/default.txt": "b\na\n"})
    assert keys(scan(root, NOTHING)) == [("", "a", True), ("", "b", True)]


def test_without_lists_the_images_with_masks_are_read(write):
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
        DataError, match=r"has no folder JPEGImages; add it \(CVAT: export with"
    ):
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


M = np.array(
    [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 255]], np.uint8
)
BLACK = np.zeros((4, 6, 3), np.uint8)


def test_indices_of_a_palette_mask_are_read_not_its_colours(write):
    root = write({"VOC2012/JPEGImages/a.png": BLACK}) / "VOC2012"
    mask = Image.fromarray(M)
    mask.putpalette([value for index in range(256) for value in (index, 0, 0)])
    (root / "SegmentationClass").mkdir()
    mask.save(root / "SegmentationClass/a.png")
    dataset = open_as_is(root)
    assert dataset.spec.names[1] == "aeroplane"
    assert len(dataset.spec) == 21
    np.testing.assert_array_equal(dataset.labels(0), M)


def test_masks_in_the_colours_of_voc_are_read_by_them(write):
    colors = np.array(voc_palette(), np.uint8)
    grey = np.where(M == 1, 7, M)  # index 7 is grey: (128, 128, 128)
    root = write(
        {"VOC2007/JPEGImages/a.png": BLACK, "VOC2007/SegmentationClass/a.png": colors[grey]}
    )
    dataset = open_as_is(root / "VOC2007")
    np.testing.assert_array_equal(dataset.labels(0), grey)
    assert dataset.spec.names[7] == "car"


def test_class_names_of_labelme_are_read(write):
    files = {"JPEGImages/a.png": BLACK, "SegmentationClass/a.png": M}
    root = write(files | {"class_names.txt": "_background_\npotted plant\n"})
    assert open_as_is(root).spec.names == ("_background_", "potted plant")


def test_a_value_that_no_class_has_is_refused(write):
    files = {"JPEGImages/a.png": BLACK, "SegmentationClass/a.png": M * 3}
    root = write(files | {"class_names.txt": "a\nb\n"})
    with pytest.raises(
        DataError, match=r"a\.png: mask values 3 \(9 px\), 253 \(1 px\) are not"
    ):
        open_as_is(root).labels(0)


def test_a_list_of_classes_that_is_empty_is_refused(write):
    files = {"JPEGImages/a.png": BLACK, "SegmentationClass/a.png": M, "class_names.txt": "\n"}
    with pytest.raises(ConfigError, match=r"class_names\.txt: lists 0 classes, expected 1"):
        open_as_is(write(files))


@pytest.mark.parametrize("text", ["a b 1\n", '"a b"\n', "# note\na b\r\n", "\ufeffa b\n"])
def test_names_may_have_blanks_and_folders(write, text):
    root = write(
        dict.fromkeys(
            ("JPEGImages/a b.jpg", "SegmentationClass/a b.png", "JPEGImages/x/c.jpg"), b""
        )
        | {
            "SegmentationClass/x/c.png": b"",
            f"{LISTS}/train.txt": text.replace(" 1", "") + "x/c",
        }
    )
    assert keys(scan(root, NOTHING)) == [("train", "a b", True), ("train", "x__c", True)]


def test_two_images_of_one_name_are_refused(write):
    root = write(files("a") | {"JPEGImages/a.png": b""})
    with pytest.raises(DataError, match=r"a\.png: a\.jpg beside it has the same name"):
        scan(root, NOTHING)


def test_the_golden_mask_is_written(write, tmp_path):
    source = write(
        {
            "src/images/train/a.png": BLACK,
            "src/masks/train/a.png": M,
            "src/images/val/b.png": BLACK,
            "src/masks/val/b.png": M,
            "src/classes.txt": "lawn\ncar\n",
        }
    )
    account = convert(source / "src", tmp_path / "out", to="voc", verify=True)
    assert {what: loss.count for what, loss in account.losses.items()} == {NO_JPEG: 2}
    assert account.agreement.differing == 0
    lists = tmp_path / "out" / LISTS
    assert {p.name: p.read_text() for p in lists.iterdir()} == {
        "train.txt": "a\n",
        "val.txt": "b\n",
    }
    with Image.open(tmp_path / "out/SegmentationClass/a.png") as mask:
        assert mask.mode == "P"
        np.testing.assert_array_equal(np.array(mask), M)
        palette = np.array(mask.getpalette("RGB")).reshape(-1, 3)
        shown = np.array(mask.convert("RGB"))
    assert palette[[0, 1, 15, 20, 255]].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [192, 128, 128],
        [0, 64, 128],
        [224, 224, 192],
    ]
    assert shown[3, 5].tolist() == [224, 224, 192]


def test_255_classes_fit_beside_the_void(write, tmp_path):
    every = np.arange(256, dtype=np.uint8).reshape(4, 64)
    source = write(
        {
            "src/images/a.png": np.zeros((4, 64), np.uint8),
            "src/masks/a.png": every,
            "src/classes.txt": "".join(f"c{n}\n" for n in range(255)),
        }
    )
    account = convert(source / "src", tmp_path / "out", to="voc", verify=True)
    assert (account.losses.keys(), account.agreement.differing) == ({NO_JPEG}, 0)


@pytest.mark.real
@pytest.mark.parametrize("folder", ["labelme2voc_semantic", "labelme2voc_instance"])
def test_files_that_labelme_wrote_are_read_by_their_class_names(real_data, folder, tmp_path):
    """Indices are those that Pillow gives; what is written looks the same."""
    root = real_data / "formats/voc" / folder
    dataset = open_as_is(root)
    assert dataset.spec.names[:2] == ("_background_", "aeroplane")
    assert dataset.spec.names[20] == "tv/monitor"
    for index, entry in enumerate(dataset.entries):
        with Image.open(entry.labels.file) as mask:
            np.testing.assert_array_equal(dataset.labels(index), np.array(mask))
    account = convert(dataset, tmp_path / "out", to="voc", verify=True)
    assert (account.losses, account.agreement.differing) == ({}, 0)
    for path in (root / "SegmentationClass").iterdir():
        written = tmp_path / "out/SegmentationClass" / path.name
        with Image.open(path) as before, Image.open(written) as after:
            assert before.convert("RGB").tobytes() == after.convert("RGB").tobytes()


@pytest.mark.real
def test_colours_that_datumaro_wrote_are_read(real_data):
    """All of 2007_000001.png is (0, 128, 0), index 2 of VOC; the image of test has no mask."""
    dataset = open_as_is(real_data / "formats/datumaro_toy/voc/voc_dataset1")
    assert [(e.split, e.key) for e in dataset.entries] == [
        ("test", "2007_000002"),
        ("train", "2007_000001"),
    ]
    assert np.unique(dataset.labels(1)).tolist() == [0]
    assert dataset.spec.names == ("class_2",)


def test_a_damaged_folder_is_refused_once_and_soon(write, fuzz, tmp_path):
    root = write({"VOC2012/JPEGImages/a.png": BLACK, "VOC2012/SegmentationClass/a.png": M})
    files = [root / "VOC2012/SegmentationClass/a.png", root / f"VOC2012/{LISTS}/train.txt"]
    files[1].parent.mkdir(parents=True)
    files[1].write_text("a\n")
    whole = [path.read_bytes() for path in files]

    def read(place, content):
        for path, before in zip(files, whole, strict=True):
            path.write_bytes(before)
        files[place].write_bytes(content)
        dataset = open_as_is(root / "VOC2012", form="voc")
        for index in range(len(dataset)):
            dataset.labels(index)

    fuzz(whole[0], lambda content: read(0, content))
    fuzz(whole[1], lambda content: read(1, content))
