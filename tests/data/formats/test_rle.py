"""Run lengths in a table, counted from 1 down the columns."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maskwright.core.errors import DataError, MaskwrightError
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is
from maskwright.data.entries.scan import LeftOut
from maskwright.data.formats.rle import recognises, scan

M = np.array(
    [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1]], np.uint8
)
RUNS = "6 3 10 1 12 1 14 3 23 2"
ROWS = "8 3 14 1 16 1 18 1 20 3 24 1"
HEAD = "ImageId,ClassId,EncodedPixels\n"
BLACK = np.zeros((4, 6, 3), np.uint8)
NOTHING = DatasetFile()


def opened(write, table, yaml=""):
    files = {"images/a.png": BLACK, "train.csv": table}
    return open_as_is(write(files | ({"dataset.yaml": yaml} if yaml else {})))


def kaggle(mask_HW):
    """`start length ...` pixel by pixel."""
    runs, length = [], 0
    for place, inside in enumerate([*mask_HW.T.ravel().tolist(), False]):
        if inside:
            length += 1
        elif length:
            runs += [place - length + 1, length]
            length = 0
    return " ".join(map(str, runs))


def test_the_golden_vector_is_read(write):
    assert kaggle(M) == RUNS
    dataset = opened(write, f"{HEAD}a.png,car,{RUNS}\n")
    assert dataset.spec.names == ("background", "car")
    assert [entry.split for entry in dataset.entries] == ["train"]
    np.testing.assert_array_equal(dataset.labels(0), M)


def test_the_golden_vector_is_written(write, tmp_path_factory):
    source = write({"images/train/a.png": BLACK, "masks/train/a.png": M})
    write({"images/train/b.png": BLACK, "masks/train/b.png": M * 0})
    (source / "dataset.yaml").write_text("classes: [{name: background}, {name: 'car, red'}]\n")
    target = tmp_path_factory.mktemp("out") / "rle"
    assert convert(source, target, to="rle", verify=True).agreement.differing == 0
    assert (target / "masks.csv").read_text() == f'{HEAD}a.png,"car, red",{RUNS}\nb.png,,\n'


def test_runs_go_along_the_rows_if_dataset_yaml_says_so(write):
    table = f"{HEAD}a.png,car,{ROWS}\n"
    np.testing.assert_array_equal(opened(write, table, "runs: rows\n").labels(0), M)


@settings(max_examples=50)
@given(arrays(np.bool_, (7, 5), elements=st.booleans()))
def test_any_mask_is_read(tmp_path_factory, mask_HW):
    from PIL import Image

    root = tmp_path_factory.mktemp("rle")
    Image.fromarray(np.zeros((7, 5), np.uint8)).save(root / "a.png")
    (root / "a.csv").write_text(f"ImageId,EncodedPixels\na,{kaggle(mask_HW)}\n")
    np.testing.assert_array_equal(open_as_is(root).labels(0), mask_HW)


@pytest.mark.parametrize(
    ("table", "yaml", "name"),
    [
        (f"ImageId,EncodedPixels\na.png,{RUNS}\n", "", "object"),
        (f"id,rle_mask\na,{RUNS}\n", "", "object"),
        (f"Image_Label,EncodedPixels\na.png_Big fish,{RUNS}\n", "", "Big fish"),
        (f"ImageId_ClassId,EncodedPixels\na.png_4,{RUNS}\na.png_3,\n", "", "4"),
        (f'\ufeffid,class,segmentation\r\n"a","left ""x""","{RUNS}"\r\n', "", 'left "x"'),
        (f"ImageId, EncodedPixels\na.png, {RUNS}\n", "", "object"),
        (f"id,rle,tissue\na,{RUNS},lung\n", "label_key: tissue\n", "lung"),
    ],
)
def test_columns_are_found_by_their_names(table, yaml, name, write):
    dataset = opened(write, table, yaml)
    assert dataset.spec.names == ("background", name)
    np.testing.assert_array_equal(dataset.labels(0), M)


def test_several_rows_of_an_image_are_several_regions(write):
    dataset = opened(write, f"{HEAD}a.png,1,1 8\na.png,2,5 2\na.png,1,20 1\n")
    assert dataset.labels(0)[:, :2].T.ravel().tolist() == [1, 1, 1, 1, 2, 2, 1, 1]
    assert len(dataset.entries[0].labels.read().shapes) == 3


