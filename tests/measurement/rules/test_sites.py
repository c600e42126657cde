"""sites.yaml: what differs between the cameras that one rules.yaml judges."""

import numpy as np
import pytest

from maskwright.core.errors import ConfigError, DataError
from maskwright.core.labels import LabelSpec
from maskwright.measurement.mapjudge import SiteJudges
from maskwright.measurement.rules.sites import NO_SITES, read_sites

SITES = """
sites:
  hall: {mm_per_px: 0.5, zones: {bed: {px: [[0, 0], [4, 0], [4, 8], [0, 8]]}}}
  hall/2: {zones: {bed: {share: [[0, 0], [1, 0], [1, 1], [0, 1]]}}}
  yard: {mm_per_px: 10}
"""
RULES = """
rules: [{name: bare, fail: weed area > 4 mm2, roi: bed}]
figures: [weed %, {figure: weed regions, name: plants}]
"""
SPEC = LabelSpec.from_names(["soil", "weed"])


@pytest.fixture
def sites(tmp_path):
    (tmp_path / "sites.yaml").write_text(SITES)
    return read_sites(tmp_path / "sites.yaml")


@pytest.fixture
def rules(tmp_path):
    (tmp_path / "rules.yaml").write_text(RULES)
    return tmp_path / "rules.yaml"


def test_a_source_takes_each_value_from_the_nearest_entry(sites):
    assert [sites.find(source).name for source in ("hall/2/left", "hall/3", "hallway", "")] == [
        "hall/2",
        "hall",
        "",
        "",
    ]
    near, far = sites.find("hall/2"), sites.find("hall/9")
    assert (near.mm_per_px, far.mm_per_px) == (0.5, 0.5)
    assert [zone.unit for site in (near, far) for zone in site.zones] == ["share", "px"]
    assert (sites.find("x").mm_per_px, sites.find("x").zones) == (None, ())


def test_each_source_is_judged_in_its_zone_and_by_its_scale(sites, rules):
    rules.write_text(f"{RULES}zones: {{bed: {{px: [[0, 0], [2, 0], [2, 2], [0, 2]]}}}}")
    judges = SiteJudges.open(rules, SPEC, mm_per_px=1.0, sites=sites)
    labels_HW = np.ones((8, 8), np.uint8)
    found = {
        source: judges.find(source).judge("a", labels_HW).figures
        for source in ("hall/1", "hall/2", "yard", "elsewhere")
    }
    areas = {source: figures["weed area mm2 in bed"] for source, figures in found.items()}
    assert areas == {"hall/1": 8, "hall/2": 16, "yard": 400, "elsewhere": 4}
    assert (found["yard"]["weed %"], found["yard"]["plants"]) == (100, 1)
    (verdict,) = judges.find("elsewhere").judge("a", labels_HW).verdicts
    assert (verdict.rule.name, verdict.value, verdict.passed) == ("bare", 4, True)


def test_a_source_without_what_the_rules_need_is_refused(sites, rules):
    with pytest.raises(ConfigError, match=r"sites\.yaml: site 'yard': .*no roi named|needs"):
        SiteJudges.open(rules, SPEC, mm_per_px=1.0, sites=sites)
    entries = {name: entry for name, entry in sites.entries.items() if name != "yard"}
    few = type(sites)(sites.path, entries)
    judges = SiteJudges.open(rules, SPEC, mm_per_px=None, sites=few)
    with pytest.raises(DataError, match="source 'yard' has no site, and its rules need a zone"):
        judges.find("yard")
    with pytest.raises(ConfigError, match="are measured in px; give the size of a pixel"):
        SiteJudges.open(rules, SPEC, mm_per_px=None, sites=NO_SITES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sites: {a: {mm_per_px: 0}}", "greater than 0"),
        ("sites: {a: {mm: 1}}", "mm"),
        ("sites: {}", "at least 1"),
        ("sites: {a: {zones: {bed: {px: [[0, 0]]}}}}", "three corners"),
    ],
)
def test_a_wrong_file_is_refused(text, message, tmp_path):
    (tmp_path / "sites.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_sites(tmp_path / "sites.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("figures: [weed length]", "length is limited in px"),
        ("figures: [weed %, weed %]", "two figures have the name 'weed %'"),
        ("figures: [soul %]", "no class named 'soul'"),
        ("figures: [{figure: weed %, roi: x}]", "'weed % in x'.*roi 'x' needs"),
        ("figures: [weed gained %]", "compares two dates"),
        ("zones: {}", "give rules, or figures"),
    ],
)
def test_wrong_figures_are_refused(text, message, tmp_path):
    (tmp_path / "rules.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        SiteJudges.open(tmp_path / "rules.yaml", SPEC, mm_per_px=None, sites=NO_SITES)
