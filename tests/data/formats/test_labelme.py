"""Labelme: every kind of shape is filled as by Labelme's library."""

import base64
import hashlib
import io
import json

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.core.labels import IGNORE
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is
from maskwright.data.entries.scan import LeftOut
from maskwright.data.formats.labelme import recognises, scan

M = np.array(
    [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1]], np.uint8
)
PNG_OF_M = (
    "iVBORw0KGgoAAAANSUhEUgAAAAUAAAADCAAAAAB+XZokAAAAGElEQVR4nAXBAQEAAAjDIGb/zheKOaMTHhhMAgdG35"
    "1tAAAAAElFTkSuQmCC"
)
BLACK = np.zeros((4, 6, 3), np.uint8)


def shape(kind, points, *, label="car", **more):
    return {"label": label, "points": points, "shape_type": kind, "flags": {}, **more}


def document(*shapes, name="a.png", size=(4, 6), **more):
    sides = dict(zip(("imageHeight", "imageWidth"), size, strict=True))
    start = {"version": "7.1.0", "flags": {}, "shapes": list(shapes), "imagePath": name}
    return json.dumps({**start, "imageData": None, **sides, **more})


def one(write, *shapes, **options):
    return open_as_is(write({"a.json": document(*shapes, **options), "a.png": BLACK}))


def test_the_golden_mask_is_read(write):
    data = one(write, shape("mask", [[1, 1], [5, 3]], mask=PNG_OF_M))
    np.testing.assert_array_equal(data.labels(0), M)
    assert data.spec.names == ("background", "car")


def test_the_golden_mask_is_written(write, tmp_path):
    source = one(write, shape("mask", [[1, 1], [5, 3]], mask=PNG_OF_M))
    convert(source, tmp_path / "out", to="labelme")
    (written,) = json.loads((tmp_path / "out/a.json").read_text())["shapes"]
    assert (written["shape_type"], written["points"]) == ("mask", [[1, 1], [5, 3]])
    content = base64.b64decode(written["mask"])
    np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(content))), M[1:, 1:])


HARD = [
    shape("polygon", [[3.4, 2.6], [20.5, 4.5], [12.2, 18.9]], label="a", group_id=1),
    shape("rectangle", [[18, 14], [25.5, 21.7]], label="b"),
    shape("circle", [[8.5, 9.5], [11.5, 12.5]], label="c"),
    shape("line", [[2, 20], [28, 22]], label="a"),
    shape("linestrip", [[1, 1], [30, 1], [30, 8]], label="d"),
    shape("point", [[25.2, 5.7]], label="e"),
    shape("polygon", [[-5, -4], [6, -2], [4, 6]], label="b"),
    shape("oriented_rectangle", [[28, 25], [40, 25], [40, 40], [28, 40]], label="f"),
    shape("polygon", [[2, 2], [10, 10], [10, 2], [2, 10]], label="a"),
    shape("rectangle", [[0, 26], [9, 29]], label="__ignore__"),
    shape("rectangle", [[20, 24], [26, 29]], label="_background_"),
    shape("mask", [[1, 1], [5, 3]], label="g", mask=PNG_OF_M),
]


def test_every_kind_of_shape_is_filled_as_by_labelme(write):
    """`labelme.utils.shapes_to_label` of labelme 6.3.1, its labels by name from 1, as uint8.

    Off the image, bow-tie, lines, a point and both special labels included.
    """
    text = document(*HARD, name="b.png", size=(30, 34))
    data = open_as_is(write({"b.json": text, "b.png": np.zeros((30, 34, 3), np.uint8)}))
    labels_HW = data.labels(0)
    assert hashlib.sha256(labels_HW.tobytes()).hexdigest()[:16] == "f441ad20db91be00"
    counts = dict(
        zip(*(x.tolist() for x in np.unique(labels_HW, return_counts=True)), strict=True)
    )
    assert counts == {0: 316, 1: 320, 2: 44, 3: 39, 4: 124, 5: 97, 6: 30, 7: 10, 255: 40}


REAL = (
    ("instance/2011_000003.json", "efbd890d0119ef2e"),
    ("instance/2011_000006.json", "21e5b1f4aeec0afe"),
    ("instance/2011_000025.json", "1ad24dd2ee77c13a"),
    ("primitives/primitives.json", "cf6073dc4d0ff5bf"),
    ("semantic/2011_000003.json", "42d7ef504eb5a2af"),
    ("semantic/2011_000006.json", "8186c5dfab837580"),
    ("semantic/2011_000025.json", "06095dbd0862661b"),
    ("video/00000100.json", "8705bba95f40c0b9"),
    ("video/00000104.json", "c634dc1ef08158ba"),
)


