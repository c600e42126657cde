"""The importer is the judge: what the tools' own libraries read in the files that are written.

pycocotools, rasterio, geopandas and shapely run here. Others ran by hand and left their answers
in `tests/fixtures/importers`, whose README gives versions and commands. Where neither is
possible, the rule of the importer is rewritten here; the test names its source.
"""

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import geopandas
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from rasterio.features import rasterize

from maskwright.core.errors import ConfigError
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is

PEERS = Path(__file__).parents[1] / "fixtures/importers"
TOOLS = sorted(path.stem for path in PEERS.glob("*.json"))
OUTLINED = ("coco", "cvat", "label_studio", "labelme")


def load_scene():
    spec = spec_from_file_location("peers_scene", PEERS / "scene.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


scene = load_scene()


@pytest.fixture
def source(tmp_path):
    return scene.draw_dataset(tmp_path / "source")


def paint_truth():
    return {key: scene.paint_labels(split) for split, key in scene.KEYS.items()}


def test_every_tool_that_was_asked_by_hand_has_left_an_answer():
    assert [
        *("cityscapesscripts", "darwin-py", "datumaro", "label-studio-sdk", "labelme"),
        *("supervisely", "ultralytics"),
    ] == TOOLS


@pytest.mark.parametrize("tool", [name for name in TOOLS if name != "ultralytics"])
def test_every_pixel_is_right_in_what_the_tool_reads(tool):
    answer = json.loads((PEERS / f"{tool}.json").read_text())
    digest_of = {key: scene.digest_map(labels_HW) for key, labels_HW in paint_truth().items()}
    read = {place.rsplit("/", 1)[-1] for place in answer["maps"]}
    assert read == set(digest_of), answer["version"]
    for place, digest in answer["maps"].items():
        assert digest == digest_of[place.rsplit("/", 1)[-1]], f"{answer['version']}: {place}"


def test_datumaro_reads_five_of_the_formats():
    answer = json.loads((PEERS / "datumaro.json").read_text())
    forms = {place.split("/")[0] for place in answer["maps"]}
    assert forms == {"coco", "coco_panoptic", "cvat", "cvat_mask", "voc"}


def test_ultralytics_reads_the_pixels_that_verify_reads_back(source, tmp_path):
    """A line has no holes, so its maps are not those of the source but those of our reader."""
    answer = json.loads((PEERS / "ultralytics.json").read_text())
    account = convert(source, tmp_path / "yolo", to="yolo", verify=True)
    written = open_as_is(tmp_path / "yolo")
    order = np.array([scene.NAMES.index(name) for name in written.spec.names], np.uint8)
    ours = {
        entry.key: scene.digest_map(order[written.labels(index)])
        for index, entry in enumerate(written.entries)
    }
    assert answer["maps"] == ours
    lost = {what: loss.count for what, loss in account.losses.items()}
    assert account.agreement.differing <= lost["pixels of holes that are filled"]


def decode_coco(folder, split, names):
    """The class map of one split's image by pycocotools, in the order of the annotations."""
    coco = COCO(folder / f"annotations/instances_{split}.json")
    (image,) = coco.loadImgs(coco.getImgIds())
    labels_HW = np.zeros((image["height"], image["width"]), np.uint8)
    for annotation in coco.loadAnns(coco.getAnnIds()):
        name = coco.cats[annotation["category_id"]]["name"]
        labels_HW[coco.annToMask(annotation).astype(bool)] = names.index(name)
        assert annotation["area"] == coco.annToMask(annotation).sum()
    return labels_HW, coco


def test_pycocotools_reads_every_pixel(source, tmp_path, capsys):
    convert(source, tmp_path / "coco", to="coco")
    for split in scene.KEYS:
        labels_HW, _ = decode_coco(tmp_path / "coco", split, scene.NAMES)
        np.testing.assert_array_equal(labels_HW, scene.paint_labels(split))


def test_polygons_alone_are_polygons_alone_and_what_they_lose_is_counted(source, tmp_path):
    """`pixels that differ` of the account are those by pycocotools."""
    account = convert(source, tmp_path / "coco", to="coco", polygons=True, verify=True)
    differing = 0
    for split in scene.KEYS:
        labels_HW, coco = decode_coco(tmp_path / "coco", split, scene.NAMES)
        segmentations = [entry["segmentation"] for entry in coco.anns.values()]
        assert all(isinstance(found, list) for found in segmentations)
        assert all(len(ring) >= 6 for found in segmentations for ring in found)
        differing += np.count_nonzero(labels_HW != scene.paint_labels(split))
    assert account.agreement.differing == differing > 0
    holes = account.losses["holes in regions, which are filled"]
    assert holes.count == 2 * (1 + 63)  # that of the road, and those of the chequered cars
    counted = sum(loss.count for what, loss in account.losses.items() if "pixels" in what)
    assert counted >= differing


@pytest.mark.parametrize("target", OUTLINED)
def test_a_tool_that_fills_outlines_included_loses_holes_alone(target, source, tmp_path):
    account = convert(source, tmp_path / "out", to=target, polygons=True, verify=True)
    written = open_as_is(tmp_path / "out")
    for entry in written.entries:
        shapes = entry.labels.read().shapes
        assert shapes
        assert all(shape.is_polygon for shape in shapes)
    holes = account.losses["pixels of holes that are filled"].count
    if target == "labelme":  # Pillow fills what OpenCV fills, if the outline is that of a mask
        assert account.agreement.differing <= holes
        assert len(account.losses) == 2
    else:
        assert any("outlines run through pixel centres" in what for what in account.losses)


def test_polygons_alone_are_refused_for_a_format_of_masks(source, tmp_path):
    message = "polygons alone are written to coco, cvat, label_studio, labelme, not to 'voc'"
    with pytest.raises(ConfigError, match=message):
        convert(source, tmp_path / "out", to="voc", polygons=True)


def test_parts_of_a_drawn_shape_stay_one_object_as_polygons(tmp_path):
    """COCO's run lengths of two regions become one annotation of two polygons."""
    root = tmp_path / "source"
    (root / "images").mkdir(parents=True)
    Image.new("RGB", (8, 4)).save(root / "images/a.png")
    counts = [4, 4, 12, 8, 4]  # columns 1, and 5 and 6
    segmentation = {"size": [4, 8], "counts": counts}
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 12}
    document = {
        "images": [{"id": 1, "file_name": "a.png", "height": 4, "width": 8}],
        "annotations": [{**annotation, "bbox": [1, 0, 6, 4], "segmentation": segmentation}],
        "categories": [{"id": 1, "name": "car", "supercategory": ""}],
    }
    (root / "annotations.json").write_text(json.dumps(document))
    convert(root, tmp_path / "out", to="coco", polygons=True)
    (path,) = (tmp_path / "out/annotations").iterdir()
    (written,) = json.loads(path.read_text())["annotations"]
    assert len(written["segmentation"]) == 2


