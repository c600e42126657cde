"""The pages as a browser shows them: filled, nothing cut off at the side, panels that open."""

import re
import subprocess

import numpy as np
import pytest
from PIL import Image

from maskwright.evaluation.compare.compare import compare
from maskwright.evaluation.compare.page import write_comparison
from maskwright.evaluation.report.page import render_report

from ..browser import OPTIONS, find_browser

CLASSES = {
    2: ("background", "crack"),
    19: tuple(f"traffic sign {i}" for i in range(19)),
    150: tuple(f"an-exceedingly-long-class-name-without-a-space-{i}" for i in range(150)),
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found_browser():
    """The path of a browser that starts."""
    return find_browser()


@pytest.fixture(scope="module")
def browser(found_browser, tmp_path_factory):
    """A function: run the browser on a file with further options; its output."""
    profile = tmp_path_factory.mktemp("profile")

    def run(path, *options):
        command = [found_browser, *OPTIONS, f"--user-data-dir={profile}", *options]
        command.append(path.as_uri())
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def pages(full_report, tmp_path_factory):
    """Report pages by number of classes."""
    folder = tmp_path_factory.mktemp("pages")
    for num_classes, names in CLASSES.items():
        path = folder / f"{num_classes}.html"
        path.write_text(render_report(full_report(names)), encoding="utf-8")
    return {num_classes: folder / f"{num_classes}.html" for num_classes in CLASSES}


def measured(window, page, script, width_px, *, dark=False):
    """What `script` returns on the page."""
    window.open(page, width_px=width_px, dark=dark)
    return window.value(f"(() => {{{script}}})()")


OVERFLOW = """
const width = document.documentElement.clientWidth;
const cut = [...document.querySelectorAll("main *")].filter(e =>
  !e.closest(".scroll, .unseen, svg") && e.getBoundingClientRect().right > width + 1);
return [document.documentElement.scrollWidth - width,
        cut.slice(0, 3).map(e => e.outerHTML.slice(0, 80))];
"""


@pytest.mark.parametrize("width_px", [390, 600, 1280])
@pytest.mark.parametrize("num_classes", CLASSES)
def test_nothing_is_cut_off_at_the_side(window, pages, num_classes, width_px):
    assert measured(window, pages[num_classes], OVERFLOW, width_px) == [0, []]


def test_letters_of_charts_can_be_read_on_a_phone(window, pages):
    letters = """
    return Math.min(...[...document.querySelectorAll("svg.chart text, svg.matrix text")]
      .filter(e => e.getClientRects().length)
      .map(e => parseFloat(getComputedStyle(e).fontSize) * e.closest("svg").getScreenCTM().a));
    """
    assert measured(window, pages[19], letters, 390) >= 9


@pytest.mark.parametrize("num_classes", CLASSES)
def test_the_page_is_filled(browser, pages, num_classes, tmp_path):
    shot = tmp_path / "shot.png"
    browser(pages[num_classes], "--window-size=1200,2400", f"--screenshot={shot}")
    pixels = np.asarray(Image.open(shot).convert("L")).astype(int)
    assert pixels.shape == (2400, 1200)
    for band in np.split(pixels, 6):  # each part of the page holds something
        assert len(np.unique(band)) > 50
        assert 0.005 < (band < 160).mean() < 0.9


@pytest.fixture
def keyboard(window, pages):
    """The page of 19 classes; scripts of its own cannot run, as its policy says."""
    window.open(pages[19], width_px=1200)
    return window


OPEN = "document.querySelectorAll(':popover-open').length"
FOCUSED = "document.activeElement.className"
SHOWN = (
    "[...document.querySelectorAll(':popover-open .panel')].filter(e => e.offsetWidth).length"
)


def test_the_gallery_works_by_keyboard(keyboard):
    for _ in range(60):
        keyboard.press("Tab", 9)
        if keyboard.value(FOCUSED) == "pane":
            break
    height = keyboard.value("document.body.scrollHeight")
    keyboard.press("Enter", 13, "\r")
    assert (keyboard.value(OPEN), keyboard.value(FOCUSED)) == (1, "pick0")
    assert keyboard.value(SHOWN) == 4
    assert abs(keyboard.value("document.body.scrollHeight") - height) <= 2  # nothing moves
    keyboard.press("ArrowRight", 39)
    keyboard.press("ArrowRight", 39)
    assert (keyboard.value(SHOWN), keyboard.value(FOCUSED)) == (1, "pick2")
    width = "document.querySelector(':popover-open .panel2').offsetWidth / innerWidth"
    assert keyboard.value(width) > 0.8
    keyboard.press("Escape", 27)
    assert (keyboard.value(OPEN), keyboard.value(FOCUSED)) == (0, "pane")


def test_the_focus_is_seen(keyboard):
    keyboard.press("Tab", 9)
    style = "getComputedStyle(document.activeElement).outlineStyle"
    assert keyboard.value(style) == "solid"


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_contrast_enough(window, pages, dark):
    """WCAG 2.2, 1.4.3: 4.5 to 1 between text and what lies behind it."""
    script = """
    const light = c => { c = c.match(/[0-9.]+/g).slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
      return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]; };
    const behind = e => { for (; e; e = e.parentElement) {
      const color = getComputedStyle(e).backgroundColor;
      if (!color.endsWith(", 0)")) return color; } return "rgb(255, 255, 255)"; };
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const cells = [...document.querySelectorAll("svg.matrix text.deep, svg.matrix text.pale")]
      .map(text => { const paint = text.previousElementSibling;
        const a = +paint.getAttribute("fill-opacity");
        const mix = [paint, document.querySelector("section")].map((e, i) =>
          getComputedStyle(e)[i ? "backgroundColor" : "fill"].match(/[0-9.]+/g).map(Number));
        const under = `rgb(${mix[0].map((v, i) => a * v + (1 - a) * mix[1][i])})`;
        const pair = [light(getComputedStyle(text).fill), light(under)].sort((a, b) => b - a);
        return [(pair[0] + 0.05) / (pair[1] + 0.05), text.outerHTML];
      }).filter(([ratio]) => ratio < 4.4);
    return [dark, cells.slice(0, 3), [...document.querySelectorAll("main *")].filter(e =>
      !e.closest("svg, .zoom") &&
      [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())).map(e => {
        const pair = [light(getComputedStyle(e).color), light(behind(e))].sort((a, b) => b - a);
        return [(pair[0] + 0.05) / (pair[1] + 0.05), e.outerHTML.slice(0, 60)];
      }).filter(([ratio]) => ratio < 4.5).slice(0, 3)];
    """
    assert measured(window, pages[19], script, 1200, dark=dark) == [dark, [], []]


def test_it_prints(browser, pages, tmp_path):
    printed = tmp_path / "report.pdf"
    browser(pages[19], f"--print-to-pdf={printed}", "--no-pdf-header-footer")
    content = printed.read_bytes()
    assert content.startswith(b"%PDF")
    assert 5 <= len(re.findall(rb"/Type\s*/Page\b", content)) <= 25


@pytest.mark.parametrize("width_px", [390, 600, 1280])
def test_nothing_of_a_comparison_is_cut_off_at_the_side(
    window, report_folder, tmp_path, width_px
):
    images = {
        f"a/long/folder/of/images/{i}": (f"{i}", {0: (90, 80 + i, 70), 1: (10, 20 - i, 9)})
        for i in range(12)
    }
    other = {key: (g, {0: c[0], 1: (10, c[1][1], 2)}) for key, (g, c) in images.items()}
    names = (CLASSES[150][0], "car")
    a, b = report_folder("a", images, names), report_folder("b", other, names)
    write_comparison(compare(a, b), tmp_path / "out")
    page = tmp_path / "out/compare.html"
    assert measured(window, page, OVERFLOW, width_px) == [0, []]
