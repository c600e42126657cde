"""The tables of a report: every score with its interval, worst first, escaped."""

import re

import numpy as np
import pytest

from maskwright.core import Confusion, LabelSpec
from maskwright.evaluation.report.tables import (
    render_class_curves,
    render_classes,
    render_confusions,
    render_counts,
    render_scores,
    render_slices,
)


@pytest.fixture(scope="module")
def report(full_report):
    return full_report(("road", "<car>", "sky"))


def rows(text):
    body = text.split("<tbody>")[1]
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in body.split("</tr>")]
    return [[re.sub(r"<[^>]+>", " ", c).split() for c in row] for row in cells if row]


def test_scores_over_the_set_stand_beside_those_of_images(report):
    text = render_scores(report)
    assert 'Score</th><th scope="col" class=number>Over the set' in text
    assert "Per image, then averaged" in text
    miou = next(row for row in rows(text) if row[0][:1] == ["mIoU"])
    expected = [
        f"{100 * report.scores[key].value:.1f}&nbsp;%" for key in ("miou", "image_mean_miou")
    ]
    assert [cell[0] for cell in miou[1:]] == expected
    low, high = report.scores["miou"].interval
    assert miou[1][1:] == [f"{100 * low:.1f}", "to", f"{100 * high:.1f}"]


def test_every_score_is_in_the_table(report):
    text = render_scores(report)
    num_names = len({key.removeprefix("image_mean_") for key in report.scores})
    assert text.count('<th scope="row">') == num_names
    assert "12,034" in text
    assert "0.750" in text


def test_a_class_has_its_bar_its_scores_and_its_share(report):
    text = render_classes(report, "Regions")
    first = rows(text)[0]
    assert first[0] == ["road"]
    assert first[1][0] == f"{100 * report.classes[0]['iou'].value:.1f}&nbsp;%"
    assert len(rows(text)) == 3
    assert text.count('<svg class="bar"') == 3
    assert "&lt;car&gt;" in text
    shares = [float(row[-1][0].split("&")[0]) for row in rows(text)]
    assert sum(shares) == pytest.approx(100, abs=0.02)


def test_families_and_scores_of_images_have_tables_of_their_own(report):
    assert "Boundary F1" in render_classes(report, "Boundaries")
    assert "3.25&nbsp;mm" in render_classes(report, "Surfaces")
    assert render_classes(report, "Confidence") == ""
    of_images = render_classes(report, "Regions", of_images=True)
    assert "per image and then averaged" in of_images
    assert "Share of truth" not in of_images


def test_slices_say_which_classes_fall_most(report):
    ious = (scores["iou"].value for scores in report.classes)
    whole = dict(zip(report.labels.names, ious, strict=True))
    part = report.slices[0]
    falls = {n: part.classes[n] - whole[n] for n in whole if part.classes[n] < whole[n]}
    text = render_slices(report.slices, report)
    assert "weather: heavy rain &amp; fog" in text
    assert text.index("heavy rain") < text.index("sun")
    for fall in falls.values():
        assert f"(−{-100 * fall:.1f})" in text


def test_the_largest_confusions_come_first_and_tiny_ones_not_at_all():
    counts_CC = np.array([[900, 100, 0], [300, 700, 0], [0, 1, 100_000]])
    labels = LabelSpec.from_names(("a", "b", "c"))
    found = rows(render_confusions(Confusion(counts_CC), labels))
    assert [(row[0], row[1], row[2]) for row in found] == [
        (["b"], ["a"], ["30.0&nbsp;%"]),
        (["a"], ["b"], ["10.0&nbsp;%"]),
    ]


def test_curves_of_classes_and_of_counts_are_tables(report):
    curves = report.class_curves["object_recall_by_size"]
    text = render_class_curves("object_recall_by_size", curves, report.labels)
    assert len(rows(text)) == 3
    assert "under 16 px" in text
    counted = {"objects_truth_by_size": report.curves["objects_truth_by_size"]}
    assert [row[1][0] for row in rows(render_counts(counted))][:2] == ["100", "200"]
    assert render_counts({}) == ""
