import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskwright.core.errors import ConfigError, DataError
from maskwright.core.labels import LabelSpec
from maskwright.measurement.rules.rules import MEASURES, Rule, read_rules

SPEC = LabelSpec.from_names(("scratch", "road", "kerb", "traffic sign", "a, b", "tar area"))


def read(path, *fails, unit="mm"):
    lines = "".join(f"  - fail: '{fail}'\n" for fail in fails)
    path.write_text(f"rules:\n{lines}")
    return read_rules(path, SPEC, unit)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "rules.yaml"


@pytest.mark.parametrize(
    ("text", "measure", "classes", "limit"),
    [
        ("scratch area > 2 mm2", "area", (0,), (">", 2.0, "mm2")),
        ("road < 20 %", "area", (1,), ("<", 20.0, "%")),
        ("road<20%", "area", (1,), ("<", 20.0, "%")),
        ("road, kerb gap < 0.3 m", "gap", (1, 2), ("<", 0.3, "m")),
        ("road,kerb gap <= 3e-1 m", "gap", (1, 2), ("<=", 0.3, "m")),
        ("a, b, kerb gap < 1 cm", "gap", (4, 2), ("<", 1.0, "cm")),
        ("kerb, kerb gap < 1 cm", "gap", (2, 2), ("<", 1.0, "cm")),
        ("traffic sign regions >= 3", "regions", (3,), (">=", 3.0, "")),
        ("traffic  sign   largest region > 1 cm2", "largest region", (3,), (">", 1.0, "cm2")),
        ("scratch max width > .5 mm", "max width", (0,), (">", 0.5, "mm")),
        ("scratch mean width > 1 mm", "mean width", (0,), (">", 1.0, "mm")),
        ("scratch length > 10 mm", "length", (0,), (">", 10.0, "mm")),
        ("road gained > 5 %", "gained", (1,), (">", 5.0, "%")),
        ("tar area > 5 %", "area", (5,), (">", 5.0, "%")),
        ("tar area area > 5 %", "area", (5,), (">", 5.0, "%")),
    ],
)
def test_a_limit_is_read_as_written(file, text, measure, classes, limit):
    (rule,) = read(file, text)
    assert (rule.measure, rule.classes) == (measure, classes)
    assert (rule.comparison, rule.limit, rule.unit) == limit
    assert rule.name == text


@pytest.mark.parametrize(
    ("limit", "map_unit", "factor"),
    [
        ("scratch area > 2 mm2", "m", 1e6),
        ("scratch area > 2 cm2", "mm", 1e-2),
        ("scratch length > 2 m", "mm", 1e-3),
        ("scratch length > 2 m", "m", 1.0),
        ("scratch area > 2 px2", "px", 1.0),
        ("scratch > 2 %", "px", 1.0),
    ],
)
def test_figures_are_converted_to_the_unit_of_the_rule(file, limit, map_unit, factor):
    (rule,) = read(file, limit, unit=map_unit)
    assert rule.factor == pytest.approx(factor)


@settings(deadline=None)
@given(st.sampled_from(["<", "<=", ">", ">="]), st.floats(-5, 5), st.floats(-5, 5))
def test_a_rule_is_broken_when_its_comparison_holds(comparison, limit, value):
    rule = Rule(
        name="x",
        title="x",
        measure="area",
        classes=(0,),
        comparison=comparison,
        limit=limit,
        unit="%",
        factor=1,
    )
    assert rule.is_broken_by(value) == eval(f"{value!r} {comparison} {limit!r}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scrach area > 2 mm2", "no class named 'scrach'; did you mean 'scratch'"),
        (
            "scratch aera > 2 mm2",
            "no class named 'scratch aera'.*Measures: area, largest region",
        ),
        ("kerb gap < 0.3 m", "a gap is between two classes: 'a, b gap < 0.3 m'"),
        ("kerb, rode gap < 0.3 m", "no class named 'rode'; did you mean 'road'"),
        ("scratch area > 2", "area is limited in %, px2, mm2, cm2, m2, km2, ha, got 'no unit'"),
        ("scratch area > 2 mm", "area is limited in %, px2, mm2, cm2, m2, km2, ha, got 'mm'"),
        ("scratch length > 2 %", "length is limited in px, mm, cm, m, km, got '%'"),
        ("scratch regions > 2 mm", "regions is limited in no unit, got 'mm'"),
        ("scratch area > 2 px2", "the maps are measured in mm; write the limit in mm2"),
        ("scratch area 2 mm2", "not CLASS MEASURE COMPARISON NUMBER UNIT, such as"),
        ("scratch area > 1.2.3 mm2", "'1.2.3' is not a number"),
        ("scratch area > 1e999 mm2", "'1e999' is not a finite number"),
        ("> 2 mm2", "not CLASS MEASURE"),
    ],
)
def test_a_wrong_limit_is_refused_with_the_nearest(file, text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        read(file, text)
    assert str(caught.value).startswith(f"{file}: fail: ")


def test_a_real_unit_needs_a_scale(file):
    with pytest.raises(ConfigError, match="measured in px; give the size of a pixel with --mm"):
        read(file, "scratch area > 2 mm2", unit="px")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules: [{fial: road < 20 %}]", "unknown key 'rules.0.fial'; did you mean 'fail'"),
        ("rule: []", "unknown key 'rule'; did you mean 'rules'"),
        ("rules: []", "give rules, or figures that are measured"),
        ("rules: [{fail: 3}]", "rules.0.fail: expected a text, got 3; put it in quotes, '3'"),
        (
            "rules: [{fail: road < 20 %}, {fail: road < 20 %}]",
            "two rules have the name 'road < 20 %'; give each its own name",
        ),
        (
            "rules: [{fail: 'road length > 2 ha'}]",
            "length is limited in px, mm, cm, m, km, got 'ha'",
        ),
        ("rules: [", "not valid YAML"),
        ("version: 2\nrules: [{fail: road < 20 %}]", r"version 2.*reads up to 1"),
        ("[road]", "not a rules.yaml; expected an object of keys"),
        ("", "give rules, or figures that are measured without a limit"),
    ],
)
def test_a_wrong_file_is_refused(file, text, message):
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_rules(file, SPEC, "mm")


def test_a_missing_file_is_refused(file):
    with pytest.raises(DataError, match=r"rules\.yaml: cannot be read: no such file"):
        read_rules(file, SPEC, "mm")


def test_every_measure_can_be_written(file):
    unit = {"area": "mm2", "length": "mm", "count": ""}
    fails = [
        f"{'road, kerb' if measure == 'gap' else 'road'} {measure} > 1 {unit[kind]}".strip()
        for measure, kind in MEASURES.items()
    ]
    assert [rule.measure for rule in read(file, *fails)] == list(MEASURES)
