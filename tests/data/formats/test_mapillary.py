"""Mapillary Vistas: two versions that are never mixed, void by 'evaluate', 16-bit instances."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import ConfigError, DataError
from maskwright.core.labels import IGNORE
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is
from maskwright.data.formats.mapillary import recognises, scan

from .damage import make_reader

M = np.array(
    [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1]], np.uint8
)
IMAGE = np.zeros((4, 6, 3), np.uint8)
V1, V2 = "v1.2", "v2.0"


def config(num, *, void=1):
    """A config file of `num` labels, the last of which are not evaluated."""
    labels = [
        {
            "name": f"label--{n}",
            "readable": f"Label {n}",
            "color": [n, 0, 7],
            "instances": n % 2 == 1,
            "evaluate": n < num - void,
        }
        for n in range(num)
    ]
    return json.dumps({"labels": labels, "version": "1.1", "mapping": "public"})


def files(labels_HW, *, version=V2, form="labels", split="training", key="x"):
    folder = f"{split}/{version}/{form}" if version else f"{split}/{form}"
    return {f"{split}/images/{key}.jpg": IMAGE, f"{folder}/{key}.png": labels_HW}


def test_masks_store_label_indices_and_void_is_not_evaluated(write):
    labels_HW = np.where(M == 1, 122, 0).astype(np.uint8)
    labels_HW[0, 0] = 123
    root = write(files(labels_HW) | {"config_v2.0.json": config(124)})
    assert recognises(root)
    dataset = open_as_is(root)
    assert len(dataset.spec) == 123
    assert dataset.spec.names[122] == "label--122"
    assert [(c.color, c.kind) for c in dataset.spec.classes[:2]] == [
        ((0, 0, 7), "stuff"),
        ((1, 0, 7), "thing"),
    ]
    expected = np.where(M == 1, 122, 0)
    expected[0, 0] = IGNORE
    np.testing.assert_array_equal(dataset.labels(0), expected)
    assert [(e.key, e.split) for e in dataset.entries] == [("x", "train")]


def test_a_palette_mask_is_read_by_its_indices_not_its_colours(write):
    picture, content = Image.fromarray(M), io.BytesIO()
    picture.putpalette([165, 42, 42, 0, 192, 0])
    picture.save(content, "PNG")
    root = write(files(content.getvalue()) | {"config_v2.0.json": config(3)})
    np.testing.assert_array_equal(open_as_is(root).labels(0), M)


def test_a_label_that_is_not_evaluated_leaves_the_raw_values_of_the_others(write):
    document = json.loads(config(4))
    document["labels"][1]["evaluate"] = False
    stored = np.array([[0, 1, 2, 3, 0, 0]] * 4, np.uint8)
    dataset = open_as_is(write(files(stored) | {"config_v2.0.json": json.dumps(document)}))
    assert dataset.spec.names == ("label--0", "label--2")
    assert dataset.labels(0)[0].tolist() == [0, IGNORE, 1, IGNORE, 0, 0]


def test_instances_of_16_bits_are_read_if_there_are_no_labels(write, tmp_path_factory):
    values_HW = np.where(M == 1, 3335, 14 * 256).astype(np.uint16)
    values_HW[:, 0] = 65 * 256
    root = write(files(values_HW, form="instances") | {"config_v2.0.json": config(66)})
    dataset = open_as_is(root)
    expected = np.where(M == 1, 13, 14)
    expected[:, 0] = IGNORE
    np.testing.assert_array_equal(dataset.labels(0), expected)
    shapes = dataset.entries[0].labels.read().shapes
    assert [(s.label, s.instance) for s in shapes] == [
        ("label--13", "3335"),
        ("label--14", None),
        ("label--65", "16640"),
    ]
    write(files(expected.astype(np.uint8) % 255))
    assert open_as_is(root).codec.pixels == "index"
    target = tmp_path_factory.mktemp("out") / "coco"
    assert convert(root, target, to="coco", verify=True).agreement.differing == 0


def both(first_HW, second_HW):
    both_versions = files(first_HW, version=V1) | files(second_HW, version=V2)
    return both_versions | {"config_v1.2.json": config(3), "config_v2.0.json": config(4)}


def test_one_of_two_versions_must_be_chosen(write):
    root = write(both(M, M * 2))
    message = (
        r"labels of 'v1\.2' and 'v2\.0'; their label indices differ: choose one, as "
        r"'masks: v2\.0' in"
    )
    with pytest.raises(DataError, match=message):
        open_as_is(root)
    with pytest.raises(DataError, match=r"and 'v2\.0', but not of 'v3'; their"):
        scan(root, DatasetFile(masks="v3"))
    for version, value in ((V1, 1), (V2, 2)):
        (root / "dataset.yaml").write_text(f"format: mapillary\nmasks: {version}\n")
        np.testing.assert_array_equal(open_as_is(root).labels(0), M * value)


def test_labels_beside_the_images_have_the_only_config_file(write):
    root = write(files(M, version="") | {"config.json": config(3)})
    np.testing.assert_array_equal(open_as_is(root).labels(0), M)
    (root / "config.json").rename(root / "config_v1.2.json")
    np.testing.assert_array_equal(open_as_is(root).labels(0), M)


def test_folders_below_are_part_of_the_name(write):
    two_folders = files(M, key="a/x") | files(M * 0, key="b/x")
    dataset = open_as_is(write(two_folders | {"config_v2.0.json": config(3)}))
    assert [entry.key for entry in dataset.entries] == ["a__x", "b__x"]
    assert [int(dataset.labels(place).sum()) for place in (0, 1)] == [10, 0]


def test_testing_has_no_labels(write):
    more = {"testing/images/y.jpg": IMAGE, "config_v2.0.json": config(3)}
    root = write(files(M) | files(M, split="validation", key="z") | more)
    assert open_as_is(root).splits == {"test": 1, "train": 1, "val": 1}


WRONG = {
    "value past the labels": (
        files(M * 3) | {"config_v2.0.json": config(3)},
        r"x\.png: mask values 3 \(10 px\) are not in the label codec",
    ),
    "255": (
        files(M * 255) | {"config_v2.0.json": config(3)},
        r"x\.png: mask values 255 \(10 px\) are not in the label codec",
    ),
    "instance past the labels": (
        files(M.astype(np.uint16) * 800, form="instances") | {"config_v2.0.json": config(3)},
        r"value 800 \(10 px\) is label 3, but config_v2\.0\.json lists 3 labels; use the file",
    ),
    "config of another version": (
        files(M) | {"config_v1.2.json": config(3)},
        r"expected config_v2\.0\.json, which lists the labels, found config_v1\.2\.json; add",
    ),
    "no labels": (
        {"training/images/x.jpg": IMAGE, "config_v2.0.json": config(3)},
        r"has no folder such as training with images beside v2\.0/labels",
    ),
    "a mix": (
        files(M)
        | files(M.astype(np.uint16), form="instances", key="y")
        | {"config_v2.0.json": config(3)},
        r"x\.jpg: this image has no instances|y\.jpg: this image has no labels",
    ),
    "names of labels of others": (
        files(M, key="y") | {"training/images/x.jpg": IMAGE, "config_v2.0.json": config(3)},
        r"x\.jpg has no mask",
    ),
    "no labels in the config": (
        files(M) | {"config_v2.0.json": '{"labels": []}'},
        r"config_v2\.0\.json: labels: .*at least 1 item",
    ),
    "a colour that is none": (
        files(M) | {"config_v2.0.json": config(3).replace("[1, 0, 7]", "[1, 0, 700]")},
        r"config_v2\.0\.json: labels\.1\.color\.2: .*less than or equal to 255, got 700",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_error_names_the_fault(case, write):
    content, message = WRONG[case]
    with pytest.raises(DataError, match=message):
        open_as_is(write(content), form="mapillary").labels(0)


def test_a_config_file_that_evaluates_no_label_is_refused(write):
    root = write(files(M) | {"config_v2.0.json": config(3, void=3)})
    with pytest.raises(ConfigError, match=r"config_v2\.0\.json: no label has \"evaluate\": tr"):
        open_as_is(root)


@pytest.mark.parametrize("name", ["config_v2.0.json", "training/v2.0/instances/x.png"])
def test_damaged_files_are_read_or_refused_soon(name, write, fuzz):
    values_HW = M.astype(np.uint16) * 257
    root = write(files(values_HW, form="instances") | {"config_v2.0.json": config(3)})
    path = root / name
    fuzz(path.read_bytes(), make_reader(root, path, form="mapillary"))


@pytest.mark.real
@pytest.mark.parametrize("name", ["config_v1.2.json", "val/v1.2/labels/1.png"])
def test_damaged_toys_are_read_or_refused_soon(name, real_data, tmp_path, fuzz):
    folder = real_data / "formats/datumaro_toy/mapillary_vistas"
    root = shutil.copytree(folder, tmp_path / "toy")
    for split in ("train", "val"):
        shutil.rmtree(root / split / "v2.0")
    fuzz((root / name).read_bytes(), make_reader(root, root / name, form="mapillary"))


# What datumaro 1.12 reads of its own toy set, Dataset.import_from(folder, "mapillary_vistas",
# format_version=..., use_original_config=False): the same in both versions.
TOY = {"0": [0, 0, 0, 1, 1], "1": [2, 2, 1, 2, 2], "2": [0, 1, 0, 1, 0]}


@pytest.mark.real
@pytest.mark.parametrize("form", ["labels", "instances"])
@pytest.mark.parametrize("version", [V1, V2])
def test_the_toy_of_datumaro_is_read_as_it_reads_it(form, version, real_data, tmp_path):
    folder = real_data / "formats/datumaro_toy/mapillary_vistas"
    root = shutil.copytree(folder, tmp_path / "toy")
    if form == "instances":
        for labels in root.rglob("labels"):
            shutil.rmtree(labels)
    (root / "dataset.yaml").write_text(f"masks: {version}\n")
    dataset = open_as_is(root)
    assert dataset.format == "mapillary"
    for place, entry in enumerate(dataset.entries):
        assert dataset.labels(place).tolist() == [TOY[entry.key]] * 5
