"""Lines of `docs/reference/studio_proofs.md` that no other file tests."""

import io
import math
import os
import re
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.browser import Browser, find_browser
from tests.studio.driving import (
    SAVED,
    drag,
    evaluate,
    find_scale,
    open_page,
    press,
    read_item,
    to_screen,
    wait_for_revision,
)
from tests.studio_pages import make_page

from maskwright.core.labels import IGNORE
from maskwright.studio.edit import Edit
from maskwright.studio.project import open_project
from maskwright.studio.raster import draw_edit

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs/reference/studio_proofs.md"


def test_each_line_of_the_table_names_tests_that_are_there():
    """The table of all 32 lines."""
    rows = re.findall(r"^\| (\d+) \| .* \| (.*) \|$", DOCS.read_text(), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 33))
    written = "\n".join(path.read_text() for path in ROOT.glob("tests/**/test_*.py"))
    for number, names in rows:
        found = re.findall(r"`(test_\w+)`", names)
        assert found or "none" in names, number
        for name in found:
            assert f"def {name}(" in written, f"line {number}: {name}"


def test_each_picture_of_the_how_to_is_made_of_drawn_scenes():
    """By `make picture`: nobody takes them by hand."""
    text = (ROOT / "docs/howto/studio.md").read_text()
    names = re.findall(r"\.\./images/([\w.-]+)", text)
    made = (ROOT / "Makefile").read_text() + (ROOT / "benchmarks/studio_picture.py").read_text()
    assert names == ["studio.png", "studio-superpixels.png"]
    assert all(name in made and (ROOT / "docs/images" / name).is_file() for name in names)


def _replay(edits, size_HW):
    """The class map that NumPy draws of the geometries of edits."""
    labels_HW = np.full(size_HW, IGNORE, np.uint8)
    for edit in edits:
        known = {k: edit[k] for k in ("tool", "value", "mode", "only", "geometry") if k in edit}
        labels_HW = draw_edit(labels_HW, Edit.model_validate(known))
    return labels_HW


def _read_edits(browser, number):
    script = f"fetch('/api/items/{number}/edits').then(answer => answer.json())"
    return evaluate(browser, script)["edits"]


def _scale(browser, ratio):
    size = {"width": 1280, "height": 900, "deviceScaleFactor": ratio, "mobile": False}
    browser.ask("Emulation.setDeviceMetricsOverride", **size)
    browser.wait_for(f"window.devicePixelRatio === {ratio}")


