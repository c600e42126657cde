"""The contact sheet as a person uses it: by class, by finding, bars, a phone."""

import numpy as np
import pytest
from PIL import Image

from maskwright.data.check.audit import audit

pytestmark = pytest.mark.slow

KEYS = "[...document.querySelectorAll('.shot > code')].map(e => e.textContent)"
COUNT = "document.querySelector('#browse-count').textContent"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Twelve images of two sizes; weed is in four, and two masks have another size."""
    root = tmp_path_factory.mktemp("fields")
    for folder in ("images/train", "masks/train"):
        (root / folder).mkdir(parents=True)
    (root / "dataset.yaml").write_text(
        "classes: [{name: soil}, {name: crop}, {name: <b>weed}]\n"
    )
    rng = np.random.default_rng(0)
    for n in range(12):
        size_HW = (200, 30) if n < 3 else (60, 90)
        pixels = rng.integers(0, 255, (*size_HW, 3)).astype(np.uint8)
        mask_HW = np.zeros(size_HW, np.uint8)
        mask_HW[:15] = 1
        mask_HW[20 : 20 + n] = 2 * (n >= 8)
        Image.fromarray(pixels).save(root / f"images/train/{n:02d}.png")
        Image.fromarray(mask_HW[: 40 if n in {4, 5} else 500]).save(
            root / f"masks/train/{n:02d}.png"
        )
    out = root.parent / "page"
    audit(root, out=out)
    return out / "check.html"


@pytest.fixture
def browser(window, page):
    window.open(page)
    return window


def choose_text(browser, name, text):
    options = f"[...document.querySelector('[name={name}]').options]"
    value = browser.value(f"{options}.find(e => e.textContent === {text!r}).value")
    browser.choose(f"[name={name}]", value)


def test_the_images_of_a_class_are_sorted_by_its_share(browser):
    choose_text(browser, "class", "<b>weed")
    assert browser.value(COUNT) == "1 to 4 of 4 images"
    browser.choose("[name=sort]", "class")
    browser.choose("[name=order]", "down")
    assert browser.value(KEYS) == ["11", "10", "09", "08"]


def test_the_images_of_a_finding(browser):
    finding = (
        "[...document.querySelectorAll('label')].find(e => e.textContent.startsWith('finding'))"
    )
    name = browser.value(f"{finding}.querySelector('select').name")
    choose_text(browser, name, "size-mismatch")
    assert browser.value(KEYS) == ["04", "05"]
    assert "size-mismatch" in browser.value("document.querySelector('.shot').textContent")


def test_bars_are_as_long_as_the_shares_of_classes_and_sizes(browser):
    widths = browser.value(
        "[...document.querySelectorAll('#sizes .share i')]"
        ".map(e => Math.round(100 * e.offsetWidth / e.parentElement.clientWidth))"
    )
    assert widths == [75, 25]  # 9 images of 60 x 90 px, 3 of 200 x 30 px
    assert browser.value("document.querySelectorAll('#classes .share i').length") == 3


def test_a_high_image_is_shown_whole_and_does_not_fill_the_window(browser):
    heights = browser.value(
        "[...document.querySelectorAll('.shot img')].map(e => e.clientHeight)"
    )
    assert max(heights) <= 260


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_nothing_is_wider_than_the_window(window, page, dark):
    window.open(page, width_px=390, dark=dark)
    assert window.value("document.documentElement.scrollWidth") == 390
    assert window.value("document.querySelectorAll('.shot b, .share b').length") == 0
