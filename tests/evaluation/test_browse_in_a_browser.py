"""The gallery as a person uses it: sort, filter, keyboard, a phone, odd names."""

import pytest

from maskwright.evaluation.browse import Gallery

from .test_browse import LABELS, add

pytestmark = pytest.mark.slow

NUM_IMAGES = 50
KEYS = "[...document.querySelectorAll('.shot > code')].map(e => e.textContent)"
COUNT = "document.querySelector('#browse-count').textContent"
OPEN = "document.querySelector('#browse-big').open"
SHOWN = "document.querySelector('#browse-what code').textContent"
FOCUSED = "document.activeElement.querySelector('code')?.textContent"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Fifty images: the later, the more errors and the more confidence; car is in ten."""
    folder = tmp_path_factory.mktemp("gallery")
    gallery = Gallery(folder=folder, labels=LABELS, total=NUM_IMAGES)
    for n in range(NUM_IMAGES):
        key = f"{'<i>tunnel' if n < 5 else 'day'}/{n:02d}"
        add(gallery, key, wrong_px=n, confidence=0.4 + n / 100)
    gallery.write("<b>streets")
    return folder / "gallery.html"


@pytest.fixture
def browser(window, page):
    window.open(page)
    return window


def test_the_worst_image_comes_first_and_the_order_can_be_chosen(browser):
    assert browser.value(KEYS)[:2] == ["day/49", "day/48"]
    assert browser.value(COUNT) == "1 to 48 of 50 images"
    browser.choose("[name=order]", "up")
    assert browser.value(KEYS)[:2] == ["<i>tunnel/00", "<i>tunnel/01"]
    browser.choose("[name=order]", "down")
    browser.choose("[name=sort]", "2")  # uncertainty
    assert browser.value(KEYS)[:2] == ["<i>tunnel/00", "<i>tunnel/01"]
    browser.choose("[name=sort]", "class")
    browser.choose("[name=class]", "1")  # the IoU of car falls with every wrong pixel
    assert browser.value(KEYS)[0] == "<i>tunnel/00"
    assert "car 100" in browser.value("document.querySelector('.shot').textContent").replace(
        "\u00a0", " "
    )


def test_filters_and_words_leave_what_fits(browser):
    browser.choose("[name=word]", "TUNNEL")
    assert browser.value(COUNT) == "1 to 5 of 5 images"
    browser.choose("[name=word]", "nothing like this")
    assert browser.value(COUNT) == "No image fits."
    browser.choose("[name=word]", "")
    browser.choose("[name=class]", "2")  # sky is in no image
    assert browser.value(COUNT) == "No image fits."


def test_the_next_page_has_the_rest(browser):
    browser.value("document.querySelector('#browse-next').click()")
    assert browser.value(KEYS) == ["<i>tunnel/01", "<i>tunnel/00"]
    assert browser.value("document.querySelector('#browse-next').disabled")


def test_an_image_opens_turns_and_closes_by_keyboard(browser):
    browser.value("document.querySelector('.shot').focus()")
    browser.press("Enter", 13, "\r")
    assert (browser.value(OPEN), browser.value(SHOWN)) == (True, "day/49")
    browser.press("ArrowRight", 39)
    assert browser.value(SHOWN) == "day/48"
    browser.press("Escape", 27)
    browser.wait_for(f"!{OPEN} && {FOCUSED} === 'day/48'")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert browser.value(outline) == "solid"


def test_on_a_phone_nothing_is_wider_than_the_window(window, page):
    window.open(page, width_px=390, dark=True)
    assert window.value("document.documentElement.scrollWidth") == 390
    window.value("document.querySelector('.shot').click()")
    assert (
        window.value("document.querySelector('#browse-big').getBoundingClientRect().right")
        <= 390
    )


def test_pictures_have_their_room_before_they_are_loaded_and_a_text(browser):
    waiting = "[...document.querySelectorAll('.shot img')].slice(-1)[0]"
    assert browser.value(f"{waiting}.loading") == "lazy"
    ratio = browser.value(f"(e => e.clientWidth / e.clientHeight)({waiting})")
    assert ratio == pytest.approx(60 / 40, rel=0.03)
    texts = "[...document.images].every(e => e.alt.includes(' of '))"
    assert browser.value(texts)


def test_names_are_text(browser):
    assert browser.value("document.querySelectorAll('main b, main i').length") == 0
    names = "[...document.querySelector('[name=class]').options].map(e => e.textContent)"
    assert browser.value(names) == ["any", *LABELS.names]
