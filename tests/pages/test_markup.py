"""Pieces of pages: tables that a keyboard reaches, pictures as data."""

import pytest

from maskwright.pages.markup import data_uri, table


def test_a_table_has_a_caption_and_scopes_and_can_be_reached_by_keyboard():
    text = table("A & B", ("Class", "IoU"), ["<tr></tr>"])
    assert '<caption class="unseen">A &amp; B</caption>' in text
    assert '<th scope="col">Class</th><th scope="col" class=number>IoU</th>' in text
    assert 'role="region" tabindex="0" aria-label="A &amp; B"' in text


def test_pictures_become_data():
    assert data_uri(b"\x89PNG") == "data:image/png;base64,iVBORw=="
    assert data_uri(b"\xff\xd8\xff") == "data:image/jpeg;base64,/9j/"
    with pytest.raises(KeyError):
        data_uri(b"GIF8")
