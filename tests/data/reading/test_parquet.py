"""Parquet files of images and masks are datasets like archives."""

import importlib.util
import io
import json

import numpy as np
import pytest
from PIL import Image
from tests.converted import assert_converts_to

from maskwright.core.errors import DataError, MissingDependencyError
from maskwright.data.dataset import open_dataset
from maskwright.data.reading.archive import open_as_folder


def encode(pixels, form="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def draw(number):
    mask = np.zeros((12, 16), np.uint8)
    mask[2:6, 2 : 6 + number] = 1
    return mask


@pytest.fixture
def save(tmp_path):
    """A function: write a Parquet file of rows below tmp_path / data."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    def write(name, rows):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return path

    return write


def make_row(number, *, path, mask=True):
    noise = np.random.default_rng(number).integers(0, 255, (12, 16, 3), np.uint8)
    label = {"bytes": encode(draw(number)), "path": f"{number}.png"} if mask else None
    return {
        "image": {"bytes": encode(noise, "JPEG"), "path": path},
        "label": label,
        "id": number,
    }


def test_splits_keys_and_names_come_from_the_files(save, tmp_path):
    rows = [make_row(n, path=f"street/{n}.jpg") for n in range(3)]
    save("data/train-00000-of-00001.parquet", rows)
    save("data/validation-00000-of-00001.parquet", [make_row(4, path=None)])
    (tmp_path / "data/id2label.json").write_text(json.dumps({"0": "wall", "1": "crack"}))
    expected = {f"{n}": draw(n) for n in range(3)}
    expected["validation-00000-of-00001-000000"] = draw(4)
    assert_converts_to(tmp_path / "data", expected, ("wall", "crack"))
    assert open_dataset(tmp_path / "data").splits == {"train": 3, "val": 1}
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "data",
        "id2label.json",
    ]


def test_one_file_with_bare_bytes_and_equal_names_is_read(save, tmp_path):
    rows = [make_row(n, path="a.jpg") for n in range(2)]
    rows = [{"img": row["image"]["bytes"], "seg": row["label"]["bytes"]} for row in rows]
    dataset = open_dataset(save("some.parquet", rows))
    assert dataset.keys == ("some-000000", "some-000001")
    np.testing.assert_array_equal(dataset.labels(1), draw(1))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [{"image": b"x", "text": "a"}],
            r"expected one column.*found image \(binary\)",
        ),
        ([{"image": b"x", "mask": b"y"}], "row 0: a cell is not an image"),
        ([{"image": {"bytes": None, "path": "a.png"}, "mask": b"y"}], "only its path"),
    ],
)
def test_what_cannot_be_read_is_named(save, rows, message):
    with pytest.raises(DataError, match=message):
        open_dataset(save("train.parquet", rows))


def test_a_damaged_file_is_refused_and_a_missing_package_named(tmp_path):
    path = tmp_path / "data/train.parquet"
    path.parent.mkdir()
    path.write_bytes(b"PAR1....PAR1")
    if importlib.util.find_spec("pyarrow"):
        message = r"train\.parquet: the file is damaged: .*download"
        with pytest.raises(DataError, match=message), open_as_folder(path.parent):
            pass
    else:
        message = r"pyarrow is not installed; run: pip install 'maskwright\[parquet\]'"
        with pytest.raises(MissingDependencyError, match=message), open_as_folder(path.parent):
            pass
