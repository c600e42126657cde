"""report.json: what it holds, and that reading it gives the same report."""

import json

import numpy as np
import pytest

from maskwright.core import Confusion, LabelSpec, Report
from maskwright.core.errors import DataError

COUNTS = np.array([[4, 1, 0], [2, 3, 0], [0, 0, 0]])


@pytest.fixture
def report():
    return Report(
        labels=LabelSpec.of_names(("road", "car", "unicorn")),
        confusion=Confusion(COUNTS),
        provenance={"seed": 1},
        images=({"key": "a", "miou": 0.5, "rank": "worst"},),
        pictures={"a": {"image": b"\xff\xd8"}},
    )


def test_json_holds_the_scores_and_names_the_absent(report):
    document = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert document["scores"]["miou"] == pytest.approx((4 / 7 + 3 / 6) / 2)
    assert document["scores"]["pixel_accuracy"] == 0.7
    assert document["absent_classes"] == ["unicorn"]
    assert "left out of every mean" in document["absent_rule"]
    assert document["confusion"] == COUNTS.tolist()


def test_a_class_row_counts_truth_in_rows_and_predictions_in_columns(report):
    road, _, unicorn = report.classes()
    assert (road["truth_px"], road["predicted_px"]) == (5, 6)
    assert road["recall"] == 4 / 5
    assert unicorn["iou"] is None


def test_reading_gives_the_same_json_without_pictures(report):
    document = report.to_json()
    again = Report.from_json(document, where="report.json")
    assert again.to_json() == document
    assert not again.pictures


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema_version": 2}, "schema 2"),
        ({"confusion": "none"}, "not a report of schema 1"),
        ({"labels": [{"name": "x"}]}, "color"),
    ],
)
def test_what_is_no_report_is_refused_with_the_fix(report, change, reason):
    with pytest.raises(DataError, match=reason) as caught:
        Report.from_json(report.to_json() | change, where="old/report.json")
    assert str(caught.value).startswith("old/report.json: ")
    assert "run `maskwright evaluate` again" in str(caught.value)
