"""KITTI's semantic segmentation."""

import numpy as np
import pytest

from maskwright.core.errors import ConfigError, DataError
from maskwright.core.labels import IGNORE
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.dataset import open_as_is, open_dataset
from maskwright.data.formats.kitti import recognises, scan

IDS = np.array([[7, 8, 11, 33, 26], [0, 4, 6, 18, 30]], np.uint8)
IMAGE = np.zeros((2, 5, 3), np.uint8)


def files(*names, ids=IDS):
    return {f"training/image_2/{n}.png": IMAGE for n in names} | {
        f"training/semantic/{n}.png": ids for n in names
    }


def test_label_ids_become_the_19_classes(write):
    dataset = open_as_is(write(files("000000_10")))
    assert len(dataset.spec) == 19
    assert dataset.spec.names[:3] == ("road", "sidewalk", "building")
    assert dataset.spec.classes[13].color == (0, 0, 142)
    assert dataset.labels(0).tolist() == [[0, 1, 2, 18, 13], [IGNORE] * 5]
    assert dataset.splits == {"train": 1}


def test_names_of_training_and_testing_are_kept_apart(write):
    root = write(files("000000_10", "000001_10") | {"testing/image_2/000000_10.png": IMAGE})
    found = scan(root, DatasetFile())
    assert [(e.split, e.key, e.labels is not None) for e in found.entries] == [
        ("test", "test__000000_10", False),
        ("train", "train__000000_10", True),
        ("train", "train__000001_10", True),
    ]
    assert [e.group for e in found.entries] == [e.key for e in found.entries]


def test_a_val_split_is_drawn_where_there_is_none(write):
    names = [f"{n:06d}_10" for n in range(20)]
    root = write(files(*names) | {"testing/image_2/000000_10.png": IMAGE})
    assert open_dataset(root).splits == {"test": 1, "train": 17, "val": 3}


def test_an_id_that_cityscapes_does_not_have_is_refused(write):
    dataset = open_as_is(write(files("000000_10", ids=IDS + np.uint8(222))))
    with pytest.raises(DataError, match=r"_10\.png: mask values 222 \(1 px\), 226 \(1 px\)"):
        dataset.labels(0)


def test_instances_alone_are_refused(write):
    root = write({"training/image_2/a.png": IMAGE, "training/instance/a.png": IDS})
    assert recognises(root)
    with pytest.raises(
        DataError, match=r"no masks training/semantic/\*\.png .*instances alone"
    ):
        scan(root, DatasetFile())


def test_a_table_of_its_own_replaces_that_of_cityscapes(write):
    table = "128 64 128 road\r\n0\t0\t0\tnot a road\r\n"
    root = write(files("a", ids=IDS % 2) | {"label_colors.txt": table})
    dataset = open_as_is(root)
    assert dataset.spec.names == ("road", "not a road")
    np.testing.assert_array_equal(dataset.labels(0), IDS % 2)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("1 2 3\n", "line 1 is '1 2 3', expected 'red green blue name'"),
        ("1 2 300 a\n", "line 1 is '1 2 300 a'"),
        ("1 2 3 a\n4 5 6 a\n", "line 2 names 'a' a second time; keep one line"),
        ("\n", "lists 0 labels, expected 1 to 256"),
    ],
)
def test_a_bad_table_is_named(write, table, message):
    root = write(files("a") | {"label_colors.txt": table})
    with pytest.raises(ConfigError, match=rf"label_colors\.txt: {message}"):
        scan(root, DatasetFile())


@pytest.mark.real
def test_the_toy_of_datumaro_has_instances_alone(real_data):
    root = real_data / "formats/datumaro_toy/kitti/kitti_segmentation"
    with pytest.raises(DataError, match="has no masks training/semantic"):
        open_as_is(root)


def test_a_damaged_folder_is_refused_once_and_soon(write, fuzz):
    root = write(files("a") | {"label_colors.txt": ""})
    path = root / "training/semantic/a.png"
    (root / "label_colors.txt").unlink()

    def mask(content):
        path.write_bytes(content)
        open_as_is(root, form="kitti").labels(0)

    def table(content):
        (root / "label_colors.txt").write_bytes(content)
        open_as_is(root, form="kitti").labels(0)

    whole = path.read_bytes()
    fuzz(whole, mask)
    path.write_bytes(whole)
    lines = "".join(f"{n} 0 {n} label {n}\n" for n in range(34))
    fuzz(lines.encode(), table)
