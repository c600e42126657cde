"""Labels come into a running project as a ZIP, and accepted images go out as one."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from maskwright.data.dataset import open_dataset

SQUARE = [[10, 10], [60, 10], [60, 40], [10, 40]]


def _pack(files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def _encode(labels_HW):
    content = io.BytesIO()
    Image.fromarray(labels_HW).save(content, "PNG")
    return content.getvalue()


def _make_square(inside, outside, size_HW):
    labels_HW = np.full(size_HW, outside, np.uint8)
    labels_HW[10:40, 10:60] = inside
    return labels_HW


def _make_coco(key, size_HW):
    height, width = size_HW
    ring = [float(value) for point in SQUARE for value in point]
    shape = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [ring], "iscrowd": 0}
    return {
        "images": [{"id": 1, "file_name": f"{key}.png", "width": width, "height": height}],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [shape | {"area": 1500, "bbox": [10, 10, 50, 30]}],
    }


def _make_labelme(key, size_HW):
    height, width = size_HW
    shape = {"label": "car", "points": SQUARE, "shape_type": "polygon", "flags": {}}
    return {
        "version": "5.4.1",
        "flags": {},
        "shapes": [shape | {"group_id": None}],
        "imagePath": f"{key}.png",
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }


def _send(page, content):
    return page.ask("POST", "/api/import", content=content)


@pytest.mark.parametrize("kind", ["masks", "coco", "labelme"])
def test_labels_without_images_are_imported_by_their_names(page, kind):
    item = page.item()
    key, size_HW = item["key"], item["size_HW"]
    files = {
        "masks": {f"{key}.png": _encode(_make_square(1, 0, size_HW))},
        "coco": {"instances.json": json.dumps(_make_coco(key, size_HW))},
        "labelme": {f"{key}.json": json.dumps(_make_labelme(key, size_HW))},
    }[kind]
    answer = _send(page, _pack(files))
    assert answer.json() == {"images": 1, "left_out": []}
    outside = 0 if kind == "masks" else 255  # polygons say nothing of what is around them
    wrong_HW = page.read_map() != _make_square(1, outside, size_HW)
    wrong_HW[10:41, 10:61] &= kind != "labelme"  # whose polygons have their right border, too
    assert not wrong_HW.any()
    assert page.item()["state"] == "in_progress"
    edit = page.ask("GET", "/api/items/1/edits").json()["edits"][0]
    assert (edit["tool"], edit["from"]) == ("import", "import.zip")
    assert page.item(2)["state"] == "new"


def test_what_is_not_labels_of_the_images_changes_nothing(page, project):
    key = page.item()["key"]
    small = _encode(np.zeros((9, 9), np.uint8))
    wrong = {
        "a file of a name that no image has": {
            "other.png": _encode(np.zeros((9, 9), np.uint8))
        },
        "photos": {f"images/{key}.png": _encode(np.zeros((9, 9), np.uint8))},
        "a name that leads out": {"../x.png": b""},
        "nothing": {},
    }
    for what, files in wrong.items():
        answer = _send(page, _pack(files))
        assert answer.status_code == 422, what
        assert "import.zip" in answer.json()["error"], what
    assert "import.zip" in _send(page, b"no archive").json()["error"]
    classes = json.dumps(
        {**_make_coco(key, (300, 520)), "categories": [{"id": 1, "name": "cat"}]}
    )
    refused = _send(page, _pack({"a.json": classes})).json()["error"]
    assert "import.zip: has the classes cat, which photos has not" in refused
    other_size = _send(page, _pack({f"{key}.png": small})).json()
    assert other_size["images"] == 0
    assert "is (300, 520) (H, W), the labels are (9, 9)" in other_size["left_out"][0]
    assert page.item()["rev"] == 0
    assert not list(project.folder.glob("exchange-*"))


def _accept(page, number, rev):
    page.step("submit", rev, number)
    assert page.step("accept", rev, number).json()["state"] == "accepted"


def test_accepted_images_are_exported_as_they_are_and_as_they_were_when_tagged(page, tmp_path):
    page.lease()
    page.draw(0, value=0, kind="all")
    _accept(page, 1, 1)
    assert page.ask("POST", "/api/tags", json={"name": "run-a"}).json()["images"] == 1
    page.step("reopen", 1)
    page.lease()
    page.draw(1, value=2, kind="stroke", radius=400, points=[800, 800])
    _accept(page, 1, 2)
    for tag, classes in (("", {0, 2}), ("run-a", {0})):
        answer = page.ask("GET", "/api/export", params={"format": "coco", "tag": tag})
        assert answer.headers["content-type"] == "application/zip"
        name = f"photos-{tag or 'accepted'}-coco"
        assert f'filename="{name}.zip"' in answer.headers["content-disposition"]
        zipfile.ZipFile(io.BytesIO(answer.content)).extractall(tmp_path)
        dataset = open_dataset(tmp_path / name)
        names = {dataset.spec.names[v] for v in np.unique(dataset.labels(0))}
        assert names == {("road", "car", "tree")[value] for value in classes}
    assert not list((tmp_path / "photos/studio").glob("exchange-*"))


def test_an_export_that_cannot_be_made_is_refused_by_name(page):
    for query, message in (
        ({"format": "word"}, "format 'word': choose "),
        ({"format": "coco"}, "no image is accepted yet"),
        ({"format": "coco", "tag": "none"}, "no tag named 'none'"),
    ):
        refused = page.ask("GET", "/api/export", params=query)
        assert refused.status_code == 422
        assert message in refused.json()["error"]
    assert "coco" in page.ask("GET", "/api/formats").json()["formats"]
