"""Odd files of V7, QGIS, Supervisely and VOC that are read, and stay so."""

import base64
import io
import json
import zlib

import cv2
import numpy as np
import tifffile
from PIL import Image
from tests.converted import assert_converts_to

from maskwright.data.dataset import open_as_is


def save(path, form="JPEG"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(path, form)


def write(path, document, mark=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(mark + json.dumps(document), "utf-8")


def corners(left, top, right, bottom):
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def darwin_item(name, path, annotations):
    slot = {"type": "image", "slot_name": "0", "width": 60, "height": 40}
    slot["source_files"] = [{"file_name": name, "url": ""}]
    item = {"name": name, "path": path, "slots": [slot]}
    return {"version": "2.0", "item": item, "annotations": annotations}


def test_items_of_darwin_lie_in_folders_with_any_name(tmp_path):
    outline, hole = corners(5, 5, 24, 24), corners(10, 10, 14, 14)
    paths = [[{"x": float(x), "y": float(y)} for x, y in ring] for ring in (outline, hole)]
    annotations = [
        {"id": "1", "name": "car", "polygon": {"paths": paths}, "slot_names": ["0"]},
        {"id": "2", "name": "wet", "tag": {}, "slot_names": ["0"]},
        {"id": "3", "name": "tip", "keypoint": {"x": 3.0, "y": 4.0}, "slot_names": ["0"]},
    ]
    drawn = np.zeros((40, 60), np.uint8)
    cv2.fillPoly(drawn, [np.array(ring, np.int32) for ring in (outline, hole)], 1)
    data, expected = tmp_path / "d", {}
    for name, folder, key in (
        ("a b.jpg", "/", "a b"),
        ("猫.jpg", "/x/y", "x__y__猫"),
        ("c.JPG", "/x", "x__c"),
        ("d.jpg", "/", "d"),
    ):
        items = [] if key == "d" else annotations
        save(data / "images" / folder.strip("/") / name)
        file = data / "annotations" / folder.strip("/") / f"{name[:-4]}.json"
        write(file, darwin_item(name, folder, items))
        expected[key] = drawn * bool(items)
    assert_converts_to(data, expected, ("background", "car"))
    skipped = open_as_is(data).entries[0].labels.read().skipped
    assert +skipped == {"tags": 1, "keypoints": 1}


def placed_tiff(path, east, north):
    geo_keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633)
    tags = [
        (33550, "d", 3, (0.5, 0.5, 0.0), True),
        (33922, "d", 6, (0, 0, 0, east, north, 0), True),
        (34735, "H", 16, geo_keys, True),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((40, 60, 3), 90, np.uint8)
    tifffile.imwrite(path, image, photometric="rgb", extratags=tags)


def test_a_layer_of_qgis_has_heights_null_geometries_and_empty_ones(tmp_path):
    east, north, data = 500_000.0, 5_200_000.0, tmp_path / "d"
    placed_tiff(data / "t.tif", east, north)

    def ring(*box):
        points = [[east + x * 0.5, north - y * 0.5, 12.5] for x, y in corners(*box)]
        return [*points, points[0]]

    with_hole = [[ring(5, 5, 25, 25), ring(10, 10, 15, 15)], [ring(40, 5, 50, 15)]]
    geometries = (
        ("field", {"type": "MultiPolygon", "coordinates": with_hole}),
        ("field", None),
        ("road", {"type": "Polygon", "coordinates": [ring(0, 30, 60, 34)]}),
        ("road", {"type": "MultiPolygon", "coordinates": []}),
    )
    features = [
        {
            "type": "Feature",
            "properties": {"fid": n, "class": name, "note": None},
            "geometry": g,
        }
        for n, (name, g) in enumerate(geometries)
    ]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
    layer = {"type": "FeatureCollection", "name": "x", "crs": crs, "features": features}
    write(data / "t.geojson", layer, mark="\ufeff")
    mask = np.zeros((40, 60), np.uint8)
    mask[5:25, 5:25] = 1
    mask[10:15, 10:15] = 0
    mask[5:15, 40:50] = 1
    mask[30:34] = 2
    assert_converts_to(data, {"t": mask}, ("background", "field", "road"))


def test_a_polygon_of_two_points_in_geojson_is_counted(tmp_path):
    save(tmp_path / "d/a.png", "PNG")
    rings = [[list(p) for p in corners(5, 5, 15, 15)], [[1, 1], [2, 2], [1, 1]]]
    features = [
        {"type": "Feature", "properties": {"class": "a"}, "geometry": g}
        for g in ({"type": "Polygon", "coordinates": [ring]} for ring in rings)
    ]
    write(tmp_path / "d/a.geojson", {"type": "FeatureCollection", "features": features})
    drawing = open_as_is(tmp_path / "d").entries[0].labels.read()
    assert len(drawing.shapes) == 1
    assert drawing.skipped == {"polygons of fewer than three corners": 1}


def test_a_bitmap_of_supervisely_may_reach_out_of_the_image(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(np.ones((10, 20), np.bool_)).save(buffer, "PNG")
    pixels = base64.b64encode(zlib.compress(buffer.getvalue())).decode()
    data, expected = tmp_path / "d", {}
    kinds = [{"title": "car", "shape": "bitmap", "color": "#FF0000"}]
    write(data / "meta.json", {"classes": kinds, "tags": []})
    for index, (x, y) in enumerate(((10, 10), (50, 35))):
        bitmap = {"data": pixels, "origin": [x, y]}
        item = {"id": index, "classTitle": "car", "geometryType": "bitmap", "bitmap": bitmap}
        file = {"size": {"height": 40, "width": 60}, "objects": [item | {"tags": []}]}
        save(data / f"ds 1/img/p {index}.JPG")
        write(data / f"ds 1/ann/p {index}.JPG.json", file)
        mask = np.zeros((40, 60), np.uint8)
        mask[y : y + 10, x : x + 20] = 1
        expected[f"ds 1__p {index}"] = mask
    assert_converts_to(data, expected, ("background", "car"))


def test_names_in_lists_and_of_masks_of_voc_may_have_another_case_or_form(tmp_path):
    data, mask = tmp_path / "d", np.zeros((40, 60), np.uint8)
    mask[5:15, 5:15] = 1
    for folder in ("SegmentationClass", "ImageSets/Segmentation"):
        (data / folder).mkdir(parents=True)
    for name in ("A", "caf\u00e9"):
        save(data / f"JPEGImages/{name}.jpg")
    for name in ("a", "cafe\u0301"):
        Image.fromarray(mask).save(data / f"SegmentationClass/{name}.png")
    (data / "ImageSets/Segmentation/train.txt").write_text("a\ncafe\u0301\n", "utf-8")
    (data / "class_names.txt").write_text("background\ncar\n")
    assert_converts_to(data, {"A": mask, "caf\u00e9": mask}, ("background", "car"))


def test_ids_of_darwin_may_be_numbers_in_one_place_and_text_in_the_other(tmp_path):
    mask = np.zeros((40, 60), np.uint8)
    mask[0, 5:15] = 1
    runs = [0, 5, 1, 10, 0, 60 * 40 - 15]
    layer = {"dense_rle": runs, "mask_annotation_ids_mapping": {"7": 1}, "total_pixels": 2400}
    annotations = [
        {"id": 7, "name": "car", "mask": {}, "slot_names": ["0"]},
        {"id": 8, "name": "__raster_layer__", "raster_layer": layer, "slot_names": ["0"]},
    ]
    save(tmp_path / "d/a.jpg")
    write(tmp_path / "d/a.json", darwin_item("a.jpg", "/", annotations))
    assert_converts_to(tmp_path / "d", {"a": mask}, ("background", "car"))


def test_a_geojson_file_in_a_folder_of_labels_is_found_despite_the_case_of_its_name(tmp_path):
    save(tmp_path / "d/images/train/A.png", "PNG")
    ring = [list(corner) for corner in corners(5, 5, 15, 15)]
    geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    feature = {"type": "Feature", "properties": {"class": "a"}, "geometry": geometry}
    layer = {"type": "FeatureCollection", "features": [feature]}
    write(tmp_path / "d/labels/train/a.geojson", layer)
    mask = np.zeros((40, 60), np.uint8)
    mask[5:15, 5:15] = 1
    assert_converts_to(tmp_path / "d", {"A": mask}, ("background", "a"))
