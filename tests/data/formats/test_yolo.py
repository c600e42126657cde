"""YOLO segmentation: polygons are filled as by Ultralytics; lost holes are counted."""

import shutil

import cv2
import numpy as np
import pytest
import yaml

from maskwright.core.errors import MaskwrightError
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is
from maskwright.data.entries.scan import LeftOut
from maskwright.data.formats.yolo import recognises, scan

M = np.array(
    [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1]], np.uint8
)
BLACK = np.zeros((4, 6, 3), np.uint8)
NAMES = "names: [car, tree]\n"
NOTHING = DatasetFile()


def line(number, *corners, size_HW=(4, 6), more=""):
    height, width = size_HW
    return (
        f"{number} " + " ".join(f"{x / width} {y / height}" for x, y in corners) + more + "\n"
    )


def opened(write, text, *, image=BLACK, names=NAMES):
    files = {"images/train/a.png": image, "labels/train/a.txt": text, "data.yaml": names}
    return open_as_is(write(files))


def peer(ring, size_HW):
    """Ultralytics' polygon2mask: corners of float32 cut to int32, filled by OpenCV."""
    corners = np.array(ring, np.float32) * np.array(size_HW[::-1], np.float32)
    return cv2.fillPoly(np.zeros(size_HW, np.uint8), [corners.astype(np.int32)], 1)


def test_a_line_is_a_polygon_of_the_class_of_its_index(write):
    dataset = opened(write, line(1, (1.5, 1.5), (3.5, 1.5), (3.5, 3.5), (1.5, 3.5)))
    assert dataset.spec.names == ("background", "car", "tree")
    expected = np.zeros((4, 6), np.uint8)
    expected[1:4, 1:4] = 2
    np.testing.assert_array_equal(dataset.labels(0), expected)


def test_the_hole_of_the_golden_vector_is_filled_and_counted(write, tmp_path_factory):
    source = write({"images/train/a.png": BLACK, "masks/train/a.png": M})
    (source / "dataset.yaml").write_text("classes: [{name: background}, {name: car}]\n")
    target = tmp_path_factory.mktemp("out") / "yolo"
    account = convert(source, target, to="yolo", verify=True)
    assert {what: loss.count for what, loss in account.losses.items()} == {
        "holes in regions, which are filled": 1,
        "pixels of holes that are filled": 1,
        "regions of one pixel's width or height, which Ultralytics drops in training": 1,
    }
    assert account.agreement.differing == 1
    assert account.notes == (
        (
            "there is no val, and Ultralytics wants one: data.yaml names images/train for it; "
            "`maskwright split` draws splits of the source"
        ),
    )
    lines = (target / "labels/train/a.txt").read_text().splitlines()
    assert lines == [
        "0 0.25 0.375 0.25 0.875 0.583333333 0.875 0.583333333 0.375",
        "0 0.916666667 0.625 0.916666667 0.875 0.916666667 0.875",
    ]
    assert yaml.safe_load((target / "data.yaml").read_text()) == {
        "train": "images/train",
        "val": "images/train",
        "names": {0: "car", 1: "background"},
    }


def test_polygons_are_filled_as_ultralytics_does(write):
    rng = np.random.default_rng(0)
    for _ in range(20):
        size_HW = tuple(rng.integers(5, 90, 2).tolist())
        ring = rng.random((rng.integers(3, 9), 2)).round(6)
        text = "0 " + " ".join(map(str, ring.ravel().tolist()))
        dataset = opened(write, text, image=np.zeros((*size_HW, 3), np.uint8))
        np.testing.assert_array_equal(dataset.labels(0), peer(ring, size_HW))


def test_regions_without_holes_come_back_to_the_pixel(write, tmp_path_factory):
    rng = np.random.default_rng(1)
    noise = cv2.GaussianBlur(rng.random((97, 131)), (0, 0), 4)
    labels_HW = np.digitize(noise, np.quantile(noise, [0.5, 0.8])).astype(np.uint8)
    image = np.zeros((97, 131, 3), np.uint8)
    source = write({"images/train/a.png": image, "masks/train/a.png": labels_HW})
    (source / "dataset.yaml").write_text(
        "classes: [{name: background}, {name: a, kind: thing}, {name: b}]\n"
    )
    account = convert(source, tmp_path_factory.mktemp("o") / "yolo", to="yolo", verify=True)
    filled = account.losses.get("pixels of holes that are filled")
    assert account.agreement.differing <= (filled.count if filled else 0)


