"""score: two folders from anywhere give the Report of evaluate, or a refusal with names."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from maskwright.core import IGNORE, Confusion
from maskwright.core.errors import ConfigError, DataError
from maskwright.core.scores import iou, mean_iou
from maskwright.evaluation.evaluate import FULL
from maskwright.evaluation.report.page import write_report
from maskwright.evaluation.score import ScoreOptions, score

NAMES = ("sky", "road", "car")
COLORS = ((70, 130, 180), (128, 64, 128), (0, 0, 142))


def _write(path, pixels, palette=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(np.array(palette, np.uint8).tobytes())
    image.save(path)


def _pairs(num=8, size_HW=(40, 56)):
    """Blocks of classes, some IGNORE, and predictions with a growing share of errors."""
    rng = np.random.default_rng(5)
    for number in range(num):
        truth = rng.integers(0, 3, (5, 7)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
        said = truth.copy()
        wrong = rng.random(size_HW) < 0.05 * number
        said[wrong] = rng.integers(0, 3, wrong.sum())
        truth[:, :2] = IGNORE
        yield f"city{number // 2}/{number:03}", truth, said


@pytest.fixture
def folders(tmp_path):
    """Truth and predictions as index PNGs, with classes.txt above the truth."""
    for key, truth, said in _pairs():
        _write(tmp_path / "truth/val" / f"{key}.png", truth)
        _write(tmp_path / "said" / f"{key}.png", said)
    lines = (f"{i} {name}" for i, name in enumerate(NAMES))
    (tmp_path / "truth/classes.txt").write_text("\n".join(lines))
    return tmp_path / "said", tmp_path / "truth/val"


def _expected():
    return sum(
        (Confusion.from_labels(t, s, 3) for _, t, s in _pairs()), start=Confusion.zero(3)
    )


def test_counts_are_those_of_all_pixels(folders):
    report = score(*folders)
    np.testing.assert_array_equal(report.confusion.counts_CC, _expected().counts_CC)
    assert report.labels.names == NAMES
    assert report.miou == mean_iou(_expected())


def test_set_scores_and_image_means_are_different_numbers_with_names_of_their_own(folders):
    report = score(*folders)
    alone = [mean_iou(Confusion.from_labels(t, s, 3)) for _, t, s in _pairs()]
    assert report.scores["image_mean_miou"].value == pytest.approx(np.mean(alone))
    assert report.scores["miou"].value != pytest.approx(np.mean(alone), abs=1e-4)


def test_every_score_has_an_interval_around_it(folders):
    predictions, truth = folders
    report = score(predictions, truth, options=ScoreOptions(group=r"\d+$"), detail=FULL)
    curves = [e for curve in report.curves.values() for e in curve.points]
    classes = [e for found in report.classes for e in found.values()]
    scored = {name: e for name, e in report.scores.items() if not np.isnan(e.value)}
    without = {name for name, e in scored.items() if e.interval is None}
    assert without <= {
        f"objects_{what}" for what in ("truth", "predicted", "missed", "invented")
    }
    with_interval = [e for e in [*report.scores.values(), *classes, *curves] if e.interval]
    assert len(with_interval) > 40
    for e in with_interval:
        inside = e.value if np.isnan(e.interval_of) else e.interval_of
        assert e.low <= inside <= e.high
    assert report.uncertainty.groups == 8


def test_the_folder_below_the_split_is_the_group_and_few_groups_have_no_interval(folders):
    report = score(*folders)
    assert report.uncertainty.groups == 4
    assert report.scores["miou"].interval is None


def test_palette_and_coloured_files_give_the_same_report(folders, tmp_path):
    _, truth = folders
    listed = "\n".join(
        f"  - {{name: {n}, color: {list(c)}}}" for n, c in zip(NAMES, COLORS, strict=True)
    )
    spec = tmp_path / "dataset.yaml"
    spec.write_text(f"classes:\n{listed}\ncodec: {{pixels: index}}\n")
    for key, _, said in _pairs():
        _write(tmp_path / "palette" / f"{key}.png", said, palette=COLORS)
        _write(tmp_path / "colour" / f"{key}.png", np.array(COLORS, np.uint8)[said])
    for kind in ("palette", "colour"):
        report = score(tmp_path / kind, truth, options=ScoreOptions(spec=spec))
        np.testing.assert_array_equal(report.confusion.counts_CC, _expected().counts_CC)


def test_predictions_hold_class_indices_unless_they_are_said_to_be_raw(tmp_path):
    truth = np.array([[7, 7, 24], [24, 0, 7]], np.uint8)
    spec = tmp_path / "dataset.yaml"
    spec.write_text(
        "classes: [{name: road, raw: [7]}, {name: car, raw: [24]}]\ncodec: {ignored: [0]}\n"
    )
    _write(tmp_path / "t/a.png", truth)
    _write(tmp_path / "index/a.png", np.array([[0, 0, 1], [0, 0, 0]], np.uint8))
    _write(tmp_path / "raw/a.png", np.array([[7, 7, 24], [7, 7, 7]], np.uint8))
    by_index = score(tmp_path / "index", tmp_path / "t", options=ScoreOptions(spec=spec))
    by_raw = score(
        tmp_path / "raw", tmp_path / "t", options=ScoreOptions(spec=spec, raw_predictions=True)
    )
    assert by_index.confusion.counts_CC.tolist() == [[3, 0], [1, 1]]
    assert by_raw.confusion.counts_CC.tolist() == [[3, 0], [1, 1]]
    with pytest.raises(DataError, match=r"raw/a\.png: mask values 7 \(5 px\), 24 \(1 px\)"):
        score(tmp_path / "raw", tmp_path / "t", options=ScoreOptions(spec=spec))


def test_without_a_list_the_classes_are_the_values_of_both_folders(tmp_path):
    _write(tmp_path / "t/a.png", np.array([[0, 0], [1, 255]], np.uint8))
    _write(tmp_path / "p/a.png", np.array([[0, 2], [1, 1]], np.uint8))
    report = score(tmp_path / "p", tmp_path / "t")
    assert report.confusion.counts_CC.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]


def test_missing_and_extra_files_are_named_and_counted(folders):
    predictions, truth = folders
    (predictions / "city1/002.png").unlink()
    with pytest.raises(
        DataError, match=r"truth/val: 1 of 8 maps have no partner in .*: city1/002; "
    ):
        score(predictions, truth)
    _write(predictions / "city1/002.png", np.zeros((40, 56), np.uint8))
    _write(predictions / "zoo.png", np.zeros((40, 56), np.uint8))
    with pytest.raises(DataError, match=r": 1 of 9 maps have no partner in .*truth/val: zoo; "):
        score(predictions, truth)


def test_a_dataset_instead_of_its_masks_is_refused_with_a_hint(folders, tmp_path):
    _write(tmp_path / "data/masks/val/a.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(DataError, match=r"data is a dataset: give .*data/masks or"):
        score(folders[0], tmp_path / "data")


def test_another_size_names_both_files(folders):
    predictions, truth = folders
    _write(predictions / "city1/002.png", np.zeros((40, 57), np.uint8))
    with pytest.raises(
        DataError, match=r"said/city1/002\.png and .*val/city1/002\.png: truth is"
    ):
        score(predictions, truth)


def test_a_prediction_that_does_not_decide_is_refused_with_its_file(folders):
    predictions, truth = folders
    _write(predictions / "city1/002.png", np.full((40, 56), 255, np.uint8))
    with pytest.raises(
        DataError,
        match=r"city1/002\.png.*prediction is IGNORE .255. in [0-9,]+ px.*--skip-undecided",
    ):
        score(predictions, truth)


def test_a_missing_folder_and_a_wrong_expression_are_refused(folders, tmp_path):
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        score(tmp_path / "nowhere", folders[1])
    with pytest.raises(ConfigError, match=r"group '\(' is not a regular expression"):
        score(*folders, options=ScoreOptions(group="("))


def test_images_csv_adds_up_to_the_confusion(folders, tmp_path):
    report = score(*folders)
    write_report(report, tmp_path / "out")
    with (tmp_path / "out/images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    by_class = dict.fromkeys(NAMES, 0)
    for row in rows:
        by_class[row["class"]] += int(row["hit_px"])
    assert list(by_class.values()) == np.diagonal(_expected().counts_CC).tolist()
    assert {row["group"] for row in rows} == {"city0", "city1", "city2", "city3"}
    document = json.loads((tmp_path / "out/report.json").read_text())
    assert document["classes"][1]["iou"] == iou(_expected())[1]


def test_two_runs_are_equal_to_the_last_byte(folders, tmp_path):
    for name in ("one", "two"):
        write_report(score(*folders, detail=FULL), tmp_path / name)
    for name in ("report.json", "report.html", "images.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_slices_are_the_scores_of_their_images_worst_first(folders, tmp_path):
    attributes = tmp_path / "weather.csv"
    lines = [f"{key},{'fog' if i > 3 else 'sun'}" for i, (key, _, _) in enumerate(_pairs())]
    attributes.write_text("key,weather\n" + "\n".join(lines))
    report = score(*folders, options=ScoreOptions(attributes=attributes))
    fog, sun = report.slices
    late = [Confusion.from_labels(t, s, 3) for _, t, s in list(_pairs())[4:]]
    assert (fog.by, fog.value, fog.num_images) == ("weather", "fog", 4)
    assert fog.miou.value == mean_iou(sum(late, start=Confusion.zero(3)))
    assert fog.miou.value < sun.miou.value


def test_the_kinds_of_the_data_choose_the_objects_of_the_set(tmp_path):
    """A found background and missed defects: 0 of 2, and none where no class is a thing."""
    truth_HW = np.zeros((30, 40), np.uint8)
    truth_HW[3:6, 3:6] = truth_HW[20:24, 30:33] = 1
    _write(tmp_path / "truth/a.png", truth_HW)
    _write(tmp_path / "predicted/a.png", np.zeros_like(truth_HW))
    found = {}
    for kind in ("stuff", "thing"):
        spec = tmp_path / kind / "dataset.yaml"
        spec.parent.mkdir()
        spec.write_text(
            "classes:\n- {name: background, raw: [0]}\n"
            f"- {{name: defect, raw: [1], kind: {kind}}}\n"
        )
        options = ScoreOptions(spec=spec)
        report = score(tmp_path / "predicted", tmp_path / "truth", options=options, detail=FULL)
        found[kind] = report.scores
    assert (found["thing"]["object_recall"].value, found["thing"]["objects_truth"].value) == (
        0,
        2,
    )
    assert np.isnan(found["stuff"]["object_recall"].value)
    assert np.isnan(found["stuff"]["objects_truth"].value)


def test_undecided_pixels_are_left_out_on_request_and_counted(tmp_path):
    _write(tmp_path / "t/a.png", np.array([[0, 0, 1], [1, 255, 1]], np.uint8))
    _write(tmp_path / "p/a.png", np.array([[0, 255, 1], [0, 255, 255]], np.uint8))
    (tmp_path / "classes.txt").write_text("0 sky\n1 road\n")
    options = ScoreOptions(spec=tmp_path / "classes.txt", skip_undecided=True)
    report = score(tmp_path / "p", tmp_path / "t", options=options)
    assert report.confusion.counts_CC.tolist() == [[1, 0], [1, 1]]
    assert any("2 of 5 labelled pixels (40 %) are IGNORE" in note for note in report.notes)
