"""The colours of the style: text can be read on what it stands on, light and dark."""

import re
from importlib.resources import files

import pytest

from ..browser import find_contrast

STYLE = files("maskwright.pages").joinpath("page.css").read_text(encoding="utf-8")
TEXTS = {
    "paper": ("ink", "soft", "deep", "good", "bad"),
    "ground": ("ink", "soft", "deep"),
    "track": ("ink", "soft"),
    "accent": ("on-accent",),
    "cell": ("on-cell",),
}
GRAPHICS = ("deep", "fill", "lost", "cell", "focus", "soft")


def read_colors(theme):
    """Name -> (red, green, blue) of the first block of variables, or of the dark one."""
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.S)[:2]
    texts = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", light))
    if theme == "dark":
        texts |= dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", dark))
    return {name: parse(text) for name, text in texts.items()}


def parse(text):
    digits = text[1:] if len(text) == 7 else "".join(2 * c for c in text[1:])
    return tuple(bytes.fromhex(digits))


def test_contrast_is_that_of_the_definition():
    assert find_contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert find_contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_a_contrast_of_four_and_a_half(theme):
    colors = read_colors(theme)
    found = {
        (text, under): find_contrast(colors[text], colors[under])
        for under, texts in TEXTS.items()
        for text in texts
    }
    assert {pair: value for pair, value in found.items() if value < 4.5} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_graphics_and_the_focus_have_a_contrast_of_three(theme):
    colors = read_colors(theme)
    found = {name: find_contrast(colors[name], colors["paper"]) for name in GRAPHICS}
    assert {name: value for name, value in found.items() if value < 3} == {}
