"""Objects by clicks and boxes: by calls, and in the page."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from tests.small_sam import write_sam
from tests.studio.driving import (
    SAVED,
    drag,
    open_page,
    press,
    read_item,
    to_screen,
    wait_for_revision,
)
from tests.studio_pages import make_page

from maskwright.inference.segment_anything import open_segment_anything
from maskwright.studio.project import open_project

SQUARE = slice(100, 200), slice(200, 400)


@pytest.fixture(scope="module")
def sam(tmp_path_factory):
    return write_sam(tmp_path_factory.mktemp("sam"))


@pytest.fixture
def squares(tmp_path):
    picture_HW3 = np.full((300, 520, 3), 90, np.uint8)
    picture_HW3[SQUARE] = picture_HW3[40:80, 20:60] = (200, 40, 40)
    folder = tmp_path / "squares"
    folder.mkdir()
    Image.fromarray(picture_HW3).save(folder / "a.png")
    return folder


def _ask_shade(page, prompted):
    params = {"prompted": json.dumps(prompted)}
    return page.ask("GET", "/api/items/1/shade/prompted", params=params)


def test_an_object_is_shown_and_painted_over_what_may_change(squares, sam):
    prompts = [{"at": [300, 150]}, {"at": [440, 240], "to": [180, 90]}]
    with open_project(squares, classes=["road", "car"]) as project:
        page = make_page(project, sam=open_segment_anything([sam]))
        assert page.ask("GET", "/api/project").json()["has_sam"]
        assert page.ask("GET", "/api/items/1/shade/prompted").status_code == 200
        shade = _ask_shade(page, {"prompts": prompts})
        shown_HW = np.asarray(Image.open(io.BytesIO(shade.content)).convert("RGBA"))[..., 3] > 0
        page.lease()
        page.draw(
            0, value=1, kind="polygon", rings=[[2400, 0, 4160, 0, 4160, 2400, 2400, 2400]]
        )
        page.draw(1, value=0, mode="keep", kind="prompted", prompts=prompts)
        labels_HW = page.read_map()
        assert ((labels_HW == 0) == (shown_HW & (np.arange(520) < 300))).all()
        assert shown_HW[SQUARE].mean() > 0.8
        assert not shown_HW[40:80, 20:60].any()
        part = {"left": 150, "top": 80, "width": 300, "height": 200}
        far = _ask_shade(page, {"prompts": prompts[:1]})
        far_HW = np.asarray(Image.open(io.BytesIO(far.content)).convert("RGBA"))[..., 3] > 0
        near = _ask_shade(page, {"prompts": prompts[:1], "part": part})
        near_HW = np.asarray(Image.open(io.BytesIO(near.content)).convert("RGBA"))[..., 3] > 0
        assert near_HW[SQUARE].sum() > far_HW[SQUARE].sum()  # seen in more pixels
        outside = page.draw(2, kind="prompted", prompts=[{"at": [100, 150]}], part=part)
        assert "(100, 150) is outside of the part at (150, 80)" in outside.json()["error"]
        wide = page.draw(2, kind="prompted", prompts=prompts, part=part | {"width": 400})
        assert "the part ends at (550, 280), the image is 520 x 300" in wide.json()["error"]
        assert "prompts" in _ask_shade(page, {"prompts": []}).json()["error"]


def test_without_graphs_prompts_are_refused(page):
    page.lease()
    refused = page.draw(0, kind="prompted", prompts=[{"at": [1, 1]}])
    assert "no graphs for clicks and boxes; start the studio with --sam" in refused.text


def test_clicks_are_taken_back_one_by_one_and_the_object_is_one_step(
    browser, start_studio, squares, sam
):
    studio = start_studio(squares, "--classes", "road,car", "--sam", str(sam))
    open_page(browser, studio.link)
    before = read_item(browser, 1)
    press(browser, "d")
    press(browser, "2")
    shown = "document.body.dataset.overlay === 'shown'"
    for points in ([(300, 150)], [(180, 90), (300, 150), (440, 240)], [(300, 150)]):
        drag(browser, *to_screen(browser, *points))
        browser.wait_for(shown)
    press(browser, "z", modifiers=2)  # the second click
    browser.wait_for(shown)
    press(browser, "Enter")
    wait_for_revision(browser, 1)
    browser.wait_for(SAVED)
    press(browser, "z", modifiers=2)
    assert wait_for_revision(browser, 2)["tiles"] == before["tiles"]
    press(browser, "y", modifiers=2)
    wait_for_revision(browser, 3)
    studio.kill()
    with open_project(squares) as project, project.store.read() as connection:
        labels_HW = project.read_map(connection, project.find_item(connection, 1))
    assert (labels_HW[SQUARE] == 1).mean() > 0.8
    assert not (labels_HW[40:80, 20:60] == 1).any()  # not in the box
