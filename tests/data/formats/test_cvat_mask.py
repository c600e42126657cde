"""CVAT's "Segmentation mask 1.1": masks, and a table of their colours."""

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import ConfigError, DataError
from maskwright.core.labels import IGNORE
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is, open_dataset
from maskwright.data.formats import voc
from maskwright.data.formats.cvat_mask import recognises, scan

M = np.array(
    [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1]], np.uint8
)
BLACK = np.zeros((4, 6, 3), np.uint8)
TABLE = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:10,20,30::\n"
COLORS = np.zeros((256, 3), np.uint8)
COLORS[1] = (10, 20, 30)
COLORS[2] = (23, 190, 207)
COLORS[IGNORE] = (224, 224, 192)
LISTS = "ImageSets/Segmentation"


def folder(write, mask, table=TABLE):
    return write(
        {
            "JPEGImages/a.png": np.zeros((*mask.shape[:2], 3), np.uint8),
            "SegmentationClass/a.png": mask,
            f"{LISTS}/default.txt": "a\n",
            "labelmap.txt": table,
        }
    )


def palette_mask(write, indices, colors, table=TABLE):
    root = folder(write, indices, table)
    mask = Image.fromarray(indices)
    mask.putpalette(colors.astype(np.uint8).tobytes())
    mask.save(root / "SegmentationClass/a.png")
    return root


def test_the_golden_mask_is_read_by_the_colours_of_the_table(write):
    root = folder(write, COLORS[M])
    dataset = open_dataset(root)
    assert dataset.spec.names == ("background", "car")
    assert dataset.spec.classes[1].color == (10, 20, 30)
    np.testing.assert_array_equal(dataset.labels(0), M)
    assert "format: cvat_mask" in (root / "dataset.yaml").read_text()
    np.testing.assert_array_equal(open_dataset(root).labels(0), M)


def test_exactly_one_format_takes_a_folder(write):
    root = folder(write, COLORS[M])
    assert recognises(root)
    assert not voc.recognises(root)
    (root / "labelmap.txt").unlink()
    assert not recognises(root)
    assert voc.recognises(root)


def test_void_is_ignored_declared_or_not(write):
    stored = np.where(M == 1, IGNORE, 0).astype(np.uint8)
    for table in (TABLE, TABLE + "ignored:224,224,192::\n"):
        dataset = open_as_is(folder(write, COLORS[stored], table))
        assert dataset.spec.names == ("background", "car")
        np.testing.assert_array_equal(dataset.labels(0), stored)


@pytest.mark.parametrize("line", [1, 0])
def test_grey_colours_are_colours_too(write, line):
    """VOC's car is (128, 128, 128): grey masks are not read as class indices."""
    names = ("road:0,0,0::", "car:128,128,128::")
    table = "\n".join(names[::1] if line else names[::-1])
    root = folder(write, np.array([[0, 128]], np.uint8)[..., None].repeat(3, 2), table)
    assert open_as_is(root).labels(0).tolist() == [[0, 1] if line else [1, 0]]


def test_one_channel_goes_by_the_lines(write):
    table = "# note\n\nback:0,0,0::\nvoid:224,224,192::\ncar:10,20,30:wheel,door:drive\n"
    mask = np.array([[2, 0, 1, 255]], np.uint8)
    dataset = open_as_is(folder(write, mask, table))
    assert dataset.spec.names == ("back", "car")
    assert dataset.labels(0).tolist() == [[1, 0, IGNORE, IGNORE]]


def test_one_channel_needs_no_colours(write):
    mask = np.array([[2, 0, 1]], np.uint8)
    dataset = open_as_is(folder(write, mask, "a:::\nb:::\nc:::\n"))
    assert dataset.labels(0).tolist() == [[2, 0, 1]]


def test_a_palette_is_one_channel(write):
    root = palette_mask(write, M, np.repeat(np.arange(256)[:, None], 3, 1) * [1, 0, 0])
    np.testing.assert_array_equal(open_as_is(root).labels(0), M)


def test_a_palette_that_contradicts_the_table_is_refused(write):
    """datumaro, and so CVAT, reads such a mask by its colours: 1 would be the tree."""
    table = TABLE + "tree:23,190,207::\n"
    root = palette_mask(write, M, COLORS[[0, 2, 1, *range(3, 256)]], table)
    with pytest.raises(DataError, match=r"1 is 'car' by its line .* 'tree' by its colour"):
        open_as_is(root)
    (root / "dataset.yaml").write_text("codec: {pixels: rgb}\n")
    np.testing.assert_array_equal(open_as_is(root).labels(0), M * 2)
    (root / "dataset.yaml").write_text("codec: {pixels: index}\n")
    np.testing.assert_array_equal(open_as_is(root).labels(0), M)


def test_an_undeclared_colour_is_named_with_its_line(write):
    root = folder(write, COLORS[M * 2])
    with pytest.raises(
        DataError,
        match=r"a\.png: mask values #17becf \(10 px\) are not in the label codec; "
        r"add 'name:23,190,207::' to labelmap\.txt where there is no dataset\.yaml yet, or",
    ):
        open_as_is(root).labels(0)
    (root / "labelmap.txt").write_text(TABLE + "tree:23,190,207::\n")
    np.testing.assert_array_equal(open_as_is(root).labels(0), M * 2)


