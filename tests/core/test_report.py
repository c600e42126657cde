"""report.json: what it holds, and that reading it gives the same report."""

import json
import math

import numpy as np
import pytest

from maskwright.core import Confusion, LabelSpec, Report
from maskwright.core.errors import DataError
from maskwright.core.report import CurveReport, Estimate

COUNTS = np.array([[4, 1, 0], [2, 3, 0], [0, 0, 0]])
NOTHING = Estimate(math.nan)
CURVE = CurveReport(axis="width (px)", at=(1, "2-4"), points=(Estimate(0.5, 0.4, 0.6), NOTHING))


@pytest.fixture
def report():
    return Report(
        labels=LabelSpec.from_names(("road", "car", "unicorn")),
        confusion=Confusion(COUNTS),
        provenance={"seed": 1},
        scores={"miou": Estimate(15 / 28, 0.5, 0.6), "pixel_accuracy": Estimate(0.7)},
        classes=(
            {"iou": Estimate(4 / 7, 0.5, 0.6)},
            {"iou": Estimate(0.5)},
            {"iou": NOTHING},
        ),
        curves={"trimap_miou": CURVE},
        class_curves={"object_recall_by_size": (CURVE, CURVE, CURVE)},
        slices=({"by": "weather", "value": "rain", "miou": 0.1},),
        settings={"families": ["region"]},
        uncertainty={"groups": 9},
        images=({"key": "a", "miou": 0.5, "rank": "worst"},),
        pictures={"a": {"image": b"\xff\xd8"}},
    )


def test_json_holds_scores_with_intervals_and_names_the_absent(report):
    document = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert document["schema_version"] == 2
    assert document["scores"] == {"miou": 15 / 28, "pixel_accuracy": 0.7}
    assert document["intervals"] == {"miou": [0.5, 0.6], "pixel_accuracy": None}
    assert document["absent_classes"] == ["unicorn"]
    assert "left out of every mean" in document["absent_rule"]
    assert document["confusion"] == COUNTS.tolist()


def test_a_class_row_counts_truth_in_rows_and_predictions_in_columns(report):
    road, _, unicorn = report.to_json()["classes"]
    assert (road["truth_px"], road["predicted_px"]) == (5, 6)
    assert road["intervals"] == {"iou": [0.5, 0.6]}
    assert (unicorn["iou"], unicorn["intervals"]) == (None, {"iou": None})


def test_curves_have_a_place_a_value_and_an_interval_each(report):
    document = report.to_json()
    assert document["curves"]["trimap_miou"] == {
        "axis": "width (px)",
        "at": [1, "2-4"],
        "values": [0.5, None],
        "intervals": [[0.4, 0.6], None],
    }
    of_car = document["class_curves"]["object_recall_by_size"]["classes"]["car"]
    assert of_car == {"values": [0.5, None], "intervals": [[0.4, 0.6], None]}


def test_reading_gives_the_same_json_without_pictures(report):
    document = json.loads(json.dumps(report.to_json()))
    again = Report.from_json(document, where="report.json")
    assert json.loads(json.dumps(again.to_json())) == document
    assert again.miou == 15 / 28
    assert not again.pictures


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema_version": 1}, "schema 1"),
        ({"confusion": "none"}, "not a report of schema 2"),
        ({"labels": [{"name": "x"}]}, "color"),
        ({"intervals": {}}, "miou"),
    ],
)
def test_what_is_no_report_is_refused_with_the_fix(report, change, reason):
    with pytest.raises(DataError, match=reason) as caught:
        Report.from_json(report.to_json() | change, where="old/report.json")
    assert str(caught.value).startswith("old/report.json: ")
    assert "run `maskwright evaluate` or `maskwright score` again" in str(caught.value)
