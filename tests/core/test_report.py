"""report.json: what it holds, and that reading it gives the same report."""

import json
import math

import numpy as np
import pytest

from maskwright.core import Confusion, LabelSpec, Report
from maskwright.core.errors import DataError
from maskwright.core.patients import ImageScore
from maskwright.core.provenance import (
    DataSource,
    MapsSource,
    ModelSource,
    Provenance,
    ScoreSettings,
    Uncertainty,
)
from maskwright.core.report import CurveReport, Estimate, Slice

COUNTS = np.array([[4, 1, 0], [2, 3, 0], [0, 0, 0]])
NOTHING = Estimate(math.nan)
CURVE = CurveReport(axis="width (px)", at=(1, "2-4"), points=(Estimate(0.5, 0.4, 0.6), NOTHING))


@pytest.fixture
def report():
    return Report(
        labels=LabelSpec.from_names(("road", "car", "unicorn")),
        confusion=Confusion(COUNTS),
        provenance=Provenance(
            model=ModelSource(id="f00", engine="Painted", training={"seed": 1}),
            data=DataSource(name="streets", splits={"test": 2}, fingerprint="b0"),
            versions={"python": "3.12"},
        ),
        scores={"miou": Estimate(15 / 28, 0.5, 0.6), "pixel_accuracy": Estimate(0.7)},
        classes=(
            {"iou": Estimate(4 / 7, 0.5, 0.6)},
            {"iou": Estimate(0.5)},
            {"iou": NOTHING},
        ),
        curves={"trimap_miou": CURVE},
        class_curves={"object_recall_by_size": (CURVE, CURVE, CURVE)},
        slices=(
            Slice(
                by="weather",
                value="rain",
                num_images=1,
                miou=Estimate(0.1, 0.0, 0.2),
                classes={"road": 0.1, "car": math.nan, "unicorn": math.nan},
            ),
        ),
        settings=ScoreSettings(
            families=("region", "boundary"),
            of_families={"boundary_tolerance": "3px"},
            temperature=1.5,
        ),
        uncertainty=Uncertainty(method="jackknife", level=0.95, groups=9, enough_groups=True),
        images=(ImageScore(key="a", miou=0.5, rank="worst"),),
        pictures={"a": {"image": b"\xff\xd8"}},
    )


def test_json_holds_scores_with_intervals_and_names_the_absent(report):
    document = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert document["schema_version"] == 3
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


def test_settings_slices_images_and_provenance_are_plain_json_objects(report):
    document = report.to_json()
    assert document["settings"] == {
        "families": ["region", "boundary"],
        "boundary_tolerance": "3px",
        "temperature": 1.5,
    }
    assert document["slices"] == [
        {
            "by": "weather",
            "value": "rain",
            "images": 1,
            "miou": 0.1,
            "interval": [0.0, 0.2],
            "interval_of": None,
            "difference": None,
            "classes": {"road": 0.1, "car": None, "unicorn": None},
        }
    ]
    assert document["images"] == [{"rank": "worst", "key": "a", "miou": 0.5}]
    provenance = document["provenance"]
    assert list(provenance) == ["model", "data", "seed", "versions"]
    assert provenance["seed"] == 1
    assert provenance["data"]["fingerprint"] == "b0"


def test_a_report_of_class_maps_names_their_folders():
    maps = MapsSource(predictions="said", truth="masks", spec="classes.txt")
    document = Provenance(maps=maps).to_json()
    assert document == {
        "data": {"name": "predictions", "splits": {}, "labels_fingerprint": ""},
        "predictions": {"root": "said", "raw": False},
        "truth": {"root": "masks", "spec": "classes.txt"},
        "versions": {},
    }
    assert Provenance.from_json(document).maps == maps


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema_version": 1}, "report of version 1, this maskwright reads from 2 on"),
        ({"schema_version": 4}, "report of version 4, .*; update maskwright"),
        ({"schema_version": None}, "not a report"),
    ],
)
def test_a_report_of_another_version_is_refused_with_the_fix(report, change, reason):
    with pytest.raises(DataError, match=reason) as caught:
        Report.from_json(report.to_json() | change, where="old/report.json")
    assert str(caught.value).startswith("old/report.json: ")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"confusion": "none"}, "'confusion' is not 3 x 3 integers"),
        ({"labels": [{"name": "x"}]}, "color"),
        ({"intervals": {}}, "miou"),
        ({"slices": [{"by": "weather"}]}, "value"),
        ({"uncertainty": {"groups": 9}}, "method"),
    ],
)
def test_a_damaged_report_is_refused_and_a_copy_comes_before_scoring_again(
    report, change, reason
):
    with pytest.raises(DataError, match=reason) as caught:
        Report.from_json(report.to_json() | change, where="old/report.json")
    assert str(caught.value).startswith("old/report.json: damaged report (missing or wrong: ")
    assert "restore the file, or write it again with `maskwright score`" in str(caught.value)
