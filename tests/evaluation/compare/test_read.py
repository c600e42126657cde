"""Only reports of the same data are compared; the first difference is named."""

import json

import numpy as np
import pytest

from maskwright.core.errors import DataError
from maskwright.evaluation.compare.read import read_report_folder, read_report_pair

IMAGES = {
    "b/one": ("b", {0: (60, 50, 45), 1: (40, 50, 35)}),
    "b/two": ("b", {0: (100, 100, 100)}),
    "c/none": ("c", {}),
}


def without(key):
    return {k: v for k, v in IMAGES.items() if k != key}


def test_counts_are_those_that_were_written(report_folder):
    side = read_report_folder(report_folder("a", IMAGES))
    assert side.keys == ("b/one", "b/two", "c/none")
    assert side.groups == {"b/one": "b", "b/two": "b", "c/none": "c"}
    assert side.counts["truth"].tolist() == [[60, 40], [100, 0], [0, 0]]
    assert side.counts["predicted"].tolist() == [[50, 50], [100, 0], [0, 0]]
    assert side.counts["hit"].tolist() == [[45, 35], [100, 0], [0, 0]]


def test_the_second_report_comes_in_the_order_of_the_first(report_folder):
    a = report_folder("a", IMAGES)
    b = report_folder("b", dict(reversed(IMAGES.items())))
    pair = read_report_pair(a, b)
    assert pair.b.keys == pair.a.keys
    for name in pair.names:
        np.testing.assert_array_equal(pair.a.counts[name], pair.b.counts[name])


def test_counts_of_a_group_are_the_sums_over_its_images(report_folder):
    pair = read_report_pair(report_folder("a", IMAGES), report_folder("b", IMAGES))
    assert pair.group_names == ("b", "c")
    assert pair.by_group(pair.a).tolist() == [[160, 40, 150, 50, 145, 35], [0] * 6]


def test_what_only_one_report_counted_is_left_out(report_folder):
    more = {n: np.ones((3, 2), int) for n in ("boundary_truth", "boundary_truth_near")}
    pair = read_report_pair(report_folder("a", IMAGES), report_folder("b", IMAGES, more=more))
    assert pair.left_out == ("boundary_truth", "boundary_truth_near")
    assert pair.names == ("truth", "predicted", "hit")


def refusal(a, b):
    with pytest.raises(DataError) as caught:
        read_report_pair(a, b)
    return str(caught.value)


def test_other_images_are_refused(report_folder):
    a, b = report_folder("a", IMAGES), report_folder("b", without("b/two"))
    assert "b: lacks 1 of the 3 images of" in refusal(a, b)
    assert "the first is 'b/two'; compare reports of the same images" in refusal(a, b)
    assert "b: lacks 1 of the 3" in refusal(b, a)


def test_another_truth_is_refused(report_folder):
    other = IMAGES | {"b/one": ("b", {0: (61, 50, 45), 1: (39, 50, 35)})}
    text = refusal(report_folder("a", IMAGES), report_folder("b", other))
    assert "1 image has another truth" in text
    assert "'b/one': 'road' has 60 pixels there and 61 here" in text
    assert "score both against the same truth" in text


def test_other_groups_are_refused(report_folder):
    other = IMAGES | {"b/two": ("d", IMAGES["b/two"][1])}
    text = refusal(report_folder("a", IMAGES), report_folder("b", other))
    assert "1 image is in another group" in text
    assert "'b/two' ('b' there, 'd' here); score both with the same --group" in text


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("road", "van"), "2 classes, .*a has 2; class 1 is 'car' in the first and 'van'"),
        (("road", "car", "sky"), "3 classes, .*a has 2; compare reports of the same classes"),
    ],
)
def test_other_classes_are_refused(report_folder, names, said):
    a, b = report_folder("a", IMAGES), report_folder("b", IMAGES, names)
    with pytest.raises(DataError, match=said):
        read_report_pair(a, b)


def test_another_tolerance_is_refused(report_folder):
    more = {n: np.ones((3, 2), int) for n in ("boundary_truth", "boundary_truth_near")}
    a, b = (
        report_folder(name, IMAGES, more=more, settings={"boundary_tolerance": text})
        for name, text in (("a", "3px"), ("b", "0.75%"))
    )
    assert "boundary_tolerance is 0.75%, in" in refusal(a, b)
    assert "score both with the same settings" in refusal(a, b)


@pytest.mark.parametrize("name", ["report.json", "images.csv"])
def test_a_folder_without_a_file_is_refused(report_folder, name):
    folder = report_folder("a", IMAGES)
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"a: has no {name}; give a folder that `maskwright sc"):
        read_report_folder(folder)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (1, "key,group,class"),
        (1, "key,group,class,truth_px,predicted_px,colour_px"),
        (2, "b/one,b,road,60,50"),
        (2, "b/one,b,street,60,50,45"),
        (3, "b/one,c,car,40,50,35"),
        (3, "b/one,b,car,40,50,-35"),
        (3, "b/one,b,car,40,many,35"),
    ],
)
def test_a_damaged_line_is_named(report_folder, line, text):
    folder = report_folder("a", IMAGES)
    lines = (folder / "images.csv").read_text().splitlines()
    lines[line - 1] = text
    (folder / "images.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=rf"images\.csv: line {line} is not as maskwright"):
        read_report_folder(folder)


def test_an_empty_table_and_a_report_of_another_version_are_refused(report_folder):
    folder = report_folder("a", IMAGES)
    head = (folder / "images.csv").read_text().splitlines()[0]
    (folder / "images.csv").write_text(head + "\n")
    with pytest.raises(DataError, match="lists no image; score again"):
        read_report_folder(folder)
    document = json.loads((folder / "report.json").read_text()) | {"schema_version": 1}
    (folder / "report.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"report\.json: report of version 1"):
        read_report_folder(folder)
    (folder / "report.json").write_text("{")
    with pytest.raises(DataError, match=r"report\.json: not valid JSON: .*; score again"):
        read_report_folder(folder)


def test_a_column_of_a_family_that_is_not_installed_keeps_its_name(report_folder):
    folder = report_folder("a", IMAGES)
    head, *lines = (folder / "images.csv").read_text().splitlines()
    wider = [f"{head},alarms_px", *(f"{line},3" for line in lines)]
    (folder / "images.csv").write_text("\n".join(wider) + "\n")
    counts = read_report_folder(folder).counts
    assert counts["alarms_px"].max() == 3