def test_an_undeclared_line_is_named(write):
    with pytest.raises(DataError, match=r"a\.png: mask values 2 \(10 px\) are not in"):
        open_as_is(folder(write, M * 2)).labels(0)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("background:0,0,0::\ncar:10,20::\n", "line 2 is 'car:10,20::', its colour '10,20'"),
        ("car:10,20,300::\n", "line 1 .* its colour '10,20,300', expected .* of 0..255"),
        ("car:a,b,c::\n", "its colour 'a,b,c'"),
        ("car:-1,0,0::\n", "its colour '-1,0,0'"),
        ("# x\ncar:1,2,3:\n", "line 2 is 'car:1,2,3:', 3 fields, expected the four"),
        ("car:1,2,3:::\n", "line 1 is 'car:1,2,3:::', 5 fields"),
        (":1,2,3::\n", "line 1 is ':1,2,3::'"),
        ("car:1,2,3::\ncar:4,5,6::\n", "line 2 is 'car:4,5,6::', a name that occurs before"),
        ("# nothing\n", "lists no classes; write 'name:red,green,blue::' lines"),
        ("ignored:224,224,192::\n", "lists no classes"),
        ("car:::\n", "the masks are coloured, and 'car' has no colour; write it: 'car:red"),
        ("a:1,2,3::\nb:1,2,3::\n", "raw value 66051 is under 'a' and 'b'; keep one"),
    ],
)
def test_a_bad_table_is_named(write, table, message):
    with pytest.raises(ConfigError, match=message):
        open_as_is(folder(write, COLORS[M], table))


def test_a_table_that_is_not_text_is_refused(write):
    root = folder(write, COLORS[M])
    (root / "labelmap.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"labelmap\.txt: cannot be read as UTF-8 text"):
        open_as_is(root)


def test_folders_below_are_part_of_the_name(write):
    files = {f"JPEGImages/{n}.png": BLACK for n in ("x/a", "y/a")}
    masks = {f"SegmentationClass/{n}.png": COLORS[M] for n in ("x/a", "y/a")}
    lists = {f"{LISTS}/train.txt": "x/a\n", f"{LISTS}/Validation.txt": "y/a\n"}
    found = scan(write(files | masks | lists | {"labelmap.txt": TABLE}), DatasetFile())
    assert [(e.split, e.key, e.group) for e in found.entries] == [
        ("train", "x__a", "x"),
        ("val", "y__a", "y"),
    ]


def converted(write, tmp_path, names, labels=M):
    source = write(
        {
            "src/images/train/a.png": np.zeros(labels.shape, np.uint8),
            "src/masks/train/a.png": labels,
            "src/classes.txt": "".join(f"{name}\n" for name in names),
        }
    )
    return convert(source / "src", tmp_path / "out", to="cvat_mask", verify=True)


def test_the_golden_mask_is_written(write, tmp_path):
    account = converted(write, tmp_path, ("background", "car"))
    assert (account.losses, account.agreement.differing) == ({}, 0)
    assert (tmp_path / "out/labelmap.txt").read_text() == (
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:128,0,0::\n"
        "ignored:224,224,192::\n"
    )
    with Image.open(tmp_path / "out/SegmentationClass/a.png") as mask:
        assert mask.mode == "RGB"
        np.testing.assert_array_equal(np.array(mask), (M * 128)[..., None] * [1, 0, 0])
    assert (tmp_path / f"out/{LISTS}/train.txt").read_text() == "a\n"
    (tmp_path / "out/dataset.yaml").unlink()
    np.testing.assert_array_equal(open_as_is(tmp_path / "out").labels(0), M)


@pytest.mark.parametrize("names", [("lawn", "car"), ("car", "background")])
def test_black_is_for_the_background_alone(write, tmp_path, names):
    account = converted(write, tmp_path, names)
    assert account.agreement.differing == 0
    table = (tmp_path / "out/labelmap.txt").read_text()
    assert ("background:0,0,0" in table) == ("background" in names)
    assert "lawn:0,0,0" not in table
    assert "car:0,0,0" not in table


def test_255_classes_fit_where_one_is_the_background(write, tmp_path):
    every = np.arange(256, dtype=np.uint8).reshape(4, 64)
    names = ["background", *(f"c{n}" for n in range(1, 255))]
    account = converted(write, tmp_path, names, every)
    assert (account.losses, account.agreement.differing) == ({}, 0)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            [f"c{n}" for n in range(255)],
            "255 classes and no 'background', expected at most 254.* merge two, or",
        ),
        (["a", "b:c"], r"class 'b:c': .* \(no ':'"),
        (["a", "ignored"], "class 'ignored': labelmap.txt has this name for void; rename"),
    ],
)
def test_what_the_table_cannot_hold_is_refused(write, tmp_path, names, message):
    with pytest.raises(ConfigError, match=message):
        converted(write, tmp_path, names)


def test_a_damaged_folder_is_refused_once_and_soon(write, fuzz):
    root = folder(write, COLORS[M])
    files = [root / "SegmentationClass/a.png", root / "labelmap.txt"]
    whole = [path.read_bytes() for path in files]

    def read(place, content):
        for path, before in zip(files, whole, strict=True):
            path.write_bytes(before)
        files[place].write_bytes(content)
        dataset = open_as_is(root, form="cvat_mask")
        for index in range(len(dataset)):
            dataset.labels(index)

    fuzz(whole[0], lambda content: read(0, content))
    fuzz(whole[1], lambda content: read(1, content))