@pytest.mark.real
@pytest.mark.parametrize(("name", "digest"), REAL)
def test_real_files_are_filled_as_by_labelme(real_data, name, digest):
    """As above: a digest of what `shapes_to_label` gives, labels of the file by name from 1."""
    path = real_data / "formats/labelme" / name
    data = open_as_is(path.parent, form="labelme")
    (place,) = (i for i, e in enumerate(data.entries) if e.labels.file == path)
    there = {s["label"] for s in json.loads(path.read_text())["shapes"]}
    names = sorted(there - {"__ignore__", "_background_"})
    table = np.full(256, IGNORE, np.uint8)
    table[0] = 0
    for number, label in enumerate(names, start=1):
        table[data.spec.index(label)] = number
    labels_HW = np.ascontiguousarray(table[data.labels(place)])
    assert hashlib.sha256(labels_HW.tobytes()).hexdigest()[:16] == digest


@pytest.mark.real
def test_x_anylabeling_writes_the_same(real_data, tmp_path):
    source = real_data / "formats/x_anylabeling"
    for name in ("demo.json", "demo.jpg"):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    assert recognises(tmp_path)
    data = open_as_is(tmp_path)
    drawn = {s["label"] for s in json.loads((tmp_path / "demo.json").read_text())["shapes"]}
    assert drawn <= set(data.spec.names)
    assert len(np.unique(data.labels(0))) > 1


def test_the_later_shape_lies_over_the_earlier(write):
    boxes = [shape("rectangle", [[0, 0], [5, 3]], label=label) for label in ("a", "b")]
    assert (one(write, *boxes).labels(0) == 2).all()


def test_splits_groups_and_windows_paths_are_read(write):
    text = document(name="..\\pictures\\1.png")
    root = write(
        {
            "train/json/1.json": text,
            "train/pictures/1.png": BLACK,
            "val/json/1.json": text,
            "val/pictures/1.png": BLACK,
            "val/pictures/2.png": BLACK,
        }
    )
    scanned = scan(root, DatasetFile())
    assert [(e.split, e.key) for e in scanned.entries] == [
        ("train", "pictures__1"),
        ("val", "pictures__1"),
    ]
    bare = ("val/pictures/2.png",)
    assert scanned.left_out == (LeftOut("images without a JSON file", bare),)


def test_a_file_whose_image_is_missing_is_listed(write):
    root = write({"a.json": document(), "a.png": BLACK, "b.json": document(name="b.png")})
    assert [path.name for path in scan(root, DatasetFile()).lone_masks] == ["b.json"]


def test_several_points_are_skipped_and_counted(write):
    data = one(write, shape("points", [[1, 1]]), shape("rectangle", [[0, 0], [1, 1]]))
    assert data.entries[0].labels.read().skipped == {"shapes of several points": 1}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (shape("rotation", [[1, 1], [2, 2]]), r"shapes\.0: a rotation of 2 points, expected 3"),
        (shape("circle", [[1, 1]]), r"shapes\.0: a circle of 1 points, expected 2"),
        (shape("rectangle", [[1, 1]] * 3), r"shapes\.0: a rectangle of 3 points, expected 2"),
        (shape("hexagon", [[1, 1]]), r"shapes\.0\.shape_type"),
        (shape("polygon", [[1, None]] * 3), r"shapes\.0\.points\.0\.1"),
        (shape("polygon", [[1e12, 0], [0, 1], [1, 1]]), "a corner lies 1e.12 px away"),
        (shape("mask", [[1, 1], [5, 3]], mask="no png"), "its mask is not base64"),
        (shape("mask", [[1, 1], [5, 3]]), "its mask is not a PNG"),
    ],
)
def test_a_bad_shape_is_named(write, bad, message):
    with pytest.raises(DataError, match=rf"a\.json.*{message}"):
        one(write, bad).labels(0)


def test_polygons_stay_polygons_and_moved_pixels_are_counted(write, tmp_path):
    square = [[1.0, 1.0], [4.0, 1.0], [4.0, 3.0]]
    source = one(write, shape("polygon", square))
    same = convert(source, tmp_path / "same", to="labelme", verify=True)
    assert (same.losses, same.agreement.differing) == ({}, 0)
    (written,) = json.loads((tmp_path / "same/a.json").read_text())["shapes"]
    assert written["points"] == square
    other = convert(source, tmp_path / "other", to="coco", verify=True)
    (moved,) = (loss for what, loss in other.losses.items() if "another rule" in what)
    assert moved.count == other.agreement.differing > 0


def test_a_damaged_file_is_refused_once_and_soon(write, fuzz):
    root = write({"b.json": document(*HARD, name="b.png", size=(30, 34))})
    Image.fromarray(np.zeros((30, 34, 3), np.uint8)).save(root / "b.png")

    def read(content):
        (root / "b.json").write_bytes(content)
        open_as_is(root, form="labelme").labels(0)

    fuzz((root / "b.json").read_bytes(), read)
