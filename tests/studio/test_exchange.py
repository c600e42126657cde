"""Labels come into a running project as a ZIP, and accepted images go out as one."""

import io
import json
import struct
import threading
import zipfile

import numpy as np
import pytest
from PIL import Image
from tests.studio_pages import make_page, wait_for_job

from maskwright.core.results import WriteMode
from maskwright.data.dataset import open_dataset
from maskwright.store import items as stored
from maskwright.studio.client import StudioClient
from maskwright.studio.errors import StudioError
from maskwright.studio.export import export_accepted
from maskwright.studio.importing import import_labels
from maskwright.studio.jobs import Jobs

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


def _send(page, content, **query):
    """Import a ZIP, and wait for the end of the job."""
    answer = page.ask("POST", "/api/import", content=content, params=query)
    assert answer.status_code == 200, answer.text
    return wait_for_job(page)


def _export(page, form, tag=""):
    answer = page.ask("POST", "/api/export", json={"format": form, "tag": tag})
    assert answer.status_code == 200, answer.text
    return wait_for_job(page)


@pytest.mark.parametrize("kind", ["masks", "coco", "labelme"])
def test_labels_without_images_are_imported_by_their_names(page, kind):
    item = page.item()
    key, size_HW = item["key"], item["size_HW"]
    files = {
        "masks": {f"{key}.png": _encode(_make_square(1, 0, size_HW))},
        "coco": {"instances.json": json.dumps(_make_coco(key, size_HW))},
        "labelme": {f"{key}.json": json.dumps(_make_labelme(key, size_HW))},
    }[kind]
    job = _send(page, _pack(files), name="from ann.zip")
    assert (job["state"], job["images"], job["left_out"]) == ("finished", 1, [])
    assert (job["kind"], job["step"], job["done"], job["total"]) == (
        "import",
        "importing",
        1,
        1,
    )
    outside = 0 if kind == "masks" else 255  # polygons say nothing of what is around them
    wrong_HW = page.read_map() != _make_square(1, outside, size_HW)
    wrong_HW[10:41, 10:61] &= kind != "labelme"  # whose polygons have their right border, too
    assert not wrong_HW.any()
    assert page.item()["state"] == "in_progress"
    edit = page.ask("GET", "/api/items/1/edits").json()["edits"][0]
    assert (edit["tool"], edit["from"]) == ("import", "from ann.zip")
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
        job = _send(page, _pack(files), name="mine.zip")
        assert job["state"] == "failed", what
        assert "mine.zip" in job["error"], what
    assert "import.zip" in _send(page, b"no archive")["error"]
    bomb = bytearray(_pack({f"{key}.png": small}))  # says that it unpacks to 3 GiB
    struct.pack_into("<I", bomb, bomb.rfind(b"PK\x01\x02") + 24, 3 << 30)
    refused = _send(page, bytes(bomb), name="bomb.zip")["error"]
    assert "bomb.zip: " in refused
    assert "unpack" in refused
    classes = json.dumps(
        {**_make_coco(key, (300, 520)), "categories": [{"id": 1, "name": "cat"}]}
    )
    refused = _send(page, _pack({"a.json": classes}))["error"]
    assert "import.zip: has the classes cat, which photos has not" in refused
    other_size = _send(page, _pack({f"{key}.png": small}))
    assert other_size["images"] == 0
    (left_out,) = other_size["left_out"]
    assert f"{key}: is (300, 520) (H, W), the labels are (9, 9); give labels of" in left_out
    damaged = _encode(np.zeros((300, 520), np.uint8))[:60]
    refused = _send(page, _pack({f"{key}.png": damaged}), name="of ann.zip")["error"]
    assert f"of ann.zip/masks/{key}.png: the image is cut short or damaged" in refused
    assert "copy it again or remove it" in refused
    for name in ("../x.zip", "x.tar", ""):
        refused = page.ask("POST", "/api/import", params={"name": name})
        assert "expected that of a ZIP, as labels.zip" in refused.json()["error"]
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
        job = _export(page, "coco", tag)
        name = f"photos-{tag or 'accepted'}-coco"
        assert (job["state"], job["images"], job["file"]) == ("finished", 1, f"{name}.zip")
        answer = page.ask("GET", "/api/export")
        assert len(answer.content) == job["num_bytes"]
        assert answer.headers["content-type"] == "application/zip"
        assert f'filename="{name}.zip"' in answer.headers["content-disposition"]
        zipfile.ZipFile(io.BytesIO(answer.content)).extractall(tmp_path)
        dataset = open_dataset(tmp_path / name)
        names = {dataset.spec.names[v] for v in np.unique(dataset.labels(0))}
        assert names == {("road", "car", "tree")[value] for value in classes}
    assert len(list((tmp_path / "photos/studio").glob("exchange-*"))) == 1  # the last one


