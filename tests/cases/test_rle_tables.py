"""Tables of run lengths: columns of competitions, and names that a table must quote."""

import numpy as np
import pytest
from PIL import Image
from tests.converted import assert_converts_to

from maskwright.core.errors import DataError
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is
from maskwright.data.formats.rle import recognises

BOX = np.zeros((40, 60), np.uint8)
BOX[5:15, 5:30] = 1
ALONG_ROWS = " ".join(f"{60 * row + 6} 25" for row in range(5, 15))
DOWN_COLUMNS = " ".join(f"{40 * column + 6} 10" for column in range(5, 30))


def save(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(path)


def write(root, head, rows, *, name="train.csv"):
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("\n".join([head, *rows]))
    return root


def test_columns_of_carvana_along_the_rows(tmp_path):
    data = tmp_path / "d"
    for index in range(2):
        save(data / f"train/c_{index:02d}.jpg")
    rows = [f"c_{index:02d}.jpg,{ALONG_ROWS}" for index in range(2)]
    write(data, "img,rle_mask", rows, name="train_masks.csv")
    (data / "dataset.yaml").write_text("format: rle\nruns: rows\n")
    assert_converts_to(data, {"c_00": BOX, "c_01": BOX}, ("background", "object"))


@pytest.mark.parametrize(
    "head", ["id,rle_mask", "id,encoding", "Image_Name;Mask_RLE", " ImageId, EncodedPixels"]
)
def test_columns_of_other_competitions(tmp_path, head):
    save(tmp_path / "d/a.png")
    separator = ";" if ";" in head else ","
    write(tmp_path / "d", head, [f"a{separator}{DOWN_COLUMNS}"])
    assert_converts_to(tmp_path / "d", {"a": BOX}, ("background", "object"))


def test_a_table_without_run_lengths_is_not_one_of_them(tmp_path):
    assert recognises(write(tmp_path / "a", "id,annotation", ["a.png,1 2 3 4"]))
    assert recognises(write(tmp_path / "b", "id,annotation", ["a.png,", "b.png,-1"]))
    assert not recognises(write(tmp_path / "c", "id,annotation", ["a.png,by Ann"]))


@pytest.mark.parametrize("key", ["a;b", "a b", "a,b", 'a"b', "a%20b", "é"])
def test_a_name_that_is_written_is_read_again(tmp_path, key):
    save(tmp_path / "d/a.png")
    write(tmp_path / "d", "ImageId,EncodedPixels", [f"a,{DOWN_COLUMNS}"])
    (tmp_path / "d/a.png").rename(tmp_path / f"d/{key}.png")
    quoted = key.replace('"', '""')
    write(tmp_path / "d", "ImageId,EncodedPixels", [f'"{quoted}",{DOWN_COLUMNS}'])
    for target in ("rle", "label_studio"):
        account = convert(tmp_path / "d", tmp_path / target, to=target, verify=True)
        assert account.agreement.differing == 0
        assert account.left_out == {}
        (entry,) = open_as_is(tmp_path / target).entries
        assert entry.key == key


def test_a_line_break_in_a_name_is_refused(tmp_path):
    save(tmp_path / "d/images/a\nb.png")
    mask = tmp_path / "d/masks/a\nb.png"
    mask.parent.mkdir()
    Image.fromarray(BOX).save(mask)
    with pytest.raises(DataError, match="has a line break, which ends a row; rename it"):
        convert(tmp_path / "d", tmp_path / "out", to="rle")


def test_images_that_are_missing_or_have_no_row_are_left_out(tmp_path):
    for name in ("A.PNG", "more.png"):
        save(tmp_path / "d" / name)
    rows = [f"a.png,{DOWN_COLUMNS}", "gone.png,"]
    write(tmp_path / "d", "ImageId,EncodedPixels", rows)
    assert_converts_to(tmp_path / "d", {"A": BOX}, ("background", "object"))
    assert [item.names for item in open_as_is(tmp_path / "d").left_out] == [
        ("gone.png",),
        ("more.png",),
    ]
