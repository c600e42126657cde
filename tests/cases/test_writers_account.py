"""The account of `convert`: what a source holds and its result does not is a line of it.

`take_inventory` counts what a dataset holds by reading it; a kind of which the result has less
than the source must be named in the account, for every source and every format.
"""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from maskwright.data.conversion.convert import convert, list_writable
from maskwright.data.dataset import open_as_is
from maskwright.data.entries.annotation import Annotation

SIZE_HW = (24, 32)
SQUARE = [[2.0, 2.0], [9.0, 2.0], [9.0, 8.0], [2.0, 8.0]]
HOLE = [[4.0, 4.0], [6.0, 4.0], [6.0, 6.0], [4.0, 6.0]]
APART = [[20.0, 15.0], [28.0, 15.0], [28.0, 20.0]]

RASTERED = "polygons beside masks, written as pixels: V7 stores one kind per image"
WORDS = {
    "polygons": ("shapes, written as pixels", RASTERED),
    "polygons of several rings": (
        "shapes, written as pixels",
        "polygons with holes or several parts, written as masks",
        "polygons of several rings or that cross themselves, written along edges of pixels",
        "polygons with holes, which COCO cannot store, written as masks",
        "parts of objects, written as separate objects",
        "holes in regions, which are filled",
        RASTERED,
    ),
    "rectangles": ("rectangles, written as polygons or masks", "shapes, written as pixels"),
    "circles": ("circles, written as polygons or masks", "shapes, written as pixels"),
    "attributes": (
        "attributes of shapes",
        "attributes of shapes, which are neither a flag (true or false) nor a description",
    ),
    "instances": "ids of instances",
    "unread": (
        "flags of images",
        "tags of images",
        "types of attributes, which become text",
        "supercategories of classes",
    ),
    "folders": "names of folders, which become the start of the file name",
    "images that are .jpg": "images that are not PNG, whose pixels are written as PNG",
}
"""The lines of the account for each kind; any of them is enough."""


def photograph(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE_HW[::-1], (90, 120, 60)).save(path, format="JPEG")


def make_labelme(root):
    """Every kind of shape, flags, a description, two objects, in the folder of a tile."""
    buffer = io.BytesIO()
    Image.fromarray(np.ones((3, 4), np.uint8)).save(buffer, "PNG")
    common = {"label": "car", "flags": {"dirty": True}, "description": "seen twice"}
    shapes = [
        {**common, "shape_type": "polygon", "points": SQUARE, "group_id": 7},
        {**common, "shape_type": "rectangle", "points": [[12, 2], [16, 6]], "group_id": 9},
        {**common, "shape_type": "circle", "points": [[24, 6], [26, 6]]},
        {
            **common,
            "shape_type": "mask",
            "points": [[3, 14], [6, 16]],
            "mask": base64.b64encode(buffer.getvalue()).decode(),
        },
    ]
    document = {"version": "5.10.1", "flags": {"night": True}, "shapes": shapes}
    document |= {"imagePath": "x.JPG", "imageData": None}
    for tile in ("tileA", "tileB"):
        photograph(root / tile / "x.JPG")
        size = {"imageHeight": SIZE_HW[0], "imageWidth": SIZE_HW[1]}
        (root / tile / "x.json").write_text(json.dumps({**document, **size}))


def make_coco(root):
    """A polygon of two parts, attributes that are not text, a supercategory."""
    photograph(root / "images/a.jpg")
    segmentation = [np.ravel(SQUARE).tolist(), np.ravel(APART).tolist()]
    annotation = {"id": 5, "image_id": 1, "category_id": 3, "segmentation": segmentation}
    annotation |= {"area": 60, "bbox": [2, 2, 26, 18], "iscrowd": 0}
    annotation["attributes"] = {"occluded": True, "speed": 3}
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": SIZE_HW[0], "width": SIZE_HW[1]}],
        "annotations": [annotation],
        "categories": [{"id": 3, "name": "car", "supercategory": "vehicle"}],
    }
    (root / "annotations.json").write_text(json.dumps(document))


def make_supervisely(root):
    """A polygon with a hole, tags of an object and of the image."""
    photograph(root / "ds/img/a.jpg")
    item = {"classTitle": "car", "geometryType": "polygon", "id": 3}
    item["points"] = {"exterior": SQUARE, "interior": [HOLE]}
    item["tags"] = [{"name": "wheels", "value": "4"}]
    size = {"height": SIZE_HW[0], "width": SIZE_HW[1]}
    document = {"size": size, "objects": [item], "tags": [{"name": "night"}]}
    (root / "ds/ann").mkdir()
    (root / "ds/ann/a.jpg.json").write_text(json.dumps(document))
    meta = {"classes": [{"title": "car", "shape": "polygon", "color": "#102030"}]}
    (root / "meta.json").write_text(json.dumps(meta))


