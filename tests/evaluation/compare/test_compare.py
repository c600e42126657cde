"""One comparison from two folders: what is said, what is refused, what is written."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest

from maskwright.core.errors import DataError, OutputError
from maskwright.core.provenance import ModelSource
from maskwright.evaluation.compare.compare import SCHEMA, compare, require_power
from maskwright.evaluation.compare.page import write_comparison

NAMES = ("road", "car")


def images(hits_N, truth_px=100):
    """Road and car, 100 pixels each in truth; `hits_N` pixels of the cars are right."""
    return {
        f"image{i}": (
            f"image{i}",
            {
                0: (truth_px, 2 * truth_px - hit, truth_px),
                1: (truth_px, hit, hit),
            },
        )
        for i, hit in enumerate(hits_N)
    }


BETTER, WORSE = [80, 81, 82, 83, 84, 85, 86, 87], [70, 71, 72, 73, 74, 75, 76, 77]


@pytest.fixture
def fallen(report_folder):
    return compare(report_folder("a", images(BETTER)), report_folder("b", images(WORSE)))


def test_a_fall_beyond_chance_is_worse(fallen):
    assert fallen.worse == ("mIoU", "road", "car")
    change = fallen.classes[1]["iou"]
    assert change.a == pytest.approx(np.mean(BETTER) / 100)
    assert change.difference == pytest.approx(-0.1)
    assert change.high < 0
    assert change.p == 2 / 2**8
    assert change.p_corrected == change.p  # no other class reaches as far in any swap


def test_a_rise_and_no_change_are_not_worse(report_folder):
    a, b = report_folder("a", images(WORSE)), report_folder("b", images(BETTER))
    assert compare(a, b).worse == ()
    assert compare(a, a).worse == ()


def test_a_fall_that_may_be_chance_is_not_worse(report_folder):
    hits = [80, 81, 82, 83, 84, 85, 86, 60]  # one image fell, by much
    a, b = report_folder("a", images(BETTER)), report_folder("b", images(hits))
    comparison = compare(a, b)
    assert comparison.scores["miou"].difference < -0.01
    assert comparison.worse == ()


def test_too_few_groups_can_not_judge(report_folder):
    a, b = report_folder("a", images(BETTER[:5])), report_folder("b", images(WORSE[:5]))
    comparison = compare(a, b)
    assert "5 groups give no p below 0.0625: too few to show" in comparison.notes[0]
    with pytest.raises(
        DataError, match=r"5 groups give no p below 0\.0625, so B can never count as worse"
    ):
        require_power(comparison)


def test_six_groups_can(report_folder):
    a, b = report_folder("a", images(BETTER[:6])), report_folder("b", images(WORSE[:6]))
    comparison = compare(a, b)
    require_power(comparison)
    assert comparison.worse == ("mIoU", "road", "car")


def test_the_images_that_changed_most_come_with_the_classes_that_did_it(report_folder):
    a = report_folder("a", images([80, 80, 80, 80]))
    b = report_folder("b", images([70, 80, 90, 60]))
    listed = compare(a, b).images
    assert [image.key for image in listed] == ["image3", "image0", "image2"]
    assert [image.difference < 0 for image in listed] == [True, True, False]
    name, before, after = listed[0].classes[0]
    assert (name, before, after) == ("car", 0.8, 0.6)
    assert [name for name, *_ in listed[2].classes] == ["car", "road"]


def test_at_most_ten_images_a_side_are_listed(report_folder):
    hits = np.arange(30)
    a, b = report_folder("a", images(50 + 0 * hits)), report_folder("b", images(36 + hits))
    listed = compare(a, b).images
    assert [int(image.b > image.a) for image in listed] == [0] * 10 + [1] * 10
    assert listed[0].key == "image0"
    assert listed[10].key == "image29"


def test_a_class_that_is_invented_in_an_image_is_responsible(report_folder):
    a = report_folder("a", {"x": ("x", {0: (100, 100, 100)})})
    b = report_folder("b", {"x": ("x", {0: (100, 99, 99), 1: (0, 1, 0)})})
    (image,) = compare(a, b).images
    name, before, after = image.classes[0]
    assert (name, after) == ("car", 0)
    assert math.isnan(before)


def test_an_image_without_a_counted_pixel_is_not_listed(report_folder):
    both = images(BETTER) | {"empty": ("empty", {})}
    comparison = compare(report_folder("a", both), report_folder("b", both))
    assert comparison.num_images == 9
    assert comparison.images == ()


def test_the_documents_are_strict_json_and_the_page_is_there(fallen, tmp_path):
    write_comparison(fallen, tmp_path / "out")
    text = (tmp_path / "out/compare.json").read_text()
    document = json.loads(text, parse_constant=pytest.fail)
    assert document == fallen.to_json()
    assert SCHEMA.read(document, where="compare.json") | {"schema_version": 2} == document
    assert document["worse"] is True
    assert document["worse_in"] == ["mIoU", "road", "car"]
    assert set(document["scores"]) == {"miou", "pixel_accuracy"}
    car = document["classes"][1]
    assert car["name"] == "car"
    keys = {"a", "b", "difference", "interval", "interval_of", "p", "p_corrected"}
    assert set(car["iou"]) == keys
    assert document["images"][0]["classes"][0]["name"] == "car"
    assert document["method"]["groups"] == 8
    assert "all 256 swaps" in document["method"]["p"]
    assert (tmp_path / "out/compare.html").is_file()


def test_two_comparisons_are_equal_to_the_last_byte(report_folder, tmp_path):
    rng = np.random.default_rng(0)
    hits = rng.integers(20, 100, (2, 40))
    a, b = report_folder("a", images(hits[0])), report_folder("b", images(hits[1]))
    for name in ("one", "two"):
        write_comparison(compare(a, b), tmp_path / name)
    for name in ("compare.json", "compare.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_what_only_one_report_counted_is_noted(report_folder):
    more = {"boundary_truth": np.ones((8, 2), int)}
    a = report_folder("a", images(BETTER), more=more)
    comparison = compare(a, report_folder("b", images(WORSE)))
    assert "Only one report has the scores of boundaries: " in comparison.notes[0]


def test_another_engine_or_precision_is_noted(report_folder):
    def ran(precision):
        model = ModelSource(id="m", engine="onnxruntime", precision=precision)
        return {"model": asdict(model)}

    a = report_folder("a", images(BETTER), provenance=ran("fp32"))
    b = report_folder("b", images(BETTER), provenance=ran("int8"))
    note = "A ran on onnxruntime in fp32, B on onnxruntime in int8."
    assert note in compare(a, b).notes
    assert note not in compare(a, a).notes


def test_no_pictures_are_shown_of_evaluate_and_the_page_says_so(fallen):
    assert fallen.pictures == {}
    assert "No pictures: " in fallen.notes[-1]
    assert "is not a report of `maskwright score`" in fallen.notes[-1]


def test_a_comparison_without_a_place_to_write_leaves_nothing(fallen, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="there is a file where a folder is needed"):
        write_comparison(fallen, tmp_path / "file")
