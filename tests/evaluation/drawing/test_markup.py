"""Numbers, intervals, links and terms as people read them; nothing from outside unescaped."""

import pytest

from maskwright.evaluation.drawing.markup import contents, number, spread, terms
from maskwright.pages.page import Section


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


def test_links_lead_to_the_sections_that_have_a_body():
    sections = [Section("What stands out", "a < b", "<p>x</p>"), Section("Empty", "", "")]
    assert contents(sections) == '<a href="#what-stands-out">What stands out</a>'


def test_nested_terms_are_flat_and_escaped():
    found = list(terms({"versions": {"torch": "2 < 3"}, "splits": ["a", {"b": 1}]}))
    assert found == [
        "<dt>versions.torch</dt><dd><code>2 &lt; 3</code></dd>",
        "<dt>splits</dt><dd><code>a, {&quot;b&quot;: 1}</code></dd>",
    ]