SOURCES = {"labelme": make_labelme, "coco": make_coco, "supervisely": make_supervisely}


def take_inventory(dataset):
    """Count what a dataset holds, by kind."""
    held = dict.fromkeys(WORDS, 0)
    held["unread"] = sum(map(len, dataset.unread.values()))
    for entry in dataset.entries:
        folders = entry.image.path.relative_to(dataset.root).parts[:-1]
        held["folders"] += any(name.startswith(("tile", "ds")) for name in folders)
        held["images that are .jpg"] += entry.image.path.suffix in {".jpg", ".JPG"}
        if not isinstance(entry.labels, Annotation):
            continue
        drawing = entry.labels.read()
        held["unread"] += sum(drawing.unread.values())
        held["instances"] += len({s.instance for s in drawing.shapes} - {None})
        for shape in drawing.shapes:
            held["polygons"] += shape.is_polygon
            held["polygons of several rings"] += len(shape.rings) > 1
            held["attributes"] += len(shape.attributes)
            if shape.primitive in held:
                held[shape.primitive] += 1
    return held


def rename_classes(tmp_path, target):
    """A mapping of the classes where the format takes names of its own only."""
    if target != "cityscapes":
        return None
    path = tmp_path / "mapping.yaml"
    path.write_text("classes: [{name: road, from: [background]}, {name: car}]\n")
    return path


@pytest.mark.parametrize("target", list_writable())
@pytest.mark.parametrize("source", SOURCES)
def test_what_does_not_come_back_is_a_line_of_the_account(source, target, tmp_path):
    root = tmp_path / "source"
    SOURCES[source](root)
    before = open_as_is(root)
    mapping = rename_classes(tmp_path, target)
    account = convert(before, tmp_path / "out", to=target, classes=mapping, verify=True)
    had, has = take_inventory(before), take_inventory(open_as_is(tmp_path / "out"))
    gone = [kind for kind, count in had.items() if has[kind] < count]
    for kind in gone:
        words = WORDS[kind]
        lines = {words} if isinstance(words, str) else set(words)
        assert lines & account.losses.keys(), f"{kind}: {had[kind]}, {has[kind]} came back"
    assert gone, "the sources hold more than any format keeps"
    assert "lost: nothing" not in account.to_text()
    assert account.losses.keys() <= {*_all_lines(), *_PIXELS}
    if account.agreement.differing:
        assert account.losses.keys() & _PIXELS


_PIXELS = {
    "pixels at the borders of polygons, which the tool fills by another rule",
    "pixels of holes that are filled",
    "pixels of shapes above smaller ones, which Ultralytics paints below them",
    "holes in regions, which are filled",
    "regions of one pixel's width or height, which Ultralytics drops in training",
    "names that are not city_000000_000000, kept as they are",
    "images that are not PNG, kept as they are",
}


def _all_lines():
    for words in WORDS.values():
        yield from (words,) if isinstance(words, str) else words


def test_labelme_keeps_flags_descriptions_and_objects(tmp_path):
    make_labelme(tmp_path / "source")
    convert(tmp_path / "source", tmp_path / "out", to="labelme")
    document = json.loads((tmp_path / "out/tileA__x.json").read_text())
    assert document["imagePath"] == "tileA__x.JPG"
    shapes = document["shapes"]
    assert [s["flags"] for s in shapes] == [{"dirty": True}] * 4
    assert [s["description"] for s in shapes] == ["seen twice"] * 4
    # labelme refuses a file where a `group_id` is text: it must be a whole number or null.
    assert [s["group_id"] for s in shapes] == [1, 2, None, None]


def test_pixels_that_move_are_counted_over_polygons_alone(tmp_path):
    """Of COCO's two polygons, the one with two parts becomes a mask and moves no pixel."""
    make_coco(tmp_path / "source")
    path = tmp_path / "source/annotations.json"
    document = json.loads(path.read_text())
    one = {**document["annotations"][0], "id": 6, "segmentation": [np.ravel(APART).tolist()]}
    path.write_text(json.dumps({**document, "annotations": [*document["annotations"], one]}))
    account = convert(tmp_path / "source", tmp_path / "out", to="labelme", verify=True)
    (moved,) = (loss for what, loss in account.losses.items() if "another rule" in what)
    assert moved.count == account.agreement.differing > 0
