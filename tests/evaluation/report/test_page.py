"""The report page: whole, self-contained, escaped, and readable without colours or a mouse."""

import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from maskwright.core.provenance import Provenance
from maskwright.core.report import Estimate, Report
from maskwright.evaluation.report.page import render_report
from maskwright.evaluation.slices import DISTANCE

VOID = {"meta", "img", "input"}
CITY = ("road", "<b>car</b>", "sky & cloud", "pole")


class Outline(HTMLParser):
    """Checks that tags close in order, and collects attributes."""

    def __init__(self):
        super().__init__()
        self.open, self.found = [], []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def attributes(self, tag):
        return [attrs for name, attrs in self.found if name == tag]


def outline(page):
    parser = Outline()
    parser.feed(page)
    assert parser.open == []
    return parser


@pytest.fixture(scope="module", params=[2, 4, 150])
def page(full_report, request):
    names = (f"{CITY[i % 4]} {i} with a rather long name" for i in range(request.param))
    return render_report(full_report(tuple(names)))


def test_tags_close_and_ids_are_unique(page):
    ids = [attrs["id"] for _, attrs in outline(page).found if "id" in attrs]
    assert len(set(ids)) == len(ids)


def test_links_and_buttons_lead_somewhere_on_the_page(page):
    parser = outline(page)
    ids = {attrs["id"] for _, attrs in parser.found if "id" in attrs}
    assert {a["href"].removeprefix("#") for a in parser.attributes("a")} <= ids
    assert {b["popovertarget"] for b in parser.attributes("button")} <= ids


def test_nothing_is_fetched_and_nothing_runs(page):
    assert not re.findall(r"https?:|<script|@import|url\(|javascript:| on\w+=", page)
    assert "default-src 'none'" in page
    assert all(a["src"].startswith("data:") for a in outline(page).attributes("img"))


def test_names_from_outside_are_escaped(page):
    assert "<b>car</b>" not in page
    assert "<i>made</i>" not in page
    assert "Evaluation of &lt;i&gt;made&lt;/i&gt; by hand" in page


def test_pictures_and_charts_have_words(page):
    parser = outline(page)
    assert all(attrs["alt"] for attrs in parser.attributes("img"))
    for attrs in parser.attributes("svg"):
        assert attrs.get("aria-hidden") == "true" or attrs["aria-label"]
    assert len(parser.attributes("caption")) == len(parser.attributes("table"))


def test_all_sections_of_a_full_report_are_there(full_report):
    page = render_report(full_report(CITY))
    assert re.findall(r"<h2>([^<]+)</h2>", page) == [
        "What stands out",
        "Classes",
        "Slices, worst first",
        "Confusion",
        "Boundaries",
        "Objects",
        "Surfaces",
        "Confidence",
        "Worst images",
        "Best images",
        "All scores",
        "Provenance",
    ]
    assert page.count('<svg class="chart"') == 3
    assert "boundary_tolerance" in page


def test_the_tiles_say_how_they_were_counted(full_report):
    tiles = re.findall(r'<div class="tile">(.*?)</div>', render_report(full_report(CITY)))
    assert len(tiles) == 4
    assert "<small>mean over classes, over the set</small>" in tiles[0]
    assert len({tile.partition("<b>")[0] for tile in tiles}) == 4  # no name on two tiles
    assert all("95&nbsp;% interval" in tile for tile in tiles)


def test_sections_of_what_was_not_computed_are_left_out(full_report):
    full = full_report(CITY, num_images=0)
    bare = Report(
        labels=full.labels,
        confusion=full.confusion,
        provenance=Provenance(),
        scores={"miou": full.scores["miou"]},
        classes=tuple({"iou": entry["iou"]} for entry in full.classes),
    )
    page = render_report(bare)
    outline(page)
    for title in ("Slices", "Boundaries", "Objects", "Confidence", "Worst images"):
        assert f"<h2>{title}" not in page
    assert "Evaluation of predictions" in page


def test_a_score_that_does_not_exist_is_a_dash(full_report):
    full = full_report(CITY)
    nothing = Report.from_json(
        full.to_json() | {"scores": {"miou": None}, "intervals": {"miou": None}}, where="here"
    )
    assert '<div class="tile">mIoU<b>–</b>' in render_report(nothing)


def test_slices_by_distance_stand_with_the_boundaries(full_report):
    full = full_report(CITY)
    by_distance = replace(full.slices[0], by=DISTANCE, value="0-1 px", difference=-0.9)
    page = render_report(replace(full, slices=(by_distance, *full.slices)))
    slices, boundaries = (page.index(f'<section id="{n}') for n in ("slices", "boundaries"))
    row = page.index(f"{DISTANCE}: 0-1 px")
    assert slices < boundaries < row < page.index('<section id="objects')


def test_a_column_without_any_score_is_left_out(full_report):
    full = full_report(CITY)
    empty = tuple({**entry, "boundary_iou": Estimate(math.nan)} for entry in full.classes)
    assert "Boundary IoU</th>" in render_report(full)
    assert "Boundary IoU</th>" not in render_report(replace(full, classes=empty))


def test_errors_of_calibration_have_no_bar_that_looks_empty(full_report):
    full = full_report(CITY)
    errors = tuple({**entry, "calibration_error": Estimate(0.014)} for entry in full.classes)
    page = render_report(replace(full, classes=errors))
    cell = page[page.index('data-head="Calibration error">') :][:60]
    assert cell == 'data-head="Calibration error">1.4&nbsp;%</td></tr><tr><th sc'