def test_geojson_is_valid_and_rasterio_burns_every_pixel(source, tmp_path):
    """geopandas reads the file, shapely judges the polygons, rasterio burns pixel centres."""
    convert(source, tmp_path / "out", to="geojson")
    for split, key in scene.KEYS.items():
        frame = geopandas.read_file(tmp_path / f"out/{split}/{key}.geojson")
        assert frame.geometry.is_valid.all()
        assert set(frame["class"]) == {"road", "car", "pole"}
        pairs = [
            (geometry, scene.NAMES.index(name))
            for geometry, name in zip(frame.geometry, frame["class"], strict=True)
        ]
        burnt_HW = rasterize(pairs, out_shape=(48, 64), fill=0, dtype="uint8")
        np.testing.assert_array_equal(burnt_HW, scene.paint_labels(split))


def test_qupath_finds_name_and_colour_of_the_class(source, tmp_path):
    """QuPath reads `classification` with a name and a colour of three numbers."""
    convert(source, tmp_path / "out", to="geojson")
    path = tmp_path / f"out/train/{scene.KEYS['train']}.geojson"
    for feature in json.loads(path.read_text())["features"]:
        found = feature["properties"]["classification"]
        assert found["name"] == feature["properties"]["class"]
        assert len(found["color"]) == 3
    (tmp_path / "out/dataset.yaml").unlink()
    drawing = open_as_is(tmp_path / "out").entries[0].labels.read()
    assert all(not shape.attributes for shape in drawing.shapes)


