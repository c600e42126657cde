from maskwright.measurement.measure import measure
from maskwright.measurement.output.text import count_failures, list_failures, to_text
from maskwright.measurement.series import MeasureOptions


def test_the_text_has_all_figures(write_maps, field):
    maps = write_maps("maps", {"a": field(10), "b": field(12)})
    before = write_maps("before", {"a": field(10), "b": field(10)})
    options = MeasureOptions(
        before=before, gaps=(("crop", "weed"),), thin=("weed",), regions=("crop",)
    )
    lines = to_text(measure(maps, options)).splitlines()
    assert lines[0] == "2 images; no georeference: lengths and areas in pixels"
    assert lines[1].split() == ["share", "class", "area"]
    assert lines[3].split() == ["5.08", "%", "crop", "244", "px2"]
    assert "0.92 % of the pixels that both dates label changed class" in lines
    assert "  crop: gained 44, lost 0, net +44 px2" in lines
    assert "crop: 2 regions, 244 px2, the largest 144 px2" in lines
    assert "crop and weed: smallest gap 16 px, in b; they touch in 0 of 2 images" in lines
    assert lines[-1].startswith("weed: 100")


def test_the_text_names_absent_classes(write_maps, field):
    maps = write_maps("maps", {"a": field(0)})
    gaps = (("crop", "weed"), ("weed", "weed"))
    options = MeasureOptions(gaps=gaps, thin=("crop",), regions=("weed",))
    lines = to_text(measure(maps, options))
    assert "1 image;" in lines
    assert "crop and weed: no gap, no image has both" in lines
    assert "weed and weed: no gap, no image has two regions" in lines
    assert "weed: 1 region, 200 px2, the largest 200 px2" in lines
    assert "crop: 0 px long, mean width –, largest –" in lines


def test_at_most_twenty_failures_are_listed_with_value_and_limit(write_maps, field, tmp_path):
    maps = write_maps("maps", {f"{i:02d}": field(i) for i in range(1, 26)})
    (tmp_path / "rules.yaml").write_text("rules: [{name: size, fail: crop area >= 4 px2}]")
    lines = list_failures(
        measure(maps, MeasureOptions(rules=tmp_path / "rules.yaml"))
    ).splitlines()
    assert lines[0] == "02: size: 4 px2, fails if >= 4 px2"
    assert (len(lines), lines[-1]) == (21, "and 4 more; rules.csv has all")


def test_a_count_of_failures_agrees_with_its_verb():
    assert count_failures(1, 14) == "1 of 14 images fails"
    assert count_failures(2, 14) == "2 of 14 images fail"
    assert count_failures(1, 1) == "1 of 1 image fails"
