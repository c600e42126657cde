"""decide: thresholds chosen on drawn parts, their rates, and what a model does with them."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskwright.core.bundle import open_bundle
from maskwright.core.errors import ConfigError, DataError
from maskwright.core.report import Report
from maskwright.core.results import WriteMode, read_manifest
from maskwright.core.verdict import ClassRule, VerdictRule
from maskwright.data.classes.dataset_yaml import read_dataset_file
from maskwright.data.dataset import open_dataset
from maskwright.evaluation.compare.compare import compare
from maskwright.evaluation.evaluate import evaluate
from maskwright.evaluation.report.page import write_report
from maskwright.evaluation.score import score
from maskwright.evaluation.verdicts.choice import SCHEMA, RuleOptions
from maskwright.evaluation.verdicts.choose import bound_miss_rate, count_needed
from maskwright.evaluation.verdicts.decide import decide
from maskwright.evaluation.verdicts.page import summarize_choice
from maskwright.evaluation.verdicts.rates import estimate_rate
from maskwright.inference.predict import predict
from maskwright.inference.predictor import open_model

NAMES = ("background", "scratch", "dent")


@pytest.fixture
def bundle(painted_bundle, tmp_path):
    """A Bundle that reads class k from a first channel of k, with a share of about 0.7."""
    return painted_bundle(tmp_path / "model/bundle", names=NAMES).root


def draw_part(images, masks, key, *, painted=(), truth=()):
    """Write an image on which the model sees `painted`, and a mask that says `truth`.

    Both are (class index, rows, columns).
    """
    image_HW, mask_HW = np.zeros((24, 24), np.uint8), np.zeros((24, 24), np.uint8)
    for array, drawn in ((image_HW, painted), (mask_HW, truth)):
        for index, rows, columns in drawn:
            array[rows, columns] = index
    for folder, array in ((images, np.repeat(image_HW[..., None], 3, 2)), (masks, mask_HW)):
        path = folder / f"{key}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path)


@pytest.fixture
def parts(tmp_path):
    """Parts in val and test: scratches and dents of 36 px, and specks that are neither."""
    folder = tmp_path / "parts"
    scratch, dent = (1, slice(2, 8), slice(2, 8)), (2, slice(12, 18), slice(12, 18))
    speck = (1, slice(20, 22), slice(20, 22))
    for split in ("val", "test"):
        images, masks = folder / "images" / split, folder / "masks" / split
        for number in range(3):
            draw_part(images, masks, f"{split}s{number}", painted=[scratch], truth=[scratch])
            draw_part(images, masks, f"{split}d{number}", painted=[dent], truth=[dent])
            draw_part(images, masks, f"{split}ok{number}", painted=[speck])
    (folder / "dataset.yaml").write_text(
        "classes:\n" + "".join(f"  - {{name: {name}}}\n" for name in NAMES)
    )
    return folder


def test_the_smallest_area_leaves_out_specks_and_nothing_is_missed(bundle, parts, tmp_path):
    decided, choice = decide(bundle, open_dataset(parts), tmp_path / "decided")
    assert choice.rule.classes["scratch"].smallest_area_px == 8
    assert choice.rule.classes["dent"].smallest_area_px == 1
    rates = {(r.unit, r.kind, r.name): (r.events, r.total) for r in choice.tested_on.rates}
    assert rates["part", "miss", None] == (0, 6)
    assert rates["part", "false alarm", None] == (0, 3)
    assert rates["defect", "miss", "scratch"] == (0, 3)
    assert rates["defect", "false alarm", "scratch"] == (0, 3)
    assert decided.card.decide == choice.rule
    assert decided.model_id != open_bundle(bundle).model_id
    assert choice.curves["scratch"].auroc == 1


def test_the_report_lies_in_the_bundle_and_says_what_cannot_be_shown(bundle, parts, tmp_path):
    decided, choice = decide(bundle, open_dataset(parts), tmp_path / "decided")
    document = json.loads(decided.file("decide.json").read_text())
    assert SCHEMA.read(document, where="decide.json")["chosen_on"]["split"] == "val"
    assert (
        document["rule"]
        == json.loads((decided.root / "bundle.json").read_text())["card"]["decide"]
    )
    assert "cannot be shown with 6 parts of 'test'" in choice.notes[0]
    assert "39.3 % (95 %, one-sided); 1 % needs 299" in choice.notes[0]
    assert "tested on test: 9 parts, 6 with a class" in summarize_choice(choice)
    page = decided.file("decide.html").read_text()
    assert "parts falsely reported, %" in page


def test_without_a_test_split_the_report_says_that_rates_are_too_good(bundle, parts, tmp_path):
    dataset = open_dataset(parts)
    only_val = replace(dataset, entries=dataset.subset("val").entries)
    _, choice = decide(bundle, only_val, tmp_path / "decided")
    assert choice.tested_on is None
    assert "are too good" in choice.notes[0]


def test_a_part_may_be_a_group_of_images(bundle, parts, tmp_path):
    options = RuleOptions(by="group", group="(val|test)(?:s|d|ok)")
    with pytest.raises(DataError, match="no split 'x'"):
        decide(bundle, open_dataset(parts), tmp_path / "a", options=replace(options, split="x"))
    _, choice = decide(bundle, open_dataset(parts), tmp_path / "b", options=options)
    assert choice.chosen_on.num_parts == 1
    assert choice.chosen_on.num_images == 9
    assert choice.rule.by == "group"


def test_a_class_that_no_part_shows_is_refused(bundle, parts, tmp_path):
    for mask in (parts / "masks/val").glob("vald*"):
        Image.fromarray(np.zeros((24, 24), np.uint8)).save(mask)
    with pytest.raises(DataError, match=r"no part shows 'dent'.*--classes"):
        decide(bundle, open_dataset(parts), tmp_path / "decided")
    options = RuleOptions(classes=("scratch",))
    _, choice = decide(bundle, open_dataset(parts), tmp_path / "decided", options=options)
    assert tuple(choice.rule.classes) == ("scratch",)


def test_predict_tells_an_image_without_a_finding_from_one_that_cannot_be_read(
    bundle, parts, tmp_path
):
    decide(bundle, open_dataset(parts), tmp_path / "decided")
    images = parts / "images/test"
    (images / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    model = open_model(tmp_path / "decided")
    summary = predict(model, [images], tmp_path / "out", write=("classes",))
    assert summary.to_json()["verdicts"] == {"ok": 3, "defect": 6, "unread": 1}
    with (tmp_path / "out/verdicts.csv").open(newline="") as file:
        rows = {Path(r["image"]).stem: r for r in csv.DictReader(file)}
    assert (rows["tests0"]["verdict"], rows["tests0"]["classes"]) == ("defect", "scratch")
    assert (rows["testok1"]["verdict"], rows["testok1"]["classes"]) == ("ok", "")
    assert rows["broken"]["verdict"] == "unread"
    assert "broken.png" in rows["broken"]["error"]
    speck_HW = np.array(Image.open(tmp_path / "out/classes/testok1.png"))
    assert not speck_HW.any()  # a speck of the old map is background now


def test_evaluate_scores_verdicts_of_images(bundle, parts, tmp_path):
    decide(bundle, open_dataset(parts), tmp_path / "decided")
    dataset = open_dataset(parts).subset("test")
    scores = evaluate(open_model(tmp_path / "decided"), dataset).scores
    assert (scores["miss_rate"].value, scores["false_alarm_rate"].value) == (0.0, 0.0)
    assert "miss_rate" not in evaluate(open_model(bundle), dataset).scores


def test_thresholds_stand_in_all_that_is_made_with_them_and_a_difference_is_a_warning(
    bundle, parts, tmp_path
):
    _, choice = decide(bundle, open_dataset(parts), tmp_path / "decided")
    images, masks = parts / "images/test", parts / "masks/test"
    for name, model in (("old", bundle), ("new", tmp_path / "decided")):
        predict(open_model(model), [images], tmp_path / name, write=("classes",))
    stored = choice.rule.to_json()
    assert read_manifest(tmp_path / "new").decide == stored
    assert read_manifest(tmp_path / "old").decide is None
    source = read_dataset_file(tmp_path / "new/classes/dataset.yaml").source
    assert source.endswith(f"decided by {choice.rule}")

    dataset = open_dataset(parts).subset("test")
    evaluated = evaluate(open_model(tmp_path / "decided"), dataset)
    scored = {name: score(tmp_path / name / "classes", masks) for name in ("old", "new")}
    for report in (evaluated, scored["new"]):
        again = Report.from_json(report.to_json(), where="report.json")
        assert again.settings.decide == stored
    assert scored["old"].settings.decide is None
    assert "The thresholds for verdicts differ" not in " ".join(scored["new"].notes)

    warning = f"The thresholds for verdicts differ: predictions none; truth {choice.rule}."
    assert warning in score(tmp_path / "old/classes", tmp_path / "new/classes").notes
    for name, report in scored.items():
        write_report(report, tmp_path / "reports" / name)
    folders = (tmp_path / "reports/old", tmp_path / "reports/new")
    notes = compare(*folders).notes
    assert f"The thresholds for verdicts differ: A none; B {choice.rule}." in notes
    assert "thresholds" not in " ".join(compare(folders[1], folders[1]).notes)


def test_thresholds_can_be_chosen_again_for_a_bundle_that_has_some(bundle, parts, tmp_path):
    dataset, out = open_dataset(parts), tmp_path / "decided"
    _, first = decide(bundle, dataset, out)
    _, second = decide(out, dataset, out, mode=WriteMode(overwrite=True))
    assert second.rule == first.rule


def test_other_refiners_do_not_fit_thresholds_chosen_without_them(bundle, parts, tmp_path):
    decide(bundle, open_dataset(parts), tmp_path / "decided")
    with pytest.raises(ConfigError, match="were chosen with no refiner; leave out --refine"):
        open_model(tmp_path / "decided", refine="crf")


def test_a_rule_must_leave_a_class_for_good_parts():
    rule = VerdictRule(classes={name: ClassRule(threshold=0.5) for name in NAMES}, miss=0.01)
    with pytest.raises(ConfigError, match="no image could be ok"):
        rule.require_classes(NAMES)
    with pytest.raises(ConfigError, match="names 'scratch', which is not a class"):
        rule.require_classes(("background", "dent", "hole", "crack"))


def test_one_percent_needs_299_parts():
    assert count_needed(0.01) == 299
    assert bound_miss_rate(299) <= 0.01 < bound_miss_rate(298)


def test_a_rate_without_events_has_the_exact_interval():
    rate = estimate_rate("miss", "part", None, np.zeros(20, np.int64), np.ones(20, np.int64))
    assert (rate.value, rate.low) == (0.0, 0.0)
    assert rate.high == pytest.approx(0.1684, abs=1e-4)  # Clopper-Pearson, 0 of 20
    assert str(rate) == "0.0 % [0.0 %, 16.8 %] (0 of 20)"


def test_a_rate_with_events_has_the_interval_of_the_jackknife():
    events = np.array([1, 0, 0, 1] * 10)
    rate = estimate_rate("miss", "part", None, events, np.ones(40, np.int64))
    assert rate.value == 0.5
    assert rate.low == pytest.approx(1 - rate.high)
    assert 0.3 < rate.low < 0.36