def test_a_polygon_that_crosses_itself_is_written_along_its_pixels(tmp_path):
    """QGIS and PostGIS refuse a bow-tie; the pixels that it covers stay the same."""
    root = tmp_path / "source"
    root.mkdir()
    Image.new("RGB", (20, 16)).save(root / "a.png")
    bow_tie = [[2.0, 2.0], [12.0, 12.0], [12.0, 2.0], [2.0, 12.0]]
    document = {"shapes": [{"label": "car", "points": bow_tie}], "imagePath": "a.png"}
    (root / "a.json").write_text(json.dumps({**document, "imageHeight": 16, "imageWidth": 20}))
    account = convert(root, tmp_path / "out", to="geojson", verify=True)
    assert account.agreement.differing == 0
    what = "polygons of several rings or that cross themselves, written along edges of pixels"
    assert account.losses[what].count == 1
    assert geopandas.read_file(tmp_path / "out/a.geojson").geometry.is_valid.all()


def test_panoptic_files_pass_the_checks_of_panopticapi(source, tmp_path):
    """Every id of the PNG is listed and every listed id is in the PNG, with its area and box.

    A rewrite of what panopticapi's evaluation.py (pq_compute_single_core) raises KeyError for.
    """
    convert(source, tmp_path / "out", to="coco_panoptic")
    for split in scene.KEYS:
        folder = tmp_path / "out/annotations"
        document = json.loads((folder / f"panoptic_{split}.json").read_text())
        names = {entry["id"]: entry["name"] for entry in document["categories"]}
        (annotation,) = document["annotations"]
        with Image.open(folder / f"panoptic_{split}" / annotation["file_name"]) as png:
            red, green, blue = np.moveaxis(np.array(png).astype(np.int64), -1, 0)
        ids_HW = red + 256 * green + 65536 * blue
        listed = {entry["id"]: entry for entry in annotation["segments_info"]}
        assert set(np.unique(ids_HW).tolist()) == set(listed)
        labels_HW = np.zeros(ids_HW.shape, np.uint8)
        for segment_id, entry in listed.items():
            inside_HW = ids_HW == segment_id
            rows, columns = np.nonzero(inside_HW)
            height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
            assert entry["area"] == rows.size
            assert entry["bbox"] == [columns.min(), rows.min(), width, height]
            labels_HW[inside_HW] = scene.NAMES.index(names[entry["category_id"]])
        np.testing.assert_array_equal(labels_HW, scene.paint_labels(split))


def test_one_class_of_a_mask_is_one_stroke_in_label_studio(tmp_path):
    """Two thousand small objects on a large image once were two thousand strokes of 15 KB."""
    root = tmp_path / "source"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    labels_HW = np.zeros((1024, 1024), np.uint8)
    labels_HW.reshape(64, 16, 64, 16)[:, 2:6, :, 2:6] = 1  # (rows, 16, columns, 16)
    Image.fromarray(labels_HW).save(root / "masks/a.png")
    Image.fromarray(labels_HW).save(root / "images/a.png")
    (root / "dataset.yaml").write_text(
        "classes: [{name: background}, {name: a, kind: thing}]\n"
    )
    convert(root, tmp_path / "out", to="label_studio", verify=True)
    path = tmp_path / "out/export.json"
    (task,) = json.loads(path.read_text())
    assert len(task["annotations"][0]["result"]) == 1
    assert path.stat().st_size < 500_000


def test_peers_are_not_imported_here():
    assert not {"ultralytics", "labelme", "datumaro"} & sys.modules.keys()
