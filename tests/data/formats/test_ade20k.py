"""ADE20K: 150 classes by index, and all objects of the full dataset by their names."""

import json
import shutil

import numpy as np
import pytest

from maskwright.core.errors import ConfigError, DataError
from maskwright.core.labels import IGNORE
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.dataset import open_as_is, open_dataset
from maskwright.data.formats.ade20k.names import shorten_names
from maskwright.data.formats.ade20k.part import recognises, scan
from maskwright.data.layouts.known_classes import SCENE_NAMES

from .damage import make_reader

M = np.array(
    [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1]], np.uint8
)
IMAGE = np.zeros((4, 6, 3), np.uint8)
CAR, DOOR = 1854, 774
PLACE = "images/ADE/training/urban/street/ADE_train_00000001"


def scenes(mask, *, name="ADE_train_00000001", split="training"):
    return {f"images/{split}/{name}.jpg": IMAGE, f"annotations/{split}/{name}.png": mask}


def test_values_are_the_150_classes_and_0_is_ignored(write):
    stored = np.where(M == 1, 150, 1).astype(np.uint8)
    stored[0, 0] = 0
    root = write(scenes(stored))
    assert recognises(root)
    dataset = open_as_is(root)
    assert len(dataset.spec) == 150
    assert (dataset.spec.names[0], dataset.spec.names[149]) == ("wall", "flag")
    expected = np.where(M == 1, 149, 0)
    expected[0, 0] = IGNORE
    np.testing.assert_array_equal(dataset.labels(0), expected)
    assert any(
        "where 0 is a class here, write 'format: mask_folder'" in n for n in dataset.notes
    )


def test_a_copy_with_classes_from_0_is_read_as_masks(write):
    root = write(scenes(M) | {"dataset.yaml": "format: mask_folder\n"})
    np.testing.assert_array_equal(open_as_is(root).labels(0), M)


def test_255_and_151_are_not_classes(write):
    dataset = open_as_is(write(scenes(np.where(M == 1, 255, 151).astype(np.uint8))))
    with pytest.raises(DataError, match=r"mask values 151 \(14 px\), 255 \(10 px\) are not in"):
        dataset.labels(0)


def test_a_table_beside_the_data_names_the_classes(write):
    table = "Idx\tRatio\tTrain\tVal\tName\n1\t0.1\t9\t9\tbed \n2 \t0.1\t9\t9\tscreen, silver\n"
    table += "5\t0.1\t9\t9\tscreen, crt\n\n"
    dataset = open_as_is(write(scenes(M * 5 + (1 - M)) | {"objectInfo150.txt": table}))
    assert dataset.spec.names == ("bed", "screen, silver", "screen, crt")
    np.testing.assert_array_equal(dataset.labels(0), M * 2)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "lists no classes under 'Idx' and 'Name'"),
        ("Idx\tName\n", "lists no classes"),
        ("Idx\tName\nx\twall\n", r"line 2 is 'x\\twall', expected a new value above 0"),
        ("Idx\tName\n0\tother\n", "line 2 is "),
        ("Idx\tName\n1\twall\n1\tsky\n", r"line 3 is '1\\tsky'"),
        ("Idx\tName\n1 wall\n", "line 2 is '1 wall'"),
        ("Idx\tName\n" + "9" * 40 + "\twall\n", "line 2 is "),
    ],
)
def test_a_bad_table_is_named(table, message, write):
    root = write(scenes(M) | {"objectInfo150.txt": table})
    with pytest.raises(ConfigError, match=rf"objectInfo150\.txt: {message}"):
        open_as_is(root)


def test_the_150_names_are_all_different_and_short():
    assert len(set(SCENE_NAMES)) == 150
    assert shorten_names(("a, b", "c , d", "a", "")) == ("a, b", "c", "a", "")


