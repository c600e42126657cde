"""The page to browse: its data, its policy, and names that would be HTML."""

import hashlib
import json
import math
import re
from base64 import b64encode

import pytest

from maskwright.pages.browse import (
    BrowsedImage,
    BrowseOptions,
    read_script,
    read_style,
    render_browser,
)
from maskwright.pages.page import Section, render_page

OPTIONS = BrowseOptions(
    sorts=("error",),
    filters=("class", "finding"),
    classes=("a", "</script>"),
    class_number="IoU",
)


@pytest.fixture
def images():
    return [
        BrowsedImage(
            key="</script><b>",
            panels={"image": "t/0.jpg"},
            numbers={"error": 12.34567},
            tags={"class": ["</script>", "a"]},
            by_class={"a": 50.0, "</script>": math.nan},
        ),
        BrowsedImage(key="two", panels={"image": "t/1.jpg"}, numbers={"error": math.nan}),
    ]


def test_the_images_are_json_that_no_name_can_end(images):
    html = render_browser(images, OPTIONS)
    text = re.search(r'id="browse-data">(.*?)</script>', html)[1]
    document = json.loads(text)
    assert document["filters"] == [{"name": "class", "values": ["</script>", "a"]}]
    first, second = document["images"]
    assert first == {
        "i": 0,
        "k": "</script><b>",
        "r": 1.0,
        "p": ["t/0.jpg"],
        "n": [12.3457],
        "t": [[0, 1]],
        "c": {"0": 50.0},
    }
    assert (second["n"], second["t"], second["c"]) == ([None], [[]], {})
    assert html.count("</script>") == 1
    assert "&lt;/script&gt;</option>" in html


def test_the_policy_allows_this_script_alone(images):
    script = read_script()
    section = Section("Images", "", render_browser(images, OPTIONS))
    page = render_page("T", "", [section], script=script, style=read_style())
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert f"<script>{script}</script>" in page
    assert not re.search(r"https?://", page)
    assert "innerHTML" not in script


def test_pages_without_a_script_allow_none():
    page = render_page("T", "", [Section("A", "", "b")])
    assert "<script" not in page
    assert "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\"" in page
