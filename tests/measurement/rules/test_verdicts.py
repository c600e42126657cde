import numpy as np
import pytest

from maskwright.core.labels import IGNORE, LabelSpec
from maskwright.data.georef.pixel_scale import PixelSize
from maskwright.measurement.figures.figures import MeasurePlan, measure_map
from maskwright.measurement.rules.rules import read_rules
from maskwright.measurement.rules.verdicts import judge

SPEC = LabelSpec.from_names(("floor", "scratch", "kerb"))
SCRATCHED = np.zeros((20, 20), np.uint8)
SCRATCHED[2:4, 2:12] = 1
SCRATCHED[10, 2] = 1
WITH_KERB = SCRATCHED.copy()
WITH_KERB[14:16] = 2
CLEAN = np.zeros((20, 20), np.uint8)
EVERYTHING = MeasurePlan(num_classes=3, regions=(0, 1, 2), gaps=((1, 2),), thin=(1,))


@pytest.fixture
def verdict(tmp_path):
    """A function: the verdict of one limit on one map, half a millimetre a pixel."""

    def judged(fail, labels_HW, *, before_HW=None, roi=None):
        lines = f"- fail: '{fail}'\n" + (f"  roi: {roi}\n" if roi else "")
        (tmp_path / "rules.yaml").write_text("rules:\n" + lines)
        rules = read_rules(tmp_path / "rules.yaml", SPEC, "mm")
        outside_HW = np.zeros(labels_HW.shape, np.bool_)
        left_HW = outside_HW.copy()
        left_HW[:, :10] = True
        figures = measure_map(
            labels_HW,
            EVERYTHING,
            PixelSize.square("mm", 0.5),
            rois={"left": left_HW, "outside": outside_HW},
            before_HW=before_HW,
        )
        return list(judge("a", figures, rules, SPEC))

    return judged


@pytest.mark.parametrize(
    ("fail", "value", "passed"),
    [
        ("scratch area > 2 mm2", 21 / 4, False),
        ("scratch area > 0.0525 cm2", 0.0525, True),
        ("scratch > 5.3 %", 100 * 21 / 400, True),
        ("scratch regions > 1", 2, False),
        ("scratch largest region > 5 mm2", 5, True),
        ("scratch length > 6 mm", 5.5, True),
        ("scratch max width > 0.9 mm", 1.0, False),
        ("scratch, kerb gap < 2 mm", 1.5, False),
        ("scratch, kerb gap < 0.1 cm", 0.15, True),
    ],
)
def test_a_figure_is_compared_with_its_limit_in_the_unit_of_the_rule(
    verdict, fail, value, passed
):
    (result,) = verdict(fail, WITH_KERB)
    assert result.value == pytest.approx(
        value, rel=0.12 if "length" in fail or "width" in fail else 1e-6
    )
    assert result.passed == passed


@pytest.mark.parametrize(
    ("fail", "value", "passed", "note"),
    [
        ("scratch area > 2 mm2", 0, True, "scratch is absent"),
        ("scratch < 2 %", 0, False, "scratch is absent"),
        ("scratch max width > 1 mm", 0, True, "scratch is absent"),
        ("scratch largest region > 1 mm2", 0, True, "scratch is absent"),
        ("scratch regions < 1", 0, False, "scratch is absent"),
        ("scratch, kerb gap < 2 mm", None, True, "no gap: there is no scratch, no kerb"),
        ("scratch, kerb gap > 2 mm", None, False, "no gap: there is no scratch, no kerb"),
    ],
)
def test_an_absent_class_has_size_zero_and_an_infinite_gap(verdict, fail, value, passed, note):
    (result,) = verdict(fail, CLEAN)
    assert (result.value, result.passed, result.note) == (value, passed, note)


def test_only_the_absent_one_of_two_classes_is_named(verdict):
    (result,) = verdict("scratch, kerb gap < 2 mm", SCRATCHED)
    assert result.note == "no gap: there is no kerb"


@pytest.mark.parametrize("fail", ["scratch area > 2 mm2", "scratch, kerb gap < 2 mm"])
def test_an_image_without_labels_fails_every_rule(verdict, fail):
    (result,) = verdict(fail, np.full((4, 4), IGNORE, np.uint8))
    assert (result.value, result.passed, result.note) == (
        None,
        False,
        "nothing is labelled here",
    )


@pytest.mark.parametrize(
    "fail",
    [
        "scratch regions > 0",
        "scratch largest region > 0.1 mm2",
        "scratch length > 0.1 mm",
        "scratch gained > 0.1 mm2",
    ],
)
def test_every_measure_can_be_limited_in_a_region_of_interest(verdict, fail):
    labels_HW = CLEAN.copy()
    labels_HW[5, 12:18] = 1  # right of the middle
    (whole,) = verdict(fail, labels_HW, before_HW=CLEAN)
    (left,) = verdict(fail, labels_HW, before_HW=CLEAN, roi="left")
    assert (whole.passed, left.passed, left.value) == (False, True, 0)


def test_areas_on_the_ground_are_limited_in_hectares_and_square_kilometres(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text("rules: [{fail: scratch > 2 ha}, {fail: scratch > 0.02 km2}]")
    factors = [rule.factor for rule in read_rules(path, SPEC, "m")]
    assert factors == [pytest.approx(1e-4), pytest.approx(1e-6)]


def test_a_rule_of_a_region_of_interest_judges_that_region_alone(verdict):
    (result,) = verdict("scratch area > 4 mm2", SCRATCHED, roi="left")
    assert (result.value, result.passed) == (17 / 4, False)
    assert verdict("scratch area > 4 mm2", SCRATCHED, roi="outside") == []
    (result,) = verdict("floor > 100 %", np.full((20, 20), IGNORE, np.uint8), roi="left")
    assert (result.passed, result.note) == (False, "nothing is labelled here")


def test_gained_and_lost_since_the_earlier_date(verdict):
    (gained,) = verdict("scratch gained > 5 %", SCRATCHED, before_HW=CLEAN)
    assert (gained.value, gained.passed) == (100 * 21 / 400, False)
    (lost,) = verdict("scratch lost > 1 mm2", SCRATCHED, before_HW=WITH_KERB)
    assert (lost.value, lost.passed) == (0, True)
    nothing_HW = np.full(CLEAN.shape, IGNORE, np.uint8)
    (unknown,) = verdict("scratch lost > 1 mm2", SCRATCHED, before_HW=nothing_HW)
    assert (unknown.passed, unknown.note) == (False, "nothing is labelled at both dates")


def test_the_json_of_a_verdict(verdict):
    (result,) = verdict("scratch, kerb gap < 2 mm", WITH_KERB)
    assert result.to_json() == {
        "key": "a",
        "rule": "scratch, kerb gap < 2 mm",
        "value": 1.5,
        "limit": 2.0,
        "fails_if": "< 2 mm",
        "unit": "mm",
        "passed": False,
        "note": "",
    }
