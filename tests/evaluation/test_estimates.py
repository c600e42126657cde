"""What reports say of few groups, absent classes and alike neighbours."""

import json

import numpy as np
import pytest
from PIL import Image

from maskwright.core.report import Report
from maskwright.evaluation.compare.compare import compare
from maskwright.evaluation.report.page import render_report, write_report
from maskwright.evaluation.report.text import summarize
from maskwright.evaluation.score import ScoreOptions, score

NAMES = ("road", "car", "bus", "ghost")


@pytest.fixture
def scored(tmp_path):
    """A function: the Report of maps drawn for so many images, by clip of four.

    Cars are in all clips and buses in the first alone; `stray` pixels of ghost are predicted.
    """

    def make(num_clips, *, stray=0, attributes=None, group=r"clip\d+"):
        rng = np.random.default_rng(0)
        for folder in ("truth", "predicted"):
            (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / "truth/classes.txt").write_text(
            "".join(f"{i} {n}\n" for i, n in enumerate(NAMES))
        )
        for index in range(4 * num_clips):
            truth = np.zeros((20, 20), np.uint8)
            truth[:6, :6] = 1
            if index < 4:
                truth[10:14, 10:14] = 2
            said = truth.copy()
            said[:, : rng.integers(1, 4)] = 0
            if index == 0:
                said[19, 20 - stray :] = 3
            name = f"clip{index // 4}_{index % 4}.png"
            Image.fromarray(truth).save(tmp_path / "truth" / name)
            Image.fromarray(said).save(tmp_path / "predicted" / name)
        return score(
            tmp_path / "predicted",
            tmp_path / "truth",
            options=ScoreOptions(group=group, attributes=attributes),
        )

    return make


def test_a_class_in_one_group_has_no_interval_and_the_report_says_so(scored):
    report = scored(6)
    assert report.truth_groups == (6, 6, 1, 0)
    road, car, bus, _ = report.to_json()["classes"]
    assert (bus["groups"], bus["no_interval"]) == (1, "in 1 group")
    assert bus["intervals"] == dict.fromkeys(bus["intervals"])
    assert car["no_interval"] == road["no_interval"] == ""
    assert "in 1 group" in summarize(report)
    assert "in 1 group" in render_report(report)


def test_the_interval_of_a_mean_is_of_the_classes_in_enough_groups(scored):
    report = scored(6)
    miou = report.scores["miou"]
    of_two = np.mean([report.classes[i]["iou"].value for i in (0, 1)])
    assert miou.interval_of == pytest.approx(of_two)
    assert miou.low < of_two < miou.high
    assert report.to_json()["interval_of"]["miou"] == miou.interval_of
    text = f"without bus (in too few groups) {100 * of_two:.1f} %"
    assert text in summarize(report)
    assert text in render_report(report)


def test_fewer_than_five_groups_have_no_interval_at_all(scored):
    report = scored(4)
    assert report.uncertainty.enough_groups is False
    assert all(e.interval is None for e in report.scores.values())
    assert "No intervals: 4 groups" in summarize(report)


def test_a_predicted_class_that_is_not_in_the_truth_is_named_with_its_cost(scored):
    without, report = scored(6), scored(6, stray=1)
    (ghost,) = report.ghosts
    assert (ghost.name, ghost.predicted_px) == ("ghost", 1)
    assert ghost.cost == pytest.approx(without.miou - report.miou, abs=1e-3)
    line = f"ghost: 1 px predicted, not in the truth: costs mIoU {100 * ghost.cost:.1f} points"
    assert line in summarize(report)
    assert line in render_report(report)
    assert report.to_json()["ghosts"] == [
        {"name": "ghost", "predicted_px": 1, "cost": ghost.cost}
    ]
    # its interval is that of the classes in enough groups: a stray pixel hardly moves it
    assert report.scores["miou"].low == pytest.approx(without.scores["miou"].low, abs=0.01)


