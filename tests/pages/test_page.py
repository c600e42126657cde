"""The frame that all pages share: sections that have something to say, and no odd bytes."""

import os

from maskwright.pages.page import (
    Section,
    render_contents,
    render_page,
    render_sections,
    render_tile,
)


def test_sections_without_a_body_are_left_out():
    sections = [Section("What stands out", "a < b", "<p>x</p>"), Section("Empty", "", "")]
    text = render_sections(sections)
    assert text.startswith('<section id="what-stands-out"><h2>What stands out</h2>')
    assert "a &lt; b" in text
    assert "Empty" not in text


def test_a_file_name_that_is_not_text_is_shown_escaped():
    odd = os.fsdecode(b"gr\xfcn")
    text = render_page(odd, odd, [Section(odd, odd, odd)], opening=odd)
    assert r"<title>gr\udcfcn</title>" in text
    text.encode("utf-8")


def test_links_lead_to_the_sections_that_have_a_body():
    sections = [Section("What stands out", "a < b", "<p>x</p>"), Section("Empty", "", "")]
    assert render_contents(sections) == '<a href="#what-stands-out">What stands out</a>'


def test_a_tile_leaves_out_notes_that_are_empty():
    text = render_tile("mIoU", "76.0&nbsp;%", "over the set", "")
    assert text == ('<div class="tile">mIoU<b>76.0&nbsp;%</b><small>over the set</small></div>')


def test_control_characters_of_names_are_escaped_on_a_page():
    page = render_page("a\x1b[31mb", "\u202ex", [])
    assert "a\\x1b[31mb" in page
    assert not set("\x1b\u202e") & set(page)
