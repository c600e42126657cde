"""nnU-Net: cases, channels, and labels that are values, names or regions."""

import json

import numpy as np
import pytest

from maskwright.core.errors import DataError
from maskwright.core.labels import IGNORE
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.dataset import open_as_is
from maskwright.data.formats.nnunet import recognises, scan

IMAGE = np.zeros((2, 4, 3), np.uint8)
M = np.array([[0, 1, 2, 3], [0, 0, 0, 0]], np.uint8)


def table(labels, **more):
    return json.dumps({"channel_names": {"0": "R"}, "labels": labels, **more})


def case(name, *, channel="_0000", ending="Tr"):
    return {
        f"images{ending}/{name}{channel}.png": IMAGE,
        f"labels{ending}/{name}.png": M,
    }


def names_of(root):
    dataset = open_as_is(root)
    names = [*dataset.spec.names, *[None] * 256][:IGNORE]
    return [None if n == IGNORE else names[n] for n in dataset.labels(0)[0].tolist()]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"background": 0, "a": 1, "b": 2, "ignore": 3}, ["background", "a", "b", None]),
        ({"0": "background", "1": "a", "2": "b", "3": "c"}, ["background", "a", "b", "c"]),
        (
            {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": [3]},
            ["background", "whole", "core", "enhancing"],
        ),
        (
            {"background": 0, "whole": [1, 2, 3], "core": [2, 3]},
            ["background", "whole"] + ["core"] * 2,
        ),
    ],
)
@pytest.mark.parametrize("channel", ["_0000", ""])
def test_values_have_the_names_of_dataset_json(write, labels, expected, channel):
    root = write(case("tooth_001", channel=channel) | {"dataset.json": table(labels)})
    assert recognises(root)
    assert names_of(root) == expected
    assert open_as_is(root).keys == ("tooth_001",)


def test_test_cases_without_labels_are_a_split(write):
    files = case("a") | case("b") | {"imagesTs/c_0000.png": IMAGE}
    root = write(files | {"dataset.json": table({"background": 0, "a": 1})})
    found = scan(root, DatasetFile())
    assert [(e.split, e.key, e.labels is not None) for e in found.entries] == [
        ("test", "c", False),
        ("train", "a", True),
        ("train", "b", True),
    ]


def test_cases_that_are_listed_and_not_there_are_left_out_by_name(write):
    listed = [{"image": "./imagesTr/a.png", "label": "x"}, {"image": "./imagesTr/z_0000.png"}]
    root = write(case("a") | {"dataset.json": table({"b": 0}, training=listed)})
    (left_out,) = scan(root, DatasetFile()).left_out
    assert left_out.names == ("./imagesTr/z_0000.png",)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            case("a") | {"imagesTr/a_0001.png": IMAGE},
            "channel 1 of 'a'; a network here",
        ),
        ({"imagesTr/a_0000.png": IMAGE, "labelsTr/b.png": M}, "no case in imagesTr has labels"),
        (
            case("a") | {"dataset.json": table({"b": "c"})},
            "labels has 'b': 'c', expected",
        ),
    ],
)
def test_what_is_wrong_is_named(write, files, message):
    root = write({"dataset.json": table({"background": 0})} | files)
    with pytest.raises(DataError, match=message):
        scan(root, DatasetFile())


def test_slices_of_a_volume_are_one_group(tmp_path):
    nib = pytest.importorskip("nibabel")
    for folder, name in (("imagesTr", "liver_1_0000"), ("labelsTr", "liver_1")):
        (tmp_path / folder).mkdir()
        volume = np.zeros((4, 5, 3), np.uint8)
        volume[0, :, 1] = 1
        nib.save(nib.Nifti1Image(volume, np.eye(4)), tmp_path / folder / f"{name}.nii.gz")
    (tmp_path / "dataset.json").write_text(table({"background": 0, "liver": 1}))
    entries = scan(tmp_path, DatasetFile()).entries
    assert [(e.key, e.group) for e in entries] == [
        (f"liver_1__000{n}", "liver_1") for n in range(3)
    ]
    assert open_as_is(tmp_path).labels(1).sum() == 5


def test_damaged_files_are_read_or_refused_soon(write, fuzz):
    labels = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "ignore": 4}
    root = write(case("a") | {"dataset.json": table(labels, training=[{"image": "x.png"}])})
    files = (root / "dataset.json", root / "labelsTr/a.png")
    whole = [path.read_bytes() for path in files]

    def read(index, content):
        for path, before in zip(files, whole, strict=True):
            path.write_bytes(before)
        files[index].write_bytes(content)
        open_as_is(root, form="nnunet").labels(0)

    for index, content in enumerate(whole):
        fuzz(content, lambda damaged, index=index: read(index, damaged))
