import re
from html.parser import HTMLParser

import numpy as np
import pytest

from maskwright.measurement.measure import MAX_PICTURES, measure
from maskwright.measurement.output.page import render_measurements
from maskwright.measurement.series import MeasureOptions

VOID = {"meta", "img", "br", "path", "line", "rect"}


class _Balanced(HTMLParser):
    """Fails on a tag that is closed out of order."""

    def __init__(self):
        super().__init__()
        self.open, self.words = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def page(write_maps, field, tmp_path):
    """A report with every section, of classes whose names are markup."""
    names = "0 <b>soil</b>\n1 crop & co\n2 weed\n"
    keys = [f"{i:02d}" for i in range(20)]
    maps = write_maps("maps", {k: field(8 + i % 5) for i, k in enumerate(keys)}, classes=names)
    before = write_maps("before", {k: field(8) for k in keys}, classes=names)
    (tmp_path / "rules.yaml").write_text("rules: [{name: <i>size</i>, fail: weed < 50 %}]")
    ring = "[[0, 0], [20, 0], [20, 20], [0, 20]]"
    (tmp_path / "roi.geojson").write_text(
        f'{{"type": "Feature", "properties": {{"name": "<u>bed</u>"}}, '
        f'"geometry": {{"type": "Polygon", "coordinates": [{ring}]}}}}'
    )
    options = MeasureOptions(
        before=before,
        rules=tmp_path / "rules.yaml",
        roi=tmp_path / "roi.geojson",
        regions=("crop & co",),
        gaps=(("crop & co", "weed"),),
        thin=("weed",),
        min_area=3,
    )
    measure(maps, options, out=tmp_path / "out")
    return (tmp_path / "out/report.html").read_text()


def test_the_page_has_every_section_and_is_well_formed(page):
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles == [
        "Fails: 20 of 20 images fail a rule",
        *("Coverage", "Coverage by image", "Regions of interest", "Change", "Regions"),
        *("Gaps", "Thin structures", "Inside &lt;u&gt;bed&lt;/u&gt;", "Pictures"),
    ]
    parser = _Balanced()
    parser.feed(page)
    assert not parser.open


def test_the_page_needs_no_other_file_and_has_no_script(page):
    without_pictures = re.sub(r"data:image/jpeg;base64,[\w+/=]+", "", page)
    assert "default-src 'none'" in without_pictures
    assert not re.search(r"<script|https?:|<link|@import|url\(", without_pictures)


def test_names_from_outside_are_escaped(page):
    for name in ("<b>soil</b>", "<i>size</i>", "<u>bed</u>", "crop & co"):
        assert name not in page
    parser = _Balanced()
    parser.feed(page)
    for name in ("<b>soil</b>", "<i>size</i>", "<u>bed</u>", "crop & co"):
        assert name in parser.words


def test_the_page_shows_few_pictures_of_a_long_series(page):
    assert page.count("<img") == 2 * MAX_PICTURES


def test_a_single_map_without_changes_says_so(write_maps, field):
    maps = write_maps("maps", {"a": field()})
    page = render_measurements(measure(maps, MeasureOptions(before=maps)))
    assert "No pixel changed its class." in page
    assert "Coverage by image" not in page
    assert "1 image ·" in page
    everything = MeasureOptions(regions=("all",), thin=("weed",))
    empty = write_maps("empty", {"a": np.full((4, 4), 255)})
    assert "Thin structures" in render_measurements(measure(empty, everything))