def rgb(codes_HW, blue_HW):
    """Class and instance as ADE20K stores them; red is often not a multiple of ten."""
    red = np.where(codes_HW > 0, codes_HW // 256 * 10 + 3, 0)
    return np.stack([red, codes_HW % 256, blue_HW], -1).astype(np.uint8)


M_CODES = np.where(M == 1, CAR, DOOR)
M_SEG = rgb(M_CODES, np.where(M == 1, 200, 40))


def thing(name, index, level=0):
    return {"name": name, "name_ndx": index, "parts": {"part_level": level}, "polygon": {}}


CARS = [thing("car, auto", CAR), thing("door", DOOR), thing("wheel", 7, level=1)]


def full(seg, text, *, place=PLACE):
    if not isinstance(text, str):
        named = {f"{place}.json": json.dumps({"annotation": {"object": text}})}
    else:
        named = {f"{place}_atr.txt": text}
    return {f"{place}.jpg": IMAGE, f"{place}_seg.png": seg, **named}


ATTRIBUTES = """001 # 0 # 0 # door # doors # ""
002 # 0 # 1 # car, auto # car # "parked, red"
001 # 1 # 0 # wheel # wheel # ""
"""


@pytest.mark.parametrize("text", [CARS, ATTRIBUTES])
def test_classes_of_the_full_set_are_names(text, write):
    assert M_SEG[1, 1].tolist() == [73, 62, 200]
    root = write(full(M_SEG, text))
    assert recognises(root)
    dataset = open_as_is(root)
    assert dataset.spec.names == ("car", "door")
    assert "parts of objects (_parts_) are skipped" in dataset.notes
    np.testing.assert_array_equal(dataset.labels(0), 1 - M)
    (entry,) = dataset.entries
    assert (entry.key, entry.split) == ("ADE_train_00000001", "train")
    shapes = entry.labels.read().shapes
    assert sorted((s.label, s.instance) for s in shapes) == [
        ("car, auto", "200"),
        ("door", "40"),
    ]


def test_class_0_is_ignored(write):
    codes_HW, blue_HW = M_CODES.copy(), np.full((4, 6), 9)
    codes_HW[0], blue_HW[0] = 0, 0
    dataset = open_as_is(write(full(rgb(codes_HW, blue_HW), CARS)))
    assert (dataset.labels(0)[0] == IGNORE).all()
    assert IGNORE not in dataset.labels(0)[1:]


def test_json_is_latin_1(write):
    root = write(full(M_SEG, []))
    text = json.dumps({"annotation": {"object": CARS}}).replace("door", "caf\u00e9")
    (root / f"{PLACE}.json").write_bytes(text.encode("latin-1"))
    assert open_as_is(root).spec.names == ("caf\u00e9", "car")


def many():
    return [*CARS, *(thing(f"kind {n}", n + 1) for n in range(300))]


def test_more_than_255_names_need_a_list(write):
    root = write(full(M_SEG, many()))
    message = r"ADE20K names 302 kinds of objects here, expected at most 255; in data"
    with pytest.raises(DataError, match=message):
        open_as_is(root)
    (root / "dataset.yaml").write_text(
        "classes: [{name: car, raw: ['car, auto']}]\n"
        "codec: {pixels: name, ignored: ['(undrawn)', '(other)']}\n"
    )
    np.testing.assert_array_equal(open_as_is(root).labels(0), np.where(M == 1, 0, IGNORE))
    (root / "dataset.yaml").write_text(
        "classes: [{name: car, raw: ['car, auto']}]\n"
        "codec: {pixels: name, ignored: ['(undrawn)']}\n"
    )
    with pytest.raises(
        DataError, match=r"labels 'door' \(1 shape\) are not in the label codec"
    ):
        open_as_is(root).labels(0)


WRONG = {
    "no name": (
        full(M_SEG, CARS[:1]),
        r"_seg\.png: class 774 \(14 px\) has no name in ADE_train_00000001\.json; get both",
    ),
    "two names": (
        full(M_SEG, [*CARS, thing("truck", CAR)]),
        r"\.json: class 1854 is 'car, auto' and 'truck'; get the file again",
    ),
    "fewer objects": (
        full(M_SEG, ATTRIBUTES[:24]),
        r"_seg\.png: shows 2 objects, and ADE_train_00000001_atr\.txt lists 1, expected the ",
    ),
    "another rank": (
        full(rgb(M_CODES * 0 + CAR, np.where(M == 1, 200, 40)), ATTRIBUTES),
        r"_atr\.txt: class 1854 is 'door' and 'car, auto'|is 'car, auto' and 'door'",
    ),
    "no table": (full(M_SEG, "sky\n"), r"_atr\.txt: line 1 is 'sky', expected 'number # part"),
    "no colours": (full(M, CARS), r"_seg\.png: the mask has one channel"),
    "no text": (
        {k: v for k, v in full(M_SEG, CARS).items() if "json" not in k},
        r"_seg\.png: neither ADE_train_00000001_atr\.txt nor ADE_train_00000001\.json, which",
    ),
    "no mask": (
        full(M_SEG, CARS) | {PLACE.replace("00001", "00002") + ".jpg": IMAGE},
        r"ADE_train_00000002\.jpg has no mask",
    ),
    "no number": (
        full(M_SEG, [CARS[0] | {"name_ndx": "x"}]),
        r"\.json: annotation\.object\.0\.name_ndx: .*integer",
    ),
    "no images": ({"annotations/training/a.png": M}, r"has neither images and annotations of"),
    "nothing": ({"images/training/a.jpg": IMAGE}, r"has neither images and annotations of"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(case, write):
    content, message = WRONG[case]
    with pytest.raises(DataError, match=message):
        open_as_is(write(content), form="ade20k").labels(0)


def test_a_written_dataset_yaml_reads_the_same(write):
    root = write(full(M_SEG, CARS))
    first = open_as_is(root)
    open_dataset(root)
    assert open_as_is(root).codec == first.codec
    assert scan(root, DatasetFile()).overlap == "file"


@pytest.mark.parametrize(
    ("text", "ending"), [(CARS, ".json"), (ATTRIBUTES, "_atr.txt"), (CARS, "_seg.png")]
)
def test_damaged_files_of_the_full_set_are_read_or_refused_soon(text, ending, write, fuzz):
    root = write(full(M_SEG, text))
    path = root / f"{PLACE}{ending}"
    fuzz(path.read_bytes(), make_reader(root, path, form="ade20k"))


def test_damaged_tables_are_read_or_refused_soon(write, fuzz):
    lines = "".join(f"{n}\t0.1\t{n}\t{n}\tname {n}\n" for n in range(1, 151))
    root = write(
        scenes(M + 1) | {"objectInfo150.txt": f"Idx\tRatio\tTrain\tVal\tName\n{lines}"}
    )
    path = root / "objectInfo150.txt"
    fuzz(path.read_bytes(), make_reader(root, path, form="ade20k"))


# What datumaro 1.12 reads of its own toy sets: Dataset.import_from(folder, "ade20k2017"), masks
# of part level 0, in the order of our classes; it calls classes by their raw names.
TOYS = {
    "ade20k2017": (("person", "sky"), {"1": [255, 1, 0, 0], "2": [255, 1, 0, 1]}, 3),
    "ade20k2020": (("car", "person"), {"1": [255, 1, 0, 0, 0], "2": [255, 1, 0, 0, 0]}, 5),
}


@pytest.mark.real
@pytest.mark.parametrize("folder", ["dataset", "dataset_with_meta_file"])
@pytest.mark.parametrize("toy", TOYS)
def test_the_toys_of_datumaro_are_read_as_it_reads_them(toy, folder, real_data):
    names, rows, height = TOYS[toy]
    dataset = open_as_is(real_data / "formats/datumaro_toy" / toy / folder)
    assert dataset.format == "ade20k"
    assert dataset.spec.names == names
    for place, entry in enumerate(dataset.entries):
        assert entry.split == {"1": "train", "2": "val"}[entry.key]
        assert dataset.labels(place).tolist() == [rows[entry.key]] * height


@pytest.mark.real
@pytest.mark.parametrize(
    ("toy", "ending"), [("ade20k2017", "_atr.txt"), ("ade20k2020", ".json")]
)
def test_damaged_toys_are_read_or_refused_soon(toy, ending, real_data, tmp_path, fuzz):
    folder = real_data / "formats/datumaro_toy" / toy / "dataset"
    root = shutil.copytree(folder, tmp_path / "toy")
    path = root / f"training/street/1{ending}"
    fuzz(path.read_bytes(), make_reader(root, path, form="ade20k"))
