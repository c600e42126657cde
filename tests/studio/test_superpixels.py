"""Superpixels: which ones a path touches, in NumPy and in the page, and what the page shows."""

import json
import struct
import zlib

import numpy as np
from tests.studio.driving import (
    SAVED,
    drag,
    evaluate,
    open_page,
    press,
    to_screen,
    wait_for_revision,
)

from maskwright.studio.superpixels import CellMap

SIZE_HW = (300, 520)
HELD = {"button": "left", "buttons": 1, "clickCount": 1}
NUM_SHADED = """(([x, y]) => { const overlay = document.querySelector('#overlay');
  const box = overlay.getBoundingClientRect(), {data} = overlay.getContext('2d')
    .getImageData(x - box.x - 15, y - box.y - 15, 30, 30); let found = 0;
  for (let i = 0; i < data.length; i += 4)
    found += data[i] > 150 && data[i + 1] < 99 && data[i + 3] > 100 && data[i + 3] < 200;
  return found; })"""
"""How many pixels of the screen near a place are shaded as meant."""


def _read_cells(page, level):
    content = page.ask("GET", f"/api/items/1/cells/{level}").content
    shape = struct.unpack_from("<II", content)
    return np.frombuffer(zlib.decompress(content[8:]), "<u2").reshape(shape)


def test_superpixels_at_points_are_painted_and_their_pixels_sent(page):
    page.lease()
    ids_HW = _read_cells(page, 1)
    assert ids_HW.shape == SIZE_HW  # one of a megapixel or less is taken as it is
    assert len(np.unique(ids_HW)) > len(np.unique(_read_cells(page, 2))) > 20
    path = [8 * 100, 8 * 100, 8 * 260, 8 * 100, 8 * 260, -800]
    done = page.draw(0, value=2, kind="cells", level=1, points=path).json()
    assert 260 * 8 < done["px_changed"] < 260 * 60
    touched = {*ids_HW[100, 100:261], *ids_HW[:100, 260]}
    assert (page.read_map() == np.where(np.isin(ids_HW, [*touched]), 2, 255)).all()
    assert page.edit({"undoes": 1}, 1).status_code == 200
    refused = page.ask("GET", "/api/items/1/cells/3")
    assert refused.status_code == 404
    assert "no level 3 of superpixels; there are 0 to 2" in refused.json()["error"]


def _make_cases(number):
    rng = np.random.default_rng(7)
    for _ in range(number):
        shape, factor = rng.integers(3, 30, 2), rng.uniform(1, 3, 2)
        size_HW = tuple(int(v) for v in shape * factor)
        ids_hw = rng.integers(1, 60, shape).astype(np.uint16)
        ends = 8 * max(size_HW)
        points = rng.integers(-20, ends, 2 * rng.integers(1, 6))
        points[::3] = points[0]  # some steps go straight up or to the side
        yield CellMap(ids_hw, size_HW), points.tolist()


def test_a_path_touches_the_superpixels_of_the_pixels_along_it():
    ids_hw = np.array([[1, 2], [3, 4]], np.uint16)
    cells = CellMap(ids_hw, (4, 6))
    assert (cells.pick([8, 8]) == (np.kron(ids_hw, np.ones((2, 3), int)) == 1)).all()
    assert cells.pick([8, 8, 40, 8]).tolist() == [[True] * 6] * 2 + [[False] * 6] * 2
    assert not cells.pick([-8, 8]).any()
    rows, columns = struct.unpack_from("<II", cells.encode())
    assert (rows, columns) == (2, 2)
    assert zlib.decompress(cells.encode()[8:]) == bytes([1, 0, 2, 0, 3, 0, 4, 0])


