"""Label Studio's JSON as the tool and its SDK wrote it."""

import json
import shutil

import numpy as np
import pycocotools.mask as peer
import pytest
from PIL import Image

from maskwright.core.errors import DataError
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.dataset import open_as_is
from maskwright.data.formats.label_studio.part import recognises, scan

NOTHING = DatasetFile()


@pytest.mark.real
def test_masks_that_the_sdk_encoded_are_what_was_encoded(real_data, tmp_path):
    folder = tmp_path / "peer"
    shutil.copytree(real_data / "formats/label_studio/brush_peer_encoded", folder)
    truth = {p.stem.removesuffix("_truth"): p for p in folder.glob("*_truth.png")}
    for path in truth.values():
        path.rename(tmp_path / path.name)
    assert recognises(folder)
    dataset = open_as_is(folder)
    assert [entry.key for entry in dataset.entries] == ["0004", "0028", "0033"]
    for place, entry in enumerate(dataset.entries):
        drawing = entry.labels.read()
        truth_HW = np.array(Image.open(tmp_path / f"{entry.key}_truth.png"))
        found = {}
        for shape in drawing.shapes:
            mask_HW = shape.fill(drawing.size_HW, "coco").to_mask(drawing.size_HW)
            (value,) = np.unique(truth_HW[mask_HW]).tolist()
            np.testing.assert_array_equal(mask_HW, truth_HW == value)
            found[value] = shape.label
        assert set(np.unique(truth_HW).tolist()) == {0, *found}
        names_HW = np.array(dataset.spec.names)[dataset.labels(place)]
        assert all((names_HW[truth_HW == value] == name).all() for value, name in found.items())


@pytest.mark.real
def test_a_damaged_stroke_is_refused_with_the_reason(real_data, tmp_path):
    folder = real_data / "formats/label_studio/brush_found_in_the_wild"
    shutil.copy(folder / "task.json", tmp_path)
    Image.new("RGB", (640, 360)).save(tmp_path / "unknown.jpg")
    dataset = open_as_is(tmp_path)
    with pytest.raises(DataError, match=r"task\.json: .*value\.rle\.\d+: .*255, got 291"):
        dataset.labels(0)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "size_HW", "image", "labels"),
    [
        (
            "export_yolo/data_polygons.json",
            (426, 640),
            "000000000025.jpg",
            {"polygon": ["Airplane"]},
        ),
        (
            "export_coco/data.json",
            (320, 500),
            None,
            {"rectangle": ["rectangle_label"], "polygon": ["polygon_label"]},
        ),
    ],
)
def test_real_exports_are_read_as_the_sdk_converts_them(
    name, size_HW, image, labels, real_data, tmp_path
):
    """`Converter.convert_to_coco` gives each corner as percent / 100 * size."""
    path = real_data / "formats/label_studio" / name
    tasks = json.loads(path.read_text())[:1]
    image = image or tasks[0]["data"]["image"].split("?")[0].split("/")[-1]
    Image.new("RGB", size_HW[::-1]).save(tmp_path / image)
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    drawing = scan(tmp_path, NOTHING).entries[0].labels.read()
    results = tasks[0]["annotations"][0]["result"]
    polygons = [r["value"] for r in results if r["type"] == "polygonlabels"]
    shapes = [s for s in drawing.shapes if [s.label] == polygons[0]["polygonlabels"]]
    assert sorted(s.label for s in drawing.shapes) == sorted(
        n for names in labels.values() for n in names
    )
    for value, shape in zip(polygons, shapes, strict=True):
        ring = (np.array(value["points"]) / 100 * size_HW[::-1]).ravel().tolist()
        mask_HW = peer.decode(peer.frPyObjects([ring], *size_HW))[..., 0]
        np.testing.assert_array_equal(shape.fill(size_HW, "coco").to_mask(size_HW), mask_HW)


@pytest.mark.real
def test_damaged_real_exports_are_read_or_refused_soon(fuzz, real_data, tmp_path):
    folder = real_data / "formats/label_studio/brush_peer_encoded"
    shutil.copy(folder / "0028.jpg", tmp_path)
    tasks = json.loads((folder / "export.json").read_text())[1:2]

    def read(damaged):
        (tmp_path / "export.json").write_bytes(damaged)
        for entry in scan(tmp_path, NOTHING).entries:
            entry.labels.read().fill_shapes()

    fuzz(json.dumps(tasks).encode(), read)
