"""The page of a comparison: what is better and worse in words, escaped, nothing fetched."""

import math
import re

import pytest

from maskwright.evaluation.compare.compare import compare
from maskwright.evaluation.compare.page import render_comparison

NAMES = ("<b>road</b>", "car")


def images(hits_N):
    return {
        f"street/<i>{i}": (f"{i}", {0: (100, 200 - hit, 100), 1: (100, hit, hit)})
        for i, hit in enumerate(hits_N)
    }


@pytest.fixture
def page(report_folder):
    a = report_folder("a", images(range(80, 90)), NAMES)
    b = report_folder("b", images(range(70, 80)), NAMES)
    return render_comparison(compare(a, b))


def test_the_verdict_is_in_words(page):
    assert "B is worse in mIoU, &lt;b&gt;road&lt;/b&gt;, car." in page
    assert page.count('<td data-head="B is"><span class="failed">worse</span></td>') == 2
    assert "below 0.05" in page


def test_nothing_is_said_of_what_may_be_chance(report_folder):
    a = report_folder("a", images(range(80, 90)), NAMES)
    text = render_comparison(compare(a, a))
    assert "B is not shown to be worse." in text
    assert '<td data-head="B is"><span class="failed">worse</span></td>' not in text
    assert '<td data-head="B is"><span class="passed">better</span></td>' not in text
    assert "Images that lost" not in text


def test_names_and_keys_are_escaped_and_nothing_is_fetched(page):
    assert "<b>road" not in page
    assert "street/<i>" not in page
    assert not re.findall(r"https?:|<script|@import|url\(", page)
    assert set(re.findall(r'href="(.)', page)) == {"#"}


def test_sections(page):
    assert re.findall(r"<h2>([^<]+)</h2>", page) == [
        "Verdict",
        "IoU of the classes",
        "Images that lost most",
        "Method",
    ]


def test_the_same_page_the_other_way_round_says_better(report_folder):
    a = report_folder("a", images(range(80, 90)), NAMES)
    b = report_folder("b", images(range(70, 80)), NAMES)
    page = render_comparison(compare(b, a))
    assert page.count('<td data-head="B is"><span class="passed">better</span></td>') == 2
    assert "B is better in mIoU, &lt;b&gt;road" in page


def test_a_score_that_only_a_has_is_a_dash_and_not_judged(report_folder):
    keys = [f"image{i}" for i in range(8)]
    a = report_folder("a", {k: (k, {0: (100, 99, 99), 1: (0, 1, 0)}) for k in keys}, NAMES)
    b = report_folder("b", {k: (k, {0: (100, 100, 100)}) for k in keys}, NAMES)
    comparison = compare(a, b)
    assert math.isnan(comparison.classes[1]["iou"].difference)
    page = render_comparison(comparison)
    assert page.count("<b>–</b>") == 1
    assert page.count('<td data-head="B is"><span class="passed">better</span></td>') == 1
