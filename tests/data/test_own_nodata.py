"""The nodata value that a class map or a mask declares itself."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.data.classmaps import open_class_maps
from maskwright.data.dataset import open_dataset

RAW_HW = np.array([[0, 1, 1], [2, 0, 9]], np.uint8)


def write(path, raw_HW, nodata):
    path.parent.mkdir(parents=True, exist_ok=True)
    tags = [] if nodata is None else [(42113, 2, len(nodata) + 1, nodata, True)]
    tifffile.imwrite(path, raw_HW, extratags=tags)


def spec(folder, *names):
    listed = ", ".join(f"{{name: {name}}}" for name in names)
    (folder / "dataset.yaml").write_text(f"classes: [{listed}]\n")


@pytest.mark.parametrize("nodata", ["0", "9", "0.0"])
def test_class_maps_leave_out_their_own_nodata(tmp_path, nodata):
    raw_HW = np.where((RAW_HW == 9) & (nodata != "9"), 1, RAW_HW).astype(np.uint8)
    write(tmp_path / "maps/a.tif", raw_HW, nodata)
    spec(tmp_path / "maps", "x", "y", "z")
    labels_HW = open_class_maps(tmp_path / "maps").read("a")
    expected_HW = np.where(raw_HW == float(nodata), 255, raw_HW)
    np.testing.assert_array_equal(labels_HW, expected_HW)


def test_masks_of_a_dataset_keep_listed_values_and_ignore_other_nodata(tmp_path):
    for key, nodata in (("a", "9"), ("b", "0")):
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.fromarray(np.full((2, 3), ord(key), np.uint8)).save(
            tmp_path / f"images/{key}.png"
        )
        write(tmp_path / f"masks/{key}.tif", RAW_HW if key == "a" else RAW_HW % 9, nodata)
    spec(tmp_path, "x", "y", "z")
    dataset = open_dataset(tmp_path)
    labels = {key: dataset.labels(index) for index, key in enumerate(dataset.keys)}
    assert labels["a"].tolist() == [[0, 1, 1], [2, 0, 255]]
    assert labels["b"].tolist() == (RAW_HW % 9).tolist()
    write(tmp_path / "masks/a.tif", RAW_HW, None)
    with pytest.raises(DataError, match="9"):
        open_dataset(tmp_path).labels(dataset.keys.index("a"))
