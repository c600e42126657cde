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
            "the case 'a' has 0001, which dataset.json does not name",
        ),
        ({"imagesTr/a_0000.png": IMAGE, "labelsTr/b.png": M}, "no case in imagesTr has labels"),
        (
            case("a") | {"dataset.json": table({"b": "c"})},
            "labels has 'b': 'c', expected",
        ),
        (
            case("a") | {"dataset.json": table({"b": 0}, file_ending=".nrrd")},
            r"file_ending is '\.nrrd', and such files are not read",
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


def save_case(root, name, channels=("0000", "0001"), ending=".nii.gz", shape=(4, 5, 3)):
    nib = pytest.importorskip("nibabel")
    labels = np.zeros(shape[:3], np.uint8)
    labels[1, 2:4] = 1
    files = {f"imagesTr/{name}_{c}": RNG.integers(-9, 9, shape) for c in channels}
    if not channels:
        files = {f"imagesTr/{name}": RNG.integers(-9, 9, shape)}
    for path, values in ({f"labelsTr/{name}": labels} | files).items():
        (root / path).parent.mkdir(exist_ok=True)
        image = nib.Nifti1Image(values.astype(np.int16), np.eye(4))
        nib.save(image, root / f"{path}{ending}")


RNG = np.random.default_rng(6)
TWO = {"channel_names": {"0": "T1", "1": "FLAIR"}, "file_ending": ".nii.gz"}


def test_channels_of_a_case_have_the_names_of_dataset_json(tmp_path):
    save_case(tmp_path, "a")
    (tmp_path / "dataset.json").write_text(table({"background": 0, "x": 1}, **TWO))
    dataset = open_as_is(tmp_path)
    assert dataset.bands == dataset.bands_by_order == ("T1", "FLAIR")
    assert dataset.keys == ("a__0000", "a__0001", "a__0002")
    assert dataset[1].image_HWC.shape == (5, 4, 2)
    assert "channels are T1, FLAIR, as dataset.json names them" in dataset.notes


def test_a_fourth_axis_of_the_decathlon_are_the_modalities(tmp_path):
    save_case(tmp_path, "a", channels=(), shape=(4, 5, 3, 2))
    labels = {"0": "background", "1": "x"}
    table_1 = {"modality": {"0": "FLAIR", "1": "T1w"}, "labels": labels, "numTraining": 1}
    (tmp_path / "dataset.json").write_text(json.dumps(table_1))
    dataset = open_as_is(tmp_path)
    assert dataset.bands == ("FLAIR", "T1w")
    assert dataset[0].image_HWC.shape == (5, 4, 2)


VERSION_1 = {
    "name": "Blocks",
    "tensorImageSize": "4D",
    "modality": {"0": "T1", "1": "FLAIR"},
    "labels": {"0": "background", "1": "x"},
    "numTraining": 2,
    "numTest": 1,
    "training": [
        {"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"},
        {"image": "./imagesTr/b.nii.gz", "label": "./labelsTr/b_drawn.nii.gz"},
    ],
    "test": ["./imagesTs/c.nii.gz", "./imagesTs/d.nii.gz"],
}


def test_version_1_is_read_by_the_pairs_that_it_lists(tmp_path):
    for name in "abc":
        save_case(tmp_path, name)
    (tmp_path / "imagesTs").mkdir()
    for path in (tmp_path / "imagesTr").glob("c_*"):
        path.rename(tmp_path / "imagesTs" / path.name)
    (tmp_path / "labelsTr/c.nii.gz").unlink()
    (tmp_path / "labelsTr/b.nii.gz").rename(tmp_path / "labelsTr/b_drawn.nii.gz")
    (tmp_path / "dataset.json").write_text(json.dumps(VERSION_1))
    found = scan(tmp_path, DatasetFile())
    dataset = open_as_is(tmp_path)
    assert (dataset.bands, dataset.spec.names) == (("T1", "FLAIR"), ("background", "x"))
    assert dataset.splits == {"test": 3, "train": 6}
    assert {entry.group for entry in found.entries if entry.labels} == {"a", "b"}
    assert [left.names for left in found.left_out] == [("./imagesTs/d.nii.gz",)]
    assert not any("numTraining" in note for note in found.notes)


def test_two_files_of_labels_for_one_case_are_refused(write):
    listed = [{"image": "./imagesTr/a.png", "label": "./labelsTr/drawn.png"}]
    files = case("a") | {"labelsTr/drawn.png": M}
    root = write(files | {"dataset.json": table({"background": 0}, training=listed)})
    with pytest.raises(
        DataError, match=r"a\.png and drawn\.png are both labels of the case 'a'"
    ):
        scan(root, DatasetFile())


def test_a_case_without_a_channel_is_refused_by_name(tmp_path):
    save_case(tmp_path, "a")
    save_case(tmp_path, "b", channels=("0001",))
    (tmp_path / "dataset.json").write_text(table({"background": 0, "x": 1}, **TWO))
    with pytest.raises(DataError, match=r"the case 'b' has no file of 0000 \(T1\)"):
        scan(tmp_path, DatasetFile())


def folds(*pairs):
    return json.dumps([{"train": list(train), "val": list(val)} for train, val in pairs])


@pytest.mark.parametrize(
    ("pairs", "splits"),
    [
        ([("bc", "a"), ("ac", "b"), ("ab", "c")], {"a": "fold0", "b": "fold1", "c": "fold2"}),
        ([("ab", "c")], {"a": "train", "b": "train", "c": "val"}),
    ],
)
def test_folds_are_those_of_splits_final(write, pairs, splits):
    cases = case("a") | case("b") | case("c") | {"imagesTs/d_0000.png": IMAGE}
    files = {"dataset.json": table({"background": 0}), "splits_final.json": folds(*pairs)}
    found = scan(write(cases | files), DatasetFile())
    assert {e.key: e.split for e in found.entries} == splits | {"d": "test"}


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ([("a", "b")], "does not list the cases of imagesTr alone, such as 'c'"),
        ([("bc", "a"), ("ac", "b")], "do not divide the cases"),
        ([("bc", "a"), ("abc", "b"), ("ab", "c")], "do not divide the cases"),
    ],
)
def test_folds_that_do_not_divide_the_cases_are_not_read_and_said_so(write, pairs, reason):
    cases = case("a") | case("b") | case("c")
    files = {"dataset.json": table({"background": 0}), "splits_final.json": folds(*pairs)}
    found = scan(write(cases | files), DatasetFile())
    assert {e.split for e in found.entries} == {"train"}
    assert any(reason in note for note in found.notes)


def test_regions_and_a_wrong_number_of_cases_are_said(write):
    labels = {"background": 0, "whole": [1, 2], "core": 2}
    root = write(case("a") | {"dataset.json": table(labels, numTraining=3)})
    notes = " ".join(scan(root, DatasetFile()).notes)
    assert "lists regions, whole [1, 2]: a pixel has one class here" in notes
    assert "says numTraining 3, and 1 labelled case is in imagesTr" in notes