def _zoom_to(browser, zoom):
    """Turn the wheel over the middle of the image; returns where that is on the screen."""
    press(browser, "0")
    fit = find_scale(browser, (300, 520))[0]
    ((x, y),) = to_screen(browser, (260, 150))
    ratio = browser.value("window.devicePixelRatio")  # Chromium takes device pixels here
    turn = -math.log(zoom / fit) / math.log(1.0015) * ratio
    browser.ask("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=turn)
    browser.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    shown = f"{100 * zoom:.0f} %"
    browser.wait_for(f"document.querySelector('#where').textContent.includes(' {shown}')")
    return x, y


def test_pixels_of_strokes_and_polygons_are_those_of_numpy_at_any_zoom(browser, studio, photos):
    """Lines 3 and 8: zooms, device pixels, holes, snapping, Esc, Backspace, points outside."""
    open_page(browser, studio.link)
    revision = 0
    for ratio in (1, 2):
        _scale(browser, ratio)
        for zoom in (0.25, 1, 8):
            x, y = _zoom_to(browser, zoom)
            press(browser, "b")
            press(browser, str(1 + revision % 3))
            start = (x - 20 + revision, y - 8 + revision)
            drag(browser, start, (x + 10, y + 9), (x + 25, y - 7))
            revision += 1
            wait_for_revision(browser, revision)
    press(browser, "0")
    press(browser, "p")
    press(browser, "s")  # corners go to borders of labels
    for corner in ((100, 100), (500, -20), (300, 320), (20, 20)):
        drag(browser, *to_screen(browser, corner))
    press(browser, "Backspace")
    press(browser, "n")
    for corner in ((250, 130), (320, 135), (290, 180)):
        drag(browser, *to_screen(browser, corner))
    press(browser, "Enter")
    wait_for_revision(browser, revision + 1)
    drag(browser, *to_screen(browser, (50, 50)))
    press(browser, "Escape")
    press(browser, "Enter")  # nothing is left
    browser.wait_for(SAVED)
    edits = _read_edits(browser, 1)
    assert len(edits) == revision + 1
    rings = edits[-1]["geometry"]["rings"]
    assert [len(ring) for ring in rings] == [6, 6]
    assert min(rings[0][1::2]) < 0  # outside of the image
    assert max(rings[0][1::2]) > 8 * 300
    studio.kill()
    with open_project(photos) as project, project.store.read() as connection:
        labels_HW = project.read_map(connection, project.find_item(connection, 1))
    assert (labels_HW == _replay(edits, labels_HW.shape)).all()
    assert {1, 2, 255} <= set(np.unique(labels_HW).tolist())


def test_hostile_content_is_text_or_is_refused(page, project):
    """Line 28: comments, corners, names of classes, keys and sizes."""
    page.lease()
    text = "<script>alert(1)</script>"
    for _ in range(1000):
        page.ask("POST", "/api/items/1/comments", json={"text": text})
    comments = page.ask("GET", "/api/items/1/comments")
    assert len(comments.json()["comments"]) == 1000
    assert comments.headers["content-type"] == "application/json"
    rng = np.random.default_rng(0)
    ring = rng.integers(-4000, 8000, 20_000).tolist()
    assert page.draw(0, value=1, kind="polygon", rings=[ring]).status_code == 200
    too_many = page.draw(1, value=1, kind="polygon", rings=[ring * 11])
    assert "should have at most 200000 items" in too_many.json()["error"]
    for path in ("/assets/../../studio.sqlite", "/api/items/..%2f1", "/assets/%2e%2e/api.py"):
        assert page.ask("GET", path).status_code == 404
    for key in ("name", "text"):
        wrong = page.ask("POST", "/api/tags", json={key: "../../x"})
        assert wrong.status_code == 422


def test_a_picture_that_says_it_is_huge_is_refused_by_name(photos):
    """Line 28: a header of 10^9 pixels in a file of some bytes."""
    content = io.BytesIO()
    Image.new("L", (1, 1)).save(content, "PNG")
    header = bytearray(content.getvalue())
    header[16:24] = (40_000).to_bytes(4, "big") * 2
    (photos / "huge.png").write_bytes(header)
    with open_project(photos, classes=["road", "car"]) as project:
        page = make_page(project)
        items = page.ask("GET", "/api/items").json()["items"]
        numbers = {item["key"]: item["id"] for item in items}
        number, other = numbers.pop("huge"), next(iter(numbers.values()))
        refused = page.ask("GET", f"/api/items/{number}/picture/0/0/0")
        assert refused.status_code in (404, 422)
        assert "huge" in refused.json()["error"]
        assert page.item(other)["state"] == "new"  # the others are there


def test_files_beside_images_are_neither_listed_nor_served(photos):
    """Line 28: pages and drawings with scripts, and a page that is named as a picture."""
    script = "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
    for name in ("a.svg", "index.html", "note.png"):
        (photos / name).write_text(script)
    with open_project(photos, classes=["road", "car"]) as project:
        page = make_page(project)
        items = {i["key"]: i["id"] for i in page.ask("GET", "/api/items").json()["items"]}
        assert not {"a", "index"} & set(items)
        for name in ("a.svg", "assets/index.html", "assets/a.svg"):
            assert page.ask("GET", f"/{name}").status_code == 404
        refused = page.ask("GET", f"/api/items/{items['note']}/picture/0/0/0")
        assert refused.headers["content-type"] == "application/json"
        assert "note" in refused.json()["error"]


@pytest.mark.long
def test_what_was_not_sent_survives_the_death_of_the_browser(studio, tmp_path):
    """Line 2: kill -9 of the browser while the server is gone."""
    first = Browser(find_browser(), tmp_path / "profile")
    open_page(first, studio.link)
    cookies = first.ask("Network.getCookies", urls=[studio.address])["cookies"]
    studio.kill()
    press(first, "2")
    drag(first, *to_screen(first, (100, 100), (180, 100)))
    first.wait_for("document.querySelector('#saved').textContent.includes('1 kept in this')")
    time.sleep(1)
    os.kill(first.process, signal.SIGKILL)
    os.waitpid(first.process, 0)
    (tmp_path / "profile/SingletonLock").unlink(missing_ok=True)
    studio.start()
    second = Browser(find_browser(), tmp_path / "profile")
    try:
        kept = {name: cookies[0][name] for name in ("name", "value")}
        second.ask("Network.setCookie", url=studio.address, **kept)
        open_page(second, studio.address)
        notice = "document.querySelector('#notice')"
        if not second.value(f"{notice}.hidden"):
            second.value(f"{notice}.querySelector('button').click()")
        assert wait_for_revision(second, 1)["rev"] == 1
        second.wait_for(SAVED)
    finally:
        second.close()


@pytest.mark.long
def test_an_image_of_100_megapixels_is_painted_in_a_small_heap(browser, start_studio, tmp_path):
    """Line 26: heap and buffers of the page."""
    folder = tmp_path / "large"
    folder.mkdir()
    row = np.arange(10_000, dtype=np.uint8)
    Image.fromarray(np.broadcast_to(row, (10_000, 10_000))).save(folder / "a.png")
    studio = start_studio(folder, "--classes", "road,car")
    open_page(browser, studio.link)
    browser.wait_for("document.body.dataset.ready === '1'")
    drag(browser, (500, 500), (600, 520))
    wait_for_revision(browser, 1)
    browser.ask("HeapProfiler.enable")
    browser.ask("HeapProfiler.collectGarbage")
    used = browser.ask("Runtime.getHeapUsage")
    total = used["usedSize"] + used.get("backingStorageSize", 0)
    assert total < 250 << 20
    assert read_item(browser, 1)["size_HW"] == [10_000, 10_000]


@pytest.mark.long
def test_moves_cost_the_same_from_the_first_to_the_last_and_less_than_repainting(tmp_path):
    """Line 25: ratios in one page, with slack for other work on the machine."""
    sys.path.insert(0, str(ROOT))
    from benchmarks.studio import draw_scenes
    from benchmarks.studio_page import measure_page

    draw_scenes(tmp_path / "scenes")
    rows = measure_page(tmp_path / "scenes", tmp_path)
    assert rows["ratio"] > 3
    assert rows["last_move"] < 2 * rows["first_move"]
    assert max(rows["4k_mb"], rows["large_mb"]) < 250
