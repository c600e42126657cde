"""COCO-Stuff: values are ids minus 1, eleven of them never occur, 255 is IGNORE."""

import numpy as np
import pytest

from maskwright.core.errors import DataError
from maskwright.core.labels import IGNORE
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.dataset import open_as_is
from maskwright.data.formats.coco_stuff import NAMES, UNUSED, recognises, scan

PHOTO = np.zeros((2, 3, 3), np.uint8)
VALUES = np.array([[0, 89, 91], [181, 255, 12]], np.uint8)
NAME = "000000000139"
NOTHING = DatasetFile()


def files(mask=VALUES, *, top="stuffthingmaps_trainval2017", ending=""):
    return {f"{top}/val2017/{NAME}{ending}.png": mask, f"images/val2017/{NAME}.jpg": PHOTO}


def test_the_table_is_that_of_the_authors():
    ids = {1: "person", 13: "stop sign", 90: "toothbrush", 92: "banner", 110: "desk-stuff"}
    ids |= {124: "grass", 149: "road", 157: "sky-other", 169: "tree", 182: "wood"}
    assert {number: NAMES[number - 1] for number in ids} == ids
    assert len(NAMES) == len(set(NAMES)) == 182
    assert list(NAMES[91:]) == sorted(NAMES[91:])
    assert [NAMES[value] for value in UNUSED] == [
        *("street sign", "hat", "shoe", "eye glasses", "plate", "mirror"),
        *("window", "desk", "door", "blender", "hair brush"),
    ]


def test_values_are_ids_minus_one(write):
    root = write(files())
    assert recognises(root)
    dataset = open_as_is(root)
    assert len(dataset.spec) == 171
    names = [
        "(ignored)" if index == IGNORE else dataset.spec.names[index]
        for index in dataset.labels(0).ravel().tolist()
    ]
    assert names == ["person", "toothbrush", "banner", "wood", "(ignored)", "stop sign"]
    kinds = [dataset.spec.classes[dataset.spec.names.index(n)].kind for n in ("car", "road")]
    assert kinds == ["thing", "stuff"]
    assert [(e.split, e.key) for e in dataset.entries] == [("val", NAME)]


@pytest.mark.parametrize("value", UNUSED)
def test_a_value_that_only_the_other_convention_has_is_refused_and_explained(value, write):
    dataset = open_as_is(write(files(np.full((2, 3), value, np.uint8))))
    with pytest.raises(DataError, match=rf"{NAME}\.png: mask values {value} \(6 px\) are not"):
        dataset.labels(0)
    assert any(f"{value}" in note and "mmsegmentation" in note for note in dataset.notes)


def test_values_from_182_on_are_refused(write):
    dataset = open_as_is(write(files(np.full((2, 3), 182, np.uint8))))
    with pytest.raises(DataError, match="mask values 182"):
        dataset.labels(0)


def test_the_layout_of_the_authors_readme_is_known_by_its_names(write):
    assert recognises(write(files(top="annotations")))


@pytest.mark.parametrize("name", ["a", "0001", "000000000139_mask"])
def test_other_masks_in_a_folder_of_annotations_are_not_taken(name, write):
    root = write({f"annotations/train2017/{name}.png": VALUES, "images/train2017/a.jpg": PHOTO})
    assert not recognises(root)


def test_masks_of_the_other_convention_are_refused_by_name(write):
    root = write(files(top="annotations", ending="_labelTrainIds"))
    assert recognises(root)
    with pytest.raises(DataError, match=r"0\.\.170 without gaps .* 'format: mask_folder'"):
        scan(root, NOTHING)


def test_masks_of_both_conventions_are_distinguished(write):
    root = write(files(top="annotations") | files(top="annotations", ending="_labelTrainIds"))
    found = scan(root, NOTHING)
    assert [entry.labels.file.name for entry in found.entries] == [f"{NAME}.png"]
    assert found.notes[1] == "1 mask is skipped, called ..._labelTrainIds"


def test_masks_without_images_are_named(write):
    root = write({f"stuffthingmaps/val2017/{NAME}.png": VALUES})
    with pytest.raises(DataError, match=r"none of 1 mask has an image; put those of .*val2017"):
        scan(root, NOTHING)
    root = write({"val2017/b.jpg": PHOTO, "stuffthingmaps/val2017/b.png": VALUES})
    found = scan(root, NOTHING)
    assert [mask.file.stem for mask in found.lone_masks] == [NAME]
    assert [entry.key for entry in found.entries] == ["b"]


def test_the_error_for_an_empty_folder_names_what_to_unpack(write):
    root = write({"stuffthingmaps_trainval2017/val2017/readme.txt": "nothing"})
    with pytest.raises(DataError, match=r"unpack stuffthingmaps_trainval2017\.zip into"):
        scan(root, NOTHING)


def test_damaged_masks_are_read_or_refused_soon(fuzz, write):
    root = write(files())
    path = root / f"stuffthingmaps_trainval2017/val2017/{NAME}.png"
    dataset = open_as_is(root)

    def read(damaged):
        path.write_bytes(damaged)
        dataset.labels(0)

    fuzz(path.read_bytes(), read)