def test_slices_are_ranked_by_the_classes_in_their_truth(scored, tmp_path):
    """The clip with a stray pixel of an absent class is not the worst; a lone image is last."""
    path = tmp_path / "attributes.csv"
    sites = {f"clip{c}_{i}": f"site{c}" for c in range(6) for i in range(4)}
    sites["clip5_3"] = "alone"
    path.write_text("key,site\n" + "".join(f"{k},{s}\n" for k, s in sites.items()))
    slices = scored(6, stray=1, attributes=path).slices
    first = next(part for part in slices if part.value == "site0")
    assert np.isnan(first.difference) or first.miou.value == pytest.approx(
        np.mean([first.classes[name] for name in ("road", "car", "bus")])
    )
    assert slices[-1].value == "alone"
    assert np.isnan(slices[-1].difference)
    differences = [part.difference for part in slices[:-1]]
    assert differences == sorted(differences)


def test_reports_of_another_truth_with_the_same_pixels_are_refused(scored, tmp_path):
    write_report(scored(6), tmp_path / "a")
    flipped = np.asarray(Image.open(tmp_path / "truth/clip3_1.png"))[::-1]
    Image.fromarray(flipped).save(tmp_path / "truth/clip3_1.png")
    report = score(
        tmp_path / "predicted", tmp_path / "truth", options=ScoreOptions(group=r"clip\d+")
    )
    write_report(report, tmp_path / "b")
    with pytest.raises(Exception, match=r"1 image has another truth .* 'clip3_1' \(its hash"):
        compare(tmp_path / "a", tmp_path / "b")


def test_a_report_without_hashes_is_compared_with_a_note(scored, tmp_path):
    write_report(scored(6), tmp_path / "a")
    assert not any("no hashes" in n for n in compare(tmp_path / "a", tmp_path / "a").notes)
    rows = [line.split(",") for line in (tmp_path / "a/images.csv").read_text().splitlines()]
    (tmp_path / "a/images.csv").write_text(
        "".join(",".join(row[:3] + row[4:]) + "\n" for row in rows)
    )
    notes = compare(tmp_path / "a", tmp_path / "a").notes
    assert any("The reports have no hashes of the truth" in note for note in notes)


def test_compare_groups_anew_and_names_what_cannot_be_shown(scored, tmp_path):
    write_report(scored(7, stray=1, group=None), tmp_path / "a")
    alone = compare(tmp_path / "a", tmp_path / "a")
    assert alone.num_groups == 28
    comparison = compare(tmp_path / "a", tmp_path / "a", group=r"clip\d+")
    assert comparison.num_groups == 7
    assert comparison.mean_classes == ("road", "car", "bus")
    text = " ".join(comparison.notes)
    assert "Not in the truth, and therefore in no mean: ghost." in text
    assert "fewer than 5 groups, and therefore in no interval: bus (1). The interval of" in text
    assert "In too few groups to count as worse, however far they fall: bus (1)" in text
    document = json.loads(json.dumps(comparison.to_json(), allow_nan=False))
    assert [entry["groups"] for entry in document["classes"]] == [7, 7, 1, 0]
    assert document["mean_classes"] == ["road", "car", "bus"]


def test_alike_neighbours_that_are_not_grouped_are_named(scored, tmp_path):
    for clip in range(12):  # clips are of two kinds: easy ones, and ones without a car
        for frame in range(4):
            truth = np.zeros((20, 20), np.uint8)
            truth[:6, :6] = 1
            said = truth.copy() if clip % 2 else np.zeros_like(truth)
            said[:, frame] = 0
            for folder, labels in (("truth", truth), ("predicted", said)):
                (tmp_path / folder).mkdir(exist_ok=True)
                Image.fromarray(labels).save(tmp_path / folder / f"clip{clip}_{frame}.png")
    (tmp_path / "truth/classes.txt").write_text("0 road\n1 car\n")
    report = score(tmp_path / "predicted", tmp_path / "truth")
    (note,) = report.notes
    assert "The mIoU of images that are neighbours by name is correlated" in note
    assert r"use --group '^(.*?)\d+\D*$', which makes 12 groups" in note
    assert note in summarize(report)
    grouped = score(
        tmp_path / "predicted", tmp_path / "truth", options=ScoreOptions(group=r"clip\d+")
    )
    assert grouped.notes == ()


def test_a_report_is_read_back_with_all_of_it(scored):
    report = scored(6, stray=1)
    document = json.loads(json.dumps(report.to_json(), allow_nan=False))
    read = Report.from_json(document, where="report").to_json()
    assert json.loads(json.dumps(read)) == document
