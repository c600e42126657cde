"""CVAT's XML 1.1 as CVAT and others wrote it."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from maskwright.data.dataset import open_as_is


@pytest.fixture
def docs_example(real_data, tmp_path):
    """The example of CVAT's documentation, with a black image."""
    content = (real_data / "formats/cvat_xml/docs_example/annotations.xml").read_bytes()
    (tmp_path / "filename000.jpg").write_bytes(b"")
    Image.new("L", (1600, 1200)).save(tmp_path / "filename000.jpg", "PNG")
    (tmp_path / "annotations.xml").write_bytes(content)
    return tmp_path


@pytest.mark.real
def test_the_example_of_the_documentation_is_as_datumaro_paints_it(docs_example):
    """Dataset.import_from(.., "cvat"), polygons_to_masks, boxes_to_masks, CompiledMask.

    Datumaro 1.13, without the tag (its label is not declared there) and with coordinates in
    doubles as CVAT's own copy of datumaro has them; in single precision 12 pixels differ.
    """
    dataset = open_as_is(docs_example)
    labels_HW = dataset.labels(0)
    counts = np.bincount(labels_HW.ravel(), minlength=5).tolist()
    assert dict(zip(dataset.spec.names, counts, strict=True)) == {
        "background": 1507434,
        "car": 402764,
        "traffic_line": 0,
        "wheel": 0,
        "plate": 9802,
    }
    assert hashlib.sha256(labels_HW.tobytes()).hexdigest()[:16] == "3967a29d80cfb1ad"
    skipped = dataset.entries[0].labels.read().skipped
    assert skipped == {"lines": 1, "points": 1, "tags": 1}


@pytest.mark.real
def test_a_project_of_three_subsets_is_as_datumaro_paints_it(real_data):
    """By the same steps; hashes of the class maps of img0 and img1, alike in all subsets."""
    dataset = open_as_is(real_data / "formats/cvat_xml/datumaro/for_images/export_project")
    hashes = [
        hashlib.sha256(dataset.labels(index).tobytes()).hexdigest()[:16] for index in range(6)
    ]
    assert hashes == ["6d38d86567372e68", "780074c0803309d2"] * 3
    assert dataset.splits == {"test": 2, "train": 2, "val": 2}


@pytest.mark.real
def test_a_video_is_read(real_data):
    dataset = open_as_is(real_data / "formats/cvat_xml/datumaro/for_video")
    assert [int((dataset.labels(n) > 0).sum()) for n in range(3)] == [7, 0, 0]


@pytest.mark.real
def test_a_damaged_file_is_refused_once_and_soon(docs_example, fuzz):
    path = docs_example / "annotations.xml"

    def read(content):
        path.write_bytes(content)
        dataset = open_as_is(docs_example, form="cvat")
        for index in range(len(dataset)):
            dataset.labels(index)

    fuzz(path.read_bytes(), read)


@pytest.mark.real
def test_what_darwin_wrote_for_cvat_is_as_datumaro_paints_it(real_data, write):
    """Two boxes with all their digits and no z_order; the hash is by the same steps."""
    text = (real_data / "formats/darwin/convert_pairs/cvat/to/output.xml").read_text()
    image_HW = np.zeros((427, 640), np.uint8)
    dataset = open_as_is(write({"output.xml": text, "000000021295.jpg": image_HW}))
    labels_HW = dataset.labels(0)
    assert int((labels_HW == 1).sum()) == 4980
    assert hashlib.sha256(labels_HW.tobytes()).hexdigest()[:16] == "29e3309d43087e5e"