def test_nothing_is_background_and_what_is_skipped_is_noted(write):
    table = f"ImageId,EncodedPixels\na.png,-1\nb.png,\nc.png,{RUNS}\ngone.png,1 1\n"
    files = {f"{name}.png": BLACK for name in "abcd"}
    root = write(files | {"x.csv": table, "sample_submission.csv": "ImageId,rle\nd.png,1 1\n"})
    scanned = scan(root, NOTHING)
    assert [entry.key for entry in scanned.entries] == ["a", "b", "c"]
    assert scanned.notes == (
        (
            "no column holds classes, so all regions are 'object'; if there is one, name it as "
            "'label_key' in dataset.yaml"
        ),
    )
    assert scanned.left_out == (
        LeftOut("images that are listed and not there", ("gone.png",)),
        LeftOut("images that no row names", ("d.png",)),
    )
    dataset = open_as_is(root)
    assert [int(dataset.labels(place).sum()) for place in range(3)] == [0, 0, 10]


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        (
            "5 2 1 1",
            r"train\.csv: row 3: run 2 starts at 1, run 1 ends at 6 \(1 such\)",
        ),
        ("1 4 3 2", "run 2 starts at 3, run 1 ends at 4"),
        ("0 3", r"row 3: a start or a length is not in 1\.\.24"),
        ("1 0", r"a length is not in 1\.\.24"),
        ("1 -4", r"a length is not in 1\.\.24"),
        ("20 6", r"runs go to pixel 25, the image has 4 x 6 = 24 \(H x W\)"),
        ("1 1000000000", r"not in 1\.\.24, the pixels of the image"),
        ("9223372036854775807 1", r"not in 1\.\.24, the pixels of the image"),
        ("9" * 40 + " 1", "row 3: expected whole numbers as run lengths"),
        ("1 x", "row 3: expected whole numbers as run lengths"),
        ("1 2 3", "3 numbers, expected a start and a length"),
        (
            "1 2,3",
            "row 3 has 4 fields, expected 3 as in the header; put quotes around a field",
        ),
        ('"1 2', "row 3 has 2 fields"),
    ],
)
def test_an_error_names_the_row(runs, message, write):
    with pytest.raises(DataError, match=message):
        opened(write, f"{HEAD}a.png,1,1 1\na.png,1,{runs}\n").labels(0)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"a.csv": f"{HEAD}a.png,,1 1\n"},
            "row 2: has run lengths but no class; add the class",
        ),
        ({"a.csv": HEAD}, "names an image that is here, 0 missing images are named"),
        ({"a.csv": f"{HEAD}../../etc/b.png,1,1 1\n"}, "1 missing images are named"),
        (
            {"a.csv": f"{HEAD}a.png,1,1 1\n", "b.csv": f"{HEAD}a.png,1,1 1\n"},
            r"a\.png: has rows in .*a\.csv and in .*b\.csv; keep one",
        ),
        (
            {"a.csv": f"{HEAD}a.png,1,1 1\n", "dataset.yaml": "format: rle\nlabel_key: kind\n"},
            r"expected the column 'kind' \(label_key in dataset\.yaml\), found ImageId, C",
        ),
    ],
)
def test_an_error_names_the_fault_of_a_table(files, message, write):
    root = write({"a.png": BLACK, **files})
    with pytest.raises(MaskwrightError, match=message):
        open_as_is(root).labels(0)


def test_other_tables_are_not_recognised(write):
    assert not recognises(write({"a.csv": "name,age\nx,1\n"}))
    assert recognises(write({"a.csv": "id,rle\n"}))


def test_damaged_files_are_read_or_refused_soon(fuzz, write):
    text = f'{HEAD}a.png,car,{RUNS}\na.png,"tree, big",1 2 5 1\na.png,,-1\n'
    root = write({"a.png": BLACK})

    def read(damaged):
        (root / "a.csv").write_bytes(damaged)
        for entry in scan(root, NOTHING).entries:
            entry.labels.read().fill_shapes()

    fuzz(text.encode(), read)


def test_a_row_may_be_long(write):
    big = np.zeros((600, 800), np.uint8)
    big[np.add.outer(np.arange(600), np.arange(800)) % 2 == 0] = 1
    text = kaggle(big)
    assert len(text) > 131_072
    for quote in ("", '"'):
        root = write({"a.png": big, "a.csv": f"id,rle\na,{quote}{text}{quote}\n"})
        np.testing.assert_array_equal(open_as_is(root).labels(0), big)


def test_keys_that_other_formats_do_not_read_are_refused(write):
    root = write({"a.png": BLACK, "a.geojson": '{"type": "FeatureCollection", "features": []}'})
    write({"dataset.yaml": "runs: rows\n"})
    with pytest.raises(MaskwrightError, match="format geojson does not read 'runs'; remove"):
        open_as_is(root)