def test_an_export_that_cannot_be_made_says_why_and_leaves_none(page, project):
    left = project.folder / "exchange-of-a-studio-that-was-killed"
    left.mkdir()
    make_page(project)
    assert not left.exists()
    refused = page.ask("POST", "/api/export", json={"format": "word"})
    assert refused.status_code == 422
    assert "format 'word': choose " in refused.json()["error"]
    assert "no image is accepted yet" in _export(page, "coco")["error"]
    assert "no tag named 'none'" in _export(page, "coco", "none")["error"]
    missing = page.ask("GET", "/api/export")
    assert missing.status_code == 404
    assert "no export is there; POST /api/export makes one" in missing.json()["error"]
    assert "coco" in page.ask("GET", "/api/formats").json()["formats"]


def test_a_cancelled_import_keeps_the_images_so_far_and_a_cancelled_export_leaves_none(project):
    jobs = Jobs()
    keys = project.data.dataset.keys
    file = project.folder / "labels.zip"
    size_HW = project.data.dataset.size_HW(0)
    file.write_bytes(
        _pack({f"{k}.png": _encode(np.zeros(size_HW, np.uint8)) for k in keys[:3]})
    )

    def work(progress):
        def cancel_at_first(items, *, total, what):
            for item in progress(items, total=total, what=what):
                progress.cancel()
                yield item

        return import_labels(project, file, cancel_at_first).num_images

    ended = threading.Event()
    with pytest.raises(StudioError, match="nothing is running that could be cancelled"):
        jobs.cancel()
    job = jobs.start("import", "the import of labels.zip", work, ended.set)
    assert ended.wait(60)
    assert (job.state, job.images, job.done, job.total) == ("cancelled", 1, 1, 3)
    with project.store.read() as connection:
        states = [item.state for item in project.list_items(connection)]
    assert states == ["in_progress", "new", "new"]

    def stop_before_the_first(progress):
        progress.cancel()
        export_accepted(project, "coco", project.folder / "out", WriteMode(), progress)
        raise AssertionError

    with project.store.write() as connection:
        stored.change_item(connection, 1, state="accepted")
    ended.clear()
    job = jobs.start("export", "the export as coco", stop_before_the_first, ended.set)
    assert ended.wait(60)
    assert (job.state, job.error) == ("cancelled", "")
    assert not (project.folder / "out").exists()


def test_a_client_in_python_waits_for_its_import_and_export(page, project, tmp_path):
    def send(method, path, headers, body):
        answer = page.browser.request(method, path, headers=headers, content=body)
        return answer.status_code, dict(answer.headers), answer.content

    client = StudioClient("http://127.0.0.1:8080/", transport=send)
    key, size_HW = page.item()["key"], page.item()["size_HW"]
    file = tmp_path / "mine.zip"
    file.write_bytes(_pack({f"{key}.png": _encode(_make_square(1, 0, size_HW))}))
    assert client.import_labels(file)["images"] == 1
    with pytest.raises(StudioError, match="no image is accepted yet"):
        client.export("coco")
    _accept(page, 1, 1)
    with zipfile.ZipFile(io.BytesIO(client.export("mask_folder"))) as archive:
        assert f"photos-accepted-mask_folder/masks/{key}.png" in archive.namelist()
