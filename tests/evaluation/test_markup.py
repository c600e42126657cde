"""Numbers and pieces of pages: what people read, and nothing from outside unescaped."""

import os

import pytest

from maskwright.evaluation.markup import (
    Section,
    body,
    contents,
    data_uri,
    number,
    page,
    spread,
    table,
    terms,
)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.12345, "%", "12.3&nbsp;%"),
        (3.14159, "mm", "3.14&nbsp;mm"),
        (12034.0, "n", "12,034"),
        (0.75, "", "0.750"),
        (None, "%", "–"),
    ],
)
def test_numbers_have_their_unit(value, unit, text):
    assert number(value, unit) == text


def test_an_interval_stands_in_small_type_without_unit():
    assert spread([0.1, 0.25]) == '<span class="spread">10.0 to 25.0</span>'
    assert spread(None) == ""


def test_a_table_has_a_caption_and_scopes_and_can_be_reached_by_keyboard():
    text = table("A & B", ("Class", "IoU"), ["<tr></tr>"], numeric=(1,))
    assert '<caption class="unseen">A &amp; B</caption>' in text
    assert '<th scope="col">Class</th><th scope="col" class=number>IoU</th>' in text
    assert 'role="region" tabindex="0" aria-label="A &amp; B"' in text


def test_sections_without_a_body_are_left_out():
    sections = [Section("What stands out", "a < b", "<p>x</p>"), Section("Empty", "", "")]
    assert contents(sections) == '<a href="#what-stands-out">What stands out</a>'
    text = body(sections)
    assert text.startswith('<section id="what-stands-out"><h2>What stands out</h2>')
    assert "a &lt; b" in text
    assert "Empty" not in text


def test_a_file_name_that_is_no_text_is_shown_escaped():
    names = ("title", "subtitle", "contents", "tiles", "sections")
    text = page("page.html", **dict.fromkeys(names, os.fsdecode(b"gr\xfcn")))
    assert r"<title>gr\udcfcn</title>" in text
    text.encode("utf-8")


def test_nested_terms_are_flat_and_escaped():
    found = list(terms({"versions": {"torch": "2 < 3"}, "splits": ["a", {"b": 1}]}))
    assert found == [
        "<dt>versions.torch</dt><dd><code>2 &lt; 3</code></dd>",
        "<dt>splits</dt><dd><code>a, {&quot;b&quot;: 1}</code></dd>",
    ]


def test_pictures_become_data():
    assert data_uri(b"\x89PNG") == "data:image/png;base64,iVBORw=="
    assert data_uri(b"\xff\xd8\xff") == "data:image/jpeg;base64,/9j/"
    with pytest.raises(KeyError):
        data_uri(b"GIF8")
