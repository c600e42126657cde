"""Pieces of pages: tables that a keyboard reaches, terms, pictures as data."""

import pytest

from maskwright.pages.markup import data_uri, render_number, render_table, render_terms


def test_a_table_has_a_caption_and_scopes_and_can_be_reached_by_keyboard():
    text = render_table("A & B", ("Class", "IoU"), [("road", "76.0&nbsp;%")])
    assert '<caption class="unseen">A &amp; B</caption>' in text
    assert '<th scope="col">Class</th><th scope="col" class=number>IoU</th>' in text
    assert 'role="region" tabindex="0" aria-label="A &amp; B"' in text
    assert (
        '<th scope="row">road</th><td class="number" data-head="IoU">76.0&nbsp;%</td>' in text
    )


def test_columns_of_words_are_not_numbers_and_wrapped_ones_break():
    text = render_table("T", ("a", "b", "c"), [("1", "2", "3")], words=(0, 1), wrapped=(2,))
    assert (
        '<th scope="row">1</th><td data-head="b">2</td><td class="wrap" data-head="c">3</td>'
        in text
    )
    assert "class=number" not in text


def test_a_row_of_one_cell_is_a_heading_over_all_columns():
    text = render_table("T", ("a", "b"), [("Boundaries",), ("x", "1")])
    assert '<tr class="kin"><th colspan="2" scope="rowgroup">Boundaries</th></tr>' in text


def test_a_table_without_rows_is_nothing():
    assert render_table("T", ("a", "b"), []) == ""


def test_a_row_with_a_cell_too_few_is_refused():
    with pytest.raises(ValueError, match="zip"):
        render_table("T", ("a", "b", "c"), [("x", "1")])


@pytest.mark.parametrize(
    ("text", "html"), [("-1.2", "−1.2"), ("76.0 %", "76.0&nbsp;%"), ("<5", "&lt;5")]
)
def test_a_number_keeps_its_unit_beside_it(text, html):
    assert render_number(text) == html


def test_nested_terms_are_flat_and_escaped():
    assert render_terms({"versions": {"torch": "2 < 3"}, "splits": ["a", {"b": 1}]}) == (
        "<dl><dt>versions.torch</dt><dd><code>2 &lt; 3</code></dd>"
        "<dt>splits</dt><dd><code>a, {&quot;b&quot;: 1}</code></dd></dl>"
    )


def test_pictures_become_data():
    assert data_uri(b"\x89PNG") == "data:image/png;base64,iVBORw=="
    assert data_uri(b"\xff\xd8\xff") == "data:image/jpeg;base64,/9j/"
    with pytest.raises(KeyError):
        data_uri(b"GIF8")
