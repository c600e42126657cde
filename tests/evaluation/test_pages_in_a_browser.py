"""The pages as a browser shows them: filled, nothing cut off at the side, panels that open."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from maskwright.evaluation.compare import compare, write_comparison
from maskwright.evaluation.render import render

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CLASSES = {
    2: ("background", "crack"),
    19: tuple(f"traffic sign {i}" for i in range(19)),
    150: tuple(f"an-exceedingly-long-class-name-without-a-space-{i}" for i in range(150)),
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A function: run the browser on a file with further options; its output."""
    found = next(filter(_starts, filter(None, map(shutil.which, BROWSERS))), None)
    if found is None:
        pytest.skip("no Chromium here; as root: apt-get install chromium")
    profile = tmp_path_factory.mktemp("profile")

    def run(path, *options):
        command = [
            found,
            *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--no-first-run", "--disable-background-networking", "--disable-sync"),
            *("--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND"),
            f"--user-data-dir={profile}",
            *options,
            path.as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def _starts(command):
    """Some are only a note that the browser has to be installed in another way."""
    done = subprocess.run([command, "--version"], capture_output=True, timeout=60, check=False)
    return done.returncode == 0


@pytest.fixture(scope="module")
def pages(full_report, tmp_path_factory):
    """Report pages by number of classes."""
    folder = tmp_path_factory.mktemp("pages")
    for num_classes, names in CLASSES.items():
        path = folder / f"{num_classes}.html"
        path.write_text(render(full_report(names)), encoding="utf-8")
    return {num_classes: folder / f"{num_classes}.html" for num_classes in CLASSES}


def measured(browser, page, script, width_px):
    """What `script` returns on a copy of the page that may run it."""
    allowed = re.sub(r"<meta http-equiv[^>]+>", "", page.read_text(encoding="utf-8"))
    run = f"document.body.dataset.found = JSON.stringify((() => {{{script}}})())"
    copy = page.with_name(f"{page.stem}-measured.html")
    copy.write_text(allowed.replace("</body>", f"<script>{run}</script></body>"))
    said = browser(copy, f"--window-size={width_px},900", "--dump-dom")
    return json.loads(html.unescape(re.search(r'data-found="([^"]*)"', said)[1]))


OVERFLOW = """
const width = document.documentElement.clientWidth;
const cut = [...document.querySelectorAll("main *")].filter(e =>
  !e.closest(".scroll, .unseen, svg") && e.getBoundingClientRect().right > width + 1);
return [document.documentElement.scrollWidth - width,
        cut.slice(0, 3).map(e => e.outerHTML.slice(0, 80))];
"""


@pytest.mark.parametrize("width_px", [600, 1200])
@pytest.mark.parametrize("num_classes", CLASSES)
def test_nothing_is_cut_off_at_the_side(browser, pages, num_classes, width_px):
    assert measured(browser, pages[num_classes], OVERFLOW, width_px) == [0, []]


@pytest.mark.parametrize("num_classes", CLASSES)
def test_the_page_is_filled(browser, pages, num_classes, tmp_path):
    shot = tmp_path / "shot.png"
    browser(pages[num_classes], "--window-size=1200,2400", f"--screenshot={shot}")
    pixels = np.asarray(Image.open(shot).convert("L")).astype(int)
    assert pixels.shape == (2400, 1200)
    for band in np.split(pixels, 6):  # each part of the page holds something
        assert len(np.unique(band)) > 50
        assert 0.005 < (band < 160).mean() < 0.9


def test_a_panel_opens_over_the_page_with_the_focus_on_the_next(browser, pages):
    script = """
    const panel = document.getElementById("worst-images-0-1");
    panel.showPopover();
    const box = panel.getBoundingClientRect(), image = panel.querySelector("img");
    return [panel.matches(":popover-open"), box.width / innerWidth, box.height / innerHeight,
            image.getBoundingClientRect().width / innerWidth,
            document.activeElement.textContent];
    """
    is_open, width, height, image_width, focused = measured(browser, pages[19], script, 1200)
    assert is_open
    assert (width, height) == (1, 1)
    assert image_width > 0.8
    assert focused == "prediction"


def test_closing_a_panel_puts_it_back_into_the_page(browser, pages):
    script = """
    const panel = document.getElementById("worst-images-0-1");
    const before = panel.getBoundingClientRect().top;
    const button = panel.querySelector(".pane");
    button.click(); const opened = panel.matches(":popover-open");
    button.click();
    return [opened, panel.matches(":popover-open"),
            panel.getBoundingClientRect().top - before];
    """
    assert measured(browser, pages[19], script, 1200) == [True, False, 0]


def test_every_text_has_contrast_enough(browser, pages):
    """WCAG 2.2, 1.4.3: 4.5 to 1 between text and what lies behind it."""
    script = """
    const light = c => { c = c.match(/[0-9.]+/g).slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
      return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]; };
    const behind = e => { for (; e; e = e.parentElement) {
      const color = getComputedStyle(e).backgroundColor;
      if (!color.endsWith(", 0)")) return color; } return "rgb(255, 255, 255)"; };
    return [...document.querySelectorAll("main *")].filter(e => !e.closest("svg, .zoom") &&
      [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())).map(e => {
        const pair = [light(getComputedStyle(e).color), light(behind(e))].sort((a, b) => b - a);
        return [(pair[0] + 0.05) / (pair[1] + 0.05), e.outerHTML.slice(0, 60)];
      }).filter(([ratio]) => ratio < 4.5).slice(0, 3);
    """
    assert measured(browser, pages[19], script, 1200) == []


def test_it_prints(browser, pages, tmp_path):
    printed = tmp_path / "report.pdf"
    browser(pages[19], f"--print-to-pdf={printed}", "--no-pdf-header-footer")
    content = printed.read_bytes()
    assert content.startswith(b"%PDF")
    assert 5 <= len(re.findall(rb"/Type\s*/Page\b", content)) <= 25


@pytest.mark.parametrize("width_px", [600, 1200])
def test_nothing_of_a_comparison_is_cut_off_at_the_side(
    browser, report_folder, tmp_path, width_px
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
    assert measured(browser, page, OVERFLOW, width_px) == [0, []]