def test_a_shape_in_a_hole_stays_visible(write, tmp_path_factory):
    labels_HW = np.full((9, 9), 2, np.uint8)
    labels_HW[2:7, 2:7] = 1
    labels_HW[4, 4] = 3
    source = write({"images/a.png": labels_HW * 9, "masks/a.png": labels_HW})
    (source / "dataset.yaml").write_text(
        "classes: [{name: background}, {name: a}, {name: b}, {name: c}]\n"
    )
    target = tmp_path_factory.mktemp("o") / "yolo"
    account = convert(source, target, to="yolo", verify=True)
    assert account.agreement.differing == 0
    assert account.losses["holes in regions, which are filled"].count == 2


def test_the_smaller_of_two_polygons_is_on_top_unless_dataset_yaml_says_otherwise(write):
    small = line(0, (1, 1), (2, 1), (2, 2), (1, 2))
    large = line(1, (0, 0), (5, 0), (5, 3), (0, 3))
    assert opened(write, small + large).labels(0)[1].tolist() == [2, 1, 1, 2, 2, 2]
    write({"dataset.yaml": "overlap: file\n"})
    assert opened(write, small + large).labels(0)[1].tolist() == [2] * 6


def test_boxes_are_counted_and_ids_are_kept(write):
    text = "0 0.5 0.5 0.2 0.2\n\n0 0.5 0.5 0.2 0.2 7\n" + line(
        1, (0, 0), (2, 0), (2, 2), more=" 9"
    )
    drawing = opened(write, text).entries[0].labels.read()
    assert drawing.skipped == {"boxes without a polygon": 2}
    assert [(s.label, s.instance, len(s.rings[0])) for s in drawing.shapes] == [
        ("tree", "9", 3)
    ]


def test_an_empty_file_is_background_and_a_missing_file_is_noted(write):
    files = {f"train/images/{name}.jpg": BLACK for name in "abc"}
    files |= {"train/labels/a.txt": line(0, (0, 0), (2, 0), (2, 2)), "train/labels/b.txt": ""}
    files |= {"train/labels/gone.txt": "", "data.yaml": "names: {1: tree, 0: car}\n"}
    root = write(files)
    scanned = scan(root, NOTHING)
    assert [(e.split, e.key) for e in scanned.entries] == [("train", "a"), ("train", "b")]
    assert [path.name for path in scanned.lone_masks] == ["gone.txt"]
    assert scanned.left_out == (LeftOut("images without a text file", ("train/images/c.jpg",)),)
    assert not open_as_is(root).labels(1).any()


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        ("names:\n  0: car\n  1: tree\n", ("background", "car", "tree")),
        ("names: [car, Background]\n", ("Background", "car")),
        (
            "path: ../x\ntrain: images\nnc: 2\nnames: ['car', \"tree\"]",
            ("background", "car", "tree"),
        ),
    ],
)
def test_names_are_a_list_or_by_index(names, classes, write):
    assert opened(write, "", names=names).spec.names == classes


def test_names_may_lie_in_classes_txt(write):
    write({"images/a.png": BLACK, "labels/a.txt": "", "classes.txt": "car\ntree\n"})
    root = write({})
    assert recognises(root)
    assert [c.name for c in scan(root, NOTHING).classes] == ["background", "car", "tree"]


