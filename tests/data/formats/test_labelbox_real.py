"""Labelbox's own files: rows of an import, and exports v1."""

import cv2
import numpy as np
import pytest

from maskwright.core.errors import DataError
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.dataset import open_as_is
from maskwright.data.formats.labelbox.part import recognises, scan


@pytest.mark.real
@pytest.mark.parametrize(
    "name", ["image_export", "highly_nested_image", "tiled_image_export", "video_export"]
)
def test_an_export_v1_is_refused_by_name(real_data, write, name):
    content = (real_data / f"formats/labelbox/v1_export/{name}.json").read_text()
    root = write({"export.json": content, "a.png": np.zeros((4, 6), np.uint8)})
    assert recognises(root)
    with pytest.raises(DataError, match=r"export v1.*export the project again: .*give v2"):
        open_as_is(root)


@pytest.fixture
def real_import(real_data, write):
    """The library's own rows of an import, with a black image and a mask of our making."""
    source = real_data / "formats/labelbox/ndjson/image_import_name_only.json"
    image_HW = np.zeros((300, 300), np.uint8)
    mask_HW = image_HW.copy()
    mask_HW[100:110, 200:230] = 255
    return write(
        {
            "import.json": source.read_bytes(),
            "ckrazctum0z8a0ybc0b0o0g0v.png": image_HW,
            "masks/3e729327-f038-f66c-186e-45e921ef9717-1.png": mask_HW,
        }
    )


@pytest.mark.real
def test_rows_of_a_real_import_are_read(real_import):
    """The polygon has the pixels of Polygon.draw of labelbox, which is cv2.fillPoly."""
    dataset = open_as_is(real_import)
    assert len(dataset.spec) == 3
    corners = np.array([[10, 20], [15, 20], [20, 25], [10, 20]], np.int32)
    expected_HW = cv2.fillPoly(np.zeros((300, 300), np.uint8), [corners], 1)
    expected_HW[100:110, 200:230] = 2
    labels_HW = dataset.labels(0)
    assert sorted(np.bincount(labels_HW.ravel()).tolist()) == sorted(
        np.bincount(expected_HW.ravel()).tolist()
    )
    np.testing.assert_array_equal(labels_HW > 0, expected_HW > 0)
    assert dataset.entries[0].labels.read().skipped == {"boxes": 1, "points": 1}


@pytest.mark.real
def test_rows_with_a_schema_id_alone_are_refused(real_data, write):
    source = real_data / "formats/labelbox/ndjson/image_import.json"
    root = write(
        {
            "i.json": source.read_bytes(),
            "ckrazctum0z8a0ybc0b0o0g0v.png": np.zeros((9, 9), np.uint8),
        }
    )
    with pytest.raises(
        DataError, match=r"rows\.1: an object has no 'name' \(perhaps only a schema id"
    ):
        scan(root, DatasetFile())


@pytest.mark.real
def test_a_damaged_import_is_refused_once_and_soon(real_import, fuzz):
    path = real_import / "import.json"

    def read(content):
        path.write_bytes(content)
        open_as_is(real_import, form="labelbox").labels(0)

    fuzz(path.read_bytes(), read)
