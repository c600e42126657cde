"""A useless model does not look good: what fails comes first, on the console and the page."""

import numpy as np
import pytest

from maskwright.core import Confusion
from maskwright.core.report import Estimate
from maskwright.evaluation.report.page import render_report
from maskwright.evaluation.report.text import list_failures, summarize

NAMES = ("ground", "<hole>")


@pytest.fixture
def report_of(full_report):
    from dataclasses import replace

    def make(counts_CC, **scores):
        report = full_report(NAMES)
        changed = {
            "confusion": Confusion(np.array(counts_CC, np.int64)),
            "scores": dict(report.scores) | {k: Estimate(v) for k, v in scores.items()},
        }
        return replace(report, **changed)

    return make


def test_a_class_that_is_never_predicted_is_named_first(report_of):
    report = report_of([[900, 0], [1234, 0]])
    line = (
        "<hole>: none of its 1,234 px is found; the model never predicts it, most of it "
        "becomes ground."
    )
    assert list_failures(report)[0] == line
    assert line in summarize(report)
    assert repr(report).endswith("%, 2 classes; not found: <hole>)")
    assert "not found: &lt;hole&gt;" in report._repr_html_()
    standing_out = render_report(report).partition("What stands out</h2>")[2][:400]
    assert "&lt;hole&gt;: none of its 1,234 px is found" in standing_out


def test_a_class_that_is_predicted_only_elsewhere_is_named(report_of):
    (line,) = list_failures(report_of([[900, 50], [1234, 0]]))[:1]
    assert line.endswith("is found; 50 px are predicted as it, all of them wrong.")


def test_the_mean_over_images_is_in_no_headline_and_where_it_is_far_the_mean_to_believe_is_said(
    report_of,
):
    far = report_of([[9, 1], [1, 9]], miou=0.17, image_mean_miou=0.62)
    assert list_failures(far)[-1].startswith("Believe mIoU 17.0 %, which counts every pixel")
    assert "mean over images of their mIoU is 62.0 %" in list_failures(far)[-1]
    near = report_of([[9, 1], [1, 9]], miou=0.6, image_mean_miou=0.62)
    assert list_failures(near) == []
    assert "mean over images" not in summarize(near)


def test_surfaces_and_patients_are_said_in_a_line_of_their_own(report_of):
    plain = report_of([[9, 1], [1, 9]])
    assert "HD95" not in summarize(plain)
    scored = report_of(
        [[9, 1], [1, 9]], mean_patient_dice=0.8, mean_hd95_mm=5.34, mean_nsd=0.91
    )
    line = "mean Dice of patients 80.0 %, mean HD95 5.34 mm, mean surface Dice 91.0 %"
    assert line in summarize(scored).splitlines()