WRONG = {
    "no number": ("0 0.1 x 0.3 0.1 0.2 0.2", NAMES, r"a\.txt: line 1: 'x' is not a number"),
    "not finite": (
        "0 0.1 nan 0.3 0.1 0.2 0.2",
        NAMES,
        r"line 1: nan is not in 0..1 \(1 of its 6",
    ),
    "pixels": (
        "\n1 10 20 30 40 0.5 0.5",
        NAMES,
        r"line 2: 10 is not in 0..1 \(4 of its 6 coordinates are not\); divide them by the ima",
    ),
    "negative": ("0 -0.1 0 0.3 0.1 0.2 0.2", NAMES, "-0.1 is not in 0..1"),
    "over 1 %": ("0 0.1 0 1.0101 0.1 0.2 0.2", NAMES, r"1.0101 is not in 0..1 \(1 of its 6"),
    "odd": (
        "0 0.1 0.2 0.3 0.1 0.2 0.2 0.5",
        NAMES,
        "7 numbers after the class, expected x",
    ),
    "too few": ("0 0.1 0.2", NAMES, "2 numbers after the class"),
    "class alone": ("0", NAMES, "0 numbers after the class"),
    "class without a name": (
        "2 0 0 1 0 1 1",
        NAMES,
        r"class 2, expected one of the 2 that data.yaml names \(0 to 1\)",
    ),
    "class of a fraction": ("0.5 0 0 1 0 1 1", NAMES, "class 0.5 is not a whole number"),
    "class negative": ("-1 0 0 1 0 1 1", NAMES, "class -1 is not a whole number"),
    "class huge": ("1e300 0 0 1 0 1 1", NAMES, "class 1"),
    "truth": ("", "names: [true]", r"data\.yaml: names.*valid string"),
    "no names": ("", "names: []", "there are no names"),
    "class in a gap": (
        "1 0 0 1 0 1 1",
        "names: {0: car, 2: tree}",
        r"class 1, expected one of the 2 that data.yaml names \(0 to 2\)",
    ),
    "too many classes": ("", "nc: 1000000000", "nc: Input should be less than or equal"),
    "no list": ("", "names: 7", r"data\.yaml: names"),
    "references": ("", "a: &a [x, x]\nnames: [*a, *a]", "a reference"),
    "no YAML": ("", "names: [", "not valid YAML"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_error_names_the_fault(case, write):
    text, names, message = WRONG[case]
    with pytest.raises(MaskwrightError, match=message):
        opened(write, text, names=names).labels(0)


def test_other_layouts_are_refused(write):
    root = write({"a.png": BLACK, "labels/a.txt": "", "data.yaml": NAMES})
    with pytest.raises(MaskwrightError, match="no image in a folder 'images'"):
        scan(root, NOTHING)
    with pytest.raises(
        MaskwrightError,
        match=r"expected data\.yaml with 'names', or classes\.txt, found neither",
    ):
        scan(root / "labels", NOTHING)


def test_damaged_files_are_read_or_refused_soon(fuzz, write):
    text = line(0, (1.5, 1.5), (3.25, 1.5), (3, 3.5)) + line(
        1, (0, 0), (2, 0), (2, 2), more=" 9"
    )
    root = write({"images/a.png": BLACK, "labels/a.txt": text, "data.yaml": NAMES})

    def read(damaged):
        (root / "labels/a.txt").write_bytes(damaged)
        scan(root, NOTHING).entries[0].labels.read().fill_shapes()

    fuzz(text.encode(), read)


def test_damaged_names_are_read_or_refused_soon(fuzz, write):
    text = "path: .\ntrain: images\nnames:\n  0: car\n  1: 'tree'\n"
    root = write({"images/a.png": BLACK, "labels/a.txt": "0 0 0 1 0 1 1"})

    def read(damaged):
        (root / "data.yaml").write_bytes(damaged)
        scan(root, NOTHING).entries[0].labels.read().fill_shapes()

    fuzz(text.encode(), read)


def test_many_polygons_take_a_moment(write, tmp_path_factory):
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    rng = np.random.default_rng(0)
    rings = (
        0.5
        + 0.4 * rng.random((500, 1, 2))
        + 0.05 * np.stack((np.cos(angle), np.sin(angle)), axis=-1)
    )
    text = "".join(
        "0 " + " ".join(f"{n:.6f}" for n in r.clip(0, 1).ravel()) + "\n" for r in rings
    )
    root = write({"images/a.png": np.zeros((2000, 2000, 3), np.uint8), "labels/a.txt": text})
    write({"data.yaml": NAMES})
    assert open_as_is(root).labels(0).any()
    assert convert(root, tmp_path_factory.mktemp("o") / "y", to="yolo").num_images == 1


@pytest.mark.real
def test_roboflow_and_x_anylabeling_are_read(real_data, tmp_path):
    """Both are of boxes alone; the first also holds a polygon of four corners."""
    folder = real_data / "formats/datumaro_toy/roboflow/yolo"
    scanned = scan(folder, NOTHING)
    assert [(e.split, e.key) for e in scanned.entries] == [
        ("train", "train_001"),
        ("train", "train_002"),
        ("val", "val_001"),
    ]
    assert sum(len(entry.labels.read().shapes) for entry in scanned.entries) == 0
    source = real_data / "formats/x_anylabeling"
    for name, target in (("demo.jpg", "images"), ("labels/demo.txt", "labels")):
        (tmp_path / target).mkdir()
        shutil.copy(source / name, tmp_path / target)
    shutil.copy(source / "classes.txt", tmp_path)
    drawing = scan(tmp_path, NOTHING).entries[0].labels.read()
    num_lines = len((source / "labels/demo.txt").read_text().splitlines())
    assert drawing.skipped == {"boxes without a polygon": num_lines}