def test_the_page_touches_the_superpixels_that_numpy_paints(browser, studio):
    open_page(browser, studio.link)
    cases, wanted = [], []
    for cells, points in _make_cases(60):
        shape, (height, width) = cells.ids_hw.shape, cells.size_HW
        cases.append(
            {
                "ids": cells.ids_hw.ravel().tolist(),
                "shape": shape,
                "size_HW": (height, width),
                "points": points,
            }
        )
        y_N, x_N = np.nonzero(cells.pick(points))
        found_N = cells.ids_hw[y_N * shape[0] // height, x_N * shape[1] // width]
        wanted.append(np.unique(found_N).tolist())
    script = (
        f"import('/assets/engine.js').then(engine => {json.dumps(cases)}.map(engine.pickCase))"
    )
    assert evaluate(browser, script) == wanted
    assert sum(map(len, wanted)) > 500


def _near(place):
    return f"{NUM_SHADED}({json.dumps(place)})"


def test_what_a_pen_touches_is_shown_before_it_is_painted(browser, studio):
    open_page(browser, studio.link)
    press(browser, "3")
    press(browser, "u")
    browser.wait_for("document.body.dataset.overlay === 'shown'")
    for level in "012":
        browser.value(
            f"(e => {{ e.value = '{level}'; e.onchange({{target: e}}); }})"
            "(document.querySelector('#level'))"
        )
        browser.wait_for("document.body.dataset.overlay === 'shown'")
        inside, far = to_screen(browser, (100, 150), (400, 150))
        browser.ask("Input.dispatchMouseEvent", type="mouseMoved", x=inside[0], y=inside[1])
        browser.wait_for(f"{_near(inside)} > 20")
        assert browser.value(_near(far)) == 0
    path = to_screen(browser, (100, 150), (200, 150), (200, 220))
    for kind, (x, y) in zip(["mousePressed", "mouseMoved", "mouseMoved"], path, strict=True):
        browser.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **HELD)
    browser.wait_for(f"{_near(path[0])} > 20 && {_near(path[1])} > 20 && {_near(path[2])} > 20")
    press(browser, "z", modifiers=2)  # takes back what is drawn, and no edit of before
    browser.ask("Input.dispatchMouseEvent", type="mouseReleased", x=x, y=y, **HELD)
    browser.wait_for(f"{_near(path[0])} === 0")
    drag(browser, *path)
    assert wait_for_revision(browser, 1)["state"] == "in_progress"
    browser.wait_for(SAVED)
    press(browser, "z", modifiers=2)
    assert len({sha for _, _, sha in wait_for_revision(browser, 2)["tiles"]}) == 1


def test_the_wand_shows_what_it_takes_where_the_pen_rests(browser, studio):
    open_page(browser, studio.link)
    press(browser, "w")
    (point,) = to_screen(browser, (260, 280))
    browser.ask("Input.dispatchMouseEvent", type="mouseMoved", x=point[0], y=point[1])
    browser.wait_for("document.body.dataset.overlay === 'shown'")
    browser.wait_for(f"{_near(point)} > 200")
    drag(browser, point, (point[0] + 24, point[1]))
    painted = wait_for_revision(browser, 1)
    edits = "fetch('/api/items/1/edits').then(answer => answer.json())"
    (edit,) = evaluate(browser, edits)["edits"]
    assert edit["geometry"]["tolerance"] == 12 + 24 // 4  # four pixels of the screen are one
    browser.wait_for(f"{_near(point)} === 0")  # it is painted, and not shown as meant
    browser.value(
        "document.querySelector('#repair-grow').closest('details').open = true,"
        "document.querySelector('#repair-grow').focus()"
    )
    browser.wait_for("document.body.dataset.overlay === 'shown'")
    browser.value("document.querySelector('#repair-grow').blur()")
    browser.wait_for("document.body.dataset.overlay === ''")
    press(browser, "z", modifiers=2)
    blank = wait_for_revision(browser, 2)
    assert blank["tiles"] != painted["tiles"]
    assert len({sha for _, _, sha in blank["tiles"]}) == 1  # one step: all is unlabelled again
