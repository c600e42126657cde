"""Every annotation that other tools wrote is read as pycocotools reads it."""

import json
import shutil

import numpy as np
import pycocotools.mask as peer
import pytest
from pycocotools.coco import COCO

from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.dataset import open_as_is
from maskwright.data.formats.coco import scan
from maskwright.data.shapes.runs import (
    decode_coco_text,
    decode_columns,
    encode_coco_text,
    encode_columns,
)

NOTHING = DatasetFile()
REAL = {
    "labelbox20/instances.json": ("labelbox20/images", 62),
    "labelbox20/rle.json": ("labelbox20/images", 231),
    "labelme2coco/annotations.json": ("labelme2coco/JPEGImages", 12),
    "panopticapi/panoptic_coco_detection_format.json": ("panopticapi/input_images", 50),
    "solaris/_2.json": ("../geotiff", 43),
}


def nested(document):
    """Put single polygons (solaris) into lists, which pycocotools needs."""
    for annotation in document["annotations"]:
        region = annotation["segmentation"]
        if isinstance(region, list) and isinstance(region[0], float):
            annotation["segmentation"] = [region]
    return document


@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_every_real_annotation_is_what_pycocotools_reads(name, real_data, tmp_path):
    folder, count = real_data / "formats/coco", 0
    for image in (folder / REAL[name][0]).glob("*.*"):
        if image.suffix in {".jpg", ".tif"}:
            shutil.copy(image, tmp_path)
    shutil.copy(folder / name, tmp_path / "annotations.json")
    coco = COCO()
    coco.dataset = nested(json.loads((folder / name).read_text()))
    coco.createIndex()
    id_of = {i["file_name"].split("/")[-1]: i["id"] for i in coco.dataset["images"]}
    for entry in open_as_is(tmp_path).entries:
        drawing = entry.labels.read()
        annotations = coco.imgToAnns[id_of[entry.image.file.name]]
        assert len(drawing.shapes) == len(annotations)
        for shape, annotation in zip(drawing.shapes, annotations, strict=True):
            count += 1
            mask_HW = shape.fill(drawing.size_HW, "coco").to_mask(drawing.size_HW)
            np.testing.assert_array_equal(mask_HW, coco.annToMask(annotation))
            named = coco.cats[annotation["category_id"]]["name"]
            assert shape.label == (named if isinstance(named, str) else f"{named:g}")
    assert count == REAL[name][1]


@pytest.mark.real
def test_real_compressed_masks_decode_as_pycocotools_decodes_them(real_data):
    path = real_data / "formats/coco/results/instances_val2014_fakesegm100_results.json"
    results = json.loads(path.read_text())
    assert len(results) == 734
    for result in results:
        size_HW = tuple(result["segmentation"]["size"])
        counts = decode_coco_text(result["segmentation"]["counts"], where="real")
        crop = decode_columns(counts, size_HW, where="real")
        expected = peer.decode(result["segmentation"])
        np.testing.assert_array_equal(crop.to_mask(size_HW), expected)
        again = encode_coco_text(encode_columns(crop, size_HW))
        assert again == result["segmentation"]["counts"]


@pytest.mark.real
@pytest.mark.parametrize("name", ["labelbox20/rle.json", "labelme2coco/annotations.json"])
def test_damaged_real_files_are_read_or_refused_soon(name, fuzz, real_data, tmp_path):
    folder = real_data / "formats/coco"
    for image in (folder / REAL[name][0]).glob("*.jpg"):
        shutil.copy(image, tmp_path)

    def read(damaged):
        (tmp_path / "annotations.json").write_bytes(damaged)
        for entry in scan(tmp_path, NOTHING).entries:
            entry.labels.read().fill_shapes()

    fuzz((folder / name).read_bytes(), read)
