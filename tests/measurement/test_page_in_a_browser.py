"""The page of measure as a browser shows it: pictures there, nothing wider than the window."""

import json
import re
import subprocess

import numpy as np
import pytest
from PIL import Image

from maskwright.measurement.measure import measure
from maskwright.measurement.series import MeasureOptions

from ..browser import OPTIONS, find_browser

ASK = """
<script>addEventListener("load", () => {
  const pictures = [...document.images];
  document.body.dataset.found = JSON.stringify({
    wide: document.documentElement.scrollWidth, window: innerWidth,
    shown: pictures.filter(p => p.complete && p.naturalWidth).length, all: pictures.length,
    clipped: [...document.querySelectorAll("svg text")].filter(t => {
      const b = t.getBoundingClientRect(), c = t.closest("svg").getBoundingClientRect();
      return b.left < c.left - 1 || b.right > c.right + 1;
    }).length,
  });
});</script>
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def browser(tmp_path):
    """A function: run a browser on a page with further options; gives back its output."""
    found = find_browser()

    def run(path, *options):
        command = [found, *OPTIONS, f"--user-data-dir={tmp_path / 'profile'}", *options]
        command.append(path.as_uri())
        return subprocess.run(
            command, capture_output=True, text=True, timeout=300, check=True
        ).stdout

    return run


@pytest.fixture
def page(write_maps, field, tmp_path):
    """A report of a series with change, gaps, regions and long names."""
    name = "a-class-name-as-long-as-they-come-without-a-space"
    classes = f"0 soil\n1 crop\n2 {name}\n"
    maps = {f"plot/{'x' * 40}{i:03d}": field(4 + i % 9, 3 + i % 5) for i in range(30)}
    after = write_maps("after", maps, classes=classes)
    before = write_maps("before", {key: field() for key in maps}, classes=classes)
    (tmp_path / "rules.yaml").write_text(f"rules: [{{fail: {name} max width > 1 px}}]")
    options = MeasureOptions(
        before=before,
        regions=("all",),
        gaps=(("crop", name),),
        rules=tmp_path / "rules.yaml",
    )
    measure(after, options, out=tmp_path / "out")
    return tmp_path / "out/report.html"


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_has_a_chart_whose_letters_can_be_read(page, window, dark):
    window.open(page, width_px=390, dark=dark)
    assert window.value("document.documentElement.scrollWidth") == 390
    series = "[...document.querySelectorAll('svg.series')].filter(e => e.clientWidth)"
    assert window.value(f"{series}.map(e => e.getAttribute('class'))") == ["chart series small"]
    letter_px = f"12 * {series}[0].getScreenCTM().a"
    assert window.value(letter_px) >= 9
    stroke = "getComputedStyle(document.querySelector('svg.small .curve')).stroke"
    name = "--on-dark" if dark else "--on-light"
    wanted = f"document.querySelector('svg.small .curve').style.getPropertyValue('{name}')"
    assert window.value(stroke).replace(" ", "") == window.value(wanted)


@pytest.mark.parametrize("width_px", [420, 1200])
def test_all_is_shown_and_nothing_is_wider_than_the_window(browser, page, width_px):
    text = re.sub(r"<meta http-equiv[^>]+>", "", page.read_text(encoding="utf-8"))
    asking = page.with_name("asking.html")
    asking.write_text(text.replace("</body>", f"{ASK}</body>"), encoding="utf-8")
    dom = browser(asking, f"--window-size={width_px},1200", "--dump-dom")
    found = json.loads(
        re.search(r"data-found='([^']+)'|data-found=\"([^\"]+)\"", dom)[2].replace(
            "&quot;", '"'
        )
    )
    assert found["wide"] <= found["window"]
    assert found["shown"] == found["all"] == 24
    assert found["clipped"] == 0


def test_a_screenshot_is_filled(browser, page, tmp_path):
    browser(page, "--window-size=1200,1600", f"--screenshot={tmp_path / 'page.png'}")
    shot = np.asarray(Image.open(tmp_path / "page.png").convert("L"))
    assert shot.shape == (1600, 1200)
    written = (shot < 120).mean(axis=1) > 0
    assert written[:400].sum() > 60
    assert written[1200:].any()
