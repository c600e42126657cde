"""Lines 23 and 24: the page for screen readers, and colours that people tell apart."""

import json
import re
from itertools import pairwise
from math import dist
from pathlib import Path

import pytest
from tests.browser import find_contrast
from tests.studio.driving import click, evaluate, open_page

AXE = Path(__file__).parents[2] / ".front/web/node_modules/axe-core/axe.min.js"
PANELS = ("labels", "review", "versions")
PARTS = ("people", "work", "accounts", "settings")
DIALOGS = {
    "#show-help": "help",
    "#show-board": "board",
    "#show-assign": "assign",
    "#guide-edit": "guide-dialog",
}
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
OKLAB = {
    RED: (0.62796, 0.22486, 0.12585),
    GREEN: (0.86644, -0.23389, 0.1795),
    BLUE: (0.45201, -0.03246, -0.31153),
}
"""https://www.w3.org/TR/css-color-4/#named-colors, in Oklab."""


def _compare(browser, palette, own):
    return evaluate(
        browser,
        f"import('/assets/engine.js').then(engine => "
        f"engine.compareCase({json.dumps(own)}, {json.dumps(palette)}))",
    )


def test_the_colours_of_all_pairs_of_classes_are_compared_in_three_palettes(browser, studio):
    open_page(browser, studio.link)
    found = _compare(browser, "own", [RED, GREEN, BLUE])["pairs"]
    assert {(pair["one"], pair["other"]) for pair in found} == {(0, 1), (0, 2), (1, 2)}
    colors = (RED, GREEN, BLUE)
    for pair in found:
        one, other = (OKLAB[colors[pair[name]]] for name in ("one", "other"))
        assert pair["all"] == pytest.approx(100 * dist(one, other), abs=0.01)
    assert min(found, key=lambda pair: pair["all"])["other"] == 1  # red and green: 52.0
    assert next(p for p in found if p["other"] == 1)["blind"] < 40
    greys = _compare(browser, "own", [(v, v, v) for v in (0, 90, 180)])["pairs"]
    assert all(pair["blind"] == pytest.approx(pair["all"], abs=0.01) for pair in greys)
    least = {}
    for palette in ("safe", "bright"):
        for num in (7, 11, 20):
            pairs = _compare(browser, palette, [RED] * num)["pairs"]
            assert len(pairs) == num * (num - 1) // 2
            assert all(a["all"] <= b["all"] for a, b in pairwise(pairs))
            least[palette, num] = min(pair["blind"] for pair in pairs)
    assert least["safe", 7] == pytest.approx(7.6, abs=0.1)  # of Okabe and Ito themselves
    assert least["safe", 20] > 6.5
    assert least["bright", 20] < 1
    known = _compare(browser, "safe", [RED] * 8)["colors"]
    assert known[0] == [230, 159, 0]
    assert known[7] not in known[:7]
    _require_the_pair_in_the_page(browser)


def _require_the_pair_in_the_page(browser):
    nearest = "document.querySelector('#nearest-pair').textContent"
    before = browser.value(nearest)
    browser.value("document.querySelector('#palette').value = 'safe'")
    browser.value("document.querySelector('#palette').onchange()")
    assert browser.value(nearest) == "car, tree: 18"
    assert before != "car, tree: 18"
    assert browser.value("document.querySelectorAll('#color-pairs tr').length") == 0
    click(browser, "#nearest-colors summary")
    browser.wait_for("document.querySelectorAll('#color-pairs tr').length === 1 + 3")


def test_buttons_are_read_while_the_pointer_is_on_them(browser, studio):
    open_page(browser, studio.link)
    for selector in ("#steps button", "#tools [aria-pressed=true]", "#next-work"):
        button = f"document.querySelector('{selector}')"
        x, y = browser.value(
            f"(box => [box.x + box.width / 2, box.y + box.height / 2])"
            f"({button}.getBoundingClientRect())"
        )
        browser.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        assert browser.value(f"{button}.matches(':hover')")
        style = "(({color, backgroundColor}) => [color, backgroundColor])"
        colors = browser.value(f"{style}(getComputedStyle({button}))")
        ink, ground = ([int(v) for v in re.findall(r"\d+", c)[:3]] for c in colors)
        assert find_contrast(ink, ground) >= 4.5, (selector, colors)


def _find_faults(browser, where):
    """What axe-core finds in what is seen of the page."""
    browser.value(AXE.read_text() + "; 0")
    script = (
        "axe.run(document).then(({violations}) => violations.map(({id, impact, nodes}) =>"
        " [impact, id, ...nodes.map(({html}) => html)].join(' ')))"
    )
    return [f"{where}: {fault}" for fault in evaluate(browser, script)]


@pytest.mark.long
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width_px", [1280, 390])
@pytest.mark.usefixtures("built_front")
def test_axe_finds_nothing_in_page_panels_and_dialogs(
    browser, scenes, start_studio, width_px, dark
):
    studio = start_studio(scenes)
    open_page(browser, studio.link, width_px=width_px, dark=dark)
    faults = _find_faults(browser, "page")
    for panel in PANELS:  # in a narrow window, a tab opens the panel
        click(browser, f"[data-tab={panel}]")
        faults += _find_faults(browser, panel)
    for button, dialog in DIALOGS.items():
        click(browser, button)
        browser.wait_for(f"document.querySelector('#{dialog}').open")
        faults += _find_faults(browser, dialog)
        for part in PARTS if dialog == "board" else ():
            click(browser, f"[data-part={part}]")
            faults += _find_faults(browser, part)
        browser.value(f"document.querySelector('#{dialog}').close()")
    assert faults == []


@pytest.mark.long
@pytest.mark.usefixtures("built_front")
def test_axe_finds_a_control_without_a_name(browser, studio):
    open_page(browser, studio.link)
    browser.value("document.querySelector('#search').labels[0].remove()")
    browser.value("document.querySelector('#search').placeholder = ''")
    assert [fault.split()[2] for fault in _find_faults(browser, "page")] == ["label"]
