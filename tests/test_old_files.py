"""Files that maskwright 0.1.0 wrote (commit 62dc6db) open, and hold the numbers they held."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import maskwright
from maskwright.core.report import Report
from maskwright.evaluation.compare.compare import SCHEMA as COMPARISON
from maskwright.evaluation.compare.read import read_report_folder
from maskwright.evaluation.diff.diff import SCHEMA as DIFFERENCE
from maskwright.measurement.rules.rules import read_rules
from maskwright.training.recipe import read_recipe
from maskwright.training.run import open_run

OLD = Path(__file__).parent / "fixtures" / "written_by_0_1"
CLASSES = ("road", "tree", "car")
TEST_MIOU = 0.885574513891786
VAL_MIOU = 0.8848183427775416
SCENE0_PX = [530, 192, 46]
"""Pixels of each class in the old prediction of scene0."""


@pytest.fixture
def scene0():
    return np.asarray(Image.open(OLD / "street/images/scene0.png"))


def written(name):
    return json.loads((OLD / name).read_text(encoding="utf-8"))


def report_of(folder):
    document = written(f"{folder}/report.json")
    return Report.from_json(document, where=folder)


def test_a_bundle_opens_under_its_old_id():
    bundle = maskwright.open_bundle(OLD / "run/bundle")
    assert bundle.model_id == "79d2d2f303e4a93d"
    assert bundle.files == ("weights.safetensors", "model.onnx", "report.json")
    (graph,) = bundle.graphs
    assert (graph.file, graph.engine, graph.precision) == ("model.onnx", "onnxruntime", "fp32")
    assert graph.parity.num_pixels == 2796
    assert bundle.card.labels.names == CLASSES
    assert bundle.card.temperature == pytest.approx(0.29989326)
    assert bundle.card.input.mean == (0.2433, 0.3401, 0.2449)


@pytest.mark.parametrize("model", ["run/bundle", "run", "run/last"])
def test_a_bundle_a_run_and_a_checkpoint_predict_what_they_predicted(model, scene0):
    predictor = maskwright.open_model(OLD / model)
    prediction = predictor.predict(scene0, where="scene0.png")
    counts = np.bincount(prediction.labels_HW.ravel(), minlength=3)
    assert counts.tolist() == SCENE0_PX


def test_a_run_opens_with_its_report_and_recipe():
    run = open_run(OLD / "run")
    assert run.report.scores["miou"].value == VAL_MIOU
    recipe = read_recipe(OLD / "run/recipe.yaml")
    assert (recipe.model.arch, recipe.schedule.epochs, recipe.optim.lr) == (
        "segnet_basic",
        10,
        0.02,
    )


@pytest.mark.slow
def test_a_run_is_resumed_where_it_stopped(tmp_path):
    run = shutil.copytree(OLD / "run", tmp_path / "run", symlinks=True)
    recipe = (run / "recipe.yaml").read_text(encoding="utf-8")
    (run / "recipe.yaml").write_text(recipe.replace("epochs: 10", "epochs: 11"))
    maskwright.train(OLD / "street", run, maskwright.TrainOptions(resume=True))
    assert (run / "log.csv").read_text(encoding="utf-8").splitlines()[-1].startswith("11,22,")


@pytest.mark.parametrize(
    ("folder", "miou", "confusion"),
    [
        ("evaluated", TEST_MIOU, [[735, 21, 23], [1, 671, 0], [1, 0, 71]]),
        ("run/report", VAL_MIOU, [[800, 20, 25], [1, 607, 0], [0, 0, 72]]),
        ("scored", 0.8830915034337438, [[3203, 76, 101], [4, 2428, 0], [2, 0, 286]]),
    ],
)
def test_a_report_of_schema_2_opens_with_its_numbers(folder, miou, confusion):
    report = report_of(folder)
    assert report.labels.names == CLASSES
    assert report.scores["miou"].value == miou
    assert report.confusion.counts_CC.tolist() == confusion


def test_intervals_of_an_old_report_stay_and_are_called_too_narrow():
    old = written("evaluated/report.json")
    report = report_of("evaluated")
    assert old["schema_version"] == 2
    assert report.uncertainty.groups == old["uncertainty"]["groups"]
    assert "replicates (too narrow for few groups: score again)" in report.uncertainty.method
    assert report.truth_groups == ()
    assert report.explain_no_interval(0) == ""


def test_the_p_of_an_old_comparison_has_its_new_name():
    old = COMPARISON.read(written("compare.json"), where="compare.json")
    assert old["scores"]["miou"]["p_corrected"] == 1.0
    assert "p_holm" not in old["scores"]["miou"]
    assert old["classes"][0]["iou"]["p_corrected"] == 1.0


def test_two_reports_are_compared(tmp_path):
    truth_NC = read_report_folder(OLD / "evaluated").counts["truth"]
    assert truth_NC.tolist() == [[472, 256, 36], [307, 416, 36]]
    comparison = maskwright.compare(OLD / "evaluated", OLD / "evaluated")
    assert comparison.scores["miou"].a == pytest.approx(TEST_MIOU)
    old = COMPARISON.read(written("compare.json"), where="compare.json")
    assert old["scores"]["miou"]["a"] == TEST_MIOU
    assert comparison.to_json()["scores"].keys() == old["scores"].keys()
    assert any("no hashes of the truth" in note for note in comparison.notes)


def test_a_dataset_of_masks_and_its_splits_open():
    dataset = maskwright.open_dataset(OLD / "street")
    assert "a12f10adfa1389a4" in dataset.old_fingerprints
    assert [len(dataset.subset(s)) for s in ("train", "val", "test")] == [4, 2, 2]
    counts = sum(np.bincount(dataset.labels(i).ravel(), minlength=256) for i in range(8))
    assert counts[[0, 1, 2, 255]].tolist() == [3380, 2432, 288, 44]


def test_a_dataset_of_shapes_and_its_codec_open():
    dataset = maskwright.open_dataset(OLD / "labelme_street")
    assert (dataset.format, dataset.codec.pixels) == ("labelme", "name")
    counts = sum(np.bincount(dataset.labels(i).ravel(), minlength=256) for i in range(8))
    assert counts[[0, 1, 2, 255]].tolist() == [3380, 2432, 288, 44]


def test_predicted_class_maps_are_scored_as_they_were():
    report = maskwright.score(OLD / "predicted/classes", OLD / "street/masks")
    assert report.scores["miou"].value == report_of("scored").scores["miou"].value


def test_the_old_check_counts_what_check_counts():
    old, new = written("check.json"), maskwright.check(OLD / "street").to_json()
    assert old["schema_version"] == 1
    assert [c["pixels"] for c in old["classes"]] == [3380, 2432, 288]
    assert [c["pixels"] for c in new["classes"]] == [3380, 2432, 288]


def test_the_old_difference_counts_what_diff_counts():
    old = DIFFERENCE.stamp(DIFFERENCE.read(written("diff.json"), where="diff.json"))
    a, b = (maskwright.open_dataset(OLD / name) for name in ("street", "labelme_street"))
    folders = {"a": str(a.root), "b": str(b.root)}
    assert old | folders == maskwright.diff(a, b).to_json()


def test_a_conversion_starts_again_since_its_journal_knows_no_content_of_masks(tmp_path):
    shutil.copytree(OLD / "half_converted", tmp_path / ".voc.partial")
    done = tmp_path / ".voc.partial/SegmentationClass/scene0.png"
    done.unlink()  # it comes back only where the journal is not believed
    account = maskwright.convert(OLD / "street", tmp_path / "voc", to="voc")
    assert account.num_images == 8
    assert (tmp_path / "voc/SegmentationClass/scene0.png").exists()
    assert account.to_json()["pixels"] == written("labelme_street/conversion.json")["pixels"]


def test_measurements_and_rules_are_those_of_before(tmp_path):
    old = written("measurements.json")
    assert old["schema_version"] == 1
    assert old["coverage"]["classes"]["car"]["pixels"] == 288
    labels = maskwright.open_dataset(OLD / "street").spec
    (rule,) = read_rules(OLD / "rules.yaml", labels, "px")
    assert (rule.name, rule.limit) == ("few cars", 4)
