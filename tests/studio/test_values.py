"""Bands and values of images that are wider than 8 bits, as a page chooses them."""

import cv2
import numpy as np
import pytest
from tests.studio.driving import evaluate, open_page
from tests.studio_pages import make_page

from maskwright.studio.errors import StudioError
from maskwright.studio.project import open_project
from maskwright.studio.values import AS_IS, ShownValues, parse_values

SIZE_HW = (40, 60)


@pytest.fixture
def scene_HW4():
    """Four bands of 12 bits."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 4096, (*SIZE_HW, 4)).astype(np.uint16)


@pytest.fixture
def satellite(tmp_path, scene_HW4):
    """A folder with one image of these bands, without labels."""
    tifffile = pytest.importorskip("tifffile")
    folder = tmp_path / "satellite"
    folder.mkdir()
    options = {"planarconfig": "contig", "photometric": "minisblack"}
    tifffile.imwrite(folder / "a.tif", scene_HW4, **options)
    return folder


def _read_picture(page, query=""):
    answer = page.ask("GET", f"/api/items/1/picture/0/0/0{query}")
    assert answer.status_code == 200, answer.text
    return cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_chosen_bands_are_shown_between_black_and_white(satellite, scene_HW4):
    with open_project(satellite, classes=["field", "wood"]) as project:
        page = make_page(project)
        told = page.ask("GET", "/api/project").json()
        assert told["channels"] == ["1", "2", "3", "4"]
        assert told["shown"] == [0, 1, 2]
        assert told["is_wide"]
        shown = _read_picture(page, "?channels=3,1,0&black=1000&white=2020")
        share_HW3 = (scene_HW4[..., [3, 1, 0]].astype(float) - 1000) / 1020
        expected = np.rint(share_HW3.clip(0, 1) * 255)
        assert np.abs(shown - expected).max() <= 1
        grey = _read_picture(page, "?channels=2")
        assert (grey[..., :1] == grey).all()
        # of a band that the image has not, what is shown first
        assert (_read_picture(page, "?channels=9") == _read_picture(page)).all()


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        (("1,2", "", ""), "channels is '1,2'; expected one index or three, as 3,2,1"),
        (("-1", "", ""), "expected one index or three"),
        (("", "5", ""), "black is '5', white is ''; expected a number and a higher one"),
        (("", "5", "5"), "expected a number and a higher one"),
        (("", "nan", "inf"), "expected a number and a higher one"),
    ],
)
def test_other_values_are_refused(asked, fault):
    with pytest.raises(StudioError) as refused:
        parse_values(*asked)
    assert refused.value.status == 422
    assert fault in str(refused.value)


def test_values_are_read_from_the_query():
    assert parse_values("", "", "") == AS_IS
    assert parse_values("3", "-1e2", "0.5") == ShownValues((3,), (-100.0, 0.5))


PIXEL = """(() => {
  const canvas = document.querySelector('#picture'), context = canvas.getContext('2d');
  return [...context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data];
})()"""


def test_a_person_chooses_bands_and_values_and_the_browser_keeps_them(
    browser, start_studio, satellite
):
    studio = start_studio(satellite, "--classes", "field,wood")
    open_page(browser, studio.link)
    assert not browser.value("document.querySelector('#values').hidden")
    choose = (
        "(([id, value]) => { const e = document.querySelector(id); e.value = value; "
        "e.onchange(); })"
    )
    for id_, value in (("#channel-0", "3"), ("#black", "0"), ("#white", "4095")):
        browser.value(f"{choose}({[id_, value]})")
    note = "document.querySelector('#values-note').textContent"
    asked = "performance.getEntriesByType('resource').some(e => e.name.endsWith({!r}))"
    query = "/picture/0/0/0?channels=3%2C1%2C2&black=0&white=4095"
    browser.wait_for(asked.format(query))
    assert browser.value(note) == ""
    open_page(browser, studio.address)
    browser.wait_for(asked.format(query))
    browser.value(f"{choose}(['#white', '0'])")
    assert browser.value(note) == "White is a higher value than black."
    browser.value("document.querySelector('#values-reset').click()")
    assert browser.value("document.querySelector('#channel-0').value") == "0"
    assert evaluate(browser, PIXEL)[3] == 255


def test_photographs_of_8_bits_have_no_such_choice(browser, studio):
    open_page(browser, studio.link)
    assert browser.value("document.querySelector('#values').hidden")
