"""The frame that all pages share: sections that have something to say, and no odd bytes."""

import os

from maskwright.pages.page import Section, body, page


def test_sections_without_a_body_are_left_out():
    sections = [Section("What stands out", "a < b", "<p>x</p>"), Section("Empty", "", "")]
    text = body(sections)
    assert text.startswith('<section id="what-stands-out"><h2>What stands out</h2>')
    assert "a &lt; b" in text
    assert "Empty" not in text


def test_a_file_name_that_is_no_text_is_shown_escaped():
    odd = os.fsdecode(b"gr\xfcn")
    text = page(odd, odd, [Section(odd, odd, odd)], opening=odd)
    assert r"<title>gr\udcfcn</title>" in text
    text.encode("utf-8")
