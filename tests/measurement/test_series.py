import json

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import ConfigError, DataError, UnknownNameError
from maskwright.core.labels import LabelSpec
from maskwright.core.progress import silent
from maskwright.measurement.series import MeasureOptions, make_plan, open_series


def open_it(maps, **options):
    return open_series(maps, MeasureOptions(**options), silent)


@pytest.fixture
def maps(write_maps, field):
    return write_maps("maps", {"a": field(), "b/c": field(12)})


def test_maps_come_in_the_order_of_their_keys_under_their_own_classes(maps):
    series = open_it(maps)
    assert list(series.maps.files) == ["a", "b/c"]
    assert series.spec.names == ("soil", "crop", "weed")
    assert (series.maps.read("b/c") == 1).sum() == 144
    assert not series.plan.draws


def test_what_rules_need_is_measured_without_an_option(maps, tmp_path):
    (tmp_path / "rules.yaml").write_text(
        "rules: [{fail: 'crop, weed gap < 3 px'}, {fail: weed max width > 9 px}, "
        "{fail: crop regions > 2}, {fail: crop largest region > 2 px2}]"
    )
    plan = open_it(maps, rules=tmp_path / "rules.yaml", thin=("weed",), regions=("weed",)).plan
    assert (plan.gaps, plan.thin, plan.regions) == (((1, 2),), (2,), (2, 1))


def test_all_means_every_class_unless_a_class_has_that_name(maps, write_maps, field):
    assert open_it(maps, regions=("all",)).plan.regions == (0, 1, 2)
    named = write_maps("named", {"a": field()}, classes="0 soil\n1 all\n2 weed\n")
    assert open_it(named, regions=("all",)).plan.regions == (1,)


def test_both_dates_are_read_under_one_codec(write_maps):
    after = write_maps("after", {"a": [[0, 1]]}, classes=None)
    before = write_maps("before", {"a": [[0, 2]]}, classes=None)
    series = open_it(after, before=before)
    assert series.spec.names == ("class_0", "class_1", "class_2")
    assert series.read_before("a").tolist() == [[0, 2]]


def test_dates_stored_in_two_ways_are_read_each_as_its_file_says(write_maps):
    after = write_maps("after", {"a": [[0, 1]]}, classes="0 road\n1 crack\n")
    before = write_maps("before", {"a": [[255, 0]]}, classes=None)
    (before / "dataset.yaml").write_text(
        "classes: [{name: road, raw: [0]}, {name: crack, raw: [255]}]\ncodec: {ignored: []}\n"
    )
    series = open_it(after, before=before)
    assert series.maps.read("a").tolist() == [[0, 1]]
    assert series.read_before("a").tolist() == [[1, 0]]


def test_dates_of_other_classes_are_refused(write_maps):
    after = write_maps("after", {"a": [[0, 1]]}, classes="0 road\n1 crack\n")
    before = write_maps("before", {"a": [[0, 1]]}, classes="0 road\n1 hole\n")
    with pytest.raises(
        DataError, match=r"the classes before are road, hole, those of .*--spec"
    ):
        open_it(after, before=before)


def test_one_file_is_compared_with_any_other(maps):
    series = open_it(maps / "a.png", before=maps / "b/c.png")
    assert (series.read_before("a") == 1).sum() == 144


def test_dates_with_other_names_are_refused(maps, write_maps, field):
    before = write_maps("before", {"a": field(), "d": field()})
    with pytest.raises(
        DataError, match=r"maps: 1 of 2 maps have no partner in .*before: b/c; names"
    ):
        open_it(maps, before=before)
    with pytest.raises(DataError, match=r"before: 1 of 2 maps have no partner in .*a\.png: d"):
        open_it(maps / "a.png", before=before)


def test_photographs_are_found_by_key_and_must_fit(maps, tmp_path):
    for key, size in (("a", (60, 40)), ("b/c", (60, 41))):
        path = tmp_path / "photos" / f"{key}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", size, 7).save(path)
    series = open_it(maps, images=tmp_path / "photos")
    assert series.read_photograph("a", (40, 60)).shape == (40, 60, 3)
    with pytest.raises(DataError, match=r"c\.png: image is \(41, 60\) \(H, W\), its map is"):
        series.read_photograph("b/c", (40, 60))
    (tmp_path / "photos/a.png").unlink()
    with pytest.raises(DataError, match="no photograph for 1 of 2 maps: a; they need the same"):
        open_it(maps, images=tmp_path / "photos")


def test_photographs_of_16_bits_are_shown_over_their_range(maps, tmp_path):
    pixels_HW = np.arange(2400, dtype=np.uint16).reshape(40, 60) * 20
    Image.fromarray(pixels_HW).save(tmp_path / "a.png")
    shown = open_it(maps / "a.png", images=tmp_path / "a.png").read_photograph("a", (40, 60))
    assert (shown.dtype, shown.min()) == (np.uint8, 0)
    assert shown.max() >= 254


@pytest.mark.parametrize(
    "options", [{"regions": ("corp",)}, {"thin": ("corp",)}, {"gaps": (("corp", "weed"),)}]
)
def test_a_class_that_does_not_exist_is_refused_with_the_nearest(maps, options):
    with pytest.raises(UnknownNameError, match="no class named 'corp'; did you mean 'crop'"):
        open_it(maps, **options)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("fail: crop gained > 2 %", "gained needs the maps of --before"),
        ("fail: crop < 2 %\n  roi: bed", "roi 'bed' needs the polygons of --roi"),
    ],
)
def test_rules_that_need_a_missing_option_are_refused(maps, tmp_path, rule, message):
    (tmp_path / "rules.yaml").write_text(f"rules:\n- {rule}\n")
    with pytest.raises(ConfigError, match=f"rule 'crop.*': {message}"):
        open_it(maps, rules=tmp_path / "rules.yaml")


def test_a_roi_that_the_file_lacks_is_refused(maps, tmp_path):
    ring = [[0, 0], [9, 0], [9, 9]]
    feature = {"type": "Feature", "properties": {"name": "bed"}}
    feature["geometry"] = {"type": "Polygon", "coordinates": [ring]}
    (tmp_path / "roi.geojson").write_text(json.dumps(feature))
    (tmp_path / "rules.yaml").write_text("rules:\n- fail: crop < 2 %\n  roi: bad\n")
    with pytest.raises(ConfigError, match=r"no roi named 'bad' in .*roi\.geojson. Known: bed"):
        open_it(maps, rules=tmp_path / "rules.yaml", roi=tmp_path / "roi.geojson")


@pytest.mark.parametrize("least", [-1.0, float("inf"), float("nan")])
def test_a_minimum_area_that_is_not_finite_and_positive_is_refused(least):
    with pytest.raises(ConfigError, match=r"--min-area .*: give 0 or an area above it"):
        MeasureOptions(min_area=least)


def test_names_with_a_comma_are_found_in_a_pair_whatever_the_comma_split_it_at():
    spec = LabelSpec.from_names(("road", "kerb, low", "bus"))
    for first, second in (("kerb, low", "bus"), ("kerb", "low, bus"), ("road", "kerb, low")):
        options = MeasureOptions(gaps=((first, second),))
        ((a, b),) = make_plan(options, spec, ()).gaps
        assert {spec.names[a], spec.names[b]} in ({"kerb, low", "bus"}, {"road", "kerb, low"})
    ((a, b),) = make_plan(MeasureOptions(gaps=(("kerb", "low,bus"),)), spec, ()).gaps
    assert (spec.names[a], spec.names[b]) == ("kerb, low", "bus")
